"""Tests of flatmaps: what is in the axes, where, and what is said below."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from nilearn import datasets

from brain2music.core.checks import InputError
from brain2music.figures import flatmap, outlines
from brain2music.figures.cortex import has_pycortex, open_cortex
from brain2music.figures.flatmap import plot_flatmap, plot_flatmaps, plot_panels
from brain2music.figures.keys import GYRUS, SULCUS
from brain2music.figures.looks import Names, OnScale, TwoScores
from brain2music.figures.outlines import drawn_outlines, mask_outlines
from brain2music.figures.pages import Panel
from brain2music.figures.style import SMALL_PT, Scale
from brain2music.figures.surfaces import flat_mesh

needs_cortex = pytest.mark.skipif(not has_pycortex(), reason="pycortex is an extra")
HESCHL = {"left": (-46.0, -21.0, 8.0), "right": (46.0, -21.0, 8.0)}
SCALE = Scale(0.0, 0.5, "r, held-out runs", missing="not simulated")


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Draw small pictures: 150 pixels high."""

    def small(mesh, *, renderer="auto", store=None):
        return flat_mesh(mesh, renderer=renderer, store=store, height_px=150)

    monkeypatch.setattr(flatmap, "flat_mesh", small)


def near(point, radius, side):
    meshes = datasets.load_fsaverage("fsaverage5")["white_matter"].parts
    distance = np.full(20484, np.inf)
    part = slice(0, 10242) if side == "left" else slice(10242, None)
    distance[part] = np.linalg.norm(meshes[side].coordinates - np.array(point), axis=1)
    return distance < radius


def picture(figure, label, number=0):
    axes = [ax for ax in figure.axes if ax.get_images()]
    images = {image.get_label(): image for image in axes[number].get_images()}
    return images[label]


def words(figure):
    own = [text.get_text() for text in figure.texts]
    inside = [text.get_text() for ax in figure.axes for text in ax.texts]
    return " ".join(own + inside).replace("\n", " ")


def blob_centre(image):
    rows, columns = np.nonzero(~np.ma.getmaskarray(image.get_array()))
    height, width = image.get_array().shape
    return np.array([columns.mean() / width, rows.mean() / height])


@needs_cortex
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_blob_is_at_the_same_place_through_both_renderers(cortex_store, side):
    values = np.where(near(HESCHL[side], 12.0, side), 0.4, np.nan)
    centres = []
    for renderer in ("matplotlib", "pycortex"):
        figure = plot_flatmap(
            values,
            mesh="fsaverage5",
            scale=SCALE,
            renderer=renderer,
            store=cortex_store,
        )
        centres.append(blob_centre(picture(figure, "values")))
    np.testing.assert_allclose(*centres, atol=0.01)
    assert (centres[0][0] < 0.5) == (side == "left")


def test_nan_shows_the_curvature_in_grey():
    values = np.where(near(HESCHL["left"], 12.0, "left"), 0.4, np.nan)
    figure = plot_flatmap(values, mesh="fsaverage5", scale=SCALE, renderer="matplotlib")
    hidden = np.ma.getmaskarray(picture(figure, "values").get_array())
    curvature = picture(figure, "curvature").get_array()
    on_map = ~np.ma.getmaskarray(np.ma.masked_invalid(curvature))
    assert (hidden & on_map).sum() > 0.9 * on_map.sum()
    assert set(np.unique(np.asarray(curvature)[on_map])) == {GYRUS, SULCUS}
    assert picture(figure, "values").to_rgba([np.nan])[0, 3] == 0


def test_the_outline_lies_around_the_values_of_its_roi_in_the_picture():
    mask = near((-46, 30, 14), 14.0, "left")
    figure = plot_flatmap(
        np.where(mask, 0.4, np.nan),
        mesh="fsaverage5",
        scale=SCALE,
        rois={"V": mask},
        renderer="matplotlib",
    )
    (ax,) = (ax for ax in figure.axes if ax.get_images())
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3].astype(int)
    colour = 255 * np.array(picture(figure, "values").to_rgba([0.4])[0, :3])
    of_value = (abs(pixels - colour) < 3).all(axis=2)
    of_value[: int(ax.bbox.y0)] = False  # the colour bar
    segments = np.vstack(ax.collections[0].get_segments())
    left, low = ax.transData.transform(segments.min(axis=0)).astype(int)
    right, high = ax.transData.transform(segments.max(axis=0)).astype(int) + 1
    assert of_value[low:high, left:right].sum() == of_value.sum() > 50


def test_sulci_are_darker_than_gyri():
    figure = plot_flatmap(
        np.full(20484, np.nan), mesh="fsaverage5", scale=SCALE, renderer="matplotlib"
    )
    flat = flat_mesh("fsaverage5", renderer="matplotlib", height_px=150)
    data = datasets.load_fsaverage_data("fsaverage5", data_type="curvature").data
    bends = np.concatenate([data.parts["left"], data.parts["right"]]).ravel()
    inside = flat.pixels >= 0
    grey = np.asarray(picture(figure, "curvature").get_array())[inside]
    assert grey[bends[flat.pixels[inside]] > 0].max() < GYRUS


def test_pixels_have_the_values_of_their_vertices_unsmoothed(rng):
    values = rng.uniform(0.0, 0.5, 20484)
    figure = plot_flatmap(values, mesh="fsaverage5", scale=SCALE, renderer="matplotlib")
    shown = picture(figure, "values").get_array().compressed()
    assert np.isin(shown, values).all()


def test_counts_what_is_drawn_missing_off_the_map_and_off_the_scale():
    flat = flat_mesh("fsaverage5", renderer="matplotlib", height_px=150)
    values = np.full(20484, np.nan)
    shown, off = np.flatnonzero(flat.on_map), np.flatnonzero(~flat.on_map)
    values[shown[:1100]], values[off[:30]] = 0.2, 0.2
    values[shown[:7]], values[shown[7:9]] = -0.1, 0.9
    figure = plot_flatmap(values, mesh="fsaverage5", scale=SCALE, renderer="matplotlib")
    said = words(figure)
    assert "1,100 of 20,484 vertices drawn" in said
    assert f"{len(shown) - 1100:,} not simulated" in said
    assert "1,482 of 20,484 vertices lie in the medial wall or a cut" in said
    assert "30 of them with a value" in said
    assert "7 below 0 and 2 above 0.5" in said


def test_the_colour_bar_has_label_limits_and_arrows_for_what_is_beyond():
    values = np.full(20484, 0.7)
    figure = plot_flatmap(values, mesh="fsaverage5", scale=SCALE, renderer="matplotlib")
    bar = next(ax for ax in figure.axes if not ax.get_images())
    assert bar.get_xlabel() == "r, held-out runs"
    assert bar.get_xlim() == (0.0, 0.5)
    assert picture(figure, "values").get_clim() == (0.0, 0.5)
    assert bar._colorbar.extend == "max"


def test_outlines_surround_the_roi_and_names_do_not_collide():
    rois = {
        "auditory core (simulated)": near(HESCHL["left"], 9.0, "left"),
        "auditory belt (simulated)": near((-60, -28, 12), 9.0, "left"),
        "V1": near((-8, -90, 0), 14.0, "left") | near((8, -90, 0), 14.0, "right"),
    }
    figure = plot_flatmap(
        np.full(20484, np.nan),
        mesh="fsaverage5",
        scale=SCALE,
        rois=rois,
        renderer="matplotlib",
    )
    (ax,) = (ax for ax in figure.axes if ax.get_images())
    names = [text.get_text().replace("\n", " ") for text in ax.texts]
    core, belt, _ = rois  # the flatmap has belt and left V1 in two pieces
    assert sorted(names) == sorted([core, belt, belt, "V1", "V1", "V1"])
    boxes = [text.get_window_extent() for text in ax.texts]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
        assert figure.bbox.containsx(box.x0)
        assert figure.bbox.containsx(box.x1)
    lines = [one for one in ax.collections if isinstance(one, LineCollection)]
    assert [one.get_label() for one in lines] == ["halo", "outlines"]


def test_a_border_runs_half_way_between_inside_and_outside():
    flat = flat_mesh("fsaverage5", renderer="matplotlib", height_px=60)
    mask = near(HESCHL["right"], 10.0, "right")
    (outline,) = mask_outlines(flat, {"core": mask})
    edges = np.vstack(
        [flat.faces[:, [0, 1]], flat.faces[:, [1, 2]], flat.faces[:, ::2]]
    )
    crossed = edges[mask[edges].sum(axis=1) == 1]
    middles = {tuple(p) for p in flat.points[crossed].mean(axis=1).round(6)}
    assert {tuple(p) for p in np.vstack(outline.lines).round(6)} == middles
    assert len(outline.anchors) == 1
    inside = np.linalg.norm(flat.points - outline.anchors[0], axis=1).argmin()
    assert mask[inside]


def test_an_roi_that_the_flatmap_does_not_show_is_named():
    flat = flat_mesh("fsaverage5", renderer="matplotlib", height_px=150)
    figure = plot_flatmap(
        np.zeros(20484),
        mesh="fsaverage5",
        scale=SCALE,
        rois={"callosum": ~flat.on_map},
        renderer="matplotlib",
    )
    assert "the flatmap shows nothing: callosum" in words(figure)


def test_several_maps_share_limits_bar_and_numbered_rois(rng):
    maps = {name: rng.uniform(0, 0.1 * k, 20484) for k, name in enumerate("abc", 1)}
    rois = {"core": near(HESCHL["left"], 9.0, "left")}
    figure = plot_flatmaps(
        maps, mesh="fsaverage5", scale=SCALE, rois=rois, renderer="matplotlib"
    )
    clims = {picture(figure, "values", number).get_clim() for number in range(3)}
    assert clims == {(0.0, 0.5)}
    assert len(figure.axes) == 4
    titles = [ax.get_title().strip() for ax in figure.axes if ax.get_images()]
    assert titles == ["a", "b", "c"]
    assert "ROIs: 1 core" in words(figure)


def test_no_text_is_smaller_than_print_allows_or_outside_of_the_figure():
    rois = {"auditory core (simulated)": near(HESCHL["left"], 9.0, "left")}
    figure = plot_flatmap(
        np.zeros(20484),
        mesh="fsaverage5",
        scale=SCALE,
        title="sub-01",
        rois=rois,
        renderer="matplotlib",
    )
    figure.canvas.draw()
    for text in figure.findobj(mpl.text.Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert text.get_size() >= SMALL_PT
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1


def test_nothing_of_the_session_is_set():
    before, open_figures = dict(mpl.rcParams), plt.get_fignums()
    given = plt.figure(figsize=(7, 4))
    values = np.full(20484, 0.2)
    kept = values.copy()
    drawn = plot_flatmap(
        values, mesh="fsaverage5", scale=SCALE, renderer="matplotlib", fig=given
    )
    assert drawn is given
    assert plt.get_fignums() == [*open_figures, given.number]
    assert dict(mpl.rcParams) == before
    np.testing.assert_array_equal(values, kept)


@needs_cortex
@pytest.mark.slow
def test_s1_has_its_own_rois_without_inkscape(cortex_store, monkeypatch):
    monkeypatch.setenv("PATH", "")
    values = np.linspace(0.0, 0.5, 304380)
    figure = plot_flatmap(
        values, mesh="S1", scale=SCALE, rois=["AC", "V1"], store=cortex_store
    )
    (ax,) = (ax for ax in figure.axes if ax.get_images())
    assert sorted(text.get_text() for text in ax.texts) == ["AC", "AC", "V1", "V1"]
    flat = flat_mesh("S1", store=cortex_store, height_px=150)
    core, _ = drawn_outlines(flat, ["AC", "V1"], cortex_store)
    border = np.vstack(core.lines)
    assert (outlines.vertex_at(flat, border) >= 0).all()
    assert (border[:, 0] < 0).any()
    assert (border[:, 0] > 0).any()
    with open_cortex(cortex_store) as cortex:
        inside = cortex.get_roi_verts("S1", "AC")["AC"]
    around = flat.points[inside[flat.on_map[inside]]]
    np.testing.assert_allclose(border.min(axis=0), around.min(axis=0), atol=3.0)
    np.testing.assert_allclose(border.max(axis=0), around.max(axis=0), atol=3.0)
    with pytest.raises(InputError, match=r"no ROI 'Broka'\. Did you mean 'Broca'"):
        drawn_outlines(flat, ["Broka"], cortex_store)


@pytest.mark.parametrize(
    ("values", "rois", "expected"),
    [
        (np.zeros(1200), None, r"shape \(1200,\), and fsaverage5 has 20484 vertices"),
        (np.full(20484, np.inf), None, "20484 infinite values"),
        (np.zeros(20484), {"core": np.zeros(20484)}, "mask of True and False"),
        (np.zeros(20484), {"core": np.zeros(5, bool)}, r"bool of shape \(5,\)"),
        (np.zeros(20484), ["AC"], "fsaverage5 has no drawn ROIs"),
    ],
)
def test_says_what_does_not_fit_the_mesh(values, rois, expected):
    with pytest.raises(InputError, match=expected):
        plot_flatmap(
            values, mesh="fsaverage5", scale=SCALE, rois=rois, renderer="matplotlib"
        )


def test_no_maps_is_an_error():
    with pytest.raises(InputError, match="no maps to draw"):
        plot_flatmaps({}, mesh="fsaverage5", scale=SCALE)


def test_panels_of_two_looks_have_a_key_each_and_say_what_is_missing(rng):
    names = Names({"mel": "#0072B2", "clap": "#D55E00"}, "largest r2", "not found")
    best = np.full((20484, 2), np.nan)
    best[:900] = np.column_stack([rng.integers(0, 2, 900), np.ones(900)])
    margin = np.where(np.isnan(best[:, 0]), np.nan, 0.1)
    panels = {
        "best": Panel(best, names),
        "margin": Panel(margin, OnScale(Scale(-0.2, 0.2, "margin, r", "RdBu_r"))),
    }
    rois = {"core": near(HESCHL["left"], 9.0, "left")}
    figure = plot_panels(
        panels, mesh="fsaverage5", rois=rois, caption="Said.", renderer="matplotlib"
    )
    (legend,) = figure.legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown == ["mel", "clap", "pale: not found"]
    assert "margin, r" in [ax.get_xlabel() for ax in figure.axes]
    assert "Said. fsaverage5" in words(figure)
    assert "ROIs: 1 core" in words(figure)
    flat = flat_mesh("fsaverage5", renderer="matplotlib", height_px=150)
    pixels = np.asarray(picture(figure, "values").get_array())
    of_best = np.isfinite(best[:, 0])[flat.pixels] & (flat.pixels >= 0)
    np.testing.assert_array_equal(pixels[..., 3] == 1, of_best)
    blue = of_best & (best[flat.pixels, 0] == 0)
    np.testing.assert_allclose(
        pixels[blue][:, :3] * 255, [[0, 0x72, 0xB2]] * blue.sum()
    )


def test_one_panel_has_the_whole_width():
    look = TwoScores(("mel, r", "clap, r"), 0.0, 0.5)
    values = np.full((20484, 2), 0.6)
    figure = plot_panels(
        {"both": Panel(values, look)}, mesh="fsaverage5", renderer="matplotlib"
    )
    maps = [ax for ax in figure.axes if ax.get_title()]
    assert maps[0].get_position().width > 0.7
    assert "19,002 drawn, 1,482 off the map, 20,484 above 0.5" in words(figure)


def test_a_map_is_drawn_where_another_passes_and_a_contour_surrounds_a_part(rng):
    values = rng.uniform(0.0, 0.5, (20484, 2))
    values[:50] = np.nan
    shown = near(HESCHL["left"], 20.0, "left")
    inside = near(HESCHL["left"], 9.0, "left")
    look = TwoScores(("mel, r", "clap, r"), 0.0, 0.5)
    panel = Panel(values, look, shown=shown, hidden="not found", contour=inside)
    kept = values.copy()
    figure = plot_panels({"two": panel}, mesh="fsaverage5", renderer="matplotlib")
    np.testing.assert_array_equal(values, kept)
    flat = flat_mesh("fsaverage5", renderer="matplotlib", height_px=150)
    drawn = np.asarray(picture(figure, "values", 1).get_array())[..., 3] == 1
    has = np.isfinite(values).all(axis=1)
    expected = (shown & has)[flat.pixels] & (flat.pixels >= 0)
    np.testing.assert_array_equal(drawn, expected)
    (ax,) = (ax for ax in figure.axes if ax.get_title())
    lines = [one for one in ax.collections if one.get_label() == "contour"]
    (outline,) = mask_outlines(flat, {"": inside})
    for one in lines:
        np.testing.assert_allclose(one.get_segments(), outline.lines)
    yellow = mpl.colors.to_rgba(outlines.CONTOUR)
    np.testing.assert_allclose(lines[-1].get_colors()[0], yellow)
    on_map = flat.on_map
    said = words(figure)
    assert f"{(shown & has & on_map).sum():,} drawn" in said
    assert f"{(~shown & has & on_map).sum():,} not found" in said
    assert f"{(~has & on_map).sum():,} without a value" in said


@pytest.mark.parametrize("name", ["shown", "contour"])
def test_a_threshold_or_contour_is_a_mask_over_the_vertices(name):
    panel = Panel(np.zeros(20484), OnScale(SCALE), **{name: np.zeros(20484)})
    with pytest.raises(InputError, match=f"{name} of a panel must be True or False"):
        plot_panels({"x": panel}, mesh="fsaverage5", renderer="matplotlib")


def test_a_panel_has_as_many_numbers_as_its_look_wants():
    look = TwoScores(("mel, r", "clap, r"), 0.0, 0.5)
    with pytest.raises(InputError, match=r"wants 2 numbers per vertex"):
        plot_panels({"x": Panel(np.zeros(20484), look)}, mesh="fsaverage5")
