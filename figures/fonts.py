"""Fonts inside an SVG, so that its text looks the same where they are not installed."""

import base64
from collections import defaultdict
from io import BytesIO
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

END_OF_START = "<defs>"


def embed_fonts(svg: Path, figure: Figure) -> None:
    """Put the letters that a figure uses into its SVG; text stays text.

    Only these letters: another word, written in an editor, may want the font installed.

    Parameters
    ----------
    svg : Path
        What `savefig` has written with `svg.fonttype` 'none'. It is changed.
    figure : Figure
        What it was written from.
    """
    faces = "".join(_face(path, said) for path, said in sorted(_used(figure).items()))
    text = svg.read_text(encoding="utf-8")
    style = f'<style type="text/css">{faces}</style>'
    if faces and END_OF_START in text:
        text = text.replace(END_OF_START, f"{END_OF_START}\n  {style}", 1)
        svg.write_text(text, encoding="utf-8")


def _used(figure: Figure) -> dict[str, set[str]]:
    """Return the letters that are written in each font file."""
    letters: dict[str, set[str]] = defaultdict(set)
    for text in figure.findobj(Text):
        said = text.get_text() if isinstance(text, Text) else ""
        if isinstance(text, Text) and said.strip() and text.get_visible():
            letters[str(findfont(text.get_fontproperties()))] |= set(said)
    return letters


def _face(path: str, letters: set[str]) -> str:
    """Return a rule of CSS with these letters of a font."""
    options = Options()
    options.recalc_timestamp = False  # the same file from one drawing to the next
    options.hinting = False
    options.drop_tables += ["FFTM"]  # when an editor of fonts wrote it
    with TTFont(path, fontNumber=0, recalcTimestamp=False) as font:
        subsetter = Subsetter(options)
        subsetter.populate(text="".join(sorted(letters)))
        subsetter.subset(font)
        font.flavor = "woff"
        buffer = BytesIO()
        font.save(buffer)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    face = get_font(path)
    bold = "bold" if "bold" in face.style_name.lower() else "normal"
    slant = next(
        (s for s in ("italic", "oblique") if s in face.style_name.lower()), "normal"
    )
    return (
        f"@font-face{{font-family:'{face.family_name}';font-weight:{bold};"
        f"font-style:{slant};src:url(data:font/woff;base64,{data}) format('woff')}}"
    )
