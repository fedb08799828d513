"""Pretrained networks of a study: found at the door, run on each clip, kept on disk."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from ..core.checks import InputError
from ..data.captions import read_captions
from ..data.files import file_inside
from ..data.stimuli import ClipSource, read_clip, shape_clip
from ..feature_spaces import (
    CaptionFeatures,
    ControlFeatures,
    FeatureSpace,
    NetworkFeatures,
    SoundSpace,
)
from ..features import pretrained, text
from ..features.models import Layer
from ..features.networks import (
    Network,
    batch_size_for,
    choose_layers,
    default_windows,
    open_network,
)
from ..features.pretrained import check_length, extract_audio_cached
from ..features.text import extract_text_cached
from ..features.windows import Windows
from ..study import Study
from .session import Ticker

Floats = NDArray[np.floating]
NetworkSpace = NetworkFeatures | CaptionFeatures


def network_space(study: Study, name: str) -> NetworkSpace | None:
    """Return the network of a feature space, or None if it has none.

    The control 'untrained' is the network that it is of, with random weights.
    """
    space: FeatureSpace = study.features[name]
    if isinstance(space, ControlFeatures) and space.control == "untrained":
        other = study.features[str(space.of)]
        if isinstance(other, NetworkSpace):
            return replace(other, untrained=True, seed=space.seed)
    return space if isinstance(space, NetworkSpace) else None


def used_spaces(study: Study) -> list[str]:
    """Return the bands, and the spaces that controls among them are like."""
    found: dict[str, None] = {}
    for name in study.encoding.bands:
        found[name] = None
        other = getattr(study.features[name], "of", None)
        if other is not None:
            found[other] = None
    return list(found)


def network_of(study: Study, space: NetworkSpace) -> Network:
    """Find the network that a feature space names; its weights are not loaded yet."""
    local = None if space.weights is None else study.folder / space.weights
    checkpoint = local if local is not None and local.is_dir() else space.weights
    return open_network(
        space.model,
        checkpoint=checkpoint,
        revision=space.revision,
        seed=space.seed if space.untrained else None,
        device=study.machine.device,
        dtype=space.precision,
    )


def layers_of(network: Network, space: NetworkSpace) -> tuple[Layer, ...]:
    """Return the layers that a feature space takes, each once."""
    if isinstance(space, CaptionFeatures):
        return ("embedding",)
    layers = space.layers
    if layers == "all" or layers == "default":
        return choose_layers(network, layers)  # type: ignore[arg-type]
    return choose_layers(network, layers)


def windows_for(space: NetworkFeatures, network: Network) -> Windows:
    """Return the windows of a space: its own, or those of the catalogue."""
    if space.window_s is not None and space.step_s is not None:
        return Windows(space.window_s, space.step_s, space.causal)
    known = default_windows(network)
    return Windows(
        space.window_s or known.window_s, space.step_s or known.step_s, space.causal
    )


def check_network(study: Study, name: str) -> None:
    """Raise if a feature space's network is not there or cannot be used so."""
    space = network_space(study, name)
    if space is None:
        return
    try:
        network = network_of(study, space)
        layers_of(network, space)
        if isinstance(space, NetworkFeatures):
            check_length(network, windows_for(space, network))
    except InputError as error:
        raise type(error)(f"features.{name}: {error}") from error


def network_source(study: Study, name: str) -> str:
    """Return what a table says that the features are made by."""
    space = network_space(study, name)
    if space is None:
        return ""
    network = network_of(study, space)
    layers = layers_of(network, space)
    if len(network.layers) == 1:
        return network.source
    if len(layers) == 1:
        return f"{network.source}, layer {layers[0]}"
    assert isinstance(space, NetworkFeatures)
    return f"{network.source}, best of {len(layers)} layers per {space.choose}"


def network_identity(study: Study, name: str) -> list[str | int]:
    """Return what changes when a network's features do: weights, settings, our code."""
    space = network_space(study, name)
    if space is None:
        return []
    version = text.VERSION if isinstance(space, CaptionFeatures) else pretrained.VERSION
    return [network_of(study, space).identity, version]


def embed_sounds(
    study: Study, space: NetworkFeatures, sounds: Sequence[ClipSource], ticker: Ticker
) -> dict[Layer, dict[ClipSource, Floats]]:
    """Return each clip's vectors, (n_windows, n_features), at each layer.

    What was computed before comes from the cache. Files of different rates are taken
    rate by rate.
    """
    network = network_of(study, space)
    layers, windows = layers_of(network, space), windows_for(space, network)
    found: dict[Layer, dict[ClipSource, Floats]] = {layer: {} for layer in layers}
    advance = ticker(f"{network.source}: embedding sound", len(sounds))
    for rate_hz, group in _by_rate(sounds).items():
        rows = extract_audio_cached(
            _waveforms(group, space),
            rate_hz,
            network=network,
            folder=cache_folder(study),
            windows=windows,
            layers=layers,
            batch_size=batch_size_for(
                network, windows.window_s, study.machine.batch_gb
            ),
            advance=advance,
        )
        for layer in layers:
            found[layer].update(zip(group, rows[layer], strict=True))
    return found


def embed_captions(
    study: Study, space: CaptionFeatures, clips: Sequence[str], ticker: Ticker
) -> tuple[dict[str, Floats], list[str]]:
    """Return one vector per clip from its caption, and what should be known of it."""
    captions, notes = captions_of(study, space, clips)
    network = network_of(study, space)
    vectors = extract_text_cached(
        list(captions.values()),
        network=network,
        folder=cache_folder(study),
        long=space.long,
        advance=ticker(f"{network.source}: embedding captions", len(captions)),
    )
    return dict(zip(captions, vectors, strict=True)), notes


def captions_of(
    study: Study, space: CaptionFeatures, clips: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Read the caption of each clip."""
    return read_captions(
        file_inside(study.root, space.captions),
        clips=sorted(set(clips)),
        pattern=space.name,
        fixes=space.fixes,
    )


def cache_folder(study: Study) -> Path:
    """Return where embeddings are kept: no part of a result's identity."""
    if study.machine.cache is not None:
        return study.folder / study.machine.cache / "features"
    return user_cache_path("brain2music") / "features"


def waveform_of(
    sound: ClipSource, space: SoundSpace
) -> tuple[NDArray[np.float64], int]:
    """Return a clip as it was heard: cut, faded and levelled, at the file's rate."""
    piece, rate_hz = read_clip(sound.path, start_s=sound.start_s, end_s=sound.end_s)
    shaped = shape_clip(
        piece, rate_hz, fade_s=space.fade_s, rms=space.rms, name=sound.clip
    )
    return shaped, rate_hz


def _waveforms(
    sounds: Sequence[ClipSource], space: SoundSpace
) -> Iterator[NDArray[np.float32]]:
    for sound in sounds:
        yield waveform_of(sound, space)[0].astype(np.float32)


def _by_rate(sounds: Sequence[ClipSource]) -> dict[int, list[ClipSource]]:
    import soundfile

    groups: dict[int, list[ClipSource]] = {}
    for sound in sounds:
        groups.setdefault(soundfile.info(sound.path).samplerate, []).append(sound)
    return groups
