"""Tests of the paper's figures: what is in their axes, and what lies beside them."""

import json
from functools import cache
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music.core.types import Band, Part, Space
from brain2music.figures import flatmap
from brain2music.figures.surfaces import flat_mesh
from brain2music.study_analysis import Analysis
from brain2music.workflow import paper_figures
from brain2music.workflow.paper_figures import KINDS, draw_paper
from brain2music.workflow.paper_pages import Print, Results
from brain2music.workflow.to_draw import Saved

MUSIC, OTHER, TEXT, GENRE = BANDS = ("mulan-music", "w2v-bert", "mulan-text", "genre")
SOURCES = dict(zip(BANDS, ("CLAP, tiny", "tiny", "CLAP, tiny", ""), strict=True))
LABELS = {
    MUSIC: "MuLan-music (CLAP, tiny)",
    OTHER: "w2v-BERT (tiny)",
    TEXT: "MuLan-text (CLAP, tiny)",
    GENRE: "genre",
}
SUBJECTS = ("01", "02")
GENRES = ("blues", "disco", "jazz")
ROIS = ("A1 (simulated)", "belt $x$ (simulated)")
INDEX = np.r_[np.arange(4000, 4300), np.arange(14500, 14600)]
N = len(INDEX)
CLIPS = [f"{genre}.{k:05d}" for k in range(4) for genre in GENRES]


@cache
def coarse_mesh(mesh):
    return flat_mesh(mesh, renderer="matplotlib", height_px=120)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(flatmap, "flat_mesh", lambda mesh, **_: coarse_mesh(mesh))
    yield
    plt.close("all voxels")


def space():
    parts = tuple(
        Part(side, (10242,), np.arange(10242), None) for side in ("left", "right")
    )
    return Space(
        "surface", "fsaverage5", tuple(map(str, INDEX)), INDEX, (20484,), None, parts
    )


def card(rng, **labels):
    value = rng.uniform(0.55, 0.9)
    known = {"value": value, "low": value - 0.05, "high": value + 0.05, "p": 0.01}
    return labels | known | {"chance": 0.5}


def decoding_tables(rng):
    """Return every table of decoding that a figure is drawn from."""
    rows = {name: [] for name in ("decoding", "decoding_genres", "decoding_lags")}
    rows |= {name: [] for name in ("decoding_alphas", "retrieval", "generation")}
    rows["class_agreement"] = []
    accuracy = {"metric": "identification accuracy"}
    for subject in SUBJECTS:
        for target in (MUSIC, GENRE):
            about = {"subject": subject, "target": target, "source": SOURCES[target]}
            for pool in ("clips", "clips, within genre"):
                one = card(rng, **about, **accuracy, pool=pool, unit="clip")
                rows["decoding"].append(one)
            rows["decoding"].append(
                card(rng, **about, metric="top-1", pool="clips", unit="clip")
            )
            for lag in (0, 2, 4):
                rows["decoding_lags"].append(
                    card(rng, **about, lag=lag, lag_s=1.5 * lag)
                )
            for multiple in (0.1, 1.0, 10.0):
                r = {"r_training": rng.random(), "r_held_out": rng.random()}
                rows["decoding_alphas"].append(about | {"multiple": multiple} | r)
        about = {"subject": subject, "target": MUSIC, "source": SOURCES[MUSIC]}
        for genre in GENRES:
            for trained in ("all genres", "without it"):
                for pool in ("all", "own genre"):
                    one = card(rng, **about, genre=genre, trained=trained, pool=pool)
                    one["accuracy"] = one.pop("value")
                    rows["decoding_genres"].append(one)
        for judge in ("CLAP, tiny", "tiny"):
            for items in ("retrieved", "oracle"):
                one = card(rng, **about, items=items, scored_by=judge, **accuracy)
                rows["retrieval"].append(one)
            made = {"conditioning": "decoded", "generator": "musicldm"}
            rows["generation"].append(
                card(rng, **about, scored_by=judge, **made, **accuracy)
            )
        for group, n_top in (("genres", 2), ("moods", 1)):
            for compared in ("stimulus and generated", "stimulus and retrieved"):
                labels = {"tagger": "ast", "compared": compared, "group": group}
                one = {"agreement": rng.random(), "chance": 0.2, "n_top": n_top}
                rows["class_agreement"].append(about | labels | one)
    return {name: pd.DataFrame(one) for name, one in rows.items()}


def voxel_tables(rng):
    scores, found, regions, rois = [], [], [], []
    for subject in SUBJECTS:
        voxels = {"subject": subject, "voxel": [str(i) for i in INDEX]}
        for name in BANDS:
            about = {"model": "alone", "feature_space": name}
            r = rng.uniform(-0.1, 0.6, N)
            scores.append(pd.DataFrame({**voxels, **about, "score": "r", "value": r}))
            q = rng.uniform(0, 0.1, N)
            found.append(pd.DataFrame({**voxels, **about, "q_bh": q}))
            for roi in (*ROIS, "all voxels"):
                mean = rng.uniform(0.1, 0.5)
                interval = {"r_low": mean - 0.05, "r_high": mean + 0.05}
                about = {"subject": subject, "model": "alone", "roi": roi}
                about |= {"feature_space": name, "source": SOURCES[name]}
                rois.append({**about, "r_mean": mean, **interval})
        for region in (MUSIC, TEXT, f"{MUSIC} & {TEXT}"):
            r2 = rng.normal(0, 0.1, N)
            regions.append(pd.DataFrame({**voxels, "region": region, "r2": r2}))
    return {
        "voxel_scores": pd.concat(scores),
        "voxel_significance": pd.concat(found),
        "voxel_partition": pd.concat(regions),
        "roi_scores": pd.DataFrame(rois),
    }


def write_sounds(out, rng):
    """Write decoded embeddings with their genres, and two clips to hear."""
    for subject in SUBJECTS:
        folder = out / f"decoding/sub-{subject}"
        folder.mkdir(parents=True)
        clips = np.repeat(CLIPS, 2)
        true = rng.standard_normal((len(clips), 5)) * [5, 3, 1, 1, 1]
        predicted = true / 2 + 0.1 * rng.standard_normal(true.shape)
        np.savez(folder / f"{MUSIC}.npz", true=true, predicted=predicted)
        genres = [clip.split(".")[0] for clip in clips]
        pd.DataFrame({"clip": clips, "genre": genres}).to_csv(
            folder / "rows.csv", index=False
        )
        for step, kinds in {
            "retrieval": ("stimulus", "retrieved"),
            "generation": ("generated",),
        }.items():
            place = out / f"{step}/sub-{subject}"
            place.mkdir(parents=True)
            rows = []
            for clip in CLIPS[:2]:
                for kind in kinds:
                    file = f"{clip}_{kind}.wav"
                    soundfile.write(place / file, 0.1 * rng.standard_normal(8000), 8000)
                    rows.append(
                        {"clip": clip, "what": kind, "track": "x", "file": file}
                    )
            pd.DataFrame(rows).to_csv(place / "players.csv", index=False)


def study(folder):
    kinds = dict(
        zip(BANDS, ("network", "network", "captions", "category"), strict=True)
    )
    return SimpleNamespace(
        title="A study",
        analysis=Analysis(),
        features={name: SimpleNamespace(kind=kind) for name, kind in kinds.items()},
        encoding=SimpleNamespace(bands=BANDS),
        decoding=SimpleNamespace(targets=(MUSIC, GENRE)),
        dataset=SimpleNamespace(simulated=True),
        machine=SimpleNamespace(cache=None),
        folder=folder,
    )


@pytest.fixture
def results(tmp_path, rng):
    """Return results of two subjects on fsaverage5, with all that can be drawn."""
    out = tmp_path / "out"
    (out / "tables").mkdir(parents=True)
    voxels = voxel_tables(rng)
    tables = voxels | decoding_tables(rng)
    for name, table in tables.items():
        table.to_csv(out / f"tables/{name}.csv", index=False)
    about = {"identity": "of the tables", "files": {}, "stage": "tables", "notes": []}
    (out / "tables/about.json").write_text(json.dumps(about))
    (out / "about.json").write_text(json.dumps({"packages": {"brain2music": "0.1"}}))
    write_sounds(out, rng)
    bands = tuple(Band(name, 3) for name in BANDS)
    model = SimpleNamespace(space=space(), valid=np.ones(N, bool), bands=bands)
    masks = {"core": np.arange(N) < 60}
    saved = Saved(
        study(tmp_path),
        dict.fromkeys(SUBJECTS, model),
        voxels,
        dict.fromkeys(SUBJECTS, masks),
        out,
    )
    return Results(saved, Print(formats=("png",)))


def test_look(results, tmp_path, monkeypatch):
    import time

    for w in (None, 90.0, 180.0):
        r = Results(results.saved, Print(w, ("png",)))
        monkeypatch.setattr(paper_figures, "open_results", lambda *a: r)
        for kind in KINDS:
            t = time.time()
            try:
                draw_paper(
                    r.saved.out,
                    only=[kind.name],
                    folder=f"/tmp/fig8/look_{w}",
                    how=r.print,
                )
            except Exception:
                import traceback

                traceback.print_exc()
            print(kind.name, time.time() - t)
