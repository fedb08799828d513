"""Banded ridge as an estimator: voxel responses from several feature spaces at once."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..core.checks import Floats, InputError, as_matrix, check_same_samples
from ..core.device import Backend
from ..core.ridge.banded import ALPHAS, fit_banded_ridge
from ..core.ridge.candidates import structured_candidates
from ..core.ridge.folds import folds_of
from ..core.ridge.levers import EXACT, Levers
from ..core.ridge.search import Form, Search, Solver
from ..core.types import Band


class BandedRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Linear model with one penalty per feature space (band) and voxel.

    Parameters
    ----------
    bands : sequence of Band, optional
        The feature spaces, in the order of the columns of X. All columns are one
        band if None, which is plain ridge.
    cv : scikit-learn splitter, optional
        Cuts the training samples into folds; each sample is held out exactly once.
        Leaves one group (run) out if None. A splitter of groups needs `groups`.
    alphas : sequence of float
        Penalties tried for each voxel. Nine decades, since the best one grows with
        the number of samples and falls with the signal.
    n_candidates : int
        Number of divisions of the penalty over the bands that are tried.
    seed : int
        Seed of those divisions that are drawn.
    form : 'auto', 'primal' or 'kernel'
        Solve for columns or for samples. 'auto' takes the cheaper of the two.
    solver : 'fold-gram' or 'himalaya'
        Ours, or himalaya's own, the reference.
    levers : Levers, optional
        What 'fold-gram' may leave out. Nothing if None.
    backend : 'numpy', 'torch' or 'torch_cuda'
        The library of the arithmetic of 'fold-gram'; results are NumPy arrays.

    Attributes
    ----------
    coef_ : array of shape (n_columns, n_voxels)
        Weights, in units of y per unit of X. (n_columns,) for y of one dimension.
    intercept_ : array of shape (n_voxels,)
        Prediction where all features are 0.
    band_weights_ : array of shape (n_bands, n_voxels)
    alphas_ : array of shape (n_voxels,)
    cv_scores_ : array of shape (n_voxels,)
        Share of the held-out variance explained in the folds, for the best choice.
    at_low_end_, at_high_end_ : array of bool, shape (n_voxels,)
        Whether the smallest or the largest penalty was chosen.
    counts_ : dict of str to int
        Voxels by what became of them, as `Searched.counts` names it.

    References
    ----------
    Dupre la Tour, T., Eickenberg, M., Nunez-Elizalde, A. O. & Gallant, J. L. (2022).
    Feature-space selection with banded ridge regression. NeuroImage 264.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, runs = rng.standard_normal((60, 4)), np.repeat([1, 2, 3], 20)
    >>> y = X @ [[1.0], [0.0], [0.0], [2.0]]
    >>> bands = [Band("mel", 3), Band("genre", 1)]
    >>> model = BandedRidge(bands, alphas=(1e-6,)).fit(X, y, groups=runs)
    >>> model.coef_.ravel().round(3) + 0.0
    array([1., 0., 0., 2.])
    """

    def __init__(  # noqa: PLR0913 - an estimator takes all its settings here
        self,
        bands: Sequence[Band] | None = None,
        *,
        cv: Any = None,
        alphas: Sequence[float] = ALPHAS,
        n_candidates: int = 20,
        seed: int = 0,
        form: Form = "auto",
        solver: Solver = "fold-gram",
        levers: Levers | None = None,
        backend: Backend = "numpy",
    ) -> None:
        self.bands = bands
        self.cv = cv
        self.alphas = alphas
        self.n_candidates = n_candidates
        self.seed = seed
        self.form = form
        self.solver = solver
        self.levers = levers
        self.backend = backend

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit weights and penalties.

        Parameters
        ----------
        X : array of shape (n_samples, n_columns)
            Features, delays already applied.
        y : array of shape (n_samples, n_voxels) or (n_samples,)
            Responses.
        groups : array of shape (n_samples,), optional
            Run of each sample, handed to `cv`. Needed if `cv` is None.

        Raises
        ------
        InputError
            If the bands do not add up to the columns, `groups` is missing, or `cv`
            does not hold each sample out exactly once.
        """
        X, y = self._check(X, y)
        Y = as_matrix(y[:, None] if y.ndim == 1 else y, "y")
        fit = fit_banded_ridge(
            X,
            Y,
            widths=self._widths(X.shape),
            folds=folds_of(self.cv, X, y, groups),
            search=Search(
                self.alphas,
                structured_candidates(
                    len(self._widths(X.shape)), self.n_candidates, self.seed
                ),
                self.form,
                solver=self.solver,
                levers=EXACT if self.levers is None else self.levers,
                backend=self.backend,
            ),
        )
        self.coef_ = fit.weights[:, 0] if y.ndim == 1 else fit.weights
        self.intercept_ = fit.intercept[0] if y.ndim == 1 else fit.intercept
        self.band_weights_, self.alphas_ = fit.band_weights, fit.alphas
        self.cv_scores_, self.counts_ = fit.cv_scores, fit.counts
        self.at_low_end_, self.at_high_end_ = fit.at_low_end, fit.at_high_end
        return self

    def _check(self, X: Any, y: Any) -> tuple[Floats, Floats]:
        """Return X and y as arrays, in the words of scikit-learn where they are not."""
        if hasattr(X, "shape") and hasattr(y, "shape") and X.shape[:1] != y.shape[:1]:
            check_same_samples(X=X, y=y)
        dtypes = [np.float64, np.float32]
        X, y = validate_data(
            self,
            X,
            y,
            dtype=dtypes,
            multi_output=True,
            y_numeric=True,
            ensure_min_samples=2,
        )
        if not np.issubdtype(y.dtype, np.floating):
            y = y.astype(np.float64)
        return X, y

    def predict(self, X: ArrayLike) -> Floats:
        """Predict responses, of shape (n_samples, n_voxels)."""
        parts = self.predict_bands(X)
        return self.intercept_ + sum(parts.values())

    def predict_bands(self, X: ArrayLike) -> dict[str, Floats]:
        """Return each band's part of the prediction, without the intercept."""
        check_is_fitted(self)
        shape = getattr(X, "shape", None)
        self._widths(np.asarray(X).shape if shape is None else shape)
        known = {"reset": False, "dtype": [np.float64, np.float32]}
        checked: Floats = validate_data(self, X, **known)
        edges = np.cumsum(np.array(self._widths(checked.shape), dtype=np.intp))[:-1]
        pairs = zip(
            np.split(checked, edges, axis=1), np.split(self.coef_, edges), strict=True
        )
        names = ["all"] if self.bands is None else [band.name for band in self.bands]
        return {n: x @ w for n, (x, w) in zip(names, pairs, strict=True)}

    def _widths(self, shape: tuple[int, ...]) -> list[int]:
        if self.bands is None or len(shape) != 2:
            return [*shape][-1:]
        widths = [band.n_columns for band in self.bands]
        if sum(widths) != shape[1]:
            return _refuse(
                shape[1], ", ".join(f"{b.name} {b.n_columns}" for b in self.bands)
            )
        return widths


def _refuse(n_columns: int, bands: str) -> list[int]:
    raise InputError(
        f"X has {n_columns} columns, but its bands add up to another number: {bands}. "
        "If X holds delays, count a band's columns after them (features * delays)."
    )
