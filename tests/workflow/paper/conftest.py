"""Results of two subjects, made by hand, for every figure of the paper."""

import itertools
import json
from dataclasses import replace
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
from brain2music.workflow.paper_figures import KINDS
from brain2music.workflow.paper_pages import Print, Results
from brain2music.workflow.tables import read_table
from brain2music.workflow.to_draw import Saved

MUSIC, OTHER, TEXT, GENRE = BANDS = ("mulan-music", "w2v-bert", "mulan-text", "genre")
SOURCES = dict(zip(BANDS, ("CLAP, tiny", "tiny", "CLAP, tiny", ""), strict=True))
SUBJECTS = ("01", "02")
GENRES = ("blues", "disco", "jazz")
ROIS = ("A1 (simulated)", "belt $x$ (simulated)")
INDEX = np.r_[np.arange(4000, 4300), np.arange(14500, 14600)]
N = len(INDEX)
JUDGES = ("CLAP, tiny", "tiny")
ACCURACY = {"metric": "identification accuracy"}
CLIPS = [f"{genre}.{k:05d}" for k in range(4) for genre in GENRES]


@cache
def coarse_mesh(mesh):
    return flat_mesh(mesh, renderer="matplotlib", height_px=120)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(flatmap, "flat_mesh", lambda mesh, **_: coarse_mesh(mesh))
    yield
    plt.close("all")


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
    made = (_targets, _genres, _music, _classes)
    parts = [make(rng, subject) for make in made for subject in SUBJECTS]
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: pd.DataFrame([row for part in parts for row in part.get(name, [])])
        for name in names
    }


def _targets(rng, subject):
    rows = {"decoding": [], "decoding_lags": [], "decoding_alphas": []}
    for target in (MUSIC, GENRE):
        about = {"subject": subject, "target": target, "source": SOURCES[target]}
        for pool in ("clips", "clips, within genre", "windows"):
            unit = "window" if pool == "windows" else "clip"
            rows["decoding"].append(
                card(rng, **about, **ACCURACY, pool=pool, unit=unit)
            )
        other = {"metric": "top-1", "pool": "clips", "unit": "clip"}
        rows["decoding"].append(card(rng, **about, **other))
        lags = [card(rng, **about, lag=k, lag_s=1.5 * k) for k in (0, 2, 4)]
        rows["decoding_lags"] += lags
        for multiple in (0.1, 1.0, 10.0):
            r = {"r_training": rng.random(), "r_held_out": rng.random()}
            rows["decoding_alphas"].append(about | {"multiple": multiple} | r)
    return rows


def _genres(rng, subject):
    about = {"subject": subject, "target": MUSIC, "source": SOURCES[MUSIC]}
    keys = itertools.product(GENRES, ("all genres", "without it"), ("all", "own genre"))
    rows = [
        card(rng, **about, genre=genre, trained=trained, pool=pool)
        for genre, trained, pool in keys
    ]
    table = pd.DataFrame(rows).rename(columns={"value": "accuracy"})
    return {
        "decoding_genres": table.to_dict("records"),
        "decoding_transfer": _transfer(rng, about),
    }


def _transfer(rng, about):
    """Return each genre by each, and one that has no clips to be told from."""
    pairs = list(itertools.product(GENRES, GENRES))
    every = [(a, b, "all") for a, b in pairs]
    every += [(a, b, "own genre") for a, b in pairs if b != "jazz"]
    rows = [card(rng, **about, trained=a, genre=b, pool=pool) for a, b, pool in every]
    table = pd.DataFrame(rows).rename(columns={"value": "accuracy"})
    return table.to_dict("records")


def _music(rng, subject):
    about = {"subject": subject, "target": MUSIC, "source": SOURCES[MUSIC]} | ACCURACY
    found, made = [], []
    for judge in JUDGES:
        for items in ("retrieved", "oracle"):
            one = card(rng, **about, items=items, scored_by=judge)
            found.append({**one, "pool": "all 40 test clips"})
            found.append({**one, "value": 0.1, "pool": "9 artist-safe test clips"})
        random = about | {"items": "random track", "scored_by": judge}
        random["pool"] = "all 40 test clips"
        found.append(random | {"value": 0.5})
        for how in ("decoded", "mean decoded"):
            labels = {"conditioning": how, "generator": "musicldm"}
            made.append(card(rng, **about, scored_by=judge, **labels))
    about = {"subject": subject, "target": MUSIC, "generator": "musicldm"}
    keys = itertools.product(JUDGES, ("generated", "oracle"), GENRES, ("all", "own"))
    by_genre = [
        card(rng, **about, scored_by=judge, items=items, genre=genre, pool=pool)
        for judge, items, genre, pool in keys
    ]
    by_genre = pd.DataFrame(by_genre).rename(columns={"value": "accuracy"})
    by_genre = by_genre.assign(n_clips=[1, 1, 6, 6, 2, 2] * 4)
    return {
        "retrieval": found,
        "generation": made,
        "generation_genres": by_genre.to_dict("records"),
    }


def _classes(rng, subject):
    about = {"subject": subject, "target": MUSIC, "tagger": "ast"}
    rows = [
        about | {"group": group, "n_top": n_top, "compared": f"stimulus and {what}"}
        for group, n_top in (("genres", 2), ("moods", 1))
        for what in ("generated", "retrieved")
    ]
    return {
        "class_agreement": [
            row | {"agreement": rng.random(), "chance": 0.2} for row in rows
        ]
    }


def voxel_tables(rng):
    scores, found, regions, rois = [], [], [], []
    for subject in SUBJECTS:
        voxels = {"subject": subject, "voxel": [str(i) for i in INDEX]}
        for name in BANDS:
            about = {"model": "alone", "feature_space": name}
            # Limits of the first subject alone would leave some of the second out.
            r = rng.uniform(-0.1, 0.6, N) * (1.4 if subject == "02" else 1.0)
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


@pytest.fixture
def draw(results):
    """Draw a kind of figure; return what was drawn, by name."""
    kinds = {kind.name: kind for kind in KINDS}

    def drawn(name, width_mm=None):
        wanted = replace(results, print=Print(width_mm, ("png",)))
        assert kinds[name].missing(wanted) == ""
        return {one.name: one for one in kinds[name].draw(wanted)}

    return drawn


@pytest.fixture
def table(results):
    """Return a saved table by its name."""
    return lambda name: read_table(results.saved.out / "tables", name)
