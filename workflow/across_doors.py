"""What is checked of decoding subjects by each other, before any is decoded."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError
from ..study import Study
from .alignment import Aligned
from .decoded_rows import response_places
from .opening import Opened
from .regions import load_rois

MOST_COLUMNS = 4000  # of two subjects: an alignment is a matrix of all pairs
MOMENT = ["clip", "sample_in_clip"]


def check_voxels_across(
    study: Study, opened: Sequence[Opened], valid: Mapping[str, NDArray[np.bool_]]
) -> None:
    """Raise if subjects have too many voxels to be aligned, or too few to choose from.

    To be called when responses are cleaned, and before anything is fitted.

    Parameters
    ----------
    study : Study
    opened : sequence of Opened
        The subjects that are decoded by each other.
    valid : mapping of subject to array of bool, shape (n_voxels,)
        Voxels that vary in all runs.
    """
    decoding = study.decoding
    if decoding.across is None or len(opened) < 2:
        return
    for number, one in enumerate(opened):
        n = _n_columns(study, one, valid[one.subject])
        if not 0 < n <= MOST_COLUMNS:
            raise InputError(
                f"{one.name}: {n} voxels would be aligned by decoding.across (each "
                f"delay of responses = 'stack' counts); 1 to {MOST_COLUMNS} can be, "
                "since an alignment holds all pairs. Name ROIs in "
                "decoding.across_rois, fewer or smaller ones if there are some."
            )
        # Decoders learn in the voxels of the first subject, or, for that, the second.
        if number < 2 and decoding.n_voxels is not None and decoding.n_voxels > n:
            raise InputError(
                f"decoding.n_voxels is {decoding.n_voxels}, and decoding.across "
                f"chooses from {n} voxels of {one.name} that are aligned. Lower it, "
                "leave it out, or name more ROIs in decoding.across_rois."
            )


def check_training_across(study: Study, aligned: Sequence[Aligned]) -> None:
    """Raise if subjects are not decoded from the same moments of training clips.

    Parameters
    ----------
    study : Study
    aligned : sequence of Aligned
        The subjects that are decoded by each other.
    """
    if study.decoding.across is None or len(aligned) < 2:
        return
    first, *others = aligned
    base = training_moments(study, first.rows)
    for one in others:
        mine = training_moments(study, one.rows)
        if mine.equals(base):
            continue
        raise InputError(
            f"{one.opened.name} and {first.opened.name} are not decoded from the same "
            f"training clips: {len(mine)} and {len(base)} rows, {_differ(mine, base)}. "
            "By these decoding.across aligns them. Censored volumes are of one subject "
            "alone: set responses.censor to 'none', leave out subjects who moved or "
            "heard other clips, or leave decoding.across out."
        )


def in_clip_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return training rows by clip, presentation of the clip, and place in it."""
    keys = ["clip", "run_name", "presentation", "sample_in_clip"]
    return rows.sort_values(keys, kind="stable")


def training_moments(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the clip and moment of each training row that is decoded, in one order."""
    train = rows[rows["side"] == "train"].reset_index(drop=True)
    delays = study.delays_of(study.encoding.bands[0])
    kept, _ = response_places(train, delays)
    decoded = train.iloc[kept]
    decoded = in_clip_order(decoded[decoded["clip"] != ""])
    return decoded[MOMENT].reset_index(drop=True)


def _differ(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """Name a moment that one has more often than the other."""
    counts = [frame.value_counts() for frame in (one, other)]
    more = counts[0].sub(counts[1], fill_value=0)
    different = more[more != 0].sort_index()
    if different.empty:
        return "in another order of their repeats"
    clip, moment = different.index[0]
    return f"which differ in {len(different)} moments, first {moment} of clip {clip!r}"


def _n_columns(study: Study, opened: Opened, valid: NDArray[np.bool_]) -> int:
    inside, decoding = valid, study.decoding
    if decoding.across_rois:
        rois, _ = load_rois(study, opened.recording.space, opened.subject)
        masks = [mask for name, mask in rois.items() if name in decoding.across_rois]
        inside = valid & np.any(masks, axis=0)
    stacked = decoding.responses == "stack"
    n_delays = len(study.delays_of(study.encoding.bands[0])) if stacked else 1
    return int(inside.sum()) * n_delays
