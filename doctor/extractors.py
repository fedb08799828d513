"""Whether a network gives the same features again, and from its own sound alone."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample

from ..core.checks import InputError
from ..data.stimuli import ClipSource
from ..feature_spaces import NetworkFeatures
from ..features.pretrained import extract_audio
from ..features.windows import Windows, windows_of
from ..study import Study
from ..workflow.heard import sound_name_of, sounds_of
from ..workflow.networks import (
    embed_sounds,
    layers_of,
    network_of,
    network_space,
    used_spaces,
    waveform_of,
    windows_for,
)
from ..workflow.opening import Opened
from ..workflow.session import silent
from .verdict import Finding

Floats = NDArray[np.floating]
Extract = Callable[[Floats, float], Floats]
SAME = 1e-4  # of the spread of the features, that rounding may make
SAME_AS_KEPT = 1e-3  # in batches of another size, or on another device
SAME_SOUND = 0.15  # root mean square, of the same sound at twice the rate


def check_extractors(study: Study, opened: Opened) -> Iterator[Finding]:
    """Yield, for each network that hears sound, what it makes of one clip again."""
    found = False
    for name in used_spaces(study):
        space = network_space(study, name)
        if not isinstance(space, NetworkFeatures):
            continue
        found = True
        try:
            yield from _of_space(study, opened, name, space)
        except InputError as error:
            yield Finding("extractor", "not made", f"{name}: {error}", (name,))
    if not found:
        why = "no band is made by a network that hears sound."
        yield Finding("extractor", "not made", why)


def _of_space(
    study: Study, opened: Opened, name: str, space: NetworkFeatures
) -> Iterator[Finding]:
    sound = sounds_of(study, opened, sound_name_of(study, name))[0]
    network = network_of(study, space)
    windows, layer = windows_for(space, network), layers_of(network, space)[-1]
    waveform, rate_hz = waveform_of(sound, space)

    def extract(wave: Floats, wave_hz: float) -> Floats:
        made = extract_audio(
            [wave.astype(np.float32)],
            wave_hz,
            network=network,
            windows=windows,
            layers=(layer,),
        )
        return made[layer][0]

    kept = _kept(study, space, sound)
    yield judge_extractor(name, extract, waveform, rate_hz, windows, kept, sound.clip)
    said = f"{name}: it hears {network.rate_hz:g} Hz, and {sound.clip} has {rate_hz:g}."
    if not windows.causal:
        said += (
            f" Its windows are not causal: the features of a volume hold sound up to "
            f"{windows.window_s:g} s later."
        )
    yield Finding("extractor", "shown", said, (name,))


def _kept(study: Study, space: NetworkFeatures, sound: ClipSource) -> Floats:
    """Return the rows that the study takes: from the cache, if they are there."""
    rows = embed_sounds(study, space, [sound], silent)
    return [*rows.values()][-1][sound]


def judge_extractor(
    name: str,
    extract: Extract,
    waveform: Floats,
    rate_hz: float,
    windows: Windows,
    kept: Floats,
    clip: str,
) -> Finding:
    """Return whether rows are the same again, as they were kept, and know no future.

    The same sound at twice the rate has to give about the same rows.

    Parameters
    ----------
    name : str
        Of the feature space.
    extract : callable
        From a waveform and its rate in Hz to rows of shape (n_windows, n_features).
    waveform : array of shape (n_points,)
    rate_hz : float
    windows : Windows
    kept : array of shape (n_windows, n_features)
        What the study takes.
    clip : str
        As messages name it.
    """
    first, again = extract(waveform, rate_hz), extract(waveform, rate_hz)
    size = float(first.std()) or 1.0
    wrong = []
    if np.abs(first - again).max() > SAME * size:
        wrong.append("differ when they are made twice (is something random left on?)")
    if kept.shape != first.shape or np.abs(first - kept).max() > SAME_AS_KEPT * size:
        wrong.append("differ from those that were kept (other weights, or sound?)")
    half = len(waveform) // 2
    other = waveform.copy()
    other[half:] = np.random.default_rng(0).uniform(-0.1, 0.1, len(waveform) - half)
    _, ends = windows_of(
        len(waveform),
        rate_hz,
        window_s=windows.window_s,
        step_s=windows.step_s,
        causal=windows.causal,
    )
    before = ends[: len(first)] <= half
    if np.abs(extract(other, rate_hz) - first)[before].max(initial=0.0) > SAME * size:
        wrong.append("change with sound that comes after their window")
    twice = extract(resample(waveform, 2 * len(waveform)), 2 * rate_hz)
    if twice.shape != first.shape or _rms(twice - first) > SAME_SOUND * size:
        wrong.append("change with the rate at which the same sound is given")
    if wrong:
        found = f"{name}: features of {clip} {'; they '.join(wrong)}."
        return Finding("extractor", "failed", found, (name, clip))
    found = (
        f"{name}: features of {clip} are the same again and as they were kept, and "
        f"{before.sum()} windows change with nothing that comes later."
    )
    return Finding("extractor", "passed", found, (name, clip))


def _rms(values: Floats) -> float:
    return float(np.sqrt((values.astype(np.float64) ** 2).mean()))
