"""Principal components of a feature space, found on training rows alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from ..core.checks import Floats, InputError, as_matrix


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Principal components of some rows: their mean, directions and shares.

    Parameters
    ----------
    mean : array of shape (n_features,)
    components : array of shape (n_components, n_features)
        Orthonormal rows, the largest share first.
    shares : array of shape (n_components,)
        Part of the rows' variance along each.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    shares: NDArray[np.float64]


def principal_components(
    runs: Sequence[Floats],
    training: Sequence[NDArray[np.bool_]],
    *,
    n_components: int,
    name: str,
) -> tuple[list[NDArray[np.float64]], float]:
    """Return each run along the largest principal components of the training rows.

    Components keep their variances, so that a ridge penalty spares the large ones as it
    would without them.

    Parameters
    ----------
    runs : sequence of array of shape (n_rows, n_features)
        One feature space, run by run.
    training : sequence of bool array of shape (n_rows,)
        The rows that the components are found on; none of a test run.
    n_components : int
    name : str
        What the errors call this feature space.

    Returns
    -------
    scores : list of array of shape (n_rows, n_components)
        Their mean over the training rows is 0.
    share : float
        Part of the training rows' variance that the components hold.

    Raises
    ------
    InputError
        If there are fewer features, or fewer training rows, than components.

    Examples
    --------
    >>> runs = [np.array([[1.0, 1.0], [-1.0, -1.0]]), np.array([[3.0, 3.0]])]
    >>> training = [np.array([True, True]), np.array([False])]
    >>> scores, share = principal_components(runs, training, n_components=1, name="x")
    >>> [np.abs(run).ravel().round(3).tolist() for run in scores], share
    ([[1.414, 1.414], [4.243]], 1.0)
    """
    rows = np.concatenate([r[keep] for r, keep in zip(runs, training, strict=True)])
    try:
        found = fit_pca(rows, n_components=n_components)
    except InputError as error:
        raise InputError(f"features.{name}.n_components: {error}") from error
    return [project(found, run) for run in runs], float(found.shares.sum())


def fit_pca(train: Floats, *, n_components: int) -> Projection:
    """Find the principal components of training rows.

    Parameters
    ----------
    train : array of shape (n_samples, n_features)
        Training rows alone: the test must not shape the features.
    n_components : int

    Returns
    -------
    projection : Projection
        For `project`, which takes the rows of training and test alike.

    Raises
    ------
    InputError
        If there are fewer rows or features than components, or nothing varies.
    """
    rows = as_matrix(train, "train").astype(np.float64)
    most = min(len(rows) - 1, rows.shape[1])
    if not 1 <= n_components <= most:
        raise InputError(
            f"n_components is {n_components}; {rows.shape[0]} rows of "
            f"{rows.shape[1]} features have 1 to {most}."
        )
    if not (rows[:1] != rows).any():
        raise InputError("no feature of the training rows varies: nothing to project.")
    pca = PCA(n_components, svd_solver="full").fit(rows)
    return Projection(pca.mean_, pca.components_, pca.explained_variance_ratio_)


def project(projection: Projection, rows: Floats) -> NDArray[np.float64]:
    """Return rows along the components of `fit_pca`.

    Parameters
    ----------
    projection : Projection
    rows : array of shape (n_samples, n_features)

    Returns
    -------
    scores : array of shape (n_samples, n_components)
        In the unit of the features, 0 at the training rows' mean.
    """
    rows = as_matrix(rows, "rows")
    if rows.shape[1] != len(projection.mean):
        raise InputError(
            f"rows have {rows.shape[1]} features, the components "
            f"{len(projection.mean)}. Use the features that they were fitted on."
        )
    return (rows - projection.mean) @ projection.components.T
