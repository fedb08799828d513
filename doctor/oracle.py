"""Whether a signal of known size comes back.

Signals made from the study's own features are added to copies of its own responses,
before cleaning. Their size, their feature space and their place are known.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.signal import detrend

from ..analysis.noise_ceiling import explainable_variance
from ..core.checks import InputError
from ..core.stats import correlation
from ..core.types import Run, Space
from ..data.maps import map_problem, write_map
from ..study import Study
from ..workflow.alignment import Aligned
from ..workflow.ceiling_tables import find_repeats
from .sampled import Sampled
from .trial import Design, Responses, clean, fit
from .verdict import Finding, Status

Floats = NDArray[np.floating]
SHARE = 0.25  # of a planted voxel's variance, before cleaning
N_AXES = 5  # of each feature space's largest, from which signals are made
N_PLANTED = 12  # voxels for each feature space
FOUND = 0.6  # share of the largest possible r that must come back
SLOPES = (0.5, 2.0)  # of responses on predictions
MARGIN = 0.05  # r by which another space may seem better, where spaces are alike


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """Signals that were added, and where.

    Parameters
    ----------
    sampled : Sampled
        The planted voxels with their signals.
    alone : Sampled
        The signals by themselves.
    band : array of int, shape (n_voxels,)
        Feature space of each.
    """

    sampled: Sampled
    alone: Sampled
    band: NDArray[np.intp]


def plant(
    study: Study,
    sampled: Sampled,
    spaces: Mapping[str, Mapping[Run, Floats]],
    train: Sequence[Run],
    *,
    lag_s: float,
    seed: int,
) -> Planted:
    """Add signals to some voxels of each run.

    A voxel's signal is a random mixture of the largest axes of one feature space
    (found on training runs), at the study's delays with weights that rise and fall; at
    the lag of windows where the study has these. It holds a quarter of the variance
    that the voxel has beside its linear trend.

    Parameters
    ----------
    sampled : Sampled
        Voxels to copy.
    spaces : dict of feature space to dict of Run to array (n_samples, n_features)
        Without delays.
    train : sequence of Run
    lag_s : float
        Of windows; not used at one row per volume.
    seed : int
    """
    rng = np.random.default_rng(seed)
    names = list(spaces)
    n = min(len(sampled.columns), N_PLANTED * len(names))
    if n < len(names):
        raise InputError(f"{len(sampled.columns)} voxels hold no {len(names)} signals.")
    chosen = np.sort(rng.choice(len(sampled.columns), n, replace=False))
    band = rng.permutation(np.arange(n) % len(names))
    signals = {
        run: np.zeros((sampled.n_samples(run), n), np.float64) for run in sampled.runs
    }
    for number, name in enumerate(names):
        delays = _delays(study, name, lag_s)
        _add_signals(signals, spaces[name], train, delays, band == number, rng)
    values, added, alone = {}, {}, {}
    for run in signals:
        raw = sampled.read(run)[:, chosen].astype(np.float64)
        noise = detrend(raw, axis=0).std(axis=0)
        size = np.sqrt(SHARE / (1 - SHARE)) * noise
        added[run] = signals[run] * size
        values[run], alone[run] = raw, added[run]
    there = Sampled(sampled.source, sampled.columns[chosen], added, values)
    return Planted(there, replace(there, added={}, values=alone), band)


def _delays(study: Study, name: str, lag_s: float) -> dict[int, float]:
    if study.alignment.rows == "windows":
        return {round(lag_s / study.dataset.tr_s): 1.0}
    delays = study.delays_of(name)
    bump = np.sin(np.pi * (np.arange(len(delays)) + 1) / (len(delays) + 1))
    return dict(zip(delays, bump.tolist(), strict=True))


def _add_signals(
    signals: Mapping[Run, Floats],
    runs: Mapping[Run, Floats],
    train: Sequence[Run],
    delays: Mapping[int, float],
    here: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    rows = np.concatenate([runs[run] for run in train]).astype(np.float64)
    mean = rows.mean(axis=0)
    _, s, axes = np.linalg.svd(rows - mean, full_matrices=False)
    kept = min(N_AXES, int((s > 1e-6 * s[0]).sum()))
    mix = rng.standard_normal((kept, int(here.sum())))
    weights = (axes[:kept].T / s[:kept]) @ mix
    for run, out in signals.items():
        course = (runs[run] - mean) @ weights
        for delay, weight in delays.items():
            out[delay:, here] += weight * course[: len(course) - delay]
    spread = np.concatenate([signals[run][:, here] for run in train]).std(axis=0)
    for out in signals.values():
        out[:, here] /= spread


def check_planted(
    study: Study,
    aligned: Aligned,
    design: Design,
    planted: Planted,
) -> Iterator[Finding]:
    """Yield whether planted signals come back: as large, and in their own space."""
    name = aligned.opened.name
    there = replace(aligned, opened=replace(aligned.opened, recording=planted.sampled))
    only = replace(aligned, opened=replace(aligned.opened, recording=planted.alone))
    try:
        responses, signals = clean(study, there), clean(study, only)
    except InputError as error:
        for key in ("planted-signal", "planted-band"):
            yield Finding(key, "not made", f"{name}: {error}", (name,))
        return
    valid = responses.valid & signals.valid
    Y, test = responses.train[:, valid], responses.test[:, valid]
    made = fit(study, aligned, design, Y, responses.train_rows)
    most = correlation(test, signals.test[:, valid])
    r = correlation(test, made.predictions)
    slope = _slopes(test, made.predictions)
    share = float(np.nanmean(r) / np.nanmean(most))
    median = float(np.nanmedian(slope))
    found = (
        f"{name}: {valid.sum()} planted signals come back with a mean r of "
        f"{np.nanmean(r):.3f}, {share:.0%} of the {np.nanmean(most):.3f} that they "
        f"themselves have; responses rise by {median:.2f} where predictions rise by 1."
    )
    well = share >= FOUND and SLOPES[0] <= median <= SLOPES[1]
    values = {"share": share, "slope": median}
    status: Status = "passed" if well else "failed"
    yield Finding("planted-signal", status, found, (name,), values)
    yield _judge_bands(name, design, made.alone, test, planted.band[valid])


def _judge_bands(
    name: str, design: Design, alone: Floats, test: Floats, band: NDArray[np.intp]
) -> Finding:
    names = [one.name for one in design.bands]
    if len(names) == 1:
        why = f"{name}: there is one feature space, {names[0]}."
        return Finding("planted-band", "not made", why, (name,))
    r = np.stack([correlation(test, one) for one in alone])
    wrong, texts = [], []
    for number, one in enumerate(names):
        mean = np.nanmean(r[:, band == number], axis=1)
        best = int(mean.argmax())
        texts.append(f"{one} {mean[number]:.2f}")
        if mean[best] - mean[number] > MARGIN:
            wrong.append(
                f"signals of {one} (r {mean[number]:.2f}) are taken for {names[best]} "
                f"(r {mean[best]:.2f})"
            )
    if wrong:
        found = f"{name}: {'; '.join(wrong)}."
        return Finding("planted-band", "failed", found, (name,))
    found = (
        f"{name}: each space predicts its own signals best, with r: {', '.join(texts)}."
    )
    return Finding("planted-band", "passed", found, (name,))


def _slopes(Y: Floats, P: Floats) -> Floats:
    y, p = Y - Y.mean(axis=0), P - P.mean(axis=0)
    size = (p**2).sum(axis=0)
    return np.divide(
        (y * p).sum(axis=0), size, out=np.full_like(size, np.nan), where=size > 0
    )


def check_place(space: Space, *, name: str, seed: int) -> Finding:
    """Return whether values come back from a map at their own places and side.

    The map is read with nibabel, by what the files themselves say of places.
    """
    problem = map_problem(space)
    if problem:
        return Finding("planted-place", "not made", f"{name}: {problem}.", (name,))
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(space.n_voxels).astype(np.float32)
    with tempfile.TemporaryDirectory() as place:
        paths = write_map(
            Path(place), {"sub": "doctor"}, values, space, name="planted", facts={}
        )
        wrong = sum(_mistakes(space, values, path) for path in paths)
    kind = "vertices" if space.kind == "surface" else "voxels"
    if wrong:
        found = f"{name}: {wrong} of {space.n_voxels} {kind} come back elsewhere."
        return Finding("planted-place", "failed", found, (name,))
    found = f"{name}: {space.n_voxels} {kind} come back from a map where they were."
    return Finding("planted-place", "passed", found, (name,))


def _mistakes(space: Space, values: Floats, path: Path) -> int:
    """Return how many columns of a map file hold another value than they should."""
    image: Any = nib.load(path)
    if space.index is None:
        return 0
    if space.kind == "surface":
        right = "hemi-R" in path.name
        n_left = len(space.parts[0].index)
        here = (space.index >= n_left) == right
        found = image.agg_data()[space.index[here] - (n_left if right else 0)]
        return int((found != values[here]).sum())
    data = np.asarray(image.dataobj, dtype=np.float32)
    if space.kind == "grayordinates":
        return int((data.ravel()[space.index] != values).sum())
    ijk = np.array(np.unravel_index(space.index, space.shape))
    off = int((data[tuple(ijk)] != values).sum())
    said = nib.affines.apply_affine(image.affine, ijk.T)
    meant = nib.affines.apply_affine(space.affine, ijk.T)
    return off + int((np.abs(said - meant).max(axis=1) > 0.1).sum())


def check_repeats(responses: Responses, name: str) -> Finding:
    """Return whether the mean of the other repeats predicts as the ceiling says.

    The mean covariance of a repeat with the mean of the others, over the variance, is
    the explainable variance; it is made here without the function that runs use.
    """
    repeats, notes = find_repeats(responses.repeat_rows)
    if repeats is None:
        return Finding("repeat-ceiling", "not made", f"{name}: {notes[0]}", (name,))
    runs = [str(run) for run in dict.fromkeys(responses.repeat_rows["run_name"])]
    stacked = np.concatenate([responses.runs[run] for run in runs])
    Y = stacked[repeats.order][:, responses.valid].astype(np.float64)
    Y = np.stack([Y[k :: repeats.n_repeats] for k in range(repeats.n_repeats)])
    Y -= Y.mean(axis=1, keepdims=True)
    said = explainable_variance(Y)
    total = Y.sum(axis=0)
    others = [(total - one) / (len(Y) - 1) for one in Y]
    shared = [(one * mean).mean(axis=0) for one, mean in zip(Y, others, strict=True)]
    found_share = np.mean(shared, axis=0) / (Y**2).mean(axis=(0, 1))
    off = float(np.nanmax(np.abs(found_share - said)))
    best = float(np.nanquantile(said, 0.9))
    found = (
        f"{name}: the mean of {len(Y) - 1} other repeats shares what the ceiling says "
        f"(at most {off:.1g} off; the best tenth of voxels from {best:.3f})."
    )
    status: Status = "passed" if off < 1e-3 else "failed"
    return Finding("repeat-ceiling", status, found, (name,), {"off": off})
