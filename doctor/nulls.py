"""What must predict nothing: noise, features of other clips, responses out of order.

Each goes through the whole path of a study: features, design, fit on training runs,
prediction of the test runs. Chance is that of the study's own null, with predictions
moved in time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..analysis.moves import Moves
from ..core.checks import InputError
from ..core.stats import correlation
from ..feature_spaces import ControlFeatures, FeatureSpace, SoundFeatures, SoundSpace
from ..study import Study, changed
from ..workflow.alignment import Aligned
from ..workflow.networks import network_space
from .chance import Chance, against_chance, moves_of
from .courses import without_later
from .trial import Design, Read, Responses, build, fit
from .verdict import Finding, Status

Floats = NDArray[np.floating]
SILENCE_DB = -100.0  # loudness where no clip is played


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
    Y, test = responses.of_valid
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
    yield _judge_spread(responses, chance, moves, level, name)


def _judge_spread(
    responses: Responses, chance: Chance, moves: Moves, level: float, name: str
) -> Finding:
    """Return whether r of noise spreads as the study's null says.

    A null is a little too narrow where clips last as long as responses remember: that
    is shown. It fails where r2 of noise is surely more than twice that of the null.
    """
    if chance.leaks(level):
        found = f"{name}: noise predicts more than chance, so its p cannot be judged."
        return Finding("p-values", "not made", found, (name,))
    values = {"ratio": float(np.sqrt(chance.ratio))}
    if chance.p_spread >= level:
        found = (
            f"{name}: r of noise spreads as the study's null ({moves}) says (p "
            f"{chance.p_spread:.2g})."
        )
        return Finding("p-values", "passed", found, (name,), values)
    found = (
        f"{name}: r of noise spreads {values['ratio']:.2g} times as wide as the "
        f"study's null ({moves}) says (p {chance.p_spread:.2g})."
    )
    rows = responses.test_rows
    if (rows["clip"] == "").any() and (rows["n_repeats"] > 1).any():
        found += (
            " Silence is not averaged with the clips that are repeated, so it weighs "
            "more than the null knows: take responses.repeats = 'keep'."
        )
    status: Status = "failed" if chance.p_wide < level else "shown"
    return Finding("p-values", status, found, (name, "analysis.null"), values)


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
    _, test = responses.of_valid
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
    Y, test = responses.of_valid
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
