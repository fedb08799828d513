"""Recipes of synthetic music: what a genre may be, what one track is, in words too."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import numpy as np

MODES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "major": (0, 2, 4, 5, 7, 9, 11),
        "minor": (0, 2, 3, 5, 7, 8, 10),
        "dorian": (0, 2, 3, 5, 7, 9, 10),
        "mixolydian": (0, 2, 4, 5, 7, 9, 10),
        "blues": (0, 3, 5, 6, 7, 9, 10),
    }
)
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the tracks of one synthetic genre have in common.

    Ranges are (lowest, highest); a track draws its own value, evenly between them.
    The five patterns have 16 steps to a bar: 'x' is an onset, '.' is none.
    """

    modes: tuple[str, ...]
    chords: tuple[int, ...]  # degrees of the scale, one a bar
    kick: str
    snare: str
    hat: str
    bass: str
    chord: str
    melody: float  # share of the steps of a bar on which the melody moves
    tempo_bpm: Range
    root_midi: Range  # of the chords
    rolloff: Range  # harmonic h has the amplitude 1 / h^rolloff
    odd: float  # amplitude left to the even harmonics, 0 to 1
    drive: Range  # gain before a tanh: 1 is nearly clean, 10 distorted
    presence: float  # gain of the first difference, which is added: lifts the highs
    lowpass_hz: Range
    hiss: Range  # level of the noise, relative to the music
    decay_s: Range  # of a chord or melody note
    swing: float  # delay of every second step, in steps
    drums: float  # level of the drums, relative to the rest
    level_db: Range  # RMS of the track, relative to full scale
    instrument: str  # what the melody brings to mind


@dataclass(frozen=True, slots=True)
class Track:
    """The values that one track drew from its genre's recipe."""

    genre: str
    number: int
    mode: str
    tempo_bpm: float
    root_midi: float
    rolloff: float
    drive: float
    lowpass_hz: float
    hiss: float
    decay_s: float
    level_db: float

    @property
    def clip(self) -> str:
        """The name of the track, such as 'blues.00017'."""
        return f"{self.genre}.{self.number:05d}"

    def as_row(self) -> dict[str, str | float]:
        """Return the values as a row of a table, with the name first."""
        return {"clip": self.clip, **asdict(self)}


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "blues": Recipe(
            modes=("blues",), chords=(0, 0, 3, 0, 4, 3, 0, 4),
            kick="x.......x.......", snare="....x.......x...",
            hat="x...x.x.x...x.x.", bass="x...x...x...x...",
            chord="..........x.....", melody=0.35,
            tempo_bpm=(68, 100), root_midi=(50, 57), rolloff=(1.2, 1.6), odd=0.8,
            drive=(1.5, 3.0), presence=1.0, lowpass_hz=(2200, 3600), hiss=(0.02, 0.05),
            decay_s=(0.35, 0.6), swing=0.6, drums=0.5, level_db=(-24, -19),
            instrument="an overdriven guitar",
        ),
        "classical": Recipe(
            modes=("major", "minor"), chords=(0, 3, 4, 0, 5, 3, 4, 4),
            kick="................", snare="................",
            hat="................", bass="x.......x.......",
            chord="x...............", melody=0.30,
            tempo_bpm=(54, 112), root_midi=(52, 64), rolloff=(1.4, 2.2), odd=1.0,
            drive=(1.0, 1.05), presence=0.5, lowpass_hz=(2800, 5200),
            hiss=(0.001, 0.004), decay_s=(0.8, 1.8), swing=0.0, drums=0.0,
            level_db=(-31, -23), instrument="strings and a piano",
        ),
        "country": Recipe(
            modes=("major", "mixolydian"), chords=(0, 3, 0, 4, 0, 3, 4, 0),
            kick="x.......x.......", snare="....x.......x...",
            hat="x.x.x.x.x.x.x.x.", bass="x.......x.......",
            chord="....x.......x...", melody=0.45,
            tempo_bpm=(92, 132), root_midi=(55, 62), rolloff=(0.9, 1.2), odd=0.9,
            drive=(1.0, 1.4), presence=2.5, lowpass_hz=(4500, 7000), hiss=(0.005, 0.02),
            decay_s=(0.15, 0.35), swing=0.15, drums=0.35, level_db=(-23, -19),
            instrument="a twanging steel guitar",
        ),
        "disco": Recipe(
            modes=("dorian", "minor"), chords=(0, 0, 3, 3, 5, 5, 4, 4),
            kick="x...x...x...x...", snare="....x.......x...",
            hat="..x...x...x...x.", bass="x.x.x.x.x.x.x.x.",
            chord="..x..x..x.x..x..", melody=0.25,
            tempo_bpm=(112, 128), root_midi=(57, 64), rolloff=(1.0, 1.4), odd=1.0,
            drive=(1.0, 1.6), presence=2.0, lowpass_hz=(5500, 8500), hiss=(0.005, 0.02),
            decay_s=(0.15, 0.3), swing=0.0, drums=0.9, level_db=(-21, -17),
            instrument="bright strings",
        ),
        "hiphop": Recipe(
            modes=("minor",), chords=(0, 0, 5, 5),
            kick="x.....x...x.....", snare="....x.......x...",
            hat="x.x.x.xxx.x.x.xx", bass="x.....x...x.....",
            chord="x...............", melody=0.12,
            tempo_bpm=(78, 102), root_midi=(48, 55), rolloff=(1.5, 2.2), odd=0.3,
            drive=(1.2, 2.0), presence=0.0, lowpass_hz=(3000, 6500), hiss=(0.03, 0.08),
            decay_s=(0.4, 0.9), swing=0.25, drums=1.6, level_db=(-20, -16),
            instrument="a dark synthesiser",
        ),
        "jazz": Recipe(
            modes=("dorian", "major"), chords=(1, 4, 0, 5),
            kick="x...............", snare="......x........x",
            hat="x...x..xx...x..x", bass="x...x...x...x...",
            chord="...x......x.....", melody=0.55,
            tempo_bpm=(120, 210), root_midi=(55, 62), rolloff=(1.4, 1.9), odd=0.4,
            drive=(1.0, 1.2), presence=0.5, lowpass_hz=(3000, 5000), hiss=(0.005, 0.03),
            decay_s=(0.15, 0.4), swing=0.6, drums=0.3, level_db=(-27, -21),
            instrument="a mellow saxophone",
        ),
        "metal": Recipe(
            modes=("minor",), chords=(0, 0, 5, 6),
            kick="x.xxx.xxx.xxx.xx", snare="....x.......x...",
            hat="x...x...x...x...", bass="x.xxx.xxx.xxx.xx",
            chord="x.xxx.xxx.xxx.xx", melody=0.20,
            tempo_bpm=(128, 190), root_midi=(40, 47), rolloff=(0.6, 0.9), odd=1.0,
            drive=(7.0, 14.0), presence=12.0, lowpass_hz=(6000, 9000),
            hiss=(0.02, 0.06), decay_s=(0.15, 0.35), swing=0.0, drums=0.8,
            level_db=(-18, -15), instrument="distorted guitars",
        ),
        "pop": Recipe(
            modes=("major",), chords=(0, 4, 5, 3),
            kick="x.......x.x.....", snare="....x.......x...",
            hat="x.x.x.x.x.x.x.x.", bass="x..x..x.x..x..x.",
            chord="x.......x.......", melody=0.40,
            tempo_bpm=(96, 128), root_midi=(58, 66), rolloff=(1.1, 1.6), odd=0.6,
            drive=(1.0, 1.5), presence=3.0, lowpass_hz=(6500, 9500), hiss=(0.002, 0.01),
            decay_s=(0.3, 0.6), swing=0.0, drums=0.8, level_db=(-20, -16),
            instrument="a singing synthesiser",
        ),
        "reggae": Recipe(
            modes=("major", "dorian"), chords=(0, 3, 0, 4),
            kick="........x.......", snare="........x.......",
            hat="..x...x...x...x.", bass="x..x....x.x.....",
            chord="....x.......x...", melody=0.12,
            tempo_bpm=(66, 88), root_midi=(56, 63), rolloff=(1.3, 1.8), odd=0.7,
            drive=(1.0, 1.4), presence=0.3, lowpass_hz=(2500, 4500), hiss=(0.01, 0.03),
            decay_s=(0.1, 0.2), swing=0.1, drums=0.6, level_db=(-23, -18),
            instrument="an organ",
        ),
        "rock": Recipe(
            modes=("mixolydian", "minor"), chords=(0, 6, 3, 0),
            kick="x.......x.x.....", snare="....x.......x...",
            hat="x.x.x.x.x.x.x.x.", bass="x.x.x.x.x.x.x.x.",
            chord="x..x..x.x..x....", melody=0.30,
            tempo_bpm=(104, 152), root_midi=(45, 54), rolloff=(0.8, 1.2), odd=0.9,
            drive=(2.5, 6.0), presence=4.0, lowpass_hz=(4500, 7500), hiss=(0.01, 0.04),
            decay_s=(0.3, 0.6), swing=0.0, drums=0.8, level_db=(-20, -16),
            instrument="an electric guitar",
        ),
    }
)  # fmt: skip
RANGES = ("tempo_bpm", "root_midi", "rolloff", "drive", "lowpass_hz", "hiss",
          "decay_s", "level_db")  # fmt: skip


def draw_track(genre: str, number: int, rng: np.random.Generator) -> Track:
    """Draw the values of one track, evenly from the ranges of its genre."""
    recipe = RECIPES[genre]
    drawn = {name: float(rng.uniform(*getattr(recipe, name))) for name in RANGES}
    drawn["root_midi"] = float(round(drawn["root_midi"]))
    mode = recipe.modes[rng.integers(len(recipe.modes))]
    return Track(genre=genre, number=number, mode=mode, **drawn)


def caption(track: Track, *, names_genre: bool) -> str:
    """Describe a track in words, from its values alone.

    Parameters
    ----------
    track : Track
    names_genre : bool
        Whether the genre's name appears. It does in 438 of the 540 captions that
        people wrote about the recorded clips.
    """
    recipe = RECIPES[track.genre]
    kind = f"{track.genre} track" if names_genre else "piece of music"
    tempo = _word(track.tempo_bpm, {85: "slow", 115: "moderate", 145: "lively"}, "fast")
    feel = "swinging" if recipe.swing > 0.2 else "straight"
    mood = {"major": "cheerful", "mixolydian": "open", "minor": "dark"}
    tone = _word(track.lowpass_hz, {3500: "dull", 6000: "warm"}, "bright")
    sound = _word(track.drive, {1.5: "clean", 5: "slightly rough"}, "heavily distorted")
    pitch = _word(track.root_midi, {50: "low", 58: "middle"}, "high")
    level = _word(track.level_db, {-24: "quiet", -19: "of medium loudness"}, "loud")
    return (
        f"This is a {tempo} {kind} at about {track.tempo_bpm:.0f} beats per minute, "
        f"with a {feel} rhythm. {_rhythm(recipe)} The {track.mode} mode makes it sound "
        f"{mood.get(track.mode, 'bluesy')}. The melody is played by "
        f"{recipe.instrument} in a {pitch} register, with a {tone}, {sound} tone. "
        f"Overall it is {level}."
    )


def _rhythm(recipe: Recipe) -> str:
    if recipe.drums == 0:
        return "There are no drums."
    kicks = recipe.kick.count("x")
    if kicks > 6:
        return "The drums are dense and driving."
    if recipe.kick == "x...x...x...x...":
        return "The bass drum falls on every beat."
    if recipe.chord.startswith("....x"):
        return "The chords are short and come off the beat."
    if recipe.swing > 0.5:
        return "The drums shuffle along."
    return "The drums are heavy." if recipe.drums > 1 else "The drums keep a backbeat."


def _word(value: float, below: Mapping[float, str], otherwise: str) -> str:
    """Return the word of the first limit that `value` lies under."""
    return next((word for limit, word in below.items() if value < limit), otherwise)
