"""Whether scores are more than chance: tables of p and q per voxel and ROI."""

import numpy as np
import pandas as pd

from ..analysis.autocorrelation import memory_notes, memory_of
from ..analysis.moves import Moves, permute_blocks, shift_runs
from ..analysis.tested import Q, Tested, significance_tables
from ..core.checks import InputError
from ..core.rows import each_run
from ..study import Study
from .scored import Part, Scored

FEWEST = 100  # arrangements that a null needs; analysis.moves refuses fewer


def draw_moves(study: Study, rows: pd.DataFrame, blocks: np.ndarray) -> Moves:
    """Return the ways in which predictions of the test rows are moved.

    Parameters
    ----------
    study : Study
    rows : DataFrame
        Test rows, with `run_name`.
    blocks : array of int, shape (n_rows,)
        From `block_of_row`.

    Raises
    ------
    InputError
        If there are fewer than 100 such ways.
    """
    options = {
        "n_permutations": study.analysis.n_permutations,
        "seed": study.analysis.seed,
    }
    runs = rows["run_name"].to_numpy()
    if study.analysis.null == "shift":
        return shift_runs(runs, **options)
    return permute_blocks(blocks, walls=runs, **options)


def tested_tables(study: Study, scored: Scored) -> Part:
    """Return `voxel_significance` and `roi_significance` of the joint model and alone.

    All models are moved alike, so that their nulls go together. A study whose test
    runs can be turned in fewer than 100 ways has a note in place of the tables.
    """
    moved, runs = scored.moved, scored.rows["run_name"].to_numpy()
    n_turns = float(np.prod([float(s.stop - s.start) for s in each_run(runs)]))
    if study.analysis.null == "shift" and n_turns < FEWEST:
        note = (
            f"no p of voxels and ROIs: the test runs turn in {n_turns:g} ways, and a "
            f"null needs {FEWEST}. Test on more or longer runs."
        )
        return Part({}, [note])
    moves = draw_moves(study, scored.rows, moved)
    found: list[Tested] = []
    notes: list[str] = []
    for key in [("joint", "all"), *(("alone", name) for name in scored.bands)]:
        about = dict(zip(("model", "feature_space"), key, strict=True))
        tested = significance_tables(
            scored.Y,
            scored.predictions[key],
            moves,
            rois=scored.rois,
            about=about | {"subject": scored.subject},
            method=study.analysis.method,
        )
        found.append(tested)
        notes += tested.notes[::-1]  # how fine p is comes first
    if study.analysis.null == "blocks":
        joint = scored.predictions["joint", "all"]
        notes += memory_notes(memory_of(scored.Y, joint, runs), moved, runs)
    voxels = pd.concat([one.voxels for one in found], ignore_index=True)
    voxels["found"] = voxels[f"q_{study.analysis.fdr}"] <= Q
    rois = pd.concat([one.rois for one in found], ignore_index=True)
    rois["n_found"] = rois[f"n_{study.analysis.fdr}"]
    tables = {
        "voxel_significance": scored.named(scored.at_voxels(voxels)),
        "roi_significance": scored.named(_by_roi(rois, list(scored.rois))),
    }
    return Part(tables, list(dict.fromkeys(notes)))


def check_null(study: Study, rows: pd.DataFrame, blocks: np.ndarray) -> None:
    """Raise if the study asks for a null of blocks that its test rows cannot give."""
    if study.analysis.null != "blocks":
        return
    try:
        draw_moves(study, rows, blocks)
    except InputError as error:
        raise InputError(
            f"analysis.null = 'blocks' cannot be had from these test runs: {error} "
            "Or leave analysis.null out: 'shift' turns whole runs."
        ) from error


def _by_roi(table: pd.DataFrame, rois: list[str]) -> pd.DataFrame:
    place = {name: k for k, name in enumerate(rois)}
    order = np.argsort(table["roi"].map(place).to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)
