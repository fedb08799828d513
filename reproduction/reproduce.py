"""From a folder with a study of ds003720 to every number of the paper, on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..core.checks import MissingFileError
from ..study import load_study
from ..workflow.paper_figures import draw_paper
from ..workflow.pipeline import run
from ..workflow.result import Result
from ..workflow.session import Progress
from ..workflow.tables import read_table
from .numbers import compare_numbers
from .page import write_reproduction
from .sweeps import chosen_sweeps, run_sweeps

STUDY = "paper.toml"
FOLDER = "reproduction"
RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What was written.

    Parameters
    ----------
    page : Path
    numbers : DataFrame
        See `compare_numbers`.
    sweeps : DataFrame or None
        See `run_sweeps`.
    result : Result
        The run that the numbers are of.
    """

    page: Path
    numbers: pd.DataFrame
    sweeps: pd.DataFrame | None
    result: Result


def reproduce(
    folder: str | Path,
    *,
    study: str = STUDY,
    sweeps: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    progress: Progress = lambda _text, _done, _total: None,
) -> Reproduction:
    """Run a study of the paper's kind, and hold its numbers against published ones.

    Parameters
    ----------
    folder : path
        With a study file, as `brain2music init ds003720` writes it. Results go to
        `reproduction` in it; what is saved there and still true is not made again.
    study : str
        Name of the study file.
    sweeps : sequence of str, optional
        Which choices are read otherwise, in the first subject: all if None, none if
        empty.
    subjects : sequence of str, optional
        Only these of the study's subjects.
    progress : callable
        As for `run`.

    Returns
    -------
    reproduction : Reproduction

    Raises
    ------
    InputError
        As `run`, for the study as it is; a sweep that a study cannot have is a note. If
        there is no study file, or a sweep is not known.
    """
    folder = Path(folder)
    choices = chosen_sweeps(sweeps)
    path = folder / study
    if not path.is_file():
        raise MissingFileError(
            f"{path} is not there. Write it by: brain2music init ds003720 {folder}"
        )
    read = load_study(path)
    place = folder / FOLDER
    out = place / RESULTS
    result = run(read, out, subjects=subjects, progress=progress)
    chosen = list(subjects or read.dataset.subjects)
    notes = list(result.notes)
    found = None
    if choices:
        found, said = run_sweeps(read, out, choices, chosen[0], progress)
        notes += said
    figures = draw_paper(out, folder=place / "figures", progress=progress)
    numbers = compare_numbers(
        lambda name: read_table(out / "tables", name), _sources(out)
    )
    page = write_reproduction(
        place,
        study=read,
        out=out,
        subjects=chosen,
        numbers=numbers,
        sweeps=found,
        figures=figures,
        notes=notes,
    )
    return Reproduction(page, numbers, found, result)


def _sources(out: Path) -> dict[str, str]:
    """Return what stands in for each feature space."""
    scores = read_table(out / "tables", "roi_scores")
    if scores is None:
        return {}
    known = scores.dropna(subset=["source"])
    return dict(zip(known["feature_space"], known["source"], strict=True))
