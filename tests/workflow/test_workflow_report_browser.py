"""Tests of the page in headless Chromium: opened from disk, used, and looked at."""

import pytest

pytestmark = pytest.mark.slow
FEW = (
    "document.querySelectorAll('tbody').forEach((body) =>"
    "[...body.rows].slice(2).forEach((row) => row.remove()));"
)


@pytest.fixture
def opened(chromium, finished):
    chromium.get_log("browser")
    chromium.get(finished[1].report.as_uri())
    yield chromium
    assert [one["message"] for one in chromium.get_log("browser")] == []


def column(driver, name):
    """Return the cells of a column of the ROI scores, as they stand."""
    return driver.execute_script(
        "const table = document.getElementById('table-roi_scores');"
        "const names = [...table.tHead.rows[0].cells].map((c) => c.textContent);"
        "const at = names.indexOf(arguments[0]);"
        "return [...table.tBodies[0].rows].map((row) => row.cells[at].textContent)",
        name,
    )


def test_nothing_is_asked_of_the_network(opened):
    asked = opened.execute_script(
        "return performance.getEntriesByType('resource').map((one) => one.name)"
    )
    assert all(name.startswith(("data:", "file:")) for name in asked), asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, axe, scheme):
    opened.execute_script(FEW)  # rows of a table are alike
    violations, passes = axe(opened, scheme)
    assert violations == []
    assert "color-contrast" in passes


def test_numbers_are_sorted_as_numbers_by_the_keyboard(opened):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    before = column(opened, "r_mean")
    number = sorted(before, key=float)
    path = "//table[@id='table-roi_scores']//th[button[text()='r_mean']]"
    head = opened.find_element("xpath", path)
    button = head.find_element("tag name", "button")
    for order, expected in (("ascending", number), ("descending", number[::-1])):
        button.send_keys(Keys.ENTER)
        assert head.get_attribute("aria-sort") == order
        wait = WebDriverWait(opened, 20)
        wait.until(lambda driver, rows=expected: column(driver, "r_mean") == rows)
    assert before != number
    assert sorted(before) != number


def test_a_copy_is_the_table_as_it_stands(opened):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    button = opened.find_element("css selector", "[data-copy='table-roi_scores']")
    button.send_keys(Keys.ENTER)
    said = opened.find_element("css selector", "[data-copy='table-roi_scores'] + span")
    n_rows = len(column(opened, "r_mean"))
    WebDriverWait(opened, 20).until(lambda _: said.text == f"{n_rows} rows copied")
    opened.execute_script(
        "const area = document.createElement('textarea');"
        "area.id = 'pasted'; document.body.append(area);"
    )
    area = opened.find_element("id", "pasted")
    area.send_keys(Keys.CONTROL, "v")
    rows = [row.split("\t") for row in area.get_property("value").split("\n")]
    at = rows[0].index("r_mean")
    assert [row[at] for row in rows[1:]] == column(opened, "r_mean")
    assert {len(row) for row in rows} == {len(rows[0])}


def test_a_figure_is_enlarged_and_escape_closes_it(opened):
    from selenium.webdriver.common.keys import Keys

    button = opened.find_element("css selector", ".enlarge")
    dialog = opened.find_element("id", "large")
    assert not dialog.is_displayed()
    button.send_keys(Keys.ENTER)
    assert dialog.is_displayed()
    small, large = (
        one.find_element("tag name", "img").size["width"] for one in (button, dialog)
    )
    assert large > small
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()
    assert opened.switch_to.active_element == button
