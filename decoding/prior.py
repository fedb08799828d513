"""Whether a generator says what the brain said, or what it would have said anyway."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix
from .generation import Generator
from .identify import chance_with_ties, identification_accuracy
from .sounds import Sound

N_PERMUTATIONS = 1000
LEVEL = 0.05


@dataclass(frozen=True, eq=False, slots=True)
class PriorTest:
    """Identification of what was generated, from the brain and from controls.

    Parameters
    ----------
    table : table
        One row per conditioning: 'real', 'random', 'mean'.
    notes : tuple of str
        What the user should know; empty if the result stands.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def prior_domination(
    generator: Generator,
    embed: Callable[[Sequence[Sound]], Floats],
    embeddings: ArrayLike,
    targets: ArrayLike,
    *,
    seconds: float,
    seed: int,
    random: ArrayLike | None = None,
    n_permutations: int = N_PERMUTATIONS,
) -> PriorTest:
    """Identify stimuli by sound generated from the brain, from noise and from the mean.

    A generator makes music of whatever it is given. If its sound identifies stimuli no
    better from real than from random embeddings, it shows its prior alone.

    Parameters
    ----------
    generator : Generator
    embed : callable
        From sounds to an array of shape (n_sounds, n_other); best one that had no part
        in decoding.
    embeddings : array of shape (n_stimuli, n_dimensions)
        As decoded from the brain, one for each stimulus.
    targets : array of shape (n_stimuli, n_other)
        What `embed` makes of each stimulus as it was played.
    seconds : float
        How much is generated.
    seed : int
        Stimulus i has the same seed under each conditioning, and no other has it.
    random : array of shape (n_stimuli, n_dimensions), optional
        What the decoder makes of random responses. None draws Gaussian vectors with
        the mean and covariance of `embeddings`.
    n_permutations : int
        Of the stimuli, for p.

    Returns
    -------
    test : PriorTest
        Its table has `conditioning`, `identification` (mean `identification_accuracy`),
        `chance`, `p` (share of permutations, the true order counted, that do as
        well) and `n_stimuli`. 'random' and 'mean' must be at chance.

    Raises
    ------
    InputError
        If the arrays do not fit each other.
    """
    embeddings = as_matrix(embeddings, "embeddings").astype(np.float64)
    targets = as_matrix(targets, "targets")
    rng = np.random.default_rng(seed)
    drawn = _drawn(embeddings, rng) if random is None else as_matrix(random, "random")
    if len(targets) != len(embeddings) or drawn.shape != embeddings.shape:
        raise InputError(
            f"embeddings have shape {embeddings.shape}, random {drawn.shape} and "
            f"targets {targets.shape}; row i of all must be the same stimulus."
        )
    conditions = {
        "real": embeddings,
        "random": drawn,
        "mean": np.tile(embeddings.mean(axis=0), (len(embeddings), 1)),
    }
    rows = []
    for name, given in conditions.items():
        sounds = [
            generator.generate(vector, seconds=seconds, seed=seed + i).sound()
            for i, vector in enumerate(given)
        ]
        made = as_matrix(embed(sounds), f"embed of {name}")
        rows.append(
            {"conditioning": name, **_scored(made, targets, n_permutations, rng)}
        )
    table = pd.DataFrame(rows)
    return PriorTest(table, tuple(_notes(table)))


def _drawn(embeddings: Floats, rng: np.random.Generator) -> Floats:
    """Return Gaussian vectors with the mean and covariance of the embeddings."""
    n_stimuli = len(embeddings)
    if n_stimuli < 2:
        raise InputError("one embedding has no covariance. Give at least 2 stimuli.")
    mean = embeddings.mean(axis=0)
    mixed = rng.standard_normal((n_stimuli, n_stimuli)) @ (embeddings - mean)
    return mean + mixed / np.sqrt(n_stimuli - 1)


def _scored(
    made: Floats, targets: Floats, n_permutations: int, rng: np.random.Generator
) -> dict[str, float]:
    found = identification_accuracy(made, targets).mean()
    null = [
        identification_accuracy(rng.permutation(made), targets).mean()
        for _ in range(n_permutations)
    ]
    n_as_good = int((np.array(null) >= found - 1e-12).sum())
    return {
        "identification": float(found),
        "chance": chance_with_ties(targets),
        "p": (1 + n_as_good) / (1 + n_permutations),
        "n_stimuli": len(targets),
    }


def _notes(table: pd.DataFrame) -> list[str]:
    p = dict(zip(table["conditioning"], table["p"].astype(float), strict=True))
    notes = []
    if p["real"] >= LEVEL:
        notes.append(
            "What was generated from the brain identifies no stimulus above chance "
            f"(p = {p['real']:.3f}): the generator's prior dominates."
        )
    above = [name for name in ("random", "mean") if p[name] < LEVEL]
    if above:
        notes.append(
            f"What was generated from {' and '.join(above)} embeddings scores above "
            "chance, where it must not: targets leak into generation, or this is one "
            "of the 1 in 20 tests that do so by chance."
        )
    return notes
