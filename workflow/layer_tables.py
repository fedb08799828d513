"""Which layers were chosen, lags, and which sound met which volumes: as tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def layer_table(
    out: Path,
    subject: str,
    rois: Mapping[str, NDArray[np.bool_]],
    voxels: Sequence[str],
    sources: Mapping[str, str],
) -> pd.DataFrame | None:
    """Return how many voxels of each ROI took each layer; None without a choice.

    Returns
    -------
    table : DataFrame
        subject, roi, feature_space, source, layer, n_chosen, n_voxels, cv_r2_mean (of
        plain ridge on that layer alone, over the ROI, on held-out training folds).
    """
    path = out / f"models/sub-{subject}/layers.csv"
    if not path.exists():
        return None
    table = pd.read_csv(path, dtype={"voxel": str, "layer": str})
    ids, rows = np.asarray(voxels), []
    for roi, mask in rois.items():
        here = table[table["voxel"].isin(set(ids[mask]))]
        for (space, layer), part in here.groupby(
            ["feature_space", "layer"], sort=False
        ):
            rows.append(
                {
                    "subject": subject,
                    "roi": roi,
                    "feature_space": space,
                    "source": sources.get(str(space), ""),
                    "layer": layer,
                    "n_chosen": int(part["chosen"].sum()),
                    "n_voxels": len(part),
                    "cv_r2_mean": float(part["cv_r2"].mean()),
                }
            )
    return pd.DataFrame(rows)


def alignment_tables(
    out: Path, subjects: Sequence[str], sources: Mapping[str, str]
) -> dict[str, pd.DataFrame]:
    """Return which sound met which volumes, and which lags were tried, if any.

    Subjects whose clips meet the volumes alike share their rows: the column `subject`
    is 'all' then.
    """
    meetings, lags = [], []
    for subject in subjects:
        meeting = out / f"features/sub-{subject}/alignment.csv"
        meetings.append(pd.read_csv(meeting, dtype={"subject": str}))
        tried = out / f"lags/sub-{subject}/lags.csv"
        if tried.exists():
            lags.append(pd.read_csv(tried, dtype={"subject": str}))
    bare = [meeting.drop(columns="subject") for meeting in meetings]
    if all(one.equals(bare[0]) for one in bare):
        meetings = [bare[0].assign(subject="all")]
    whole = pd.concat(meetings, ignore_index=True)
    found = {}
    if len(whole):
        whole.insert(1, "source", whole["feature_space"].map(sources).fillna(""))
        found["alignment"] = whole
    if lags:
        found["lags"] = pd.concat(lags, ignore_index=True)
    return found
