"""Which of several candidates a subject's encoding model finds most likely.

The model and the covariance of its residuals are of training rows alone. What they are
held against is the measured response to the clip: the one that the clip was decoded
from. So the ranking is a part of the decoder, and what is scored is both together.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from ..core.checks import InputError
from ..core.saved import load_bands, load_moments
from ..core.store import open_store
from ..decoding.candidates import log_likelihood, residual_covariance
from ..decoding.voxels import strongest
from ..encoding.layers import columns_of
from ..study import Study
from .alignment import Aligned
from .generators import target_of
from .session import Session

Floats = NDArray[np.floating]
N_VOXELS = 500  # those that follow the target most in training


@dataclass(frozen=True, eq=False)
class Likelihood:
    """How likely the measured response to a clip is under each candidate.

    Parameters
    ----------
    model : Ridge
        From a target's row, as it is in X, to the voxels that are used.
    covariance : array of shape (n_voxels, n_voxels)
        Of residuals on held-out training runs.
    responses : dict of clip to array of shape (n_rows, n_voxels)
        Test rows whose delays all lie inside the clip.
    shift, scale : array of shape (n_dimensions,)
        From the network's unit to that of X.
    """

    model: Ridge
    covariance: Floats
    responses: dict[str, Floats]
    shift: Floats
    scale: Floats

    def __call__(self, clip: str, vectors: Floats) -> NDArray[np.float64]:
        """Return the log-likelihood of each candidate by its embedding, in nats."""
        predicted = self.model.predict((vectors - self.shift) / self.scale)
        measured = self.responses[clip]
        rows = np.repeat(predicted[:, None], len(measured), axis=1)
        return log_likelihood(rows, measured, self.covariance)


def check_likelihood(study: Study, rows: pd.DataFrame, name: str) -> None:
    """Raise if no likelihood could rank candidates: before anything is fitted.

    Parameters
    ----------
    study : Study
    rows : DataFrame
        All rows of a subject, with `side`, `run_name`, `clip` and `sample_in_clip`.
    name : str
        The subject's.

    Raises
    ------
    InputError
        If there is one training run, or a test clip is shorter than the delays.
    """
    longest = max(study.delays_of(target_of(study)))
    _check_runs(rows.loc[rows["side"] == "train", "run_name"].to_numpy(), name)
    _whole_rows(rows[rows["side"] == "test"], longest, name)


def fit_likelihood(session: Session, aligned: Aligned, target: str) -> Likelihood:
    """Fit the encoding model of one target on a subject's training rows.

    Raises
    ------
    InputError
        If there is one training run, or a test clip is shorter than the delays.
    """
    study, subject, name = session.study, aligned.opened.subject, aligned.opened.name
    store = open_store(session.out / f"responses/sub-{subject}")
    X_train = target_rows(session, subject, target, "train")
    runs = store.train_rows()["run_name"].to_numpy()
    _check_runs(runs, name)
    rows = store.test_rows()
    whole = _whole_rows(rows, max(study.delays_of(target)), name)
    Y, used = store.train(store.valid), np.ones(int(store.valid.sum()), bool)
    mask = strongest(Y, X_train, min(N_VOXELS, len(used)), used)
    Y_train = Y[:, mask].astype(np.float64)
    Y_test = store.test(store.valid)[:, mask].astype(np.float64)
    held, best = _held_out(X_train, Y_train, runs, study.decoding.alphas)
    shift, scale = load_moments(session.out / f"features/sub-{subject}", target)
    return Likelihood(
        Ridge(best).fit(X_train, Y_train),
        residual_covariance(Y_train, held),
        {clip: Y_test[mine] for clip, mine in whole.items()},
        shift,
        scale,
    )


def _held_out(
    X: Floats, Y: Floats, runs: NDArray, alphas: tuple[float, ...]
) -> tuple[Floats, float]:
    """Return predictions of held-out runs under the penalty that does best there."""
    found = {}
    for alpha in alphas:
        cv = LeaveOneGroupOut()
        found[alpha] = cross_val_predict(Ridge(alpha), X, Y, groups=runs, cv=cv)
    lost = {alpha: float(((Y - rows) ** 2).sum()) for alpha, rows in found.items()}
    best = min(lost, key=lost.__getitem__)
    return found[best], best


def _check_runs(runs: NDArray, name: str) -> None:
    if len(set(runs)) < 2:
        raise InputError(
            f"{name}: generation.rank = 'likelihood' holds out training runs, and "
            "there is one. Set rank = 'first'."
        )


def _whole_rows(
    rows: pd.DataFrame, longest: int, name: str
) -> dict[str, NDArray[np.bool_]]:
    """Return which rows of each clip have all their delays inside it."""
    inside = (rows["sample_in_clip"] >= longest).to_numpy()
    clips = rows["clip"].to_numpy()
    found = {}
    for clip in dict.fromkeys(clip for clip in clips if clip):
        found[clip] = inside & (clips == clip)
        if not found[clip].any():
            raise InputError(
                f"{name}: no volume of test clip {clip!r} has all its delays (up to "
                f"{longest} TRs) inside the clip, which generation.rank = 'likelihood' "
                "needs. Set rank = 'first'."
            )
    return found


def target_rows(session: Session, subject: str, name: str, side: str) -> Floats:
    """Return a target's columns of X, the mean over delays."""
    folder = session.out / f"features/sub-{subject}"
    bands = load_bands(folder)
    (k,) = (k for k, band in enumerate(bands) if band.name == name)
    X = np.load(folder / f"X_{side}.npy", mmap_mode="r")
    columns = X[:, columns_of(bands, [k])].astype(np.float64)
    shape = (len(X), len(bands[k].delays), bands[k].n_features)
    return columns.reshape(shape).mean(axis=1)
