"""Features and responses volume by volume, run by run, without delays.

What the checks of shift work on: a few principal components of all feature spaces, and
the responses of sampled voxels, with one row per volume whatever rows the study has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..core.types import Run
from ..features.components import principal_components
from ..features.design import standardise
from ..study import Alignment, Analysis, Study, changed
from ..study_decoding import Decoding
from ..study_reconstruction import Generation, Retrieval
from ..workflow.alignment import align
from ..workflow.opening import Opened
from ..workflow.prepare import training_rows
from ..workflow.sources import space_runs
from .sampled import Sampled
from .trial import clean

Floats = NDArray[np.floating]
N_COMPONENTS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """One run, volume by volume.

    Parameters
    ----------
    features : array of shape (n_samples, n_components)
        All volumes of the run; its own mean taken out.
    responses : array of shape (n_kept, n_voxels)
        Kept volumes, its own mean taken out.
    kept : array of int, shape (n_kept,)
        Which volumes these are.
    """

    features: Floats
    responses: Floats
    kept: NDArray[np.intp]


def bare(study: Study) -> Study:
    """Return a study with one row per volume, no delays, and nothing after the fit.

    Features keep their spaces; what analyses and decoding ask for is left out, as it
    may name bands that a check takes out.
    """
    features = {
        name: replace(space, delays=None) for name, space in study.features.items()
    }
    encoding = replace(study.encoding, delays=(0,), incomplete_rows="mean")
    return changed(
        without_later(study),
        features=features,
        encoding=encoding,
        alignment=Alignment(),
        responses=replace(study.responses, reference_time="middle"),
    )


def without_later(study: Study) -> Study:
    """Return a study without analyses and decoding, which name its bands."""
    null = {
        name: getattr(study.analysis, name)
        for name in ("null", "blocks", "block_s", "n_permutations", "seed")
    }
    return replace(
        study,
        analysis=Analysis(**null),
        decoding=Decoding(),
        retrieval=Retrieval(),
        generation=Generation(),
    )


def read_courses(
    study: Study, opened: Opened, sampled: Sampled
) -> tuple[dict[Run, Course], dict[str, dict[Run, Floats]]]:
    """Return each run's course, and each feature space run by run (standardised).

    Parameters
    ----------
    study : Study
    opened : Opened
    sampled : Sampled
        The voxels.

    Returns
    -------
    courses : dict of Run to Course
        Voxels that do not vary in every run are left out of the responses.
    spaces : dict of feature space to dict of Run to array (n_samples, n_features)
    """
    flat = bare(study)
    there = replace(opened, recording=sampled)
    aligned = align(flat, there)
    training = training_rows(aligned)
    spaces: dict[str, list[Floats]] = {}
    for name in flat.encoding.bands:
        layers, _ = space_runs(flat, aligned, name)
        runs = next(iter(layers.values()))
        how = flat.space(name).standardise
        spaces[name] = standardise(runs, training, how=how, name=name).runs
    together = [np.hstack(parts) for parts in zip(*spaces.values(), strict=True)]
    n_components = min(N_COMPONENTS, together[0].shape[1])
    reduced, _ = principal_components(
        together, training, n_components=n_components, name="all spaces"
    )
    responses = clean(flat, aligned)
    courses = {}
    for run, features in zip(there.runs, reduced, strict=True):
        kept = np.flatnonzero(there.rows.loc[there.rows_of(run), "kept"])
        Y = responses.runs[str(run)][:, responses.valid].astype(np.float64)
        courses[run] = Course(
            features - features.mean(axis=0), Y - Y.mean(axis=0), kept
        )
    by_run = {
        name: dict(zip(there.runs, runs, strict=True)) for name, runs in spaces.items()
    }
    return courses, by_run


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Rows of one run's responses and of features at a shift, which meet."""

    X: Floats
    Y: Floats


def shifted(
    features: Floats, course: Course, shift: int, rows: NDArray[np.bool_] | None = None
) -> Pair:
    """Return the kept volumes at t with the features at t - shift.

    Parameters
    ----------
    features : array of shape (n_samples, n_components)
        Of the run itself, or of another one.
    course : Course
    shift : int
        Volumes by which the responses come later.
    rows : array of bool, shape (n_kept,), optional
        Kept volumes to take; those whose features lie inside the run if None.
    """
    at = course.kept - shift
    if rows is None:
        rows = (at >= 0) & (at < len(features))
    return Pair(features[at[rows]], course.responses[rows])


def common_rows(course: Course, shifts: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which kept volumes meet features of their run at every one of `shifts`."""
    early, late = course.kept - shifts.max(), course.kept - shifts.min()
    return (early >= 0) & (late < len(course.features))


@dataclass(slots=True)
class Moments:
    """Gram matrices of runs, from which a ridge without some of them is made."""

    XX: Mapping[Run, Floats] = field(default_factory=dict)
    XY: Mapping[Run, Floats] = field(default_factory=dict)

    def weights(self, without: set[Run]) -> Floats:
        """Return ridge weights fitted on all runs but some, (n_components, n_voxels).

        The penalty is 1 % of the mean variance of a component: these are few and rows
        are many, so it hardly matters.
        """
        runs = [run for run in self.XX if run not in without]
        XX = np.sum([self.XX[run] for run in runs], axis=0)
        XY = np.sum([self.XY[run] for run in runs], axis=0)
        penalty = 0.01 * np.trace(XX) / len(XX)
        return np.linalg.solve(XX + penalty * np.eye(len(XX)), XY)


def moments_at(
    courses: Mapping[Run, Course], runs: tuple[Run, ...], lag: int
) -> Moments:
    """Return the Gram matrices of training runs at a lag."""
    pairs = {run: shifted(courses[run].features, courses[run], lag) for run in runs}
    return Moments(
        {run: pair.X.T @ pair.X for run, pair in pairs.items()},
        {run: pair.X.T @ pair.Y for run, pair in pairs.items()},
    )
