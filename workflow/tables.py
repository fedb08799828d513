"""Scores a subject's saved predictions, and writes the tables that others lean on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.bootstrap import (
    block_of_clip,
    block_of_row,
    bootstrap_roi_scores,
)
from ..analysis.noise_ceiling import explainable_variance, largest_r
from ..analysis.rois import members_of, roi_differences, roi_scores
from ..analysis.significance import recovered_bands, roi_null
from ..core.checks import InputError
from ..core.saved import SavedModel, load_model
from ..core.store import open_store
from ..core.types import Space
from ..data.events import group_repeats
from ..data.files import file_inside
from ..encoding.evaluate import score_models
from ..study import Study
from .layer_tables import layer_table
from .leakage import SUBSETS, read_safe
from .regions import load_rois

Floats = NDArray[np.floating]
Key = tuple[str, str]
Scores = Mapping[Key, Mapping[str, Floats]]
MAX_CSV_ROWS = 200_000
FEW_BLOCKS = 10
SOURCES = ("source", "source_a", "source_b")
LABELS = dict.fromkeys(("subject", "roi", "voxel", *SOURCES), str)


@dataclass(frozen=True)
class Analysed:
    """One subject's tables, and what should be known of them."""

    tables: dict[str, pd.DataFrame]
    voxel_scores: pd.DataFrame
    rois: dict[str, NDArray[np.bool_]]
    subject: str
    notes: list[str]


def read_planted(study: Study) -> pd.DataFrame | None:
    """Read what a simulated study planted: a table of roi and planted.

    Raises
    ------
    InputError
        If the study names such a table and it is missing, or lacks a column.
    """
    if study.analysis.planted is None:
        return None
    path = file_inside(study.root, study.analysis.planted)
    planted = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = {"roi", "planted"} - set(planted)
    if missing:
        raise InputError(
            f"{path.name} lacks the column {' and '.join(sorted(missing))}; it has "
            f"{', '.join(map(str, planted))}. It needs roi and planted."
        )
    return planted


def check_analysis(study: Study, space: Space, test_rows: pd.DataFrame) -> None:
    """Raise if the tables could not be made: before the slow part.

    Parameters
    ----------
    study : Study
    space : Space
        Of one subject.
    test_rows : DataFrame
        That subject's rows as they will be scored.
    """
    rois, _ = load_rois(study, space)
    planted = read_planted(study)
    if planted is not None and not set(planted["roi"]) & set(rois):
        raise InputError(
            f"analysis.planted names none of the ROIs: it has "
            f"{', '.join(planted['roi'][:5])}, the study {', '.join(list(rois)[:5])}."
        )
    blocks = block_of_row(test_rows, study.dataset.tr_s, study.analysis.block_s)
    n_blocks, needed = len(np.unique(blocks)), 2 if planted is None else 6
    if n_blocks < needed:
        raise InputError(
            f"the test rows make {n_blocks} blocks, and {needed} are needed for "
            "intervals and nulls. Lower analysis.block_s, or test on more runs."
        )
    n_rows = 2 * space.n_voxels * (2 * len(study.encoding.bands) + 3)
    if n_rows * len(study.dataset.subjects) > MAX_CSV_ROWS and not _has_parquet():
        raise InputError(
            f"voxel_scores will have more than {MAX_CSV_ROWS} rows and be written as "
            "parquet, which needs: pip install 'brain2music[io]'"
        )


def analyse(study: Study, out: Path, subject: str) -> Analysed:
    """Score one subject's test predictions per voxel and ROI.

    Parameters
    ----------
    study : Study
    out : Path
        Folder of the results: responses/ and models/ are read.
    subject : str
    """
    model = load_model(out / f"models/sub-{subject}")
    valid = model.valid
    scored = _Scored(
        np.asarray(model.array("test_responses"))[:, valid],
        _predictions(model, valid),
        model.array("intercept")[valid],
        model.rows,
    )
    rois, notes = load_rois(study, model.space)
    inside = {name: mask[valid] for name, mask in rois.items()}
    sources = {band.name: band.source for band in model.bands}
    scores, table, resampled, said = _roi_tables(study, scored, inside, subject)
    differences = roi_differences(scores, inside, resampled, subject=subject)
    ceilings, said_of_ceilings = _ceilings(study, out, subject, rois)
    subsets, said_of_subsets = _subset_tables(study, out, scored, inside, subject)
    subsets = None if subsets is None else with_source(subsets, sources)
    tables = {
        "roi_scores": with_source(table, sources),
        "roi_differences": differences.assign(
            source_a=differences["a"].map(sources),
            source_b=differences["b"].map(sources),
        ),
        "ceilings": ceilings,
        "subset_scores": subsets,
        "layers": layer_table(out, subject, rois, model.space.ids, sources),
    }
    truth = _truth(study, table, scored, inside)
    if truth is not None:
        tables["truth"] = with_source(truth, sources, column="recovered")
    voxels = with_source(_voxel_table(scores, model, subject), sources)
    return Analysed(
        tables={name: table for name, table in tables.items() if table is not None},
        voxel_scores=voxels,
        rois=rois,
        subject=subject,
        notes=[
            f"sub-{subject}: {note}"
            for note in [*notes, *said, *said_of_ceilings, *said_of_subsets]
        ],
    )


@dataclass(frozen=True)
class _Scored:
    """Test responses and predictions of the fitted voxels, with what their rows are."""

    Y: Floats
    predictions: dict[Key, Floats]
    intercept: Floats
    rows: pd.DataFrame

    def at(self, kept: NDArray[np.bool_]) -> "_Scored":
        """Return some of the rows."""
        predictions = {key: values[kept] for key, values in self.predictions.items()}
        rows = self.rows[kept].reset_index(drop=True)
        return _Scored(self.Y[kept], predictions, self.intercept, rows)


def with_source(
    table: pd.DataFrame, sources: Mapping[str, str], column: str = "feature_space"
) -> pd.DataFrame:
    """Return a table with what each row's feature space is made by."""
    return table.assign(source=table[column].map(sources).fillna(""))


def _roi_tables(
    study: Study,
    scored: _Scored,
    inside: Mapping[str, NDArray[np.bool_]],
    subject: str,
) -> tuple[Scores, pd.DataFrame, dict[Key, Floats], list[str]]:
    """Return scores per voxel and per ROI, the resamples, and what to know of them."""
    scores = score_models(scored.predictions, scored.intercept, scored.Y)
    blocks = block_of_row(scored.rows, study.dataset.tr_s, study.analysis.block_s)
    resampled_blocks = block_of_clip(scored.rows, blocks)
    n_blocks = len(np.unique(resampled_blocks))
    notes = []
    if n_blocks < FEW_BLOCKS:
        notes.append(f"intervals rest on {n_blocks} blocks only: read them as rough.")
    resampled = bootstrap_roi_scores(
        scored.Y,
        scored.predictions,
        members_of(inside, scored.Y.shape[1]),
        resampled_blocks,
        n_resamples=study.analysis.n_resamples,
        seed=study.analysis.seed,
    )
    return (
        scores,
        roi_scores(scores, inside, resampled, subject=subject),
        resampled,
        notes,
    )


def _subset_tables(
    study: Study,
    out: Path,
    scored: _Scored,
    inside: Mapping[str, NDArray[np.bool_]],
    subject: str,
) -> tuple[pd.DataFrame | None, list[str]]:
    """Return the scores on test clips that share no artist, or no sound, with training.

    None where nothing is known of the clips. A subset that is all test clips, or fewer
    than two, has no rows of its own and a note in their place.
    """
    safe = read_safe(out, subject)
    if safe is None:
        return None, []
    tables, notes = [], []
    for subset in [name for name in SUBSETS if name in safe]:
        clips = set(safe.loc[safe[subset], "test_clip"])
        if len(clips) == len(safe) or len(clips) < 2:
            notes.append(f"{len(clips)} of {len(safe)} test clips are {subset}.")
            continue
        kept = scored.rows["clip"].isin(clips).to_numpy()
        _, table, _, _ = _roi_tables(study, scored.at(kept), inside, subject)
        table.insert(2, "subset", subset)
        table.insert(3, "n_clips", len(clips))
        tables.append(table)
    return (pd.concat(tables, ignore_index=True) if tables else None), notes


def write_tables(folder: Path, parts: Sequence[Analysed]) -> list[str]:
    """Write all subjects' tables into `folder`; return what should be known of them."""
    for name in dict.fromkeys(name for part in parts for name in part.tables):
        found = [part.tables[name] for part in parts if name in part.tables]
        _write(folder / f"{name}.csv", found)
    for part in parts:
        names, masks = np.array(list(part.rois)), np.stack(list(part.rois.values()))
        np.savez(folder / f"rois_sub-{part.subject}.npz", names=names, masks=masks)
    voxels = [part.voxel_scores for part in parts]
    n_rows = sum(map(len, voxels))
    if n_rows <= MAX_CSV_ROWS:
        _write(folder / "voxel_scores.csv", voxels)
    else:
        whole = pd.concat(voxels, ignore_index=True)
        whole.to_parquet(folder / "voxel_scores.parquet", index=False)
    return [note for part in parts for note in part.notes]


def read_table(folder: Path, name: str) -> pd.DataFrame | None:
    """Read one of the tables that `write_tables` wrote; None if it is not there.

    Labels stay text: subject 01 is not 1.
    """
    parquet, csv = folder / f"{name}.parquet", folder / f"{name}.csv"
    if parquet.exists():
        return pd.read_parquet(parquet)
    if not csv.exists():
        return None
    table = pd.read_csv(csv, dtype=LABELS, keep_default_na=False, na_values=[""])
    sources = [column for column in SOURCES if column in table]
    table[sources] = table[sources].fillna("")
    return table


def read_rois(folder: Path, subject: str) -> dict[str, NDArray[np.bool_]]:
    """Read a subject's ROI masks over the columns of Y, from `write_tables`."""
    path = folder / f"rois_sub-{subject}.npz"
    with np.load(path, allow_pickle=False) as saved:
        return dict(zip(saved["names"].tolist(), saved["masks"], strict=True))


def _predictions(model: SavedModel, valid: NDArray[np.bool_]) -> dict[Key, Floats]:
    def read(name: str) -> Floats:
        return np.asarray(model.array(name))[..., valid]

    names = [band.name for band in model.bands]
    alone, parts = read("predictions_alone"), read("predictions_parts")
    return {
        ("joint", "all"): read("predictions"),
        ("plain", "all"): read("predictions_plain"),
        **{("alone", name): one for name, one in zip(names, alone, strict=True)},
        **{("part", name): one for name, one in zip(names, parts, strict=True)},
    }


def _voxel_table(
    scores: Mapping[Key, Mapping[str, Floats]], model: SavedModel, subject: str
) -> pd.DataFrame:
    """Return one row per voxel, model, feature space and score; NaN if not fitted."""
    tables = []
    for (name, feature_space), kinds in scores.items():
        for kind, values in kinds.items():
            whole = np.full(model.space.n_voxels, np.nan)
            whole[model.valid] = values
            columns = {"subject": subject, "voxel": list(model.space.ids)}
            columns |= {"model": name, "feature_space": feature_space}
            tables.append(pd.DataFrame(columns | {"score": kind, "value": whole}))
    return pd.concat(tables, ignore_index=True)


def _ceilings(
    study: Study, out: Path, subject: str, rois: Mapping[str, NDArray[np.bool_]]
) -> tuple[pd.DataFrame, list[str]]:
    """Return what repeats of the test clips say could be explained, per ROI."""
    columns = ["subject", "roi", "n_repeats", "explainable_variance", "largest_r"]
    store = open_store(out / f"responses/sub-{subject}")
    rows = store.repeat_rows()
    heard = rows["clip"] != ""
    group, groups = group_repeats(rows[heard].reset_index(drop=True))
    counts = groups["n_repeats"] if heard.any() else pd.Series(dtype=int)
    if counts.empty or counts.max() < 2:
        return pd.DataFrame(columns=columns), ["no ceiling: no repeats."]
    n_repeats, notes = int(counts.max()), []
    whole = (counts == n_repeats).to_numpy()
    if whole.mean() < 0.5:
        return pd.DataFrame(columns=columns), ["no ceiling: unequal repeats."]
    if not whole.all():
        notes = [
            f"the ceiling leaves out {int((~whole).sum())} of {len(whole)} test rows, "
            f"which have fewer than {n_repeats} repeats."
        ]
    order = np.argsort(group, kind="stable")
    order = np.flatnonzero(heard)[order[whole[group[order]]]]
    n_averaged = n_repeats if study.responses.repeats == "average" else 1
    used = np.logical_or.reduce(list(rois.values()))
    repeats = store.repeats(used)[order]
    repeats = repeats.reshape(-1, n_repeats, repeats.shape[1]).swapaxes(0, 1)
    share = np.full(len(used), np.nan)
    share[used] = explainable_variance(repeats)
    records = []
    for name, mask in rois.items():
        here = share[mask][np.isfinite(share[mask])]
        mean = float(here.mean()) if len(here) else float("nan")
        ceiling = float(largest_r(np.array([mean]), n_averaged)[0])
        records.append((subject, name, n_repeats, mean, ceiling))
    return pd.DataFrame(records, columns=columns), notes


def _truth(
    study: Study,
    table: pd.DataFrame,
    scored: _Scored,
    rois: Mapping[str, NDArray[np.bool_]],
) -> pd.DataFrame | None:
    """Return planted against recovered, if the study says what was planted."""
    planted = read_planted(study)
    if planted is None:
        return None
    named = {name: rois[name] for name in planted["roi"] if name in rois}
    null = roi_null(
        scored.Y,
        scored.predictions["joint", "all"],
        members_of(named, scored.Y.shape[1]),
        block_of_row(scored.rows, study.dataset.tr_s, study.analysis.block_s),
        n_permutations=study.analysis.n_permutations,
        seed=study.analysis.seed,
    )
    found = recovered_bands(
        table[table["roi"].isin(named)], dict(zip(named, null.T, strict=True))
    )
    merged = found.merge(planted, on="roi", how="left")
    columns = ["subject", "roi", "planted", "recovered"]
    return merged[[*columns, "r_joint", "null_low", "null_high"]]


def _write(path: Path, tables: Sequence[pd.DataFrame]) -> None:
    full = [table for table in tables if len(table)] or list(tables[:1])
    pd.concat(full, ignore_index=True).to_csv(path, index=False, float_format="%.9g")


def _has_parquet() -> bool:
    return find_spec("pyarrow") is not None
