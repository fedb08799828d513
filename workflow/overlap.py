"""Which items of a corpus are the test stimuli themselves: these are left out."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..data.duplicates import audio_hashes, near_duplicates, sound_fingerprint
from ..data.stimuli import ClipSource, read_clip
from ..decoding.retrieval import Index
from ..decoding.sounds import read_start

N_NEAR = 3  # items nearest to a stimulus whose sound is compared with its own
LOWEST_HZ = 16_000  # below, a fingerprint has no upper bands
MIN_CLIPS = 20  # to say what is near

UNKNOWN = "near duplicates of stimuli were not looked for in the corpus"

Print = tuple[tuple[str, ...], NDArray[np.float64] | None]


def find_stimuli(
    index: Index,
    files: Mapping[str, Path],
    sources: Mapping[str, ClipSource],
    vectors: NDArray[np.floating],
) -> tuple[dict[str, str], list[str]]:
    """Return the items that are a stimulus, each with the reason, and notes.

    An item is one if its file has the name of the stimulus or of its file, or if it
    is among the three that lie nearest to the stimulus and has the same sound (see
    `data.duplicates`): at any level, or as a near duplicate.

    Parameters
    ----------
    index : Index
    files : mapping of id to Path
        Empty for a saved index, whose items are told by name alone.
    sources : mapping of clip to its sound
        The test stimuli; their sound may be missing, and then names alone tell.
    vectors : array of shape (n_stimuli, n_dimensions)
        Embeddings of the stimuli, in the order of `sources`.
    """
    names = {
        name: clip
        for clip, source in sources.items()
        for name in (clip, source.path.stem)
    }
    found: dict[str, str] = {}
    for item in index.ids:
        for name in (item, Path(item).stem, files.get(item, Path(item)).stem):
            if name in names:
                found[item] = f"has the name of {names[name]}"
    if not files:
        return found, []
    k = min(N_NEAR, len(index))
    rows = index.search(vectors, k, identity=index.identity).rows
    same, notes = _same_sound(index.ids, files, sources, rows)
    return same | found, notes


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
    if len(items) < MIN_CLIPS or not clips:
        return {}, [f"{UNKNOWN}: only {len(items)} of its tracks could be compared."]
    try:
        pairs, _, _ = near_duplicates(
            np.array(list(items.values())),
            np.array(list(clips.values())),
            train_clips=[f"corpus: {name}" for name in items],
            test_clips=[f"stimulus: {name}" for name in clips],
        )
    except InputError as error:
        return {}, [f"{UNKNOWN}: {error}"]
    found = {
        item.removeprefix("corpus: "): "sounds almost as "
        + clip.removeprefix("stimulus: ")
        for item, clip in zip(pairs["train_clip"], pairs["test_clip"], strict=True)
    }
    return found, []


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
