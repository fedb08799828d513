"""Which items of a corpus are the test stimuli themselves: these are left out."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.artefacts import file_identity
from ..core.checks import InputError
from ..data.duplicates import audio_hashes, near_duplicates, sound_fingerprint
from ..data.stimuli import ClipSource, read_clip
from ..decoding.corpus import ENDINGS
from ..decoding.retrieval import Index
from ..decoding.sounds import read_start
from ..features.windows import window_times
from ..study import Study
from .corpus import corpus_place, is_index
from .encoders import Encoder, stimuli_of
from .networks import embed_sounds
from .opening import Opened
from .session import Ticker

N_NEAR = 3  # items nearest to a stimulus that are compared with it
LOWEST_HZ = 16_000  # below, a fingerprint has no upper bands
MIN_CLIPS = 20  # to say what is near
SAME = 1e-5  # 1 - cosine of one sound that was embedded twice, in float32
SHOWN = 5  # clips that a note names

UNKNOWN = "near duplicates of stimuli were not looked for in the corpus"
NO_SOUND = "the study names no sound of it"
NO_TRACKS = (
    "the corpus is a saved index, which holds no sound: a track is told by its name, "
    "or by the very vector of the stimulus"
)
NO_SOUND_NO_TRACKS = f"{NO_SOUND}, and the corpus is a saved index"

Print = tuple[tuple[str, ...], NDArray[np.float64] | None]


@dataclass(frozen=True, eq=False)
class Stimuli:
    """The test stimuli, as a corpus is searched for them.

    Parameters
    ----------
    clips : tuple of str
        All of them: their names are looked for.
    sources : mapping of clip to its sound
        Of those that have sound.
    vectors : mapping of clip to array of shape (n_dimensions,)
        Of those whose sound the corpus's encoder can hear.
    not_compared : mapping of clip to str
        Why its sound is not compared with that of tracks.
    """

    clips: tuple[str, ...]
    sources: Mapping[str, ClipSource]
    vectors: Mapping[str, NDArray[np.floating]]
    not_compared: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> dict[str, str]:
        """Return the clip of each name that a track of it would have."""
        found = {clip: clip for clip in self.clips}
        for clip, source in self.sources.items():
            found.setdefault(_bare(source.path.name), clip)
        return found


def stimulus_sounds(
    study: Study, opened: Opened, clips: Sequence[str]
) -> dict[str, ClipSource]:
    """Return the sound of each clip that has one.

    It is that of the target; else that of `checked_by`.
    """
    known: dict[str, ClipSource] = {}
    for name in (study.retrieval.checked_by, study.retrieval.target):
        if name is not None:
            known |= stimuli_of(study, opened, name)
    return {clip: known[clip] for clip in clips if clip in known}


def sounds_identity(study: Study, opened: Opened, clips: Sequence[str]) -> str:
    """Return a hash of the clips' sound: which piece of which file, and its content.

    Of the target and of each space that checks what is found or made.
    """
    rows: list[list[object]] = []
    content = cache(file_identity)  # many clips may be pieces of one file
    spaces = (
        study.retrieval.target,
        study.retrieval.checked_by,
        study.generation.checked_by,
    )
    for name in dict.fromkeys(spaces):
        every = {} if name is None else stimuli_of(study, opened, name)
        for clip in clips:
            if clip in every:
                one = every[clip]
                rows.append([name, clip, one.start_s, one.end_s, content(one.path)])
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def not_comparable(
    study: Study, clips: Sequence[str], sources: Mapping[str, ClipSource]
) -> dict[str, str]:
    """Return the clips whose sound cannot be compared with that of tracks, and why."""
    if is_index(corpus_place(study)):
        return {c: NO_TRACKS if c in sources else NO_SOUND_NO_TRACKS for c in clips}
    return {clip: NO_SOUND for clip in clips if clip not in sources}


def overlap_notes(not_compared: Mapping[str, str], n_clips: int) -> list[str]:
    """Return a note for each reason why sound was not compared."""
    by_reason: dict[str, list[str]] = {}
    for clip, why in not_compared.items():
        by_reason.setdefault(why, []).append(clip)
    return [
        f"{len(clips)} of {n_clips} test clips cannot be compared by sound with the "
        f"tracks of the corpus ({why}). A copy of one by another name can be found as "
        f"music: {_some(clips)}."
        for why, clips in by_reason.items()
    ]


def hear_stimuli(
    study: Study,
    encoder: Encoder,
    clips: Sequence[str],
    sources: Mapping[str, ClipSource],
    ticker: Ticker,
) -> Stimuli:
    """Return the stimuli with the vectors that the corpus's encoder gives their sound.

    A clip that it cannot hear, such as one shorter than its window, is told by name.
    """
    reasons = not_comparable(study, clips, sources)
    good: dict[str, ClipSource] = {}
    for clip, source in sources.items():
        try:
            window_times(encoder.stimulus(source).seconds, encoder.windows)
        except InputError as error:
            reasons[clip] = f"{encoder.source} cannot hear it: {error}"
        else:
            good[clip] = source
    vectors: dict[str, NDArray[np.floating]] = {}
    if good:
        (rows,) = embed_sounds(
            study, encoder.space, list(good.values()), ticker
        ).values()
        vectors = {
            clip: rows[source].mean(axis=0, dtype=np.float64)
            for clip, source in good.items()
        }
    return Stimuli(tuple(clips), sources, vectors, reasons)


def find_stimuli(
    index: Index, files: Mapping[str, Path], stimuli: Stimuli
) -> tuple[dict[str, str], list[str]]:
    """Return the items that are a stimulus, each with the reason, and notes.

    An item is one if its file has the name of the stimulus or of its file; or if it
    is among the three that lie nearest to the stimulus's own sound and has the same
    sound (see `data.duplicates`), at any level or as a near duplicate; or, where
    items have no sound, if it has the same vector.

    Parameters
    ----------
    index : Index
    files : mapping of id to Path
        Empty for a saved index.
    stimuli : Stimuli
    """
    names = stimuli.names()
    found: dict[str, str] = {}
    for item in index.ids:
        for name in _names_of(item, files):
            if name in names:
                found[item] = f"has the name of {names[name]}"
    heard = {clip: stimuli.sources[clip] for clip in stimuli.vectors}
    if not heard:
        return found, []
    near = index.search(
        np.stack(list(stimuli.vectors.values())),
        min(N_NEAR, len(index)),
        identity=index.identity,
    )
    if files:
        same, notes = _same_sound(index.ids, files, heard, near.rows)
        return same | found, notes
    same = {}
    for clip, rows, cosines in zip(heard, near.rows, near.similarity, strict=True):
        for row in rows[cosines >= 1 - SAME]:
            same.setdefault(index.ids[row], f"has the vector of {clip}")
    return same | found, []


def _names_of(item: str, files: Mapping[str, Path]) -> set[str]:
    """Return what an item is called: as FMA has it, with and without its zeros."""
    names = {item, _bare(Path(item).name)}
    if item in files:
        names.add(_bare(files[item].name))
    return names | {name.zfill(6) for name in names if name.isdigit()}


def _bare(name: str) -> str:
    """Return a file's name without a sound's ending, whatever dots it has.

    Examples
    --------
    >>> [_bare(name) for name in ("blues.00003.wav", "blues.00003", "a.MP3")]
    ['blues.00003', 'blues.00003', 'a']
    """
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in ENDINGS else name


def _same_sound(
    ids: Sequence[str],
    files: Mapping[str, Path],
    sources: Mapping[str, ClipSource],
    near: NDArray[np.intp],
) -> tuple[dict[str, str], list[str]]:
    heard = {clip: _print_of_clip(source) for clip, source in sources.items()}
    prints: dict[str, Print] = {}
    found: dict[str, str] = {}
    for (clip, mine), rows in zip(heard.items(), near, strict=True):
        for row in rows:
            item = ids[row]
            if item not in prints:
                prints[item] = _print_of_file(files[item], _stamp(files[item]))
            if set(mine[0]) & set(prints[item][0]):
                found.setdefault(item, f"has the sound of {clip}")
    almost, notes = _near(heard, prints)
    return almost | found, notes


def _near(
    heard: Mapping[str, Print], prints: Mapping[str, Print]
) -> tuple[dict[str, str], list[str]]:
    """Return near duplicates, where there are enough items to say what is near."""
    sides = [
        {name: print_[1] for name, print_ in side.items() if print_[1] is not None}
        for side in (prints, heard)
    ]
    items, clips = sides
    low = [clip for clip in heard if clip not in clips]
    notes = [
        f"{UNKNOWN} for {len(low)} of {len(heard)} clips, whose sound has fewer than "
        f"{LOWEST_HZ} points per second: {_some(low)}."
    ] * bool(low)
    if len(items) < MIN_CLIPS or not clips:
        few = f"{UNKNOWN}: only {len(items)} of its tracks could be compared."
        return {}, [*notes, few]
    try:
        pairs, _, _ = near_duplicates(
            np.array(list(items.values())),
            np.array(list(clips.values())),
            train_clips=[f"corpus: {name}" for name in items],
            test_clips=[f"stimulus: {name}" for name in clips],
        )
    except InputError as error:
        return {}, [*notes, f"{UNKNOWN}: {error}"]
    found = {
        item.removeprefix("corpus: "): "sounds almost as "
        + clip.removeprefix("stimulus: ")
        for item, clip in zip(pairs["train_clip"], pairs["test_clip"], strict=True)
    }
    return found, notes


@lru_cache(maxsize=4096)
def _print_of_clip(source: ClipSource) -> Print:
    waveform, rate_hz = read_clip(
        source.path, start_s=source.start_s, end_s=source.end_s
    )
    return _print(waveform, rate_hz)


@lru_cache(maxsize=4096)
def _print_of_file(path: Path, _stamp: tuple[int, int]) -> Print:
    sound = read_start(path)
    return _print(sound.waveform, sound.rate_hz)


def _print(waveform: NDArray[np.floating], rate_hz: int) -> Print:
    if (waveform == waveform[0]).all():
        return (), None  # silence is like all silence
    near = sound_fingerprint(waveform, rate_hz) if rate_hz >= LOWEST_HZ else None
    return audio_hashes(waveform), near


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
