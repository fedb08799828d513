"""What turns sound into one vector: a feature space's network, for any sound.

A file of a corpus, a stimulus and a generated sound go the same way: shaped as the
stimuli are, cut into the space's own windows, and the mean over these is taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..data.stimuli import ClipSource, shape_clip
from ..decoding.sounds import START_S, Sound, read_start
from ..feature_spaces import CaptionFeatures, NetworkFeatures
from ..features import pretrained
from ..features.cache import content_key
from ..features.models import Layer
from ..features.networks import Network, batch_size_for, width_of
from ..features.pretrained import extract_audio
from ..features.windows import Windows, window_times
from ..study import Study
from .heard import sound_name_of, sounds_of
from .leakage import sound_space
from .networks import (
    embed_captions,
    embed_sounds,
    layers_of,
    network_of,
    network_space,
    waveform_of,
    windows_for,
)
from .opening import Opened
from .session import Ticker

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network, its layer and windows, and how sound is shaped before it is heard.

    Parameters
    ----------
    name : str
        The feature space.
    space : NetworkFeatures
        Its settings; of captions, those of the same model's tower of sound.
    network : Network
    layer : int or str
    windows : Windows
    batch_gb : float
        Working memory.
    """

    name: str
    space: NetworkFeatures
    network: Network
    layer: Layer
    windows: Windows
    batch_gb: float

    @property
    def source(self) -> str:
        """How tables name it."""
        if len(self.network.layers) == 1:
            return self.network.source
        return f"{self.network.source}, layer {self.layer}"

    @property
    def identity(self) -> str:
        """A hash of all that decides the vectors of a sound."""
        windows, space = self.windows, self.space
        return content_key(
            pretrained.VERSION,
            self.network.identity,
            self.network.dtype,
            self.layer,
            (windows.window_s, windows.step_s, windows.causal),
            (space.fade_s, space.rms, START_S),
        )

    @property
    def width(self) -> int:
        """How many dimensions a vector has."""
        return width_of(self.network)

    def stimulus(self, source: ClipSource) -> Sound:
        """Return a stimulus as the space hears it: cut, faded and levelled."""
        waveform, rate_hz = waveform_of(source, self.space)
        return Sound(waveform.astype(np.float32), rate_hz)

    def read(self, path: Path) -> Sound:
        """Return the start of a file as it would be heard, or say why it cannot be."""
        return self.shaped(read_start(path), path.name)

    def shaped(self, sound: Sound, name: str) -> Sound:
        """Return a sound faded and levelled as the space's stimuli are.

        Raises
        ------
        InputError
            If it is silent, or too short for a window.
        """
        try:
            window_times(sound.seconds, self.windows)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        waveform = shape_clip(
            sound.waveform, sound.rate_hz, fade_s=self.space.fade_s, rms=None, name=name
        )
        level = float(np.sqrt(np.mean(waveform**2)))
        if level == 0:
            raise InputError(f"{name} is silent, and has no level to set.")
        # In memory a peak may lie beyond 1: no track is left out for it.
        gain = 1.0 if self.space.rms is None else self.space.rms / level
        return Sound((gain * waveform).astype(np.float32), sound.rate_hz)

    def embed(self, sounds: Sequence[Sound]) -> NDArray[np.float64]:
        """Return the mean over windows of each sound, shape (n_sounds, n_dimensions).

        Sounds are heard as they are given: see `shaped`.
        """
        rows = np.empty((len(sounds), self.width))
        rates = np.array([sound.rate_hz for sound in sounds])
        size = batch_size_for(self.network, self.windows.window_s, self.batch_gb)
        for rate_hz in np.unique(rates):
            mine = np.flatnonzero(rates == rate_hz).tolist()
            found = extract_audio(
                [sounds[k].waveform for k in mine],
                float(rate_hz),
                network=self.network,
                windows=self.windows,
                layers=self.layer,
                batch_size=size,
            )[self.layer]
            rows[mine] = [values.mean(axis=0, dtype=np.float64) for values in found]
        return rows

    def heard(self, sounds: Sequence[Sound], name: str) -> NDArray[np.float64]:
        """Return the vectors of sounds that were made or found, shaped first."""
        return self.embed([self.shaped(sound, name) for sound in sounds])


def encoder_of(study: Study, name: str) -> Encoder:
    """Return what embeds sound into a feature space.

    Raises
    ------
    InputError
        If the space is no network that hears sound, or has several layers.
    """
    space = network_space(study, name)
    if isinstance(space, CaptionFeatures):
        space = NetworkFeatures(
            kind="network",
            path="",
            model=space.model,
            weights=space.weights,
            revision=space.revision,
            untrained=space.untrained,
            seed=space.seed,
            precision=space.precision,
        )
        if (network := network_of(study, space)).family != "clap":
            raise InputError(
                f"features.{name}: {network.source} reads text and hears no sound, so "
                "no music can be found by it. Take a joint model, such as 'clap'."
            )
    if not isinstance(space, NetworkFeatures):
        raise InputError(
            f"features.{name} is of kind {study.features[name].kind!r}: sound is "
            "embedded by spaces of kind 'network'. Name one of those."
        )
    if study.space(name).n_components is not None:
        raise InputError(
            f"features.{name} has n_components, and music is found in the network's "
            "own dimensions. Name the same network as a space without them."
        )
    network = network_of(study, space)
    layers = layers_of(network, space)
    if len(layers) > 1:
        raise InputError(
            f"features.{name} has {len(layers)} layers to choose from. Name one layer "
            "of it as a feature space of its own."
        )
    windows = windows_for(space, network)
    if windows.window_s > START_S:
        raise InputError(
            f"features.{name} has windows of {windows.window_s:g} s, and the first "
            f"{START_S:g} s of each track are embedded. Shorten window_s."
        )
    return Encoder(name, space, network, layers[0], windows, study.machine.batch_gb)


def stimuli_of(study: Study, opened: Opened, name: str) -> dict[str, ClipSource]:
    """Return the sound of each clip, by the keys of a space or of the first that has.

    It is empty where the study has no sound for captions.
    """
    sound = sound_name_of(study, name)
    if not isinstance(network_space(study, name), NetworkFeatures):
        found = sound_space(study)
        if found is None:
            return {}
        sound = found
    sources: dict[str, ClipSource] = {}
    for source in sounds_of(study, opened, sound):
        sources.setdefault(source.clip, source)
    return sources


def embed_stimuli(
    study: Study, name: str, clips: Mapping[str, ClipSource], ticker: Ticker
) -> NDArray[np.float64]:
    """Return the vector of each clip: of its sound, the mean over windows, or caption.

    Parameters
    ----------
    study : Study
    name : str
        A feature space.
    clips : mapping of clip to its sound
        The sound has no part in it where the space is of captions.
    ticker : Ticker

    Returns
    -------
    vectors : array of shape (n_clips, n_dimensions)
    """
    space = network_space(study, name)
    if isinstance(space, CaptionFeatures):
        rows, _ = embed_captions(study, space, list(clips), ticker)
        return np.stack([rows[clip] for clip in clips]).astype(np.float64)
    assert isinstance(space, NetworkFeatures)
    sounds = list(clips.values())
    (by_sound,) = embed_sounds(study, space, sounds, ticker).values()
    means = [by_sound[sound].mean(axis=0, dtype=np.float64) for sound in sounds]
    return np.stack(means)
