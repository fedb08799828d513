"""The drawing of who may import whom, made from the contract in pyproject.toml."""

import tomllib
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

SETTINGS = Path(__file__).parents[1] / "pyproject.toml"
WIDTH_IN, ROW_IN, GAP = 7.2, 0.62, 0.02


def layers() -> list[list[str]]:
    """Return the packages of each layer, the highest first."""
    settings = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    rows = [[name.strip() for name in row.split("|")] for row in contract["layers"]]
    return [[name.removeprefix("brain2music.") for name in row] for row in rows]


def draw_layers(path: Path) -> None:
    """Draw a row of boxes per layer; each may import what lies below it."""
    rows = layers()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "layers"}):
        figure = Figure(figsize=(WIDTH_IN, ROW_IN * len(rows)))
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, 1), ylim=(len(rows), 0))
        ax.set_axis_off()
        for y, row in enumerate(rows):
            for x, name in enumerate(row):
                width = 1 / len(row)
                box = (x * width + GAP / 2, y + 0.1)
                ax.add_patch(
                    mpl.patches.Rectangle(
                        box, width - GAP, 0.8, facecolor="#e8eef7", edgecolor="#4a6fa5"
                    )
                )
                middle = (x + 0.5) * width
                text = name.replace("study_", "study_\n") if len(row) > 4 else name
                ax.text(middle, y + 0.5, text, ha="center", va="center", fontsize=9)
        figure.savefig(path, metadata={"Date": None})
