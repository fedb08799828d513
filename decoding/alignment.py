"""One subject's responses in the voxels of another."""

import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import orthogonal_procrustes

from ..core.checks import Floats, InputError, as_matrix, check_choice
from ..core.ridge.banded import ALPHAS, fit_banded_ridge
from ..core.ridge.search import Search
from ..core.stats import varies
from .folds import make_folds
from .rows import Pairs

Method = Literal["procrustes", "ridge", "transport"]

# Entropic regularisation, as a share of the largest cost: blurs over like voxels. With
# less, single precision does not reach the tolerance.
BLUR = 0.1
TOLERANCE = 1e-6
METHODS = ("procrustes", "ridge", "transport")


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """A linear map between subjects, and what it was fitted on.

    Parameters
    ----------
    method : 'procrustes', 'ridge' or 'transport'
    weights : array of shape (n_source_voxels, n_reference_voxels)
        From standardised source voxels to standardised reference voxels.
    mean, sd : array of shape (n_source_voxels,)
        Of the source's alignment rows.
    reference_mean, reference_sd : array of shape (n_reference_voxels,)
    runs, clips : frozenset of str
        Of the rows that it was fitted on.
    """

    method: Method
    weights: Floats
    mean: Floats
    sd: Floats
    reference_mean: Floats
    reference_sd: Floats
    runs: frozenset[str]
    clips: frozenset[str]


def fit_alignment(
    source: Pairs, reference: Pairs, *, method: Method, n_folds: int = 5
) -> Alignment:
    """Fit the map from one subject's voxels to another's, on rows of equal stimuli.

    Parameters
    ----------
    source, reference : Pairs
        Row i of both is the same stimulus: the same clips in the same order. They may
        have different voxels.
    method : 'procrustes', 'ridge' or 'transport'
        'procrustes': a rotation and one scale (scipy). The smaller of the two spaces
        is filled up with columns of 0. 'ridge': each reference voxel from all source
        voxels, with a penalty of its own chosen on held-out runs. 'transport': voxels
        move to voxels with similar responses, by entropic optimal transport
        (fmralign). All need memory for source x reference voxels: align ROIs rather
        than a cortex at once.
    n_folds : int
        Folds of runs for the penalties of 'ridge'.

    Returns
    -------
    alignment : Alignment

    Raises
    ------
    InputError
        If rows are not of the same stimuli, a voxel never varies, or fmralign is
        asked for and not installed.

    References
    ----------
    Haxby, J. V. et al. (2011). A common, high-dimensional model of the representational
    space in human ventral temporal cortex. Neuron 72. Bazeille, T., Richard, H.,
    Janati, H. & Thirion, B. (2019). Local optimal transport for functional brain
    template estimation. IPMI.
    """
    check_choice(method, "method", METHODS)
    _check_rows(source, reference)
    X, mean, sd = _standard(source.Y)
    Z, reference_mean, reference_sd = _standard(reference.Y)
    if method == "procrustes":
        weights = _rotation(X, Z)
    elif method == "ridge":
        search = Search(ALPHAS, np.ones((1, 1)))
        folds = make_folds(source, n_folds=n_folds)
        fit = fit_banded_ridge(X, Z, widths=[X.shape[1]], folds=folds, search=search)
        weights = fit.weights
    else:
        weights = _transport(X, Z)
    return Alignment(
        method,
        weights,
        mean,
        sd,
        reference_mean,
        reference_sd,
        source.run_names | reference.run_names,
        frozenset(source.clips.tolist()),
    )


def align(alignment: Alignment, pairs: Pairs, *, tested: bool) -> Pairs:
    """Return rows of the source subject in the voxels of the reference.

    Parameters
    ----------
    alignment : Alignment
    pairs : Pairs
    tested : bool
        Whether the rows are to be scored: then they must not be among those that the
        alignment was fitted on, by run or by clip. The other subject's responses to a
        tested clip would bring in the answer.

    Returns
    -------
    pairs : Pairs
        With the reference's voxels, in its units.

    Raises
    ------
    InputError
        If tested rows share a run or a clip with the alignment, or have other voxels.
    """
    if tested:
        check_not_seen(alignment, pairs)
    if pairs.Y.shape[1] != len(alignment.mean):
        raise InputError(
            f"Y has {pairs.Y.shape[1]} voxels, and the alignment is of "
            f"{len(alignment.mean)}. Give the source subject's voxels, in its order."
        )
    Y = (pairs.Y - alignment.mean) / alignment.sd @ alignment.weights
    Y = Y * alignment.reference_sd + alignment.reference_mean
    return Pairs(Y, pairs.T, pairs.runs, pairs.clips)


def check_not_seen(alignment: Alignment, test: Pairs) -> None:
    """Raise if tested rows share a run or a clip with the rows of an alignment."""
    runs = sorted(alignment.runs & test.run_names)
    clips = sorted(alignment.clips & set(test.clips.tolist()))
    if runs or clips:
        what, found = ("runs", runs) if runs else ("clips", clips)
        raise InputError(
            f"the alignment was fitted on {what} that are now tested: "
            f"{', '.join(found[:3])}{' ...' if found[3:] else ''}. Fit it on training "
            "runs, of other clips than those that are tested."
        )


def check_transport() -> None:
    """Raise if what optimal transport needs is not installed."""
    _fmralign()


def _rotation(X: Floats, Z: Floats) -> Floats:
    width = max(X.shape[1], Z.shape[1])
    filled = [np.pad(A, ((0, 0), (0, width - A.shape[1]))) for A in (X, Z)]
    R, total = orthogonal_procrustes(*filled)
    scale = total / (X**2).sum()
    return scale * R[: X.shape[1], : Z.shape[1]]


def _transport(X: Floats, Z: Floats) -> Floats:
    solver = _fmralign().methods.OptimalTransport(reg=BLUR, tol=TOLERANCE)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*did not converge")
        try:
            solver.fit(X, Z)
        except UserWarning as warning:
            raise InputError(
                f"optimal transport of {X.shape[1]} to {Z.shape[1]} voxels did not "
                "converge. Leave out voxels without signal, or take method "
                "'procrustes' or 'ridge'."
            ) from warning
    # Each column of the plan sums to 1 / n_reference: times that, a weighted mean.
    return solver.R.astype(np.float64) * Z.shape[1]


def _standard(Y: ArrayLike) -> tuple[Floats, Floats, Floats]:
    Y = as_matrix(Y, "Y").astype(np.float64)
    fixed = ~varies(Y)
    if fixed.any():
        raise InputError(
            f"{int(fixed.sum())} of {Y.shape[1]} voxels never vary in the alignment "
            "rows. Mask them out of all rows of that subject."
        )
    mean, sd = Y.mean(axis=0), Y.std(axis=0)
    return (Y - mean) / sd, mean, sd


def _check_rows(source: Pairs, reference: Pairs) -> None:
    same: NDArray[np.bool_] | bool = len(source.clips) == len(reference.clips)
    if same:
        same = (source.clips == reference.clips).all() and (
            source.T.shape == reference.T.shape and (source.T == reference.T).all()
        )
    if not same:
        raise InputError(
            f"alignment rows of {len(source.clips)} and {len(reference.clips)} windows "
            "are not the same stimuli in the same order, with the same targets. Take "
            "the clips that both subjects heard, sorted alike."
        )


def _fmralign() -> ModuleType:
    try:
        import fmralign.methods
        import ot  # noqa: F401 - fmralign needs it for transport
        import torch  # noqa: F401
    except ImportError as error:
        raise InputError(
            "alignment by optimal transport needs fmralign, POT and torch, but "
            f"{error.name} is not installed. Run: pip install "
            "'brain2music[decode]', or take method 'procrustes' or 'ridge'."
        ) from error
    return fmralign
