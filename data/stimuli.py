"""The music: sound files found, read, looked at, and shaped as they were heard."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..core.checks import Floats, InputError, MissingFileError
from .sound_headers import lacking_share

ENDINGS = (".wav", ".au", ".flac", ".ogg", ".mp3")
MEAN_RMS = 0.1321  # mean over the recorded stimuli, relative to full scale
SILENT = 1e-4  # a peak below -80 dB re full scale
FULL_SCALE = 0.999
MOST_CLIPPED = 1e-3  # share of points at full scale that passes without a warning
SHOWN = 10  # names that one sentence lists


@dataclass(frozen=True, slots=True)
class ClipSource:
    """Where a clip's sound lies: a file, and the piece of it that was heard.

    `end_s` None is the end of the file.
    """

    clip: str
    path: Path
    start_s: float = 0.0
    end_s: float | None = None


def find_track(path: str | Path) -> Path:
    """Return the sound file of a track whose ending may be left out.

    Parameters
    ----------
    path : path
        As the study names it. Without a sound's ending, the first of .wav, .au,
        .flac, .ogg and .mp3 that is there, in small letters or in capitals.

    Raises
    ------
    MissingFileError
        If there is no such file.
    """
    path = Path(path)
    if path.is_file():
        return path
    if path.suffix.lower() in ENDINGS:
        raise MissingFileError(f"no sound at {path}. Check the path and its pattern.")
    for ending in (e for low in ENDINGS for e in (low, low.upper())):
        found = path.with_name(path.name + ending)
        if found.is_file():
            return found
    raise MissingFileError(
        f"no sound at {path}, nor with the endings {', '.join(ENDINGS)}. Check the "
        "path and its pattern."
    )


def check_tracks(
    clips: Sequence[ClipSource], *, rate_hz: int | None = None
) -> tuple[list[str], list[str]]:
    """Look at the sound of every clip, and return all that is wrong with it.

    Parameters
    ----------
    clips : sequence of ClipSource
        Each piece is decoded from its start to its end; one that comes several times
        is looked at once.
    rate_hz : int, optional
        The rate that all files must have. None takes any, and warns if they differ.

    Returns
    -------
    problems : list of str
        One sentence per clip that cannot be used: its file is missing, cannot be
        decoded, breaks off, is too short, holds NaN, has the wrong rate, or the piece
        stays below -80 dB re full scale. In the order of `clips`.
    warnings : list of str
        One sentence for each of: pieces with more than 0.1 % of their points at full
        scale, files that break off behind the piece, several channels, different
        rates.

    Examples
    --------
    >>> check_tracks([])
    ([], [])
    """
    problems, found = [], []
    for source in dict.fromkeys(clips):
        try:
            found.append(_look_at(source, rate_hz))
        except InputError as error:
            problems.append(f"{source.clip}: {error}")
    return problems, _warnings(found)


@dataclass(frozen=True, slots=True)
class _Found:
    clip: str
    rate_hz: int
    n_channels: int
    clipped: float
    breaks_off: bool


def _look_at(source: ClipSource, rate_hz: int | None) -> _Found:
    path = find_track(source.path)
    channels, found_hz = _decoded(path, source.start_s, source.end_s)
    if rate_hz is not None and found_hz != rate_hz:
        raise InputError(
            f"{path.name} has {found_hz} points per second, expected {rate_hz}. "
            "Resample the file, or correct the rate."
        )
    peak = np.abs(channels).max(axis=1)
    if peak.max() < SILENT:
        raise InputError(
            f"{path.name} is silent where the clip lies (peak {peak.max():.1e}). Check "
            "the file and the times of the cut."
        )
    clipped = float((peak >= FULL_SCALE).mean())
    breaks_off = lacking_share(path) > 0
    return _Found(source.clip, found_hz, channels.shape[1], clipped, breaks_off)


def _warnings(found: Sequence[_Found]) -> list[str]:
    warnings = []
    clipped = [clip for clip in found if clip.clipped > MOST_CLIPPED]
    if clipped:
        names = [f"{c.clip} {100 * c.clipped:.1f} %" for c in clipped]
        warnings.append(
            f"{len(clipped)} of {len(found)} clips have more than "
            f"{100 * MOST_CLIPPED:g} % of their points at full scale: {_some(names)}."
        )
    broken = [clip.clip for clip in found if clip.breaks_off]
    if broken:
        warnings.append(
            f"{len(broken)} of {len(found)} clips lie in files that break off after "
            f"them, before the end that the header promises: {_some(broken)}."
        )
    several = [clip.clip for clip in found if clip.n_channels > 1]
    if several:
        warnings.append(
            f"{len(several)} of {len(found)} clips have several channels, which are "
            f"averaged to one: {_some(several)}."
        )
    rates = defaultdict(list)
    for clip in found:
        rates[clip.rate_hz].append(clip.clip)
    if len(rates) > 1:
        kinds = [
            f"{rate} Hz in {len(names)} ({_some(names, 3)})"
            for rate, names in sorted(rates.items(), key=lambda kind: -len(kind[1]))
        ]
        warnings.append(f"the clips' sampling rates differ: {'; '.join(kinds)}.")
    return warnings


def _some(names: Sequence[str], n: int = SHOWN) -> str:
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more


def read_clip(
    path: str | Path, *, start_s: float = 0.0, end_s: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Read a piece of a sound file as one channel.

    Parameters
    ----------
    path : path of a sound file
        In any format that libsndfile reads: wav, flac, ogg, mp3, au.
    start_s, end_s : float
        The piece, in seconds from the start of the file. None ends with the file,
        which must then hold all that its header promises.

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
    channels, rate_hz = _decoded(Path(path), start_s, end_s)
    return channels.mean(axis=1, dtype=np.float64).astype(np.float32), rate_hz


def shape_clip(
    waveform: Floats,
    rate_hz: float,
    *,
    fade_s: float,
    rms: float | None,
    name: str = "the clip",
) -> NDArray[np.float64]:
    """Fade a clip in and out, and set its level.

    The fades are quarter sines, sin(pi u / 2) with u from 0 to 1 over `fade_s`. The
    level is set last, over the whole faded clip: its RMS is `rms`, fades included.

    Parameters
    ----------
    waveform : array of shape (n_points,)
        The clip, mono, 1 is full scale.
    rate_hz : float
    fade_s : float
        2 s for the recorded stimuli; 0 for no fades.
    rms : float or None
        Relative to full scale; `MEAN_RMS` = 0.1321 for the recorded stimuli. None
        leaves the level as it is.
    name : str
        What the errors call this clip.

    Returns
    -------
    clip : float64 array of shape (n_points,)

    Raises
    ------
    InputError
        If the clip is not mono and finite, is shorter than its two fades, is silent,
        or would reach beyond -1 or 1 at this level: nothing is clipped.

    Examples
    --------
    >>> tone = np.sin(np.arange(32_000) / 10)
    >>> clip = shape_clip(tone, 8000, fade_s=1, rms=0.1)
    >>> float(np.sqrt(np.mean(clip**2)).round(6))
    0.1
    """
    clip = np.array(waveform, dtype=np.float64)
    _check_shape(clip, rate_hz, fade_s, name)
    n_fade = round(fade_s * rate_hz)
    ramp = np.sin(np.pi / 2 * np.arange(n_fade) / max(n_fade, 1))
    clip[:n_fade] *= ramp
    clip[len(clip) - n_fade :] *= ramp[::-1]
    return clip if rms is None else _levelled(clip, rms, name)


def cut_clip(
    waveform: Floats,
    rate_hz: float,
    *,
    start_s: float,
    end_s: float,
    fade_s: float = 2.0,
    rms: float | None = MEAN_RMS,
) -> NDArray[np.float64]:
    """Cut a clip out of a track, fade it in and out, and set its level.

    Parameters
    ----------
    waveform : array of shape (n_points,)
        The track, mono.
    rate_hz : float
    start_s, end_s : float
        The clip's place in the track.
    fade_s, rms : float
        As in `shape_clip`; by default as for the recorded stimuli.

    Returns
    -------
    clip : array of shape (round((end_s - start_s) * rate_hz),)

    Raises
    ------
    InputError
        If the clip does not lie inside the track, or for the reasons of `shape_clip`.

    Examples
    --------
    >>> tone = np.sin(np.arange(32_000) / 10)
    >>> len(cut_clip(tone, 8000, start_s=0, end_s=3, fade_s=1, rms=0.1))
    24000
    """
    track = np.asarray(waveform)
    name = f"the clip from {start_s:g} to {end_s:g} s"
    _check_track(track)
    if not 0 <= start_s < end_s or round(end_s * rate_hz) > len(track):
        raise InputError(
            f"a clip from {start_s:g} to {end_s:g} s was asked of a track of "
            f"{len(track) / rate_hz:.3f} s. Check the times and the file."
        )
    first = round(start_s * rate_hz)
    piece = track[first : first + round((end_s - start_s) * rate_hz)]
    return shape_clip(piece, rate_hz, fade_s=fade_s, rms=rms, name=name)


def _levelled(clip: Floats, rms: float, name: str) -> NDArray[np.float64]:
    level = np.sqrt(np.mean(clip**2))
    if level == 0:
        raise InputError(
            f"{name} is silent, so its level cannot be set. Check the sound file and "
            "the times of the cut."
        )
    levelled = clip * (rms / level)
    peak = np.abs(levelled)
    if (peak > 1).any():
        raise InputError(
            f"at an RMS of {rms:g} {name} reaches {peak.max():.2f}, beyond 1 in "
            f"{int((peak > 1).sum())} of {len(peak)} points. Lower rms; nothing is "
            "clipped for you."
        )
    return levelled


def _check_shape(clip: Floats, rate_hz: float, fade_s: float, name: str) -> None:
    _check_track(clip)
    if not 0 <= 2 * fade_s <= (len(clip) + 1) / rate_hz:  # a point for rounding
        raise InputError(
            f"two fades of {fade_s:g} s do not fit into {name}, which lasts "
            f"{len(clip) / rate_hz:g} s. Shorten fade_s."
        )


def _check_track(waveform: Floats) -> None:
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise InputError(
            f"waveform must be mono and finite, got shape {waveform.shape}. Average "
            "the channels, and look for NaN in the file."
        )


def _decoded(
    path: Path, start_s: float, end_s: float | None
) -> tuple[NDArray[np.float32], int]:
    """Return a piece of a file, shape (n_points, n_channels), checked, and its rate."""
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
    return channels, rate_hz


def _read_piece(
    path: Path, start_s: float, end_s: float | None
) -> tuple[NDArray[np.float32], int]:
    with soundfile.SoundFile(path) as file:
        if file.format == "RAW":  # what libsndfile makes of an .au without its header
            raise InputError(
                f"{path.name} cannot be read as sound: it has no header that says what "
                "it holds. Replace the file, or convert it to wav."
            )
        rate_hz = file.samplerate
        start = round(start_s * rate_hz)
        stop = file.frames if end_s is None else round(end_s * rate_hz)
        if (end_s is None or stop > file.frames) and (lacking := lacking_share(path)):
            raise InputError(
                f"{path.name} breaks off: {file.frames / rate_hz:.3f} s could be read, "
                f"and {lacking:.1%} of what its header promises is not there. Replace "
                "the file."
            )
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
