"""What the results that a study already has say of themselves."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ..study import Study
from ..workflow.generation import PRIOR
from ..workflow.pipeline import stale_artefacts
from ..workflow.result import collect_notes
from ..workflow.tables import read_table
from .attempt import attempt
from .ceilings import check_above, check_ceiling_tables
from .level import level_of_test
from .verdict import Finding, runs_in

KEYS = (
    *("stale", "grid-ends", "above-ceiling", "ceiling-table"),
    *("pools", "prior", "group-size"),
)
CARD_COLUMNS = ("n_candidates", "chance", "n_ties")
SIGNAL = 0.01  # held-out R2 in training of a voxel that holds one
MOST_AT_TOP, FEWEST_VOXELS = 0.05, 20
ALPHA = 0.05  # of the prior-domination test, whose p the run has made


def check_saved(study: Study, out: Path) -> Iterator[Finding]:
    """Yield what the results in `out` say; that there are none, if there are none."""
    if not (out / "about.json").is_file():
        for key in KEYS:
            why = f"{out.name} holds no results of a run. Run the study, and ask again."
            yield Finding(key, "not made", why)
        return
    level = level_of_test(study)
    checks = {
        "stale": partial(_stale, study, out),
        "grid-ends": partial(_grid_ends, study, out),
        "above-ceiling": partial(check_above, out, level),
        "ceiling-table": partial(check_ceiling_tables, out),
        "pools": partial(_pools, out),
        "prior": partial(_prior, out),
        "group-size": partial(_group, study),
    }
    for key, check in checks.items():
        yield from attempt([key], check)


def _stale(study: Study, out: Path) -> Iterator[Finding]:
    stale = stale_artefacts(study, out)
    if stale:
        found = (
            f"{len(stale)} parts of {out.name} were made from other inputs or settings "
            f"than there are now: {', '.join(stale)}."
        )
        yield Finding("stale", "failed", found, tuple(stale))
        return
    found = f"every part of {out.name} was made from what is there now."
    yield Finding("stale", "passed", found)


def _grid_ends(study: Study, out: Path) -> Iterator[Finding]:
    """Yield where voxels with a signal took a penalty at the end of the grid."""
    fitted = [
        subject
        for subject in study.dataset.subjects
        if (out / f"models/sub-{subject}").is_dir()
    ]
    if not fitted:
        why = f"{out.name} holds no fitted models."
        yield Finding("grid-ends", "not made", why)
        return
    found = [*_grid_bottom(out)]
    for subject in fitted:
        found += attempt(["grid-ends"], partial(_grid_top, study, out, subject))
    if found:
        yield from found
        return
    text = f"models of {', '.join(f'sub-{one}' for one in fitted)} stay inside it."
    yield Finding("grid-ends", "passed", text)


def _grid_bottom(out: Path) -> Iterator[Finding]:
    """Yield what the fits noted of the grid's ends.

    Voxels without signal choose the largest penalty, as they should.
    """
    for note in collect_notes(out):
        said = re.search(r"of (?:voxels|dimensions) chose the", note)
        if said and "as voxels without signal do" not in note:
            yield Finding("grid-ends", "failed", note, runs_in(note))


def _grid_top(study: Study, out: Path, subject: str) -> Iterator[Finding]:
    """Yield whether voxels that hold a signal took the largest penalty tried.

    Voxels without signal take it, as they should: those that training folds predict
    are counted.
    """
    encoding, name = study.encoding, f"sub-{subject}"
    *_, inner, top = [0.0, *sorted(encoding.alphas)]
    if inner and encoding.solver == "fold-gram":
        top *= (top / inner) ** encoding.widen_alphas
    folder = out / f"models/{name}"
    scores, alphas = (np.load(folder / f"{n}.npy") for n in ("cv_scores", "alphas"))
    known = scores > SIGNAL
    share = float((alphas[known] >= 0.999 * top).mean()) if known.any() else 0.0
    if known.sum() >= FEWEST_VOXELS and share > MOST_AT_TOP:
        text = (
            f"{name}: {share:.0%} of {known.sum()} voxels that training folds predict "
            f"took the largest penalty that was tried ({top:g}). Add larger ones to "
            "encoding.alphas."
        )
        yield Finding("grid-ends", "failed", text, (name,), {"share": share})


def _pools(out: Path) -> Iterator[Finding]:
    table = read_table(out / "tables", "decoding")
    if table is None:
        why = f"{out.name} holds no table of decoding."
        yield Finding("pools", "not made", why)
        return
    yield judge_pools(table)


def judge_pools(table: pd.DataFrame) -> Finding:
    """Return whether scores of decoding say among how many, by chance, and of ties."""
    missing = [name for name in CARD_COLUMNS if name not in table]
    if missing:
        found = f"decoding.csv has no column {', '.join(missing)}."
        return Finding("pools", "failed", found, ("decoding.csv",))
    found = f"{len(table)} scores of decoding name their pool, ties and chance."
    return Finding("pools", "passed", found, ("decoding.csv",))


def _prior(out: Path) -> Iterator[Finding]:
    table = read_table(out / "tables", "generation")
    if table is None:
        why = f"{out.name} holds no table of generation."
        yield Finding("prior", "not made", why)
        return
    yield judge_prior(table)


def judge_prior(table: pd.DataFrame) -> Finding:
    """Return whether decoded conditioning does better than random and mean brains."""
    table = table[table["metric"] == PRIOR]
    worse, weak = [], []
    for key, rows in table.groupby(["subject", "target", "scored_by"], sort=False):
        by = rows.set_index("conditioning")["value"].astype(float)
        decoded, rest = by["decoded"], by.drop("decoded")
        p = float(rows.set_index("conditioning")["p"]["decoded"])
        if decoded <= rest.max():
            worse.append(
                f"sub-{key[0]}, {key[1]} by {key[2]}: decoded {decoded:.3f} "
                f"(p {p:.2g}), {rest.idxmax()} {rest.max():.3f}"
            )
        elif p >= ALPHA:
            weak.append(f"sub-{key[0]}, {key[1]} by {key[2]}: p {p:.2g}")
    if worse:
        text = "; ".join(worse)
        found = f"music made from responses is no nearer to the stimulus: {text}."
        return Finding("prior", "failed", found, ("generation.csv",))
    if weak:
        found = f"music made from responses identifies no stimulus: {'; '.join(weak)}."
        return Finding("prior", "shown", found, ("generation.csv",))
    found = "music made from responses is nearer to the stimulus than from none."
    return Finding("prior", "passed", found, ("generation.csv",))


def _group(study: Study) -> Iterator[Finding]:
    n = len(study.dataset.subjects)
    found = (
        f"{n} subjects: a sign test over them cannot give less than "
        f"{2 * 0.5**n:.2g} two-sided."
    )
    yield Finding("group-size", "shown", found, (), {"smallest_p": 2 * 0.5**n})
