"""The verdict as one page that opens from disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from .verdict import ORDER, Curve, Finding, Verdict

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

DONE = {
    "static": "the study's inputs were held against each other",
    "shift": "sound was moved against responses",
    "null": "noise and features of other clips went the way of the study's own",
    "oracle": "signals of known size were added to copies of responses",
    "invariance": "what should change nothing was changed",
    "confounds": "motion and physiology were predicted from features",
    "saved": "saved results were read",
}

WIDTH, HEIGHT = 200, 80  # of a curve, in the picture's own units


@dataclass(frozen=True, slots=True)
class Drawn:
    """A curve as the page shows it: where its points lie, and what it says.

    `lag_x` is the lag of the other runs, `zero_y` where r is 0.
    """

    name: str
    text: str
    points: str
    peak: tuple[float, float]
    lag_x: float
    zero_y: float
    ends: tuple[str, str]
    off: bool


def draw_curves(findings: Sequence[Finding]) -> Iterator[Drawn]:
    """Yield all curves of the findings, on one scale of r."""
    curves = [(curve, one) for one in findings for curve in one.curves]
    if not curves:
        return
    r = np.concatenate([curve.r for curve, _ in curves])
    low, high = min(0.0, float(r.min())), max(float(r.max()), 0.05)
    for curve, one in curves:
        yield _drawn(curve, (low, high), one.status == "failed")


def _drawn(curve: Curve, scale: tuple[float, float], failed: bool) -> Drawn:
    lags, r = np.asarray(curve.lags_s), np.asarray(curve.r)
    x = WIDTH * (lags - lags[0]) / (lags[-1] - lags[0])
    y = HEIGHT * (scale[1] - r) / (scale[1] - scale[0])
    best, here = int(r.argmax()), int(np.abs(lags - curve.lag_s).argmin())
    text = f"best at {lags[best]:g} s, r {r[best]:.3f}"
    if best != here:
        text += f"; at {lags[here]:g} s, r {r[here]:.3f}"
    return Drawn(
        name=curve.name,
        text=text,
        points=" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)),
        peak=(round(float(x[best]), 1), round(float(y[best]), 1)),
        lag_x=round(float(x[here]), 1),
        zero_y=round(HEIGHT * scale[1] / (scale[1] - scale[0]), 1),
        ends=(f"{lags[0]:g} s", f"{lags[-1]:g} s"),
        off=failed,
    )


def what_was_done(verdict: Verdict) -> Iterator[str]:
    """Yield what was done to copies of the data, by the checks that were made."""
    made = {one.card.kind for one in verdict.findings if one.status != "not made"}
    for kind, text in DONE.items():
        if kind in made:
            yield text


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
            (status, *HEADINGS[status], verdict.by_check(status)) for status in ORDER
        ],
        whole=verdict.checks("passed"),
        what=list(what_was_done(verdict)),
        weights=WEIGHTS,
        curves=list(draw_curves(verdict.findings)),
        size=(WIDTH, HEIGHT),
    )
    path.write_text(text, encoding="utf-8")
