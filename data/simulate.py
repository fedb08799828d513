"""A whole study whose truth is known, in files that are read like any user's data.

The order of clips, the repeats and the length of the runs are those of a recorded
study (OpenNeuro ds003720); features and responses are drawn at random around a latent
that they share. All formulas stand in the functions, all sizes in the constants.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from ..core.checks import InputError
from .simulated_cortex import (
    DISCS,
    check_n_vertices,
    choose_vertices,
    roi_masks,
    smoothing,
)
from .simulated_features import (
    DESIGN,
    FRAMES,
    N_LEAD_IN,
    N_SAMPLES,
    SHARES,
    TR_S,
    autoregressive,
    convolved_regressors,
    design_clips,
    draw_latent,
    draw_spaces,
    genre_of,
    read_design,
)

LEAD = 0.76  # the leader's share of a vertex's signal; the others have the rest
R2_RANGE = (0.02, 0.25)  # signal's share of the variance of one presentation
NOISE_AR = 0.4
NOISE_STEPS = 3  # times that the noise is averaged over neighbouring vertices
DRIFT_SD = 0.3  # in units of signal plus noise

README = """\
ALL DATA IN THIS FOLDER ARE SIMULATED. No person was scanned, no music was analysed.

Real: the order of the clips (events/, from OpenNeuro ds003720, CC0), the mesh
(fsaverage5), and the points around which the ROIs lie (Power et al. 2011, Neuron 72).
Drawn at random (seed {seed}): features/, responses/. The feature spaces bear the names
of the models that they stand in for, and share a latent: genre, track and moment.
rois.npz holds masks over the mesh, truth.csv the feature space planted in each ROI.
Outside the ROIs the responses are noise. TR {tr_s} s; {n_samples} volumes a run, of
which the first {n_lead_in} belong to the lead-in clip. Column k of responses/sub-NN.npy
is mesh vertex vertices/sub-NN.npy[k] (left hemisphere first); row i is row i of
runs.csv. Units are arbitrary: responses have a baseline, and drift.
"""


def simulate_study(
    folder: Path,
    *,
    seed: int,
    n_subjects: int = 2,
    n_vertices: int = 1200,
    spaces: Mapping[str, NDArray[np.floating]] | None = None,
) -> None:
    """Write a simulated study into `folder`; the same seed gives the same bytes.

    Parameters
    ----------
    folder : Path
        Made if it is not there. Files of the same names are written over.
    seed : int
        Not negative. A subject's data do not depend on how many subjects follow.
    n_subjects : int
        They hear the same clips, and differ in vertices, weights and noise.
    n_vertices : int
        Vertices of each subject: all those of the ROIs, and a random sample of the
        other vertices of the mesh. 1,200 keeps the demo within minutes.
    spaces : mapping of feature space to array, optional
        What the responses are planted on, of shape (n_clips, 10 or 1 frames of a clip,
        n_features), clips sorted by name: the spaces of `SHARES`, such as from the
        sound that goes with the study. Drawn at random and written as features if
        None; genre is always one-hot.

    Raises
    ------
    InputError
        If there is no subject, the seed is negative, `n_vertices` are fewer than the
        ROIs hold or more than the mesh, or `spaces` are not those of the truth.
        Nothing is written then.
    """
    folder = Path(folder)
    if seed < 0 or not 1 <= n_subjects <= 99:
        raise InputError(
            f"seed is {seed} and n_subjects {n_subjects}: expected a seed of 0 or more "
            "and 1 to 99 subjects. Change them."
        )
    masks = roi_masks()
    check_n_vertices(masks, n_vertices)
    shared, *seeds = np.random.SeedSequence(seed).spawn(1 + n_subjects)
    rng = np.random.default_rng(shared)
    design = read_design()
    clips = design_clips(design)
    drawn = draw_spaces(draw_latent([genre_of(clip) for clip in clips], rng), rng)
    if spaces is not None:
        _check_given(spaces, len(clips))
    regressors = convolved_regressors(design, clips, spaces or drawn)
    _write_shared(folder, design, clips, drawn if spaces is None else {}, masks)
    about = README.format(
        seed=seed, tr_s=TR_S, n_samples=N_SAMPLES, n_lead_in=N_LEAD_IN
    )
    (folder / "README.txt").write_text(about, encoding="utf-8", newline="\n")
    for number, child in enumerate(seeds, 1):
        path = folder / "responses" / f"sub-{number:02d}.npy"
        _write_subject(path, regressors, masks, n_vertices, child)


def draw_drift(
    n_samples: int, n_vertices: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw a slow drift: half a cosine and a whole one over the run, for each vertex.

    d(u) = s (c1 cos(pi u) + c2 cos(2 pi u)), with u from 0 to 1 over the run and c1, c2
    standard normal: its mean is 0, and its variance s^2 on average, with s = 0.3.
    """
    u = (np.arange(n_samples) + 0.5) / n_samples
    waves = np.cos(np.pi * np.outer(u, [1, 2]))
    weights = DRIFT_SD * rng.standard_normal((2, n_vertices))
    return (waves @ weights).astype(np.float32)


def draw_weights(
    leaders: Sequence[str],
    regressors: Mapping[str, NDArray[np.float64]],
    rng: np.random.Generator,
) -> dict[str, NDArray[np.float64]]:
    """Draw each vertex's weights on the convolved features of every space.

    Each space's part X_b w_b, with random normal weights, is scaled to its share of
    the signal's variance: `LEAD` for the leader, the rest in equal shares. Then the sum
    is scaled to unit variance. Variances are taken over all rows past the lead-in.

    Parameters
    ----------
    leaders : sequence of str
        The leading space of each vertex; 'none' for no signal.

    Returns
    -------
    weights : dict of arrays of shape (n_features, n_vertices)
    """
    of_vertex = np.asarray(leaders)
    rows = {n: x[:, N_LEAD_IN:].reshape(-1, x.shape[2]) for n, x in regressors.items()}
    weights = {}
    for name, X in rows.items():
        W = rng.standard_normal((X.shape[1], len(leaders)))
        share = np.where(of_vertex == name, LEAD, (1 - LEAD) / (len(rows) - 1))
        weights[name] = W * np.sqrt(share / _variance(np.cov(X.T), W))
    together = np.cov(np.hstack(list(rows.values())).T)
    total = np.sqrt(_variance(together, np.vstack(list(weights.values()))))
    return {n: W * (of_vertex != "none") / total for n, W in weights.items()}


def draw_r2(
    masks: Mapping[str, NDArray[np.bool_]],
    vertices: NDArray[np.integer],
    smoother: sparse.csr_array,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw the signal's share of each vertex's variance in one presentation.

    Inside each ROI the shares are spaced evenly over `R2_RANGE`, in the order of a
    spatially smooth noise, so that neighbours are alike. 0 outside the ROIs and where
    nothing is planted.

    Returns
    -------
    r2 : array of shape (n_vertices,)
    """
    smooth = smoother @ rng.standard_normal(smoother.shape[1])
    r2 = np.zeros(smoother.shape[0])
    for disc in DISCS:
        inside = np.flatnonzero(masks[disc.name])
        ranked = inside[np.argsort(smooth[inside])]
        r2[ranked] = np.linspace(*R2_RANGE, len(ranked)) * (disc.leader != "none")
    return r2[vertices]


def draw_noise(
    nearby: sparse.csr_array, n_samples: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw one run's noise: unit variance, smooth over the mesh, AR(1) in time.

    White noise e on the mesh is averaged over neighbours, S e, and then follows
    x[k] = a x[k-1] + sqrt(1 - a^2) (S e)[k] with a = 0.4 from sample to sample.

    Parameters
    ----------
    nearby : sparse array of shape (n_vertices, n_mesh)
        The rows of `smoothing` that are wanted. White noise is drawn only for the
        vertices that they reach.

    Returns
    -------
    noise : array of shape (n_samples, n_vertices)
    """
    reached = np.unique(nearby.indices)
    white = rng.standard_normal((len(reached), n_samples), dtype=np.float32)
    return autoregressive((nearby[:, reached] @ white).T, NOISE_AR, axis=0)


def _write_subject(
    path: Path,
    regressors: Mapping[str, NDArray[np.float64]],
    masks: Mapping[str, NDArray[np.bool_]],
    n_vertices: int,
    seed: np.random.SeedSequence,
) -> None:
    """Write Y = baseline + scale (sqrt(r2) signal + sqrt(1 - r2) noise + drift)."""
    of_place, of_signal, rng = (np.random.default_rng(s) for s in seed.spawn(3))
    vertices = choose_vertices(masks, n_vertices, of_place)
    smoother = smoothing(NOISE_STEPS)
    r2 = draw_r2(masks, vertices, smoother, of_place)
    W = draw_weights(_leaders(masks)[vertices].tolist(), regressors, of_signal)
    baseline, scale = rng.normal(1000, 100, n_vertices), rng.uniform(8, 20, n_vertices)
    nearby = smoother[vertices].astype(np.float32)
    n_runs = len(regressors["genre"])
    _save(path.parent.parent / "vertices" / path.name, vertices)
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (n_runs * N_SAMPLES, n_vertices)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for run in range(n_runs):
            signal = sum(regressors[name][run] @ W[name] for name in W)
            noise = draw_noise(nearby, N_SAMPLES, rng)
            Y = np.sqrt(r2) * signal + np.sqrt(1 - r2) * noise
            Y += draw_drift(N_SAMPLES, n_vertices, rng)
            file.write((baseline + scale * Y).astype("<f4").tobytes())


def _write_shared(
    folder: Path,
    design: pd.DataFrame,
    clips: Sequence[str],
    spaces: Mapping[str, NDArray[np.float32]],
    masks: Mapping[str, NDArray[np.bool_]],
) -> None:
    for name in ("events", "features"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for path in sorted(DESIGN.glob("*_events.tsv")):
        shutil.copyfile(path, folder / "events" / path.name)
    for name, values in spaces.items():
        features = values[:, 0] if values.shape[1] == 1 else values
        arrays = {"clips": np.array(clips), "features": features}
        if features.ndim == 3:
            arrays["rate_hz"] = np.array(1 / TR_S)
        _save_together(folder / "features" / f"{name}.npz", arrays)
    _save_together(folder / "rois.npz", masks)
    runs = design[["task", "run"]].drop_duplicates()
    rows = runs.loc[runs.index.repeat(N_SAMPLES)]
    rows.to_csv(folder / "runs.csv", index=False, lineterminator="\n")
    truth = pd.DataFrame(
        [(d.name, d.leader) for d in DISCS], columns=["roi", "planted"]
    )
    truth.to_csv(folder / "truth.csv", index=False, lineterminator="\n")


def _leaders(masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.str_]:
    """Return the leading space of each vertex of the mesh, 'none' outside the ROIs."""
    leaders = np.full(len(next(iter(masks.values()))), "none", dtype="U32")
    for disc in DISCS:
        leaders[masks[disc.name]] = disc.leader
    return leaders


def _variance(
    covariance: NDArray[np.float64], W: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the variance of X @ W, column by column, from the covariance of X."""
    return (W * (covariance @ W)).sum(axis=0)


def _check_given(spaces: Mapping[str, NDArray[np.floating]], n_clips: int) -> None:
    shapes = {name: values.shape for name, values in spaces.items()}
    fits = all(
        len(shape) == 3 and shape[0] == n_clips and shape[1] in (1, FRAMES)
        for shape in shapes.values()
    )
    if set(spaces) != set(SHARES) or not fits:
        raise InputError(
            f"spaces of shapes {shapes}: expected {', '.join(SHARES)}, each of shape "
            f"({n_clips} clips, 1 or {FRAMES} frames, features)."
        )
    for name, values in spaces.items():
        if not np.isfinite(values).all() or not values.std(axis=(0, 1)).all():
            raise InputError(f"a feature of {name!r} is not finite or never varies.")


def _save(path: Path, array: NDArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array, allow_pickle=False)


def _save_together(path: Path, arrays: Mapping[str, NDArray]) -> None:
    np.savez(path, allow_pickle=False, **dict(arrays))
