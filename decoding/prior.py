"""Whether a generator says what the brain said, or what it would have said anyway."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix
from .chance import clip_resamples, interval, one_sided_p
from .generation import Generator
from .identify import chance_with_ties, identification_accuracy
from .ranks import n_tied
from .sounds import Sound

N_PERMUTATIONS = 1000
N_RESAMPLES = 2000
LEVEL = 0.05


@dataclass(frozen=True, eq=False, slots=True)
class PriorTest:
    """Identification of what was generated, from the brain and from controls.

    Parameters
    ----------
    table : table
        One row per conditioning: 'real', 'random', 'mean'; see `prior_table`.
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
        See `prior_table`. 'random' and 'mean' must be at chance.

    Raises
    ------
    InputError
        If the arrays do not fit each other.
    """
    conditions = prior_conditions(embeddings, seed=seed, random=random)
    n_stimuli = len(conditions["real"])
    if len(np.asarray(targets)) != n_stimuli:
        raise InputError(
            f"there are {n_stimuli} embeddings and {len(np.asarray(targets))} targets; "
            "row i of all must be the same stimulus."
        )
    made = {}
    for name, given in conditions.items():
        sounds = [
            generator.generate(vector, seconds=seconds, seed=seed + i).sound()
            for i, vector in enumerate(given)
        ]
        made[name] = embed(sounds)
    table = prior_table(made, targets, seed=seed, n_permutations=n_permutations)
    return PriorTest(table, tuple(prior_notes(table)))


def prior_conditions(
    embeddings: ArrayLike, *, seed: int, random: ArrayLike | None = None
) -> dict[str, Floats]:
    """Return what a generator is given: from the brain, at random, and the mean.

    Parameters
    ----------
    embeddings : array of shape (n_stimuli, n_dimensions)
    seed : int
    random : array of shape (n_stimuli, n_dimensions), optional
        As in `prior_domination`.

    Returns
    -------
    conditions : dict of 'real', 'random' and 'mean' to array of the same shape

    Raises
    ------
    InputError
        If there is one stimulus, or `random` has another shape.
    """
    embeddings = as_matrix(embeddings, "embeddings").astype(np.float64)
    rng = np.random.default_rng(seed)
    drawn = _drawn(embeddings, rng) if random is None else as_matrix(random, "random")
    if drawn.shape != embeddings.shape:
        raise InputError(
            f"embeddings have shape {embeddings.shape} and random {drawn.shape}; "
            "row i of both must be the same stimulus."
        )
    mean = np.tile(embeddings.mean(axis=0), (len(embeddings), 1))
    return {"real": embeddings, "random": drawn, "mean": mean}


def prior_table(
    made: Mapping[str, ArrayLike],
    targets: ArrayLike,
    *,
    seed: int,
    n_permutations: int = N_PERMUTATIONS,
    n_resamples: int = N_RESAMPLES,
) -> pd.DataFrame:
    """Return how well stimuli are identified by what was made under each conditioning.

    Parameters
    ----------
    made : mapping of conditioning to array of shape (n_stimuli, n_other)
        What was made of each stimulus, embedded.
    targets : array of shape (n_stimuli, n_other)
        Each stimulus as it was played, embedded.
    seed, n_permutations, n_resamples : int

    Returns
    -------
    table : table
        A row per `conditioning`: `identification` (mean `identification_accuracy`),
        `chance`, `low` and `high` (95% interval by bootstrap over stimuli), `p` (share
        of permutations of stimuli, the true order counted, that do as well),
        `n_stimuli`, `n_ties` (pairs of stimuli with one target) and `n_permutations`.

    Raises
    ------
    InputError
        If row i of all cannot be the same stimulus.
    """
    targets = as_matrix(targets, "targets")
    n_ties = n_tied(targets, ~np.eye(len(targets), dtype=bool))
    rng = np.random.default_rng([seed, 1])  # apart from what drew the embeddings
    rows = []
    for name, given in made.items():
        vectors = as_matrix(given, f"what was made of {name}")
        if vectors.shape != targets.shape:
            raise InputError(
                f"what was made of {name} has shape {vectors.shape} and targets "
                f"{targets.shape}; row i of both must be the same stimulus."
            )
        each = identification_accuracy(vectors, targets)
        null = [
            identification_accuracy(rng.permutation(vectors), targets).mean()
            for _ in range(n_permutations)
        ]
        drawn = clip_resamples(np.arange(len(each)), n_resamples, seed=seed)
        low, high = interval([each[rows_].mean() for rows_ in drawn])
        found = float(each.mean())
        row = {"conditioning": name, "identification": found}
        row |= {"chance": chance_with_ties(targets), "low": low, "high": high}
        row |= {"p": one_sided_p(found, null), "n_stimuli": len(targets)}
        rows.append(row | {"n_ties": n_ties, "n_permutations": n_permutations})
    return pd.DataFrame(rows)


def _drawn(embeddings: Floats, rng: np.random.Generator) -> Floats:
    """Return Gaussian vectors with the mean and covariance of the embeddings."""
    n_stimuli = len(embeddings)
    if n_stimuli < 2:
        raise InputError("one embedding has no covariance. Give at least 2 stimuli.")
    mean = embeddings.mean(axis=0)
    mixed = rng.standard_normal((n_stimuli, n_stimuli)) @ (embeddings - mean)
    return mean + mixed / np.sqrt(n_stimuli - 1)


def prior_notes(table: pd.DataFrame) -> list[str]:
    """Return what the user should know of a `prior_table`; nothing if it stands."""
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


def ranking_notes(table: pd.DataFrame) -> list[str]:
    """Return how far a choice among candidates gets without what was decoded.

    Parameters
    ----------
    table : table
        A `prior_table` of candidates that were chosen by the measured response. Here
        'random' and 'mean' may lie above chance: the response chose among them.
    """
    by = table.set_index("conditioning")[["identification", "p"]].astype(float)
    random, mean = (
        f"{found:.3f} (p = {p:.3f})"
        for found, p in by.loc[["random", "mean"]].to_numpy()
    )
    return [
        "Candidates of random embeddings, chosen among in the same way, identify "
        f"stimuli by {random}, and those of the mean embedding by {mean}: as much as "
        "that is the choice by the measured response, and not what was decoded."
    ]
