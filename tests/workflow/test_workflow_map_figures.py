"""Tests of the pictures of what tables say of each voxel."""

from functools import cache
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from brain2music.core.types import Band, Space
from brain2music.figures import flatmap
from brain2music.figures.surfaces import flat_mesh
from brain2music.study_analysis import Analysis
from brain2music.workflow.map_figures import map_figures
from brain2music.workflow.to_draw import Saved

BANDS = ("mulan-music", "mulan-text", "genre")
INDEX = np.arange(4000, 4400)
N = len(INDEX)
VALID = np.arange(N) % 50 != 0


@cache
def coarse_mesh(mesh):
    return flat_mesh(mesh, renderer="matplotlib", height_px=120)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(flatmap, "flat_mesh", lambda mesh, **_: coarse_mesh(mesh))
    yield
    plt.close("all")


def space(**changes):
    known = {"kind": "surface", "name": "fsaverage5", "shape": (20484,), "index": INDEX}
    return Space(ids=tuple(map(str, INDEX)), **(known | changes))


def voxels(subject, **columns):
    ids = [str(i) for i in INDEX]
    return pd.DataFrame({"subject": subject, "voxel": ids, **columns})


@pytest.fixture
def saved(tmp_path, rng):
    """Return two subjects on fsaverage5, with every table that has a map."""
    study = SimpleNamespace(
        analysis=Analysis(low=("mulan-music",), high=("genre",)),
        encoding=SimpleNamespace(bands=BANDS),
        dataset=SimpleNamespace(simulated=True),
        machine=SimpleNamespace(cache=None),
        folder=tmp_path,
    )
    (tmp_path / "tables").mkdir()
    tables = {}
    subjects = ("01", "02")

    def add(name, table):
        tables[name] = pd.concat([tables[name], table]) if name in tables else table

    for subject in subjects:
        for model, names in {"joint": ["all"], "alone": BANDS, "part": BANDS}.items():
            for name in names:
                about = {"model": model, "feature_space": name}
                for score in ("r", "r2"):
                    values = rng.uniform(0.02, 0.4, N)
                    add(
                        "voxel_scores",
                        voxels(subject, **about, score=score, value=values),
                    )
                if model != "part":
                    q = rng.uniform(0, 0.1, N)
                    add("voxel_significance", voxels(subject, **about, p=q, q_bh=q))
        best = rng.choice([*BANDS, ""], N)
        margin = np.where(best == "", np.nan, 0.1)
        found = rng.random(N) < 0.5
        add("best_space", voxels(subject, best=best, margin_r=margin, found=found))
        for region in ("mulan-music", "genre", "mulan-music & genre"):
            r2 = rng.normal(0, 0.1, N)
            add("voxel_partition", voxels(subject, region=region, r2=r2))
        added = {"added": "mulan-text", "to": "mulan-music", "q": 0.5}
        add("voxel_added", voxels(subject, r2_added=rng.normal(0, 0.1, N), **added))
        ceiling = {n: rng.random(N) for n in ("largest_r", "r_over_largest_r")}
        add("voxel_ceilings", voxels(subject, explainable_variance=0.2, **ceiling))
        loadings = {"loading": 0.5, "explained": 0.3, "n_voxels_beyond_full_colour": 7}
        parts = pd.MultiIndex.from_product([[1, 2, 3], BANDS]).to_frame(index=False)
        parts.columns = ["component", "feature_space"]
        add("weight_components", parts.assign(subject=subject, **loadings))
        np.savez(
            tmp_path / f"tables/components_sub-{subject}.npz",
            rgb=rng.random((VALID.sum(), 3)),
        )
    tables["template_r"] = pd.DataFrame(
        {"vertex": INDEX, "n_subjects": [2] * 300 + [1] * 100, "mean": 0.3}
    )
    bands = tuple(Band(name, 3) for name in BANDS)
    model = SimpleNamespace(space=space(), valid=VALID, bands=bands)
    masks = {"core": np.arange(N) < 60}
    return Saved(
        study,
        dict.fromkeys(subjects, model),
        tables,
        dict.fromkeys(subjects, masks),
        tmp_path,
    )


def drawn(saved, notes=None):
    found = {}
    for name, figure in map_figures(saved, [] if notes is None else notes):
        found[name] = figure
        plt.close(figure)
    return found


def pictures(figure):
    return {
        ax.get_title().strip(): next(
            image for image in ax.get_images() if image.get_label() == "values"
        )
        for ax in figure.axes
        if ax.get_title().strip()
    }


def words(figure):
    texts = [text.get_text() for text in figure.texts]
    texts += [text.get_text() for ax in figure.axes for text in ax.texts]
    return " ".join(texts).replace("\n", " ")


def test_every_table_of_voxels_has_its_picture(saved):
    kinds = (
        *("flatmap", "best_space", "two_spaces", "components", "gradient"),
        *("q_map", "ceiling_map", "added_map", "partition_map"),
    )
    expected = {f"{kind}_sub-{s}" for kind in kinds for s in ("01", "02")}
    figures = drawn(saved)
    assert set(figures) == expected | {"template_r"}
    regions = ["MuLan-music, unique", "genre, unique", "MuLan-music & genre"]
    assert list(pictures(figures["partition_map_sub-01"])) == regions
    assert list(pictures(figures["best_space_sub-02"])) == [
        "best feature space",
        "its margin",
    ]
    assert "7 voxels lie beyond a full colour" in words(figures["components_sub-01"])
    on_map = coarse_mesh("fsaverage5").on_map[INDEX]
    said = f"{(on_map & VALID).sum()} drawn"
    assert said in words(figures["components_sub-01"])
    assert f"{on_map[:300].sum()} drawn" in words(figures["template_r"])


def test_maps_of_a_kind_have_the_same_limits_in_all_subjects(saved):
    figures = drawn(saved)
    for kind in ("flatmap", "gradient", "q_map", "added_map", "partition_map"):
        limits = {
            image.get_clim()
            for subject in ("01", "02")
            for image in pictures(figures[f"{kind}_sub-{subject}"]).values()
        }
        assert len(limits) == 1, kind


def test_q_is_drawn_only_where_something_is_found(saved):
    image = pictures(drawn(saved)["q_map_sub-01"])["joint model"]
    rows = saved.tables["voxel_significance"]
    q = rows[(rows["subject"] == "01") & (rows["model"] == "joint")]["q_bh"]
    shown = np.unique(image.get_array().compressed())
    found = -np.log10(q[q <= 0.05])
    assert shown.min() >= -np.log10(0.05)
    assert np.isin(shown.round(9), found.round(9)).all()


def test_the_best_space_has_its_colour_at_its_vertices(saved):
    image = pictures(drawn(saved)["best_space_sub-01"])["best feature space"]
    rows = saved.tables["best_space"].query("subject == '01'")
    flat = coarse_mesh("fsaverage5")
    colours = np.asarray(image.get_array())
    sure = rows[(rows["best"] == "mulan-text") & rows["found"]]["voxel"].astype(int)
    here = np.isin(flat.pixels, sure)
    assert here.any()
    expected = np.array([0xD5, 0x5E, 0x00]) / 255
    assert_allclose(colours[here][:, :3], np.tile(expected, (here.sum(), 1)))
    none = rows[rows["best"] == ""]["voxel"].astype(int)
    assert (colours[np.isin(flat.pixels, none)][:, 3] == 0).all()


def test_more_regions_than_a_page_holds_go_on_another(saved):
    rows = saved.tables["voxel_partition"]
    first = rows[rows["region"] == "genre"]
    more = [first.assign(region=f"extra {k}") for k in range(7)]
    saved.tables["voxel_partition"] = pd.concat([rows, *more])
    figures = drawn(saved)
    pages = [len(pictures(figures[f"partition_map_sub-01_{k}"])) for k in (1, 2)]
    assert pages == [8, 2]


def test_what_is_not_there_is_not_drawn_and_what_cannot_be_is_said(saved):
    for name in list(saved.tables):
        if name != "voxel_scores":
            del saved.tables[name]
    (saved.out / "tables/components_sub-01.npz").unlink()
    kinds = {name.split("_sub")[0] for name in drawn(saved)}
    assert kinds == {"flatmap", "two_spaces", "gradient"}
    model = SimpleNamespace(
        space=space(kind="labels", name="atlas", index=None, shape=()),
        valid=VALID,
        bands=(),
    )
    saved.tables["template_r"] = pd.DataFrame()
    saved.models.update(dict.fromkeys(("01", "02"), model))
    notes = []
    assert drawn(saved, notes) == {}
    assert "sub-01: no map: these labels have no position." in notes
    assert any("no flatmap of the mean over subjects" in note for note in notes)
