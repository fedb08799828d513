"""What was decoded of each test clip, back in the unit of the network that it is of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.saved import read_rows
from ..decoding.rows import average_windows
from .alignment import Aligned
from .session import Session

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
    random : array of shape (n_clips, n_dimensions)
        The same of random responses: see `decoding.random_brain`.
    n_left_out : int
        How many those are.
    """

    clips: tuple[str, ...]
    vectors: Floats
    random: Floats
    n_left_out: int


def read_decoded(session: Session, aligned: Aligned, target: str) -> DecodedClips:
    """Read a subject's decoding of one target, in the target's own unit."""
    folder = session.out / f"decoding/sub-{aligned.opened.subject}"
    with np.load(folder / f"{target}.npz", allow_pickle=False) as saved:
        rows = [saved["predicted"], saved["random"]]
        dimensions, mean = saved["dimensions"], saved["train_mean"]
    clips = read_rows(folder / "rows.csv")["clip"].to_numpy()
    vectors = []
    for decoded in rows:
        whole = np.tile(mean, (len(decoded), 1))
        whole[:, dimensions] = decoded
        means, names = average_windows(whole, clips)
        vectors.append(means)
    n_left_out = len(mean) - len(dimensions)
    return DecodedClips(tuple(names.tolist()), vectors[0], vectors[1], n_left_out)
