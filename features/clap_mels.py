"""What CLAP is fed: the log-mel spectra that its own feature extractor makes, faster.

The extractor of transformers walks through a window frame by frame in Python, which
costs about a seventh of the network itself. Here the frames of a window are one array.
Numbers are those of the extractor, by its own settings and filters.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import rfft

from ..core.checks import InputError

FLOOR = 1e-10  # of the power of a band: -100 dB
BLOCK = 128  # frames at once, which fit into a processor's cache
PADDINGS = ("repeatpad", "repeat", "pad")


def clap_mels(extractor: Any, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the log-mel spectra of windows of one length.

    Parameters
    ----------
    extractor : ClapFeatureExtractor
        Its settings and filters are used, and none of its chances: no window is
        cropped or marked as longer.
    windows : array of shape (n_windows, n_points)
        At the extractor's rate, at most as long as it takes whole.

    Returns
    -------
    mels : float32 array of shape (n_windows, n_copies, n_frames, n_mels)
        In dB. Four equal copies for networks that fuse crops, else one.

    Raises
    ------
    InputError
        If the extractor pads in a way that is not known.
    """
    if extractor.padding not in PADDINGS:
        raise InputError(
            f"the feature extractor pads by {extractor.padding!r}, and only "
            f"{', '.join(PADDINGS)} are known. Correct preprocessor_config.json."
        )
    fused = extractor.truncation == "fusion"
    filters = extractor.mel_filters if fused else extractor.mel_filters_slaney
    heard = np.flatnonzero(filters.any(axis=1))
    bands = slice(heard[0], heard[-1] + 1)
    weights = np.ascontiguousarray(filters[bands])
    hann = np.hanning(extractor.fft_window_size + 1)[:-1]
    powers = []
    for window in windows:
        frames = _frames(extractor, window.astype(np.float64))
        for k in range(0, len(frames), BLOCK):
            bins = rfft(frames[k : k + BLOCK] * hann, axis=1)[:, bands]
            powers.append((bins.real**2 + bins.imag**2) @ weights)
    power = np.concatenate(powers).reshape(len(windows), 1, -1, weights.shape[1])
    levels = 10 * np.log10(np.maximum(power, FLOOR))
    return np.repeat(levels.astype(np.float32), 4 if fused else 1, axis=1)


def _frames(extractor: Any, window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frames of one window, of shape (n_frames, fft_window_size)."""
    longest, n_points = extractor.nb_max_samples, len(window)
    if n_points < longest:
        times = {"repeatpad": longest // n_points, "pad": 1}
        window = np.tile(window, times.get(extractor.padding, longest // n_points + 1))
        window = np.pad(window[:longest], (0, max(longest - len(window), 0)))
    width = extractor.fft_window_size
    padded = np.pad(window, width // 2, mode="reflect")
    return sliding_window_view(padded, width)[:: extractor.hop_length]
