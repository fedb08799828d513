"""Tables of clips on disk: one row, frames or windows for each clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from .archives import entry, load_arrays, rate_of
from .tables import existing, read_numbers


@dataclass(frozen=True, slots=True, eq=False)
class ClipFeatures:
    """Features of each clip: one row for the whole clip, or frames at one rate.

    Parameters
    ----------
    clips : tuple of str
        One id per clip.
    values : array of shape (n_clips, n_frames, n_features)
        Frame k of a clip holds from k / rate_hz to (k + 1) / rate_hz after its onset.
    rate_hz : float or None
        Frames per second. None where there is one frame, which holds for as long as
        the clip lasts.
    """

    clips: tuple[str, ...]
    values: NDArray[np.floating]
    rate_hz: float | None = None

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
        if (self.rate_hz is None) != (self.values.shape[1] == 1):
            raise InputError(
                f"{self.values.shape[1]} frames per clip with rate_hz {self.rate_hz}. "
                "Several frames need their rate: say it in the file or the study. One "
                "row per clip holds for the whole clip and has none: leave it out."
            )
        if self.rate_hz is not None:
            check_rate(self.rate_hz, "rate_hz")
        bad = ~np.isfinite(self.values).all(axis=(1, 2))
        if bad.any():
            names = [c for c, is_bad in zip(self.clips, bad, strict=True) if is_bad]
            raise InputError(
                f"{int(bad.sum())} clips hold NaN or infinity: {some(names)}. Compute those "
                "features again or leave the clips out; nothing is replaced for you."
            )


def read_clip_table(path: str | Path, *, rate_hz: float | None = None) -> ClipFeatures:
    """Read features that belong to clips, wherever in the runs these are heard.

    Parameters
    ----------
    path : path of a .npz or .csv file
        .npz: `clips`, an array of n_clips texts; `features`, of shape (n_clips,
        n_features), or (n_clips, n_frames, n_features) with the number `rate_hz`.
        .csv: a header line, then a clip's id and its features in each row.
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
    path = existing(path, "features")
    try:
        if path.suffix == ".csv":
            clips, values = read_numbers(path, ids=True)
            return ClipFeatures(clips, values[:, None, :], rate_hz)
        if path.suffix == ".npz":
            return _clips_from_npz(path, rate_hz)
    except InputError as error:
        text = str(error)
        named = text if text.startswith(path.name) else f"{path.name}: {text}"
        raise InputError(named) from error
    raise InputError(f"{path.name} is no .npz or .csv file. Convert it first.")


def _clips_from_npz(path: Path, rate_hz: float | None) -> ClipFeatures:
    arrays = load_arrays(path)
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
    return ClipFeatures(tuple(clips.tolist()), frames, rate_hz)


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
