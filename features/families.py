"""Families of networks: how each is loaded, what it is fed, and where its states are.

Every family takes windows of one length at its own rate, so nothing in a batch is
padded to fit its neighbours, and gives one row per window and layer.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checkpoints import (
    check_weights,
    libraries,
    open_checkpoint,
    quiet,
    random_network,
    read_json,
)
from ..core.checks import InputError
from .clap_mels import clap_mels
from .models import Layer

Batch = NDArray[np.float32]
Inputs = dict[str, Any]
States = dict[Layer, Any]
FRAME_POINTS, HOP_POINTS = 400, 160  # of AST's spectrogram, at 16 kHz


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network that is ready to be fed, with what feeds it.

    Parameters
    ----------
    network : torch module
    feeder : object or None
        The checkpoint's feature extractor; None for codecs, which hear the waveform.
    notes : tuple of str
        What should be known of the weights.
    """

    network: Any
    feeder: Any
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """Networks that are handled alike.

    Parameters
    ----------
    cls : str
        The class of transformers.
    feed : callable or None
        From a `Loaded` and windows of shape (n_windows, n_points) to the network's
        inputs. None: it hears no sound.
    read : callable or None
        From a `Loaded`, inputs, layers and points per window to one tensor of shape
        (n_windows, n_features) for each layer.
    single : str or None
        The one layer's name, for networks of which one state is taken.
    """

    cls: str
    feed: Callable[[Loaded, Batch], Inputs] | None = None
    read: Callable[[Loaded, Inputs, Sequence[Layer], int], States] | None = None
    single: str | None = None


def family_of(folder: Path) -> str:
    """Return the family of the checkpoint in a folder, by its config.

    Networks that no special family takes are read through their hidden states.
    """
    kind = read_json(folder / "config.json").get("model_type", "")
    if (folder / "modules.json").is_file():
        return "sentence"
    return BY_TYPE.get(kind, "states")


def load_network(family: str, folder: Path, *, seed: int | None) -> Loaded:
    """Load a network: its published weights, or with a seed its untrained twin.

    Raises
    ------
    InputError
        If the folder does not hold such a network, or its settings cannot be met.
    """
    _, transformers = libraries()
    cls = getattr(transformers, FAMILIES[family].cls)
    config = network_config(family, folder)
    if seed is None:
        check_weights(folder)
        network, notes = open_checkpoint(folder, cls, config=config)
    else:
        network, notes = random_network(cls, config, seed), []
    return Loaded(network, _feeder(family, folder), tuple(notes))


def network_config(family: str, folder: Path) -> Any:
    """Return the network's config, as transformers reads it, and check it."""
    _, transformers = libraries()
    if family == "mert":
        return _mert_config(transformers, folder)
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"the network in {folder} is none that transformers {_version()} knows "
            f"without running the checkpoint's own code, which is never done: {error}"
        ) from error
    if family == "encodec" and config.audio_channels != 1:
        raise InputError(
            f"the network in {folder} hears {config.audio_channels} channels, and one "
            "is given. Use facebook/encodec_32khz or facebook/encodec_24khz."
        )
    return config


def layers_of(family: str, config: Any) -> tuple[Layer, ...]:
    """Return the layers that a network has: a name, or 0 (input) to n."""
    single = FAMILIES[family].single
    if single:
        return (single,)
    n_layers = getattr(config, "encoder_layers", None) or getattr(
        config, "num_hidden_layers", None
    )
    if not isinstance(n_layers, int):
        raise InputError(
            f"a network of type {config.model_type!r} does not say how many layers it "
            "has. Extract its features yourself and bring them as arrays."
        )
    return tuple(range(n_layers + 1))


def rate_of(family: str, folder: Path, config: Any) -> int:
    """Return the sampling rate in Hz that a network hears."""
    if FAMILIES[family].feed is None:
        raise InputError(f"the network in {folder} reads text and hears no sound.")
    if family in ("encodec", "dac"):
        return int(config.sampling_rate)
    return int(_feeder(family, folder).sampling_rate)


def longest_s(family: str, folder: Path) -> float | None:
    """Return the longest window that a network takes whole, in seconds, if any."""
    if family not in ("clap", "whisper", "ast"):
        return None
    feeder = _feeder(family, folder)
    if family == "ast":
        points = (feeder.max_length - 1) * HOP_POINTS + FRAME_POINTS
        return float(points / feeder.sampling_rate)
    points = feeder.nb_max_samples if family == "clap" else feeder.n_samples
    return float(points / feeder.sampling_rate)


def _feeder(family: str, folder: Path) -> Any:
    if family in ("encodec", "dac", "sentence"):
        return None
    _, transformers = libraries()
    name = "Wav2Vec2FeatureExtractor" if family == "mert" else "AutoFeatureExtractor"
    try:
        with quiet(), warnings.catch_warnings():
            # AST's own 128 bands leave the lowest ones empty.
            warnings.filterwarnings("ignore", message="At least one mel filter")
            return getattr(transformers, name).from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} lacks the settings of its feature extractor "
            f"(preprocessor_config.json), or they cannot be read: {error}"
        ) from error


def _mert_config(transformers: Any, folder: Path) -> Any:
    """Return MERT's config as a HuBERT's, if the two compute the same."""
    raw = read_json(folder / "config.json")
    changed = {
        "feature_extractor_cqt": bool(raw.get("feature_extractor_cqt", False)),
        "deepnorm": bool(raw.get("deepnorm", False)),
        "attention_relax": raw.get("attention_relax", -1.0) > 0,
    }
    if any(changed.values()):
        raise InputError(
            f"the MERT in {folder} sets {', '.join(k for k, v in changed.items() if v)}"
            ", which HuBERT does not have. It can only be run by its own code, in an "
            "environment of its own; bring its features as arrays."
        )
    known = transformers.HubertConfig().to_dict().keys() - {
        "model_type",
        "architectures",
        "transformers_version",
        "dtype",
        "torch_dtype",
    }
    return transformers.HubertConfig(**{k: v for k, v in raw.items() if k in known})


def _version() -> str:
    return str(libraries()[1].__version__)


def _feed(loaded: Loaded, windows: Batch) -> Inputs:
    """Feed windows of one length through the checkpoint's own feature extractor."""
    rate_hz = loaded.feeder.sampling_rate
    inputs = loaded.feeder(list(windows), sampling_rate=rate_hz, return_tensors="pt")
    return dict(inputs)


def _feed_clap(loaded: Loaded, windows: Batch) -> Inputs:
    torch, _ = libraries()
    mels = torch.from_numpy(clap_mels(loaded.feeder, windows))
    # Where no window is too long, the extractor marks one of them at random.
    return {
        "input_features": mels,
        "is_longer": torch.zeros(len(windows), 1, dtype=torch.bool),
    }


def _feed_codec(loaded: Loaded, windows: Batch) -> Inputs:
    torch, _ = libraries()
    waveforms = torch.from_numpy(np.ascontiguousarray(windows))[:, None, :]
    if getattr(loaded.network.config, "normalize", False):
        level = waveforms.pow(2).mean(dim=-1, keepdim=True).sqrt() + 1e-8
        waveforms = waveforms / level
    return {"waveforms": waveforms}


def _read_clap(loaded: Loaded, inputs: Inputs, *_: Any) -> States:
    pooled = loaded.network.get_audio_features(**inputs)
    return {"embedding": unit_rows(pooled_of(pooled))}


def _read_codec(loaded: Loaded, inputs: Inputs, *_: Any) -> States:
    return {"encoder": loaded.network.encoder(inputs["waveforms"]).float().mean(-1)}


def _read_states(
    loaded: Loaded, inputs: Inputs, layers: Sequence[Layer], _points: int
) -> States:
    hidden = _hidden(loaded.network, inputs)
    mask = inputs.get("attention_mask")
    if mask is None or bool(mask.all()):
        return {layer: hidden[layer].float().mean(dim=1) for layer in layers}
    if mask.shape[1] != hidden[0].shape[1]:
        raise InputError(
            f"the feature extractor masks {mask.shape[1]} steps, but the network has "
            f"states for {hidden[0].shape[1]}. Extract this network's features "
            "yourself and bring them as arrays."
        )
    kept = mask[:, :, None].float()
    return {k: (hidden[k].float() * kept).sum(1) / kept.sum(1) for k in layers}


def _read_whisper(
    loaded: Loaded, inputs: Inputs, layers: Sequence[Layer], points: int
) -> States:
    """Average the states of the window, without those of the padding up to 30 s."""
    hidden = _hidden(
        loaded.network.encoder, {"input_features": inputs["input_features"]}
    )
    n_states = max(round(points / loaded.feeder.hop_length / 2), 1)
    return {layer: hidden[layer][:, :n_states].float().mean(dim=1) for layer in layers}


def _read_ast(
    loaded: Loaded, inputs: Inputs, layers: Sequence[Layer], points: int
) -> States:
    """Average the patches whose middle lies in the window, and no class tokens."""
    config = loaded.network.config
    rows = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    steps = (config.max_length - config.patch_size) // config.time_stride + 1
    n_frames = 1 + (points - FRAME_POINTS) // HOP_POINTS
    middle = np.arange(steps) * config.time_stride + config.patch_size / 2
    held = max(int((middle < n_frames).sum()), 1)
    hidden = _hidden(loaded.network, inputs)
    averages: States = {}
    for layer in layers:
        patches = hidden[layer][:, 2:].float()
        grid = patches.unflatten(1, (rows, steps))
        averages[layer] = grid[:, :, :held].mean(dim=(1, 2))
    return averages


def _hidden(network: Any, inputs: Mapping[str, Any]) -> States:
    """Return the states into the first layer and out of each layer."""
    out = network(**inputs, output_hidden_states=True, return_dict=True)
    hidden = out.hidden_states
    expected = len(layers_of("states", network.config))
    if hidden is None or len(hidden) != expected:
        raise InputError(
            f"{type(network).__name__} gives {len(hidden or ())} hidden states where "
            f"{expected} were expected. Extract its features yourself and bring them "
            "as arrays."
        )
    # Versions of transformers differ in whether the last one went through a final
    # normalisation; the network's own output did in all of them.
    return dict(enumerate([*hidden[:-1], out.last_hidden_state]))


def pooled_of(output: Any) -> Any:
    """Return CLAP's embedding: transformers 4 gives it bare, 5 inside an output."""
    return getattr(output, "pooler_output", output)


def unit_rows(tensor: Any) -> Any:
    """Return the rows in float32, scaled to length 1."""
    torch, _ = libraries()
    return torch.nn.functional.normalize(tensor.float(), dim=-1)


FAMILIES = {
    "states": Family("AutoModel", _feed, _read_states),
    "mert": Family("HubertModel", _feed, _read_states),
    "whisper": Family("WhisperModel", _feed, _read_whisper),
    "ast": Family("ASTModel", _feed, _read_ast),
    "clap": Family("ClapModel", _feed_clap, _read_clap, single="embedding"),
    "encodec": Family("EncodecModel", _feed_codec, _read_codec, single="encoder"),
    "dac": Family("DacModel", _feed_codec, _read_codec, single="encoder"),
    "sentence": Family("AutoModel", single="embedding"),
}
BY_TYPE = {
    "mert_model": "mert",
    "whisper": "whisper",
    "audio-spectrogram-transformer": "ast",
    "clap": "clap",
    "encodec": "encodec",
    "dac": "dac",
}
