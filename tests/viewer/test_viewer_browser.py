"""Tests of the viewer in headless Chromium, which draws without a graphics card."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow
MOST_S = 10.0  # until the first cortex is drawn
N_LEFT = 10242
LISTED = [("joint", "all"), ("plain", "all"), ("alone", "mel"), ("part", "genre")]


def test_the_first_cortex_is_drawn_in_ten_seconds(page):
    """The best of three counts: other work on the machine can only add to it."""
    times = []
    for again in range(3):
        if again:
            page.load()
        times.append(
            page(
                "const d = document.documentElement.dataset;"
                "return [+d.loadMs, +d.drawMs]"
            )
        )
        if sum(times[-1]) < 1000 * MOST_S:
            break
    print(f"load and draw, in ms: {times}")  # noqa: T201 - shown by pytest -rP
    assert min(map(sum, times)) < 1000 * MOST_S
    middle = page("return B2M.cortex.at(arguments[0])", 5000)
    assert page.pixel(*middle) != page.pixel(1, 1)


def test_texts_of_the_study_are_shown_and_do_not_run(page, made):
    assert page.driver.title.startswith("Made & <script>")
    assert page.find("columns").is_displayed()
    page.go(made.index["01"][0])
    assert "In: core <img src=x onerror=" in page.find("vertex").text
    assert "genre (<i>of the clips</i>)" in page.find("vertex").text
    assert page("return document.querySelectorAll('main img, main i').length") == 0


@pytest.mark.parametrize("shape", ["inflated", "flat"])
def test_a_click_shows_the_numbers_of_the_tables(page, made, shape):
    page.choose(shape=shape)
    seen = page.in_sight(made.index["01"])
    assert len(seen) > 10
    for vertex in (seen[0], seen[-1]):
        page("delete B2M.find('vertex').dataset.vertex")
        page.click(vertex)
        assert page("return B2M.find('vertex').dataset.vertex") == str(vertex)
        for model, band in LISTED:
            for kind in ("r", "r2"):
                keys = {"model": model, "feature_space": band, "score": kind}
                value = made.value(
                    "01", vertex, table="voxel_scores", column="value", **keys
                )
                assert page.cell(model, band, kind) == f"{value:.4f}"
        keys = {"model": "alone", "feature_space": "mel"}
        q = made.value("01", vertex, table="voxel_significance", column="q_bh", **keys)
        assert float(page.cell("alone", "mel", "q")) == pytest.approx(q, rel=0.01)
        ceiling = made.value("01", vertex, table="voxel_ceilings", column="largest_r")
        text = page.driver.find_element(
            "css selector", "#ceilings tr[data-kind=largest_r] td"
        ).text
        assert text == f"{ceiling:.4f}"


def test_subject_model_and_band_can_be_changed(opened, made):
    page = opened
    vertex = made.index["02"][10]
    page.go(vertex)
    keys = {"model": "joint", "feature_space": "all", "score": "r"}
    about = {"table": "voxel_scores", "column": "value", **keys}
    first = made.value("01", vertex, **about)
    assert page.cell("joint", "all", "r") == f"{first:.4f}"
    page.choose(subject="1")
    second = made.value("02", vertex, **about)
    assert page.cell("joint", "all", "r") == f"{second:.4f}"
    page.choose(model="alone")
    page.choose(band="genre")
    assert (
        "alone, genre (<i>of the clips</i>): r, held-out runs"
        in page.find("caption").text
    )
    page.choose(kind="q")
    assert page.find("low").text.startswith("\u2212log10 q: 1.301")
    page.choose(model="part")
    assert "part, genre" in page.find("caption").text
    page.choose(model="ceiling")
    assert "ceiling: share of variance" in page.find("caption").text


def test_only_what_was_found_is_coloured_if_it_is_asked_for(opened, made):
    page = opened
    table = made.tables["voxel_significance"]
    joint = table[(table["subject"] == "01") & (table["model"] == "joint")]
    n_found = int((joint["q_bh"] <= 0.05).sum())
    n_fitted = int(made.models["01"]["valid"].sum())
    assert f"{n_fitted} vertices in colour, 1 without" in page.find("caption").text
    before = page("return document.documentElement.dataset.shown")
    page.find("found").click()
    page.until("return document.documentElement.dataset.shown !== arguments[0]", before)
    said = page.find("caption").text
    assert f"{n_found} vertices in colour, {n_fitted - n_found} with q" in said


def test_of_q_the_smallest_is_picked(opened, made):
    page = opened
    page.choose(kind="q")
    table = made.tables["voxel_significance"]
    joint = table[(table["subject"] == "01") & (table["model"] == "joint")]
    q = joint.set_index("voxel")["q_bh"].dropna()
    assert q.min() < q.max()
    page.find("largest").click()
    page.until("return B2M.find('vertex').dataset.vertex !== undefined")
    picked = page("return B2M.find('vertex').dataset.vertex")
    assert q[picked] == q.min()


def test_a_vertex_has_the_colour_of_its_value(opened, made):
    from matplotlib import colormaps

    page = opened
    page.choose(shape="flat")
    table = made.tables["voxel_scores"]
    high = page("return B2M.index.scales.r.high")
    fitted = made.index["01"][made.models["01"]["valid"]]
    for vertex in page.in_sight(fitted)[:3]:
        keys = {"model": "joint", "feature_space": "all", "score": "r"}
        value = made.value("01", vertex, table="voxel_scores", column="value", **keys)
        page(
            "const c = B2M.cortex, v = arguments[0]; c.reset(); c.place();"
            "const p = new THREE.Vector3().fromBufferAttribute("
            "c.flat.mesh.geometry.attributes.position, v);"
            "c.flat.mesh.localToWorld(p); c.x = p.x; c.y = p.y; c.zoom(30);",
            vertex,
        )
        expected = colormaps["inferno"](value / high, bytes=True)[:3]
        found = page.pixel(*page("return B2M.cortex.at(arguments[0])", vertex))
        np.testing.assert_allclose(found, expected, atol=12)
    assert table["value"].max() <= high


def test_sides_are_not_mixed_up(opened):
    page = opened

    def drawn(vertex):
        return page("return B2M.cortex.at(arguments[0])", vertex)

    def extreme(axis, side, largest):
        return page(
            "const { mesh } = B2M.cortex.parts[arguments[1]];"
            "const { array, count } = mesh.geometry.attributes.position;"
            "let best = 0; for (let v = 1; v < count; v += 1) {"
            "const a = array[3 * v + arguments[0]], b = array[3 * best + arguments[0]];"
            "if (arguments[2] ? a > b : a < b) best = v; }"
            f"return best + (arguments[1] ? {N_LEFT} : 0)",
            axis,
            side,
            largest,
        )

    middle = page("return B2M.cortex.canvas.clientWidth") / 2
    places = {
        (side, end): drawn(extreme(1, side, end)) for side in (0, 1) for end in (0, 1)
    }
    # Lateral: left hemisphere at the left, its front outward; the right one mirrored.
    assert (
        places[0, 1][0] < places[0, 0][0] < middle < places[1, 0][0] < places[1, 1][0]
    )
    for side in (0, 1):
        assert drawn(extreme(2, side, 1))[1] < drawn(extreme(2, side, 0))[1]
    page.choose(view="medial")
    assert drawn(extreme(1, 0, 0))[0] < drawn(extreme(1, 0, 1))[0] < middle
    page.choose(view="top")
    assert drawn(extreme(1, 0, 1))[1] < drawn(extreme(1, 0, 0))[1]
    assert drawn(extreme(0, 0, 0))[0] < middle < drawn(extreme(0, 1, 1))[0]
    page.choose(view="front")
    assert drawn(extreme(0, 0, 0))[0] > middle > drawn(extreme(0, 1, 1))[0]


def test_clips_are_the_models_own_and_play(page, made):
    vertex = int(made.index["01"][8])
    model = made.models["01"]
    names = np.array(list(dict.fromkeys(c for c in model["clips"] if c)))

    def ranked(predictions):
        column = predictions[:, 8]
        means = [column[model["clips"] == name].mean() for name in names]
        return names[np.argsort(means)]

    def shown(end):
        return page(
            "return [...document.querySelectorAll(`ol[data-end=${arguments[0]}] li`)]"
            ".map((one) => one.dataset.clip)",
            end,
        )

    page.go(vertex)
    for choices, predictions in (
        ({}, model["predictions"]),
        ({"model": "alone", "band": "genre"}, model["predictions_alone"][1]),
    ):
        page.choose(**choices)
        order = list(ranked(predictions))
        assert shown("strongest") == order[::-1][:2]
        assert shown("weakest") == order[:2]
    players = page.driver.find_elements("css selector", "li audio")
    assert len(players) == 4
    for player in players[:2]:
        page("arguments[0].play()", player)
        page.until("return arguments[0].currentTime > 0.05", player)
        assert page("return arguments[0].readyState", player) >= 2
    assert page("return arguments[0].paused", players[0])


def test_the_course_over_delays_is_drawn_in_seconds(opened, made):
    page = opened
    page.go(made.index["01"][8])
    lines = page.driver.find_elements("css selector", "#vertex polyline")
    assert len(lines) == 2
    weights = made.models["01"]["weights"][6:, 8]
    heights = [
        130 - float(point.split(",")[1])
        for point in lines[1].get_attribute("points").split()
    ]
    by_hand = np.abs(weights) / np.abs(weights).max()
    np.testing.assert_allclose(np.array(heights) / max(heights), by_hand, atol=3e-3)
    assert {"3", "4.5", "6"} <= {
        text.text
        for text in page.driver.find_elements("css selector", "#vertex svg text")
    }


def test_a_vertex_without_data_says_so(opened, made):
    page = opened
    (outside, *_) = sorted(set(range(200)) - set(made.index["01"]))
    page.go(outside)
    assert "There are no data at this vertex" in page.find("vertex").text
    page.go(made.index["01"][5])  # not fitted
    assert page.cell("joint", "all", "r") == "\u2013"
    for text in ("Nothing was fitted here", "Nothing is predicted here"):
        assert text in page.find("vertex").text


def test_it_can_be_used_by_keyboard_alone(opened, made):
    from selenium.webdriver.common.keys import Keys

    page = opened
    canvas = page.find("cortex")
    canvas.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP, "+")
    turned = page("return [B2M.cortex.yaw, B2M.cortex.pitch, B2M.cortex.camera.zoom]")
    np.testing.assert_allclose(turned, [0.4, -0.2, 1.25])
    canvas.send_keys("0")
    assert page("return [B2M.cortex.yaw, B2M.cortex.camera.zoom]") == [0, 1]
    page.find("number").send_keys(str(made.index["01"][3]), Keys.ENTER)
    page.until(
        "return B2M.find('vertex').dataset.vertex == arguments[0]",
        int(made.index["01"][3]),
    )
    page.find("largest").send_keys(Keys.ENTER)
    table = made.tables["voxel_scores"]
    keys = {"subject": "01", "model": "joint", "score": "r"}
    kept = np.logical_and.reduce([table[k] == v for k, v in keys.items()])
    best = table.loc[table.loc[kept, "value"].idxmax(), "voxel"]
    page.until("return B2M.find('vertex').dataset.vertex === arguments[0]", best)


def test_every_control_and_picture_has_a_name(opened, made):
    page = opened
    page.go(made.index["01"][8])
    found = page.driver.find_elements(
        "css selector", "select, input, button, audio, #cortex, section, svg"
    )
    assert len(found) > 15
    for one in found:
        if one.get_attribute("id") != "notes":
            assert one.accessible_name, one.get_attribute("outerHTML")[:100]


def test_without_webgl_numbers_are_there_and_the_reader_is_told(
    made, urls, Page, start_browser
):
    driver = start_browser("--disable-3d-apis")
    try:
        page = Page(driver, urls["disk"])
        assert "this browser has no WebGL" in page.find("problem").text
        vertex = made.index["01"][8]
        page.go(vertex)
        keys = {"model": "joint", "feature_space": "all", "score": "r"}
        about = {"table": "voxel_scores", "column": "value", **keys}
        value = made.value("01", vertex, **about)
        assert page.cell("joint", "all", "r") == f"{value:.4f}"
    finally:
        driver.quit()


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_light_and_dark_follow_the_reader(chromium, urls, Page, scheme, is_dark):
    wanted = {"name": "prefers-color-scheme", "value": scheme}
    media = {"features": [wanted]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    page = Page(chromium, urls["disk"])
    ink, paper = page(
        "const s = getComputedStyle(document.body);"
        "return [s.color, s.backgroundColor].map((c) => +c.match(/\\d+/)[0])"
    )
    assert (ink > 200 and paper < 60) if is_dark else (ink < 60 and paper > 200)
    assert (page.pixel(1, 1)[0] < 60) is is_dark
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert page.errors() == []
