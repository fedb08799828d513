"""One figure of the paper as it is written: picture, its numbers, and what made it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..core.artefacts import package_versions, read_about
from ..core.checks import InputError, check_choice
from ..core.types import label_of
from ..data.maps import write_map
from ..figures.fonts import embed_fonts
from ..figures.looks import OnScale, TwoScores
from ..figures.pages import Panel
from ..figures.style import DOUBLE_MM, SINGLE_MM, size_mm
from .map_pages import MapPage
from .tables import read_table
from .to_draw import Saved

FORMATS = ("pdf", "svg", "png")
WIDTHS = {"single": SINGLE_MM, "double": DOUBLE_MM}
NARROWEST_MM, WIDEST_MM = 60.0, 400.0
LEAST_DPI, MOST_DPI = 300, 600
# Text stays text: TrueType in PDF, and in SVG fonts by their name. Ids in SVG do not
# change from one drawing to the next.
TEXT: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "brain2music",
}
NO_DATE: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None},
    "svg": {"Date": None},
    "png": {},
}


@dataclass(frozen=True, slots=True)
class Print:
    """How figures are written.

    Parameters
    ----------
    width_mm : float or None
        None takes what suits each figure: a single or a double column.
    formats : tuple of 'pdf', 'svg' and 'png'
    dpi : int
        Of PNG, and of the pictures inside PDF and SVG (maps, spectrograms).
    """

    width_mm: float | None = None
    formats: tuple[str, ...] = ("pdf", "png")
    dpi: int = 300

    def __post_init__(self) -> None:
        for one in self.formats:
            check_choice(one, "format", FORMATS)
        if not self.formats:
            raise InputError(f"no format to write. Name some of {', '.join(FORMATS)}.")
        if not LEAST_DPI <= self.dpi <= MOST_DPI:
            raise InputError(
                f"dpi is {self.dpi}. Journals print {LEAST_DPI} to {MOST_DPI}: take a "
                "number between them."
            )
        width = self.width_mm
        if width is not None and not NARROWEST_MM <= width <= WIDEST_MM:
            raise InputError(
                f"a width of {width:g} mm leaves no room for the text, or fits on no "
                f"page. Take {NARROWEST_MM:g} to {WIDEST_MM:g} mm, 'single' "
                f"({SINGLE_MM:g}) or 'double' ({DOUBLE_MM:g})."
            )

    def width(self, usual_mm: float) -> float:
        """Return the width that was asked for, or the usual one."""
        return usual_mm if self.width_mm is None else self.width_mm


def width_of(text: str | None) -> float | None:
    """Return the millimetres of 'single', 'double' or a number.

    Examples
    --------
    >>> width_of("single"), width_of("120"), width_of(None)
    (90.0, 120.0, None)
    """
    if text is None or text in WIDTHS:
        return None if text is None else WIDTHS[text]
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"the width must be 'single', 'double' or a number of millimetres, got "
            f"{text!r}."
        ) from None


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure that was drawn, with the numbers in it.

    Parameters
    ----------
    name : str
        Of its files, without ending.
    figure : Figure
    numbers : mapping from name to DataFrame
        What is drawn; '' is named as the figure itself.
    maps : MapPage, optional
        Its panels are written as GIFTI.
    limits : mapping from axis to (low, high)
    threshold : str
        What is not shown, and why.
    spaces : sequence of str
        The feature spaces in it: their sources are told.
    notes : sequence of str
    judges : mapping from word to sequence of str
        What else had a part in it: who judged, who made, who tagged.
    made_from : sequence of str
        Artefacts beside the tables that it is drawn from, such as `decoding/sub-01`.
    """

    name: str
    figure: Figure
    numbers: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    maps: MapPage | None = None
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    threshold: str = "none"
    spaces: Sequence[str] = ()
    notes: Sequence[str] = ()
    judges: Mapping[str, Sequence[str]] = field(default_factory=dict)
    made_from: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Results:
    """What the figures of the paper are drawn from."""

    saved: Saved
    print: Print

    @property
    def bands(self) -> tuple[str, ...]:
        """The feature spaces of the encoding model."""
        return tuple(self.saved.study.encoding.bands)

    @property
    def subjects(self) -> list[str]:
        """The subjects of the results."""
        return list(self.saved.models)

    def table(self, name: str) -> pd.DataFrame | None:
        """Return a table of the results as it is saved; None if it is not there."""
        return read_table(self.saved.out / "tables", name)

    def source(self, space: str) -> str:
        """Return what a feature space is made by, as the tables say it."""
        scores = self.table("roi_scores")
        if scores is None:
            return ""
        rows = scores[scores["feature_space"] == space]
        return next((source for source in rows["source"] if source), "")

    def label(self, space: str) -> str:
        """Return a feature space's name with its source."""
        return label_of(space, self.source(space))


def write_drawn(drawn: Drawn, folder: Path, results: Results, shows: str) -> list[Path]:
    """Write a figure with its numbers and a JSON of what made it; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context(TEXT):
        for ending in results.print.formats:
            written.append(folder / f"{drawn.name}.{ending}")
            drawn.figure.savefig(
                written[-1], dpi=results.print.dpi, metadata=NO_DATE[ending]
            )
            if ending == "svg":
                embed_fonts(written[-1], drawn.figure)
    width, height = size_mm(drawn.figure)
    plt.close(drawn.figure)
    numbers = _write_numbers(drawn, folder, results)
    about = {
        "figure": drawn.name,
        "shows": shows,
        "width_mm": round(width, 3),
        "height_mm": round(height, 3),
        "limits": {name: list(map(float, v)) for name, v in drawn.limits.items()},
        "threshold": drawn.threshold,
        "colours": {} if drawn.maps is None else scale_colours(drawn.maps),
        "sources": {space: results.label(space) for space in drawn.spaces},
        **{word: list(who) for word, who in drawn.judges.items()},
        "notes": list(drawn.notes),
        "numbers": [path.relative_to(folder).as_posix() for path in numbers],
        "result": _made_of(results) | _identities(results.saved.out, drawn.made_from),
        "drawn_with": package_versions(["brain2music", "matplotlib"]),
    }
    path = folder / f"{drawn.name}.json"
    text = json.dumps(about, indent=1, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return [*written, *numbers, path]


def axes_limits(figure: Figure) -> dict[str, tuple[float, float]]:
    """Return the limits of the first axes, which all of a kind have in common."""
    ax = figure.axes[0]
    return {"x": ax.get_xlim(), "y": ax.get_ylim()}


def scale_limits(page: MapPage) -> dict[str, tuple[float, float]]:
    """Return the limits of each scale on a page, by what its colours are."""
    found = {}
    for panel in page.panels.values():
        look = panel.look
        if isinstance(look, OnScale):
            found[look.scale.label] = (look.scale.vmin, look.scale.vmax)
        if isinstance(look, TwoScores):
            found |= dict.fromkeys(look.labels, (look.vmin, look.vmax))
    return found


def scale_colours(page: MapPage) -> dict[str, str]:
    """Return the colour map of each scale on a page."""
    looks = [panel.look for panel in page.panels.values()]
    return {
        look.scale.label: look.scale.cmap for look in looks if isinstance(look, OnScale)
    }


def _write_numbers(drawn: Drawn, folder: Path, results: Results) -> list[Path]:
    paths = []
    for name, table in drawn.numbers.items():
        paths.append(folder / f"{drawn.name}{f'_{name}' if name else ''}.csv")
        table.to_csv(paths[-1], index=False, float_format="%.9g")
    if drawn.maps is not None:
        paths += _write_maps(drawn, drawn.maps, folder, results)
    return paths


def _write_maps(
    drawn: Drawn, page: MapPage, folder: Path, results: Results
) -> list[Path]:
    """Write each panel's values, a GIFTI file per hemisphere and number."""
    space = results.saved.models[page.subject].space
    paths = []
    for number, (title, panel) in enumerate(page.panels.items(), start=1):
        for part, column in _columns(panel).items():
            paths += write_map(
                folder / f"{drawn.name}_maps",
                {"sub": _alphanumeric(page.subject), "desc": f"panel{number}{part}"},
                column,
                space,
                name=title,
                facts={"Panel": title, "Figure": drawn.name},
            )
    return paths


def _columns(panel: Panel) -> dict[str, np.ndarray]:
    """Return the numbers of a panel as they are drawn, and where a contour has 1."""
    values = panel.drawn
    if values.ndim == 1:
        found = {"": values}
    else:
        found = {f"v{k}": column for k, column in enumerate(values.T, start=1)}
    if panel.contour is not None:
        found["contour"] = np.asarray(panel.contour, dtype=float)
    return found


def _alphanumeric(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


def _made_of(results: Results) -> dict[str, Any]:
    """Return which result the figure was drawn from: identities, and its version."""
    out = results.saved.out
    whole = json.loads((out / "about.json").read_text(encoding="utf-8"))
    tables = read_about(out / "tables")
    return {
        "study": results.saved.study.title,
        "simulated": results.saved.study.dataset.simulated,
        "subjects": results.subjects,
        "tables": tables["identity"] if tables else "",
        "made_with": whole.get("packages", {}).get("brain2music", ""),
    }


def _identities(out: Path, artefacts: Sequence[str]) -> dict[str, str]:
    """Return the identity of each artefact that is there."""
    found = {name: read_about(out / name) for name in artefacts}
    return {name: about["identity"] for name, about in found.items() if about}
