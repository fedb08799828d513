"""Reads the music: the piece of a sound file that was heard."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError


def read_clip(
    path: str | Path, *, start_s: float = 0.0, end_s: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Read a piece of a sound file as one channel.

    Parameters
    ----------
    path : path of a sound file
        In any format that libsndfile reads: wav, flac, ogg, mp3, au.
    start_s, end_s : float
        The piece, in seconds from the start of the file. None ends with the file:
        then a file that was cut off may pass for a shorter one.

    Returns
    -------
    waveform : float32 array of shape (n_points,)
        1 is full scale. Several channels are averaged to one.
    rate_hz : int
        The file's own sampling rate; nothing is resampled.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If the file cannot be decoded, is shorter than the piece, or holds NaN.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"no sound at {path}. Check the path and its pattern.")
    if start_s < 0 or (end_s is not None and end_s <= start_s):
        raise InputError(
            f"{path.name}: a piece from {start_s:g} s to {end_s} s. The end must come "
            "after the start, and the start not before 0."
        )
    try:
        channels, rate_hz = _read_piece(path, start_s, end_s)
    except soundfile.LibsndfileError as error:
        raise InputError(
            f"{path.name} cannot be read as sound: {error.error_string} Replace the "
            "file, or convert it to wav."
        ) from error
    if not np.isfinite(channels).all():
        raise InputError(
            f"{path.name} holds NaN or infinity in "
            f"{int((~np.isfinite(channels)).any(axis=1).sum())} of {len(channels)} "
            "points. Write the file again."
        )
    return channels.mean(axis=1, dtype=np.float64).astype(np.float32), rate_hz


def _read_piece(
    path: Path, start_s: float, end_s: float | None
) -> tuple[NDArray[np.float32], int]:
    with soundfile.SoundFile(path) as file:
        rate_hz = file.samplerate
        start = round(start_s * rate_hz)
        stop = file.frames if end_s is None else round(end_s * rate_hz)
        if stop > file.frames or start >= file.frames:
            raise InputError(
                f"{path.name} lasts {file.frames / rate_hz:.3f} s, but the piece from "
                f"{start_s:g} s to {stop / rate_hz:g} s was asked for. Use the whole "
                "file, or correct the times."
            )
        file.seek(start)
        channels = file.read(stop - start, dtype="float32", always_2d=True)
    if len(channels) < stop - start:
        raise InputError(
            f"{path.name} breaks off: {len(channels) / rate_hz:.3f} s could be read of "
            f"the {(stop - start) / rate_hz:.3f} s that its header promises from "
            f"{start_s:g} s on. Replace the file."
        )
    return channels, rate_hz
