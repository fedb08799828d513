"""One layer of a network for each voxel: chosen on training folds, scored once on test.

A feature space with layers to choose from stands in the design as several bands of one
name. Plain ridge on each layer by itself gives every voxel a score on held-out training
folds; the layer with the best one is taken, for the voxel or for its whole ROI. The
models are then fitted as ever, to groups of voxels with the same layers.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError
from ..core.ridge.stream import Chosen, Columns, Make, Spread, Target, check_voxels
from ..core.types import Band
from .evaluate import EncodingResult, RidgeSettings, count_fits, fit_models
from .streamed import HERE, Job, Place, score_voxels

Masks = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class LayerChoice:
    """Which layer of one feature space each voxel takes.

    Parameters
    ----------
    name : str
        The feature space.
    layers : tuple of str
    cv_scores : array of shape (n_layers, n_voxels)
        Share of variance explained on held-out training folds, by plain ridge.
    chosen : array of int, shape (n_voxels,)
        Place in `layers`.
    unscored : tuple of str
        ROIs that were to choose, and have no voxel with a score.
    """

    name: str
    layers: tuple[str, ...]
    cv_scores: Floats
    chosen: NDArray[np.intp]
    unscored: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What the user should know of the choice, in a sentence each."""
        return [
            f"no voxel of {roi} has a score on held-out folds to choose a layer of "
            f"{self.name} by: the first, {self.layers[0]}, stands there, and was not "
            "chosen."
            for roi in self.unscored
        ]


def spaces_of(bands: Sequence[Band]) -> dict[str, list[int]]:
    """Return the places of each feature space's bands, one for each of its layers.

    Examples
    --------
    >>> bands = [Band("a", 2, layer="1"), Band("a", 2, layer="2"), Band("b", 3)]
    >>> spaces_of(bands)
    {'a': [0, 1], 'b': [2]}
    """
    places: dict[str, list[int]] = {}
    for place, band in enumerate(bands):
        places.setdefault(band.name, []).append(place)
    return places


def columns_of(bands: Sequence[Band], wanted: Sequence[int]) -> NDArray[np.intp]:
    """Return the columns of some bands, in the order of `wanted`."""
    stops = np.cumsum([band.n_columns for band in bands])
    return np.concatenate(
        [np.arange(stops[k] - bands[k].n_columns, stops[k]) for k in wanted]
    )


def count_layer_fits(bands: Sequence[Band]) -> int:
    """Return how many ridge fits `fit_layers` makes for each voxel."""
    spaces = spaces_of(bands)
    trials = sum(len(places) for places in spaces.values() if len(places) > 1)
    return trials + count_fits(len(spaces))


def fit_layers(  # noqa: PLR0913 - what fit_models takes, and the ROIs
    X_train: Floats,
    Y_train: Columns,
    X_test: Floats,
    *,
    bands: Sequence[Band],
    folds: ArrayLike,
    settings: RidgeSettings,
    by_roi: Mapping[str, Masks] | None = None,
    advance: Callable[[int], object] | None = None,
    place: Place = HERE,
) -> tuple[EncodingResult, tuple[Band, ...], list[LayerChoice]]:
    """Choose layers on the training folds, fit all models, and predict the test runs.

    Parameters
    ----------
    X_train, Y_train, X_test, folds, settings, advance, place
        As in `fit_models`.
    bands : sequence of Band
        In the order of the columns. Bands of one name are the layers of one space,
        adjacent and of one width.
    by_roi : mapping of str to mapping of str to bool array of (n_voxels,), optional
        For feature spaces whose layer is chosen for whole ROIs: the masks by their
        names. A voxel in none of them chooses for itself.

    Returns
    -------
    result : EncodingResult
        With one band for each feature space: the columns of each voxel's own layer.
    bands : tuple of Band
        Those of the result.
    choices : list of LayerChoice
        Of the spaces with several layers.

    Raises
    ------
    InputError
        If the layers of a space are not alike, or ROIs that choose share a voxel.
    """
    spaces, folds = spaces_of(bands), np.asarray(folds)
    shared: Any = {"folds": folds, "settings": settings, "advance": advance}
    if len(spaces) == len(bands):
        result = fit_models(
            X_train, Y_train, X_test, bands=bands, place=place, **shared
        )
        return result, tuple(bands), []
    for name, places in spaces.items():
        _check_alike(name, [bands[k] for k in places], places)
    check_voxels(Y_train, settings.n_voxels_batch, "Y_train")

    def score(number: int) -> Floats:
        band, X = bands[number], X_train[:, columns_of(bands, [number])]
        job = Job(X, X[:0], (band,), folds, settings)
        return score_voxels(job, Y_train, place=place, advance=advance)

    choices = [
        LayerChoice(
            name,
            tuple(bands[k].layer for k in places),
            scores := np.stack([score(k) for k in places]),
            *_choose(name, scores, (by_roi or {}).get(name, {})),
        )
        for name, places in spaces.items()
        if len(places) > 1
    ]
    one_each = tuple(
        replace(bands[places[0]], layer="chosen" if len(places) > 1 else "")
        for places in spaces.values()
    )
    files: dict[str, Target] = {}
    parts: list[tuple[NDArray[np.intp], EncodingResult]] = []
    for voxels, wanted in _groups(spaces, choices, Y_train.shape[1]):
        columns = columns_of(bands, wanted)
        result = fit_models(
            X_train[:, columns],
            Chosen(Y_train, voxels),
            X_test[:, columns],
            bands=one_each,
            # Nobody else has these voxels' layers: nothing is kept for later.
            place=replace(
                place,
                keep=False,
                make=_into(files, place.make, voxels, Y_train.shape[1]),
            ),
            **shared,
        )
        parts.append((voxels, result))
    return _joined(parts, Y_train.shape[1]), one_each, choices


def _into(
    files: dict[str, Target], make: Make, voxels: NDArray[np.intp], n_voxels: int
) -> Make:
    """Return a maker of parts of arrays for all voxels, made when first asked for."""

    def make_part(name: str, shape: tuple[int, ...], dtype: np.dtype) -> Target:
        if name not in files:
            files[name] = make(name, (*shape[:-1], n_voxels), dtype)
        return Spread(files[name], voxels)

    return make_part


def _choose(
    name: str, scores: Floats, rois: Masks
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return the best layer of each voxel, or of its ROI, and ROIs without a score."""
    chosen = scores.argmax(axis=0)
    check_disjoint(name, list(rois.values()))
    unscored = []
    for roi, mask in rois.items():
        # A voxel that holds nothing to fit has no score, and no say.
        scored = mask & np.isfinite(scores).all(axis=0)
        if scored.any():
            chosen[mask] = scores[:, scored].mean(axis=1).argmax()
        else:
            unscored.append(roi)
    return chosen, tuple(unscored)


def check_disjoint(name: str, rois: Sequence[NDArray[np.bool_]]) -> None:
    """Raise if two of the ROIs that choose a layer of space `name` share a voxel."""
    taken = np.sum(np.stack(list(rois)), axis=0) if len(rois) else np.zeros(1)
    if (taken > 1).any():
        raise InputError(
            f"features.{name}.choose is 'roi', but {int((taken > 1).sum())} voxels lie "
            "in two ROIs. Name ROIs that do not overlap, or choose per voxel."
        )


def _groups(
    spaces: Mapping[str, Sequence[int]], choices: Sequence[LayerChoice], n_voxels: int
) -> list[tuple[NDArray[np.intp], list[int]]]:
    """Return the voxels with the same layers, and the bands that they take."""
    by_name = {choice.name: choice.chosen for choice in choices}
    chosen = np.stack(
        [by_name.get(name, np.zeros(n_voxels, np.intp)) for name in spaces]
    )
    kinds, group = np.unique(chosen, axis=1, return_inverse=True)
    return [
        (
            np.flatnonzero(group == k),
            [
                places[layer]
                for places, layer in zip(spaces.values(), kind, strict=True)
            ],
        )
        for k, kind in enumerate(kinds.T)
    ]


def _joined(
    parts: Sequence[tuple[NDArray[np.intp], EncodingResult]], n_voxels: int
) -> EncodingResult:
    """Return one result for all voxels; those of the groups share their arrays."""
    first = parts[0][1]
    ends = {
        model: (
            sum(len(v) * r.grid_ends[model][0] for v, r in parts) / n_voxels,
            sum(len(v) * r.grid_ends[model][1] for v, r in parts) / n_voxels,
        )
        for model in first.grid_ends
    }
    counts = Counter[str]()
    for _, result in parts:
        counts.update(result.counts)
    return replace(first, grid_ends=ends, counts=dict(counts))


def _check_alike(name: str, layers: Sequence[Band], places: Sequence[int]) -> None:
    widths = [band.n_columns for band in layers]
    if len(set(widths)) > 1 or list(places) != list(range(places[0], places[-1] + 1)):
        raise InputError(
            f"the layers of {name!r} have {widths} columns at places {list(places)}. "
            "They must be adjacent bands of one width: extract layers that are alike."
        )
