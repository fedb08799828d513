"""Whether scores are more than chance: tables of p and q per voxel and ROI."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.autocorrelation import Memory, block_length, cut_runs, memory_notes
from ..analysis.moves import Moves, permute_blocks, shift_runs, whole_runs
from ..analysis.permutations import FEWEST_FOR_TAIL
from ..analysis.tested import Q, Tested, significance_tables
from ..core.checks import InputError
from ..study import Study
from .scored import Part, Scored

LOST_BY_AUTO = (0.02, 0.03)  # of the null's variance: as little as blocks allow


def draw_moves(
    study: Study,
    rows: pd.DataFrame,
    clips: NDArray[np.integer],
    memory: Memory | None = None,
) -> Moves:
    """Return the ways in which predictions of the test rows are moved.

    Parameters
    ----------
    study : Study
    rows : DataFrame
        Test rows, with `run_name`.
    clips : array of int, shape (n_rows,)
        From `block_of_row`.
    memory : Memory, optional
        Of responses and predictions: what blocks = 'auto' takes its length from.

    Raises
    ------
    InputError
        If there are fewer than 100 such ways, or no block is long enough.
    """
    asked, runs = study.analysis, rows["run_name"].to_numpy()
    options = {"n_permutations": asked.n_permutations, "seed": asked.seed}
    if asked.null == "shift":
        return shift_runs(runs, **options)
    if asked.blocks == "clip":
        return permute_blocks(clips, walls=runs, **options)
    if asked.blocks == "run":
        return permute_blocks(whole_runs(runs), **options)
    return permute_blocks(cut_runs(runs, _auto_length(memory, runs)), **options)


def _auto_length(memory: Memory | None, runs: NDArray) -> int:
    """Return the length of blocks that loses least, of those that lose little."""
    if memory is not None and memory.settles:
        for lost in LOST_BY_AUTO:
            length = block_length(memory, runs, lost=lost)
            if length is not None:
                return length
    raise InputError(
        "no block of up to half of the shortest test run is as long as responses and "
        "predictions remember. Filter slow drifts, test on longer runs, or leave "
        "analysis.null out: 'shift' turns whole runs."
    )


def tested_tables(study: Study, scored: Scored) -> Part:
    """Return `voxel_significance` and `roi_significance` of the joint model and alone.

    All models are moved alike, so that their nulls go together. Where the test runs
    give no null there is a note in place of the tables.
    """
    runs = scored.rows["run_name"].to_numpy()
    try:
        moves = draw_moves(study, scored.rows, scored.moved, scored.memory)
    except InputError as error:
        return Part({}, [f"no p of voxels and ROIs: {error}"])
    n_ways = moves.n_permutations
    if study.analysis.method == "tail" and n_ways < FEWEST_FOR_TAIL:
        note = (
            f"no p of voxels and ROIs: the test runs move in {n_ways} other ways, and "
            f"method 'tail' needs {FEWEST_FOR_TAIL}. Use method 'count'."
        )
        return Part({}, [note])
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
    if scored.memory is not None:
        notes += memory_notes(scored.memory, _moved_blocks(moves), runs)
    voxels = pd.concat([one.voxels for one in found], ignore_index=True)
    voxels["found"] = voxels[f"q_{study.analysis.fdr}"] <= Q
    rois = pd.concat([one.rois for one in found], ignore_index=True)
    rois["n_found"] = rois[f"n_{study.analysis.fdr}"]
    tables = {
        "voxel_significance": scored.named(scored.at_voxels(voxels)),
        "roi_significance": scored.named(_by_roi(rois, list(scored.rois))),
    }
    return Part(tables, list(dict.fromkeys(notes)))


def check_null(study: Study, rows: pd.DataFrame, clips: NDArray[np.integer]) -> None:
    """Raise if the study asks for a null of blocks that its test rows cannot give.

    How long the blocks of 'auto' will be is not known before the fit.
    """
    if study.analysis.null != "blocks" or study.analysis.blocks == "auto":
        return
    try:
        draw_moves(study, rows, clips)
    except InputError as error:
        raise InputError(
            f"analysis.null = 'blocks' cannot be had from these test runs: {error} "
            "Or leave analysis.null out: 'shift' turns whole runs."
        ) from error


def _moved_blocks(moves: Moves) -> NDArray[np.integer] | None:
    """Return the block of each row; None where whole runs turn."""
    if moves.kind == "shift":
        return None
    blocks, start = np.empty(moves.n_samples, int), 0
    for piece in moves.pieces:
        blocks[piece] = start + np.arange(len(piece))[:, None]
        start += len(piece)
    return blocks


def _by_roi(table: pd.DataFrame, rois: list[str]) -> pd.DataFrame:
    place = {name: k for k, name in enumerate(rois)}
    order = np.argsort(table["roi"].map(place).to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)
