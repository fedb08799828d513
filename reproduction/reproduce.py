"""From a folder with a study of ds003720 to every number of the paper, on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from ..core.checks import MissingFileError
from ..study import Study, load_study
from ..workflow.paper_figures import draw_paper
from ..workflow.pipeline import run
from ..workflow.result import Result, collect_notes
from ..workflow.session import Progress
from ..workflow.tables import read_table
from .numbers import Ours, compare_numbers
from .page import write_reproduction
from .sweeps import Swept, chosen_sweeps, run_sweeps

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

    The page is written once before the sweeps, which take longest, and again after.

    Parameters
    ----------
    folder : path
        With a study file, as `brain2music init ds003720` writes it. Results go to
        `reproduction` in it; what is saved there and still true is not made again.
    study : str
        Name of the study file. Results of another one than paper.toml, such as
        across.toml, go to `reproduction-across`.
    sweeps : sequence of str, optional
        Which choices are read otherwise, in the first subject: all if None, none if
        'none' is the only one.
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
        raise _missing(path)
    read = load_study(path)
    place = folder / (FOLDER if study == STUDY else f"{FOLDER}-{path.stem}")
    out = place / RESULTS
    result = run(read, out, subjects=subjects, progress=progress)
    chosen = list(subjects or read.dataset.subjects)
    figures = draw_paper(out, folder=place / "figures", progress=progress)

    def write(swept: Swept | None) -> Reproduction:
        numbers = compare_numbers(_ours(read, out, swept))
        notes = collect_notes(out, chosen)
        page = write_reproduction(
            place,
            study=read,
            out=out,
            subjects=chosen,
            numbers=numbers,
            sweeps=None if swept is None else swept.table,
            figures=figures,
            notes=notes if swept is None else [*notes, *swept.notes],
        )
        table = None if swept is None else swept.table
        return Reproduction(page, numbers, table, result)

    done = write(None)
    if not choices:
        return done
    return write(run_sweeps(read, out, choices, chosen[0], progress))


def _missing(path: Path) -> MissingFileError:
    if path.name == STUDY:
        how = f"Write it by: brain2music init ds003720 {path.parent}"
    else:
        there = ", ".join(sorted(file.name for file in path.parent.glob("*.toml")))
        how = f"Study files there: {there or 'none'}."
    return MissingFileError(f"{path} is not there. {how}")


def _ours(study: Study, out: Path, swept: Swept | None) -> Ours:
    """Return what our numbers are read from."""
    results = {} if swept is None else swept.results
    return Ours(
        lambda name: table_of_run(out, name),
        _sources(out),
        study.dataset.subjects,
        {name: partial(table_of_run, one.out) for name, one in results.items()},
    )


def table_of_run(out: Path, name: str) -> pd.DataFrame | None:
    """Return a table of a run; classes that agree have the generator beside them."""
    table = read_table(out / "tables", name)
    made = read_table(out / "tables", "generation")
    if name != "class_agreement" or table is None or made is None:
        return table
    of_subject = dict(zip(made["subject"], made["generator"], strict=True))
    return table.assign(generator=table["subject"].map(of_subject))


def _sources(out: Path) -> dict[str, str]:
    """Return what stands in for each feature space."""
    scores = read_table(out / "tables", "roi_scores")
    if scores is None:
        return {}
    known = scores.dropna(subset=["source"])
    return dict(zip(known["feature_space"], known["source"], strict=True))
