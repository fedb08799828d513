"""All checks of a study, within a budget of time, and the page that says it all."""

import time
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from ..core.artefacts import (
    Recipe,
    check_places,
    locked,
    new_artefact,
    package_versions,
)
from ..core.checks import InputError, check_choice
from ..core.threads import limit_threads
from ..study import Study
from ..workflow.fitting import check_backend
from ..workflow.opening import Opened
from ..workflow.session import Progress
from .attempt import attempt
from .catalogue import CARDS, KINDS
from .extractors import check_extractors
from .level import LEVEL
from .look import Look, compare_subjects, look_at_all
from .page import write_page
from .saved import check_saved
from .shared import check_shared
from .static import check_folds, check_made_from, judge_looks
from .subject import OF_SUBJECT_KINDS, OVER, Budget, check_subject
from .trial import N_CANDIDATES, N_SAMPLED
from .verdict import Finding, Verdict, make_verdict, runs_in, write_json

COVERED = "of lags and runs, noise, other clips and ceilings"
VOXELS_PER_MINUTE = 100
FEWEST_VOXELS = 100
MINUTES = 5.0


def examine(
    study: Study,
    out: str | Path,
    *,
    minutes: float = MINUTES,
    seed: int = 0,
    only: Collection[str] = (),
    progress: Progress = lambda _text, _done, _total: None,
) -> Verdict:
    """Check a study on its own data, and write the verdict to `out/doctor`.

    Nothing of the study or its results is changed. Responses are copied, some voxels
    of each subject, as many as the time allows; the verdict says how many.

    Parameters
    ----------
    study : Study
        From `load_study`.
    out : path
        Where the study's results lie, or shall lie: they are read if they are there.
    minutes : float
        What the checks may take. Those that would begin after it are not made, and
        say so.
    seed : int
        Of the sample, the signals and the noise.
    only : collection of str
        Kinds of checks that are made beside the static ones: 'shift', 'null',
        'oracle', 'invariance', 'confounds', 'saved'. All of them if none is named.
    progress : callable
        As for `run`.

    Returns
    -------
    verdict : Verdict
        Print it; `exit_code` is 3 where a check failed.

    Raises
    ------
    InputError
        If `minutes` is not above 0, a kind is not known, or `out` holds something that
        is not ours.
    """
    if not minutes > 0:
        raise InputError(f"minutes is {minutes}; the checks need some: expected > 0.")
    for kind in only:
        check_choice(kind, "only", KINDS)
    place = Path(out)
    start = time.perf_counter()
    budget = Budget(60 * minutes, start, kinds=tuple(only or KINDS))
    n_voxels = int(min(N_SAMPLED, max(FEWEST_VOXELS, VOXELS_PER_MINUTE * minutes)))
    with locked(place), limit_threads(study.machine.threads):
        check_places(place, ["doctor"])
        found = list(_all(study, place, budget, n_voxels, seed, progress))
        findings = _without_doubt(found)
        about = {
            "voxels sampled of each subject": f"at most {n_voxels}",
            "time": f"{time.perf_counter() - start:.0f} s of {60 * minutes:.0f} s",
            "seed": str(seed),
            "kinds of checks": ", ".join(dict.fromkeys(["static", *budget.kinds])),
            "false alarms": f"{LEVEL:.0%} over all tests with a p ({COVERED}); the "
            "others have fixed limits, and no level",
            "fits": _fits(study),
            "versions": ", ".join(f"{k} {v}" for k, v in package_versions().items()),
        }
        verdict = make_verdict(study.title, findings, about)
        recipe = Recipe("doctor", 1, {"minutes": minutes, "seed": seed})
        with new_artefact(place / "doctor", recipe, []) as folder:
            write_json(verdict, folder / "verdict.json")
            write_page(verdict, folder / "index.html")
    return verdict


def _without_doubt(findings: list[Finding]) -> list[Finding]:
    """Return findings without inputs that passed the door and failed behind it."""
    failed = any(one.key == "inputs" and one.status == "failed" for one in findings)
    return [
        one
        for one in findings
        if not (failed and one.key == "inputs" and one.status == "passed")
    ]


def _fits(study: Study) -> str:
    """Return how the doctor fits, where that is not as a run of the study does."""
    said = f"exact, with {N_CANDIDATES} divisions of the penalty at most"
    if study.encoding.solver != "fold-gram":
        said += f"; by fold-gram, so {study.encoding.solver} itself is not tested"
    if len(study.alignment.lags_s) > 1:
        said += f"; windows at the longest lag, {max(study.alignment.lags_s):g} s"
    return said


def _all(
    study: Study,
    out: Path,
    budget: Budget,
    n_voxels: int,
    seed: int,
    progress: Progress,
) -> Iterator[Finding]:
    try:
        check_backend(study)
    except InputError as error:
        yield Finding("inputs", "failed", str(error))
        why = "nothing was read, since the study cannot be computed here."
        rest = [key for key in CARDS if CARDS[key].kind in ("static", *budget.kinds)]
        yield from (Finding(key, "not made", why) for key in rest if key != "inputs")
        return
    progress("inputs", 0, 1)
    examines = bool(OF_SUBJECT_KINDS & set(budget.kinds))
    looks = look_at_all(study, n_voxels if examines else 0, seed)
    progress("inputs", 1, 1)
    yield from _inputs(study, looks)
    opened = [one.opened for one in looks if one.opened is not None]
    yield from judge_looks(looks)
    yield from check_folds(study, opened)
    yield check_made_from(study, opened)
    silent = ""
    if "null" not in budget.kinds:
        silent = "it takes long, and the checks of kind 'null' were not asked for."
    elif budget.left_s < 0:
        silent = OVER
    shared = partial(check_shared, study, opened, out, progress, silent=silent)
    yield from attempt(["shared-clips"], shared)
    if "saved" in budget.kinds:
        yield from check_saved(study, out)
    if "invariance" in budget.kinds:
        yield from _extractors(study, opened, budget)
    if not examines:
        return
    for number, look in enumerate(looks):
        progress("subjects", number, len(looks))
        yield from check_subject(study, look, budget, seed, len(looks) - number)
    progress("subjects", len(looks), len(looks))


def _inputs(study: Study, looks: list[Look]) -> Iterator[Finding]:
    """Yield what does not fit; that all fits together, if nothing is found."""
    problems = dict.fromkeys(one.problem for one in looks if one.problem)
    wrong = [Finding("inputs", "failed", text, runs_in(text)) for text in problems]
    wrong += compare_subjects(study, looks)
    if wrong:
        yield from wrong
        return
    names = ", ".join(one.name for one in looks)
    found = f"everything that is read of {names} fits together."
    yield Finding("inputs", "passed", found)


def _extractors(
    study: Study, opened: list[Opened], budget: Budget
) -> Iterator[Finding]:
    if not opened or budget.left_s < 0:
        why = "no subject can be read." if not opened else OVER
        yield Finding("extractor", "not made", why)
        return
    yield from attempt(["extractor"], lambda: check_extractors(study, opened[0]))
