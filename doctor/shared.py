"""Whether test clips share a track or a sound with training."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.artefacts import Recipe
from ..study import Study, changed
from ..workflow.leakage import (
    clips_on_both_sides,
    make_stimuli,
    makes_stimuli,
    sound_space,
)
from ..workflow.opening import Opened
from ..workflow.session import Progress, Session
from ..workflow.tables import read_table
from .static import judge_notes
from .verdict import Finding

UNKNOWN = (
    "the study says nothing of tracks, and no band reads sound files: what clips share "
    "is not known. Give stimuli.table."
)


def check_shared(
    study: Study,
    opened: Sequence[Opened],
    out: Path,
    progress: Progress,
    *,
    silent: str = "",
) -> Iterator[Finding]:
    """Yield what clips of both sides share.

    Parameters
    ----------
    study : Study
    opened : sequence of Opened
    out : Path
    progress : callable
    silent : str
        Why sounds are not compared, which takes long; '' compares them.

    Raises
    ------
    InputError
        If a table or a sound cannot be read.
    """
    both = sorted({clip for one in opened for clip in clips_on_both_sides(one)})
    if both:
        found = (
            f"{len(both)} clips are heard in training and in test, such as {both[0]}."
        )
        yield Finding("shared-clips", "failed", found, tuple(both[:10]))
        return
    if not opened:
        yield Finding("shared-clips", "not made", "no subject can be opened.")
        return
    if silent and sound_space(study) is not None:
        why = f"the sound of clips was not compared: {silent}"
        yield Finding("shared-clips", "not made", why)
        study = changed(study, stimuli=replace(study.stimuli, audio=False))
        if not makes_stimuli(study):
            return
    if not makes_stimuli(study):
        yield Finding("shared-clips", "not made", UNKNOWN)
        return
    yield from _compared(Watched(study, out, progress), opened)


def _compared(session: "Watched", opened: Sequence[Opened]) -> Iterator[Finding]:
    make_stimuli(session, opened)
    met = False
    for one in judge_notes(session.notes):
        if one.key != "shared-clips":
            continue
        met = True
        if one.status != "failed" or not session.pairs:
            yield one
            continue
        clips = tuple(dict.fromkeys(clip for pair in session.pairs for clip in pair))
        found = f"{one.found} The first is {' and '.join(session.pairs[0])}."
        yield replace(one, found=found, where=clips[:10])
    if not met:
        sound = sound_space(session.study)
        by = [session.study.stimuli.table, sound and f"the sound of {sound}"]
        found = f"nothing is shared, by {' and by '.join(filter(None, by))}."
        yield Finding("shared-clips", "passed", found)


@dataclass
class Watched(Session):
    """A session that keeps the notes of what it makes, and no file of it.

    `pairs` are the test and training clips that share something.
    """

    notes: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)

    def make(
        self, folder: str, recipe: Recipe, work: Callable[[Path], list[str]]
    ) -> str:
        """Do the work in a folder that is gone afterwards."""
        del folder
        with tempfile.TemporaryDirectory() as place:
            self.notes = work(Path(place))
            table = read_table(Path(place), "shared_clips")
        if table is not None:
            known = table[table["why"] != "artist unknown"]
            columns = known["test_clip"], known["train_clip"]
            self.pairs = list(zip(*map(list, columns), strict=True))
        return recipe.identity
