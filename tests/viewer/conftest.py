"""A made study on fsaverage5 whose every number is planted, and a headless browser."""

import json
import shutil
import threading

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music.core.saved import save_bands, save_space
from brain2music.core.types import Band, Space
from brain2music.study import load_study
from brain2music.viewer import serve_study, write_static

N_LEFT, N_MESH = 10242, 20484
RATE_HZ, TR_S, CLIP_S = 16_000, 1.5, 3.0
CLIPS = ("blues.00001", "jazz.00002", "rock.00003", "pop.00004", "folk.00005")
TITLE = "Made & <script>document.title='run'</script> up"
ROI = "core <img src=x onerror=\"document.title='run'\">"
STUDY = """\
title = '''{title}'''

[dataset]
root = "."
subjects = ["01", "02"]
responses = "responses/sub-{{subject}}.npy"
runs = "runs.csv"
vertices = "vertices/sub-{{subject}}.npy"
mesh = "fsaverage5"
events = "events/run-{{run}}_events.tsv"
clip = "{{genre}}.{{track:0>5}}"
tr_s = 1.5
train = {{ run = ["1", "2"] }}
test = {{ run = ["3"] }}
simulated = true

[features.mel]
kind = "log-mel"
path = "sound/{{genre}}.{{track:0>5}}"

[features.genre]
kind = "category"
source = "<i>of the clips</i>"
column = "genre"

[encoding]
bands = ["mel", "genre"]
delays = [2, 3, 4]
"""
BANDS = (Band("mel", 2, (2, 3, 4)), Band("genre", 1, (2, 3, 4), "<i>of the clips</i>"))
MORE = (Band("tempo", 2, (2, 3, 4)), Band("words", 2, (2, 3, 4)))
CEILINGS = ("explainable_variance", "largest_r", "r_over_largest_r")


class Made:
    """A results folder with planted numbers; `tables` holds them as written.

    `whole` has one subject, with every vertex, and four bands.
    """

    def __init__(self, out, *, whole=False):
        self.out, self.rng = out, np.random.default_rng(3)
        self.bands = BANDS + MORE if whole else BANDS
        self.study_file = out / "study/study.toml"
        self.tables, self.models = {}, {}
        left = self.rng.choice(N_LEFT, 150, replace=False)
        right = self.rng.choice(np.arange(N_LEFT, N_MESH), 120, replace=False)
        everywhere = np.sort(np.r_[left, right])
        self.index = {"01": everywhere, "02": everywhere[::2]}
        if whole:
            self.index = {"01": np.arange(N_MESH)}
        self._write_study()
        for subject in self.index:
            self._write_model(subject)
            self._write_tables(subject)
        for name, table in self.tables.items():
            table.to_csv(out / f"tables/{name}.csv", index=False, float_format="%.9g")
        study = load_study(self.study_file)
        names = ("title", "dataset", "features", "encoding", "analysis")
        about = {"study": study.part(*names), "subjects": list(self.index)}
        (out / "about.json").write_text(json.dumps(about | {"artefacts": {}}))

    def value(self, subject, vertex, **keys):
        """Return what a table holds of a vertex."""
        name, column = keys.pop("table"), keys.pop("column")
        keys |= {"subject": subject, "voxel": str(vertex)}
        table = self.tables[name]
        kept = np.logical_and.reduce([table[k] == v for k, v in keys.items()])
        (value,) = table.loc[kept, column]
        return float(value)

    def _write_study(self):
        folder = self.study_file.parent
        for name in ("responses", "vertices", "events", "sound"):
            (folder / name).mkdir(parents=True)
        self.study_file.write_text(STUDY.format(title=TITLE))
        n_rows = len(CLIPS) * round(CLIP_S / TR_S)
        runs = pd.DataFrame({"task": "music", "run": np.repeat([1, 2, 3], n_rows)})
        runs.to_csv(folder / "runs.csv", index=False)
        for subject, index in self.index.items():
            Y = self.rng.standard_normal((3 * n_rows, len(index)))
            np.save(folder / f"responses/sub-{subject}.npy", Y.astype(np.float32))
            np.save(folder / f"vertices/sub-{subject}.npy", index)
        for run in (1, 2, 3):
            # Training clips are other tracks than those of the test.
            number = {3: 0}.get(run, 100 * run)
            events = pd.DataFrame([clip.split(".") for clip in CLIPS])
            events.columns = ["genre", "track"]
            events["track"] = events["track"].astype(int) + number
            events.insert(0, "duration", CLIP_S)
            events.insert(0, "onset", CLIP_S * np.arange(len(CLIPS)))
            path = folder / f"events/run-{run}_events.tsv"
            events.to_csv(path, sep="\t", index=False)
            for genre, track in zip(events["genre"], events["track"], strict=True):
                t = np.arange(round(CLIP_S * RATE_HZ)) / RATE_HZ
                tone = 0.3 * np.sin(2 * np.pi * (200 + 50 * track % 900) * t)
                name = f"sound/{genre}.{track:05d}.wav"
                soundfile.write(folder / name, tone, RATE_HZ)

    def _write_model(self, subject):
        folder, index = self.out / f"models/sub-{subject}", self.index[subject]
        folder.mkdir(parents=True)
        n = len(index)
        ids = tuple(map(str, index))
        save_space(folder, Space("surface", "fsaverage5", ids, index, (N_MESH,)))
        save_bands(folder, self.bands)
        clips = np.repeat([*CLIPS[::-1], "", *CLIPS], 2)
        pd.DataFrame({"clip": clips, "run": "3"}).to_csv(folder / "rows.csv")
        valid = np.ones(n, dtype=bool)
        valid[5] = False
        n_columns = sum(band.n_columns for band in self.bands)
        shapes = {"weights": (n_columns,), "predictions": (22,)}
        shapes["predictions_alone"] = (len(self.bands), 22)
        arrays = {k: self.rng.standard_normal((*s, n)) for k, s in shapes.items()}
        for name, array in arrays.items():
            array[..., ~valid] = np.nan
            np.save(folder / f"{name}.npy", array.astype(np.float32))
        np.save(folder / "valid.npy", valid)
        self.models[subject] = arrays | {"clips": clips, "valid": valid}

    def _write_tables(self, subject):
        (self.out / "tables").mkdir(exist_ok=True)
        n, valid = len(self.index[subject]), self.models[subject]["valid"]
        about = {"subject": subject, "voxel": list(map(str, self.index[subject]))}
        bands = [band.name for band in self.bands]
        models = {"joint": ["all"], "plain": ["all"], "alone": bands, "part": bands}
        for model, names in models.items():
            for name in names:
                keys = about | {"model": model, "feature_space": name}
                for score in ("r", "r2"):
                    value = np.where(valid, self.rng.uniform(-0.1, 0.6, n), np.nan)
                    table = pd.DataFrame(keys | {"score": score, "value": value})
                    self._add("voxel_scores", table)
                if model in ("joint", "alone"):
                    q = np.where(valid, self.rng.uniform(0.001, 0.1, n), np.nan)
                    self._add("voxel_significance", pd.DataFrame(keys | {"q_bh": q}))
        ceilings = {name: self.rng.uniform(0.1, 0.9, n) for name in CEILINGS}
        self._add("voxel_ceilings", pd.DataFrame(about | ceilings)[valid])
        scores = pd.DataFrame({"subject": [subject], "roi": [ROI]})
        self._add("roi_scores", scores)
        masks = np.stack([np.arange(n) < 40])
        np.savez(
            self.out / f"tables/rois_sub-{subject}.npz",
            names=np.array([ROI]),
            masks=masks,
        )

    def _add(self, name, table):
        there = [self.tables[name]] if name in self.tables else []
        self.tables[name] = pd.concat([*there, table], ignore_index=True)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Return planted results on fsaverage5; do not write into them."""
    return Made(tmp_path_factory.mktemp("made") / "out")


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Return planted results at every vertex of fsaverage5."""
    return Made(tmp_path_factory.mktemp("whole") / "out", whole=True)


@pytest.fixture
def copied(made, tmp_path):
    """Return the folder of a copy of the planted results."""
    return shutil.copytree(made.out, tmp_path / "copy")


class Page:
    """The viewer in a browser."""

    def __init__(self, driver, url):
        self.driver, self.url = driver, url
        driver.get_log("browser")
        self.load()

    def load(self):
        self.driver.get("about:blank")
        self.driver.get(self.url)
        self.until("return document.documentElement.dataset.drawMs !== undefined")

    def __call__(self, script, *values):
        return self.driver.execute_script(script, *values)

    def until(self, script, *values):
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, 60, poll_frequency=0.05)
        return wait.until(lambda driver: driver.execute_script(script, *values))

    def find(self, name):
        return self.driver.find_element("id", name)

    def choose(self, **choices):
        """Choose from lists by their name: a value, or the place of an option."""
        from selenium.webdriver.support.ui import Select

        for name, value in choices.items():
            before = self("return document.documentElement.dataset.shown")
            options = Select(self.find(name))
            if isinstance(value, int):
                options.select_by_index(value)
            else:
                options.select_by_value(value)
            if name not in ("shape", "view"):
                self.until(
                    "return document.documentElement.dataset.shown !== arguments[0]",
                    before,
                )

    def click(self, vertex):
        """Click where a vertex is drawn, with the mouse."""
        from selenium.webdriver import ActionChains

        x, y = self("return B2M.cortex.at(arguments[0])", int(vertex))
        canvas = self.find("cortex")
        middle = canvas.size["width"] / 2, canvas.size["height"] / 2
        chain = ActionChains(self.driver)
        edge = self("return B2M.cortex.canvas.clientLeft")
        dx, dy = round(x + edge - middle[0]), round(y + edge - middle[1])
        chain.move_to_element_with_offset(canvas, dx, dy).click().perform()
        self.until("return B2M.find('vertex').dataset.vertex !== undefined")

    def in_sight(self, vertices):
        """Return those vertices that can be clicked, a pixel beside them as well."""
        return self(
            "return arguments[0].filter((v) => {"
            "const [x, y] = B2M.cortex.at(v);"
            "return [[0, 0], [1, 1], [-1, -1], [1, -1], [-1, 1]].every(([a, b]) =>"
            "B2M.cortex.pick(x + a, y + b) === v); })",
            list(map(int, vertices)),
        )

    def go(self, vertex):
        self("B2M.find('number').value = arguments[0]", int(vertex))
        self.find("go").submit()
        self.until(
            "return B2M.find('vertex').dataset.vertex == arguments[0]", int(vertex)
        )

    def cell(self, model, band, kind):
        row = f"#scores tr[data-model='{model}'][data-band='{band}']"
        place = f"{row} td[data-kind='{kind}']"
        return self.driver.find_element("css selector", place).text

    def pixel(self, x, y):
        """Return the colour at a place of the canvas, drawn anew."""
        return self(
            "const c = B2M.cortex; c.drawNow(); const gl = c.renderer.getContext();"
            "const one = new Uint8Array(4), k = c.renderer.getPixelRatio();"
            "gl.readPixels(Math.round(arguments[0] * k),"
            " gl.drawingBufferHeight - 1 - Math.round(arguments[1] * k),"
            " 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, one); return [...one].slice(0, 3)",
            x,
            y,
        )

    def errors(self):
        """Return what the console says is wrong, and what the page itself does."""
        said = [x["message"] for x in self.driver.get_log("browser")]
        said = [text for text in said if "GPU stall" not in text]
        problem = self.find("problem")
        return said + ([problem.text] if problem.is_displayed() else [])


@pytest.fixture(scope="module")
def urls(made, tmp_path_factory):
    """Return where the viewer is, from disk and from its server."""
    written = write_static(made.out, tmp_path_factory.mktemp("viewer") / "static")
    with serve_study(made.out) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield {"disk": (written.folder / "index.html").as_uri(), "server": server.url}
        server.shutdown()
        thread.join()


@pytest.fixture(name="Page", scope="session")
def page_class():
    return Page


@pytest.fixture(params=["disk", "server"])
def page(request, chromium, urls):
    page = Page(chromium, urls[request.param])
    yield page
    assert page.errors() == []


@pytest.fixture
def opened(chromium, urls):
    page = Page(chromium, urls["disk"])
    yield page
    assert page.errors() == []
