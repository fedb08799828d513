"""What must predict nothing: noise, features of other clips, responses out of order.

Each goes through the whole path of a study: features, design, fit on training runs,
prediction of the test runs. Chance is that of the study's own null, with predictions
moved in time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ..analysis.autocorrelation import memory_of
from ..analysis.moves import Moves
from ..analysis.permutations import each_null
from ..core.checks import InputError
from ..core.stats import correlation, varies
from ..feature_spaces import ControlFeatures, FeatureSpace, SoundFeatures, SoundSpace
from ..features.controls import permute_clips
from ..study import Study, changed
from ..workflow.alignment import Aligned
from ..workflow.networks import network_space
from ..workflow.opening import Opened
from ..workflow.scored import blocks_of
from ..workflow.tested_tables import draw_moves
from .courses import without_later
from .trial import Design, Read, Responses, build, fit
from .verdict import Finding, Status

Floats = NDArray[np.floating]
SURE = 0.005  # of a leak, by repetitions alone
TOO_WIDE = 2.0  # mean r2 of noise, by that of the null
SILENCE_DB = -100.0  # loudness where no clip is played


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """A mean over voxels against its null.

    Parameters
    ----------
    r : float
        Mean over voxels and repetitions.
    p_r : float
        That chance gives a mean r as large, by a normal distribution with the null's
        mean and spread.
    p_draws : float
        That the mean r of a repetition is 0 or below, by a t-test over repetitions.
    p_spread : float
        That chance gives a mean r2 as large, by a lognormal one.
    ratio : float
        Mean r2 by that of the null.
    n : int
        Repetitions.
    """

    r: float
    p_r: float
    p_draws: float
    p_spread: float
    ratio: float
    n: int

    def leaks(self, level: float) -> bool:
        """Return whether r is above chance, by the null and by repetitions alike.

        Clips that last as long as responses remember make the null a little too
        narrow; repetitions know nothing of each other, whatever the null.
        """
        return self.r > 0 and self.p_r < level and self.p_draws < SURE


def against_chance(Y: Floats, predictions: Sequence[Floats], moves: Moves) -> Chance:
    """Return the mean r of predictions, and its p by the study's null.

    All predictions are moved alike, and voxels together, so that what they have in
    common is in the null as well.
    """
    observed, squares, n = 0.0, 0.0, 0
    means = []
    null, null_squares = np.zeros((2, moves.n_permutations))
    for P in predictions:
        before, n_before = observed, n
        for _, r, drawn in each_null(Y, P, moves):
            observed += float(r.sum())
            squares += float((r**2).sum())
            null += drawn.sum(axis=1)
            null_squares += (drawn**2).sum(axis=1)
            n += len(r)
        means.append((observed - before) / max(1, n - n_before))
    if n == 0:
        raise InputError("no voxel and no prediction varies, so nothing can be scored.")
    null_r, log_squares = null / n, np.log(null_squares / n)
    return Chance(
        observed / n,
        _upper(observed / n, null_r),
        _above_0(means),
        _upper(float(np.log(squares / n)), log_squares),
        float(squares / null_squares.mean()),
        len(predictions),
    )


def _upper(observed: float, null: Floats) -> float:
    return float(stats.norm.sf((observed - null.mean()) / null.std(ddof=1)))


def _above_0(values: Sequence[float]) -> float:
    if len(values) < 2 or not np.std(values) > 0:
        return 1.0
    return float(stats.ttest_1samp(values, 0.0, alternative="greater").pvalue)


def moves_of(study: Study, rows: pd.DataFrame, Y: Floats, P: Floats) -> Moves:
    """Return how the study moves predictions of these test rows."""
    memory = None
    if (varies(Y) & varies(P)).any():
        memory = memory_of(Y, P, rows["run_name"].to_numpy())
    return draw_moves(study, rows, blocks_of(study, rows), memory)


def noise_design(study: Study, aligned: Aligned, seed: int, read: Read) -> Design:
    """Return the design of noise in place of each space that is no control itself."""
    features = dict(study.features)
    bands = []
    for name in study.encoding.bands:
        if isinstance(study.features[name], ControlFeatures):
            continue
        noise = ControlFeatures(kind="control", control="noise", of=name, seed=seed)
        features[f"noise like {name}"] = noise
        bands.append(f"noise like {name}")
    if not bands:
        raise InputError("every feature space is a control itself.")
    return build(_with(study, features, bands), aligned, read)


def _with(study: Study, features: dict, bands: Sequence[str]) -> Study:
    encoding = replace(study.encoding, bands=tuple(bands))
    return changed(without_later(study), features=features, encoding=encoding)


def check_noise(
    study: Study,
    aligned: Aligned,
    responses: Responses,
    *,
    read: Read,
    seeds: Sequence[int],
    level: float,
) -> Iterator[Finding]:
    """Yield whether noise predicts nothing, and whether its p are as they say."""
    name = aligned.opened.name
    Y, test = _valid(responses)
    try:
        predictions = [
            fit(
                study,
                aligned,
                noise_design(study, aligned, seed, read),
                Y,
                responses.train_rows,
            ).predictions
            for seed in seeds
        ]
        moves = moves_of(study, responses.test_rows, test, predictions[0])
        chance = against_chance(test, predictions, moves)
    except InputError as error:
        for key in ("noise-features", "p-values"):
            yield Finding(key, "not made", f"{name}: {error}", (name,))
        return
    found = (
        f"{name}: noise as slow as the features predicts {test.shape[1]} voxels with a "
        f"mean r of {chance.r:.4f} ({chance.n} times; p {chance.p_r:.2g})."
    )
    leaks = chance.leaks(level)
    status: Status = "failed" if leaks else "passed"
    yield Finding("noise-features", status, found, (name,), {"r": chance.r})
    wide = chance.p_spread < level and not leaks
    times = f"{np.sqrt(chance.ratio):.2g} times as wide as"
    found = (
        f"{name}: r of noise spreads {times if wide else 'as'} the study's null "
        f"({moves}) says (p {chance.p_spread:.2g})."
    )
    status = "not made" if leaks else "passed"
    if wide:  # a little, where clips last as long as responses remember
        status = "failed" if chance.ratio > TOO_WIDE else "shown"
    if leaks:
        found = f"{name}: noise predicts more than chance, so its p cannot be judged."
    yield Finding("p-values", status, found, (name,))


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
    Y, test = _valid(responses)
    rows = responses.test_rows
    try:
        if not study.dataset.clip:
            raise InputError("the study names no clips that could change places.")
        predictions = []
        for seed in seeds:
            there = replace(aligned, opened=permuted(aligned.opened, seed))
            other = only_moved(design, build(study, there))
            made = fit(study, aligned, other, Y, responses.train_rows).predictions
            predictions.append(_less_position(made, rows))
        left = _less_position(test, rows)
        moves = moves_of(study, rows, left, predictions[0])
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


def _less_position(values: Floats, rows: pd.DataFrame) -> Floats:
    """Return rows without the mean over clips of each place in the clip."""
    keys = rows["sample_in_clip"].to_numpy()
    _, place = np.unique(keys, return_inverse=True)
    sums = np.zeros((place.max() + 1, values.shape[1]))
    np.add.at(sums, place, values)
    return values - (sums / np.bincount(place)[:, None])[place]


def check_shuffled(
    study: Study,
    aligned: Aligned,
    responses: Responses,
    predictions: Floats,
    *,
    level: float,
) -> Finding:
    """Return whether test responses that run backwards are predicted by nothing."""
    name = aligned.opened.name
    _, test = _valid(responses)
    backwards = test.copy()
    runs = responses.test_rows["run_name"].to_numpy()
    for run in dict.fromkeys(runs):
        backwards[runs == run] = test[runs == run][::-1]
    try:
        moves = moves_of(study, responses.test_rows, backwards, predictions)
        chance = against_chance(backwards, [predictions], moves)
    except InputError as error:
        return Finding("shuffled-test", "not made", f"{name}: {error}", (name,))
    ahead = float(np.nanmean(correlation(test, predictions)))
    found = (
        f"{name}: test responses that run backwards are predicted with a mean r of "
        f"{chance.r:.4f} (p {chance.p_r:.2g}), forwards with {ahead:.4f}."
    )
    # Silence at both ends of a run fits backwards, too: that is no leak.
    status: Status = "shown" if chance.p_r < level and chance.r > 0 else "passed"
    return Finding("shuffled-test", status, found, (name,), {"r": chance.r})


def loudness_of(study: Study) -> SoundFeatures | None:
    """Return the loudness of what a study's bands hear; None if none reads sound."""
    keys = ("path", "start", "end", "fade_s", "rms")
    for name in study.encoding.bands:
        space = network_space(study, name) or study.features[name]
        if isinstance(space, SoundSpace):
            heard = {key: getattr(space, key) for key in keys}
            empty = None if space.empty is None else SILENCE_DB
            return SoundFeatures(kind="loudness", empty=empty, **heard)
    return None


def show_controls(
    study: Study, aligned: Aligned, responses: Responses
) -> Iterator[Finding]:
    """Yield what clip position, loudness and the study's own controls predict.

    They may truly predict, so they stand beside the scores and fail nothing.
    """
    name = aligned.opened.name
    Y, test = _valid(responses)
    position = ControlFeatures(
        kind="control", control="clip-position", source="", empty=0.0
    )
    spaces: dict[str, FeatureSpace] = {"clip position": position}
    for band, other in study.features.items():
        if isinstance(other, ControlFeatures) and other.control != "noise":
            spaces[f"{other.control} {band}"] = other
    loudness = loudness_of(study)
    if loudness is not None:
        spaces["loudness"] = loudness
    for label, space in spaces.items():
        try:
            features = {**study.features, label: space}
            design = build(_with(study, features, [label]), aligned)
            made = fit(study, aligned, design, Y, responses.train_rows).predictions
        except InputError as error:
            yield Finding("controls", "not made", f"{name}: {label}: {error}", (name,))
            continue
        r = correlation(test, made)
        found = (
            f"{name}: {label} alone predicts {np.isfinite(r).sum()} voxels with a mean "
            f"r of {np.nanmean(r):.3f}, the best tenth from "
            f"{np.nanquantile(r, 0.9):.3f}."
        )
        yield Finding("controls", "shown", found, (name,), {"r": float(np.nanmean(r))})


def _valid(responses: Responses) -> tuple[Floats, Floats]:
    """Return training and test responses of the voxels that vary in every run."""
    return responses.train[:, responses.valid], responses.test[:, responses.valid]
