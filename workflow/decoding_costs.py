"""What decoding a study will take in memory."""

from collections.abc import Sequence

import numpy as np

from ..decoding.scaling import CHUNK
from ..study import Study
from .alignment import Aligned, align
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
    n_train = int((aligned.rows["side"] == "train").sum())
    n_test = len(rows_to_score(study, aligned))
    V = opened.recording.space.n_voxels
    blocks = len(study.encoding.delays) if decoding.responses == "stack" else 1
    responses = float(SINGLE * V * blocks * (n_train + n_test))
    if decoding.lags:
        responses += SINGLE * V * (n_train + n_test)
    design = np.dtype(study.encoding.precision).itemsize * n_columns
    held = responses + design * (n_train + n_test)
    # Rows of some genres, or without a fold, are copied; every value is looked at.
    copies = decoding.genres is not None or decoding.folds == "clip"
    held += V * blocks * n_train * ((SINGLE if copies else 0) + 1)
    fit = _fit_bytes(study, aligned, n_train, width, V * blocks)
    random = 2 * SINGLE * V * blocks * n_test + DOUBLE * n_test**2
    return PYTHON_BYTES + held + max(fit, random)


def _fit_bytes(
    study: Study, aligned: Aligned, n: int, width: int, n_voxels: int
) -> float:
    """Return what one decoder takes beside its rows."""
    decoding = study.decoding
    used = min(decoding.n_voxels or n_voxels, n_voxels)
    if decoding.decoder == "contrastive":
        return float(n * used * (3 * DOUBLE + 2 * SINGLE))
    weights = DOUBLE * n_voxels * width
    if decoding.decoder == "rois":
        opened = aligned.opened
        test = aligned.rows[aligned.rows["side"] == "test"]
        rois = atlas(study, opened.recording.space, test, opened.subject)
        blocks = n_voxels // opened.recording.space.n_voxels
        used = max(int(roi.mask.sum()) for roi in rois) * blocks
        return weights + _ridge_bytes(n, used, width)
    return 2 * weights * used / n_voxels + _ridge_bytes(n, used, width)


def _ridge_bytes(n: int, used: int, width: int) -> float:
    columns, chunk = min(n, used), min(used, CHUNK)
    squares = 7 * DOUBLE * n * columns
    return squares + 3 * DOUBLE * n * (chunk + width)
