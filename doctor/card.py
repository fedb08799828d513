"""What is said of a check: what it asks, what it finds, why it matters, what to do.

`modes` are numbers of the table of failure modes in docs/doctor.md.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["static", "shift", "null", "oracle", "invariance", "confounds", "saved"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Card:
    """One check.

    Parameters
    ----------
    title : str
        What is asked, as a statement that holds when the check passes.
    fault : str
        The same, as a statement that holds when it fails.
    topic : str
        The same, in words that hold whatever is found.
    kind : str
    weight : int
        3: numbers are of something else than they say. 2: they are biased, or of fewer
        data. 1: worth a look.
    modes : tuple of int
    why, advice : str
        What it does to the numbers, and what to do.
    """

    title: str
    fault: str
    topic: str
    kind: Kind
    weight: int
    modes: tuple[int, ...]
    why: str
    advice: str
