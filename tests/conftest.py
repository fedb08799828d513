"""What every test shares."""

import json
import os
import shutil
from importlib import resources

# Before numpy is imported: its threads are set as it loads.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["MPLBACKEND"] = "agg"

import nibabel as nib  # noqa: E402 - see above
import numpy as np  # noqa: E402 - see above
import pandas as pd  # noqa: E402 - see above
import pytest  # noqa: E402 - see above


@pytest.fixture
def rng():
    return np.random.default_rng(0)


GRID = (3, 4, 2)
AFFINE = np.array([[-2.0, 0, 0, 4], [0, 2, 0.2, -6], [0, -0.2, 2, 1], [0, 0, 0, 1]])
N_LEFT, N_RIGHT = 8, 6
WALL = (3, 10)  # vertices of no cortex, of 14: what is left are 12 columns


class Fmriprep:
    """Writes what fMRIPrep would: the same 12 columns as volume, surface or CIFTI."""

    def __init__(self, root, *, old=False, tr_s=1.5):
        self.root, self.old, self.tr_s = root, old, tr_s
        self.folder = root / "derivatives/fmriprep"
        self.folder.mkdir(parents=True, exist_ok=True)
        description = {"Name": "fMRIPrep", "BIDSVersion": "1.4.0"}
        description |= {"DatasetType": "derivative", "GeneratedBy": [{"Name": "x"}]}
        (self.folder / "dataset_description.json").write_text(json.dumps(description))

    def stem(self, subject, run, session=None):
        """Return the path of a run's files up to what tells them apart."""
        ses = f"_ses-{session}" if session else ""
        place = self.folder / f"sub-{subject}" / (f"ses-{session}" if session else "")
        place = place / "func"
        place.mkdir(parents=True, exist_ok=True)
        task, label = run
        return place / f"sub-{subject}{ses}_task-{task}_run-{label}"

    def write(self, kind, subject, run, Y, *, session=None, **sidecar):
        """Write one run of shape (n_samples, 12) as 'volume', 'surface' or 'cifti'."""
        stem = self.stem(subject, run, session)
        facts = {"RepetitionTime": self.tr_s, "SkullStripped": False}
        facts |= {"SliceTimingCorrected": True, "StartTime": self.tr_s / 2} | sidecar
        self.write_confounds(stem, len(Y))
        paths = getattr(self, f"_{kind}")(stem, np.asarray(Y, np.float32))
        for path in paths:
            name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
            if not self.old:
                name = name.removesuffix(".func").removesuffix(".dtseries")
            path.with_name(f"{name}.json").write_text(json.dumps(facts))
        return paths

    def write_confounds(self, stem, n_samples, *, dummies=(), moved=(), seed=1):
        """Write a table of confounds; volumes of `moved` have moved by 3 mm."""
        rng = np.random.default_rng([seed, n_samples])
        columns = {}
        names = [f"{k}_{axis}" for k in ("trans", "rot") for axis in "xyz"]
        for name in [*names, "csf", "white_matter", "global_signal"]:
            x = rng.standard_normal(n_samples).cumsum()
            d = np.r_[np.nan, np.diff(x)]
            columns |= {name: x, f"{name}_derivative1": d}
            columns |= {f"{name}_power2": x**2, f"{name}_derivative1_power2": d**2}
        for k in range(2):
            t = np.arange(n_samples) + 0.5
            columns[f"cosine{k:02d}"] = np.cos(np.pi * (k + 1) * t / n_samples)
        columns["framewise_displacement"] = np.r_[np.nan, np.full(n_samples - 1, 0.1)]
        columns["framewise_displacement"][list(moved)] = 3.0
        columns["std_dvars"] = np.r_[np.nan, np.full(n_samples - 1, 1.0)]
        for k, row in enumerate(dummies):
            columns[f"non_steady_state_outlier{k:02d}"] = np.eye(n_samples)[row]
        suffix = "regressors" if self.old == "20.1" else "timeseries"
        path = stem.with_name(f"{stem.name}_desc-confounds_{suffix}.tsv")
        pd.DataFrame(columns).to_csv(path, sep="\t", index=False, na_rep="n/a")
        path.with_suffix(".json").write_text("{}")
        return path

    def _volume(self, stem, Y, space="space-MNI152NLin2009cAsym_res-2"):
        mask = np.zeros(GRID, np.uint8)
        mask.ravel()[::2] = 1
        data = np.full((*GRID, len(Y)), 7.0, np.float32)  # not 0 outside the brain
        data[mask == 1] = Y.T
        image = nib.Nifti1Image(data, AFFINE)
        image.header.set_zooms((2, 2, 2, self.tr_s))
        image.header.set_xyzt_units("mm", "sec")
        path = stem.with_name(f"{stem.name}_{space}_desc-preproc_bold.nii.gz")
        nib.save(image, path)
        brain = stem.with_name(f"{stem.name}_{space}_desc-brain_mask.nii.gz")
        nib.save(nib.Nifti1Image(mask, AFFINE), brain)
        return [path]

    def _surface(self, stem, Y, space="fsnative"):
        whole = np.full((len(Y), N_LEFT + N_RIGHT), np.nan, np.float32)
        whole[:, np.setdiff1d(np.arange(N_LEFT + N_RIGHT), WALL)] = Y
        sides = {"L": whole[:, :N_LEFT], "R": whole[:, N_LEFT:]}
        paths = []
        for side, values in sides.items():
            keys = [f"hemi-{side}", f"space-{space}"][:: -1 if self.old else 1]
            paths.append(stem.with_name(f"{stem.name}_{'_'.join(keys)}_bold.func.gii"))
            write_gifti(paths[-1], values, side, tr_s=self.tr_s)
        return paths

    def _cifti(self, stem, Y):
        path = stem.with_name(f"{stem.name}_space-fsLR_den-91k_bold.dtseries.nii")
        series = nib.cifti2.SeriesAxis(0, self.tr_s, len(Y), "SECOND")
        nib.save(nib.Cifti2Image(Y, (series, brain_models())), path)
        return [path]


def write_gifti(path, values, side, *, tr_s=None, structure=None):
    """Write rows of values as a GIFTI time series of one hemisphere."""
    structure = structure or {"L": "CortexLeft", "R": "CortexRight"}[side]
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    if tr_s:
        meta["TimeStep"] = f"{tr_s * 1000:f}"  # FreeSurfer writes milliseconds
    arrays = [
        nib.gifti.GiftiDataArray(row, "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32")
        for row in values
    ]
    nib.save(nib.GiftiImage(darrays=arrays, meta=meta), path)


def brain_models():
    """Return 12 grayordinates: 5 left, 4 right, and 3 voxels of the left thalamus."""
    models = nib.cifti2.BrainModelAxis
    left = models.from_surface([0, 1, 2, 4, 5], N_LEFT, "CortexLeft")
    right = models.from_surface([0, 1, 3, 4], N_RIGHT, "CortexRight")
    voxel = np.array([[0, 1, 0], [1, 1, 1], [2, 3, 0]])
    deep = models("thalamus_left", voxel=voxel, affine=AFFINE, volume_shape=GRID)
    return left + right + deep


@pytest.fixture
def fmriprep(tmp_path):
    """Return a writer of fMRIPrep's outputs for a data set in tmp_path/ds."""
    return Fmriprep(tmp_path / "ds")


@pytest.fixture(name="write_gifti")
def write_gifti_fixture():
    return write_gifti


@pytest.fixture(name="brain_models")
def brain_models_fixture():
    return brain_models()


@pytest.fixture(name="Fmriprep", scope="session")
def fmriprep_class():
    return Fmriprep


# A browser for the tests of pages


def _tools():
    browsers = ("chromium", "chromium-browser", "google-chrome")
    browser = next((path for name in browsers if (path := shutil.which(name))), None)
    return browser, shutil.which("chromedriver")


def _start(*options):
    """Start headless Chromium that draws without a graphics card."""
    webdriver = pytest.importorskip("selenium.webdriver")
    browser, driver = _tools()
    if not (browser and driver):
        reason = "no chromium and chromedriver: apt-get install chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    chosen = webdriver.ChromeOptions()
    chosen.binary_location = browser
    for option in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--mute-audio",
        "--autoplay-policy=no-user-gesture-required",
        "--window-size=1400,1000",
        *options,
    ):
        chosen.add_argument(option)
    chosen.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(chosen, webdriver.ChromeService(driver))


@pytest.fixture(scope="session")
def chromium():
    """Return headless Chromium, or skip where there is none (in CI: fail)."""
    driver = _start()
    yield driver
    driver.quit()


@pytest.fixture(name="start_browser")
def start_browser_fixture():
    """Give `start_browser(*options)`: another browser, to quit by hand."""
    return _start


@pytest.fixture(scope="session")
def axe():
    """Give `axe(driver, scheme)`: what axe-core finds on a page, and what passes.

    In CI it must be there.
    """
    if os.environ.get("CI") != "true":
        pytest.importorskip("axe_playwright_python")
    path = resources.files("axe_playwright_python").joinpath("axe.min.js")
    script = path.read_text(encoding="utf-8")

    def check(driver, scheme):
        wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
        try:
            driver.execute_script(script)
            found = driver.execute_async_script("axe.run().then(arguments[0])")
        finally:
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        violations = [
            (one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]
        ]
        return violations, {one["id"] for one in found["passes"]}

    return check
