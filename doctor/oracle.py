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

from ..analysis.noise_ceiling import explainable_variance, largest_r
from ..core.checks import InputError
from ..core.stats import correlation
from ..core.types import Run, Space
from ..data.maps import map_problem, write_map
from ..study import Study
from ..workflow.ceiling_tables import find_repeats
from .invariance import Case
from .sampled import Sampled
from .trial import Design, Responses, clean, fit
from .verdict import Finding, Status

Floats = NDArray[np.floating]
SHARE = 0.25  # of a planted voxel's variance, before cleaning
N_AXES = 5  # of each feature space's largest, from which signals are made
N_PLANTED = 12  # voxels for each feature space
FOUND = 0.6  # r of what comes back with what was planted
SIZES = (0.4, 1.4)  # of what comes back, of what was planted; ridge shrinks
LEAST_SHARE, FEWEST_SEEN, NEAR = 0.1, 10, 0.1  # of the check of ceilings
MARGIN = 0.05  # r by which another space may seem better, where spaces are alike


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """Signals that were added, and where.

    Parameters
    ----------
    sampled : Sampled
        The planted voxels with their signals.
    place : array of int, shape (n_voxels,)
        Their places among the voxels that they were copied from.
    alone : Sampled
        The signals by themselves.
    band : array of int, shape (n_voxels,)
        Feature space of each.
    """

    sampled: Sampled
    place: NDArray[np.intp]
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
    return Planted(there, chosen, replace(there, added={}, values=alone), band)


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


def check_planted(case: Case, planted: Planted) -> Iterator[Finding]:
    """Yield whether planted signals come back: as large, and in their own space.

    Each voxel is fitted with its signal and without: what its own response adds to
    both is no part of what came back.
    """
    study, aligned, name = case.study, case.aligned, case.name
    there = replace(aligned, opened=replace(aligned.opened, recording=planted.sampled))
    only = replace(aligned, opened=replace(aligned.opened, recording=planted.alone))
    try:
        responses, signals = clean(study, there), clean(study, only)
    except InputError as error:
        for key in ("planted-signal", "planted-band"):
            yield Finding(key, "not made", f"{name}: {error}", (name,))
        return
    before = case.responses.valid
    valid = responses.valid & signals.valid & before[planted.place]
    at = (np.cumsum(before) - 1)[planted.place[valid]]  # among the voxels of the case
    made = fit(
        study,
        aligned,
        case.design,
        responses.train[:, valid],
        responses.train_rows,
    )
    signal = signals.test[:, valid]
    back = made.predictions - case.predictions[:, at]
    r = correlation(signal, back)
    meant = _slopes(responses.test[:, valid] - case.test[:, at], signal)
    came = _slopes(back, signal)
    size = np.divide(came, meant, out=np.full_like(came, np.nan), where=meant != 0)
    values = {"r": _median(r), "size": _median(size)}
    found = (
        f"{name}: what comes back of {valid.sum()} planted signals follows them with a "
        f"median r of {values['r']:.2f}, and has {values['size']:.0%} of their "
        "size."
    )
    well = values["r"] >= FOUND and SIZES[0] <= values["size"] <= SIZES[1]
    status: Status = "passed" if well else "failed"
    yield Finding("planted-signal", status, found, (name,), values)
    alone = made.alone - case.alone[:, :, at]
    yield _judge_bands(name, case.design, alone, signal, planted.band[valid])


def _judge_bands(
    name: str, design: Design, alone: Floats, signal: Floats, band: NDArray[np.intp]
) -> Finding:
    names = [one.name for one in design.bands]
    if len(names) == 1:
        why = f"{name}: there is one feature space, {names[0]}."
        return Finding("planted-band", "not made", why, (name,))
    r = np.stack([correlation(signal, one) for one in alone])
    wrong, texts = [], []
    for number, one in enumerate(names):
        mean = np.nan_to_num(r[:, band == number]).mean(axis=1)  # NaN: nothing came
        best = int(mean.argmax())
        texts.append(f"{one} {mean[number]:.2f}")
        if mean[best] - mean[number] > MARGIN or not mean[number] > 0:
            wrong.append(
                f"signals of {one} (r {mean[number]:.2f}) are taken for {names[best]} "
                f"(r {mean[best]:.2f})"
            )
    if wrong:
        found = f"{name}: {'; '.join(wrong)}."
        return Finding("planted-band", "failed", found, (name,))
    found = (
        f"{name}: each space brings its own signals back best, with r: "
        f"{', '.join(texts)}."
    )
    return Finding("planted-band", "passed", found, (name,))


def _median(values: Floats) -> float:
    """Return the median of what is known; 0 where nothing came back at all."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _slopes(Y: Floats, P: Floats) -> Floats:
    y, p = Y - Y.mean(axis=0), P - P.mean(axis=0)
    size = (p**2).sum(axis=0)
    unknown = np.full(size.shape, np.nan)
    return np.divide((y * p).sum(axis=0), size, out=unknown, where=size > 0)


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

    The mean of the other repeats is a model whose r is known if ceilings are right:
    the largest r with one repeat, times the largest with the mean of the others.
    """
    repeats, notes = find_repeats(responses.repeat_rows)
    if repeats is None:
        return Finding("repeat-ceiling", "not made", f"{name}: {notes[0]}", (name,))
    runs = [str(run) for run in dict.fromkeys(responses.repeat_rows["run_name"])]
    stacked = np.concatenate([responses.runs[run] for run in runs])
    Y = stacked[repeats.order][:, responses.valid].astype(np.float64)
    Y = np.stack([Y[k :: repeats.n_repeats] for k in range(repeats.n_repeats)])
    Y -= Y.mean(axis=1, keepdims=True)
    share = explainable_variance(Y)
    total = Y.sum(axis=0)
    r = [correlation(one, (total - one) / (len(Y) - 1)) for one in Y]
    seen = share > LEAST_SHARE
    if seen.sum() < FEWEST_SEEN:
        why = (
            f"{name}: {seen.sum()} voxels have an explainable variance above "
            f"{LEAST_SHARE}; {FEWEST_SEEN} are needed to compare."
        )
        return Finding("repeat-ceiling", "not made", why, (name,))
    # A mean of the others is a model that has the signal, and noise of its own.
    expected = largest_r(share[seen], 1) * largest_r(share[seen], len(Y) - 1)
    ratio = float(np.median(np.mean(r, axis=0)[seen] / expected))
    found = (
        f"{name}: in {seen.sum()} voxels the mean of {len(Y) - 1} other repeats scores "
        f"{ratio:.0%} of the r that ceilings give it."
    )
    status: Status = "passed" if abs(ratio - 1) < NEAR else "failed"
    return Finding("repeat-ceiling", status, found, (name,), {"ratio": ratio})
