"""A pretrained network on disk: found by name, and loaded when it is first used."""

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.checkpoints import find_folder, folder_identity, libraries, read_json
from ..core.checks import InputError, check_choice
from .cache import content_key
from .families import (
    Loaded,
    family_of,
    layers_of,
    load_network,
    network_config,
    rate_of,
)
from .models import BY_KEY, Layer, Model, fetch_hint
from .windows import Windows

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "bfloat16")
Layers = Literal["default", "all"] | Layer | Sequence[Layer]


class Network:
    """A pretrained network on disk, loaded when it is first used.

    Parameters
    ----------
    name : str
        Key or checkpoint that it was asked for by.
    folder : Path
        Where its weights and settings lie.
    checkpoint : str
        Id or folder that was looked up.
    seed : int or None
        Seed of an untrained twin; None is the published network.
    device, dtype : str
        Where it computes ('cpu', 'cuda', 'mps'), and in what ('float32', 'bfloat16').

    Attributes
    ----------
    family : str
        The family that it is handled with.
    layers : tuple of int or str
        The layers that it has.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        checkpoint: str,
        seed: int | None,
        device: str,
        dtype: str,
    ) -> None:
        self.name, self.folder, self.checkpoint = name, folder, checkpoint
        self.seed, self.device, self.dtype = seed, device, dtype
        self.family = family_of(folder)
        self.config = network_config(self.family, folder)
        self.layers = layers_of(self.family, self.config)

    @property
    def model(self) -> Model | None:
        """What the catalogue says of it, if it is there."""
        return BY_KEY.get(self.name)

    @property
    def source(self) -> str:
        """How tables and legends name it: an untrained twin says that it is one."""
        name = Path(self.checkpoint).name
        if self.model and self.model.checkpoint == self.checkpoint:
            name = self.model.source
        elif self.model:
            name = f"{self.model.source.split(',')[0]}, {name}"
        return name if self.seed is None else f"untrained {name}, seed {self.seed}"

    @cached_property
    def loaded(self) -> Loaded:
        """The network itself, on its device."""
        loaded = load_network(self.family, self.folder, seed=self.seed)
        loaded.network.to(self.device)
        return loaded

    @cached_property
    def rate_hz(self) -> int:
        """Sampling rate that it hears."""
        return rate_of(self.family, self.folder, self.config)

    @cached_property
    def identity(self) -> str:
        """A hash of its weights and settings, by content."""
        content = folder_identity(self.folder, weights=self.seed is None)
        if self.seed is None:
            return content_key(self.family, content)
        made_by = ("untrained", self.seed, version("torch"), version("transformers"))
        return content_key(self.family, content, made_by)


def open_network(
    model: str,
    *,
    checkpoint: str | Path | None = None,
    revision: str | None = None,
    seed: int | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Network:
    """Find a pretrained network on disk; nothing is fetched.

    Parameters
    ----------
    model : str
        A key of the catalogue, or the id or folder of any checkpoint that
        transformers knows.
    checkpoint : str or Path, optional
        The folder or id to take for that key in place of the catalogue's.
    revision : str, optional
        Commit, tag or branch in the Hugging Face cache.
    seed : int, optional
        None takes the published weights. A number takes the untrained twin: the same
        architecture with random weights of that seed; weights need not be there then.
    device : 'auto', 'cpu', 'cuda' or 'mps'
        'auto' takes a GPU if there is one.
    dtype : 'auto', 'float32' or 'bfloat16'
        'auto' is bfloat16 on a GPU that computes in it, and float32 on the CPU. In
        bfloat16, what needs float32 stays in it (torch's autocast).

    Raises
    ------
    MissingFileError
        If the checkpoint is not on disk; says which command fetches it.
    InputError
        If the network runs in its own environment only, transformers does not know
        it, or the device is not there.
    """
    known = BY_KEY.get(model)
    if known and known.loader == "exporter":
        raise InputError(f"{model} is not run here. {known.note} {fetch_hint(known)}")
    where = checkpoint or (known.checkpoint if known else model)
    by_default = known is not None and checkpoint is None
    folder = find_folder(
        where,
        revision=revision,
        package=known.package if known and by_default else None,
        hint=fetch_hint(known) if known and by_default else "",
    )
    device = _device(device)
    network = Network(
        model,
        folder,
        checkpoint=str(where),
        seed=seed,
        device=device,
        dtype=_dtype(dtype, device),
    )
    found = read_json(folder / "config.json").get("model_type")
    if known and known.model_type != found:
        raise InputError(
            f"{where} holds a network of type {found!r}, but {model} is of type "
            f"{known.model_type!r}. Name it by its own id or folder, without the key."
        )
    return network


def choose_layers(network: Network, layers: Layers) -> tuple[Layer, ...]:
    """Return the layers that are meant, each once, in the order given.

    Raises
    ------
    InputError
        If the network has no such layer, or 'default' is asked of a network that the
        catalogue does not know.
    """
    if layers == "all":
        return network.layers
    if layers == "default":
        if len(network.layers) == 1:
            return network.layers
        if network.model is None:
            raise InputError(
                f"{network.name} has layers {network.layers[0]} to "
                f"{network.layers[-1]} and no default. Name the layers."
            )
        layers = network.model.layer
    several = [layers] if isinstance(layers, int | str) else layers
    chosen = tuple(dict.fromkeys(several))
    wrong = [layer for layer in chosen if layer not in network.layers]
    if wrong or not chosen:
        raise InputError(
            f"{network.name} has no layer {wrong[0] if wrong else '(none given)'!r}. "
            f"It has {', '.join(map(str, network.layers))}."
        )
    return chosen


def default_windows(network: Network) -> Windows:
    """Return the catalogue's windows of a network, or say that there are none."""
    if network.model is None:
        raise InputError(
            f"{network.name} is not in the catalogue, so it has no default windows. "
            "Give window_s and step_s."
        )
    return network.model.windows


def width_of(network: Network) -> int:
    """Return how many features a row of the network has, from its settings alone."""
    config = network.config
    if network.family == "clap":
        return int(config.projection_dim)
    return int(config.hidden_size)


def batch_size_for(network: Network, window_s: float, memory_gb: float = 2.0) -> int:
    """Return how many windows fit into `memory_gb` of working memory at once.

    An estimate from the architecture: weights come on top. Takes 1 if even that is
    too much by the estimate.
    """
    per_window = _bytes_per_window(network, window_s)
    return int(np.clip(memory_gb * 1e9 // per_window, 1, 64))


def _bytes_per_window(network: Network, window_s: float) -> float:
    """Return about how many bytes the states of one window take while it is heard."""
    config = network.config
    if network.family in ("encodec", "dac"):
        width = getattr(config, "num_filters", None) or config.encoder_hidden_size
        return 4.0 * 6 * width * window_s * network.rate_hz
    if network.family == "clap":
        return 4.0 * 40 * config.audio_config.patch_embeds_hidden_size * 4096
    heads = getattr(config, "encoder_attention_heads", None) or (
        config.num_attention_heads
    )
    fixed = {"whisper": 1500, "ast": 1214}
    steps = fixed.get(network.family, 75 * window_s)
    hidden = 4.0 * steps * config.hidden_size * (len(network.layers) + 20)
    waveform = 4.0 * 2 * 512 * window_s * network.rate_hz / 5
    return hidden + 4.0 * 2 * heads * steps**2 + waveform


def autocast(network: Network) -> Any:
    """Return the context in which a network computes in its precision."""
    torch, _ = libraries()
    low = network.dtype == "bfloat16"
    return torch.autocast(network.device, dtype=torch.bfloat16, enabled=low)


def _device(device: str) -> str:
    check_choice(device, "device", DEVICES)
    torch, _ = libraries()
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, found in there.items() if found)
    if not there[device]:
        raise InputError(
            f"device {device!r} is not there, as torch {torch.__version__} sees it. "
            "Use 'auto' or 'cpu'."
        )
    return device


def _dtype(dtype: str, device: str) -> str:
    check_choice(dtype, "dtype", DTYPES)
    if dtype != "auto":
        return dtype
    torch, _ = libraries()
    able = device == "cuda" and torch.cuda.is_bf16_supported()
    return "bfloat16" if able or device == "mps" else "float32"
