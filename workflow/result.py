"""What a run left in its folder, for people: tables, notes and the page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from ..core.artefacts import artefacts_below, read_about
from ..core.checks import InputError
from ..study import Study, read_study
from .tables import read_table

MOST_ROWS = 12  # of a table in a notebook


@dataclass(frozen=True)
class Result:
    """What a run left in its folder; tables are read when they are asked for."""

    out: Path
    made: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()

    @property
    def roi_scores(self) -> pd.DataFrame:
        """Scores per subject, ROI, model and feature space, with 95 % intervals."""
        return self.table("roi_scores")

    @property
    def roi_differences(self) -> pd.DataFrame:
        """Paired differences of two feature spaces per subject and ROI."""
        return self.table("roi_differences")

    @property
    def voxel_scores(self) -> pd.DataFrame:
        """One row per subject, voxel, model, feature space and kind of score."""
        return self.table("voxel_scores")

    @property
    def truth(self) -> pd.DataFrame:
        """Simulated studies only: the planted and the recovered feature space."""
        return self.table("truth")

    @property
    def notes(self) -> list[str]:
        """What was left out or deserves a look."""
        return collect_notes(self.out)

    @property
    def report(self) -> Path:
        """The page that shows it all."""
        return self.out / "report" / "index.html"

    def _repr_html_(self) -> str:
        """Show in a notebook what there is: the folder, the page, scores per ROI."""
        page = escape(self.report.resolve().as_uri(), quote=True)
        text = (
            f"<p>Results in <code>{escape(str(self.out))}</code>: "
            f'<a href="{page}">report</a>, {len(self.notes)} notes.</p>'
        )
        scores = read_table(self.out / "tables", "roi_scores")
        if scores is None:
            return text
        return text + str(scores.to_html(max_rows=MOST_ROWS, index=False))

    def table(self, name: str) -> pd.DataFrame:
        """Return any table of the run by its name, such as 'decoding' or 'ceilings'.

        Raises
        ------
        InputError
            If the run has no such table.
        """
        table = read_table(self.out / "tables", name)
        if table is None:
            raise InputError(
                f"{self.out} has no table {name!r}. Run the study up to its tables "
                "first; truth is made for simulated studies only."
            )
        return table


def saved_study(out: Path) -> tuple[Study, list[str]]:
    """Return the study whose results lie in `out`, and its subjects that were run.

    Its paths start at `out`: results do not say where the study file was.

    Raises
    ------
    InputError
        If `out` holds no study's results.
    """
    try:
        about = json.loads((out / "about.json").read_text(encoding="utf-8"))
        study, subjects = about["study"], about["subjects"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{out} holds no results of a study: its about.json is missing or not "
            "ours. Give the folder that `brain2music run` wrote."
        ) from error
    return read_study(study, folder=out), subjects


def collect_notes(out: Path, subjects: Sequence[str] | None = None) -> list[str]:
    """Return the notes of every artefact below `out`, each once.

    With `subjects`, those of other subjects are left out.
    """
    found: dict[str, None] = {}
    for folder in artefacts_below(out):
        label = folder.name.removeprefix("sub-")
        theirs = folder.parent != out
        if theirs and subjects is not None and label not in subjects:
            continue
        about = read_about(folder)
        found.update(dict.fromkeys(about["notes"] if about else []))
    return list(found)
