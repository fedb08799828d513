"""The fold-Gram search under the names and conventions of himalaya's solvers.

They take what `solve_group_ridge_random_search` and
`solve_multiple_kernel_ridge_random_search` take and return the same things, on
himalaya's current backend; a fit may go from one to the other by the name alone. Not
offered are other scores than the squared error, and penalties that all voxels share.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from himalaya.backend import get_backend
from himalaya.kernel_ridge import generate_dirichlet_samples
from himalaya.scoring import l2_neg_loss
from numpy.typing import NDArray

from ..checks import InputError
from .design import cut_design, cut_kernels
from .fold_gram import FoldGram
from .folds import folds_of
from .levers import EXACT, Levers
from .plan import first_plan
from .search import Search
from .store import Factors
from .stream import chunks

CONCENTRATION = (0.1, 1.0)


def solve_group_ridge_fold_gram(  # noqa: PLR0913 - the parameters are himalaya's
    Xs: Sequence[Any],
    Y: Any,
    n_iter: Any = 100,
    concentration: Sequence[float] = CONCENTRATION,
    alphas: Any = 1.0,
    fit_intercept: bool = False,
    score_func: Callable[..., Any] = l2_neg_loss,
    cv: Any = 5,
    return_weights: bool = False,
    local_alpha: bool = True,
    jitter_alphas: bool = False,
    random_state: int | None = None,
    n_targets_batch: int | None = None,
    n_targets_batch_refit: int | None = None,  # noqa: ARG001 - himalaya's
    n_alphas_batch: int | None = None,  # noqa: ARG001
    progress_bar: bool = True,  # noqa: ARG001
    conservative: bool = False,
    Y_in_cpu: bool = False,  # noqa: ARG001
    diagonalize_method: str = "svd",  # noqa: ARG001
    warn: bool = True,  # noqa: ARG001
    *,
    levers: Levers = EXACT,
) -> tuple[Any, ...]:
    """Solve banded ridge as himalaya's `solve_group_ridge_random_search` does.

    Parameters
    ----------
    Xs : list of arrays of shape (n_samples, n_features)
        One per band.
    Y : array of shape (n_samples, n_targets)
    n_iter : int, or array of shape (n_iter, n_bands)
        Number of random candidates, or the candidates. Weights may be 0.
    concentration : sequence of float
        Of the Dirichlet distribution that candidates are drawn from.
    alphas : float, or array of shape (n_alphas,)
    fit_intercept : bool
    cv : int or scikit-learn splitter
        Holds each sample out once.
    return_weights : bool
        Whether to fit the weights on all samples.
    random_state : int, optional
    n_targets_batch : int, optional
    score_func, local_alpha, jitter_alphas, conservative
        Other values than himalaya's defaults are refused.
    n_targets_batch_refit, n_alphas_batch, progress_bar, Y_in_cpu, diagonalize_method, \
warn
        Say how himalaya works, and change nothing here.
    levers : Levers
        Nothing is left out by default.

    Returns
    -------
    deltas : array of shape (n_bands, n_targets)
        log(weight / alpha) of each target's choice.
    refit_weights : array of shape (n_features of all bands, n_targets), or None
    cv_scores : array of shape (n_iter, n_targets)
        Minus the mean squared error; NaN where a target did not try a candidate, or
        holds nothing to fit.
    intercept : array of shape (n_targets,)
        Only if `fit_intercept`; None without weights.

    Raises
    ------
    InputError
        If a sample is not held out exactly once.
    """
    _refuse_others(score_func, local_alpha, jitter_alphas, conservative)
    arrays = [_numpy(X) for X in Xs]
    X, Y = np.concatenate(arrays, axis=1), _numpy(Y).astype(arrays[0].dtype)
    search = _search(n_iter, concentration, alphas, random_state, len(Xs), levers)
    design = cut_design(
        X,
        [array.shape[1] for array in arrays],
        folds_of(cv, X, Y),
        dtype=X.dtype.name,
        tolerance=levers.tolerance,
        centred=fit_intercept,
    )
    deltas, weights, scores, _, mean = _solve(design, search, Y, n_targets_batch)
    backend = get_backend()
    found = [backend.asarray(deltas), None, backend.asarray(scores)]
    if return_weights:
        found[1] = backend.asarray(weights)
    if fit_intercept:
        found.append(backend.asarray(mean) if return_weights else None)
    return tuple(found)


def solve_multiple_kernel_ridge_fold_gram(  # noqa: PLR0913 - as above
    Ks: Any,
    Y: Any,
    n_iter: Any = 100,
    concentration: Sequence[float] = CONCENTRATION,
    alphas: Any = 1.0,
    score_func: Callable[..., Any] = l2_neg_loss,
    cv: Any = 5,
    fit_intercept: bool = False,
    return_weights: str | None = None,
    Xs: Any = None,  # noqa: ARG001 - himalaya's, for its primal weights
    local_alpha: bool = True,
    jitter_alphas: bool = False,
    random_state: int | None = None,
    n_targets_batch: int | None = None,
    n_targets_batch_refit: int | None = None,  # noqa: ARG001 - as above
    n_alphas_batch: int | None = None,  # noqa: ARG001
    progress_bar: bool = True,  # noqa: ARG001
    Ks_in_cpu: bool = False,  # noqa: ARG001
    conservative: bool = False,
    Y_in_cpu: bool = False,  # noqa: ARG001
    diagonalize_method: str = "eigh",  # noqa: ARG001
    return_alphas: bool = False,
) -> list[Any]:
    """Solve as himalaya's `solve_multiple_kernel_ridge_random_search` does.

    One eigendecomposition per candidate, of the kernel of all samples, serves all
    folds.

    Parameters
    ----------
    Ks : array of shape (n_kernels, n_samples, n_samples)
    Y : array of shape (n_samples, n_targets)
    n_iter, concentration, alphas, cv, fit_intercept, random_state, n_targets_batch
        As in `solve_group_ridge_fold_gram`, and so are those that are not named here.
    return_weights : None or 'dual'
    return_alphas : bool

    Returns
    -------
    results : list
        deltas, dual weights times alpha (or None), cv_scores; then the alphas and the
        intercept, if they were asked for.

    Raises
    ------
    InputError
        If a sample is not held out exactly once, or other weights are asked for.
    """
    _refuse_others(score_func, local_alpha, jitter_alphas, conservative)
    if return_weights not in (None, "dual"):
        raise InputError(
            f"return_weights must be None or 'dual', got {return_weights!r}. For "
            "weights of features use solve_group_ridge_fold_gram."
        )
    kernels = _numpy(Ks)
    Y = _numpy(Y).astype(kernels.dtype)
    search = _search(n_iter, concentration, alphas, random_state, len(kernels), EXACT)
    folds = folds_of(cv, kernels[0], Y)
    dtype = kernels.dtype.name
    design = cut_kernels(kernels, folds, dtype=dtype, centred=fit_intercept)
    deltas, weights, scores, chosen, mean = _solve(design, search, Y, n_targets_batch)
    dual = np.empty_like(weights)
    dual[design.order] = weights * chosen.astype(dtype)
    backend = get_backend()
    results = [backend.asarray(deltas), None, backend.asarray(scores)]
    if return_weights:
        results[1] = backend.asarray(dual)
    if return_alphas:
        results.append(backend.asarray(chosen.astype(dtype)))
    if fit_intercept:
        means = np.stack([kernel.mean(axis=0) for kernel in kernels]) @ dual
        results.append(backend.asarray(mean - (means * np.exp(deltas)).sum(axis=0)))
    return results


def _refuse_others(
    score_func: Callable[..., Any],
    local_alpha: bool,
    jitter_alphas: bool,
    conservative: bool,
) -> None:
    asked = {
        "score_func": score_func is not l2_neg_loss,
        "local_alpha": not local_alpha,
        "jitter_alphas": jitter_alphas,
        "conservative": conservative,
    }
    found = [name for name, differs in asked.items() if differs]
    if found:
        raise InputError(
            f"{found[0]} is not as himalaya has it by default, and other values are "
            "for himalaya's own solver. Use that, or leave it out."
        )


def _search(
    n_iter: Any,
    concentration: Sequence[float],
    alphas: Any,
    random_state: int | None,
    n_bands: int,
    levers: Levers,
) -> Search:
    if isinstance(n_iter, int):
        candidates = _numpy(
            generate_dirichlet_samples(
                n_iter, n_bands, list(concentration), random_state
            )
        ).copy()
        candidates[0] = 1 / n_bands
    else:
        candidates = _numpy(n_iter)
    grid = np.atleast_1d(_numpy(alphas)).astype(np.float64)
    return Search(
        grid.tolist(),
        candidates.astype(np.float64),
        levers=levers,
        backend=get_backend().name,
    )


def _solve(
    design: Any, search: Search, Y: NDArray, size: int | None
) -> tuple[NDArray, ...]:
    plan = first_plan(search.candidates)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        factors = Factors(folder=Path(folder), share=False)
        engine = FoldGram(design, search, plan, factors, search.backend)
        engine.sample(Y, search.levers.n_sampled, seed=0, n_voxels_batch=size)
        fits = [engine.fit(Y[:, part]) for part in chunks(Y.shape[1], size)]
        models = [fit.model() for fit in fits]
    bands = np.concatenate([model.band_weights for model in models], axis=1)
    alphas = np.concatenate([model.alphas for model in models])
    with np.errstate(divide="ignore"):  # the log of a weight of 0
        deltas = np.log(bands / alphas)
    weights = np.concatenate([model.weights for model in models], axis=1)
    intercept = np.concatenate([model.intercept for model in models])
    scores = -np.concatenate([fit.losses() for fit in fits], axis=1)
    dtype = design.dtype
    return deltas.astype(dtype), weights, scores.astype(dtype), alphas, intercept


def _numpy(array: Any) -> NDArray:
    return np.asarray(get_backend().to_numpy(array))
