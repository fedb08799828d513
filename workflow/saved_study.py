"""The study that a folder of results was made by, read from what it saved."""

from pathlib import Path

from ..core.artefacts import read_about
from ..core.checks import InputError
from ..study import Study
from .result import saved_study


def read_saved_study(out: Path) -> tuple[Study, list[str], str]:
    """Return the study, its subjects, and the identity of its tables.

    Raises
    ------
    InputError
        If `out` holds no study's results, or they have no tables yet.
    """
    study, subjects = saved_study(out)
    tables = read_about(out / "tables")
    if tables is None:
        raise InputError(f"{out} has no tables yet. Run the study first.")
    return study, subjects, tables["identity"]
