"""What repeats of the test clips say could be explained, and what drift adds to it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.ceilings import DriftShare, ceiling_notes, ceiling_table
from ..analysis.drift import (
    Drift,
    DriftCeiling,
    drift_in_ceiling,
    jackknife_drift,
    planted_drift_ceiling,
)
from ..analysis.noise_ceiling import (
    explainable_variance,
    jackknife_explainable_variance,
)
from ..analysis.voxel_ceilings import voxel_ceiling_table
from ..core.rows import each_run
from ..core.store import ResponseStore, open_store
from ..data.events import group_repeats
from ..study import Study
from .scored import Floats, Part, Scored

N_VOXELS_BATCH = 4096
PLANTED_SHARES = (0.1, 0.3, 0.5)  # of the variance of a single response
FASTEST_TR = 10  # the fastest drift that is planted has a period of so many TRs
COLUMNS = ["subject", "roi", "n_repeats", "explainable_variance", "largest_r"]


@dataclass(frozen=True, eq=False)
class Repeats:
    """Which rows of the test runs repeat each other.

    Parameters
    ----------
    order : array of int, shape (n_moments * n_repeats,)
        Rows of the store's repeats, moment by moment.
    n_repeats : int
    clips : array of int, shape (n_moments,)
        Clip of each moment, numbered from 0.
    cycles : array of int, or None
        Rows of the runs that play the same clips in one order `n_repeats` times.
    runs : array of str
        Run of each row in `cycles`.
    """

    order: NDArray[np.integer]
    n_repeats: int
    clips: NDArray[np.integer]
    cycles: NDArray[np.integer] | None
    runs: NDArray[np.str_]


def ceiling_tables(study: Study, out: Path, scored: Scored, r: Floats) -> Part:
    """Return `ceilings`, `voxel_ceilings`, and `drift_ceilings` where order repeats.

    Parameters
    ----------
    study : Study
    out : Path
    scored : Scored
    r : array of shape (n_voxels,)
        Test scores of the joint model.
    """
    store = open_store(out / f"responses/sub-{scored.subject}")
    repeats, notes = find_repeats(store.repeat_rows())
    if repeats is None:
        return Part({"ceilings": pd.DataFrame(columns=COLUMNS)}, notes)
    n_averaged = repeats.n_repeats if study.responses.repeats == "average" else 1
    fitted = np.flatnonzero(np.isin(store.space.ids, scored.voxels))
    shares = shares_of_repeats(store, fitted, repeats)
    table = ceiling_table(
        shares["share"],
        shares["left_out"],
        scored.rois,
        r=r,
        subject=scored.subject,
        n_repeats=repeats.n_repeats,
        n_averaged=n_averaged,
        drift=(
            DriftShare(shares["drift"], shares.get("drift_without_runs"))
            if "drift" in shares
            else None
        ),
    )
    same_order = repeats.cycles is not None
    voxels = voxel_ceiling_table(
        shares["share"],
        shares["left_out"],
        r,
        subject=scored.subject,
        n_averaged=n_averaged,
    )
    tables = {"ceilings": table, "voxel_ceilings": scored.at_voxels(voxels)}
    if same_order:
        tables["drift_ceilings"] = drift_table(study, repeats, n_averaged)
        tables["drift_ceilings"].insert(0, "subject", scored.subject)
    return Part(tables, [*notes, *ceiling_notes(table, same_order=same_order)])


def find_repeats(rows: pd.DataFrame) -> tuple[Repeats | None, list[str]]:
    """Return which test rows repeat each other, or None and why there are none."""
    heard = (rows["clip"] != "").to_numpy()
    if not heard.any():
        return None, ["no ceiling: no repeats."]
    group, groups = group_repeats(rows[heard].reset_index(drop=True))
    counts = groups["n_repeats"]
    n_repeats = int(counts.max())
    if n_repeats < 2:
        return None, ["no ceiling: no repeats."]
    whole = (counts == n_repeats).to_numpy()
    if whole.mean() < 0.5:
        return None, ["no ceiling: unequal repeats."]
    clips = pd.factorize(groups.loc[whole, "clip"])[0]
    if len(np.unique(clips)) < 3:
        return None, ["no ceiling: its error needs 3 repeated clips or more."]
    notes = []
    if not whole.all():
        notes = [
            f"the ceiling leaves out {int((~whole).sum())} of {len(whole)} test rows, "
            f"which have fewer than {n_repeats} repeats."
        ]
    order = np.argsort(group, kind="stable")
    order = np.flatnonzero(heard)[order[whole[group[order]]]]
    cycles = _cycles(rows, n_repeats)
    runs = rows["run_name"].to_numpy()
    there = runs[:0] if cycles is None else runs[cycles]
    return Repeats(order, n_repeats, clips, cycles, there), notes


def drift_table(study: Study, repeats: Repeats, n_averaged: int) -> pd.DataFrame:
    """Return the ceilings that drift alone would give, in runs like these.

    Returns
    -------
    table : DataFrame
        One row per planted share: drift_share_of_variance, slowest_period_s,
        fastest_period_s, n_runs, n_repeats, cycle_s, n_averaged, explainable_variance,
        explainable_variance_se, largest_r (NaN: no ceiling above 0), text.
    """
    tr_s, slices = study.dataset.tr_s, list(each_run(repeats.runs))
    n_cycle = (slices[0].stop - slices[0].start) // repeats.n_repeats
    run_s = n_cycle * repeats.n_repeats * tr_s
    filtered = study.responses.detrend in ("median", "savitzky-golay", "cosine")
    slowest_s = min(study.responses.period_s, run_s) if filtered else run_s
    rows = []
    for share in PLANTED_SHARES:
        drift = Drift(share, slowest_s, min(FASTEST_TR * tr_s, slowest_s / 2))
        found = _planted(
            drift, tr_s, len(slices), repeats.n_repeats, n_cycle, n_averaged
        )
        rows.append(
            {
                "drift_share_of_variance": share,
                "slowest_period_s": drift.slowest_s,
                "fastest_period_s": drift.fastest_s,
                "n_runs": len(slices),
                "n_repeats": repeats.n_repeats,
                "cycle_s": n_cycle * tr_s,
                "n_averaged": n_averaged,
                "explainable_variance": found.explainable_variance,
                "explainable_variance_se": found.standard_error,
                "largest_r": found.largest_r,
                "text": found.text,
            }
        )
    return pd.DataFrame(rows)


@cache
def _planted(
    drift: Drift, tr_s: float, n_runs: int, n_repeats: int, n_cycle: int, n_mean: int
) -> DriftCeiling:
    return planted_drift_ceiling(
        drift,
        tr_s=tr_s,
        n_runs=n_runs,
        n_repeats=n_repeats,
        n_samples=n_cycle,
        n_averaged=n_mean,
        n_voxels=200,
    )


def shares_of_repeats(
    store: ResponseStore, fitted: NDArray[np.integer], repeats: Repeats
) -> dict[str, Floats]:
    """Return explainable variance, without each clip, and drift, batch by batch.

    Drift is made without each run, too, where there are two or more.
    """
    names = ("share", "left_out", "drift", "drift_without_runs")
    parts: dict[str, list[Floats]] = {name: [] for name in names}
    several = len(np.unique(repeats.runs)) > 1
    for start in range(0, len(fitted), N_VOXELS_BATCH):
        Y = store.repeats(fitted[start : start + N_VOXELS_BATCH])
        moments = Y[repeats.order].reshape(-1, repeats.n_repeats, Y.shape[1])
        responses = moments.swapaxes(0, 1)
        parts["share"].append(explainable_variance(responses))
        left_out = jackknife_explainable_variance(responses, repeats.clips)
        parts["left_out"].append(left_out)
        if repeats.cycles is not None:
            cycles = Y[repeats.cycles]
            drift = drift_in_ceiling(cycles, repeats.runs, repeats.n_repeats)
            parts["drift"].append(drift)
        if repeats.cycles is not None and several:
            without = jackknife_drift(cycles, repeats.runs, repeats.n_repeats)
            parts["drift_without_runs"].append(without)
    return {name: np.concatenate(x, axis=-1) for name, x in parts.items() if x}


def _cycles(rows: pd.DataFrame, n_repeats: int) -> NDArray[np.integer] | None:
    """Return the rows of runs that are whole cycles of one order; None if none is.

    Runs of other lengths than the first are left out, as are cycles of one sample.
    """
    names, kept, length = rows["run_name"].to_numpy(), [], None
    for run in each_run(names):
        n = run.stop - run.start
        moments = rows.iloc[run][["clip", "sample_in_clip"]]
        n_cycle, rest = divmod(n, n_repeats)
        if rest or n_cycle < 2 or (moments["clip"] == "").any():
            continue
        first = moments.iloc[:n_cycle].to_numpy()
        same = all(
            (moments.iloc[k * n_cycle : (k + 1) * n_cycle].to_numpy() == first).all()
            for k in range(1, n_repeats)
        )
        once = not moments.iloc[:n_cycle].duplicated().any()
        length = n if length is None and same and once else length
        if same and once and n == length:
            kept.append(np.arange(run.start, run.stop))
    return np.concatenate(kept) if kept else None
