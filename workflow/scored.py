"""A subject's test responses and predictions, over the voxels that were fitted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.autocorrelation import Memory, memory_of
from ..analysis.bootstrap import block_of_clip, block_of_row
from ..analysis.clip_blocks import blocks_to_resample
from ..core.rows import each_run
from ..core.saved import SavedModel, load_model
from ..core.stats import varies
from ..core.store import open_store
from ..study import Study
from .regions import rois_to_score

Floats = NDArray[np.floating]
Key = tuple[str, str]
Scores = Mapping[Key, Mapping[str, Floats]]
SHORTEST_RUN = 4  # samples, of which an autocorrelation can be made
FEWEST_JOINED = 10  # blocks of joined clips; below, clips stand by themselves
SOURCES = {
    "feature_space": "source",
    "a": "source_a",
    "b": "source_b",
    "added": "source_added",
    "to": "source_to",
    "best": "source_best",
    "second": "source_second",
    "versus": "source_versus",
    "x": "source_x",
    "y": "source_y",
}


@dataclass(frozen=True, eq=False)
class Part:
    """Tables of one kind, and what should be known of them."""

    tables: dict[str, pd.DataFrame]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Scored:
    """One subject's test responses and predictions of the fitted voxels.

    Parameters
    ----------
    subject : str
    Y : array of shape (n_test, n_voxels)
    predictions : dict of (model, feature space) to array of the shape of Y
    intercept : array of shape (n_voxels,)
        Of the joint model.
    rows : DataFrame
        What each test row is.
    moved : array of int, shape (n_test,)
        Block of each row; a clip's presentations are blocks apart.
    blocks : array of int, shape (n_test,)
        Block of each row to resample: all presentations of a clip in one, and clips
        joined as far as `memory` asks for.
    memory : Memory or None
        Of test responses and the joint model; None where it cannot be measured.
    voxels : array of str, shape (n_voxels,)
        Names of the fitted columns.
    rois : dict of str to array of bool, shape (n_voxels,)
    whole_rois : dict of str to array of bool, shape (n_columns,)
        Over all columns, those that were not fitted included.
    cv_scores : array of shape (n_voxels,)
        Of the joint model, on held-out training folds.
    train_runs, test_runs : tuple of str
    sources : dict of feature space to source
    """

    subject: str
    Y: Floats
    predictions: dict[Key, Floats]
    intercept: Floats
    rows: pd.DataFrame
    moved: NDArray[np.integer]
    blocks: NDArray[np.integer]
    memory: Memory | None
    voxels: NDArray[np.str_]
    rois: dict[str, NDArray[np.bool_]]
    whole_rois: dict[str, NDArray[np.bool_]]
    cv_scores: Floats
    train_runs: tuple[str, ...]
    test_runs: tuple[str, ...]
    sources: dict[str, str]

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the feature spaces."""
        return tuple(name for model, name in self.predictions if model == "alone")

    @property
    def n_blocks(self) -> int:
        """How many blocks are resampled."""
        return int(self.blocks.max()) + 1

    def at(self, kept: NDArray[np.bool_], study: Study) -> "Scored":
        """Return some of the rows."""
        predictions = {key: values[kept] for key, values in self.predictions.items()}
        rows = self.rows[kept].reset_index(drop=True)
        moved = blocks_of(study, rows)
        joined = np.unique(self.blocks[kept], return_inverse=True)[1]
        # Of few clips, those joined may be one block, which cannot be drawn again.
        few = joined.max() + 1 < FEWEST_JOINED
        return replace(
            self,
            Y=self.Y[kept],
            predictions=predictions,
            rows=rows,
            moved=moved,
            blocks=block_of_clip(rows, moved) if few else joined,
        )

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with the source of each feature space that a column names."""
        return with_sources(table, self.sources)

    def at_voxels(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table whose column `voxel` names voxels in place of counting."""
        return table.assign(voxel=self.voxels[table["voxel"].to_numpy(int)])


def read_scored(study: Study, out: Path, subject: str) -> tuple[Scored, list[str]]:
    """Read a subject's saved predictions, and load the ROIs they are summed up in.

    Raises
    ------
    InputError
        If an ROI was made from responses of the test runs.
    """
    model = load_model(out / f"models/sub-{subject}")
    store = open_store(out / f"responses/sub-{subject}")
    test_runs = tuple(dict.fromkeys(store.repeat_rows()["run_name"]))
    train_runs = tuple(dict.fromkeys(store.train_rows()["run_name"]))
    rois, notes = rois_to_score(study, model.space, store.repeat_rows(), subject)
    valid = model.valid
    Y = np.asarray(model.array("test_responses"))[:, valid]
    predictions = _predictions(model, valid)
    moved, runs = blocks_of(study, model.rows), model.rows["run_name"].to_numpy()
    memory = _memory(Y, predictions["joint", "all"], runs)
    blocks, said = blocks_to_resample(model.rows, moved, runs, memory=memory)
    scored = Scored(
        subject=subject,
        Y=Y,
        predictions=predictions,
        intercept=model.array("intercept")[valid],
        rows=model.rows,
        moved=moved,
        blocks=blocks,
        memory=memory,
        voxels=np.asarray(model.space.ids)[valid],
        rois={name: mask[valid] for name, mask in rois.items()},
        whole_rois=rois,
        cv_scores=np.asarray(model.array("cv_scores"))[valid],
        train_runs=train_runs,
        test_runs=test_runs,
        sources={band.name: band.source for band in model.bands},
    )
    return scored, [*notes, *said]


def _memory(Y: Floats, joint: Floats, runs: NDArray) -> Memory | None:
    """Return how long responses remember; None in runs too short to tell."""
    shortest = min(rows.stop - rows.start for rows in each_run(runs))
    if shortest < SHORTEST_RUN or not (varies(Y) & varies(joint)).any():
        return None
    return memory_of(Y, joint, runs)


def blocks_of(study: Study, rows: pd.DataFrame) -> NDArray[np.integer]:
    """Return the block of each test row, as the study cuts them."""
    return block_of_row(rows, study.dataset.tr_s, study.analysis.block_s)


def with_sources(table: pd.DataFrame, sources: Mapping[str, str]) -> pd.DataFrame:
    """Return a table with the source of each feature space that a column names."""
    found = {
        source: table[column].map(sources).fillna("")
        for column, source in SOURCES.items()
        if column in table
    }
    return table.assign(**found)


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
