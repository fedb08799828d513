"""The vectors of each clip, and how they go to volumes or to windows.

Feature spaces of sound, networks, captions, categories and clips' tables give each
clip some vectors, of which number k holds from k * step_s on for length_s. A volume
takes the mean of the vectors that hold during it, weighted by time. A window of the
clip takes the mean of the vectors whose own windows lie in it (or, for longer ones,
that cover it), and of frames side by side the mean over its time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..features.paper_windows import ResponseWindows, Windowing, joint_windows
from ..features.resample import SHORTEST_S, average_to_tr
from ..features.windows import Windows, window_mean

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Grain:
    """When the vectors of a clip hold: number k from k * step_s on, for length_s.

    Infinite length and step: one vector that holds for the whole clip.
    """

    length_s: float
    step_s: float

    @property
    def whole(self) -> bool:
        """Whether one vector stands for the clip."""
        return not np.isfinite(self.step_s)

    @property
    def side_by_side(self) -> bool:
        """Whether the vectors are frames, each ending where the next begins."""
        return abs(self.length_s - self.step_s) < SHORTEST_S


WHOLE_CLIP = Grain(np.inf, np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class Presentation:
    """One clip as it was heard in a run, with its vectors, (n_vectors, n_features)."""

    event: int
    onset_s: float
    duration_s: float
    values: Floats
    name: str


def vectors_to_tr(
    heard: Sequence[Presentation],
    grain: Grain,
    *,
    n_features: int,
    n_samples: int,
    tr_s: float,
    empty: float | None,
    name: str,
) -> Floats:
    """Return one row per volume: the mean of the vectors that hold during it.

    Vectors end where their clip's event does.
    """
    onsets: list[Floats] = [np.zeros(0)]
    durations: list[Floats] = [np.zeros(0)]
    values: list[Floats] = [np.zeros((0, n_features), np.float32)]
    for one in heard:
        starts, lengths = held_times(grain, len(one.values), one.duration_s)
        held = lengths > SHORTEST_S
        onsets.append(one.onset_s + starts[held])
        durations.append(lengths[held])
        values.append(one.values[held])
    return average_to_tr(
        np.concatenate(onsets),
        np.concatenate(durations),
        np.concatenate(values),
        n_samples=n_samples,
        tr_s=tr_s,
        measure="mean",
        empty=empty,
        name=name,
    )


def held_times(
    grain: Grain, n_vectors: int, duration_s: float
) -> tuple[Floats, Floats]:
    """Return from when in the clip each vector holds, and how long."""
    if grain.whole:
        return np.zeros(n_vectors), np.full(n_vectors, duration_s)
    starts = np.arange(n_vectors) * grain.step_s
    return starts, np.minimum(grain.length_s, duration_s - starts)


def vectors_to_windows(
    heard: Sequence[Presentation],
    grain: Grain,
    windows: ResponseWindows,
    windowing: Windowing,
    *,
    name: str,
) -> Floats:
    """Return one row per window of a run."""
    table, by_event = windows.table, {one.event: one for one in heard}
    rows = []
    for event in table["presentation"].unique().tolist():
        group = table[table["presentation"] == event]
        if event not in by_event:
            raise InputError(
                f"{name}: event {event} is a clip of the design, but has no features. "
                "Give it some, or let dataset.clip name no clip there."
            )
        means = _means(by_event[event], grain, windowing, name)
        number = group["window"].to_numpy()
        if number.max() >= len(means):
            raise InputError(
                f"{by_event[event].name}: its features cover {len(means)} windows of "
                f"{windowing.window_s:g} s, but {number.max() + 1} fit into its event. "
                "Compute them on exactly the piece that was heard."
            )
        rows.append(means[number])
    return np.concatenate(rows)


def _means(one: Presentation, grain: Grain, windowing: Windowing, name: str) -> Floats:
    """Return the mean of a clip's vectors in each of its windows."""
    window_s, step_s = windowing.window_s, windowing.step_s
    if grain.whole:
        n_windows = int((one.duration_s - window_s + 1e-6) / step_s) + 1
        return np.repeat(one.values.astype(np.float64), n_windows, axis=0)
    if grain.side_by_side:
        n_frames = int(np.ceil(one.duration_s / grain.step_s - 1e-6))
        frames = one.values[:n_frames]
        return window_mean(frames, 1 / grain.step_s, Windows(window_s, step_s))
    own = Windowing(grain.length_s, grain.step_s)
    return joint_windows(
        {name: one.values},
        {name: own},
        clip_s=one.duration_s,
        step_s=step_s,
        window_s=window_s,
    )[name]
