"""Whether noise ceilings are right: in the responses, and in the saved tables."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ..analysis import noise_ceiling
from ..analysis.ceilings import DriftShare, mean_largest_r2
from ..core.stats import correlation, varies
from ..core.store import ResponseStore, open_store
from ..workflow.ceiling_tables import Repeats, find_repeats, shares_of_repeats
from ..workflow.tables import read_rois, read_table
from .trial import Responses, sample_columns
from .verdict import Finding, Status

Floats = NDArray[np.floating]
LEAST_SHARE, FEWEST_SEEN, NEAR = 0.1, 10, 0.1
N_COMPARED, SAME = 200, 1e-4  # voxels of a table, and what rounding may change


def check_repeats(responses: Responses, name: str) -> Finding:
    """Return whether the mean of the other repeats predicts as the ceiling says.

    The mean of the other repeats is a model whose r is known if ceilings are right:
    the largest r with one repeat, times the largest with the mean of the others. Each
    repeat is scaled to the same variance, as r is.
    """
    repeats, notes = find_repeats(responses.repeat_rows)
    if repeats is None:
        return Finding("repeat-ceiling", "not made", f"{name}: {notes[0]}", (name,))
    runs = [str(run) for run in dict.fromkeys(responses.repeat_rows["run_name"])]
    stacked = np.concatenate([responses.runs[run] for run in runs])
    Y = _by_repeat(stacked[:, responses.valid], repeats)
    Y = Y[:, :, np.all([varies(one) for one in Y], axis=0)]
    Y = (Y - Y.mean(axis=1, keepdims=True)) / Y.std(axis=1, keepdims=True)
    share = noise_ceiling.explainable_variance(Y)
    total = Y.sum(axis=0)
    r = [correlation(one, (total - one) / (len(Y) - 1)) for one in Y]
    seen = share > LEAST_SHARE
    if seen.sum() < FEWEST_SEEN:
        why = (
            f"{name}: {seen.sum()} voxels have an explainable variance above "
            f"{LEAST_SHARE}; {FEWEST_SEEN} are needed to compare."
        )
        return Finding("repeat-ceiling", "not made", why, (name,))
    # A mean of the others is a model that has the signal, and noise of its own.
    largest = noise_ceiling.largest_r
    expected = largest(share[seen], 1) * largest(share[seen], len(Y) - 1)
    ratio = float(np.median(np.mean(r, axis=0)[seen] / expected))
    found = (
        f"{name}: in {seen.sum()} voxels the mean of {len(Y) - 1} other repeats scores "
        f"{ratio:.0%} of the r that ceilings give it."
    )
    status: Status = "passed" if abs(ratio - 1) < NEAR else "failed"
    return Finding("repeat-ceiling", status, found, (name,), {"ratio": ratio})


def _by_repeat(rows: Floats, repeats: Repeats) -> Floats:
    """Return responses of shape (n_repeats, n_moments, n_voxels), in float64."""
    n, Y = repeats.n_repeats, rows[repeats.order].astype(np.float64)
    return np.stack([Y[k::n] for k in range(n)])


def check_ceiling_tables(out: Path) -> Iterator[Finding]:
    """Yield whether saved ceilings are what pairs of saved repeats have in common.

    The mean covariance of two repeats over the mean variance of one, pair by pair, in
    some voxels; and its mean over an ROI.
    """
    table = read_table(out / "tables", "voxel_ceilings")
    rois = read_table(out / "tables", "ceilings")
    if table is None or rois is None or table.empty:
        why = f"{out.name} holds no ceilings of repeats."
        yield Finding("ceiling-table", "not made", why)
        return
    for subject, rows in table.groupby("subject", sort=False):
        name = f"sub-{subject}"
        wrong = [*_wrong_voxels(out, str(subject), rows)]
        wrong += _wrong_rois(out, str(subject), rows, rois[rois["subject"] == subject])
        if wrong:
            found = f"{name}: {'; '.join(wrong)}."
            where = (name, "voxel_ceilings", "ceilings")
            yield Finding("ceiling-table", "failed", found, where)
            continue
        n = min(N_COMPARED, len(rows))
        found = (
            f"{name}: the ceilings of {n} voxels and of all ROIs are those of pairs."
        )
        yield Finding("ceiling-table", "passed", found, (name,))


def _wrong_voxels(out: Path, subject: str, rows: pd.DataFrame) -> Iterator[str]:
    store = open_store(out / f"responses/sub-{subject}")
    repeats, notes = find_repeats(store.repeat_rows())
    if repeats is None:
        yield f"the saved responses give none ({notes[0]})"
        return
    some = rows.iloc[sample_columns(len(rows), N_COMPARED, 0)]
    columns = pd.Index(store.space.ids).get_indexer(pd.Index(some["voxel"].astype(str)))
    Y = _by_repeat(store.repeats(columns), repeats)
    Y = Y - Y.mean(axis=1, keepdims=True)
    pairs = np.mean([(a * b).mean(axis=0) for a, b in combinations(Y, 2)], axis=0)
    share = pairs / (Y**2).mean(axis=(0, 1))
    off = np.abs(share - some["explainable_variance"].to_numpy(float)) > SAME
    if off.any():
        first = some["voxel"].iloc[off.argmax()]
        yield (
            f"the explainable variance of {off.sum()} of {len(off)} voxels in "
            f"voxel_ceilings is not theirs, first of voxel {first}"
        )
    n = some["n_averaged"].to_numpy(float)
    square = n * share / (1 + (n - 1) * share)
    known = share > LEAST_SHARE
    largest = some["largest_r"].to_numpy(float)
    off = np.abs(np.sqrt(square[known]) - largest[known]) > SAME
    if off.any():
        yield f"the largest r of {off.sum()} voxels does not follow from theirs"


def _wrong_rois(
    out: Path, subject: str, rows: pd.DataFrame, rois: pd.DataFrame
) -> Iterator[str]:
    ids = pd.Index(open_store(out / f"responses/sub-{subject}").space.ids)
    share = pd.Series(
        np.where(rows["r"].notna(), rows["explainable_variance"], np.nan),
        index=rows["voxel"].astype(str),
    ).reindex(ids)
    masks = read_rois(out / "tables", subject)
    for roi, said in zip(rois["roi"], rois["explainable_variance"], strict=True):
        if roi in masks:
            mean = share[masks[roi]].mean()
            if np.isfinite([mean, said]).all() and abs(mean - said) > SAME:
                yield f"{roi} has another explainable variance than its voxels"


def check_above(out: Path, level: float) -> Iterator[Finding]:
    """Yield where scores lie above their ceilings, and are sure to.

    An interval of 95 % is passed by chance in one ROI of forty; these are shown. A
    score fails that lies above its ceiling at the study's level, shared by its ROIs.

    Parameters
    ----------
    out : Path
    level : float
        Probability of a false alarm in one subject.
    """
    table = read_table(out / "tables", "ceilings")
    if table is None or table.empty:
        why = f"{out.name} holds no ceilings: no repeats, or no tables yet."
        yield Finding("above-ceiling", "not made", why)
        return
    for subject, rows in table.groupby("subject", sort=False):
        name = f"sub-{subject}"
        above = rows[rows["exceeds"].astype(bool)]
        if above.empty:
            found = f"{name}: no score of {len(rows)} ROIs lies above its ceiling."
            yield Finding("above-ceiling", "passed", found, (name,))
            continue
        p = _p_above(out, str(subject), above)
        low = {roi: one for roi, one in p.items() if one < level / len(rows)}
        said = ", ".join(f"{roi} (p {one:.2g})" for roi, one in (low or p).items())
        found = f"{name}: scores lie above the ceiling's interval in {said}"
        found += (
            ": repeats share less than the model finds. Look for a shift between them."
            if low
            else f": of {len(rows)} ROIs, one in 40 does so by chance."
        )
        where = (name, *(low or p))
        yield Finding("above-ceiling", "failed" if low else "shown", found, where)


def _p_above(out: Path, subject: str, above: pd.DataFrame) -> dict[str, float]:
    """Return p that a score lies as far above each ROI's ceiling by chance."""
    store = open_store(out / f"responses/sub-{subject}")
    repeats, _ = find_repeats(store.repeat_rows())
    masks, p = read_rois(out / "tables", subject), {}
    for row in above.to_dict("records"):
        if repeats is None or row["roi"] not in masks:
            continue
        r2, error = _ceiling_of(store, repeats, masks[row["roi"]], row)
        square = np.sign(row["r_rms"]) * row["r_rms"] ** 2
        free = int(repeats.clips.max())
        p[str(row["roi"])] = float(stats.t.sf((square - r2) / error, free))
    return p


def _ceiling_of(
    store: ResponseStore, repeats: Repeats, mask: NDArray[np.bool_], row: dict
) -> tuple[float, float]:
    """Return the largest mean r2 of an ROI, less drift where it is known; its error."""
    shares = shares_of_repeats(store, np.flatnonzero(mask & store.valid), repeats)
    known = np.isfinite(shares["share"])
    drift = None
    if "drift" in shares:
        without = shares.get("drift_without_runs")
        drift = DriftShare(
            shares["drift"][known], None if without is None else without[:, known]
        )
    n_averaged = int(row["n_averaged"])
    return mean_largest_r2(
        shares["share"][known], shares["left_out"][:, known], n_averaged, drift=drift
    )
