"""Tests of ROI outlines on the cortex, in headless Chromium."""

import shutil

import numpy as np
import pytest
from scipy.spatial import cKDTree

from brain2music.figures.solid import cortex_mesh
from brain2music.viewer import write_static

pytestmark = pytest.mark.slow
WHITE, DARK = 250, 30
FIRST = 2  # of the list: after "none" and "all"
CORNERS = """
const [shape, order] = arguments, { parts, flat } = B2M.cortex;
return (shape === "flat" ? [flat] : parts).map((part) =>
  part.lines.length ? [...part.lines[order].geometry.attributes.position.array] : []);
"""


@pytest.fixture(scope="module")
def drawn(whole, tmp_path_factory):
    """Return the page of a study whose ROI is a patch: vertices near one of them."""
    place = tmp_path_factory.mktemp("outlined")
    folder = shutil.copytree(whole.out, place / "out") / "tables"
    mesh = cortex_mesh("fsaverage5")
    centre = mesh.inflated[5000]
    inside = np.linalg.norm(mesh.inflated - centre, axis=1) < 15
    inside[mesh.n_left :] = False
    with np.load(folder / "rois_sub-01.npz") as saved:
        names = saved["names"]
    np.savez(folder / "rois_sub-01.npz", names=names, masks=inside[None])
    written = write_static(place / "out", place / "page")
    return mesh, inside, str(names[0]), (written.folder / "index.html").as_uri()


@pytest.fixture
def opened(Page, chromium, drawn):
    page = Page(chromium, drawn[-1])
    yield page
    assert page.errors() == []


def middles_of_edges(points, faces, inside):
    """Return where a border crosses the edges of a mesh."""
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    crossed = edges[inside[edges].sum(axis=1) == 1]
    return points[crossed].mean(axis=1)


def ends_of_bands(corners, width):
    """Return both ends of each band, from the corners of its two triangles."""
    a, b, c, *_, d, _ = np.reshape(corners, (-1, 6, 3)).transpose(1, 0, 2)
    np.testing.assert_allclose(np.linalg.norm(a - b, axis=1), width, rtol=1e-3)
    return np.vstack([(a + b) / 2, (c + d) / 2])


def apart(some, others):
    """Return how far, at most, a point of either lies from all of the other."""
    return max(
        cKDTree(a).query(b)[0].max() for a, b in ((some, others), (others, some))
    )


@pytest.mark.parametrize("shape", ["inflated", "flat"])
def test_lines_run_half_way_between_inside_and_outside(opened, drawn, shape):
    mesh, inside, name, _ = drawn
    words = [
        one.text for one in opened.find("rois").find_elements("tag name", "option")
    ]
    assert words == ["none", "all 1", name]
    assert opened(CORNERS, shape, 0) == [[]] * (1 if shape == "flat" else 2)
    opened.choose(rois=FIRST)
    if shape == "flat":
        points = np.column_stack([mesh.flat, np.zeros(mesh.n_vertices)])
        expected = [middles_of_edges(points, mesh.flat_faces, inside)]
    else:
        expected = [middles_of_edges(mesh.inflated, mesh.faces, inside), []]
    for order, width in enumerate((2.6, 1.2)):
        found = opened(CORNERS, shape, order)
        assert len(found) == len(expected)
        for corners, middles in zip(found, expected, strict=True):
            if not len(middles):
                assert corners == []
                continue
            assert len(middles) > 20
            assert apart(ends_of_bands(corners, width), middles) < 1e-3
    opened.choose(rois="none")
    assert opened(CORNERS, shape, 0) == [[]] * len(expected)


def test_a_line_is_seen_white_on_dark_in_the_picture_and_goes_again(opened, drawn):
    mesh, inside, *_ = drawn
    opened.choose(shape="flat")
    on_map = np.unique(mesh.flat_faces)
    middles = middles_of_edges(mesh.flat, mesh.flat_faces, inside)
    centre = mesh.flat[np.intersect1d(np.flatnonzero(inside), on_map)].mean(axis=0)
    edge = middles[np.linalg.norm(middles - centre, axis=1).argmax()]
    opened(
        "const c = B2M.cortex, [x, y] = arguments[0]; c.reset(); c.place();"
        "const p = c.flat.mesh.localToWorld(new THREE.Vector3(x, y, 0));"
        "c.x = p.x; c.y = p.y; c.zoom(20);",
        edge.tolist(),
    )
    middle = opened(
        "const { clientWidth, clientHeight } = B2M.cortex.canvas;"
        "return [clientWidth / 2, clientHeight / 2]"
    )
    before = opened.pixel(*middle)
    opened.choose(rois="all")
    assert min(opened.pixel(*middle)) > WHITE
    per_mm = opened(
        "const { camera, canvas } = B2M.cortex;"
        "return canvas.clientWidth * camera.zoom / (camera.right - camera.left)"
    )
    # Round the middle, 0.95 mm off: on the dark band somewhere, beside the white one.
    ring = [
        opened.pixel(
            middle[0] + 0.95 * per_mm * np.cos(angle),
            middle[1] + 0.95 * per_mm * np.sin(angle),
        )
        for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ]
    assert sum(max(pixel) < DARK for pixel in ring) >= 2
    opened.choose(rois="none")
    assert opened.pixel(*middle) == before


def test_a_click_still_finds_the_vertex_below_a_line(opened, drawn):
    mesh, inside, *_ = drawn
    faces = mesh.faces[(mesh.faces < mesh.n_left).all(axis=1)]
    crossed = np.unique(faces[~np.isin(inside[faces].sum(axis=1), (0, 3))])
    seen = opened.in_sight(crossed)
    assert len(seen) > 5
    opened.choose(rois=FIRST)
    assert opened.in_sight(crossed) == seen


def test_what_is_chosen_stays_for_a_subject_that_has_it(Page, chromium, urls, made):
    page = Page(chromium, urls["disk"])
    name = page("return B2M.index.subjects[0].rois[0].name")
    page.choose(rois=FIRST)
    page.choose(subject="1")
    assert page("return B2M.chosen.rois") == f"roi {name}"
    n_crossed = page(
        "return B2M.cortex.flat.lines[0].geometry.attributes.position.count / 6"
    )
    mesh = cortex_mesh("fsaverage5")
    inside = np.zeros(mesh.n_vertices, bool)
    inside[made.index["02"][:40]] = True
    n_inside = inside[mesh.flat_faces].sum(axis=1)
    assert n_crossed == np.isin(n_inside, (1, 2)).sum()
    assert page.errors() == []
