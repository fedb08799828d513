"""Music from an embedding, behind one interface, whatever makes it.

A generator that starts from noise loses most of what a weak vector says, so the usual
start is the item of a corpus that lies nearest to it (`AnchoredGenerator`).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.artefacts import package_versions
from ..core.checks import InputError, as_matrix
from .retrieval import Index
from .sounds import Sound, resampled, write_sound

PACKAGES = ("brain2music", "diffusers", "torch", "transformers")


@dataclass(frozen=True, eq=False, slots=True)
class Generated:
    """Sound that was made from an embedding.

    Parameters
    ----------
    audio : array of shape (n_candidates, n_points), float32
    rate_hz : int
    provenance : mapping
        What made it: generator, weights, settings, embedding, seeds; JSON types.
    """

    audio: NDArray[np.float32]
    rate_hz: int
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.audio.ndim != 2 or not np.isfinite(self.audio).all():
            raise InputError(
                f"generated sound has shape {self.audio.shape} or is not finite; it "
                "must be finite, one row per candidate. Are the weights damaged?"
            )

    def __len__(self) -> int:
        return len(self.audio)

    def sound(self, candidate: int = 0) -> Sound:
        """Return one candidate."""
        return Sound(self.audio[candidate], self.rate_hz)

    def write(self, path: Path, candidate: int = 0) -> None:
        """Write one candidate as .wav, and its provenance as .json beside it."""
        facts = {**self.provenance, "candidate": candidate}
        write_sound(path, self.sound(candidate), facts)


class Generator(Protocol):
    """Makes sound from an embedding."""

    def generate(
        self,
        embedding: ArrayLike,
        *,
        seconds: float,
        n_candidates: int = 1,
        seed: int = 0,
    ) -> Generated:
        """Return `n_candidates` sounds; the same seed gives the same ones."""


@dataclass(frozen=True, eq=False, slots=True)
class Anchor:
    """Sound that generation starts from, and what it is."""

    sound: Sound
    id: str


class StartingGenerator(Generator, Protocol):
    """A generator that can start from a sound."""

    def generate(
        self,
        embedding: ArrayLike,
        *,
        seconds: float,
        n_candidates: int = 1,
        seed: int = 0,
        anchor: Anchor | None = None,
    ) -> Generated:
        """Return `n_candidates` sounds; without an anchor they start from noise."""


class RetrievedSound:
    """Gives the nearest items of a corpus as they are; nothing is made.

    Parameters
    ----------
    index : Index
    identity : str
        What made the embeddings that will be asked for (see `Index.search`).
    sound_of : callable
        From an item's id to its sound.
    """

    def __init__(
        self, index: Index, identity: str, sound_of: Callable[[str], Sound]
    ) -> None:
        self.index, self.identity, self.sound_of = index, identity, sound_of

    def nearest(self, embedding: ArrayLike, k: int = 1) -> list[Anchor]:
        """Return the `k` nearest items with their sound, best first."""
        query = as_vector(embedding)[None]
        rows = self.index.search(query, k, identity=self.identity).rows[0]
        names = [self.index.ids[row] for row in rows]
        return [Anchor(self.sound_of(name), name) for name in names]

    def generate(
        self,
        embedding: ArrayLike,
        *,
        seconds: float,
        n_candidates: int = 1,
        seed: int = 0,  # noqa: ARG002 - nothing here is random
    ) -> Generated:
        """Return the start of the `n_candidates` nearest items, at their own rate.

        Candidates of several rates are brought to the highest of these, so that none
        loses what it holds; `item_rates_hz` of the provenance has their own.

        Raises
        ------
        InputError
            If an item is shorter than `seconds`.
        """
        anchors = self.nearest(embedding, n_candidates)
        rates = [anchor.sound.rate_hz for anchor in anchors]
        facts = {
            "generator": "retrieved",
            "items": [anchor.id for anchor in anchors],
            "item_rates_hz": rates,
            "embedding": vector_hash(embedding),
            "index": self.index.identity,
            "source": self.index.source,
        }
        n_points = round(seconds * max(rates))
        starts = [_start_at(anchor, seconds, max(rates)) for anchor in anchors]
        audio = np.stack([start[:n_points] for start in starts])
        return Generated(audio, max(rates), facts | versions())


class AnchoredGenerator:
    """Starts a generator from the nearest item of a corpus.

    Parameters
    ----------
    generator : StartingGenerator
    retrieved : RetrievedSound
        The corpus.
    """

    def __init__(self, generator: StartingGenerator, retrieved: RetrievedSound) -> None:
        self.generator, self.retrieved = generator, retrieved

    def generate(
        self,
        embedding: ArrayLike,
        *,
        seconds: float,
        n_candidates: int = 1,
        seed: int = 0,
        query: ArrayLike | None = None,
    ) -> Generated:
        """Return sounds that start from the item nearest to the embedding.

        Parameters
        ----------
        embedding : array of shape (n_dimensions,), or what the generator takes
        seconds, n_candidates, seed
            As in `Generator.generate`.
        query : array of shape (n_dimensions,), optional
            What the corpus is asked for, if it speaks another embedding than the
            generator; None asks for `embedding`.
        """
        asked = embedding if query is None else query
        (anchor,) = self.retrieved.nearest(asked)
        return self.generator.generate(
            embedding,
            seconds=seconds,
            n_candidates=n_candidates,
            seed=seed,
            anchor=anchor,
        )


def as_vector(embedding: ArrayLike) -> NDArray[np.floating]:
    """Return an embedding as a finite vector that is not 0.

    Raises
    ------
    InputError
        If it is anything else.
    """
    vector = np.asarray(embedding)
    if vector.ndim != 1:
        raise InputError(
            f"the embedding has shape {vector.shape}; give one vector. Average its "
            "windows, or generate for each."
        )
    vector = as_matrix(vector[None], "the embedding")[0].astype(np.float64)
    if not vector.any():
        raise InputError("the embedding has length 0, and says nothing to generate.")
    return vector


def start_of(anchor: Anchor, seconds: float) -> NDArray[np.float32]:
    """Return the first seconds of an anchor's waveform.

    Raises
    ------
    InputError
        If it is shorter.
    """
    n_points = round(seconds * anchor.sound.rate_hz)
    if not 0 < n_points <= len(anchor.sound.waveform):
        raise InputError(
            f"{anchor.id} lasts {anchor.sound.seconds:.2f} s, and {seconds} s are "
            "asked for. Ask for less, or leave short tracks out of the corpus."
        )
    return anchor.sound.waveform[:n_points].astype(np.float32)


def _start_at(anchor: Anchor, seconds: float, rate_hz: int) -> NDArray[np.float32]:
    """Return the first seconds of an anchor at a rate, as many points for each."""
    start = start_of(anchor, seconds)
    if anchor.sound.rate_hz == rate_hz:
        return start
    points = resampled(Sound(start, anchor.sound.rate_hz), rate_hz)
    # Rounding leaves a point or two between rates.
    return np.pad(points, (0, max(0, round(seconds * rate_hz) - len(points))))


def candidate_seeds(seed: int, n_candidates: int) -> list[int]:
    """Return one seed for each candidate, none shared with those of another seed.

    Raises
    ------
    InputError
        If no candidate is asked for.
    """
    if n_candidates < 1:
        raise InputError(f"n_candidates is {n_candidates}; ask for at least 1.")
    sequences = [np.random.SeedSequence([seed, k]) for k in range(n_candidates)]
    return [int(sequence.generate_state(1)[0]) for sequence in sequences]


def vector_hash(embedding: ArrayLike) -> str:
    """Return a hash of an embedding's values, in float64."""
    array = np.ascontiguousarray(embedding, dtype="<f8")
    return hashlib.sha256(f"{array.shape}".encode() + array.tobytes()).hexdigest()


def versions() -> dict[str, dict[str, str]]:
    """Return the versions of the packages that sound depends on."""
    return {"packages": package_versions(PACKAGES)}
