"""Sound in memory, read from the start of a file, and written with what made it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from ..core.artefacts import PARTIAL, file_identity, write_json
from ..core.checks import InputError

START_S = 15.0


@dataclass(frozen=True, eq=False, slots=True)
class Sound:
    """Sound of one channel: waveform of shape (n_points,), with its rate in Hz."""

    waveform: NDArray[np.float32]
    rate_hz: int

    def __post_init__(self) -> None:
        if self.waveform.ndim != 1 or not len(self.waveform):
            raise InputError(
                f"a sound has shape {self.waveform.shape}; it must be one channel of "
                "at least one point. Average its channels."
            )

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.waveform) / self.rate_hz


def read_start(path: Path, *, seconds: float = START_S) -> Sound:
    """Return the first seconds of a file, its channels averaged.

    Parameters
    ----------
    path : Path
    seconds : float
        A file that is shorter gives what it has.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, or holds what is not finite.
    """
    try:
        with sf.SoundFile(path) as file:
            rate_hz = file.samplerate
            points = file.read(round(seconds * rate_hz), np.float32, always_2d=True)
    except (sf.SoundFileError, OSError) as error:
        raise InputError(f"{path} cannot be read as sound: {error}") from error
    if not len(points):
        raise InputError(f"{path} holds no sound.")
    if not np.isfinite(points).all():
        raise InputError(f"{path} holds NaN or infinity.")
    return Sound(points.mean(axis=1), rate_hz)


def resampled(sound: Sound, rate_hz: int) -> NDArray[np.float32]:
    """Return the waveform at another rate, shape (n_points,)."""
    if sound.rate_hz == rate_hz:
        return sound.waveform
    return soxr.resample(sound.waveform, sound.rate_hz, rate_hz)


def spread_windows(points: NDArray[np.float32], n_points: int) -> NDArray[np.float32]:
    """Return windows that are evenly spread from start to end, one per row.

    Each has `n_points`; a sound that is shorter is one window, of its own length.
    """
    if len(points) <= n_points:
        return points[None]
    n_windows = -(-len(points) // n_points)
    starts = np.linspace(0, len(points) - n_points, n_windows).round().astype(int)
    return np.stack([points[start : start + n_points] for start in starts])


def write_sound(path: Path, sound: Sound, provenance: Mapping[str, Any]) -> None:
    """Write a .wav, and beside it a .json that says what made it.

    Parameters
    ----------
    path : Path
        Ends in .wav. The .json has the same name, and holds the sound's hash.
    sound : Sound
        Kept as 32-bit floats, so that nothing is clipped or scaled.
    provenance : mapping
        JSON types.

    Raises
    ------
    InputError
        If the path does not end in .wav.
    """
    if path.suffix != ".wav":
        raise InputError(f"{path} must end in .wav; other formats change the sound.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{PARTIAL}{path.name}")
    sf.write(partial, sound.waveform, sound.rate_hz, subtype="FLOAT", format="WAV")
    partial.replace(path)
    facts = {
        "sound": path.name,
        "sha256": file_identity(path),
        "seconds": sound.seconds,
        "rate_hz": sound.rate_hz,
        "peak": float(np.abs(sound.waveform).max()),
    }
    write_json(path.with_suffix(".json"), {**facts, **provenance})
