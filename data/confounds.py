"""fMRIPrep's confounds of one run, and the volumes that are not to be used.

What is chosen and how it is named is nilearn's `load_confounds`; here it is checked
against the run, and what it does in silence is said.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nilearn.interfaces.fmriprep import load_confounds, load_confounds_strategy
from nilearn.interfaces.fmriprep.load_confounds_strategy import preset_strategies
from numpy.typing import NDArray

from ..core.checks import InputError, check_choice, nearest

GROUPS = ("motion", "high_pass", "wm_csf", "global_signal", "compcor", "ica_aroma")
STRATEGIES = tuple(preset_strategies)
OPTIONS = {  # of load_confounds, and what each is of
    "motion": "motion",
    "wm_csf": "wm_csf",
    "global_signal": "global_signal",
    "compcor": "compcor",
    "n_compcor": "compcor",
    "ica_aroma": "ica_aroma",
    "scrub": "scrub",
    "fd_threshold": "scrub",
    "std_dvars_threshold": "scrub",
}


@dataclass(frozen=True, slots=True, eq=False)
class Confounds:
    """What is regressed out of a run, and which of its volumes are used.

    Parameters
    ----------
    values : array of shape (n_samples, n_confounds)
        All volumes, those that are not used included.
    names : tuple of str
    used : array of bool, shape (n_samples,)
        False where a volume is not in a steady state or, if scrubbed, moved.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...]
    used: NDArray[np.bool_]


def check_confounds(
    groups: Sequence[str] | str, censor: str, options: Mapping[str, Any]
) -> None:
    """Raise if confounds, censoring and options do not go together.

    Parameters
    ----------
    groups : sequence of str, or str
        Groups by nilearn's names, or the name of one of its strategies.
    censor : 'none', 'dummies' or 'scrub'
    options : mapping
        Options of `load_confounds`.
    """
    check_choice(censor, "responses.censor", ("none", "dummies", "scrub"))
    asked: Sequence[str] = groups
    if isinstance(groups, str):
        check_choice(groups, "responses.confounds, as a strategy,", STRATEGIES)
        asked = preset_strategies[groups]["strategy"]
        if "ica_aroma" in options and groups == "ica_aroma":
            raise InputError(
                "responses.confound_options sets 'ica_aroma', which the strategy "
                "'ica_aroma' sets itself. Leave it out, or name groups of confounds."
            )
        if ("scrub" in asked) != (censor == "scrub"):
            raise InputError(
                f"responses.confounds is the strategy {groups!r}, but responses.censor "
                f"is {censor!r}. The strategy 'scrubbing' goes with censor = 'scrub', "
                "and the others without it; or name groups of confounds."
            )
    else:
        for group in groups:
            check_choice(group, "responses.confounds", GROUPS)
    known = {*asked, "global_signal" if isinstance(groups, str) else "", censor}
    for name in options:
        if name not in OPTIONS:
            raise InputError(
                f"responses.confound_options has no {name!r}. Known: "
                f"{', '.join(OPTIONS)}.{nearest(name, OPTIONS)}"
            )
        if OPTIONS[name] not in known:
            raise InputError(
                f"responses.confound_options sets {name!r}, which is of "
                f"{OPTIONS[name]!r}, and that is not asked for. Leave it out, or ask "
                "for it in responses.confounds or responses.censor."
            )


def read_confounds(
    images: Sequence[Path],
    table_path: Path,
    n_samples: int,
    *,
    groups: Sequence[str] | str,
    censor: str,
    options: Mapping[str, Any],
    name: str,
) -> tuple[Confounds, list[str]]:
    """Return the confounds of one run, beside whose images fMRIPrep wrote them.

    Parameters
    ----------
    images : sequence of Path
        The run's image, or the left and the right hemisphere.
    table_path : Path
        The run's table of confounds.
    n_samples : int
        Volumes of the run.
    groups : sequence of str, or str
        See `check_confounds`. Empty for none.
    censor : 'none', 'dummies' or 'scrub'
        Whether volumes that are not in a steady state, and those that moved, are
        marked as not used.
    options : mapping
        Options of `load_confounds`, such as fd_threshold (in mm).
    name : str
        Subject and run, for messages.

    Returns
    -------
    confounds : Confounds
    notes : list of str
        How many confounds and volumes there are, and which values nilearn filled in.

    Raises
    ------
    InputError
        If the table is missing, lacks what is asked for, or has not one row per
        volume.
    """
    check_confounds(groups, censor, options)
    files: Any = str(images[0]) if len(images) == 1 else [str(path) for path in images]
    n_rows, steady = _rows_of(table_path, name)
    used = np.ones(n_rows, bool) if censor == "none" else steady
    table = pd.DataFrame(index=range(n_rows))
    if groups or censor == "scrub":
        table, sample_mask = _load(files, groups, censor, options, name)
        if sample_mask is not None and censor != "none":
            used = np.isin(np.arange(n_rows), np.asarray(sample_mask, int))
    if n_rows != n_samples:
        raise InputError(
            f"{name}: the table of confounds has {n_rows} rows, the run {n_samples} "
            "volumes. They are not of the same run, or volumes were cut from one."
        )
    names = tuple(map(str, table.columns))
    values = table.to_numpy(np.float64).reshape(n_rows, len(names))
    finite = np.isfinite(values).all(axis=0)
    bad = [one for one, ok in zip(names, finite, strict=True) if not ok]
    if bad:
        raise InputError(
            f"{name}: NaN in the confounds {', '.join(bad[:5])} after their first row. "
            "Choose others; none is replaced for you."
        )
    return Confounds(values, names, used), _notes(names, used, name)


def _rows_of(path: Path, name: str) -> tuple[int, NDArray[np.bool_]]:
    """Return how many rows a table has, and which are of a steady state."""
    try:
        table = pd.read_csv(path, sep="\t", na_values=["n/a"])
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: {path} cannot be read: {error}.") from error
    outliers = [c for c in table if str(c).startswith("non_steady_state_outlier")]
    return len(table), ~(table[outliers] == 1).any(axis=1).to_numpy(dtype=bool)


def _load(
    files: Any,
    groups: Sequence[str] | str,
    censor: str,
    options: Mapping[str, Any],
    name: str,
) -> tuple[Any, Any]:
    chosen = dict(options)
    if chosen.get("n_compcor") not in (None, "all"):
        chosen["n_compcor"] = int(chosen["n_compcor"])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "strategy is empty")
            warnings.filterwarnings("error", "All volumes were marked")
            if isinstance(groups, str):
                return load_confounds_strategy(
                    files, denoise_strategy=groups, demean=False, **chosen
                )
            wanted = [*groups, "scrub"] if censor == "scrub" else list(groups)
            # Without a group nilearn returns no table: ask for one, to count its rows.
            asked = wanted if groups else [*wanted, "motion"]
            table, mask = load_confounds(files, strategy=asked, demean=False, **chosen)
            return (table if groups else table.iloc[:, :0]), mask
    except (ValueError, OSError, RuntimeWarning) as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"{name}: the confounds cannot be had: {text} Correct responses.confounds "
            "or confound_options, or fetch the table."
        ) from error


def _notes(names: Sequence[str], used: NDArray[np.bool_], name: str) -> list[str]:
    notes = []
    if names:
        text = f"{name}: {len(names)} confounds are regressed out"
        derivatives = sum("derivative1" in one for one in names)
        if derivatives:
            text += (
                f"; {derivatives} of them are derivatives, whose first volume takes "
                "the value of the second (nilearn)"
            )
        notes.append(f"{text}.")
    if not used.all():
        notes.append(
            f"{name}: {int((~used).sum())} of {len(used)} volumes are censored (not "
            "steady, or moved): no row of theirs is fitted or scored."
        )
    return notes
