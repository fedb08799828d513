"""Responses as one table per run, its columns joined by label."""

import csv
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..core.types import Run, Space
from .sidecars import Timing, agreed_tr, read_timing
from .text_tables import DELIMITERS


class TableRecording:
    """A subject's responses as .csv or .tsv files: a header of labels, a row per TR.

    Columns come back in the order of the first run, whatever the order in the other
    files: they are joined by label. 'nan' is read as NaN; cleaning refuses it.

    Parameters
    ----------
    subject : str
    files : mapping of Run to Path
        In the order of the runs, as `find_runs` gives it.

    Raises
    ------
    InputError
        If a header does not name each column once, or a run has other labels than
        the first.
    """

    def __init__(self, subject: str, files: Mapping[Run, Path]) -> None:
        self.subject = subject
        self.runs = tuple(files)
        self.notes: list[str] = []
        self.outside: NDArray[np.bool_] | None = None
        self.files = tuple(files.values())
        self._path = dict(files)
        self._labels = {
            run: _header(path, self._who(run)) for run, path in files.items()
        }
        self._n_samples: dict[Run, int] = {}
        first = self._labels[self.runs[0]]
        for run in self.runs[1:]:
            _check_same_labels(
                first, self._labels[run], self._who(run), str(self.runs[0])
            )
        self.space = Space("labels", "labels", tuple(first))

    def n_samples(self, run: Run) -> int:
        """Return the number of rows of a run."""
        if run not in self._n_samples:
            self._n_samples[run] = len(self._table(run))
        return self._n_samples[run]

    def tr_s(self, run: Run) -> float | None:
        """Return the TR in seconds from the sidecar, None if there is none."""
        return agreed_tr(None, self._path[run], self._who(run))

    def timing(self, run: Run) -> Timing:
        """Return what the run's sidecar says of its times."""
        return read_timing(self._path[run])

    def blocks(self, run: Run) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the run's responses, in one block."""
        yield 0, self.read(run)

    def read(self, run: Run) -> NDArray[np.float32]:
        """Return a run's responses, shape (n_samples, n_voxels), as they stand."""
        table = self._table(run)
        place = {label: i for i, label in enumerate(self._labels[run])}
        return table[:, [place[label] for label in self.space.ids]].astype(np.float32)

    def _table(self, run: Run) -> NDArray[np.float64]:
        path, labels = self._path[run], self._labels[run]
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "loadtxt: input contained no data")
                table = np.loadtxt(
                    path,
                    delimiter=DELIMITERS[path.suffix],
                    skiprows=1,
                    ndmin=2,
                    comments=None,
                    quotechar='"',
                    encoding="utf-8-sig",
                )
        except ValueError as error:
            raise InputError(
                f"{self._who(run)}: {path} cannot be read: {error}. Every row needs "
                "one number per label, with a decimal point; write nan for a missing "
                "one."
            ) from error
        if not table.size or table.shape[1] != len(labels):
            raise InputError(
                f"{self._who(run)}: {path} has {table.shape[1] if table.size else 0} "
                f"columns of numbers under {len(labels)} labels. Write one row per TR "
                "and one label per column."
            )
        return table

    def _who(self, run: Run) -> str:
        return f"sub-{self.subject}, {run}"


def _header(path: Path, who: str) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next(csv.reader(file, delimiter=DELIMITERS[path.suffix]), [])
    except UnicodeDecodeError as error:
        raise InputError(f"{who}: {path} is not UTF-8 text ({error}).") from error
    labels = [label.strip() for label in first]
    unnamed = [label for label in labels if not label or label.startswith("Unnamed:")]
    if not labels or unnamed:
        raise InputError(
            f"{who}: {len(unnamed)} of the {len(labels)} columns of {path} have no "
            "label. Write a header, and save without row numbers (index=False in "
            "pandas)."
        )
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise InputError(
            f"{who}: labels stand twice in {path}: {_some(twice)}. Columns are joined "
            "by label, so each needs its own."
        )
    if any(_is_fraction(label) for label in labels):
        raise InputError(
            f"{who}: the first row of {path} holds numbers such as "
            f"{next(filter(_is_fraction, labels))}, not labels. Write a header: "
            "without one the first sample would be lost."
        )
    return labels


def _check_same_labels(
    first: list[str], labels: list[str], who: str, first_run: str
) -> None:
    lacks, extra = set(first) - set(labels), set(labels) - set(first)
    if lacks or extra:
        differences = [f"it lacks {_some(lacks)}"] if lacks else []
        differences += [f"only it has {_some(extra)}"] if extra else []
        raise InputError(
            f"{who}: not the labels of {first_run}: {', and '.join(differences)}. "
            "Every run of a subject needs the same labels; take out those that one run "
            "lacks."
        )


def _is_fraction(label: str) -> bool:
    try:
        return not float(label).is_integer()
    except ValueError:
        return False


def _some(labels: set[str] | list[str]) -> str:
    several = sorted(labels)
    return ", ".join(several[:8]) + (
        f" and {len(several) - 8} more" if len(several) > 8 else ""
    )
