"""The demo: a simulated study on a real design, run like any other study."""

import json
from pathlib import Path

import pandas as pd

from .core.artefacts import (
    Recipe,
    check_places,
    is_current,
    locked,
    new_artefact,
)
from .data.simulate import simulate_study
from .data.synthesise import write_corpus, write_tracks
from .study import load_study
from .workflow.pipeline import run
from .workflow.result import Result
from .workflow.session import Progress

VERSION = 1
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

[features.mulan-music]
kind = "array"
source = "simulated"
path = "features/mulan-music.npz"
per = "clip"

[features.mulan-text]
kind = "array"
source = "simulated"
path = "features/mulan-text.npz"
per = "clip"

[features.w2v-bert]
kind = "array"
source = "simulated"
path = "features/w2v-bert.npz"
per = "clip"

[features.genre]
kind = "category"
source = "of the simulated clips"
column = "genre"
{sound}
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
"""
BANDS = ("mulan-music", "mulan-text", "w2v-bert", "genre")
SOUND = """
[features.log-mel]
kind = "log-mel"
source = "librosa, synthetic sound"
path = "sound/{genre}/{genre}.{track:0>5}.flac"
start = "start"
end = "end"
fade_s = 2
rms = 0.1321
n_mels = 16

[features.loudness]
kind = "loudness"
source = "librosa, synthetic sound"
path = "sound/{genre}/{genre}.{track:0>5}.flac"
start = "start"
end = "end"
fade_s = 2
rms = 0.1321
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
        With sound of its own: one synthetic track for each clip, feature spaces from
        that sound, captions, and a corpus of 500 more clips. Needs librosa.
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
    bands: tuple[str, ...] = BANDS
    sound, latent = "", None
    if full:
        bands, sound = (*BANDS, "log-mel", "loudness"), SOUND
        progress("synthesising the sound of 540 tracks", 0, 2)
        tracks = write_tracks(folder / "sound", seed=seed)
        progress("synthesising the sound of 540 tracks", 1, 2)
        write_corpus(folder / "corpus", seed=seed)
        progress("synthesising the sound of 540 tracks", 2, 2)
        latent = track_numbers(tracks)
    progress("simulating responses", 0, 1)
    simulate_study(folder, seed=seed, track_latent=latent)
    progress("simulating responses", 1, 1)
    title = TITLE + (", with synthetic sound" if full else "")
    text = STUDY.format(title=title, bands=json.dumps(list(bands)), sound=sound)
    (folder / "study.toml").write_text(text, encoding="utf-8")


def track_numbers(tracks: pd.DataFrame) -> dict[str, list[float]]:
    """Return what sets the tracks apart in sound, by clip."""
    numbers = ["tempo_bpm", "root_midi", "rolloff", "decay_s", "level_db"]
    values = tracks[numbers].to_numpy(dtype=float).tolist()
    return dict(zip(tracks["clip"], values, strict=True))
