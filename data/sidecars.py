"""The sampling period (TR) that stands beside a recording, or in its header."""

import json
import math
from pathlib import Path
from typing import Any

from ..core.checks import InputError

LONGEST_TR_S = 60.0
SAME_TR_S = 1e-3


def sidecar_tr(path: Path) -> float | None:
    """Return `RepetitionTime` in seconds from the .json beside `path`, if it is there.

    Parameters
    ----------
    path : Path
        The recording; its sidecar has the same name with `.json` as its ending.

    Returns
    -------
    tr_s : float or None
        None if there is no sidecar, or it does not say.

    Raises
    ------
    InputError
        If the sidecar is no JSON object, or its TR is no time in seconds.
    """
    stem = path.name.removesuffix(".gz")
    sidecar = path.with_name(stem[: -len(Path(stem).suffix)] + ".json")
    if not sidecar.is_file():
        return None
    try:
        facts = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{sidecar} cannot be read as JSON: {error}.") from error
    if not isinstance(facts, dict):
        raise InputError(f"{sidecar} must hold one JSON object, not a list or a value.")
    tr_s = facts.get("RepetitionTime")
    return None if tr_s is None else checked_tr(tr_s, f"RepetitionTime in {sidecar}")


def checked_tr(tr_s: Any, what: str) -> float:
    """Return a TR as float, or say why it cannot be one in seconds."""
    is_number = isinstance(tr_s, int | float) and not isinstance(tr_s, bool)
    if not is_number or not math.isfinite(tr_s) or not 0 < tr_s <= LONGEST_TR_S:
        raise InputError(
            f"{what} is {tr_s!r}; a TR is a number of seconds above 0 and up to "
            f"{LONGEST_TR_S:g}. Correct it there (milliseconds?)."
        )
    return float(tr_s)


def agreed_tr(header_s: float | None, path: Path, who: str) -> float | None:
    """Return the TR that header and sidecar say, or refuse if they disagree.

    Parameters
    ----------
    header_s : float or None
        TR in seconds from the header; None if it does not say.
    path : Path
        The recording.
    who : str
        Subject and run, for messages.

    Returns
    -------
    tr_s : float or None
        The sidecar's, which is not rounded to float32; None if neither says.

    Raises
    ------
    InputError
        If they differ by more than a millisecond.
    """
    sidecar_s = sidecar_tr(path)
    if header_s is None or sidecar_s is None:
        return header_s if sidecar_s is None else sidecar_s
    if abs(header_s - sidecar_s) > SAME_TR_S:
        raise InputError(
            f"{who}: the header of {path.name} says a TR of {header_s:g} s, its "
            f"sidecar {sidecar_s:g} s. Find out which is right and correct the other."
        )
    return sidecar_s
