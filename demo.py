"""The demo: a simulated study on a real design, run like any other study."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .core.artefacts import (
    Recipe,
    check_places,
    is_current,
    locked,
    new_artefact,
)
from .data.simulate import simulate_study
from .data.simulated_features import read_design
from .data.synthesise import write_corpus, write_tracks
from .decoding.agreement import paper_groups
from .decoding.tiny import write_tiny_generator, write_tiny_tagger
from .features.tiny import write_tiny_clap, write_tiny_w2v_bert
from .study import load_study
from .workflow.clip_frames import frames_of_clips
from .workflow.pipeline import run
from .workflow.result import Result
from .workflow.session import Progress, Session

VERSION = 5
TITLE = "Demo: a simulated study on a real design"
STUDY = """\
# A simulated study: the design is that of ds003720, the brains are nobody's. Paths
# start at this file.
title = "{title}"

[dataset]
root = "."
subjects = ["01", "02"]
responses = "responses/sub-{{subject}}.npy"
runs = "runs.csv"                     # task and run of each row
vertices = "vertices/sub-{{subject}}.npy"
mesh = "fsaverage5"
events = "events/task-{{task}}_run-{{run}}_events.tsv"
clip = "{{genre}}.{{track:0>5}}"
tr_s = 1.5
train = {{ task = "Training" }}
test = {{ task = "Test" }}
simulated = true

[responses]
lead_in_s = 15                        # the first clip repeats another one: not scored
detrend = "linear"
zscore = "run"
repeats = "average"                   # each test clip is heard four times
{spaces}
[features.genre]
kind = "category"
source = "of the simulated clips"
column = "genre"

[rois]
masks = "rois.npz"
mesh = "fsaverage5"

[encoding]
bands = {bands}
delays = [2, 3, 4, 5]                 # TRs: 3 to 7.5 s
n_candidates = 20
folds = 6                             # of two training runs each

[analysis]
planted = "truth.csv"
low = ["w2v-bert"]                    # sides of the gradient index
high = ["mulan-text", "genre"]
{partition}{reconstruction}"""
PARTITION = "partition = true                      # fits models of all subsets\n"
BANDS = ("mulan-music", "mulan-text", "w2v-bert", "genre")
ARRAY = """
[features.{name}]
kind = "array"
source = "simulated"
path = "features/{name}.npz"
per = "clip"
"""
SOUND = """
# Networks of the real classes, but small and of random weights: they stand for weights
# that cannot be shipped, and know nothing of music.
[features.mulan-music]
kind = "network"
model = "clap"
weights = "networks/tiny-random-clap"
path = "sound/{genre}/{genre}.{track:0>5}"
start = "start"
end = "end"
fade_s = 2                            # as it was heard: faded, then levelled
rms = 0.1321
window_s = 10
step_s = 5                            # 1.5 in the paper

[features.mulan-text]
kind = "captions"
model = "clap"
weights = "networks/tiny-random-clap"
captions = "sound/captions.csv"

[features.w2v-bert]
kind = "network"
model = "w2v-bert"
weights = "networks/tiny-random-w2v-bert"
path = "sound/{genre}/{genre}.{track:0>5}"
start = "start"
end = "end"
fade_s = 2
rms = 0.1321
window_s = 5
step_s = 2.5                          # 1.5 in the paper

[machine]
cache = "cache"
"""
DECODING = """
[decoding]
targets = ["mulan-music", "genre"]
genres = "genre"                      # genres that were not in training, too
genre_transfer = true
lags = [0, 2, 4, 6, 8]                # volumes after the onset, each by itself
control_roi = "V1 (simulated)"        # nothing is planted there
"""
RETRIEVAL = """
[retrieval]
target = "mulan-music"
corpus = "corpus"                     # 500 synthetic clips, none of which is a stimulus
checked_by = "w2v-bert"
"""
GENERATION = """
[generation]
generator = "musicldm"                # of random weights: what it makes is noise
weights = "networks/tiny-random-musicldm"
tagger = "networks/tiny-random-tagger"
seconds = 10
steps = 2
n_clips = 6                           # each is made 4 times: decoded, random, mean, V1
"""


def make_demo(
    out: str | Path,
    *,
    seed: int = 0,
    full: bool = False,
    progress: Progress = lambda _text, _done, _total: None,
) -> Result:
    """Simulate a study below `out`, and run it.

    Parameters
    ----------
    out : path
        The study is written to `out/study`, its results beside it.
    seed : int
        Of the simulation. The planted truth is the same for every seed.
    full : bool
        With sound of its own: one synthetic track for each clip, captions, and a corpus
        of 500 more clips. Small networks of random weights turn sound and captions
        into feature spaces, and the responses are planted on these. Music is found in
        the corpus by what is decoded, and made by a small generator of random weights
        where diffusers is installed. Needs torch and transformers.
    progress : callable
        As for `run`.
    """
    folder = Path(out) / "study"
    recipe = Recipe("simulated study", VERSION, {"seed": seed, "full": full})
    with locked(Path(out)):
        check_places(Path(out), ["study"])
        if not is_current(folder, recipe):
            notes = ["all responses of this study are simulated."]
            with new_artefact(folder, recipe, notes) as partial:
                _write_study(partial, seed, full, progress)
    return run(load_study(folder / "study.toml"), out, progress=progress)


def _write_study(folder: Path, seed: int, full: bool, progress: Progress) -> None:
    drawn = "".join(ARRAY.format(name=name) for name in BANDS[:-1])
    title = TITLE + (", with synthetic sound" if full else "")
    text = STUDY.format(
        title=title,
        bands=json.dumps(list(BANDS)),
        spaces=SOUND if full else drawn,
        partition=PARTITION if full else "",
        reconstruction=_reconstruction() if full else "",
    )
    (folder / "study.toml").write_text(text, encoding="utf-8")
    spaces = _spaces_of_sound(folder, seed, progress) if full else None
    progress("simulating responses", 0, 1)
    simulate_study(folder, seed=seed, spaces=spaces)
    progress("simulating responses", 1, 1)


def _spaces_of_sound(
    folder: Path, seed: int, progress: Progress
) -> dict[str, NDArray[np.float64]]:
    """Write sound, captions and networks; return what the networks make of them.

    Each space is turned onto its principal axes over all clips, and each axis scaled to
    unit variance: so the planted signal is not all in what is largest, such as level.
    """
    progress("synthesising the sound of 540 tracks", 0, 2)
    write_tracks(folder / "sound", seed=seed)
    progress("synthesising the sound of 540 tracks", 1, 2)
    write_corpus(folder / "corpus", seed=seed)
    progress("synthesising the sound of 540 tracks", 2, 2)
    captions = list(pd.read_csv(folder / "sound/captions.csv")["DescEN"])
    write_tiny_clap(folder / "networks/tiny-random-clap", captions, seed=seed)
    write_tiny_w2v_bert(folder / "networks/tiny-random-w2v-bert", seed=seed)
    if _generates():
        _write_generator(folder / "networks", seed)
    session = Session(load_study(folder / "study.toml"), folder, progress)
    frames = frames_of_clips(session.study, read_design(), session.ticker)
    return {name: whitened(values) for name, values in frames.items()}


def _generates() -> bool:
    """Return whether music can be made: diffusers may not be there."""
    return find_spec("diffusers") is not None


def _reconstruction() -> str:
    return DECODING + RETRIEVAL + (GENERATION if _generates() else "")


def _write_generator(networks: Path, seed: int) -> None:
    """Write a MusicLDM whose CLAP is that of the study, and a tagger of music."""
    clap = networks / "tiny-random-clap"
    write_tiny_generator(
        "musicldm", networks / "tiny-random-musicldm", seed=seed, clap=clap
    )
    labels = [name for group in paper_groups().values() for name in group.classes]
    write_tiny_tagger(networks / "tiny-random-tagger", labels, seed=seed)


def whitened(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return features turned onto their principal axes, each of unit variance.

    Axes that hold less than a millionth of the variance of the first are left out.

    Parameters
    ----------
    values : array of shape (n_clips, n_frames, n_features)
    """
    rows = values.reshape(-1, values.shape[2]).astype(np.float64)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    U, s, _ = np.linalg.svd(rows, full_matrices=False)
    kept = U[:, s > 1e-3 * s[0]] * np.sqrt(len(rows))
    return kept.reshape(*values.shape[:2], -1)
