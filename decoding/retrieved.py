"""What retrieval is worth: between a random item and the best that the corpus has."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from .identify import identification_accuracy
from .retrieval import Index, unit_rows

N_DRAWS = 100


def score_retrieval(
    index: Index,
    predicted: ArrayLike,
    true: ArrayLike,
    *,
    identity: str,
    seed: int,
    second: tuple[ArrayLike, ArrayLike] | None = None,
    n_draws: int = N_DRAWS,
) -> pd.DataFrame:
    """Score the items that predictions retrieve, with the oracle and chance beside.

    Parameters
    ----------
    index : Index
        The corpus.
    predicted, true : array of shape (n_stimuli, n_dimensions)
        Embedding of each stimulus as it was decoded, and as it is.
    identity : str
        What made `true`, and what `predicted` predicts (see `Index.search`).
    seed : int
        Of the random items.
    second : (array (n_items, n_other), array (n_stimuli, n_other)), optional
        A second, independent embedding of the corpus and of the stimuli. What is found
        by one embedding looks better by it than it is.
    n_draws : int
        Random items for each stimulus, over which chance is averaged.

    Returns
    -------
    scores : table
        One row each of `kind` 'retrieved', 'oracle' (the item nearest to the true
        embedding) and 'chance' (a random item), with `similarity` (mean cosine of
        item and stimulus), `identification` (`identification_accuracy` of the
        stimulus by its item), and for `second` the same two names with
        '_second'. `n_different` counts the different items of all stimuli.

    Raises
    ------
    InputError
        If the arrays do not fit each other or the index.
    """
    true = as_matrix(true, "true")
    tables = {"": (index.embeddings, true)}
    if second is not None:
        tables["_second"] = _second(index, second, len(true))
    retrieved = index.search(predicted, identity=identity).rows[:, 0]
    if len(retrieved) != len(true):
        raise InputError(
            f"predicted has {len(retrieved)} stimuli and true {len(true)}; row i of "
            "both must be the same stimulus."
        )
    oracle = index.search(true, identity=identity).rows[:, 0]
    rng = np.random.default_rng(seed)
    random = [rng.integers(0, len(index), len(true)) for _ in range(n_draws)]
    kinds = {"retrieved": [retrieved], "oracle": [oracle], "chance": random}
    rows = []
    for kind, draws in kinds.items():
        row = {"kind": kind, "n_stimuli": len(true)}
        row["n_different"] = int(np.mean([len(np.unique(draw)) for draw in draws]))
        for suffix, (items, stimuli) in tables.items():
            made = [_scores(items[draw], stimuli) for draw in draws]
            similarity, identification = np.mean(made, axis=0)
            row[f"similarity{suffix}"] = similarity
            row[f"identification{suffix}"] = identification
        rows.append(row)
    return pd.DataFrame(rows)


def _scores(items: Floats, stimuli: Floats) -> tuple[float, float]:
    cosine = (unit_rows(items, "items") * unit_rows(stimuli, "stimuli")).sum(axis=1)
    accuracy = identification_accuracy(items, stimuli)
    return float(cosine.mean()), float(accuracy.mean())


def _second(
    index: Index, second: tuple[ArrayLike, ArrayLike], n_stimuli: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    items, stimuli = (
        as_matrix(second[0], "second[0]"),
        as_matrix(second[1], "second[1]"),
    )
    if (len(items), len(stimuli)) != (len(index), n_stimuli):
        raise InputError(
            f"second has {len(items)} items and {len(stimuli)} stimuli, where the "
            f"index has {len(index)} and true {n_stimuli}. Embed the same, in the same "
            "order."
        )
    return items, stimuli
