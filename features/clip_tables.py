"""Tables of clips on disk: a row, frames or windows for each clip."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from .archives import entry, load_arrays, number_of, rate_of, stored_arrays
from .tables import read_numbers
from .windows import Windows


@dataclass(frozen=True, slots=True, eq=False)
class ClipFeatures:
    """Features of each clip: one row for the whole clip, frames, or windows.

    Parameters
    ----------
    clips : tuple of str
        One id per clip.
    values : array of shape (n_clips, n_frames, n_features)
        Frame k of a clip holds from k / rate_hz to (k + 1) / rate_hz after its onset;
        with `windows`, row k holds as long as window k.
    rate_hz : float or None
        Frames per second. None where there is one frame, which holds for as long as
        the clip lasts, and where there are windows.
    windows : Windows or None
        The windows that the rows were computed over, which may overlap.
    source : str
        What made the values, such as 'MuQ-MuLan, OpenMuQ/MuQ-MuLan-large'. Empty if
        nobody said.
    """

    clips: tuple[str, ...]
    values: NDArray[np.floating]
    rate_hz: float | None = None
    windows: Windows | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or len(self.values) != len(self.clips):
            raise InputError(
                f"{len(self.clips)} clips and values of shape {self.values.shape}: "
                "expected (n_clips, n_frames, n_features)."
            )
        if len(set(self.clips)) != len(self.clips):
            twice = sorted({c for c in self.clips if self.clips.count(c) > 1})
            raise InputError(
                f"{len(twice)} clips come twice: {some(twice)}. Give one row per clip."
            )
        self._check_times()
        bad = ~np.isfinite(self.values).all(axis=(1, 2))
        if bad.any():
            names = [c for c, is_bad in zip(self.clips, bad, strict=True) if is_bad]
            raise InputError(
                f"{int(bad.sum())} clips hold NaN or infinity: {some(names)}. Compute "
                "those features again or leave the clips out; nothing is replaced for "
                "you."
            )

    def _check_times(self) -> None:
        if self.windows is not None:
            if self.rate_hz is not None:
                raise InputError(
                    f"rate_hz {self.rate_hz:g} and windows of {self.windows.window_s:g}"
                    " s: rows are frames or windows. Leave one of the two out."
                )
            return
        if (self.rate_hz is None) != (self.values.shape[1] == 1):
            raise InputError(
                f"{self.values.shape[1]} frames per clip with rate_hz {self.rate_hz}. "
                "Several frames need their rate: say it in the file or the study. One "
                "row per clip holds for the whole clip and has none: leave it out."
            )
        if self.rate_hz is not None:
            check_rate(self.rate_hz, "rate_hz")


def read_clip_table(path: str | Path, *, rate_hz: float | None = None) -> ClipFeatures:
    """Read features that belong to clips, wherever in the runs these are heard.

    Parameters
    ----------
    path : path of a .npz, .csv or .zarr
        .npz: `clips`, an array of n_clips texts; `features`, of shape (n_clips,
        n_features), or (n_clips, n_frames, n_features) with the number `rate_hz`, or
        with the numbers `window_s` and `step_s`: then row k of a clip belongs to the
        window that starts at k * step_s after its onset and lasts window_s, or, with
        `causal` 1, ends at (k + 1) * step_s. `source`, a text, says what made them.
        .zarr: a group of format 3 with these arrays; numbers and `source` may be its
        attributes. .csv: a header line, then a clip's id and its features in each row.
    rate_hz : float, optional
        Frames per second. Needed for frames in a file that does not say it; must be
        the file's own if that says it; None where there is one row per clip.

    Returns
    -------
    table : ClipFeatures

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it cannot be read so, a clip comes twice, values are not finite, or the
        rate is missing, another than the file's, or given where there is none.
    """
    path = stored_arrays(path)
    try:
        if path.suffix == ".csv":
            clips, values = read_numbers(path, ids=True)
            return ClipFeatures(clips, values[:, None, :], rate_hz)
        if path.suffix in (".npz", ".zarr"):
            return _from_arrays(load_arrays(path), path, rate_hz)
    except InputError as error:
        text = str(error)
        named = text if text.startswith(path.name) else f"{path.name}: {text}"
        raise InputError(named) from error
    raise InputError(f"{path.name} is no .npz, .csv or .zarr. Convert it first.")


def write_clip_table(path: str | Path, table: ClipFeatures) -> None:
    """Write a table of clips as a .npz that `read_clip_table` reads.

    The file is there whole or not at all. A single row per clip that holds for the
    whole clip is written as such.

    Raises
    ------
    InputError
        If the path does not end in .npz.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"{path.name} must end in .npz. Rename it.")
    arrays: dict[str, Any] = {"clips": np.array(table.clips, dtype=str)}
    whole = table.rate_hz is None and table.windows is None
    arrays["features"] = table.values[:, 0] if whole else table.values
    if table.rate_hz is not None:
        arrays["rate_hz"] = np.float64(table.rate_hz)
    if table.windows is not None:
        arrays["window_s"] = np.float64(table.windows.window_s)
        arrays["step_s"] = np.float64(table.windows.step_s)
        arrays["causal"] = np.int64(table.windows.causal)
    if table.source:
        arrays["source"] = np.array(table.source)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".partial-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _from_arrays(
    arrays: Mapping[str, NDArray], path: Path, rate_hz: float | None
) -> ClipFeatures:
    clips, values = (entry(arrays, key, path) for key in ("clips", "features"))
    if clips.dtype.kind != "U" or clips.ndim != 1:
        raise InputError(
            f"`clips` must be one text per clip, got {clips.dtype} of shape "
            f"{clips.shape}. Save np.array(list_of_ids, dtype=str)."
        )
    if values.dtype.kind not in "fiu" or values.ndim not in (2, 3):
        raise InputError(
            f"`features` must be numbers of shape (n_clips, n_features) or (n_clips, "
            f"n_frames, n_features), got {values.dtype} of shape {values.shape}."
        )
    rate_hz = rate_of(arrays, path, rate_hz)
    frames = values[:, None, :] if values.ndim == 2 else values
    frames = frames if frames.dtype.kind == "f" else frames.astype(np.float64)
    windows, source = _windows(arrays, path), _source(arrays, path)
    return ClipFeatures(tuple(clips.tolist()), frames, rate_hz, windows, source)


def _windows(arrays: Mapping[str, NDArray], path: Path) -> Windows | None:
    window_s, step_s, causal = (
        number_of(arrays, key, path) for key in ("window_s", "step_s", "causal")
    )
    if window_s is None and step_s is None and causal is None:
        return None
    if window_s is None or step_s is None or causal not in (None, 0.0, 1.0):
        raise InputError(
            f"window_s {window_s}, step_s {step_s}, causal {causal}: windows need the "
            "numbers `window_s` and `step_s`, and may have `causal`, 0 or 1."
        )
    return Windows(window_s, step_s, bool(causal))


def _source(arrays: Mapping[str, NDArray], path: Path) -> str:
    source = arrays.get("source", np.array(""))
    if source.ndim != 0 or source.dtype.kind != "U":
        raise InputError(
            f"{path.name}: `source` must be one text, got {source.dtype} of shape "
            f"{source.shape}."
        )
    return str(source.item())


def check_rate(rate_hz: float, name: str) -> None:
    """Raise unless a rate is a number of frames per second."""
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise InputError(
            f"{name} must be frames per second, above 0, got {rate_hz}. One row per "
            "TR is a rate of 1 / TR."
        )


def some(names: Sequence[str], n: int = 5) -> str:
    """Return the first of some names, and whether there are more."""
    return ", ".join(map(str, names[:n])) + (", ..." if len(names) > n else "")
