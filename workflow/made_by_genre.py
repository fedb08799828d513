"""What music that was made is worth genre by genre, beside its oracle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..decoding.cards import Pool
from ..decoding.genres import identify_by_genre

Floats = NDArray[np.floating]
FILE = "embeddings.npz"
GENERATED, ORACLE = "generated", "oracle"


@dataclass(frozen=True, eq=False)
class Heard:
    """What one space hears in the stimuli, in what was made of them, and in the oracle.

    Parameters
    ----------
    space : str
        The feature space.
    source : str
        How tables name it.
    stimuli : array of shape (n_clips, n_dimensions)
    generated : array of shape (n_clips, n_dimensions)
    oracle : array of shape (n_clips, n_dimensions), or None
        Of the tracks that are nearest to the true targets; None where there is no
        corpus to search.
    """

    space: str
    source: str
    stimuli: Floats
    generated: Floats
    oracle: Floats | None = None


def write_heard(folder: Path, clips: Sequence[str], heard: Sequence[Heard]) -> None:
    """Write the vectors of each space as one NPZ file.

    It holds `clips`, `spaces` and `sources`, and of space number k `stimuli_k`,
    `generated_k` and, where there is one, `oracle_k`, in float32.
    """
    arrays: dict[str, Any] = {
        "clips": np.array(clips, dtype=np.str_),
        "spaces": np.array([one.space for one in heard], dtype=np.str_),
        "sources": np.array([one.source for one in heard], dtype=np.str_),
    }
    for k, one in enumerate(heard):
        for name in ("stimuli", GENERATED, ORACLE):
            vectors = getattr(one, name)
            if vectors is not None:
                arrays[f"{name}_{k}"] = np.asarray(vectors, dtype=np.float32)
    np.savez(folder / FILE, **arrays)


def read_heard(folder: Path) -> tuple[tuple[str, ...], list[Heard]]:
    """Return the clips and the vectors that `write_heard` wrote."""
    with np.load(folder / FILE, allow_pickle=False) as saved:
        names = zip(saved["spaces"].tolist(), saved["sources"].tolist(), strict=True)
        found = [
            Heard(
                space,
                source,
                saved[f"stimuli_{k}"],
                saved[f"{GENERATED}_{k}"],
                saved.get(f"{ORACLE}_{k}"),
            )
            for k, (space, source) in enumerate(names)
        ]
        return tuple(saved["clips"].tolist()), found


def genre_table(
    heard: Sequence[Heard], genres: Sequence[str], pool: Pool, **label: str
) -> pd.DataFrame:
    """Return identification of each genre's clips by what was made, and by the oracle.

    Parameters
    ----------
    heard : sequence of Heard
    genres : sequence of str
        Of each clip.
    pool : Pool
        Its clips, numbers of permutations and resamples, and seed.
    **label : str
        First columns of each row.

    Returns
    -------
    table : DataFrame
        `label`, `items` (what was made, or the oracle), `scored_by` and the columns of
        `identify_by_genre`.
    """
    tables = []
    for one in heard:
        for items in (GENERATED, ORACLE):
            vectors = getattr(one, items)
            if vectors is None:
                continue
            table = identify_by_genre(vectors, one.stimuli, genres=genres, pool=pool)
            labels = {**label, "items": items, "scored_by": one.source}
            for place, (name, value) in enumerate(labels.items()):
                table.insert(place, name, value)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)
