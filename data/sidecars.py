"""The times that stand beside a recording, or in its header: TR and reference time."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.checks import InputError

LONGEST_TR_S = 60.0
SAME_TR_S = 1e-3


@dataclass(frozen=True, slots=True)
class Timing:
    """What a recording's sidecar says of its times; None where it does not say.

    Parameters
    ----------
    tr_s : float or None
        Sampling period in seconds.
    start_s : float or None
        Reference time of each volume, in seconds after the volume begins: the
        `StartTime` that slice timing correction shifted every slice to.
    corrected : bool or None
        Whether slice timing was corrected.
    """

    tr_s: float | None = None
    start_s: float | None = None
    corrected: bool | None = None


def read_timing(path: Path) -> Timing:
    """Return what the .json beside `path` says of its times.

    Parameters
    ----------
    path : Path
        The recording; its sidecar has the same name with `.json` for its ending.

    Raises
    ------
    InputError
        If the sidecar is no JSON object, or its times are no times in seconds.
    """
    facts, sidecar = _facts(path)
    tr_s, start_s = facts.get("RepetitionTime"), facts.get("StartTime")
    corrected = facts.get("SliceTimingCorrected")
    if tr_s is not None:
        tr_s = checked_tr(tr_s, f"RepetitionTime in {sidecar}")
    if start_s is not None:
        start_s = _checked_start(start_s, tr_s, f"StartTime in {sidecar}")
    if corrected is not None and not isinstance(corrected, bool):
        raise InputError(
            f"SliceTimingCorrected in {sidecar} is {corrected!r}; it is true or false."
        )
    return Timing(tr_s, start_s, corrected)


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
    return read_timing(path).tr_s


def checked_tr(tr_s: Any, what: str) -> float:
    """Return a TR as float, or say why it cannot be one in seconds."""
    if not _is_number(tr_s) or not 0 < tr_s <= LONGEST_TR_S:
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


def _facts(path: Path) -> tuple[dict[str, Any], Path]:
    """Return the sidecar's content, empty if there is none, and where it is."""
    stem = path.name.removesuffix(".gz")
    stem = stem[: -len(Path(stem).suffix)]
    names = [stem, stem.removesuffix(".dtseries").removesuffix(".func")]
    places = [path.with_name(f"{name}.json") for name in dict.fromkeys(names)]
    sidecar = next((place for place in places if place.is_file()), None)
    sidecar = sidecar or _inherited(path)
    if sidecar is None:
        return {}, places[-1]
    try:
        facts = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{sidecar} cannot be read as JSON: {error}.") from error
    if not isinstance(facts, dict):
        raise InputError(f"{sidecar} must hold one JSON object, not a list or a value.")
    return facts, sidecar


def _inherited(path: Path) -> Path | None:
    """Return the nearest .json above that holds for a BIDS image, if there is one.

    Such as task-music_bold.json in the data set's root: its entities are among the
    image's, and its suffix is the image's. Folders above the root are not looked at.
    """
    parts = path.name.split(".")[0].split("_")
    entities, suffix = set(parts[:-1]), parts[-1]
    for folder in path.parents:
        for found in sorted(folder.glob(f"*{suffix}.json")):
            *theirs, last = found.stem.split("_")
            if last == suffix and set(theirs) <= entities:
                return found
        if (folder / "dataset_description.json").is_file():
            return None
    return None


def _checked_start(start_s: Any, tr_s: float | None, what: str) -> float:
    longest_s = LONGEST_TR_S if tr_s is None else tr_s
    if not _is_number(start_s) or not 0 <= start_s <= longest_s:
        raise InputError(
            f"{what} is {start_s!r}; the reference time of a volume is a number of "
            f"seconds from 0 to the TR ({longest_s:g}). Correct it there."
        )
    return float(start_s)


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and math.isfinite(value)
