"""What decoding a study will take in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..decoding.scaling import CHUNK
from ..study import Study
from .alignment import align
from .decoded_rows import atlas
from .fitting import PYTHON_BYTES
from .opening import Opened
from .prepare import rows_to_score

GB = 1e9
DOUBLE, SINGLE = 8, 4


def describe_decoding(
    study: Study, opened: Sequence[Opened], widths: Sequence[int], n_columns: int
) -> list[str]:
    """Return a line on the memory that decoding takes; none if nothing is decoded.

    Parameters
    ----------
    study : Study
    opened : sequence of Opened
    widths : sequence of int
        Columns of each target.
    n_columns : int
        Of the design.
    """
    if not study.decoding.targets:
        return []
    most = max(decoding_bytes(study, one, max(widths), n_columns) for one in opened)
    text = f"memory while it decodes: about {most / GB:.2f} GB"
    bound = study.machine.max_memory_gb
    if bound is not None and most > bound * GB:
        text += (
            f", more than machine.max_memory_gb = {bound:g}, which bounds fitting "
            "alone: decoding holds the responses of a subject"
        )
    return [text]


def decoding_bytes(study: Study, opened: Opened, width: int, n_columns: int) -> float:
    """Return the most memory of the process while it decodes a target.

    Parameters
    ----------
    study : Study
    opened : Opened
    width : int
        Columns of the target.
    n_columns : int
        Of the design.
    """
    decoding, aligned = study.decoding, align(study, opened)
    blocks = len(study.encoding.delays) if decoding.responses == "stack" else 1
    space, n_test = opened.recording.space, len(rows_to_score(study, aligned))
    used = (decoding.n_voxels or space.n_voxels) * blocks
    if decoding.decoder == "rois":
        test = aligned.rows[aligned.rows["side"] == "test"]
        rois = atlas(study, space, test, opened.subject)
        used = max(int(roi.mask.sum()) for roi in rois) * blocks
    size = DecodingSize(
        n_train=int((aligned.rows["side"] == "train").sum()),
        n_test=n_test,
        n_columns=space.n_voxels * blocks,
        n_used=min(used, space.n_voxels * blocks),
        width=width,
        decoder=decoding.decoder,
        # Rows of some genres, or without a fold, are copied.
        copies=decoding.genres is not None or decoding.folds == "clip",
        n_best=decoding.n_best,
    )
    more = np.dtype(study.encoding.precision).itemsize * n_columns
    more += SINGLE * space.n_voxels if decoding.lags else 0  # volumes as they are
    return PYTHON_BYTES + more * (size.n_train + n_test) + peak_of(size)


@dataclass(frozen=True, slots=True)
class DecodingSize:
    """What the memory of decoding depends on.

    Parameters
    ----------
    n_train, n_test : int
        Rows.
    n_columns : int
        Of the responses: voxels, or voxels times delays where these are stacked.
    n_used : int
        Columns that one decoder sees; of the largest ROI.
    width : int
        Dimensions of the target.
    decoder : 'rois', 'cortex' or 'contrastive'
    copies : bool
        Whether training rows are parted.
    n_best : int
        ROIs whose models are kept.
    """

    n_train: int
    n_test: int
    n_columns: int
    n_used: int
    width: int
    decoder: str
    copies: bool = False
    n_best: int = 1


def peak_of(size: DecodingSize) -> float:
    """Return the bytes of responses, and of what is made of them at most at once."""
    rows = size.n_train + size.n_test
    held = SINGLE * size.n_columns * rows
    # Every value is looked at, whether it is finite.
    held += size.n_columns * size.n_train * ((SINGLE if size.copies else 0) + 1)
    random = 2 * SINGLE * size.n_columns * size.n_test + DOUBLE * size.n_test**2
    return float(held + max(_fit_bytes(size), random))


def _fit_bytes(size: DecodingSize) -> float:
    """Return what one decoder takes beside its rows."""
    n, used = size.n_train, size.n_used
    if size.decoder == "contrastive":
        return n * used * (3 * DOUBLE + 2 * SINGLE)
    # The best ROIs so far, and the one that is fitted.
    weights = (size.n_best + 1) * used if size.decoder == "rois" else 2 * used
    columns, chunk = min(n, used), min(used, CHUNK)
    squares = 7 * DOUBLE * n * columns
    return (
        DOUBLE * weights * size.width + squares + 3 * DOUBLE * n * (chunk + size.width)
    )
