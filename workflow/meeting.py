"""Which seconds of sound meet which volumes, for each feature space of a study."""

import numpy as np
import pandas as pd

from ..feature_spaces import (
    CaptionFeatures,
    CategoryFeatures,
    FeatureSpace,
    NetworkFeatures,
)
from ..features.paper_windows import Windowing, alignment_table
from ..features.windows import window_times
from ..study import Study
from .alignment import Aligned, joint_windowing
from .networks import network_of, network_space, windows_for

SLACK_S = 1e-6


def meeting_table(study: Study, aligned: Aligned) -> pd.DataFrame:
    """Return which seconds of sound meet which volumes, for a clip of the design.

    The clip starts with a volume and lasts as long as the longest of the design. All
    times count from its onset.

    Returns
    -------
    table : DataFrame
        A row for each feature space and window, or volume of the clip:
        `feature_space`, `window` (or number of the volume), `sound_from_s`,
        `sound_to_s`, `first_volume`, `last_volume`, `volumes_from_s`, `volumes_to_s`,
        `n_scans` and `after_clip_s`, as in `features.paper_windows.alignment_table`.
        Of rows at delays, the volumes are those that the sound is fitted to.
        Without clips there is no table: no rows.
    """
    tr_s = study.dataset.tr_s
    if not study.dataset.clip:
        return pd.DataFrame({"feature_space": []})
    heard = [table[table["clip"] != ""] for table in aligned.opened.events.values()]
    clip_s = float(max(table["duration"].max() for table in heard if len(table)))
    if aligned.windows is None:
        tables = [
            _at_delays(study, name, clip_s=clip_s, tr_s=tr_s)
            for name in study.encoding.bands
        ]
        return pd.concat(tables, ignore_index=True)
    windowing = joint_windowing(study, aligned.opened)
    table = alignment_table(
        dict.fromkeys(study.encoding.bands, windowing),
        clip_s=clip_s,
        tr_s=tr_s,
        lag_s=aligned.lag_s,
        scans=study.alignment.scans,
    )
    spans = [
        _sound_of_window(study, str(name), float(start_s), windowing, clip_s)
        for name, start_s in zip(
            table["feature_space"], table["sound_from_s"], strict=True
        )
    ]
    return table.assign(
        sound_from_s=[span[0] for span in spans], sound_to_s=[span[1] for span in spans]
    )


def _sound_of_window(
    study: Study, name: str, start_s: float, windowing: Windowing, clip_s: float
) -> tuple[float, float]:
    """Return the sound that the features of one window of a clip are made from."""
    end_s = start_s + windowing.window_s
    space: FeatureSpace = network_space(study, name) or study.features[name]
    if isinstance(space, CaptionFeatures | CategoryFeatures):
        return 0.0, clip_s
    if not isinstance(space, NetworkFeatures):
        return start_s, end_s
    starts, ends = window_times(clip_s, windows_for(space, network_of(study, space)))
    inside = (starts >= start_s - SLACK_S) & (ends <= end_s + SLACK_S)
    if not inside.any():
        inside = (starts <= start_s + SLACK_S) & (ends >= end_s - SLACK_S)
    return float(starts[inside].min()), float(ends[inside].max())


def _at_delays(study: Study, name: str, *, clip_s: float, tr_s: float) -> pd.DataFrame:
    delays = study.delays_of(name)
    records = []
    for volume in range(max(round(clip_s / tr_s), 1)):
        sound_from_s, sound_to_s = _sound_of(study, name, volume * tr_s, tr_s, clip_s)
        first, last = volume + min(delays), volume + max(delays)
        records.append(
            {
                "feature_space": name,
                "window": volume,
                "sound_from_s": sound_from_s,
                "sound_to_s": sound_to_s,
                "first_volume": first,
                "last_volume": last,
                "volumes_from_s": first * tr_s,
                "volumes_to_s": (last + 1) * tr_s,
                "n_scans": len(delays),
                "after_clip_s": max((last + 1) * tr_s - clip_s, 0.0),
            }
        )
    return pd.DataFrame(records)


def _sound_of(
    study: Study, name: str, start_s: float, tr_s: float, clip_s: float
) -> tuple[float, float]:
    """Return the sound that the features of one volume of a clip are made from."""
    space: FeatureSpace = network_space(study, name) or study.features[name]
    if isinstance(space, CaptionFeatures | CategoryFeatures):
        return 0.0, clip_s
    if not isinstance(space, NetworkFeatures):
        return start_s, min(start_s + tr_s, clip_s)
    windows = windows_for(space, network_of(study, space))
    starts, ends = window_times(clip_s, windows)
    held_from = ends - windows.step_s if windows.causal else starts
    during = (held_from < start_s + tr_s - SLACK_S) & (ends > start_s + SLACK_S)
    if not during.any():
        return np.nan, np.nan
    return float(max(starts[during].min(), 0.0)), float(ends[during].max())
