"""How long decoding a study will take, from fits of its decoder to random numbers.

What ridge takes depends on the numbers of rows, voxels and dimensions, and not on what
they hold. So nothing of the study is read for it but its sizes. A contrastive decoder
stops when held-out runs tell it to, which random numbers do sooner or later: what is
told of it is rough. Scores, their permutations and controls are not counted.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.selection import Selection
from ..core.types import Band
from ..decoding.decoders import Decoder, RoiRidge
from ..feature_spaces import CategoryFeatures
from ..study import Study
from .alignment import Aligned
from .decoded_rows import atlas, genre_of_clips
from .decoding_choices import decoder_of

N_SIZES = 4  # ROIs that are timed, from the smallest to the largest


def time_decoding(
    study: Study,
    aligned: Aligned,
    widths: Mapping[str, int],
    advance: Callable[[int], object] = lambda _: None,
) -> float:
    """Return the seconds that fits of decoders take, of one subject.

    Parameters
    ----------
    study : Study
    aligned : Aligned
    widths : dict of target to int
        Its dimensions.
    advance : callable
        Called with 1 after each target.
    """
    decoding, rows = study.decoding, aligned.rows
    if not widths:
        return 0.0
    n_train = int((rows["side"] == "train").sum())
    blocks = len(study.encoding.delays) if decoding.responses == "stack" else 1
    opened = aligned.opened
    space, test = opened.recording.space, rows[rows["side"] == "test"]
    rois = atlas(study, space, test, opened.subject)
    if decoding.decoder == "rois":
        sizes = np.array([int(roi.mask.sum()) for roi in rois]) * blocks
    else:
        sizes = np.array([space.n_voxels * blocks])
    decoder, train = decoder_of(study, rois), rows[rows["side"] == "train"]
    unit = "clip" if decoding.folds == "clip" else "run_name"
    n_folds = min(decoding.n_folds, train[unit].nunique())
    seconds = 0.0
    for name, width in widths.items():
        for n_rows, n_fits in _fits(study, aligned, name, n_train).items():
            k = min(n_folds, n_rows // 2)
            if k >= 2:  # else there is no such fit
                seconds += n_fits * _fit_s(decoder, k, sizes, n_rows, width)
        advance(1)
    return seconds


def _fits(study: Study, aligned: Aligned, target: str, n_train: int) -> dict[int, int]:
    """Return how many fits to how many rows a target takes."""
    decoding, fits = study.decoding, {n_train: 1}

    def add(n_rows: float, n_fits: int) -> None:
        fits[round(n_rows)] = fits.get(round(n_rows), 0) + n_fits

    space = study.features[target]
    is_genre = isinstance(space, CategoryFeatures) and space.column == decoding.genres
    if decoding.genres is not None and not is_genre:
        of_clip = genre_of_clips(aligned.opened, decoding.genres)
        test = aligned.rows.loc[aligned.rows["side"] == "test", "clip"].unique()
        n = len(set(of_clip.values()))
        n_asked = len({of_clip[clip] for clip in test if clip})
        add(n_train * (1 - 1 / n), n_asked)
        if decoding.genre_transfer:
            add(n_train / n, n_asked)
    if decoding.folds == "clip":  # held out by runs and by clips
        add(n_train * (1 - 1 / decoding.n_folds), 2 * decoding.n_folds)
    if decoding.lags:
        train = aligned.rows[aligned.rows["side"] == "train"]
        heard = train[["run_name", "presentation"]].drop_duplicates()
        add(len(heard), len(decoding.lags))
    return fits


def _fit_s(
    decoder: Decoder, n_folds: int, sizes: NDArray[np.integer], n_rows: int, width: int
) -> float:
    """Return the seconds of one fit to as many voxels, or to ROIs of these sizes."""
    if not isinstance(decoder, RoiRidge):
        return _one(decoder, n_folds, int(sizes[0]), n_rows, width)
    timed = np.unique(
        np.quantile(sizes, np.linspace(0, 1, N_SIZES), method="nearest").astype(int)
    )
    each = []
    for size in timed:
        alone = [Selection("made up", np.ones(size, bool), "atlas")]
        ridge = RoiRidge(alone, 1, decoder.alphas, decoder.choose_by)
        each.append(_one(ridge, n_folds, int(size), n_rows, width))
    return float(np.interp(sizes, timed, each).sum())


def _one(
    decoder: Decoder, n_folds: int, n_voxels: int, n_rows: int, width: int
) -> float:
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((n_rows, n_voxels), dtype=np.float32)
    T = rng.standard_normal((n_rows, width))
    folds = np.arange(n_rows) * n_folds // n_rows
    start = time.perf_counter()
    decoder.fit(Y, T, folds)
    return time.perf_counter() - start


def widths_of(study: Study, bands: Sequence[Band]) -> dict[str, int]:
    """Return the dimensions of each target, from the bands of the design."""
    found = {band.name: band.n_features for band in bands}
    return {name: found[name] for name in study.decoding.targets if name in found}
