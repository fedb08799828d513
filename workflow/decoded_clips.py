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
    control : array of shape (n_clips, n_dimensions), or None
        The same of what the control ROI alone predicts, where the study names one.
    """

    clips: tuple[str, ...]
    vectors: Floats
    random: Floats
    n_left_out: int
    control: Floats | None = None


def read_decoded(session: Session, aligned: Aligned, target: str) -> DecodedClips:
    """Read a subject's decoding of one target, in the target's own unit."""
    folder = session.out / f"decoding/sub-{aligned.opened.subject}"
    with np.load(folder / f"{target}.npz", allow_pickle=False) as saved:
        arrays = {
            key: saved[key]
            for key in ("predicted", "random", "control")
            if key in saved
        }
        dimensions, mean = saved["dimensions"], saved["train_mean"]
    clips = read_rows(folder / "rows.csv")["clip"].to_numpy()
    vectors = {}
    for kind, decoded in arrays.items():
        whole = np.tile(mean, (len(decoded), 1))
        whole[:, dimensions] = decoded
        vectors[kind], names = average_windows(whole, clips)
    return DecodedClips(
        tuple(names.tolist()),
        vectors["predicted"],
        vectors["random"],
        len(mean) - len(dimensions),
        vectors.get("control"),
    )
