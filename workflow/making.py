"""Makes sound of what was decoded, and of its controls in exactly the same way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..decoding.candidates import Taken, take
from ..decoding.prior import prior_conditions
from ..decoding.sounds import Sound
from ..study import Study
from .alignment import Aligned
from .candidate_ranks import fit_likelihood
from .encoders import encoder_of
from .generators import Source
from .session import Session

Score = Callable[[str, Sound], float]
NAMES = {
    "real": "decoded",
    "random": "decoded of random responses",
    "mean": "mean decoded",
    "control": "decoded of the control ROI alone",
}


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes candidates of one clip's vector, and takes one of them.

    What is decoded and what is a control go the same way: as many candidates, of the
    same seeds, among which the same response chooses.

    Parameters
    ----------
    source : Source
    seconds : float
    n_candidates, seed : int
    score : callable or None
        From a clip and a candidate to a number; more is better. None takes the first.
    """

    source: Source
    seconds: float
    n_candidates: int
    seed: int
    score: Score | None

    def __call__(self, k: int, vector: NDArray[np.floating]) -> Taken:
        """Return what is taken of the candidates of clip number `k`."""
        made = self.source.generator.generate(
            vector,
            seconds=self.seconds,
            n_candidates=self.n_candidates,
            seed=self.seed + k,
        )
        score = self.score
        return take(made, score and partial(score, self.source.clips[k]))


def maker_of(session: Session, aligned: Aligned, source: Source) -> Maker:
    """Return what makes candidates; what ranks them is fitted before any is made."""
    settings = session.study.generation
    return Maker(
        source,
        settings.seconds,
        settings.n_candidates,
        settings.seed,
        _score_of(session, aligned, source) if settings.rank == "likelihood" else None,
    )


def make_all(session: Session, source: Source, maker: Maker) -> dict[str, list[Taken]]:
    """Return what is made of each clip: as decoded, and of each control.

    These are random responses, the mean of what was decoded and, where the study names
    a control ROI, what is decoded from that alone.
    """
    conditions = prior_conditions(source.vectors, seed=maker.seed, random=source.random)
    if source.control is not None:
        conditions["control"] = source.control
    made: dict[str, list[Taken]] = {}
    for name, vectors in conditions.items():
        text = f"{source.opened.name}: generating by {source.label} ({NAMES[name]})"
        advance = session.ticker(text, len(vectors))
        made[name] = []
        for k, vector in enumerate(vectors):
            made[name].append(maker(k, vector))
            advance(1)
    return made


def write_made(
    study: Study, source: Source, made: Sequence[Taken], folder: Path
) -> list[str]:
    """Write what was made of each clip with its provenance; return the files' names."""
    files = [f"clip-{k:03d}.wav" for k in range(len(made))]
    for clip, one, file in zip(source.clips, made, files, strict=True):
        one.write(folder / file, _facts(study, source, clip))
    return files


def candidate_of(study: Study) -> str:
    """Return how tables call the candidate that is taken."""
    settings = study.generation
    if settings.rank == "first":
        return "first"
    return f"most likely of {settings.n_candidates} by the response that is scored"


def _score_of(session: Session, aligned: Aligned, source: Source) -> Score:
    encoder = encoder_of(session.study, source.target)
    likelihood = fit_likelihood(session, aligned, source.target)

    def score(clip: str, sound: Sound) -> float:
        vector = encoder.heard([sound], f"a candidate of {clip}")
        return float(likelihood(clip, vector)[0])

    return score


def _facts(study: Study, source: Source, clip: str) -> Mapping[str, Any]:
    return {
        "clip": clip,
        "target": source.target,
        "target_source": source.encoder.source,
        "responses_simulated": study.dataset.simulated,
        "rank": study.generation.rank,
    }
