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

    `targets` are feature spaces of `encoding.bands`, decoded as they are at the sound's
    volume or window from the responses `encoding.delays` later: their mean, or all of
    them (`responses`). `decoder` 'rois' is the paper's: ridge from each ROI, the
    `n_best` of training folds averaged; 'cortex' is ridge from all voxels (or the
    `n_voxels` that training rows choose); 'contrastive' a small network. `folds` 'clip'
    is the paper's way: neighbours in a run are then on both sides, and what that adds
    is shown. Penalties are chosen by the correlation on held-out folds, or by the
    squared `error`. `control_roi` names an ROI that sound should not reach.

    `genres` is a column of the events: identification inside genres, and of genres
    that were not in training. `genre_transfer` trains on each genre alone. `lags` are
    volumes after a clip's onset at which one volume has to do. `across` decodes each
    subject by the others, in `across_rois` or in all voxels. `groups` is a column of
    `participants.tsv` by which subjects are compared.
    """

    targets: tuple[str, ...] = ()
    decoder: Literal["rois", "cortex", "contrastive"] = "cortex"
    responses: Literal["mean", "stack"] = "mean"
    n_best: Annotated[int, Field(ge=1)] = 6
    n_voxels: Annotated[int, Field(ge=1)] | None = None
    n_folds: Annotated[int, Field(ge=2)] = 5
    folds: Literal["run", "clip"] = "run"
    alphas: tuple[Positive, ...] = ALPHAS
    choose_by: Literal["error", "r"] = "r"
    control_roi: str | None = None
    genres: str | None = None
    genre_transfer: bool = False
    lags: tuple[Annotated[int, Field(ge=0)], ...] = ()
    across: Literal["procrustes", "ridge", "transport"] | None = None
    across_rois: tuple[str, ...] = ()
    groups: str | None = None
    n_permutations: Annotated[int, Field(ge=100)] = 1000
    n_resamples: Annotated[int, Field(ge=100)] = 1000
    seed: Seed = 0


# Which decoders a key says something to.
ONLY_FOR = {
    "n_best": ("rois",),
    "alphas": ("rois", "cortex"),
    "choose_by": ("rois", "cortex"),
    "n_voxels": ("cortex", "contrastive"),
}


def decoding_problems(
    decoding: Decoding, bands: tuple[str, ...], n_subjects: int, *, rows: str
) -> Iterator[str]:
    """Yield what cannot be although each value by itself could.

    `rows` are those of the alignment: 'tr' or 'windows'.
    """
    for name in [name for name in decoding.targets if name not in bands]:
        yield (
            f"decoding.targets names {name!r}, which is no band. Bands are "
            f"{', '.join(bands)}.{nearest(name, bands)}"
        )
    if len(set(decoding.targets)) < len(decoding.targets):
        yield "decoding.targets holds a feature space twice."
    if not decoding.targets and decoding != Decoding():
        yield (
            "decoding says how, and decoding.targets names nothing to decode. Name "
            f"feature spaces of encoding.bands: {', '.join(bands)}."
        )
    for name, decoders in ONLY_FOR.items():
        given = getattr(decoding, name) != getattr(Decoding(), name)
        if given and decoding.decoder not in decoders:
            yield (
                f"decoding.{name} is for {' and '.join(map(repr, decoders))}, and "
                f"decoding.decoder is {decoding.decoder!r}. Leave one of them out."
            )
    if decoding.genre_transfer and decoding.genres is None:
        yield (
            "decoding.genre_transfer trains on each genre alone, and decoding.genres "
            "names no column of the events. Name it."
        )
    if rows == "windows":
        yield from _of_volumes(decoding)
    yield from _between_subjects(decoding, n_subjects)


def _of_volumes(decoding: Decoding) -> Iterator[str]:
    """Yield what windows, which average volumes at one lag, have not."""
    if decoding.lags:
        yield (
            "decoding.lags decodes from single volumes, and the rows of this study are "
            "windows. Leave it out, or set alignment.rows = 'tr'."
        )
    if decoding.responses == "stack":
        yield (
            "decoding.responses = 'stack' keeps delays apart, and windows have none. "
            "Leave it out, or set alignment.rows = 'tr'."
        )


def _between_subjects(decoding: Decoding, n_subjects: int) -> Iterator[str]:
    if decoding.across is not None and n_subjects < 2:
        yield "decoding.across decodes a subject by the others, and there is but one."
    if decoding.across is not None and decoding.decoder == "rois":
        yield (
            "decoding.across aligns voxels, and the ROIs of decoder = 'rois' are each "
            "subject's own. Take decoder = 'cortex', and name ROIs in across_rois."
        )
    if decoding.across_rois and decoding.across is None:
        yield (
            "decoding.across_rois is for decoding.across. Say how subjects are "
            "aligned: 'procrustes', 'ridge' or 'transport'."
        )
