"""Tests of writing the paper's figures: files, sizes, and what is missing."""

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from brain2music.core.checks import InputError
from brain2music.core.types import Space
from brain2music.figures.looks import OnScale
from brain2music.figures.pages import Panel
from brain2music.figures.style import Scale
from brain2music.workflow import paper_figures, to_draw
from brain2music.workflow.map_figures import draw_page, on_mesh
from brain2music.workflow.map_pages import MapPage
from brain2music.workflow.paper_figures import KINDS, draw_paper
from brain2music.workflow.paper_pages import Print, width_of

ALL = tuple(kind.name for kind in KINDS)
FORMATS = ("pdf", "svg", "png")


@pytest.fixture
def opened(results, monkeypatch):
    """Let `draw_paper` read results that were made by hand."""

    def reads(_out, how, _surfaces, _rois):
        return replace(results, print=how)

    monkeypatch.setattr(paper_figures, "open_results", reads)
    return results


@pytest.mark.parametrize("width_mm", [None, 120.0])
def test_files_have_the_size_that_was_asked_for_and_text_that_stays_text(
    opened, tmp_path, width_mm
):
    how = Print(width_mm, FORMATS, dpi=400)
    before = dict(mpl.rcParams)
    out = opened.saved.out
    drawn = draw_paper(out, only=["lags"], folder=tmp_path / "x", how=how)
    assert dict(mpl.rcParams) == before
    wide = width_mm or 90.0
    for name in ("lags",):
        stem = drawn.folder / name
        about = json.loads(stem.with_suffix(".json").read_text())
        assert about["width_mm"] == pytest.approx(wide, abs=1e-3)
        with Image.open(stem.with_suffix(".png")) as image:
            assert image.width == pytest.approx(wide / 25.4 * 400, abs=1)
            assert image.info["dpi"][0] == pytest.approx(400, abs=0.1)
        pdf = stem.with_suffix(".pdf").read_bytes()
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", pdf)
        assert float(box[1]) == pytest.approx(wide / 25.4 * 72, abs=0.01)
        assert float(box[2]) == pytest.approx(about["height_mm"] / 25.4 * 72, abs=0.01)
        assert b"/FontFile2" in pdf  # TrueType, embedded
        assert b"/Type3" not in pdf
        svg = stem.with_suffix(".svg").read_text()
        assert float(re.search(r'width="([\d.]+)pt"', svg)[1]) == pytest.approx(
            wide / 25.4 * 72, abs=0.01
        )
        assert "<text" in svg
        assert "time after the onset of the clip (s)" in svg


def test_the_same_results_give_the_same_files(opened, tmp_path):
    how = Print(None, FORMATS)
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        draw_paper(opened.saved.out, only=["lags"], folder=folder, how=how)
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == [
        f"lags.{ending}" for ending in ("csv", "json", "pdf", "png", "svg")
    ]
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_numbers_and_provenance_lie_beside_a_figure(opened, tmp_path):
    how = Print(None, ("png",))
    out = opened.saved.out
    drawn = draw_paper(out, only=["identification"], folder=tmp_path / "x", how=how)
    names = [path.name for path in drawn.written["identification"]]
    assert names == [f"identification.{ending}" for ending in ("png", "csv", "json")]
    about = json.loads((drawn.folder / "identification.json").read_text())
    assert about["sources"] == {
        "mulan-music": "MuLan-music (CLAP, tiny)",
        "genre": "genre",
    }
    assert about["judged_by"] == ["CLAP, tiny", "tiny"]
    assert about["generated_by"] == ["musicldm"]
    assert about["limits"] == {"y": [0.0, 1.02]}
    assert about["threshold"] == "none"
    assert about["numbers"] == ["identification.csv"]
    made = {"study": "A study", "simulated": True, "subjects": ["01", "02"]}
    assert about["result"] == {**made, "tables": "of the tables", "made_with": "0.1"}
    assert set(about["drawn_with"]) == {"brain2music", "matplotlib", "python"}
    numbers = pd.read_csv(drawn.folder / "identification.csv", dtype={"subject": str})
    saved = pd.read_csv(out / "tables/decoding.csv", dtype={"subject": str})
    asked = saved.query("metric == 'identification accuracy' and pool == 'clips'")
    shown = numbers.query("panel == 'decoded, by target'")
    assert_allclose(shown["value"], asked["value"])
    assert shown["subject"].tolist() == asked["subject"].tolist()


def test_maps_come_back_from_their_gifti(opened, tmp_path):
    how = Print(90.0, ("png",))
    out = opened.saved.out
    drawn = draw_paper(out, only=["music_text_map"], folder=tmp_path / "x", how=how)
    about = json.loads((drawn.folder / "music_text_map_sub-01.json").read_text())
    assert about["threshold"].startswith("q (FDR, bh) of at most 0.05 for either")
    rows = opened.saved.tables["voxel_scores"]
    mine = (rows["subject"] == "01") & (rows["feature_space"] == "mulan-text")
    index = opened.saved.models["01"].space.index

    def saved(panel):
        sides = [name for name in about["numbers"] if panel in name]
        assert len(sides) == 2
        images = [nib.load(drawn.folder / name) for name in sides]
        values = np.concatenate([image.darrays[0].data for image in images])
        assert np.isnan(np.delete(values, index)).all()
        return values[index]

    tested = opened.saved.tables["voxel_significance"].query("subject == '01'")
    music, text = (
        tested.query("feature_space == @name")["q_bh"].to_numpy() <= 0.05
        for name in ("mulan-music", "mulan-text")
    )
    expected = np.where(music | text, rows.loc[mine, "value"], np.nan)
    assert_allclose(saved("panel1v2"), expected, rtol=1e-6)
    assert_allclose(saved("panel1contour"), music & text)


@pytest.mark.slow
def test_every_figure_is_drawn_in_single_and_double_column(opened, tmp_path):
    for width in (90.0, 180.0):
        how = Print(width, ("svg", "png"))
        drawn = draw_paper(opened.saved.out, folder=tmp_path / f"{width}", how=how)
        assert tuple(drawn.written) == ALL
        assert drawn.missing == {}
        for path in drawn.folder.glob("*.svg"):
            sizes = re.findall(r"font(?:-size)?: (?:\w+ )*([\d.]+)px", path.read_text())
            # Digits above a line, as in powers of ten, are 0.7 of their text.
            assert min(map(float, sizes)) >= 6 * 0.7, path.name
            with Image.open(path.with_suffix(".png")) as image:
                assert image.width == pytest.approx(width / 25.4 * 300, abs=1)


def test_what_a_study_does_not_have_is_listed_with_the_reason(opened, tmp_path):
    parts = ("", "_genres", "_transfer", "_lags", "_alphas")
    for name in [f"decoding{part}" for part in parts]:
        (opened.saved.out / f"tables/{name}.csv").unlink()
    music = ("retrieval", "generation", "generation_genres")
    for name in ("class_agreement", *music):
        (opened.saved.out / f"tables/{name}.csv").unlink()
    for step in ("retrieval", "generation"):
        for path in opened.saved.out.glob(f"{step}/*/players.csv"):
            path.unlink()
    for path in opened.saved.out.glob("decoding/*/rows.csv"):
        path.unlink()
    missing = {kind.name: kind.missing(opened) for kind in KINDS}
    missing = {name: why for name, why in missing.items() if why}
    assert missing == {
        "identification": "no target is decoded and identified: set decoding.targets",
        "genres": missing["genres"],
        "held_out_genres": missing["genres"],
        "genre_transfer": missing["genre_transfer"],
        "generated_genres": missing["generated_genres"],
        "class_agreement": missing["class_agreement"],
        "spectrograms": missing["spectrograms"],
        "embedding": missing["embedding"],
        "alphas": missing["alphas"],
        "lags": "no lags were decoded: set decoding.lags to numbers of volumes",
    }
    for name, words in {
        "genres": "set decoding.genres to a column of the events",
        "genre_transfer": "set decoding.genre_transfer",
        "generated_genres": "[generation] and decoding.genres",
        "class_agreement": "generation.tagger",
        "spectrograms": "retrieval",
        "embedding": "decoding.genres",
        "alphas": "decoding_alphas",
    }.items():
        assert words in missing[name]
    with pytest.raises(InputError, match=r"lags: no lags were decoded"):
        draw_paper(opened.saved.out, only=["rois", "lags"], folder=tmp_path / "x")
    assert not (tmp_path / "x").exists()
    drawn = draw_paper(
        opened.saved.out,
        folder=tmp_path / "y",
        only=["rois"],
        how=Print(None, ("svg",)),
    )
    assert sorted(path.name for path in drawn.folder.iterdir()) == [
        *("rois.csv", "rois.json", "rois.svg")
    ]


def test_bands_without_text_or_genre_have_no_such_figure(opened):
    study = opened.saved.study
    study.encoding.bands = ("mulan-music",)
    missing = {kind.name: kind.missing(opened) for kind in KINDS}
    for name in ("two_models", "maps", "music_text", "music_text_map", "music_genre"):
        assert "encoding.bands has not" in missing[name]
    del opened.saved.tables["voxel_partition"]
    (opened.saved.out / "tables/voxel_partition.csv").unlink()
    assert "analysis.partition" in KINDS[ALL.index("unique_variance")].missing(opened)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: width_of("wide"), "'single', 'double' or a number"),
        (lambda: Print(10.0), "Take 60 to 400 mm"),
        (lambda: Print(dpi=72), "300 to 600"),
        (lambda: Print(formats=("jpg",)), "format must be"),
        (lambda: Print(formats=()), "no format"),
        (lambda: draw_paper("x", only=["lag"]), "Did you mean 'lags'"),
        (lambda: draw_paper("x"), "holds no results of a study"),
    ],
)
def test_says_what_cannot_be_asked_for(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_widths_have_names():
    assert [width_of(text) for text in ("single", "double", "85")] == [90, 180, 85]


def test_the_page_on_figures_lists_each_of_them():
    page = Path(__file__).parents[3] / "docs/figures.md"
    listed = re.findall(r"^\| `(\w+)` \|", page.read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == sorted(ALL)


def test_maps_outline_the_rois_that_are_asked_for(results, monkeypatch):
    saved = results.saved
    masks = {"core": np.arange(60) < 30, "belt": np.arange(60) >= 30}
    monkeypatch.setattr(to_draw, "load_model", lambda path: saved.models[path.name[4:]])
    monkeypatch.setattr(to_draw, "read_rois", lambda *_: masks)
    subjects = list(saved.models)
    read = partial(to_draw.load_saved, saved.study, saved.out, subjects)
    n_voxels = saved.models["01"].space.n_voxels
    masks |= {name: np.resize(mask, n_voxels) for name, mask in masks.items()}
    assert list(to_draw.roi_masks(read(), "01")) == ["core", "belt"]
    chosen = to_draw.roi_masks(read(only_rois=["belt"]), "01")
    assert list(chosen) == ["belt"]
    assert chosen["belt"].sum() == masks["belt"].sum()
    with pytest.raises(InputError, match=r"no subject has an ROI 'bolt'. Did you mean"):
        read(only_rois=["bolt"])


def test_voxels_in_mni_are_drawn_on_fsaverage5_and_the_caption_says_how(results):
    # A box of 8 x 8 x 8 mm around the left auditory cortex.
    affine = np.array([[4.0, 0, 0, -52], [0, 4, 0, -26], [0, 0, 4, 4], [0, 0, 0, 1]])
    ids = tuple("01234567")
    volume = Space("volume", "MNI152NLin6Asym", ids, np.arange(8), (2, 2, 2), affine)
    model = SimpleNamespace(space=volume, valid=np.ones(8, bool), bands=())
    saved = replace(results.saved, models={"01": model}, rois={"01": {}})
    assert saved.problem("01") is None
    assert saved.flat("01") == saved.inflated("01") == "fsaverage5"
    values = np.linspace(0.1, 0.4, 8)
    panel = Panel(values, OnScale(Scale(0.0, 0.5, "r")), contour=values > 0.2)
    laid = on_mesh(saved, MapPage("a", "01", {}), panel)
    drawn = np.ravel(laid.values)
    assert set(drawn[np.isfinite(drawn)]) <= set(values)
    assert_array_equal(laid.contour, np.nan_to_num(drawn) > 0.2)
    figure = draw_page(saved, MapPage("a", "01", {"a": panel}, "Said."))
    said = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    n_shown = len(set(drawn[np.isfinite(drawn)]))
    assert "Said. Voxels of MNI152NLin6Asym on fsaverage5: each vertex has" in said
    assert f"it shows {n_shown} of 8 voxels." in said
