"""The part of a study file that says what music is found or made of what is decoded."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from .core.checks import nearest
from .feature_spaces import STRICT, Count, Positive, Seed

Kind = Literal["musicldm", "audioldm", "audioldm2", "musicgen", "retrieved"]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Retrieval:
    """Which music is nearest to what was decoded; nothing if no target is named.

    `target` is one of `decoding.targets`: a network that hears sound, or captions of a
    joint model of sound and text. `corpus` is a folder of music, or a saved index of
    the same network, layer and windows; the first 15 s of each file are embedded.
    `checked_by` is a second feature space of kind 'network', which had no part in the
    search, by which what was found is scored as well. `approximate` searches by FAISS.
    """

    target: str | None = None
    corpus: str | None = None
    checked_by: str | None = None
    n_nearest: Count = 5
    approximate: bool = False
    n_permutations: Annotated[int, Field(ge=100)] = 1000
    n_resamples: Annotated[int, Field(ge=100)] = 1000
    seed: Seed = 0


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Generation:
    """Which generator makes music of what was decoded; nothing if none is named.

    `weights` is its folder (or id); 'retrieved' makes nothing and gives the nearest
    tracks. `target` None is that of `retrieval`. `start` 'anchored' starts from the
    nearest track of the corpus. `steps` are of denoising; `strength` says how far the
    nearest track is taken back to noise before, from 0 to 1 (None: 0.6), `guidance` how
    far generation is led away from what no text would give (None: 2, of MusicGen 3).
    MusicGen goes on from the first `anchor_s` of the nearest track (None: 5), and draws
    tokens at a `temperature` (None: 1).
    `n_clips` test clips are taken, evenly spread; None takes all. `rank` 'likelihood'
    takes, of `n_candidates`, the one under which an encoding model of the training
    runs finds the measured response most likely: the choice is then part of the decoder
    that is scored. `checked_by` is a second feature space of kind 'network' that scores
    what was made; None is that of `retrieval`. `tagger` is the folder (or id) of an AST
    whose classes are compared.
    """

    generator: Kind | None = None
    weights: str | None = None
    target: str | None = None
    start: Literal["anchored", "noise"] = "anchored"
    seconds: Positive = 10.0
    steps: Count = 200
    strength: Annotated[float, Field(gt=0, le=1)] | None = None
    guidance: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    anchor_s: Annotated[float, Field(ge=0.1, allow_inf_nan=False)] | None = None
    temperature: Positive | None = None
    n_candidates: Count = 1
    n_clips: Annotated[int, Field(ge=3)] | None = None
    rank: Literal["first", "likelihood"] = "first"
    checked_by: str | None = None
    tagger: str | None = None
    n_permutations: Annotated[int, Field(ge=100)] = 1000
    n_resamples: Annotated[int, Field(ge=100)] = 1000
    seed: Seed = 0

    @property
    def anchored(self) -> bool:
        """Whether it leans on the corpus."""
        return self.generator == "retrieved" or self.start == "anchored"


def reconstruction_problems(
    retrieval: Retrieval, generation: Generation, targets: tuple[str, ...]
) -> Iterator[str]:
    """Yield what cannot be although each value by itself could.

    `targets` are those of decoding.
    """
    if retrieval.target is None and retrieval != Retrieval():
        yield (
            "retrieval says how, and retrieval.target names nothing that was decoded. "
            f"Name one of decoding.targets: {', '.join(targets) or '(none yet)'}."
        )
    if retrieval.target is not None:
        yield from _not_decoded("retrieval", retrieval.target, targets)
        if retrieval.corpus is None:
            yield (
                "retrieval.corpus is missing: name a folder of music, or a saved index."
            )
        if retrieval.checked_by == retrieval.target:
            yield (
                "retrieval.checked_by is the target itself: what it found looks better "
                "by it than it is. Name another feature space, or leave it out."
            )
    yield from _generation_problems(retrieval, generation, targets)


def _generation_problems(
    retrieval: Retrieval, generation: Generation, targets: tuple[str, ...]
) -> Iterator[str]:
    if generation.generator is None:
        if generation != Generation():
            yield (
                "generation says how, and generation.generator names none. Name one, "
                "or leave the section out."
            )
        return
    yield from _unused_keys(generation)
    target = generation.target or retrieval.target
    if target is None:
        yield "generation.target is missing: name one of decoding.targets."
    else:
        yield from _not_decoded("generation", target, targets)
    if target is not None and generation.checked_by == target:
        yield (
            "generation.checked_by is the target itself: what was made of it looks "
            "better by it than it is. Name another feature space, or leave it out."
        )
    if generation.anchored and retrieval.target is None:
        yield (
            "generation starts from the nearest track of a corpus, and there is no "
            "[retrieval] that names one. Add it, or set generation.start = 'noise'."
        )
    elif generation.anchored and target != retrieval.target:
        yield (
            f"generation.target is {target!r}, and the corpus is searched by "
            f"{retrieval.target!r}. Take the same, or set generation.start = 'noise'."
        )
    if (generation.generator == "retrieved") != (generation.weights is None):
        yield (
            "generation.weights is the folder of the generator's weights; 'retrieved' "
            "has none, and every other generator needs it."
        )
    if (generation.rank == "likelihood") != (generation.n_candidates > 1):
        yield (
            f"generation.rank is {generation.rank!r} and n_candidates "
            f"{generation.n_candidates}: 'likelihood' chooses among several, and "
            "'first' takes the only one."
        )


def _unused_keys(generation: Generation) -> Iterator[str]:
    """Yield keys that the generator has no use for, or that leave it nothing to do."""
    kind, usual = generation.generator, Generation()
    diffuses = kind not in ("musicgen", "retrieved")
    if generation.steps != usual.steps and not diffuses:
        yield f"generation.steps are of denoising, and {kind!r} has none. Leave it out."
    if generation.start == "noise" and kind == "retrieved":
        yield (
            "generation.start = 'noise' makes sound of nothing, and 'retrieved' gives "
            "tracks of the corpus. Leave it out."
        )
    if generation.guidance is not None and kind == "retrieved":
        yield "generation.guidance leads a generator, and 'retrieved' makes nothing."
    yield from _of_musicgen(generation)
    strength = generation.strength
    if strength is None:
        return
    if not diffuses or generation.start == "noise":
        what = f"{kind!r} takes none" if not diffuses else "start = 'noise' has none"
        yield (
            "generation.strength says how far the nearest track is taken back to noise "
            f"before it is denoised, and {what}. Leave it out."
        )
    elif round(strength * generation.steps) < 1:
        yield (
            f"generation.strength {strength:g} of {generation.steps} steps is less "
            "than half a step: the nearest track would come back unchanged. Raise one."
        )


def _of_musicgen(generation: Generation) -> Iterator[str]:
    for name in ("anchor_s", "temperature"):
        given = getattr(generation, name) is not None
        if given and generation.generator != "musicgen":
            yield (
                f"generation.{name} is for 'musicgen', and not "
                f"{generation.generator!r}. Leave it out."
            )


def _not_decoded(section: str, name: str, targets: tuple[str, ...]) -> Iterator[str]:
    if name not in targets:
        yield (
            f"{section}.target is {name!r}, which is not among decoding.targets: "
            f"{', '.join(targets) or '(none)'}.{nearest(name, targets)}"
        )
