"""Opens a study's generator beside what it is to make music of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checkpoints import find_folder, folder_identity
from ..core.checks import InputError
from ..data.stimuli import ClipSource
from ..decoding.diffusion import DiffusionGenerator, Settings
from ..decoding.generation import (
    AnchoredGenerator,
    Generated,
    Generator,
    RetrievedSound,
    vector_hash,
)
from ..decoding.generators import open_alone
from ..decoding.musicgen import MusicgenGenerator, Sampling
from ..decoding.pipelines import find_pipeline
from ..decoding.sounds import Sound, read_start
from ..decoding.tiny import UNTRAINED
from ..study import Study
from .alignment import Aligned
from .corpus import OpenCorpus
from .decoded_clips import read_decoded
from .encoders import Encoder, encoder_of, stimuli_of
from .excerpts import spread
from .opening import Opened
from .retrieval import Searched, nearest
from .session import Session

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Source:
    """What music is made of, and by what.

    Parameters
    ----------
    opened : Opened
    target : str
    encoder : Encoder
        Of the target.
    clips : tuple of str
    vectors : array of shape (n_clips, n_dimensions)
        As decoded.
    random : array of shape (n_clips, n_dimensions)
        As decoded from random responses.
    control : array of shape (n_clips, n_dimensions), or None
        As decoded from the control ROI alone, where the study names one.
    sounds : mapping of clip to its sound
    corpus : OpenCorpus or None
        Tracks that are long enough and no stimuli.
    generator : Generator
    label, start : str
        How tables name it, and what it starts from.
    notes : list of str
    """

    opened: Opened
    target: str
    encoder: Encoder
    clips: tuple[str, ...]
    vectors: Floats
    random: Floats
    control: Floats | None
    sounds: Mapping[str, ClipSource]
    corpus: OpenCorpus | None
    generator: Generator
    label: str
    start: str
    notes: list[str]

    def sources_for(self, study: Study, name: str) -> dict[str, ClipSource]:
        """Return the sound of each clip by the keys of a feature space."""
        every = stimuli_of(study, self.opened, name)
        return {
            clip: every.get(clip, ClipSource(clip, Path(clip))) for clip in self.clips
        }

    def nearest_tracks(self, study: Study, vectors: Floats) -> list[Sound] | None:
        """Return the track nearest to each vector; None where there is no sound."""
        if self.corpus is None or not self.corpus.files:
            return None
        index = self.corpus.index
        rows = nearest(study, index, vectors, 1)[0].rows[:, 0]
        return [read_start(self.corpus.files[index.ids[row]]) for row in rows]


class AnchorAlone:
    """A generator that goes on from the nearest track, and is told nothing else."""

    def __init__(self, generator: AnchoredGenerator, n_dimensions: int) -> None:
        self.generator, self.n_dimensions = generator, n_dimensions

    def generate(
        self,
        embedding: ArrayLike,
        *,
        seconds: float,
        n_candidates: int = 1,
        seed: int = 0,
    ) -> Generated:
        """Return sounds; the embedding chooses the track alone."""
        made = self.generator.generate(
            np.zeros((1, self.n_dimensions)),
            seconds=seconds,
            n_candidates=n_candidates,
            seed=seed,
            query=embedding,
        )
        facts = {
            **made.provenance,
            "conditioned_by": "its anchor alone",
            "query": vector_hash(embedding),
        }
        return Generated(made.audio, made.rate_hz, facts)


def target_of(study: Study) -> str:
    """Return what music is made of."""
    return str(study.generation.target or study.retrieval.target)


def place_of(study: Study, name: str) -> str | Path:
    """Return a folder that starts at the study file, or an id of the user's cache."""
    local = study.folder / name
    return local if local.is_dir() else name


def hint_of(name: str) -> str:
    """Return what to do where neither a folder nor the cache has these weights."""
    return (
        f"Name its folder, from the study file; or, if {name} is an id of the hub, "
        f"run: hf download {name}"
    )


def judge_of(study: Study) -> str | None:
    """Return the second space that scores what is made, if there is one."""
    return study.generation.checked_by or study.retrieval.checked_by


def settings_of(study: Study) -> Settings | Sampling | None:
    """Return how the generator is run: what the study says, else the defaults."""
    one = study.generation
    names = ("strength", "guidance", "anchor_s", "temperature")
    every: dict[str, Any] = {name: getattr(one, name) for name in names}
    given = {name: value for name, value in every.items() if value is not None}
    if one.generator == "retrieved":
        return None
    if one.generator == "musicgen":
        return Sampling(**given)
    return Settings(steps=one.steps, **given)


def start_seconds(study: Study) -> float:
    """Return how much of a track's start is heard by what starts from it, in s."""
    settings = settings_of(study)
    if isinstance(settings, Sampling):
        return settings.anchor_s
    return study.generation.seconds


def start_key(study: Study) -> str:
    """Return which key of the study says so."""
    return "anchor_s" if study.generation.generator == "musicgen" else "seconds"


def weights_of(study: Study) -> str:
    """Return the identity of the generator's weights, '' where it has none."""
    settings = study.generation
    if settings.weights is None:
        return ""
    place = place_of(study, settings.weights)
    if settings.generator == "musicgen":
        return folder_identity(find_folder(place), weights=True)
    return folder_identity(find_pipeline(place), weights=True)


def open_source(
    session: Session, aligned: Aligned, ready: Callable[[], Searched]
) -> Source:
    """Open the generator, with the decoded clips and the corpus that it starts from.

    Raises
    ------
    InputError
        If too few tracks of the corpus are long enough.
    """
    study, opened = session.study, aligned.opened
    settings, target = study.generation, target_of(study)
    notes: list[str] = []
    corpus = None
    if settings.anchored:
        searched = ready()
        decoded = searched.decoded
        corpus, notes = _long_enough(study, searched.corpus, opened)
    else:
        decoded = read_decoded(session, aligned, target)
    encoder = encoder_of(study, target)
    generator, label, said = _open(study, corpus, encoder)
    chosen = spread(len(decoded.clips), settings.n_clips)
    every = stimuli_of(study, opened, target)
    clips = tuple(decoded.clips[k] for k in chosen)
    return Source(
        opened=opened,
        target=target,
        encoder=encoder,
        clips=clips,
        vectors=decoded.vectors[chosen],
        random=decoded.random[chosen],
        control=None if decoded.control is None else decoded.control[chosen],
        sounds={clip: every[clip] for clip in clips if clip in every},
        corpus=corpus,
        generator=generator,
        label=label,
        start="nearest track" if settings.anchored else "noise",
        notes=[*notes, *said],
    )


def _long_enough(
    study: Study, corpus: OpenCorpus, opened: Opened
) -> tuple[OpenCorpus, list[str]]:
    """Leave out tracks that are shorter than what shall start from them."""
    settings, needed = study.generation, start_seconds(study)
    kept = np.array([corpus.seconds[name] >= needed for name in corpus.index.ids])
    if not kept.any():
        raise InputError(
            f"{opened.name}: no track of the corpus lasts {needed:g} s. Ask for less "
            f"in generation.{start_key(study)}."
        )
    if settings.generator == "retrieved" and kept.sum() < settings.n_candidates:
        raise InputError(
            f"{opened.name}: generation.n_candidates is {settings.n_candidates}, and "
            f"{int(kept.sum())} tracks of the corpus last {needed:g} s and are no test "
            "stimuli. Ask for fewer, or give a larger corpus."
        )
    if kept.all():
        return corpus, []
    note = f"{int((~kept).sum())} tracks shorter than {needed:g} s start nothing."
    return corpus.part(kept), [note]


def _open(
    study: Study, corpus: OpenCorpus | None, encoder: Encoder
) -> tuple[Generator, str, list[str]]:
    settings = study.generation
    retrieved = None
    if corpus is not None:
        retrieved = RetrievedSound(corpus.index, encoder.identity, _sound_of(corpus))
    if settings.generator == "retrieved" and retrieved is not None:
        return retrieved, "retrieved", []
    kind, place = str(settings.generator), place_of(study, str(settings.weights))
    alone = open_alone(
        kind,
        place,
        settings=settings_of(study),
        device=encoder.network.device,
    )
    assert isinstance(alone, DiffusionGenerator | MusicgenGenerator)
    label, notes = f"{kind}, {Path(str(settings.weights)).name}", []
    if not alone.about["trained"]:
        label += " (random weights)"
        notes.append(
            f"{kind} has random weights and was never trained: what it makes is noise "
            "that shows the path alone."
        )
    if isinstance(alone, DiffusionGenerator) and not hasattr(
        alone.pipeline.text_encoder, "audio_model"
    ):
        notes.append(
            f"the weights of {kind} hold CLAP's text tower only: whether it is the "
            f"CLAP of features.{encoder.name} could not be seen."
        )
    if retrieved is None:
        return alone, label, notes
    anchored = AnchoredGenerator(alone, retrieved)
    if isinstance(alone, DiffusionGenerator):
        return anchored, label, notes
    notes.append(
        f"{kind} hears the nearest track alone: it takes states of its text encoder, "
        "which the decoded embedding is not, however wide."
    )
    return AnchorAlone(anchored, alone.n_dimensions), label, notes


def _sound_of(corpus: OpenCorpus) -> Any:
    """Return what reads a track, at the rate of its own file."""

    def sound_of(name: str) -> Sound:
        return read_start(corpus.files[name])

    return sound_of


def is_untrained(folder: Path) -> bool:
    """Return whether weights say that they are random."""
    return (folder / UNTRAINED).exists()
