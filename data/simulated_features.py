"""Simulated feature spaces that share a latent, on the recorded design."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

Float = TypeVar("Float", bound=np.floating)

DESIGN = Path(__file__).parent / "designs" / "ds003720"
TR_S = 1.5
N_SAMPLES = 410  # volumes in a run: 41 clips of 10
N_LEAD_IN = 10  # volumes of a run's first clip, which analyses leave out
FRAMES = 10  # feature rows in a clip, one per TR
N_LATENT = {"genre": 8, "track": 12, "moment": 12}
PERSISTENCE = 0.6  # of the latent's moments, from one TR to the next

# What each space is made of: shares of each feature's variance. 'own' is noise that
# no other space has.
SHARES: dict[str, dict[str, float]] = {
    "mulan-music": {"genre": 0.40, "track": 0.25, "moment": 0.25, "own": 0.10},
    "mulan-text": {"genre": 0.40, "track": 0.30, "moment": 0.00, "own": 0.30},
    "w2v-bert": {"genre": 0.10, "track": 0.30, "moment": 0.50, "own": 0.10},
}
N_FEATURES = {"mulan-music": 16, "mulan-text": 12, "w2v-bert": 16}
SPACES = (*SHARES, "genre")


def read_design() -> pd.DataFrame:
    """Return the recorded design, one row per presentation, training runs first.

    Returns
    -------
    design : DataFrame
        Columns task, run, onset_s, clip (such as 'blues.00017'), start_s and end_s
        (where the clip lies in its track).
    """
    parts = []
    for task in ("Training", "Test"):
        for path in sorted(DESIGN.glob(f"task-{task}_run-*_events.tsv")):
            # Some quote marks have no partner, so the parser must not pair them.
            cells = pd.read_csv(path, sep="\t", quoting=3)
            genre = cells["genre"].str.strip("' ")
            part = pd.DataFrame({"onset_s": cells["onset"].astype(float)})
            part.insert(0, "task", task)
            part.insert(1, "run", path.name.split("_run-")[1][:2])
            part["clip"] = genre + cells["track"].map(".{:05d}".format)
            part["start_s"], part["end_s"] = cells["start"], cells["end"]
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def design_clips(design: pd.DataFrame) -> list[str]:
    """Return the clips of the design, sorted by name."""
    return sorted(set(design["clip"]))


def genre_of(clip: str) -> str:
    """Return the genre in a clip's name.

    Examples
    --------
    >>> genre_of("blues.00017")
    'blues'
    """
    return clip.split(".")[0]


def draw_latent(
    genres: Sequence[str], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Draw what the feature spaces share: genre, track and moment.

    Every genre has a random code g and every track its own code t. Inside a clip the
    moments follow m[k] = a m[k-1] + sqrt(1 - a^2) e[k], e standard normal and
    a = 0.6, from a standard normal m[0]. All have unit variance.

    Parameters
    ----------
    genres : sequence of str
        Genre of each clip.

    Returns
    -------
    latent : dict of arrays of shape (n_clips, n_frames, n_latent)
        Keys 'genre', 'track' and 'moment'; n_frames is 1 for the first two.
    """
    levels, code = np.unique(genres, return_inverse=True)
    of_genre = rng.standard_normal((len(levels), N_LATENT["genre"]))
    of_track = rng.standard_normal((len(genres), 1, N_LATENT["track"]))
    steps = rng.standard_normal((len(genres), FRAMES, N_LATENT["moment"]))
    return {
        "genre": _standardised(of_genre)[code][:, None],
        "track": of_track,
        "moment": autoregressive(steps, PERSISTENCE, axis=1),
    }


def draw_spaces(
    latent: Mapping[str, NDArray[np.float64]], rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Draw the feature spaces around a latent that they share.

    F = sum over parts p of sqrt(share_p) L_p M_p, plus sqrt(share_own) noise. L_p is
    the latent's part p, M_p a random matrix whose columns have unit length, and the
    shares are `SHARES`. So each feature has unit variance on average, and genre's
    share is what a one-hot genre explains of it.

    Returns
    -------
    spaces : dict of arrays of shape (n_clips, n_frames, n_features)
        n_frames is 1 where nothing changes within a clip (mulan-text).
    """
    n_clips = len(latent["track"])
    spaces = {}
    for name, shares in SHARES.items():
        n_frames = FRAMES if shares["moment"] else 1
        shape = (n_clips, n_frames, N_FEATURES[name])
        features = np.sqrt(shares["own"]) * rng.standard_normal(shape)
        for part, values in latent.items():
            mixing = rng.standard_normal((values.shape[2], shape[2]))
            mixing /= np.linalg.norm(mixing, axis=0)
            if shares[part]:
                features = features + np.sqrt(shares[part]) * (values @ mixing)
        spaces[name] = features.astype(np.float32)
    return spaces


def one_hot(genres: Sequence[str]) -> NDArray[np.float32]:
    """Return a column of 0 and 1 per genre, in order of name.

    Examples
    --------
    >>> one_hot(["pop", "jazz"])
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """
    levels, code = np.unique(genres, return_inverse=True)
    return np.eye(len(levels), dtype=np.float32)[code]


def convolved_regressors(
    design: pd.DataFrame,
    clips: Sequence[str],
    spaces: Mapping[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.float64]]:
    """Return each feature after the haemodynamic response, run by run.

    Features are centred over clips, so that before a run's first volume they are at
    their mean. A run starts from there: nothing comes from another run.

    Returns
    -------
    regressors : dict of arrays of shape (n_runs, n_samples, n_features)
        Keys as in `SPACES`; runs in the order of the design.
    """
    number = {clip: k for k, clip in enumerate(clips)}
    heard = design["clip"].map(number).to_numpy().reshape(-1, N_SAMPLES // FRAMES)
    genre = one_hot([genre_of(clip) for clip in clips])[:, None]
    kernel = hrf(TR_S)
    regressors = {}
    for name, values in {**spaces, "genre": genre}.items():
        centred = values - values.mean(axis=(0, 1), dtype=np.float64)
        frames = np.broadcast_to(centred, (len(clips), FRAMES, values.shape[2]))
        runs = frames[heard].reshape(len(heard), N_SAMPLES, -1)
        regressors[name] = lfilter(kernel, [1.0], runs, axis=1)
    return regressors


def hrf(tr_s: float) -> NDArray[np.float64]:
    """Return the canonical haemodynamic response (Glover), one weight per delay.

    Weight j is the integral of the response over lags from (j - 1/2) to (j + 1/2) TR:
    the stimulus holds for a whole TR, and a volume is taken at the middle of its own.
    Scaled to a sum of 1.

    Examples
    --------
    >>> int(np.argmax(hrf(1.5)))  # the peak lies near 5 s
    3
    """
    from nilearn.glm.first_level import glover_hrf

    fine = 60  # steps per TR; nilearn's steps are off by one part in their number
    response = glover_hrf(tr_s, oversampling=fine)
    delay = (np.arange(len(response)) / fine + 0.5).astype(int)
    weights = np.bincount(delay, weights=response)
    return weights / weights.sum()


def autoregressive(
    steps: NDArray[Float], coefficient: float, *, axis: int
) -> NDArray[Float]:
    """Turn white noise into x[k] = a x[k-1] + sqrt(1 - a^2) e[k], from x[0] = e[0].

    Stationary: every x[k] has the variance of e.
    """
    steps = np.moveaxis(np.array(steps), axis, 0)
    steps[1:] *= np.sqrt(1 - coefficient**2)
    one = steps.dtype.type(1)
    series = lfilter([one], np.array([1, -coefficient], steps.dtype), steps, axis=0)
    return np.moveaxis(series, 0, axis)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (values - values.mean(axis=0)) / values.std(axis=0)
