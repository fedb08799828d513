"""The part of a study file that says how scores are tested, compared and summed up."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from .core.checks import nearest
from .feature_spaces import STRICT, Positive, Seed

PAPER = (("mulan-text", "mulan-music"),)
MOST_SPACES = 4  # a partition of n feature spaces needs 2^n - 1 models


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Analysis:
    """Intervals, nulls, comparisons and, for simulated studies, what was planted.

    `null` moves predictions in time: 'shift' turns each test run around, 'blocks' has
    blocks change places. `blocks` says which: 'auto' cuts the test runs as the
    autocorrelation asks, and blocks leave their run; 'clip' has clips (or stretches of
    `block_s`) change places inside their run; 'run' moves whole runs. `method` reads p
    from it, `fdr` says which q counts as found (at 0.05). `partition` fits models of
    all subsets of up to 4 feature spaces (true: of all bands; or those named) and
    stacks them; None: two bands are, since that needs no more models.
    `added` lists pairs [what is added, to what]; None: both ways for two bands, and
    mulan-text to mulan-music where both are bands. `low` and `high` name the feature
    spaces of the gradient index. `hierarchy` lists levels of ROIs, low to high; none:
    A1 to A5 and core to frontal, as far as the ROIs' names tell. `spheres` are the
    registered spheres of the surface, left and right (lh.sphere.reg, or as .surf.gii),
    which bring subjects to fsaverage5 and let maps be turned `n_spins` times; those of
    fsaverage5 are known. {subject} in their paths stands for the label.
    """

    n_resamples: Annotated[int, Field(ge=100)] = 1000
    n_permutations: Annotated[int, Field(ge=200)] = 1000
    null: Literal["shift", "blocks"] = "shift"
    blocks: Literal["auto", "clip", "run"] = "auto"
    method: Literal["count", "tail", "pooled"] = "count"
    fdr: Literal["bh", "by"] = "bh"
    block_s: Positive = 30.0
    partition: bool | tuple[str, ...] | None = None
    added: tuple[tuple[str, str], ...] | None = None
    low: tuple[str, ...] = ()
    high: tuple[str, ...] = ()
    hierarchy: tuple[tuple[str, ...], ...] = ()
    spheres: tuple[str, ...] = ()
    n_spins: Annotated[int, Field(ge=0)] = 1000
    planted: str | None = None
    seed: Seed = 0

    def partitioned(self, bands: tuple[str, ...]) -> tuple[str, ...]:
        """Return the feature spaces whose variance is partitioned; none if it is not.

        In the order of the bands.
        """
        if self.partition is None:
            return bands if len(bands) == 2 else ()
        if isinstance(self.partition, bool):
            return bands if self.partition else ()
        return tuple(name for name in bands if name in self.partition)

    def questions(self, bands: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Return pairs of feature spaces: what is added, and to what."""
        if self.added is not None:
            return self.added
        if len(bands) == 2:
            return (bands[::-1], bands)
        return tuple(pair for pair in PAPER if set(pair) <= set(bands))


def analysis_problems(analysis: Analysis, bands: tuple[str, ...]) -> Iterator[str]:
    """Yield what cannot be although each value by itself could."""
    if analysis.spheres and len(analysis.spheres) != 2:
        yield "analysis.spheres are two: of the left hemisphere, then of the right."
    named = {"low": analysis.low, "high": analysis.high}
    if not isinstance(analysis.partition, bool):
        named["partition"] = analysis.partition or ()
    named |= {"added": tuple(n for pair in analysis.added or () for n in pair)}
    for key, names in named.items():
        for name in [name for name in names if name not in bands]:
            yield (
                f"analysis.{key} names {name!r}, which is no band. Bands are "
                f"{', '.join(bands)}.{nearest(name, bands)}"
            )
    if bool(analysis.low) != bool(analysis.high) or set(analysis.low) & set(
        analysis.high
    ):
        yield (
            "analysis.low and analysis.high are the two sides of one index: name at "
            "least one feature space on each, and none on both."
        )
    parts = analysis.partitioned(bands)
    if len(parts) > MOST_SPACES or (analysis.partition and len(parts) < 2):
        yield (
            f"analysis.partition is of {len(parts)} feature spaces; it takes 2 to "
            f"{MOST_SPACES}, since n of them need 2^n - 1 models. Name some of the "
            'bands: partition = ["music", "text"].'
        )
    if any(a == b for a, b in analysis.added or ()):
        yield "analysis.added names a pair of one feature space: name two."
    if analysis.method == "tail" and analysis.n_permutations < 500:
        yield "analysis.method = 'tail' needs analysis.n_permutations = 500 or more."
    if len(analysis.hierarchy) == 1 or not all(analysis.hierarchy):
        yield (
            "analysis.hierarchy has one level, or an empty one. List levels of ROIs, "
            'low to high: [["A1"], ["LBelt", "MBelt"], ["PBelt"]].'
        )
