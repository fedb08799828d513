"""What the stages say at the door and in their notes, gathered by check.

The stages own these checks; nothing is judged here a second time. A note is known by
words that its own test holds.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from ..core.checks import InputError
from ..study import Study
from ..workflow.opening import Opened, check_same_runs, open_subject
from ..workflow.pipeline import check_subject
from ..workflow.source_names import check_same_sources
from .verdict import Finding, Status

SMALL_SHARE, SMALL_REST = 0.01, 0.1
OFF_MIDDLE: tuple[str, Status] = ("reference-time", "shown")

# Words of a note, the check that it belongs to, and what it makes of it.
WORDS: tuple[tuple[str, str, Status], ...] = (
    (r"Is the TR right\?", "event-end", "failed"),
    (r"slice timing differs between runs", "reference-time", "failed"),
    (r"may lie half a TR off", "reference-time", "shown"),
    (r"\(0\.[1-9]\d TR\) (after|before) the middle of the TR", *OFF_MIDDLE),
    (r"tell left and right apart differently", "sides", "failed"),
    (r"voxels never vary in this run", "dead-voxels", "failed"),
    (r"voxels never vary in any run", "dead-voxels", "shown"),
    (r"times more or less than in most runs", "odd-run", "failed"),
    (r"vertices of the medial wall hold values", "medial-wall", "failed"),
    (r"test clips have unequal numbers of repeats", "repeats", "shown"),
    (r"of \d+ test clips share with a training clip", "shared-clips", "failed"),
)
OF_INPUTS = (
    "sides",
    "event-end",
    "reference-time",
    "dead-voxels",
    "odd-run",
    "medial-wall",
    "repeats",
)


def open_all(study: Study) -> tuple[list[Opened], list[Finding]]:
    """Open each subject; what is wrong with one keeps no other from being opened."""
    opened, findings = [], []
    for subject in study.dataset.subjects:
        try:
            one = open_subject(study, subject)
            check_subject(study, one)
        except InputError as error:
            text = str(error)
            findings.append(Finding("inputs", "failed", text, runs_in(text)))
        else:
            opened.append(one)
    try:
        check_same_sources(study, [one.subject for one in opened])
        check_same_runs(study, opened)
    except InputError as error:
        findings.append(Finding("inputs", "failed", str(error), runs_in(str(error))))
    return opened, findings


def judge_notes(
    notes: Iterable[str], keys: Sequence[str] = OF_INPUTS
) -> Iterator[Finding]:
    """Yield a finding for each note that belongs to a check, and for checks without."""
    met: dict[str, None] = {}
    for note in dict.fromkeys(notes):
        for words, key, status in WORDS:
            if key in keys and re.search(words, note):
                met[key] = None
                weighed: Status = "shown" if _is_small(note) else status
                yield Finding(key, weighed, note, runs_in(note))
                break
    for key in keys:
        if key not in met:
            yield Finding(key, "passed", "nothing was found against it.")


def _is_small(note: str) -> bool:
    """Return whether a note is of so little that clean studies have it, too.

    Of fewer than 1 % of the voxels, as at the edge of a mask; or of a rest at the end
    of less than a tenth of a run.
    """
    voxels = re.search(r"(\d+) of (\d+) voxels", note)
    if voxels:
        return int(voxels[1]) < SMALL_SHARE * int(voxels[2])
    ends = re.search(r"\(([\d.]+) of ([\d.]+) s\)", note)
    if ends is None:
        return False
    return float(ends[1]) > (1 - SMALL_REST) * float(ends[2])


def less_usual(study: Study, notes: Iterable[str]) -> list[str]:
    """Return notes without those that the study has answered already."""
    if study.responses.reference_time == "middle":
        return list(notes)
    answered = "features are taken unless responses.reference_time is 'sidecar'"
    return [note for note in notes if answered not in note]


def check_folds(study: Study) -> Iterator[Finding]:
    """Yield whether folds are whole runs; only decoding can ask for others."""
    decoding = study.decoding
    if decoding.targets and decoding.folds == "clip":
        text = (
            "decoding.folds is 'clip': clips of one run are in different folds, as in "
            "the paper. The table decoding_optimism says by how much scores gain."
        )
        yield Finding("folds", "failed", text)
    else:
        text = "folds are groups of whole runs."
        yield Finding("folds", "passed", text)


def runs_in(text: str) -> tuple[str, ...]:
    """Return the runs, subjects and files that a message names.

    Examples
    --------
    >>> runs_in("sub-01, task-Test_run-02: 3 voxels never vary.")
    ('sub-01', 'task-Test_run-02')
    """
    pattern = r"(?:ses-\w+_)?(?:task-[A-Za-z0-9]+_)?run-[A-Za-z0-9]+|sub-[A-Za-z0-9]+"
    files = r"[\w./-]+\.(?:tsv|csv|json|nii(?:\.gz)?|npy|npz|gii|toml|h5|mat|wav|au)\b"
    return tuple(dict.fromkeys(re.findall(f"{files}|{pattern}", text)))
