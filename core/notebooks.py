"""How results show themselves in a notebook: a line, and a table of texts."""

from html import escape

import pandas as pd


def line_and_table(line: str, table: pd.DataFrame) -> str:
    """Return HTML of a line and a table, whole texts, with nothing in them as markup.

    Parameters
    ----------
    line : str
    table : DataFrame
        Of texts; none is drawn if it has no row.

    Examples
    --------
    >>> line_and_table("2 runs < 3", pd.DataFrame())
    '<p>2 runs &lt; 3</p>'
    """
    text = f"<p>{escape(line)}</p>"
    if table.empty:
        return text
    with pd.option_context("display.max_colwidth", None):
        return text + str(table.to_html(index=False))
