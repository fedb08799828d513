"""Scores a subject's saved predictions, and writes the tables that others lean on."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.bootstrap import bootstrap_roi_scores
from ..analysis.hierarchy import hierarchy_notes
from ..analysis.maps import WeightComponents
from ..analysis.rois import members_of, roi_scores
from ..analysis.significance import recovered_bands, roi_null
from ..core.checks import InputError
from ..core.saved import SavedModel, load_model
from ..core.types import Space
from ..data.files import file_inside
from ..encoding.evaluate import score_models
from ..study import Study
from .ceiling_tables import ceiling_tables
from .group_tables import group_tables, template_of
from .layer_tables import layer_table
from .leakage import SUBSETS, read_safe
from .map_tables import components_of, map_tables, save_components
from .partition_tables import partition_tables
from .regions import rois_to_score
from .roi_tables import check_hierarchy, resample_rois, resampled_means, roi_tables
from .scored import SOURCES, Scored, Scores, blocks_of, read_scored
from .spheres import on_template, spheres_of, spin_tables
from .subsets import read_subsets
from .tested_tables import check_null, tested_tables

MAX_CSV_ROWS = 200_000
FEW_BLOCKS = 10
TEXTS = ("subject", "roi", "voxel", "region", "versus", "levels", "leads")
DECODED = ("dimension", "genre", "trained", "trained_on", "true", "decoded")
FOUND = ("clip", "track")
LABELS = dict.fromkeys((*TEXTS, *DECODED, *FOUND, *SOURCES, *SOURCES.values()), str)


@dataclass(frozen=True)
class Analysed:
    """One subject's tables, and what should be known of them."""

    tables: dict[str, pd.DataFrame]
    rois: dict[str, NDArray[np.bool_]]
    subject: str
    sources: dict[str, str]
    components: WeightComponents | None
    space: Space
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


def _check_planted_names(study: Study, planted: pd.DataFrame | None) -> None:
    """Raise if a space that was planted is not among those that are fitted."""
    known = {*study.encoding.bands, "none"}
    unknown = [] if planted is None else sorted(set(planted["planted"]) - known)
    if unknown:
        raise InputError(
            f"analysis.planted has {unknown[0]!r} planted, and the models have "
            f"{', '.join(study.encoding.bands)}. Use the same names in both, fit that "
            "space, too, or leave analysis.planted out."
        )


def check_analysis(
    study: Study, space: Space, test_rows: pd.DataFrame, subject: str
) -> None:
    """Raise if the tables could not be made: before the slow part.

    Parameters
    ----------
    study : Study
    space : Space
        Of one subject.
    test_rows : DataFrame
        That subject's rows as they will be scored.
    subject : str
    """
    rois, _ = rois_to_score(study, space, test_rows, subject)
    spheres_of(study, space, subject)
    check_hierarchy(study, rois)
    planted = read_planted(study)
    if planted is not None and not set(planted["roi"]) & set(rois):
        raise InputError(
            f"analysis.planted names none of the ROIs: it has "
            f"{', '.join(planted['roi'][:5])}, the study {', '.join(list(rois)[:5])}."
        )
    _check_planted_names(study, planted)
    blocks = blocks_of(study, test_rows)
    n_blocks, needed = len(np.unique(blocks)), 2 if planted is None else 6
    if n_blocks < needed:
        raise InputError(
            f"the test rows make {n_blocks} blocks, and {needed} are needed for "
            "intervals and nulls. Lower analysis.block_s, or test on more runs."
        )
    check_null(study, test_rows, blocks)
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
        Folder of the results: responses/, models/ and subsets/ are read.
    subject : str
    """
    model = load_model(out / f"models/sub-{subject}")
    scored, notes = read_scored(study, out, subject)
    scores = score_models(scored.predictions, scored.intercept, scored.Y)
    summaries = resample_rois(study, scored, scored.rois)
    means = resampled_means(summaries)
    table = roi_scores(
        scores,
        scored.rois,
        {key: mean.resampled for key, mean in means.items()},
        subject=subject,
        n_blocks=scored.n_blocks,
        errors={key: mean.error for key, mean in means.items()},
    )
    tested = tested_tables(study, scored)
    parts = [
        tested,
        ceiling_tables(study, out, scored, scores["joint", "all"]["r"]),
        partition_tables(
            study,
            scored,
            scores,
            read_subsets(out, subject),
            tested.tables.get("roi_significance"),
        ),
        map_tables(
            study, scored, model, scores, tested.tables.get("voxel_significance")
        ),
        spin_tables(study, scored, model.space, scores),
    ]
    subsets, said = _subset_tables(study, out, scored)
    rois = scored.whole_rois
    tables = {
        "roi_scores": scored.named(table),
        **roi_tables(study, scored, model.space, summaries),
        **{name: one for part in parts for name, one in part.tables.items()},
        "subset_scores": subsets,
        "layers": layer_table(out, subject, rois, model.space.ids, scored.sources),
        "voxel_scores": scored.named(_voxel_table(scores, model, subject)),
        "truth": _truth(study, table, scored),
    }
    said = [*notes, *_few_blocks(scored), *said]
    hierarchy = tables.get("hierarchy")
    if hierarchy is not None:
        said += hierarchy_notes(hierarchy)
    said += [note for part in parts for note in part.notes]
    return Analysed(
        tables={name: table for name, table in tables.items() if table is not None},
        rois=rois,
        subject=subject,
        sources=scored.sources,
        components=components_of(model, scored),
        space=model.space,
        notes=[f"sub-{subject}: {note}" for note in dict.fromkeys(said)],
    )


def _few_blocks(scored: Scored) -> list[str]:
    if scored.n_blocks >= FEW_BLOCKS:
        return []
    return [f"intervals rest on {scored.n_blocks} blocks only: read them as rough."]


def _roi_table(study: Study, scored: Scored) -> pd.DataFrame:
    """Return scores per ROI, with intervals."""
    scores = score_models(scored.predictions, scored.intercept, scored.Y)
    resampled = bootstrap_roi_scores(
        scored.Y,
        scored.predictions,
        members_of(scored.rois, scored.Y.shape[1]),
        scored.blocks,
        n_resamples=study.analysis.n_resamples,
        seed=study.analysis.seed,
    )
    return roi_scores(
        scores,
        scored.rois,
        resampled,
        subject=scored.subject,
        n_blocks=scored.n_blocks,
    )


def _subset_tables(
    study: Study, out: Path, scored: Scored
) -> tuple[pd.DataFrame | None, list[str]]:
    """Return the scores on test clips that share no artist, or no sound, with training.

    None where nothing is known of the clips. A subset that is all test clips, or fewer
    than two, has no rows of its own and a note in their place.
    """
    safe = read_safe(out, scored.subject)
    if safe is None:
        return None, []
    tables, notes = [], []
    for subset in [name for name in SUBSETS if name in safe]:
        clips = set(safe.loc[safe[subset], "test_clip"])
        if len(clips) == len(safe) or len(clips) < 2:
            notes.append(f"{len(clips)} of {len(safe)} test clips are {subset}.")
            continue
        kept = scored.rows["clip"].isin(clips).to_numpy()
        table = scored.named(_roi_table(study, scored.at(kept, study)))
        table.insert(2, "subset", subset)
        table.insert(3, "n_clips", len(clips))
        tables.append(table)
    return (pd.concat(tables, ignore_index=True) if tables else None), notes


def write_tables(study: Study, folder: Path, parts: Sequence[Analysed]) -> list[str]:
    """Write all subjects' tables into `folder`; return what should be known of them."""
    whole = {
        name: _together([part.tables[name] for part in parts if name in part.tables])
        for name in dict.fromkeys(name for part in parts for name in part.tables)
    }
    group, notes = group_tables(whole, parts[0].sources)
    if group is not None:
        whole["group"] = group
    maps = {part.subject: _joint_r(part.tables["voxel_scores"]) for part in parts}
    spaces = {part.subject: part.space for part in parts}
    template = on_template(study, maps, spaces)
    if template is None:
        template = template_of(maps, spaces)
    if template is not None:
        whole["template_r"] = template
    for name, table in whole.items():
        if len(table) <= MAX_CSV_ROWS:
            table.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")
        else:
            table.to_parquet(folder / f"{name}.parquet", index=False)
    for part in parts:
        names, masks = np.array(list(part.rois)), np.stack(list(part.rois.values()))
        np.savez(folder / f"rois_sub-{part.subject}.npz", names=names, masks=masks)
        if part.components is not None:
            save_components(folder, part.subject, part.components)
    return [*notes, *(note for part in parts for note in part.notes)]


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
    sources = [column for column in SOURCES.values() if column in table]
    table[sources] = table[sources].fillna("")
    return table


def read_tables(
    folders: Sequence[Path], names: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Read tables that steps wrote, one folder after the other, as far as there are."""
    found = {}
    for name in names:
        tables = [read_table(folder, name) for folder in folders]
        there = [table for table in tables if table is not None]
        if there:
            found[name] = pd.concat(there, ignore_index=True)
    return found


def read_rois(folder: Path, subject: str) -> dict[str, NDArray[np.bool_]]:
    """Read a subject's ROI masks over the columns of Y, from `write_tables`."""
    path = folder / f"rois_sub-{subject}.npz"
    with np.load(path, allow_pickle=False) as saved:
        return dict(zip(saved["names"].tolist(), saved["masks"], strict=True))


def _voxel_table(scores: Scores, model: SavedModel, subject: str) -> pd.DataFrame:
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


def _truth(study: Study, table: pd.DataFrame, scored: Scored) -> pd.DataFrame | None:
    """Return planted against recovered, if the study says what was planted."""
    planted = read_planted(study)
    if planted is None:
        return None
    rois = scored.rois
    named = {name: rois[name] for name in planted["roi"] if name in rois}
    null = roi_null(
        scored.Y,
        scored.predictions["joint", "all"],
        members_of(named, scored.Y.shape[1]),
        scored.moved,
        n_permutations=study.analysis.n_permutations,
        seed=study.analysis.seed,
    )
    found = recovered_bands(
        table[table["roi"].isin(named)], dict(zip(named, null.T, strict=True))
    )
    merged = found.merge(planted, on="roi", how="left")
    columns = ["subject", "roi", "planted", "recovered"]
    merged = merged[[*columns, "r_joint", "null_low", "null_high"]]
    return merged.assign(source=merged["recovered"].map(scored.sources).fillna(""))


def _joint_r(scores: pd.DataFrame) -> NDArray[np.floating]:
    """Return the joint model's r, in the order of the columns."""
    rows = (scores["model"] == "joint") & (scores["score"] == "r")
    return scores.loc[rows, "value"].to_numpy(float)


def _together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    full = [table for table in tables if len(table)] or list(tables[:1])
    return pd.concat(full, ignore_index=True)


def _has_parquet() -> bool:
    return find_spec("pyarrow") is not None
