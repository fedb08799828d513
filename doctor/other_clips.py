"""Whether features of other clips predict as well: what is left is no music."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError
from ..features.controls import permute_clips
from ..study import Study
from ..workflow.alignment import Aligned
from ..workflow.opening import Opened
from .chance import against_chance, moves_of
from .trial import Design, Responses, build, fit
from .verdict import Finding, Status

Floats = NDArray[np.floating]


def permuted(opened: Opened, seed: int) -> Opened:
    """Return a subject whose events name other clips of the same side and length.

    Onsets and durations stay, and so do rows: only what features are made from moves.
    A clip that is heard on both sides changes places with others like it.
    """
    heard = pd.concat(opened.events.values())
    first = heard[heard["clip"] != ""].drop_duplicates("clip")
    lengths = dict(zip(first["clip"].astype(str), first["duration"], strict=True))
    sides: dict[str, set[str]] = {}
    for run, events in opened.events.items():
        side = "train" if run in opened.split.train else "test"
        for clip in events["clip"].astype(str):
            sides.setdefault(clip, set()).add(side)
    groups = {
        clip: f"{sorted(sides[clip])} {length:.3f}" for clip, length in lengths.items()
    }
    sizes = pd.Series(groups).value_counts()
    groups = {clip: group for clip, group in groups.items() if sizes[group] > 1}
    if not groups:
        raise InputError("no two clips have the same length, so none change places.")
    taken = permute_clips(groups, seed=seed)
    of_clip = heard.drop_duplicates("clip").set_index("clip", drop=False)
    moved = {}
    for run, events in opened.events.items():
        names = [taken.get(clip, clip) for clip in events["clip"]]
        other = of_clip.loc[names].reset_index(drop=True)
        same = events.reset_index(drop=True)
        moved[run] = other.assign(onset=same["onset"], duration=same["duration"])
    return replace(opened, events=moved)


def only_moved(before: Design, after: Design) -> Design:
    """Return the bands of `after` that differ from those of `before`.

    A series over the whole run stays where it is when clips change places.

    Raises
    ------
    InputError
        If all are the same.
    """
    kept, columns, start = [], [], 0
    for band in after.bands:
        part = slice(start, start + band.n_columns)
        start += band.n_columns
        if not np.array_equal(before.train[:, part], after.train[:, part]):
            kept.append(band)
            columns.append(np.arange(part.start, part.stop))
    if not kept:
        raise InputError("no feature space is made clip by clip, so none is moved.")
    chosen = np.concatenate(columns)
    return Design(after.train[:, chosen], after.test[:, chosen], tuple(kept))


def check_permuted(
    study: Study,
    aligned: Aligned,
    responses: Responses,
    *,
    design: Design,
    seeds: Sequence[int],
    level: float,
) -> Finding:
    """Return whether features of other clips predict nothing beyond their position.

    `design` is the study's own.
    """
    name = aligned.opened.name
    Y, test = responses.of_valid
    by_volume = study.alignment.rows == "tr"
    reach = max(study.all_delays()) if by_volume else 0
    place = clip_places(responses.repeat_rows, reach)
    try:
        if not study.dataset.clip:
            raise InputError("the study names no clips that could change places.")
        predictions = []
        for seed in seeds:
            there = replace(aligned, opened=permuted(aligned.opened, seed))
            other = only_moved(design, build(study, there))
            made = fit(study, aligned, other, Y, responses.train_rows).predictions
            predictions.append(less_place(made, place))
        left = less_place(test, place)
        moves = moves_of(study, responses.test_rows, left, predictions[0])
        chance = against_chance(left, predictions, moves)
    except InputError as error:
        return Finding("permuted-clips", "not made", f"{name}: {error}", (name,))
    found = (
        f"{name}: features of other clips predict {test.shape[1]} voxels with a mean r "
        f"of {chance.r:.4f} beyond the position in the clip ({chance.n} times; p "
        f"{chance.p_r:.2g})."
    )
    status: Status = "failed" if chance.leaks(level) else "passed"
    return Finding("permuted-clips", status, found, (name,), {"r": chance.r})


def clip_places(repeats: pd.DataFrame, reach: int) -> NDArray[np.integer]:
    """Return the place in its clip of each row that is scored, numbered from 0.

    Responses to a clip go on after its end. So silence is counted on from the start of
    the clip before it, and is another place after clips of another length, and before
    the first clip of a run; and rows that the clip before reaches into are told apart
    by the time since its end.

    Parameters
    ----------
    repeats : DataFrame
        Test rows before repeats are averaged: `run_name`, `sample`, `sample_in_clip`,
        and `row`, the row that each is averaged into.
    reach : int
        Rows after the end of a clip that its features reach.

    Examples
    --------
    >>> rows = pd.DataFrame({"sample_in_clip": [-1, 0, 1, -1, 0, 1, -1]})
    >>> rows = rows.assign(run_name="a", sample=range(7), row=[0, 1, 2, 3, 1, 2, 4])
    >>> clip_places(rows, 0)
    array([0, 1, 2, 3, 3])
    """
    inside = repeats["sample_in_clip"] >= 0
    in_clip, sample = repeats["sample_in_clip"].where(inside), repeats["sample"]
    by_run = repeats["run_name"]
    start = (sample - in_clip).groupby(by_run).ffill()
    length = (in_clip + 1).groupby(by_run).ffill()
    keys = pd.DataFrame(
        {
            "after": length.where(~inside, 0).fillna(-1),
            "place": (sample - start).fillna(-1),
        }
    )
    first = keys[~repeats["row"].duplicated()].reset_index(drop=True)
    # Repeats of a clip follow other silences: what their mean holds is of all of them.
    since = _since_end(repeats, start).clip(upper=reach).where(inside, -1)
    first["since"] = since.groupby(repeats["row"], sort=False).agg(_shares).to_numpy()
    return first.groupby([*first], sort=False).ngroup().to_numpy()


def _shares(values: pd.Series) -> str:
    """Return which values there are, and how much of them each is, as a key."""
    kinds, counts = np.unique(values, return_counts=True)
    return str([*zip(kinds.tolist(), (counts / len(values)).tolist(), strict=True)])


def _since_end(repeats: pd.DataFrame, start: pd.Series) -> pd.Series:
    """Return samples since the clip before ended; infinite where none is before."""
    runs, inside = repeats["run_name"], repeats["sample_in_clip"] >= 0
    end = (repeats["sample"] + 1).where(inside).groupby(runs).ffill()
    before = end.groupby(runs).shift().groupby([runs, start]).transform("first")
    own = before > start  # the clip's own rows: none was before
    return (repeats["sample"] - before.mask(own)).fillna(np.inf)


def less_place(values: Floats, place: NDArray[np.integer]) -> Floats:
    """Return rows without the mean over clips of each place in the clip."""
    sums = np.zeros((place.max() + 1, values.shape[1]))
    np.add.at(sums, place, values)
    return values - (sums / np.bincount(place)[:, None])[place]
