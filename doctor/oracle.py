"""Whether a signal of known size comes back.

Signals made from the study's own features are added to copies of its own responses,
before cleaning. Their size, their feature space and their place are known.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import detrend

from ..core.checks import InputError
from ..core.stats import correlation
from ..core.types import Run
from ..study import Study
from .invariance import Case
from .sampled import Sampled
from .trial import Design, clean, fit
from .verdict import Finding, Status

Floats = NDArray[np.floating]
SHARE = 0.25  # of a planted voxel's variance, before cleaning
N_AXES = 5  # of each feature space's largest, from which signals are made
N_PLANTED = 12  # voxels for each feature space
FOUND = 0.6  # r of what comes back with what was planted
SIZES = (0.4, 1.4)  # of what comes back, of what was planted; ridge shrinks
NONE = -1
SAME = 1e-4  # r by which the voxels beside planted ones may change
MARGIN = 0.05  # r by which another space may seem better, where spaces are alike


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """Signals that were added, and where.

    Parameters
    ----------
    sampled : Sampled
        The planted voxels with their signals, and others as they are.
    place : array of int, shape (n_voxels,)
        Their places among the voxels that they were copied from.
    alone : Sampled
        The signals by themselves.
    band : array of int, shape (n_voxels,)
        Feature space of each; NONE where nothing was added.
    """

    sampled: Sampled
    place: NDArray[np.intp]
    alone: Sampled
    band: NDArray[np.intp]

    @property
    def holds(self) -> NDArray[np.bool_]:
        """Which voxels a signal was added to."""
        return self.band != NONE


def plant(
    study: Study,
    sampled: Sampled,
    spaces: Mapping[str, Mapping[Run, Floats]],
    train: Sequence[Run],
    *,
    valid: NDArray[np.bool_],
    lag_s: float,
    seed: int,
) -> Planted:
    """Add signals to some voxels of each run, beside as many that are left as they are.

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
    valid : array of bool, shape (n_columns,)
        Which voxels vary in every run: others hold nothing.
    lag_s : float
        Of windows; not used at one row per volume.
    seed : int
    """
    rng = np.random.default_rng(seed)
    names = list(spaces)
    usable = np.flatnonzero(valid)
    n = min(len(usable), N_PLANTED * len(names))
    if n < len(names):
        raise InputError(f"{len(usable)} voxels hold no {len(names)} signals.")
    n_all = min(len(usable), 2 * n)
    chosen = np.sort(rng.choice(usable, n_all, replace=False))
    band = np.full(n_all, NONE)
    band[rng.permutation(n_all)[:n]] = np.arange(n) % len(names)
    signals = {run: np.zeros((sampled.n_samples(run), n_all)) for run in sampled.runs}
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
    usable = responses.valid & before[planted.place]
    at = np.cumsum(before) - 1  # among the voxels of the case
    made = fit(
        study,
        aligned,
        case.design,
        responses.train[:, usable],
        responses.train_rows,
    )
    places, back = at[planted.place[usable]], made.predictions
    both = _Fitted(responses.test[:, usable], back, case.test[:, places])
    held = planted.holds[usable] & signals.valid[usable]
    back = back - case.predictions[:, places]
    signal = signals.test[:, usable][:, held]
    yield _judge_size(name, both, signal, back[:, held], held)
    alone = (made.alone - case.alone[:, :, places])[:, :, held]
    yield _judge_bands(name, case.design, alone, signal, planted.band[usable][held])
    rest = ~planted.holds[usable]
    if rest.any():
        yield _judge_beside(case, both, places, rest)


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """Test responses of voxels with what was added, predictions, and without it."""

    test: Floats
    predictions: Floats
    before: Floats


def _judge_size(
    name: str, both: _Fitted, signal: Floats, back: Floats, held: NDArray[np.bool_]
) -> Finding:
    r = correlation(signal, back)
    meant = _slopes((both.test - both.before)[:, held], signal)
    came = _slopes(back, signal)
    size = np.divide(came, meant, out=np.full_like(came, np.nan), where=meant != 0)
    values = {"r": _median(r), "size": _median(size)}
    found = (
        f"{name}: what comes back of {held.sum()} planted signals follows them with a "
        f"median r of {values['r']:.2f}, and has {values['size']:.0%} of their "
        "size."
    )
    well = values["r"] >= FOUND and SIZES[0] <= values["size"] <= SIZES[1]
    status: Status = "passed" if well else "failed"
    return Finding("planted-signal", status, found, (name,), values)


def _judge_beside(
    case: Case, both: _Fitted, places: NDArray[np.intp], rest: NDArray[np.bool_]
) -> Finding:
    """Return whether voxels without a signal, fitted beside, are scored as before."""
    r = correlation(both.test[:, rest], both.predictions[:, rest])
    before = case.r_of(case.predictions)[places[rest]]
    off = np.nan_to_num(np.abs(r - before))  # NaN in both: nothing was predicted
    n = int(((off > SAME) | (np.isnan(r) != np.isnan(before))).sum())
    name, values = case.name, {"largest_difference": float(off.max())}
    if n:
        found = (
            f"{name}: signals come back in {n} of {rest.sum()} voxels that hold none: "
            f"their r changes by up to {values['largest_difference']:.2g}."
        )
        return Finding("planted-place", "failed", found, (name,), values)
    found = (
        f"{name}: {rest.sum()} voxels without a signal, fitted beside planted ones, "
        "have the r that they had."
    )
    return Finding("planted-place", "passed", found, (name,), values)


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
