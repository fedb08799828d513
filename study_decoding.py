"""The part of a study file that says what is decoded from responses, and how."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from .core.checks import nearest
from .feature_spaces import STRICT, Positive, Seed

ALPHAS = (1.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Decoding:
    """What is decoded from the responses; nothing if no target is named.

    `targets` are feature spaces of `encoding.bands`: at rows of TRs the mean over their
    delays, at windows the window's own. `decoder` 'rois' is the paper's: ridge from
    each ROI, the `n_best` of training folds averaged; 'cortex' is ridge from all voxels
    (or the `n_voxels` that training rows choose); 'contrastive' a small network.
    `folds` 'clip' is the paper's way: neighbours in a run are then on both sides, and
    what that adds is shown. `control_roi` names an ROI that sound should not reach.
    """

    targets: tuple[str, ...] = ()
    decoder: Literal["rois", "cortex", "contrastive"] = "cortex"
    n_best: Annotated[int, Field(ge=1)] = 6
    n_voxels: Annotated[int, Field(ge=1)] | None = None
    n_folds: Annotated[int, Field(ge=2)] = 5
    folds: Literal["run", "clip"] = "run"
    alphas: tuple[Positive, ...] = ALPHAS
    control_roi: str | None = None
    n_permutations: Annotated[int, Field(ge=100)] = 1000
    n_resamples: Annotated[int, Field(ge=100)] = 1000
    seed: Seed = 0


def decoding_problems(decoding: Decoding, bands: tuple[str, ...]) -> Iterator[str]:
    """Yield what cannot be although each value by itself could."""
    for name in [name for name in decoding.targets if name not in bands]:
        yield (
            f"decoding.targets names {name!r}, which is no band. Bands are "
            f"{', '.join(bands)}.{nearest(name, bands)}"
        )
    if len(set(decoding.targets)) < len(decoding.targets):
        yield "decoding.targets holds a feature space twice."
    if decoding.n_voxels is not None and decoding.decoder == "rois":
        yield (
            "decoding.n_voxels is for the decoders 'cortex' and 'contrastive'; 'rois' "
            "takes whole ROIs. Leave one of them out."
        )
