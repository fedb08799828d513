"""The study that a folder of results was made by, read from what it saved."""

import json
from pathlib import Path

from ..core.artefacts import read_about
from ..core.checks import InputError
from ..study import Study, read_study


def read_saved_study(out: Path) -> tuple[Study, list[str], str]:
    """Return the study, its subjects, and the identity of its tables.

    Raises
    ------
    InputError
        If `out` holds no study's results, or they have no tables yet.
    """
    try:
        about = json.loads((out / "about.json").read_text(encoding="utf-8"))
        study, subjects = about["study"], about["subjects"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{out} holds no results of a study: its about.json is missing or not "
            "ours. Give the folder that `brain2music run` wrote."
        ) from error
    tables = read_about(out / "tables")
    if tables is None:
        raise InputError(f"{out} has no tables yet. Run the study first.")
    return read_study(study, folder=out), subjects, tables["identity"]
