"""The verdict as one page that opens from disk."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from .verdict import ORDER, Verdict

HEADINGS = {
    "failed": ("Failed", "What must be put right before a number is believed."),
    "not made": ("Could not be made", "What is therefore not known, and why."),
    "shown": (
        "To be read beside the scores",
        "Numbers that no check can judge: they may be true.",
    ),
    "passed": ("Passed", "What was looked at and found in order."),
}
WEIGHTS = {
    3: "numbers may be of something else than they say",
    2: "numbers may be biased, or rest on fewer data",
    1: "worth a look",
}


def write_page(verdict: Verdict, path: Path) -> None:
    """Write the page; text of the study is escaped."""
    environment = Environment(
        loader=PackageLoader("brain2music"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("doctor.html").render(
        verdict=verdict,
        groups=[
            (status, *HEADINGS[status], verdict.having(status)) for status in ORDER
        ],
        weights=WEIGHTS,
    )
    path.write_text(text, encoding="utf-8")
