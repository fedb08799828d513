"""Which of several candidates the brain heard: the likelihood of its response."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from sklearn.covariance import LedoitWolf

from ..core.checks import Floats, InputError, as_matrix
from .generation import Generated
from .sounds import Sound, write_sound


@dataclass(frozen=True, eq=False, slots=True)
class Ranked:
    """Candidates by their score, best first; those that tie keep their order."""

    order: NDArray[np.intp]
    scores: NDArray[np.float64]

    @property
    def best(self) -> int:
        """The candidate with the highest score."""
        return int(self.order[0])


def rank_candidates(generated: Generated, score: Callable[[Sound], float]) -> Ranked:
    """Rank candidates by a score, such as the likelihood of the measured response.

    Parameters
    ----------
    generated : Generated
    score : callable
        From a candidate's sound to a number; more is better. It may know what was
        measured, and never what was played.

    Raises
    ------
    InputError
        If a score is not finite.
    """
    found = [float(score(generated.sound(k))) for k in range(len(generated))]
    scores = np.array(found, np.float64)
    if not np.isfinite(scores).all():
        worst = int(np.argmin(np.isfinite(scores)))
        raise InputError(
            f"candidate {worst} has score {scores[worst]}, which cannot be ranked. Is "
            "it silent?"
        )
    return Ranked(np.argsort(-scores, kind="stable"), scores)


@dataclass(frozen=True, eq=False, slots=True)
class Taken:
    """One of several candidates, beside the first of them.

    Parameters
    ----------
    first, sound : Sound
        The first candidate, and the one that was taken.
    candidate : int
        Which that was, from 0.
    scores : tuple of float
        Of all candidates; empty if the first was taken unseen.
    provenance : mapping
    """

    first: Sound
    sound: Sound
    candidate: int
    scores: tuple[float, ...]
    provenance: Mapping[str, Any]

    def write(self, path: Path, facts: Mapping[str, Any]) -> None:
        """Write what was taken as .wav, and its provenance with `facts` as .json."""
        which = {"candidate": self.candidate, "scores": list(self.scores)}
        write_sound(path, self.sound, {**self.provenance, **facts, **which})


def take(generated: Generated, score: Callable[[Sound], float] | None) -> Taken:
    """Take the candidate with the highest score, and let the others go.

    Parameters
    ----------
    generated : Generated
    score : callable or None
        As in `rank_candidates`; None takes the first.
    """
    best, scores = 0, ()
    if score is not None:
        ranked = rank_candidates(generated, score)
        best, scores = ranked.best, tuple(ranked.scores.tolist())
    # Copies, since a row alone would keep all candidates in memory.
    first, sound = (
        Sound(generated.audio[k].copy(), generated.rate_hz) for k in (0, best)
    )
    return Taken(first, sound, best, scores, generated.provenance)


def log_likelihood(
    predictions: ArrayLike, responses: ArrayLike, covariance: ArrayLike
) -> NDArray[np.float64]:
    """Return how likely the measured response is under each candidate's prediction.

    The response of each sample is the prediction plus Gaussian noise, independent
    between samples. Samples that follow each other are not, which makes differences
    between candidates too large by one common factor, and leaves their order.

    Parameters
    ----------
    predictions : array of shape (n_candidates, n_samples, n_voxels)
        What an encoding model predicts for each candidate.
    responses : array of shape (n_samples, n_voxels)
        What was measured.
    covariance : array of shape (n_voxels,) or (n_voxels, n_voxels)
        Of the encoding model's residuals, from training data: the variance of each
        voxel, which takes voxels for independent, or their covariance (see
        `residual_covariance`).

    Returns
    -------
    log_likelihood : array of shape (n_candidates,)
        In nats.

    Raises
    ------
    InputError
        If shapes differ, or the covariance is not positive definite.

    References
    ----------
    Naselaris, T., Prenger, R. J., Kay, K. N., Oliver, M. & Gallant, J. L. (2009).
    Bayesian reconstruction of natural images from human brain activity. Neuron 63.

    Examples
    --------
    >>> found = log_likelihood([[[0.0]], [[2.0]]], [[0.0]], [1.0])
    >>> (found[0] - found[1]).item()
    2.0
    """
    responses = as_matrix(responses, "responses").astype(np.float64)
    predictions = np.asarray(predictions, np.float64)
    if predictions.ndim != 3 or predictions.shape[1:] != responses.shape:
        raise InputError(
            f"predictions have shape {predictions.shape}; expected (n_candidates, "
            f"{responses.shape[0]}, {responses.shape[1]}), as the responses are."
        )
    if not np.isfinite(predictions).all():
        raise InputError("predictions have NaN or infinity. Leave those voxels out.")
    residuals = responses - predictions
    covariance = np.asarray(covariance, np.float64)
    n_samples, n_voxels = responses.shape
    if covariance.shape == (n_voxels,):
        squares, log_det = _by_voxel(residuals, covariance)
    elif covariance.shape == (n_voxels, n_voxels):
        squares, log_det = _by_covariance(residuals, covariance)
    else:
        raise InputError(
            f"covariance has shape {covariance.shape}; expected ({n_voxels},) or "
            f"({n_voxels}, {n_voxels}) for {n_voxels} voxels."
        )
    constant = n_samples * (n_voxels * np.log(2 * np.pi) + log_det)
    return -0.5 * (squares + constant)


def residual_covariance(
    responses: ArrayLike, predictions: ArrayLike
) -> NDArray[np.float64]:
    """Return the shrunk covariance of an encoding model's residuals.

    Parameters
    ----------
    responses, predictions : array of shape (n_samples, n_voxels)
        Of training runs; predictions must be cross-validated, since residuals of the
        fit itself are too small.

    Returns
    -------
    covariance : array of shape (n_voxels, n_voxels)
        About a mean of 0, shrunk towards a multiple of the identity.

    References
    ----------
    Ledoit, O. & Wolf, M. (2004). A well-conditioned estimator for large-dimensional
    covariance matrices. Journal of Multivariate Analysis 88.
    """
    responses = as_matrix(responses, "responses").astype(np.float64)
    predictions = as_matrix(predictions, "predictions")
    if responses.shape != predictions.shape:
        raise InputError(
            f"responses have shape {responses.shape} and predictions "
            f"{predictions.shape}; they must be of the same samples and voxels."
        )
    model = LedoitWolf(assume_centered=True).fit(responses - predictions)
    return np.asarray(model.covariance_, np.float64)


def _by_voxel(residuals: Floats, variance: Floats) -> tuple[Floats, float]:
    if not (np.isfinite(variance).all() and (variance > 0).all()):
        raise InputError(
            f"{int((~(variance > 0)).sum())} of {len(variance)} variances are not "
            "above 0. Leave voxels out that never vary."
        )
    squares = (residuals**2 / variance).sum(axis=(1, 2))
    return squares, float(np.log(variance).sum())


def _by_covariance(residuals: Floats, covariance: Floats) -> tuple[Floats, float]:
    try:
        factor = cho_factor(covariance, lower=True)
    except (LinAlgError, ValueError) as error:
        raise InputError(
            f"the covariance is not positive definite: {error}. Take "
            "residual_covariance, which shrinks it, or the variance of each voxel."
        ) from error
    flat = residuals.reshape(-1, residuals.shape[2]).T
    squares = (flat * cho_solve(factor, flat)).sum(axis=0)
    log_det = 2 * float(np.log(np.diag(factor[0])).sum())
    return squares.reshape(residuals.shape[:2]).sum(axis=1), log_det
