"""The decoder that a study names, and how often chance is tried."""

from collections.abc import Sequence

from ..core.selection import Selection
from ..decoding.cards import Pool
from ..decoding.contrastive import Contrastive
from ..decoding.decoders import CortexRidge, Decoder, RoiRidge
from ..decoding.rows import Pairs
from ..study import Study


def decoder_of(
    study: Study, rois: Sequence[Selection], *, inside: Selection | None = None
) -> Decoder:
    """Return the decoder that a study names, or the same inside one ROI alone.

    Where that ROI has no more voxels than decoding.n_voxels, all of them are taken.
    """
    settings = study.decoding
    n_voxels, n_best = settings.n_voxels, settings.n_best
    if inside is not None:
        rois, n_best = [inside], 1
        if n_voxels is not None and n_voxels >= inside.mask.sum():
            n_voxels = None
    if settings.decoder == "contrastive":
        return Contrastive(settings.seed, inside=inside, n_voxels=n_voxels)
    if settings.decoder == "cortex":
        return CortexRidge(
            settings.alphas,
            inside=inside,
            n_voxels=n_voxels,
            choose_by=settings.choose_by,
        )
    return RoiRidge(
        rois, n_best=n_best, alphas=settings.alphas, choose_by=settings.choose_by
    )


def pool_of(study: Study, test: Pairs) -> Pool:
    """Return how often chance is tried for the rows of a test side."""
    decoding = study.decoding
    return Pool(
        clips=test.clips,
        n_permutations=decoding.n_permutations,
        n_resamples=decoding.n_resamples,
        seed=decoding.seed,
    )
