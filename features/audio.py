"""Features of sound: its level, and its level in bands along the mel scale.

Frame k stands for the time from k * hop_s to (k + 1) * hop_s, so that frames go to
samples (TRs) as a series of rate 1 / hop_s. A last piece shorter than hop_s has no
frame. Levels are in dB re full scale: 0 dB is a mean square of 1, a sine from -1 to 1
has -3.01 dB, and nothing is below -100 dB, which stands for silence.
"""

import warnings
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError

FLOOR_DB = -100.0
WINDOW_S = 0.064


def log_mel(
    waveform: NDArray[np.floating],
    rate_hz: float,
    *,
    n_mels: int,
    hop_s: float,
    fmin_hz: float,
    fmax_hz: float,
) -> NDArray[np.float32]:
    """Return the level of each mel band over time.

    The power of the bands (triangles of height 1 on Slaney's mel scale) sums to the
    sound's mean square between the outer bands' centres. So levels do not depend on
    the sampling rate, and are those of `loudness` where a band holds all of the sound.

    Parameters
    ----------
    waveform : array of shape (n_points,)
        One channel, 1 is full scale.
    rate_hz : float
        Points per second.
    n_mels : int
        Number of bands.
    hop_s : float
        Seconds from one frame to the next, a whole number of points. Frame k is seen
        through a Hann window of at least 64 ms and two hops, centred on the middle of
        the frame; beyond its ends the sound is taken as silent.
    fmin_hz, fmax_hz : float
        Lower end of the first band and upper end of the last.

    Returns
    -------
    levels : float32 array of shape (n_frames, n_mels)
        In dB re full scale, as this module's docstring says.

    Raises
    ------
    InputError
        If the waveform is not one finite channel of a frame at least, `hop_s` is no
        whole number of points, or bands are empty or above half of `rate_hz`.
    """
    librosa = _librosa()
    waveform, hop = _checked(waveform, rate_hz, hop_s)
    if not (0 <= fmin_hz < fmax_hz <= rate_hz / 2) or n_mels < 1:
        raise InputError(
            f"{n_mels} mel bands from {fmin_hz:g} to {fmax_hz:g} Hz at {rate_hz:g} "
            f"Hz. Give at least 1, within 0 to {rate_hz / 2:g} Hz, lower end first."
        )
    n_fft = _window_points(rate_hz, hop)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Empty filters")
            power = librosa.feature.melspectrogram(
                y=_padded(waveform, hop, n_fft),
                sr=rate_hz,
                n_fft=n_fft,
                hop_length=hop,
                window="hann",
                center=False,
                power=2.0,
                n_mels=n_mels,
                fmin=fmin_hz,
                fmax=fmax_hz,
                htk=False,
                norm=None,
            )
    except UserWarning:
        raise InputError(
            f"{n_mels} mel bands from {fmin_hz:g} to {fmax_hz:g} Hz are narrower than "
            f"the spectrum's steps of {rate_hz / n_fft:.1f} Hz, so some are empty. Use "
            "fewer bands, or a higher fmin_hz."
        ) from None
    # Parseval: one-sided power over this sum is the mean square under the window.
    full_scale = n_fft * (np.hanning(n_fft + 1)[:-1] ** 2).sum() / 2
    levels = librosa.power_to_db(
        power / full_scale,
        ref=1.0,
        amin=10 ** (FLOOR_DB / 10),
        top_db=None,
    )
    return levels.T.astype(np.float32)


def loudness(
    waveform: NDArray[np.floating], rate_hz: float, *, hop_s: float
) -> NDArray[np.float32]:
    """Return the level of the sound over time: the root mean square of each frame.

    Parameters
    ----------
    waveform : array of shape (n_points,)
        One channel, 1 is full scale.
    rate_hz : float
        Points per second.
    hop_s : float
        Length of a frame in seconds, a whole number of points. Frames do not overlap.

    Returns
    -------
    level : float32 array of shape (n_frames, 1)
        In dB re full scale, as this module's docstring says.

    Raises
    ------
    InputError
        If the waveform is not one finite channel of a frame at least, or `hop_s` is
        no whole number of points.
    """
    librosa = _librosa()
    waveform, hop = _checked(waveform, rate_hz, hop_s)
    rms = librosa.feature.rms(
        y=waveform, frame_length=hop, hop_length=hop, center=False
    )
    levels = librosa.amplitude_to_db(
        rms, ref=1.0, amin=10 ** (FLOOR_DB / 20), top_db=None
    )
    return levels.T.astype(np.float32)


def _checked(
    waveform: NDArray[np.floating], rate_hz: float, hop_s: float
) -> tuple[NDArray[np.float32], int]:
    """Return the waveform as float32, and the points from frame to frame."""
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
        raise InputError(
            f"the waveform must be one channel of floats with 1 as full scale, got "
            f"{waveform.dtype} of shape {waveform.shape}. Average the channels, and "
            "divide whole numbers by their full scale."
        )
    if not np.isfinite(waveform).all():
        raise InputError("the waveform holds NaN or infinity. Read the file again.")
    points = hop_s * rate_hz
    hop = round(points)
    if hop < 1 or abs(points - hop) > 1e-3:
        raise InputError(
            f"hop_s {hop_s:g} is {points:.3f} points at {rate_hz:g} Hz. Frames would "
            f"drift: use a whole number of points, such as {max(hop, 1)} / "
            f"{rate_hz:g} s."
        )
    if len(waveform) < hop:
        raise InputError(
            f"the waveform lasts {len(waveform) / rate_hz:.3f} s, less than one frame "
            f"of {hop_s:g} s. Use a shorter hop_s, or a longer clip."
        )
    return waveform.astype(np.float32), hop


def _window_points(rate_hz: float, hop: int) -> int:
    """Return the smallest power of two that spans 64 ms and two hops."""
    return 1 << int(np.ceil(np.log2(max(WINDOW_S * rate_hz, 2 * hop))))


def _padded(waveform: NDArray[np.float32], hop: int, n_fft: int) -> NDArray[np.float32]:
    """Return the whole frames with silence around, so that windows sit on them."""
    ahead = (n_fft - hop) // 2
    n_whole = len(waveform) // hop * hop
    behind = max(n_whole - hop + n_fft - ahead - len(waveform), 0)
    return np.pad(waveform, (ahead, behind))[: n_whole - hop + n_fft]


def _librosa() -> ModuleType:
    try:
        import librosa
    except ImportError as error:
        raise InputError(
            "features of sound need librosa, which is not installed. Run: pip install "
            "'brain2music[audio]'"
        ) from error
    return librosa
