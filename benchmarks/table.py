"""One table of figures with their goals, printed row by row as they are measured."""

from dataclasses import dataclass

COLUMNS = ("row", "sizes", "reference", "s", "ours, s", "figure", "goal", "reached")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Parameters
    ----------
    what, sizes, against : str
    theirs_s, ours_s : float, optional
        Seconds of what it is measured against, and of ours.
    figure : float, optional
        Their ratio, unless another is given.
    goal : str
        As the reader sees it.
    least : float, optional
        The smallest figure that reaches the goal.
    most : float, optional
        The largest one.
    unit : str
        'x' for a ratio.
    """

    what: str
    sizes: str = ""
    against: str = ""
    theirs_s: float | None = None
    ours_s: float | None = None
    figure: float | None = None
    goal: str = ""
    least: float | None = None
    most: float | None = None
    unit: str = "x"

    @property
    def value(self) -> float | None:
        """The figure, or the ratio of the seconds."""
        if self.figure is not None or not self.theirs_s or not self.ours_s:
            return self.figure
        return self.theirs_s / self.ours_s

    @property
    def reached(self) -> str:
        """'yes', 'no', or nothing where no goal was set."""
        if self.value is None or (self.least is None and self.most is None):
            return ""
        above = self.least is None or self.value >= self.least
        below = self.most is None or self.value <= self.most
        return "yes" if above and below else "no"

    def line(self) -> str:
        """Return the row in Markdown."""
        figure = "" if self.value is None else f"{self.value:.3g} {self.unit}".strip()
        cells = [
            self.what,
            self.sizes,
            self.against,
            *("" if s is None else f"{s:.3g}" for s in (self.theirs_s, self.ours_s)),
            figure,
            self.goal,
            self.reached,
        ]
        return f"| {' | '.join(cells)} |"


def head() -> str:
    """Return the first two lines of the table."""
    return f"| {' | '.join(COLUMNS)} |\n{'| --- ' * len(COLUMNS)}|"
