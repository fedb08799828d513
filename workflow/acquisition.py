"""What a subject's scans say of how they were acquired: confounds and times."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..core.checks import InputError
from ..core.types import Run, Split
from ..data.confounds import Confounds, read_confounds
from ..data.recordings import Recording
from ..study import Study


def read_all_confounds(
    study: Study,
    recording: Recording,
    split: Split,
    tables: Mapping[Run, Path],
    images: Mapping[Run, tuple[Path, ...]],
) -> tuple[dict[Run, Confounds], list[str]]:
    """Return the confounds of each run that has a table, and notes.

    Raises
    ------
    InputError
        If the study asks for confounds and a run has none, or a table does not fit.
    """
    responses = study.responses
    asked = bool(responses.confounds) or responses.censor == "scrub"
    if not asked and (responses.censor == "none" or not images):
        return {}, []
    found, notes = {}, []
    for run in split.train + split.test:
        name = f"sub-{recording.subject}, {run}"
        if not asked and run not in tables:
            notes.append(
                f"{name}: no table of confounds, so volumes that are not in a steady "
                "state are not known. Set responses.lead_in_s if there are any."
            )
            continue
        if run not in tables:
            raise InputError(
                f"{name}: responses asks for confounds, and there is no table of them "
                "beside its scan: expected one that ends on "
                "desc-confounds_timeseries.tsv and bears the run's own session, task "
                "and run. Fetch it, or name it so."
            )
        found[run], said = read_confounds(
            images[run],
            tables[run],
            recording.n_samples(run),
            groups=responses.confounds,
            censor=responses.censor,
            options=responses.confound_options,
            name=name,
        )
        notes += said
    return found, notes


def offset_s(recording: Recording, run: Run, tr_s: float) -> float | None:
    """Return by how much a run's volumes lie off the middle of their TR, in s.

    Rows of features are made over whole TRs, so their middle is what a volume is
    taken for. Shift the grid of the features by this to carry the reference time.

    Returns
    -------
    offset : float or None
        Above 0 if the volumes stand for a later moment; None if it is not known.
    """
    start_s = recording.timing(run).start_s
    return None if start_s is None else start_s - tr_s / 2


def at_reference_time(
    study: Study, recording: Recording, events: Mapping[Run, pd.DataFrame]
) -> dict[Run, pd.DataFrame]:
    """Return events moved so that the middle of a row's TR is its reference time.

    Raises
    ------
    InputError
        If a run's sidecar does not say its reference time.
    """
    moved = {}
    for run, table in events.items():
        off = offset_s(recording, run, study.dataset.tr_s)
        if off is None:
            raise InputError(
                f"sub-{recording.subject}, {run}: responses.reference_time is "
                "'sidecar', but the sidecar has no StartTime. Write it there, or take "
                "'middle'."
            )
        moved[run] = table.assign(onset=(table["onset"] - off).round(9))
    return moved


def timing_notes(recording: Recording, split: Split) -> list[str]:
    """Say to which moment each run's volumes were brought, as far as it is known."""
    notes, said = [], set()
    for run in split.train + split.test:
        name, timing = f"sub-{recording.subject}, {run}", recording.timing(run)
        tr_s = recording.tr_s(run)
        said.add((timing.corrected, timing.start_s))
        if timing.start_s is not None and tr_s is not None:
            off = timing.start_s - tr_s / 2
            notes.append(
                f"{name}: its volumes stand for {timing.start_s:g} s after they begin "
                f"(StartTime), {abs(off):g} s ({abs(off) / tr_s:.2f} TR) "
                f"{'after' if off > 0 else 'before'} the middle of the TR, for which "
                "features are taken unless responses.reference_time is 'sidecar'."
            )
        elif timing.corrected:
            notes.append(
                f"{name}: slice timing was corrected, but the sidecar does not say to "
                "which time (StartTime): the volumes may lie half a TR off. fMRIPrep "
                "took the middle of the TR before it said so."
            )
    if len(said) > 1:
        notes.insert(0, _differing(recording, split.train + split.test))
    return notes


def _differing(recording: Recording, runs: Sequence[Run]) -> str:
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        timing = recording.timing(run)
        groups.setdefault((timing.corrected, timing.start_s), []).append(run)
    ordered = sorted(groups.items(), key=lambda one: len(one[1]))
    tied = len(ordered[-1][1]) == len(ordered[-2][1])
    odd = ordered if tied else ordered[:-1]  # runs that are like most are not named
    texts = [f"{', '.join(map(str, here))}: {_said(*how)}" for how, here in odd]
    if not tied:
        how, here = ordered[-1]
        texts.append(f"the other {len(here)} runs: {_said(*how)}")
    return (
        f"sub-{recording.subject}: slice timing differs between runs, so some are "
        f"shifted against others. {'; '.join(texts)}."
    )


def _said(corrected: bool | None, start_s: float | None) -> str:
    to = "" if start_s is None else f" to {start_s:g} s"
    return f"{'' if corrected else 'not '}corrected{to}"
