"""The sound of the test clips, as short excerpts that a browser plays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ..core.checks import InputError
from ..data.stimuli import ClipSource, read_clip, shape_clip
from ..feature_spaces import NetworkFeatures, SoundFeatures
from ..study import Study, load_study
from ..workflow.heard import pieces_of
from ..workflow.opening import open_subject

SECONDS = 10.0
MP3_RATES = (16000, 22050, 24000, 32000)  # in Hz; one channel, about 60 kB for 10 s


@dataclass(frozen=True)
class Sounds:
    """Where the excerpt of each clip lies, and what is to be said of them."""

    files: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A clip's piece of its sound file, and how it was shaped before it was heard."""

    sound: ClipSource
    fade_s: float
    rms: float | None


def write_sounds(
    folder: Path, study_file: Path | None, subjects: Sequence[str], clips: Sequence[str]
) -> Sounds:
    """Write an excerpt of each clip below `folder`, as far as the study has its sound.

    Parameters
    ----------
    folder : Path
    study_file : Path, optional
        The study file: results do not say where the sound lies. None writes nothing.
    subjects : sequence of str
    clips : sequence of str
        Clips that can be asked for.

    Raises
    ------
    InputError
        If a sound that the study names cannot be read.
    """
    if not clips:
        return Sounds(note="The test rows name no clips, so none can be ranked.")
    if study_file is None:
        return Sounds(
            note="Names of clips alone: give --study STUDY.toml to hear them."
        )
    sources = find_sounds(load_study(study_file), subjects, clips)
    if not sources:
        return Sounds(
            note="Names of clips alone: no feature space of this study is made from "
            "the sound of its clips."
        )
    files = {}
    for number, clip in enumerate(name for name in clips if name in sources):
        files[clip] = f"sounds/{number:03d}.mp3"
        write_excerpt(folder / files[clip], sources[clip])
    missing = len(clips) - len(files)
    note = f"Excerpts of {SECONDS:g} s at most, as they were heard (MP3)."
    return Sounds(files, note + (f" {missing} clips have no sound." if missing else ""))


def find_sounds(
    study: Study, subjects: Sequence[str], clips: Sequence[str]
) -> dict[str, Source]:
    """Return the sound of each test clip, from the first space made of sound."""
    found: dict[str, Source] = {}
    kinds = (SoundFeatures, NetworkFeatures)
    names = [n for n, space in study.features.items() if isinstance(space, kinds)]
    if not names:
        return found
    for subject in subjects:
        if set(clips) <= set(found):
            break
        for clip, source in _test_sounds(study, subject, names[0]):
            if clip in clips:
                found.setdefault(clip, source)
    return found


def _test_sounds(study: Study, subject: str, name: str) -> Iterator[tuple[str, Source]]:
    space = study.features[name]
    fade_s, rms = getattr(space, "fade_s", 0.0), getattr(space, "rms", None)
    opened = open_subject(study, subject)
    for run in opened.split.test:
        for piece in pieces_of(study, opened, run, name)[0]:
            yield piece.sound.clip, Source(piece.sound, fade_s, rms)


def write_excerpt(path: Path, source: Source) -> None:
    """Write the start of a clip as MP3 of one channel, shaped as it was heard.

    Only one that would be too loud for the file is turned down, as a whole.
    """
    clip = source.sound
    waveform, rate_hz = read_clip(clip.path, start_s=clip.start_s, end_s=clip.end_s)
    shaped = shape_clip(
        waveform, rate_hz, fade_s=source.fade_s, rms=source.rms, name=clip.clip
    )[: round(SECONDS * rate_hz)]
    rate = min((r for r in MP3_RATES if r >= rate_hz), default=MP3_RATES[-1])
    excerpt = soxr.resample(shaped, rate_hz, rate)
    peak = float(np.abs(excerpt).max(initial=0.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        soundfile.write(path, excerpt / max(peak, 1.0), rate, format="MP3")
    except (soundfile.SoundFileError, ValueError) as error:
        raise InputError(
            f"the excerpt of {clip.clip} cannot be written as MP3: {error}. Install a "
            "soundfile whose libsndfile is 1.1 or later, or leave --study out."
        ) from error
