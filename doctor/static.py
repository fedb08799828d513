"""What the stages say at the door and in their notes, gathered by check.

The stages own these checks; nothing is judged here a second time. A note is known by
words that its own test holds.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from ..core.checks import InputError
from ..data.leakage import clips_straddle_folds
from ..data.splits import fold_of_row
from ..study import Study
from ..workflow.opening import Opened
from ..workflow.regions import made_from
from .look import OF_OPENING, OF_RESPONSES, Look
from .verdict import Finding, Status, runs_in

SMALL_SHARE, SMALL_REST = 0.01, 0.1
OFF_MIDDLE: tuple[str, Status] = ("reference-time", "shown")
OF_INPUTS = OF_OPENING + OF_RESPONSES

# Words of a note, the check that it belongs to, and what it makes of it.
WORDS: tuple[tuple[str, str, Status], ...] = (
    (r"Is the TR right\?", "event-end", "failed"),
    (r"slice timing differs between runs", "reference-time", "failed"),
    (r"may lie half a TR off", "reference-time", "shown"),
    (r"\(0\.[1-9]\d TR\) (after|before) the middle of the TR", *OFF_MIDDLE),
    (r"tell left and right apart differently", "sides", "failed"),
    (r"voxels never vary in this run", "dead-voxels", "failed"),
    (r"vertices were not measured in this run", "dead-voxels", "failed"),
    (r"voxels never vary in any run", "dead-voxels", "shown"),
    (r"times more or less than in most runs", "odd-run", "failed"),
    (r"vertices of the medial wall hold values", "medial-wall", "failed"),
    (r"test clips have unequal numbers of repeats", "repeats", "shown"),
    (r"of \d+ test clips share with a training clip", "shared-clips", "failed"),
)


def judge_looks(looks: Sequence[Look]) -> Iterator[Finding]:
    """Yield what the door says of all subjects, and which checks saw nothing there."""
    met = set()
    for one in judge_notes(note for look in looks for note in look.notes):
        met.add(one.key)
        yield one
    for key in OF_INPUTS:
        seen = [look.name for look in looks if key not in look.unseen]
        if seen and key not in met:
            found = f"nothing was found against it in {', '.join(seen)}."
            yield Finding(key, "passed", found, tuple(seen))
        reasons: dict[str, list[str]] = {}
        for look in looks:
            if key in look.unseen:
                reasons.setdefault(look.unseen[key], []).append(look.name)
        for why, names in reasons.items():
            text = f"{', '.join(names)}: {why}"
            yield Finding(key, "not made", text, tuple(names))


def judge_notes(notes: Iterable[str]) -> Iterator[Finding]:
    """Yield a finding for each note that belongs to a check."""
    for note in dict.fromkeys(notes):
        for words, key, status in WORDS:
            if re.search(words, note):
                weighed: Status = "shown" if _is_small(note) else status
                yield Finding(key, weighed, note, (*runs_in(note), *_clips_in(note)))
                break


def _clips_in(note: str) -> tuple[str, ...]:
    """Return the clips that a note on repeats names, each before its run."""
    _, _, named = note.partition("Fewer have ")
    return tuple(re.findall(r"(\S+) \(", named))


def _is_small(note: str) -> bool:
    """Return whether a note is of so little that clean studies have it, too.

    Of fewer than 1 % of the voxels, as at the edge of a mask; or of a rest at the end
    of less than a tenth of a run.
    """
    voxels = re.search(r"(\d+) of (\d+) (?:voxels|vertices)", note)
    if voxels:
        return int(voxels[1]) < SMALL_SHARE * int(voxels[2])
    ends = re.search(r"\(([\d.]+) of ([\d.]+) s\)", note)
    if ends is None:
        return False
    return float(ends[1]) > (1 - SMALL_REST) * float(ends[2])


def check_folds(study: Study, opened: Sequence[Opened]) -> Iterator[Finding]:
    """Yield whether folds are whole runs that share no clip, as far as it is asked."""
    decoding, failed = study.decoding, False
    if decoding.targets and decoding.folds == "clip":
        failed = True
        text = (
            "decoding.folds is 'clip': clips of one run are in different folds, as in "
            "the paper. The table decoding_optimism says by how much scores gain."
        )
        yield Finding("folds", "failed", text, ("decoding.folds",))
    for one in opened:
        rows = one.rows[one.rows["kept"] & (one.rows["side"] == "train")]
        folds = fold_of_row(one.split, list(rows["run_name"]))
        over = clips_straddle_folds(rows, folds)
        if len(over):
            failed = True
            clips = tuple(over["clip"][:5].astype(str))
            text = (
                f"{one.name}: {len(over)} training clips are heard in more than one "
                f"fold, as encoding.clips_over_folds allows: {', '.join(clips)}."
            )
            yield Finding("folds", "failed", text, (one.name, *clips))
    if failed:
        return
    if not opened:
        text = "no subject can be opened, so what its folds share is not known."
        yield Finding("folds", "not made", text)
        return
    text = "folds are groups of whole runs, and no clip is heard in two of them."
    yield Finding("folds", "passed", text)


def check_made_from(study: Study, opened: Sequence[Opened]) -> Finding:
    """Return whether it is known which responses drawn or masked ROIs were made from.

    Those from test responses are refused at the door.
    """
    drawn = study.rois.masks or study.rois.overlays
    if not drawn or not opened:
        why = "no subject can be opened." if drawn else "no ROI is a mask or a drawing."
        return Finding("roi-origin", "not made", why)
    try:
        said = {one.name: made_from(study, one.subject) for one in opened}
    except (InputError, OSError) as error:
        return Finding("roi-origin", "not made", str(error))
    unsaid = [name for name, runs in said.items() if not runs]
    if unsaid:
        text = (
            f"{drawn} does not say which responses its ROIs were made from "
            f"({', '.join(unsaid)}). If it was the test runs, scores in them are too "
            "high."
        )
        return Finding("roi-origin", "shown", text, (drawn, *unsaid))
    runs = dict.fromkeys(run for names in said.values() for run in names)
    text = f"ROIs of {drawn} were made from {', '.join(runs)}."
    return Finding("roi-origin", "passed", text, (drawn,))
