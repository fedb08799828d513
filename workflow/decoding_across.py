"""Each subject decoded by what was learned from the others."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError
from ..core.stats import varies
from ..decoding.across_subjects import NewSubject, decode_across
from ..decoding.rows import Pairs
from ..decoding.scores import score_decoding
from ..study import Study
from .across_doors import in_clip_order
from .decoded_rows import Side, ToDecode, read_rows_to_decode
from .decoding_choices import decoder_of, pool_of
from .decoding_tables import FEWEST_CLIPS, FEWEST_DIMENSIONS, too_few
from .decoding_targets import Target, targets_that_vary, unit_of
from .level_rows import level_notes
from .opening import Opened
from .session import Session


def decode_each_by_others(
    session: Session, opened: Sequence[Opened]
) -> tuple[pd.DataFrame | None, list[str]]:
    """Return the cards of each subject, decoded by the other subjects, and notes.

    Subjects are aligned on their training rows, to the first of those that the decoder
    learns from.

    Raises
    ------
    InputError
        If the features of the training clips are not the same for all subjects.
    """
    study = session.study
    rows = {one.subject: read_rows_to_decode(session, one) for one in opened}
    advance = session.ticker(
        "decoding subjects by each other", len(rows) * len(study.decoding.targets)
    )
    tables: list[pd.DataFrame] = []
    notes: list[str] = []
    for name in study.decoding.targets:
        targets, said = _identifiable(study, rows, name)
        notes += [f"subjects by each other, {name}: {note}" for note in said]
        if not targets:
            advance(len(rows))
            continue
        shared = _shared(study, rows, targets)
        for subject, one in rows.items():
            others = {s: pairs for s, (pairs, _) in shared.items() if s != subject}
            own, test = shared[subject]
            decoded = decode_across(
                decoder_of(study, ()),
                others,
                NewSubject(subject, own, test),
                reference=next(iter(others)),
                method=study.decoding.across or "procrustes",
                n_folds=study.decoding.n_folds,
                unit=unit_of(study, one),
            )
            pool = pool_of(study, test)
            table = score_decoding(
                decoded.predicted,
                test,
                chance=pool,
                windows=~targets[subject].level_test.rows,
            )
            table.insert(0, "subject", subject)
            table.insert(1, "target", name)
            table.insert(2, "source", one.source(name))
            table.insert(3, "trained_on", " ".join(others))
            tables.append(table)
            advance(1)
    return pd.concat(tables, ignore_index=True) if tables else None, notes


def _identifiable(
    study: Study, rows: dict[str, ToDecode], name: str
) -> tuple[dict[str, Target], list[str]]:
    """Return each target without level clips; none if these do not allow it."""
    targets, notes = {}, []
    for subject, one in rows.items():
        target = targets_that_vary(study, one, name)
        if len(target.kept) < FEWEST_DIMENSIONS:
            return {}, [too_few(target)]
        level = level_notes(target.level_test, target.test.clips)
        notes += [f"sub-{subject}: {note}" for note in level]
        targets[subject] = target.without_test_clips(target.level_test.clips)
        if len(np.unique(targets[subject].test.clips)) < FEWEST_CLIPS:
            return {}, [*notes, f"identification needs {FEWEST_CLIPS} test clips."]
    return targets, notes


def roi_columns(study: Study, rows: ToDecode) -> NDArray[np.bool_]:
    """Return the columns of responses that subjects are aligned in."""
    names = study.decoding.across_rois
    inside = np.ones(rows.train.Y.shape[1], dtype=bool)
    if names:
        masks = [roi.mask for roi in rows.rois if roi.name in names]
        inside = np.any(masks, axis=0) if masks else ~inside
    return inside & varies(rows.train.Y)


def _shared(
    study: Study, rows: dict[str, ToDecode], targets: dict[str, Target]
) -> dict[str, tuple[Pairs, Pairs]]:
    """Return each subject's training and test rows, training in one order for all."""
    found: dict[str, tuple[Pairs, Pairs]] = {}
    first: Pairs | None = None
    for subject, one in rows.items():
        columns, target = roi_columns(study, one), targets[subject]
        order = _order(one.train)
        train = target.train
        pairs = Pairs(
            train.Y[order][:, columns],
            train.T[order],
            train.runs[order],
            train.clips[order],
        )
        first = pairs if first is None else first
        if not _same_stimuli(pairs, first):
            raise InputError(
                f"the training clips of sub-{subject} and sub-{next(iter(rows))} have "
                f"other features of {target.name} ({len(pairs.T)} and {len(first.T)} "
                "rows), by which they are aligned. Leave decoding.across out, or take "
                "features that are the same for all subjects."
            )
        pairs = Pairs(pairs.Y, first.T, pairs.runs, pairs.clips)
        test = target.test
        found[subject] = pairs, Pairs(test.Y[:, columns], test.T, test.runs, test.clips)
    return found


def _order(side: Side) -> NDArray[np.intp]:
    """Return training rows by clip, presentation of the clip, and place in it."""
    return in_clip_order(side.rows.assign(clip=side.labels)).index.to_numpy()


def _same_stimuli(one: Pairs, other: Pairs) -> bool:
    if len(one.clips) != len(other.clips) or one.T.shape != other.T.shape:
        return False
    same = bool((one.clips == other.clips).all())
    return same and np.allclose(one.T, other.T, rtol=1e-5, atol=1e-6)
