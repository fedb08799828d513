"""Synthetic music: tracks from recipes, cut and faded as stimuli are.

A track depends on the seed, its genre and its number alone, so that one track can be
made again without the others. Nothing here was played or recorded by anyone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from ..core.checks import Floats, InputError, check_choice
from .recipes import MODES, RECIPES, Recipe, Track, caption, draw_track
from .simulated_features import design_clips, read_design

RATE_HZ = 22_050
TABLE = 2048  # points of one cycle of a tone
CREST = 4.0  # peaks are held softly below this many times the RMS
FIRST_OF_CORPUS = 10_000  # no recorded track has such a number
COMMENT = "Synthetic: made by a recipe and a seed, not a recording of any music."
README = """\
ALL SOUND IN THIS FOLDER IS SYNTHETIC. It was computed from recipes (recipes.csv holds
each track's values) with seed {seed}; no recording was used. The names of genres and
tracks stand for the stimuli that the sound takes the place of.
captions.csv describes each track in words made from the same values.
"""

Sound = NDArray[np.float32]


def write_tracks(
    folder: Path,
    *,
    seed: int,
    clips: Sequence[str] | None = None,
    duration_s: float = 30.0,
) -> pd.DataFrame:
    """Write one synthetic track for each track of the recorded design.

    Writes genre/genre.000NN.flac (mono, 22,050 Hz, 16 bit), recipes.csv, captions.csv
    and README.txt.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    seed : int
        The same seed gives the same samples, whichever other tracks are written.
    clips : sequence of str, optional
        Names such as 'blues.00017'. The 540 of the design if None.
    duration_s : float
        30 s, as in the collection that the recorded clips were cut from.

    Returns
    -------
    recipes : DataFrame
        One row per track: its name, genre and the values that it drew.

    Raises
    ------
    InputError
        If a clip has no genre that there is a recipe for, or no number.
    """
    names = design_clips(read_design()) if clips is None else list(clips)
    tracks = [_drawn(name, seed) for name in names]
    return _write(Path(folder), tracks, seed, duration_s)


def write_corpus(
    folder: Path, *, seed: int, n: int = 500, duration_s: float = 15.0
) -> pd.DataFrame:
    """Write `n` more clips from the same recipes, as a corpus to retrieve from.

    Genres take turns; numbers start at 10,000, which no track of the design has, so
    no clip of the corpus is one of the tracks. Files and return value as in
    `write_tracks`.
    """
    if n < 1:
        raise InputError(f"n is {n}: a corpus needs at least 1 clip. Ask for more.")
    genres = list(RECIPES)
    numbers = [(genres[k % 10], FIRST_OF_CORPUS + k // 10) for k in range(n)]
    tracks = [_drawn(f"{genre}.{number:05d}", seed) for genre, number in numbers]
    return _write(Path(folder), tracks, seed, duration_s)


def synthesise(track: Track, *, seed: int, duration_s: float = 30.0) -> Sound:
    """Return the sound of one track.

    Drums, bass, chords and melody are placed on a grid of 16 steps to a bar; tones
    are sums of harmonics. Then, in order: tanh(drive x) / tanh(drive); presence times
    the first difference, added; a low-pass filter; drums; hiss; a soft limit at 4
    times the RMS, 4 tanh(x / 4); and the track's level.

    Parameters
    ----------
    track : Track
    seed : int
        Of the melody and of the noises.
    duration_s : float

    Returns
    -------
    sound : array of float32, shape (n_points,)
        At 22,050 Hz, within -1 and 1.
    """
    rng = _generator(track.clip, seed, "sound")
    recipe = RECIPES[track.genre]
    n = round(duration_s * RATE_HZ)
    onsets = _grid(track.tempo_bpm, recipe.swing, n)
    sound = _pitched(track, recipe, onsets, rng)
    sound /= np.abs(sound).max()
    sound = np.tanh(track.drive * sound) / np.float32(np.tanh(track.drive))
    sound += recipe.presence * np.diff(sound, prepend=sound[:1])
    sound = sosfilt(_lowpass(track.lowpass_hz), sound).astype(np.float32)
    sound += recipe.drums * _rms(sound) * _drums(recipe, onsets, rng)
    hiss = rng.standard_normal(n, dtype=np.float32)
    sound += np.float32(track.hiss * _rms(sound)) * hiss
    limited = CREST * np.tanh(sound / (CREST * _rms(sound)))
    return (limited * (10 ** (track.level_db / 20) / _rms(limited))).astype(np.float32)


def cut_clip(
    waveform: Floats,
    rate_hz: float,
    *,
    start_s: float,
    end_s: float,
    fade_s: float = 2.0,
    rms: float | None = 0.1321,
) -> NDArray[np.float64]:
    """Cut a clip out of a track, fade it in and out, and set its level.

    The fades are quarter sines, sin(pi u / 2) with u from 0 to 1 over `fade_s`. The
    level is set last, over the whole faded clip: its RMS is `rms`, fades included.

    Parameters
    ----------
    waveform : array of shape (n_points,)
        The track, mono.
    rate_hz : float
    start_s, end_s : float
        The clip's place in the track.
    fade_s : float
        2 s, as for the recorded stimuli.
    rms : float or None
        Relative to full scale. 0.1321 is the mean over the recorded stimuli. None
        leaves the level as it is.

    Returns
    -------
    clip : array of shape (round((end_s - start_s) * rate_hz),)

    Raises
    ------
    InputError
        If the clip does not lie inside the track, is shorter than its two fades, is
        silent, or would reach beyond -1 or 1 at this level: nothing is clipped.

    Examples
    --------
    >>> tone = np.sin(np.arange(32_000) / 10)
    >>> clip = cut_clip(tone, 8000, start_s=0, end_s=4, fade_s=1, rms=0.1)
    >>> len(clip), float(np.sqrt(np.mean(clip**2)).round(6))
    (32000, 0.1)
    """
    track: NDArray[np.float64] = np.asarray(waveform, dtype=np.float64)
    _check_cut(track, rate_hz, start_s, end_s, fade_s)
    first = round(start_s * rate_hz)
    clip = track[first : first + round((end_s - start_s) * rate_hz)].copy()
    n_fade = round(fade_s * rate_hz)
    ramp = np.sin(np.pi / 2 * np.arange(n_fade) / max(n_fade, 1))
    clip[:n_fade] *= ramp
    clip[len(clip) - n_fade :] *= ramp[::-1]
    if rms is None:
        return clip
    level = np.sqrt(np.mean(clip**2))
    if level == 0:
        raise InputError(
            f"the clip from {start_s:g} to {end_s:g} s is silent, so its level cannot "
            "be set. Check the sound file and the times of the cut."
        )
    clip *= rms / level
    n_over = int((np.abs(clip) > 1).sum())
    if n_over:
        raise InputError(
            f"at an RMS of {rms:g} the clip from {start_s:g} to {end_s:g} s reaches "
            f"{np.abs(clip).max():.2f}, beyond 1 in {n_over} of {len(clip)} points. "
            "Lower rms; nothing is clipped for you."
        )
    return clip


def _check_cut(
    waveform: Floats, rate_hz: float, start_s: float, end_s: float, fade_s: float
) -> None:
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise InputError(
            f"waveform must be mono and finite, got shape {waveform.shape}. Average "
            "the channels, and look for NaN in the file."
        )
    held_s = len(waveform) / rate_hz
    if not 0 <= start_s < end_s or round(end_s * rate_hz) > len(waveform):
        raise InputError(
            f"a clip from {start_s:g} to {end_s:g} s was asked of a track of "
            f"{held_s:.3f} s. Check the times and the file."
        )
    if not 0 <= 2 * fade_s <= end_s - start_s:
        raise InputError(
            f"two fades of {fade_s:g} s do not fit into a clip of "
            f"{end_s - start_s:g} s. Shorten fade_s."
        )


# Tracks


def _drawn(name: str, seed: int) -> Track:
    genre, _, number = name.partition(".")
    check_choice(genre, f"genre of clip {name!r}", list(RECIPES))
    if not number.isdecimal():
        raise InputError(
            f"clip {name!r} has no number; expected a name such as 'blues.00017'."
        )
    return draw_track(genre, int(number), _generator(name, seed, "values"))


def _generator(name: str, seed: int, what: str) -> np.random.Generator:
    """Return a generator of its own for one use in one track."""
    genre, number = name.split(".")
    key = (
        list(RECIPES).index(genre),
        int(number),
        ("values", "sound", "caption").index(what),
    )
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _write(
    folder: Path, tracks: Sequence[Track], seed: int, duration_s: float
) -> pd.DataFrame:
    captions = []
    for track in tracks:
        path = folder / track.genre / f"{track.clip}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_sound(path, synthesise(track, seed=seed, duration_s=duration_s))
        named = _generator(track.clip, seed, "caption").random() < 0.8
        captions.append((f"{track.clip}_15s", caption(track, names_genre=named)))
    recipes = pd.DataFrame([track.as_row() for track in tracks])
    recipes.to_csv(folder / "recipes.csv", index=False, lineterminator="\n")
    table = pd.DataFrame(captions, columns=["ID", "DescEN"])
    table.to_csv(folder / "captions.csv", index=False, lineterminator="\n")
    text = README.format(seed=seed)
    (folder / "README.txt").write_text(text, encoding="utf-8", newline="\n")
    return recipes


def _write_sound(path: Path, sound: Sound) -> None:
    with soundfile.SoundFile(
        path, "w", samplerate=RATE_HZ, channels=1, format="FLAC", subtype="PCM_16"
    ) as file:
        file.comment = COMMENT
        file.write(sound)


# Sound


def _grid(tempo_bpm: float, swing: float, n: int) -> NDArray[np.int64]:
    """Return where each step of each bar begins, shape (n_bars, 16), in points."""
    step = 60 / tempo_bpm / 4 * RATE_HZ
    n_bars = int(np.ceil(n / (16 * step)))
    places = np.arange(16 * n_bars) + swing * (np.arange(16 * n_bars) % 2)
    # One more number at the end: the length of the track.
    return np.r_[(places * step).astype(np.int64), n]


def _steps(pattern: str, onsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return (bar, first point) of each 'x' of a pattern, within the track."""
    return [
        (k // 16, int(point))
        for k, point in enumerate(onsets[:-1])
        if pattern[k % 16] == "x" and point < onsets[-1]
    ]


def _pitched(
    track: Track, recipe: Recipe, onsets: NDArray[np.int64], rng: np.random.Generator
) -> Sound:
    """Return bass, chords and melody together."""
    sound = np.zeros(onsets[-1], np.float32)
    cycle = _cycle(track.rolloff, recipe.odd)
    scale, root = MODES[track.mode], track.root_midi
    degrees = [recipe.chords[bar % len(recipe.chords)] for bar in range(len(onsets))]
    notes: dict[tuple[float, float], Sound] = {}

    def play(point: int, midi: float, decay_s: float, gain: float) -> None:
        if (midi, decay_s) not in notes:
            notes[midi, decay_s] = _note(midi, decay_s, cycle)
        _add(sound, notes[midi, decay_s], point, gain)

    for bar, point in _steps(recipe.bass, onsets):
        play(point, root - 12 + _pitch(scale, degrees[bar]), 0.25, 0.9)
    for bar, point in _steps(recipe.chord, onsets):
        for third in (0, 2, 4):
            midi = root + _pitch(scale, degrees[bar] + third)
            play(point, midi, track.decay_s, 0.4)
    pattern = "".join("x" if rng.random() < recipe.melody else "." for _ in range(16))
    degree = 0
    for bar, point in _steps(pattern, onsets):
        degree = int(np.clip(degree + rng.integers(-2, 3), -4, 8))
        midi = root + 12 + _pitch(scale, degree if bar % 2 else degrees[bar] + degree)
        play(point, midi, track.decay_s, 0.6)
    return sound


def _pitch(scale: Sequence[int], degree: int) -> int:
    octave, place = divmod(degree, len(scale))
    return 12 * octave + scale[place]


def _cycle(rolloff: float, even: float) -> Sound:
    """Return one cycle of a tone of 12 harmonics, with a peak of 1."""
    h = np.arange(1, 13)
    gains = h**-rolloff * np.where(h % 2, 1.0, even)
    phase = 2 * np.pi * np.outer(np.arange(TABLE) / TABLE, h)
    cycle = np.sin(phase) @ gains
    return (cycle / np.abs(cycle).max()).astype(np.float32)


def _note(midi: float, decay_s: float, cycle: Sound) -> Sound:
    """Return a tone that rises within 8 ms and falls as exp(-t / decay)."""
    n = int(min(3 * decay_s, 2.5) * RATE_HZ)
    points = np.arange(n, dtype=np.float32)
    cycles_a_point = 440 * 2 ** ((midi - 69) / 12) / RATE_HZ
    place = (np.arange(n) * (cycles_a_point * TABLE)).astype(np.int64) & (TABLE - 1)
    envelope = np.exp(points / np.float32(-decay_s * RATE_HZ))
    envelope *= np.minimum(points / np.float32(0.008 * RATE_HZ), 1)
    envelope[-200:] *= np.linspace(1, 0, 200, dtype=np.float32)
    return cycle[place] * envelope


def _drums(
    recipe: Recipe, onsets: NDArray[np.int64], rng: np.random.Generator
) -> Sound:
    """Return the drums, with a bass drum of peak 2."""
    sound = np.zeros(onsets[-1], np.float32)
    t = np.arange(int(0.3 * RATE_HZ)) / RATE_HZ
    noise = rng.standard_normal(len(t))
    sweep = np.sin(2 * np.pi * (50 * t - 6 * np.exp(-t / 0.03)))
    kick = 2.0 * sweep * np.exp(-t / 0.09)
    snare = (noise + np.sin(2 * np.pi * 190 * t)) * np.exp(-t / 0.07)
    hat = 0.5 * np.diff(noise, prepend=0) * np.exp(-t / 0.025)
    for pattern, drum in zip(
        (recipe.kick, recipe.snare, recipe.hat), (kick, snare, hat), strict=True
    ):
        for _, point in _steps(pattern, onsets):
            _add(sound, drum.astype(np.float32), point, 1.0)
    return sound


def _add(sound: Sound, piece: Sound, point: int, gain: float) -> None:
    """Add a piece to the sound in place, from `point` on, up to the sound's end."""
    n = min(len(piece), len(sound) - point)
    sound[point : point + n] += np.float32(gain) * piece[:n]


def _lowpass(cutoff_hz: float) -> NDArray[np.float32]:
    return butter(4, cutoff_hz, fs=RATE_HZ, output="sos").astype(np.float32)


def _rms(sound: Sound) -> np.float32:
    return np.sqrt(np.mean(np.square(sound), dtype=np.float64)).astype(np.float32)
