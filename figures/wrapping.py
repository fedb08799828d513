"""Text that stays inside the width it has: broken between words, measured in mm."""

from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

MM_PER_PT = 25.4 / 72
LEADING = 1.2  # distance of lines, of the size of letters
SPARE = 1.04  # letters on a grid of pixels are this much wider than their outlines


@lru_cache(maxsize=4096)
def text_mm(text: str, size_pt: float) -> float:
    """Return the width of a line of text as it will be printed.

    Examples
    --------
    >>> 1.9 < text_mm("mm", 6.0) / text_mm("m", 6.0) <= 2.1
    True
    """
    said = text.replace(r"\$", "$")
    width, *_ = TextToPath().get_text_width_height_descent(
        said, FontProperties(size=size_pt), ismath=False
    )
    return float(width) * MM_PER_PT * SPARE


def wrapped(text: str, width_mm: float, size_pt: float) -> str:
    r"""Return `text` with line breaks, so that no line is wider than `width_mm`.

    Lines break between words; a word that is wider than a line breaks anywhere.

    Examples
    --------
    >>> wrapped("r, held-out runs", 14.0, 6.0)
    'r, held-out\nruns'
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if text_mm(longer, size_pt) <= width_mm:
                line = longer
                continue
            lines += [line] if line else []
            *whole, line = _pieces(word, width_mm, size_pt)
            lines += whole
        lines.append(line)
    return "\n".join(lines)


def lines_mm(text: str, size_pt: float) -> float:
    """Return the height of a text of one or more lines; 0 of none."""
    return (text.count("\n") + 1) * size_pt * LEADING * MM_PER_PT if text else 0.0


def _pieces(word: str, width_mm: float, size_pt: float) -> list[str]:
    """Return a word in pieces that fit, of at least one letter each."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and text_mm(pieces[-1] + letter, size_pt) > width_mm:
            pieces.append("")
        pieces[-1] += letter
    return pieces
