"""Which rows of sound are decoded from which rows of responses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError
from ..core.saved import load_bands, load_moments
from ..core.selection import Selection
from ..core.store import open_store
from ..core.types import Band, Space
from ..decoding.rows import Pairs
from ..decoding.scaling import chunks
from ..encoding.layers import columns_of
from ..features.annotations import column_of
from ..features.categories import category_labels
from ..study import Study
from ..study_decoding import Decoding
from .leakage import SUBSETS, read_safe
from .opening import Opened
from .regions import rois_to_score
from .session import Session

Floats = NDArray[np.floating]
PRESENTATION = ["session", "task", "run", "run_name", "presentation"]


@dataclass(frozen=True, eq=False)
class Side:
    """The rows of one side that are decoded.

    Parameters
    ----------
    rows : DataFrame
        Of the sound: a row per volume or window.
    Y : array of shape (n_rows, n_columns)
        Responses to it: the mean over the delays, or one delay after the other.
    X : array of shape (n_rows, n_design_columns)
        The design, at the row where its first delay holds this sound.
    labels : array of str, shape (n_rows,)
        The clip; where no clips are named, side and run.
    every : DataFrame
        All rows of the side.
    volumes : array of shape (n_every, n_voxels), or None
        Responses to `every` as they are, where single volumes are decoded.
    """

    rows: pd.DataFrame
    Y: Floats
    X: Floats
    labels: NDArray[np.str_]
    every: pd.DataFrame
    volumes: Floats | None = None

    def pairs(self, T: Floats) -> Pairs:
        """Return the rows with a target."""
        return Pairs(self.Y, T, self.rows["run_name"].to_numpy(), self.labels)


@dataclass(frozen=True, eq=False)
class ToDecode:
    """What a subject's targets are decoded from.

    Targets are in the units of the feature space, as identification correlates them:
    the features of the design are standardised on training rows.

    Parameters
    ----------
    subject : str
    train, test : Side
    bands : tuple of Band
        Of the columns of X.
    rois : tuple of Selection
        Those with a voxel that is alive, of the columns of Y; others are refused where
        they are named.
    has_clips : bool
    designs : path
        Folder of the features, with what was taken out of them.
    """

    subject: str
    train: Side
    test: Side
    bands: tuple[Band, ...]
    rois: tuple[Selection, ...]
    has_clips: bool
    designs: Path

    def target(self, name: str) -> tuple[Floats, Floats]:
        """Return a feature space at the rows of training and test."""
        (k,) = (k for k, band in enumerate(self.bands) if band.name == name)
        columns = columns_of(self.bands, [k])[: self.bands[k].n_features]
        shift, scale = load_moments(self.designs, name)
        train, test = (
            side.X[:, columns].astype(np.float64) * scale + shift
            for side in (self.train, self.test)
        )
        return train, test

    def rounding(self, name: str) -> tuple[Floats, Floats]:
        """Return by how much rounding may have changed each value of `target`.

        What was standardised was rounded before it was brought back, and what is there
        of a row that was constant may differ from dimension to dimension by as much.
        """
        shift, _ = load_moments(self.designs, name)
        step = np.finfo(self.train.X.dtype).eps
        train, test = (
            step * (np.abs(T - shift) + np.abs(T)) for T in self.target(name)
        )
        return train, test

    def without_test_clips(self, clips: Sequence[str]) -> "ToDecode":
        """Return the same without some clips in test; single volumes stay."""
        test, kept = self.test, ~np.isin(self.test.labels, list(clips))
        left = replace(
            test,
            rows=test.rows[kept].reset_index(drop=True),
            Y=test.Y[kept],
            X=test.X[kept],
            labels=test.labels[kept],
        )
        return replace(self, test=left)

    def source(self, name: str) -> str:
        """Return what a target was made by."""
        return next(band.source for band in self.bands if band.name == name)


def read_rows_to_decode(session: Session, opened: Opened) -> ToDecode:
    """Read a subject's responses and features, at the rows that are decoded."""
    study, out = session.study, session.out
    store = open_store(out / f"responses/sub-{opened.subject}")
    designs = out / f"features/sub-{opened.subject}"
    bands = tuple(load_bands(designs))
    tables = {"train": store.train_rows(), "test": store.test_rows()}
    has_clips = any((rows["clip"] != "").any() for rows in tables.values())
    sides = [
        _side(
            study.decoding,
            store.train if side == "train" else store.test,
            np.flatnonzero(store.valid),
            np.load(designs / f"X_{side}.npy", mmap_mode="r"),
            rows,
            rows["clip"] if has_clips else side + " " + rows["run_name"],
            bands[0].delays,
        )
        for side, rows in tables.items()
    ]
    n_blocks = sides[0].Y.shape[1] // int(store.valid.sum())
    rois = []
    for roi in atlas(study, store.space, store.repeat_rows(), opened.subject):
        inside = np.tile(roi.mask[store.valid], n_blocks)
        if inside.any():
            rois.append(replace(roi, mask=inside))
    return ToDecode(
        opened.subject, sides[0], sides[1], bands, tuple(rois), has_clips, designs
    )


def _side(
    decoding: Decoding,
    read: Callable[[NDArray[np.intp]], Floats],
    voxels: NDArray[np.intp],
    X: Floats,
    rows: pd.DataFrame,
    labels: pd.Series,
    delays: Sequence[int],
) -> Side:
    """Return the rows of a side; `read` gives responses of voxels, in all its rows."""
    kept, at = response_places(rows, delays)
    named = labels.to_numpy()[kept] != ""
    kept, at = kept[named], at[named]
    if not len(kept):
        raise InputError(
            f"no sound is followed by responses at delays {list(delays)} in its run "
            "(or clip, where repeats are averaged). Take shorter encoding.delays."
        )
    mine = rows.iloc[kept].reset_index(drop=True)
    if averages(rows):
        mine, order = _clip_by_clip(mine)
        kept, at = kept[order], at[order]
    return Side(
        mine,
        _late(read, voxels, at, stacked=decoding.responses == "stack"),
        X[at[:, 0]],
        labels.to_numpy()[kept].astype(np.str_),
        rows,
        read(voxels) if decoding.lags else None,
    )


def response_places(
    rows: pd.DataFrame, delays: Sequence[int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows of sound, and the row of the responses at each delay after each.

    Rows that lack a response are left out: it would lie beyond the run, in a volume
    that was cut out, or, where repeats are averaged, beyond the clip, after which each
    repeat goes on with another one. A volume that is there in some repeats is the mean
    over these.

    Parameters
    ----------
    rows : DataFrame
        run_name, sample and, where repeats are averaged, n_repeats, clip and
        sample_in_clip.
    delays : sequence of int
        In rows; (0,) where rows are windows, which have their lag already.

    Returns
    -------
    kept : array of int, shape (n_kept,)
    places : array of int, shape (n_kept, n_delays)
    """
    if tuple(delays) == (0,):
        every = np.arange(len(rows))
        return every, every[:, None]
    stretch, moment = stretches(rows), moments(rows)
    index = pd.MultiIndex.from_arrays([stretch, moment])
    later = [pd.MultiIndex.from_arrays([stretch, moment + d]) for d in delays]
    places = np.stack([index.get_indexer(one) for one in later], axis=1)
    kept = np.flatnonzero((places >= 0).all(axis=1))
    return kept, places[kept]


def stretches(rows: pd.DataFrame) -> NDArray[np.str_]:
    """Return the stretch of each row beyond which nothing is a response to it.

    That is the run; where repeats are averaged, the clip.
    """
    names = rows["run_name"].astype(str)
    if averages(rows):
        clips = rows["clip"].astype(str)
        names = names.where(clips == "", "clip " + clips)
    return names.to_numpy().astype(np.str_)


def moments(rows: pd.DataFrame) -> NDArray[np.integer]:
    """Return the number of each row's volume (or window) in its stretch."""
    sample = rows["sample"].to_numpy()
    if averages(rows):
        in_clip = rows["sample_in_clip"].to_numpy()
        return np.where(rows["clip"] == "", sample, in_clip)
    return sample


def averages(rows: pd.DataFrame) -> bool:
    """Return whether some rows are means over the repeats of a clip."""
    return "n_repeats" in rows and bool((rows["n_repeats"] > 1).any())


def _clip_by_clip(rows: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Return rows of averaged repeats with each clip's together, in time, and how.

    A moment that was censored in the first presentation of its clip comes from a later
    one, and stands there: it is named by the first one, as the others of its clip are.
    """
    by_clip = rows.groupby("clip", sort=False)
    named = rows.assign(**by_clip[PRESENTATION].transform("first"))
    order = np.lexsort((rows["sample_in_clip"], by_clip.ngroup()))
    return named.iloc[order].reset_index(drop=True), order


def _late(
    read: Callable[[NDArray[np.intp]], Floats],
    voxels: NDArray[np.intp],
    at: NDArray[np.intp],
    *,
    stacked: bool,
) -> Floats:
    """Return the responses at each delay, side by side, or their mean.

    Voxels are read a few at a time: all of them at all delays need not fit in memory.
    """
    n_rows, n_delays = at.shape
    width = n_delays * len(voxels) if stacked else len(voxels)
    late: Floats = np.empty((n_rows, width), np.float32, order="F")
    for part in chunks(len(voxels)):
        Y = read(voxels[part])
        if stacked:
            for k, places in enumerate(at.T):
                first = k * len(voxels)
                late[:, first + part.start : first + part.stop] = Y[places]
            continue
        total = np.zeros((n_rows, Y.shape[1]), dtype=Y.dtype)
        for places in at.T:
            total += Y[places]
        late[:, part] = total / Y.dtype.type(n_delays)
    return late


def atlas(
    study: Study, space: Space, test_rows: pd.DataFrame, subject: str
) -> tuple[Selection, ...]:
    """Return a subject's ROIs; those made from tested runs are refused."""
    rois, _ = rois_to_score(study, space, test_rows, subject)
    return tuple(Selection(name, mask, "atlas") for name, mask in rois.items())


def genres_of(study: Study, opened: Opened, clips: Sequence[str]) -> list[str] | None:
    """Return the genre of each clip, or None where the study names no such column."""
    if study.decoding.genres is None:
        return None
    of_clip = genre_of_clips(opened, study.decoding.genres)
    return [of_clip[clip] for clip in clips]


def genre_of_clips(opened: Opened, column: str) -> dict[str, str]:
    """Return the genre of each clip, by a column of the events.

    Raises
    ------
    InputError
        If the column is missing, a clip has no genre, or two of them.
    """
    found: dict[str, str] = {}
    for run in opened.runs:
        events, place = opened.events[run], f"{opened.name}, {run}"
        cells = category_labels(column_of(events, column, place))
        for clip, genre in zip(events["clip"], cells, strict=True):
            if clip == "":
                continue
            if genre is None:
                raise InputError(
                    f"{place}: clip {clip!r} has no {column!r}, which decoding.genres "
                    "names. Fill it in."
                )
            if found.setdefault(clip, genre) != genre:
                raise InputError(
                    f"{place}: clip {clip!r} is {genre!r}, and {found[clip]!r} "
                    f"elsewhere. A clip has one {column!r}."
                )
    return found


def safe_subsets(
    out: Path, subject: str, clips: NDArray[np.str_]
) -> dict[str, NDArray[np.bool_]]:
    """Return which rows are of clips that share nothing with training, as was found."""
    table = read_safe(out, subject)
    if table is None:
        return {}
    mine, found = table.set_index("test_clip"), {}
    for name in [name for name in SUBSETS if name in mine and mine[name].notna().all()]:
        inside = mine[name].astype(bool).reindex(clips, fill_value=False)
        found[name] = inside.to_numpy(dtype=bool)
    return found
