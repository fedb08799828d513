"""Activations of pretrained networks: from waveforms to rows of features.

Each window is cut from the clip at the clip's own rate and resampled by itself before
the network hears it. So a row depends on its window alone: not on the clip around it,
and, for causal windows, on nothing that comes later. Rows are the same to the bit when
the same call is made again on a CPU; a batch of another size changes them by rounding
only (about 1e-5 of their size).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.checkpoints import libraries
from ..core.checks import Floats, InputError
from .cache import cached, content_key
from .families import FAMILIES, Inputs, longest_s
from .models import Layer
from .networks import (
    Layers,
    Network,
    autocast,
    batch_size_for,
    choose_layers,
    default_windows,
)
from .windows import Windows, cut_windows

# Raised when rows change for the same waveform, network and windows.
VERSION = 1

Advance = Callable[[int], None]
Waveforms = Iterable[NDArray[np.floating]]


def extract_audio(
    waveforms: Waveforms,
    rate_hz: float,
    *,
    network: Network,
    windows: Windows | None = None,
    layers: Layers = "default",
    batch_size: int | None = None,
    advance: Advance | None = None,
) -> dict[Layer, list[NDArray[np.float32]]]:
    """Return a network's states, averaged over each window of each clip.

    CLAP gives its projected embedding, of length 1; EnCodec and DAC the states of
    their encoder before quantisation; all others their hidden states.

    Parameters
    ----------
    waveforms : iterable of array of shape (n_points,)
        One channel each, 1 is full scale; as it was heard. Walked once, clip by clip.
    rate_hz : float
        Points per second of all of them.
    network : Network
    windows : Windows, optional
        None takes those of the catalogue (the paper's, for its spaces).
    layers : 'default', 'all', layer or sequence of layers
        0 is what goes into the first layer, n what comes out of the n-th. 'default' is
        the catalogue's choice.
    batch_size : int, optional
        Windows at once. None asks `batch_size_for`.
    advance : callable, optional
        Called with 1 after each clip.

    Returns
    -------
    features : dict from layer to list of float32 array
        For each clip an array of shape (n_windows, n_features).

    Raises
    ------
    InputError
        If a clip is no finite channel or shorter than a window, a window longer than
        the network takes, or a layer is not there.
    """
    chosen = choose_layers(network, layers)
    features: dict[Layer, list[NDArray[np.float32]]] = {layer: [] for layer in chosen}
    for rows in iter_audio(
        waveforms,
        rate_hz,
        network=network,
        windows=windows,
        layers=chosen,
        batch_size=batch_size,
    ):
        for layer, values in zip(chosen, rows, strict=True):
            features[layer].append(values)
        if advance:
            advance(1)
    return features


def extract_audio_cached(
    waveforms: Waveforms,
    rate_hz: float,
    *,
    network: Network,
    folder: Path,
    windows: Windows | None = None,
    layers: Layers = "default",
    batch_size: int | None = None,
    advance: Advance | None = None,
) -> dict[Layer, list[Floats]]:
    """Return what `extract_audio` does, from `folder` where it was computed before.

    Clips are known by their sound, the network by its weights: names have no part in
    it. Each clip is written as soon as it is ready, so a run that was killed goes on
    where it was (its batches may then differ, and rows with them by rounding). The
    network is not loaded if everything is there. The device has no part in the key;
    the precision has.
    """
    chosen = choose_layers(network, layers)
    windows = windows or default_windows(network)
    made_by = (VERSION, network.identity, network.dtype, float(rate_hz))
    shape = (windows.window_s, windows.step_s, windows.causal)

    def keys_of(waveform: NDArray[np.floating]) -> tuple[str, ...]:
        sound = content_key(np.asarray(waveform, dtype=np.float32))
        return tuple(content_key(sound, *made_by, *shape, layer) for layer in chosen)

    def compute(missing: Waveforms) -> Iterator[tuple[Floats, ...]]:
        return iter_audio(
            missing,
            rate_hz,
            network=network,
            windows=windows,
            layers=chosen,
            batch_size=batch_size,
        )

    rows = cached(
        waveforms, keys_of=keys_of, compute=compute, folder=folder, advance=advance
    )
    return {layer: [row[k] for row in rows] for k, layer in enumerate(chosen)}


def iter_audio(
    waveforms: Waveforms,
    rate_hz: float,
    *,
    network: Network,
    windows: Windows | None,
    layers: Sequence[Layer],
    batch_size: int | None = None,
) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """Yield each clip's rows as soon as they are ready: one array for each layer."""
    windows = windows or default_windows(network)
    check_length(network, windows)
    return stream_rows(
        waveforms,
        rate_hz,
        windows=windows,
        heard_hz=network.rate_hz,
        n_layers=len(layers),
        batch_size=batch_size or batch_size_for(network, windows.window_s),
        forward=lambda heard: _forward(network, heard, layers),
    )


def stream_rows(
    waveforms: Waveforms,
    rate_hz: float,
    *,
    windows: Windows,
    heard_hz: float,
    n_layers: int,
    batch_size: int,
    forward: Callable[[NDArray[np.float32]], list[NDArray[np.float32]]],
) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """Yield each clip's rows as soon as they are ready, whatever network makes them.

    Holds one batch of windows and no more clips than it spans.

    Parameters
    ----------
    waveforms, rate_hz, windows, batch_size
        As in `extract_audio`.
    heard_hz : float
        Rate to which each window is resampled.
    n_layers : int
        Arrays that `forward` gives.
    forward : callable
        From windows of shape (n_windows, n_points) to an array of shape (n_windows,
        n_features) for each layer.
    """
    sizes: list[int] = []
    pieces = _pieces(waveforms, rate_hz, windows, sizes)
    ready = [np.empty((0, 0), np.float32)] * n_layers
    while True:
        batch = list(islice(pieces, batch_size))
        if batch:
            rows = forward(_resampled(np.stack(batch), rate_hz, heard_hz))
            ready = [
                np.concatenate([a, b]) if len(a) else b
                for a, b in zip(ready, rows, strict=True)
            ]
        while sizes and len(ready[0]) >= sizes[0]:
            n_windows = sizes.pop(0)
            yield tuple(values[:n_windows].copy() for values in ready)
            ready = [values[n_windows:] for values in ready]
        if len(batch) < batch_size:
            return


def _pieces(
    waveforms: Waveforms, rate_hz: float, windows: Windows, sizes: list[int]
) -> Iterator[NDArray[np.float32]]:
    """Yield window after window, clip after clip; note how many each clip has."""
    for k, waveform in enumerate(waveforms):
        waveform = _checked(waveform, k)
        pieces = cut_windows(waveform, rate_hz, windows)
        sizes.append(len(pieces))
        yield from pieces


def _forward(
    network: Network, batch: NDArray[np.float32], layers: Sequence[Layer]
) -> list[NDArray[np.float32]]:
    """Return one batch's rows for each layer."""
    torch, _ = libraries()
    family = FAMILIES[network.family]
    if family.feed is None or family.read is None:
        raise InputError(f"{network.name} reads text and hears no sound.")
    loaded, n_points = network.loaded, batch.shape[1]
    try:
        with torch.inference_mode(), autocast(network):
            inputs = _on_device(family.feed(loaded, batch), network.device)
            states = family.read(loaded, inputs, layers, n_points)
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"{len(batch)} windows of {n_points / network.rate_hz:g} s do not fit into "
            f"the memory of {network.device!r}. Use a smaller batch_size, or fewer "
            "layers."
        ) from error
    rows = [states[layer].float().cpu().numpy() for layer in layers]
    for layer, values in zip(layers, rows, strict=True):
        if not np.isfinite(values).all():
            raise InputError(
                f"{network.name} gives NaN or infinity in layer {layer}. Try dtype "
                "'float32', or fetch the checkpoint again."
            )
    return rows


def _on_device(inputs: Inputs, device: str) -> Inputs:
    """Return the inputs where the network is, numbers in float32."""
    return {
        name: (tensor.float() if tensor.is_floating_point() else tensor).to(device)
        for name, tensor in inputs.items()
    }


def _resampled(
    batch: NDArray[np.float32], rate_hz: float, wanted_hz: float
) -> NDArray[np.float32]:
    """Return the windows at another rate, each resampled by itself."""
    if rate_hz == wanted_hz:
        return batch
    import soxr

    # soxr takes channels along the second axis, and treats each by itself.
    n_points = round(batch.shape[1] * wanted_hz / rate_hz)
    heard = soxr.resample(np.ascontiguousarray(batch.T), rate_hz, wanted_hz)
    return np.ascontiguousarray(heard[:n_points].T)


def _checked(waveform: NDArray[np.floating], position: int) -> NDArray[np.float32]:
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
        raise InputError(
            f"waveform {position} is {waveform.dtype} of shape {waveform.shape}: "
            "expected one channel of floats with 1 as full scale."
        )
    if not np.isfinite(waveform).all():
        raise InputError(f"waveform {position} holds NaN or infinity. Read it again.")
    return waveform.astype(np.float32)


def check_length(network: Network, windows: Windows) -> None:
    """Raise if a window is longer than the network takes at once."""
    limit_s = longest_s(network.family, network.folder)
    if limit_s is not None and windows.window_s > limit_s + 1e-9:
        raise InputError(
            f"{network.name} takes at most {limit_s:g} s at once, and window_s is "
            f"{windows.window_s:g}. It would cut or crop the rest; use a shorter "
            "window_s."
        )
