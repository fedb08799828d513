"""The decoder that a study names, and how often chance is tried."""

from collections.abc import Sequence

from ..core.selection import Selection
from ..decoding.cards import Pool
from ..decoding.contrastive import Contrastive
from ..decoding.decoders import CortexRidge, Decoder, RoiRidge
from ..decoding.rows import Pairs
from ..study import Study


def decoder_of(study: Study, rois: Sequence[Selection]) -> Decoder:
    """Return the decoder that a study names."""
    settings = study.decoding
    if settings.decoder == "contrastive":
        return Contrastive(settings.seed, n_voxels=settings.n_voxels)
    if settings.decoder == "cortex":
        return CortexRidge(
            settings.alphas, n_voxels=settings.n_voxels, choose_by=settings.choose_by
        )
    return RoiRidge(
        rois,
        n_best=settings.n_best,
        alphas=settings.alphas,
        choose_by=settings.choose_by,
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
