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
    n_left_out : int
        How many those are.
    control : array of shape (n_clips, n_dimensions), or None
        The same of what the control ROI alone predicts, where the study names one.
    """

    clips: tuple[str, ...]
    vectors: Floats
    n_left_out: int
    control: Floats | None = None


def read_decoded(session: Session, aligned: Aligned, target: str) -> DecodedClips:
    """Read a subject's decoding of one target, in the target's own unit."""
    folder = session.out / f"decoding/sub-{aligned.opened.subject}"
    with np.load(folder / f"{target}.npz", allow_pickle=False) as saved:
        predicted, dimensions = saved["predicted"], saved["dimensions"]
        mean = saved["train_mean"]
        control = saved.get("control")
    clips = read_rows(folder / "rows.csv")["clip"].to_numpy()

    def whole(rows: Floats) -> tuple[Floats, NDArray[np.str_]]:
        every = np.tile(mean, (len(rows), 1))
        every[:, dimensions] = rows
        return average_windows(every, clips)

    vectors, names = whole(predicted)
    return DecodedClips(
        tuple(names.tolist()),
        vectors,
        len(mean) - len(dimensions),
        None if control is None else whole(control)[0],
    )
