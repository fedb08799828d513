"""Notes: what the user should know, in one sentence each."""

import re
from collections.abc import Iterable


def summarise(notes: Iterable[str]) -> list[str]:
    """Return one note of each wording, with how many more differ in numbers alone.

    Examples
    --------
    >>> summarise(["run-1: 3 rows cut.", "run-2: 5 rows cut.", "no map."])
    ['run-1: 3 rows cut. (and 1 more like it)', 'no map.']
    """
    alike: dict[str, list[str]] = {}
    for note in notes:
        alike.setdefault(re.sub(r"\d+(\.\d+)?", "#", note), []).append(note)
    return [
        same[0] + (f" (and {len(same) - 1} more like it)" if same[1:] else "")
        for same in alike.values()
    ]
