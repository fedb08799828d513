"""Some columns of a recording, as they are or with signals added: a copy in memory.

What stands here goes through the same cleaning and stacking as the recording itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.types import Run, Space
from ..data.recordings import Recording
from ..data.sidecars import Timing

Floats = NDArray[np.floating]


class Behind:
    """What a recording behind another one says of subject, runs, files and times."""

    source: Recording

    @property
    def subject(self) -> str:
        """Of the source."""
        return self.source.subject

    @property
    def runs(self) -> tuple[Run, ...]:
        """Of the source."""
        return self.source.runs

    @property
    def files(self) -> tuple[Path, ...]:
        """Of the source."""
        return self.source.files

    @property
    def notes(self) -> list[str]:
        """Of the source."""
        return self.source.notes

    def n_samples(self, run: Run) -> int:
        """Return the number of samples of a run."""
        return self.source.n_samples(run)

    def tr_s(self, run: Run) -> float | None:
        """Return the TR in seconds, None if the files do not say."""
        return self.source.tr_s(run)

    def timing(self, run: Run) -> Timing:
        """Return what the run's sidecar says."""
        return self.source.timing(run)


@dataclass(frozen=True, eq=False)
class Sampled(Behind):
    """Columns of another recording; a `data.recordings.Recording` itself.

    Parameters
    ----------
    source : Recording
    columns : array of int, shape (n_columns,)
        Which columns, and in which order. None comes twice.
    added : mapping of Run to array of shape (n_samples, n_columns)
        What is added to each run; nothing where a run is missing.
    values : mapping of Run to array of shape (n_samples, n_columns)
        The columns, where they have been read before.
    """

    source: Recording
    columns: NDArray[np.integer]
    added: Mapping[Run, Floats] = field(default_factory=dict)
    values: Mapping[Run, Floats] = field(default_factory=dict)

    @property
    def space(self) -> Space:
        """The columns' part of the source's space."""
        space = self.source.space
        index = None if space.index is None else space.index[self.columns]
        ids = tuple(space.ids[k] for k in self.columns)
        return replace(space, ids=ids, index=index)

    @property
    def outside(self) -> NDArray[np.bool_] | None:
        """Which columns are known not to be cortex."""
        outside = self.source.outside
        return None if outside is None else outside[self.columns]

    def read(self, run: Run) -> NDArray[np.float32]:
        """Return a run's columns, with what is added to them."""
        if run in self.values:
            values = self.values[run].astype(np.float32)
        else:
            parts = [rows[:, self.columns] for _, rows in self.source.blocks(run)]
            values = np.concatenate(parts)
        if run in self.added:
            values = values + self.added[run].astype(np.float32)
        return np.ascontiguousarray(values, np.float32)  # sums depend on the order

    def blocks(self, run: Run) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the rows of `read`, all at once: columns are few."""
        yield 0, self.read(run)

    def some(self, place: NDArray[np.integer]) -> "Sampled":
        """Return some of the columns, by their place among them, without a reading."""
        added, values = (
            {run: np.take(rows, place, axis=1) for run, rows in runs.items()}
            for runs in (self.added, self.values)
        )
        return Sampled(self.source, self.columns[place], added, values)


def read_sample(source: Recording, columns: NDArray[np.integer]) -> Sampled:
    """Read columns of all runs once, so that they need not be read again."""
    sampled = Sampled(source, columns)
    return replace(sampled, values={run: sampled.read(run) for run in source.runs})


@dataclass(frozen=True, eq=False)
class Tapped(Behind):
    """A recording that keeps some columns of what is read from it.

    Parameters
    ----------
    source : Recording
    columns : array of int, shape (n_columns,)
        In their order. None comes twice.
    """

    source: Recording
    columns: NDArray[np.integer]
    kept: dict[Run, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def space(self) -> Space:
        """Of the source."""
        return self.source.space

    @property
    def outside(self) -> NDArray[np.bool_] | None:
        """Of the source."""
        return self.source.outside

    def read(self, run: Run) -> NDArray[np.float32]:
        """Return what the source gives; nothing of it is kept."""
        return self.source.read(run)

    def blocks(self, run: Run) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the rows of a run some at a time, and keep the columns of all."""
        parts = []
        for start, rows in self.source.blocks(run):
            parts.append(rows[:, self.columns])
            yield start, rows
        self.kept[run] = np.concatenate(parts)

    def sampled(self, columns: NDArray[np.integer]) -> Sampled:
        """Return some of the columns that were kept; all runs have to be read."""
        place = np.searchsorted(self.columns, columns)
        values = {run: np.take(rows, place, axis=1) for run, rows in self.kept.items()}
        return Sampled(self.source, columns, values=values)
