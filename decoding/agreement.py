"""Whether what was made sounds like what was heard: the same classes on top.

Of each clip, a tagger's most probable classes in a group (genres, instruments, moods)
are compared between the original and what was retrieved or generated.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix, nearest
from .chance import clip_permutations, clip_resamples, interval, one_sided_p

N_PERMUTATIONS = 1000
N_RESAMPLES = 2000


class TiedClassesError(InputError):
    """Classes tie at the border of the top: either could be meant."""


@dataclass(frozen=True, slots=True)
class Group:
    """Classes that compete, and how many of them are taken."""

    classes: tuple[str, ...]
    n: int

    def __post_init__(self) -> None:
        if not 1 <= self.n < len(self.classes):
            raise InputError(
                f"n is {self.n} of {len(self.classes)} classes; take at least 1 and "
                "fewer than all."
            )


def paper_groups() -> dict[str, Group]:
    """Return the paper's groups: AudioSet's names of genres, instruments and moods.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music: Reconstructing music from
    human brain activity. arXiv 2307.11078, appendix A.1.3.

    Examples
    --------
    >>> {name: (len(g.classes), g.n) for name, g in paper_groups().items()}
    {'genres': (25, 2), 'instruments': (18, 2), 'moods': (6, 1)}
    """
    path = Path(__file__).with_name("class_groups.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Group(tuple(group["classes"]), group["n"])
        for name, group in content.items()
        if name != "source"
    }


def class_agreement(
    original: ArrayLike,
    made: ArrayLike,
    labels: Sequence[str],
    *,
    seed: int,
    groups: Mapping[str, Group] | None = None,
    n_permutations: int = N_PERMUTATIONS,
    n_resamples: int = N_RESAMPLES,
) -> pd.DataFrame:
    """Return how far the top classes of originals and of what was made agree.

    Parameters
    ----------
    original, made : array of shape (n_clips, n_classes)
        Probabilities of a tagger, or any score that ranks classes. Row i of both
        belongs to the same clip.
    labels : sequence of str
        Name of each class.
    seed : int
        Of the permutations and resamples.
    groups : mapping of str to Group, optional
        None takes `paper_groups`.
    n_permutations, n_resamples : int
        Of the clips, for p and for the interval.

    Returns
    -------
    agreement : table
        One row per group: `agreement` (mean over clips of intersection over union of
        the two sets of top classes), `chance` (its mean over all pairs of different
        clips), `low` and `high` (95% interval by bootstrap over clips), `p` (share of
        permutations, the true pairing counted, that agree as well), `n_clips`,
        `n_top` and `n_permutations`. Sets that clips share lift chance: it depends on
        the corpus and is never that of random classes.

    Raises
    ------
    InputError
        If arrays do not fit each other, or a class is not among the labels.
    TiedClassesError
        If classes tie at the border of the top.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music: Reconstructing music from
    human brain activity. arXiv 2307.11078, section on metrics.
    """
    original, made = as_matrix(original, "original"), as_matrix(made, "made")
    if original.shape != made.shape or original.shape[1] != len(labels):
        raise InputError(
            f"original has shape {original.shape}, made {made.shape}, and there are "
            f"{len(labels)} labels; row i of both must be the same clip, with a column "
            "per label."
        )
    if len(original) < 2:
        raise InputError("one clip has no other to be compared with. Give at least 2.")
    clips = np.arange(len(original))
    orders = clip_permutations(clips, n_permutations, seed=seed)
    drawn = clip_resamples(clips, n_resamples, seed=seed)
    rows = []
    for name, group in (paper_groups() if groups is None else groups).items():
        columns = _columns(labels, group, name)
        tops = [
            top_classes(table[:, columns], group.n, f"{name} of {which}")
            for table, which in ((original, "original"), (made, "made"))
        ]
        row = {"group": name, **_scored(overlaps(*tops), orders, drawn)}
        rows.append(row | {"n_top": group.n, "n_permutations": n_permutations})
    return pd.DataFrame(rows)


def top_classes(scores: Floats, n: int, name: str) -> NDArray[np.bool_]:
    """Return which classes are among the `n` highest of each row.

    Raises
    ------
    TiedClassesError
        If the last that is in and the first that is out tie: either could be meant.
    """
    order = np.sort(scores, axis=1)
    tied = order[:, -n] == order[:, -n - 1]
    if tied.any():
        raise TiedClassesError(
            f"{int(tied.sum())} of {len(scores)} clips have classes that tie at place "
            f"{n} ({name}), the first of them clip {int(np.argmax(tied))}. Give "
            "probabilities that are not rounded or cut."
        )
    return scores >= order[:, [-n]]


def overlaps(tops: NDArray[np.bool_], others: NDArray[np.bool_]) -> Floats:
    """Return intersection over union of each pair of sets, shape (n_tops, n_others).

    Examples
    --------
    >>> a = np.array([[True, True, False]])
    >>> b = np.array([[True, True, False], [False, True, True]])
    >>> overlaps(a, b).round(3)
    array([[1.   , 0.333]])
    """
    shared = tops.astype(np.float64) @ others.T.astype(np.float64)
    sizes = tops.sum(axis=1)[:, None] + others.sum(axis=1)
    return shared / (sizes - shared)


def missing_classes(labels: Sequence[str], group: Group) -> list[str]:
    """Return the classes of a group that are not among a tagger's labels.

    Examples
    --------
    >>> missing_classes(["Pop music", "Jazz"], Group(("Jazz", "Opera"), 1))
    ['Opera']
    """
    known = set(labels)
    return [one for one in group.classes if one not in known]


def _scored(
    pairs: Floats, orders: NDArray[np.intp], drawn: Sequence[NDArray[np.intp]]
) -> dict[str, float]:
    n_clips, each = len(pairs), np.diag(pairs)
    own, clips = float(each.mean()), np.arange(len(pairs))
    null = [pairs[clips, order].mean() for order in orders]
    low, high = interval([each[rows].mean() for rows in drawn])
    others = (pairs.sum() - each.sum()) / (n_clips * (n_clips - 1))
    return {
        "agreement": own,
        "chance": float(others),
        "low": low,
        "high": high,
        "p": one_sided_p(own, null),
        "n_clips": n_clips,
    }


def _columns(labels: Sequence[str], group: Group, name: str) -> NDArray[np.intp]:
    where = {label: k for k, label in enumerate(labels)}
    if missing := missing_classes(labels, group):
        raise InputError(
            f"{len(missing)} of {len(group.classes)} classes of {name} are not among "
            f"the tagger's {len(where)} labels, the first {missing[0]!r}."
            f"{nearest(missing[0], where)} Give groups in the tagger's own names."
        )
    return np.array([where[one] for one in group.classes], np.intp)
