"""What the networks of a study make of each clip, volume by volume, without a scan."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.events import clip_ids
from ..data.stimuli import ClipSource, find_track
from ..feature_spaces import CaptionFeatures, NetworkFeatures
from ..study import Study
from .clip_vectors import Grain, Presentation, vectors_to_tr
from .networks import (
    embed_captions,
    embed_sounds,
    layers_of,
    network_of,
    network_space,
    windows_for,
)
from .session import Ticker


def frames_of_clips(
    study: Study, design: pd.DataFrame, ticker: Ticker
) -> dict[str, NDArray[np.floating]]:
    """Return the networks' features of each clip on a grid of volumes.

    Parameters
    ----------
    study : Study
        Its bands that are networks; their sound lies at root/PATH.
    design : DataFrame
        Columns clip, such as 'blues.00017', start_s and end_s.
    ticker : Ticker

    Returns
    -------
    frames : dict of str to array of shape (n_clips, n_frames, n_features)
        Clips sorted by name; the frames of the longest clip, 1 of captions.
    """
    clips = design.drop_duplicates("clip").sort_values("clip")
    n_frames = round(
        float((clips["end_s"] - clips["start_s"]).max()) / study.dataset.tr_s
    )
    frames: dict[str, NDArray[np.floating]] = {}
    for name in study.encoding.bands:
        space = network_space(study, name)
        if isinstance(space, CaptionFeatures):
            rows, _ = embed_captions(study, space, list(clips["clip"]), ticker)
            frames[name] = np.stack([rows[clip] for clip in clips["clip"]])[:, None]
        elif isinstance(space, NetworkFeatures):
            frames[name] = _sound_frames(study, space, clips, n_frames, ticker)
    return frames


def _sound_frames(
    study: Study,
    space: NetworkFeatures,
    clips: pd.DataFrame,
    n_frames: int,
    ticker: Ticker,
) -> NDArray[np.floating]:
    parts = (
        clips["clip"]
        .str.split(".", n=1, expand=True)
        .set_axis(["genre", "track"], axis=1)
    )
    paths = [find_track(study.root / text) for text in clip_ids(parts, space.path)]
    borders = zip(clips["clip"], paths, clips["start_s"], clips["end_s"], strict=True)
    sounds = [ClipSource(c, path.resolve(), a, b) for c, path, a, b in borders]
    network = network_of(study, space)
    vectors = embed_sounds(study, space, sounds, ticker)[layers_of(network, space)[0]]
    windows, tr_s = windows_for(space, network), study.dataset.tr_s
    grain = Grain(windows.window_s, windows.step_s)
    rows = [
        vectors_to_tr(
            [Presentation(0, 0.0, n_frames * tr_s, vectors[sound], sound.clip)],
            grain,
            n_features=vectors[sound].shape[1],
            n_samples=n_frames,
            tr_s=tr_s,
            empty=None,
            name=sound.clip,
        )
        for sound in sounds
    ]
    return np.stack(rows)
