"""What the results that a study already has say of themselves."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.checks import InputError
from ..study import Study
from ..workflow.generation import PRIOR
from ..workflow.pipeline import stale_artefacts
from ..workflow.result import collect_notes
from ..workflow.tables import read_table
from .verdict import Finding

KEYS = ("stale", "grid-ends", "above-ceiling", "pools", "prior", "group-size")
CARD_COLUMNS = ("n_candidates", "chance", "n_ties")
SIGNAL = 0.01  # held-out R2 in training of a voxel that holds one
MOST_AT_TOP, FEWEST_VOXELS = 0.05, 20
ALPHA = 0.05  # of the prior-domination test, whose p the run has made


def check_saved(study: Study, out: Path) -> Iterator[Finding]:
    """Yield what the results in `out` say; that there are none, if there are none.

    Raises
    ------
    InputError
        Never: what is wrong with results is a finding.
    """
    if not (out / "about.json").is_file():
        for key in KEYS:
            why = f"{out.name} holds no results of a run. Run the study, and ask again."
            yield Finding(key, "not made", why)
        return
    yield _stale(study, out)
    notes = collect_notes(out)
    low = _by_words(notes, "grid-ends", r"of (?:voxels|dimensions) chose the")
    ends = [one for one in low if one.status == "failed"] + _grid_top(study, out)
    yield from ends or [Finding("grid-ends", "passed", "nothing was found against it.")]
    yield from _by_words(notes, "above-ceiling", r"scores lie above the ceiling")
    yield _pools(out)
    yield _prior(out)
    yield _group(study)


def _stale(study: Study, out: Path) -> Finding:
    try:
        stale = stale_artefacts(study, out)
    except (InputError, OSError) as error:
        return Finding("stale", "not made", str(error))
    if stale:
        found = (
            f"{len(stale)} parts of {out.name} were made from other inputs or settings "
            f"than there are now: {', '.join(stale)}."
        )
        return Finding("stale", "failed", found, tuple(stale))
    found = f"every part of {out.name} was made from what is there now."
    return Finding("stale", "passed", found)


def _by_words(notes: Sequence[str], key: str, words: str) -> Iterator[Finding]:
    met = [note for note in notes if re.search(words, note)]
    # Voxels without signal choose the largest penalty, as they should.
    met = [note for note in met if "as voxels without signal do" not in note]
    for note in met:
        yield Finding(key, "failed", note)
    if not met:
        yield Finding(key, "passed", "nothing was found against it.")


def _grid_top(study: Study, out: Path) -> list[Finding]:
    """Return whose voxels that hold a signal took the largest penalty that was tried.

    Voxels without signal take it, as they should: those that training folds predict
    are counted.
    """
    encoding, found = study.encoding, []
    *_, inner, top = [0.0, *sorted(encoding.alphas)]
    if inner and encoding.solver == "fold-gram":
        top *= (top / inner) ** encoding.widen_alphas
    for subject in study.dataset.subjects:
        folder = out / f"models/sub-{subject}"
        if not (folder / "alphas.npy").is_file():
            continue
        scores, alphas = (np.load(folder / f"{n}.npy") for n in ("cv_scores", "alphas"))
        known = scores > SIGNAL
        share = float((alphas[known] >= 0.999 * top).mean()) if known.any() else 0.0
        if known.sum() >= FEWEST_VOXELS and share > MOST_AT_TOP:
            text = (
                f"sub-{subject}: {share:.0%} of {known.sum()} voxels that training "
                f"folds predict took the largest penalty that was tried ({top:g}). Add "
                "larger ones to encoding.alphas."
            )
            values = {"share": share}
            found.append(
                Finding("grid-ends", "failed", text, (f"sub-{subject}",), values)
            )
    return found


def _pools(out: Path) -> Finding:
    table = read_table(out / "tables", "decoding")
    if table is None:
        return Finding("pools", "not made", "the study decodes nothing.")
    return judge_pools(table)


def judge_pools(table: pd.DataFrame) -> Finding:
    """Return whether scores of decoding say among how many, by chance, and of ties."""
    missing = [name for name in CARD_COLUMNS if name not in table]
    if missing:
        found = f"decoding.csv has no column {', '.join(missing)}."
        return Finding("pools", "failed", found, ("decoding.csv",))
    found = f"{len(table)} scores of decoding name their pool, ties and chance."
    return Finding("pools", "passed", found, ("decoding.csv",))


def _prior(out: Path) -> Finding:
    table = read_table(out / "tables", "generation")
    if table is None:
        return Finding("prior", "not made", "the study generates nothing.")
    return judge_prior(table)


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


def _group(study: Study) -> Finding:
    n = len(study.dataset.subjects)
    found = (
        f"{n} subjects: a sign test over them cannot give less than "
        f"{2 * 0.5**n:.2g} two-sided."
    )
    return Finding("group-size", "shown", found, (), {"smallest_p": 2 * 0.5**n})
