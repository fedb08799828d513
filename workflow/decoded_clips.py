"""What was decoded of each test clip, back in the unit of the network that it is of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..core.saved import read_rows
from ..decoding.rows import average_windows
from .alignment import Aligned
from .prepare import training_rows
from .session import Session
from .sources import space_runs

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class DecodedClips:
    """Decoded embeddings of the test clips.

    Parameters
    ----------
    clips : tuple of str
        In the order of the rows that were decoded.
    vectors : array of shape (n_clips, n_dimensions)
        The mean over a clip's rows. Dimensions that were not decoded have their mean
        over training rows.
    n_left_out : int
        How many those are.
    """

    clips: tuple[str, ...]
    vectors: Floats
    n_left_out: int


def read_decoded(session: Session, aligned: Aligned, target: str) -> DecodedClips:
    """Read a subject's decoding of one target, in the target's own unit."""
    folder = session.out / f"decoding/sub-{aligned.opened.subject}"
    with np.load(folder / f"{target}.npz", allow_pickle=False) as saved:
        predicted, dimensions = saved["predicted"], saved["dimensions"]
    clips = read_rows(folder / "rows.csv")["clip"].to_numpy()
    mean, shift, scale = training_moments(session, aligned, target)
    whole = np.tile(mean, (len(predicted), 1))
    whole[:, dimensions] = predicted * scale[dimensions] + shift[dimensions]
    vectors, names = average_windows(whole, clips)
    return DecodedClips(tuple(names.tolist()), vectors, len(mean) - len(dimensions))


def training_moments(
    session: Session, aligned: Aligned, target: str
) -> tuple[Floats, Floats, Floats]:
    """Return a target's mean over training rows, and its shift and scale in X."""
    study = session.study
    layers, _ = space_runs(study, aligned, target, session.ticker)
    if len(layers) > 1:
        raise InputError(
            f"features.{target} has {len(layers)} layers. Name one layer of it as a "
            "feature space of its own."
        )
    (runs,) = layers.values()
    used = training_rows(aligned)
    rows = np.concatenate([run[keep] for run, keep in zip(runs, used, strict=True)])
    rows = rows.astype(np.float64)
    mean, n = rows.mean(axis=0), rows.shape[1]
    how = study.space(target).standardise
    shift = np.zeros(n) if how == "none" else mean
    return mean, shift, rows.std(axis=0) if how == "zscore" else np.ones(n)
