"""One call of `run`: where it writes, what it made, and what it found as it was."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..core.artefacts import Recipe, is_current, new_artefact, read_about
from ..study import Study

Progress = Callable[[str, int, int], None]
Advance = Callable[[int], None]
Ticker = Callable[[str, int], Advance]


def silent(_text: str, _total: int) -> Advance:
    """Return a function that tells nobody how far the work has come: a `Ticker`."""
    return lambda _n: None


def tick(progress: Progress, text: str, total: int) -> Advance:
    """Return a function that adds to what is done of the work named `text`."""
    done = 0
    progress(text, 0, total)

    def advance(n: int) -> None:
        nonlocal done
        done += n
        progress(text, done, total)

    return advance


@dataclass
class Session:
    """Makes artefacts below `out`, unless they stand."""

    study: Study
    out: Path
    progress: Progress
    again: bool = False
    made: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)

    def make(
        self,
        folder: str,
        recipe: Recipe,
        work: Callable[[Path], list[str]],
    ) -> str:
        """Make the artefact `folder` unless it stands; return its identity."""
        place = self.out / folder
        if not self.again and is_current(place, recipe):
            self.reused.append(folder)
            return recipe.identity
        notes: list[str] = []
        if read_about(place) is not None:
            self.progress(f"{folder}: inputs or settings changed, made again", 0, 1)
        with new_artefact(place, recipe, notes) as partial:
            notes += work(partial)
        self.made.append(folder)
        return recipe.identity

    def ticker(self, text: str, total: int) -> Advance:
        """Return a function that adds to what is done of the work named `text`."""
        return tick(self.progress, text, total)
