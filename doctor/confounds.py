"""What features and confounds say of each other."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from ..core.checks import InputError
from ..core.stats import r2_score
from ..core.types import Run
from ..study import Study, changed
from ..workflow.opening import Opened, open_subject
from .courses import Course
from .verdict import Finding

Floats = NDArray[np.floating]
GROUPS = ("motion", "wm_csf")
ALPHAS = tuple(np.logspace(0, 6, 7))


def check_confounds(
    study: Study, opened: Opened, courses: dict[Run, Course]
) -> Iterator[Finding]:
    """Yield how well each confound is predicted from the features, and the reverse.

    Ridge on the components of all spaces at the study's delays, runs left out in turn;
    R2 over all rows.
    """
    name = opened.name
    try:
        tables = _read(study, opened)
    except InputError as error:
        yield Finding("confounds", "not made", f"{name}: {error}", (name,))
        return
    if not courses:
        why = f"{name}: features could not be read volume by volume."
        yield Finding("confounds", "not made", why, (name,))
        return
    X, C, groups = _rows(study, courses, tables)
    if len(np.unique(groups)) < 2:
        why = f"{name}: {len(np.unique(groups))} runs have confounds; 2 are needed."
        yield Finding("confounds", "not made", why, (name,))
        return
    if not C.shape[1]:
        why = f"{name}: none of its confounds varies."
        yield Finding("confounds", "not made", why, (name,))
        return
    for said, a, b in (
        ("features predict confounds", X, C),
        ("confounds predict features", C, X),
    ):
        r2 = _held_out(a, b, groups)
        found = (
            f"{name}: {said} with a held-out R2 of {r2.mean():.3f} on average, at most "
            f"{r2.max():.3f}."
        )
        values = {"r2_mean": float(r2.mean()), "r2_most": float(r2.max())}
        yield Finding("confounds", "shown", found, (name,), values)


def _read(study: Study, opened: Opened) -> dict[Run, Floats]:
    if study.dataset.derivatives is None:
        raise InputError("the study reads no tables of confounds (fMRIPrep).")
    if not opened.confounds or not study.responses.confounds:
        responses = replace(study.responses, confounds=GROUPS, confound_options={})
        opened = open_subject(changed(study, responses=responses), opened.subject)
    tables: dict[Run, Floats] = {
        run: one.values for run, one in opened.confounds.items()
    }
    if not tables:
        raise InputError("there are no tables of confounds.")
    return tables


def _rows(
    study: Study, courses: dict[Run, Course], tables: dict[Run, Floats]
) -> tuple[Floats, Floats, NDArray]:
    delays = study.all_delays()
    X, C, groups = [], [], []
    for number, (run, course) in enumerate(courses.items()):
        if run not in tables:
            continue
        kept = course.kept[course.kept >= max(delays)]
        X.append(np.hstack([course.features[kept - delay] for delay in delays]))
        values = tables[run][kept]
        C.append(values - values.mean(axis=0))
        groups.append(np.full(len(kept), number))
    confounds = np.concatenate(C)
    varying = confounds.std(axis=0) > 0
    return np.concatenate(X), confounds[:, varying], np.concatenate(groups)


def _held_out(X: Floats, Y: Floats, groups: NDArray) -> Floats:
    x, y = X / X.std(axis=0), Y / Y.std(axis=0)
    model = RidgeCV(alphas=ALPHAS)
    predicted = cross_val_predict(model, x, y, groups=groups, cv=LeaveOneGroupOut())
    return r2_score(y, predicted.reshape(y.shape))
