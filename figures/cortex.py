"""pycortex, with a store of our own: quiet, and whatever its settings are.

pycortex keeps the folders of the environment that it was first imported in, for ever,
in the user's home; it prints; it draws ROIs through Inkscape. Here it gets a store of
its own for as long as it is used, needs neither a home that can be written nor
Inkscape, and what the session had set is put back.
"""

import configparser
import contextlib
import importlib
import importlib.util
import io
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import BadZipFile

import numpy as np
import platformdirs
from nibabel.gifti import GiftiDataArray, GiftiImage
from nilearn import datasets

from ..core.checks import InputError

FOLDERS = ("anatomicals", "cache", "surface-info", "surfaces", "transforms", "views")
SURFACES = {"wm": "white_matter", "pia": "pial", "inflated": "inflated", "flat": "flat"}
HEMISPHERES = {"left": "lh", "right": "rh"}
GAP_MM = 12.0
OWN = "pycortex:"


def has_pycortex() -> bool:
    """Return whether pycortex is installed; it is not imported."""
    return importlib.util.find_spec("cortex") is not None


def default_store() -> Path:
    """Return the folder in which surfaces and pixel maps are kept between runs."""
    return Path(platformdirs.user_cache_dir("brain2music")) / "pycortex"


@contextlib.contextmanager
def open_cortex(store: Path) -> Iterator[ModuleType]:
    """Import pycortex quietly and point it at `store` while the block runs.

    Inside the block nothing is printed and warnings of pycortex are not shown.
    Afterwards pycortex has the store, the subjects and the settings that it had before.

    Parameters
    ----------
    store : Path
        Folder of pycortex subjects, made if it is not there.

    Yields
    ------
    cortex : module

    Raises
    ------
    InputError
        If pycortex is not installed, or `store` cannot be written.
    """
    if not has_pycortex():
        raise InputError(
            "pycortex is not installed. Install it with pip install "
            "'brain2music[flatmaps]' (it needs a C compiler), or draw on fsaverage5 "
            "with renderer='matplotlib'."
        )
    _make_store(store)
    with _quiet():
        cortex = _import_cortex()
        with _stored_in(cortex, store):
            yield cortex


def own_subject(mesh: str) -> str | None:
    """Return NAME of a mesh 'pycortex:NAME', None of any other.

    Examples
    --------
    >>> own_subject("pycortex:me"), own_subject("fsaverage5")
    ('me', None)
    """
    return mesh.removeprefix(OWN) if mesh.startswith(OWN) else None


def user_store() -> Path | None:
    """Return the filestore that the user's settings of pycortex name, if they do."""
    settings = configparser.ConfigParser(interpolation=None)
    folder = platformdirs.user_config_dir("pycortex", appauthor=False)
    settings.read(Path(folder) / "options.cfg")
    named = settings.get("basic", "filestore", fallback="")
    return Path(named) if named else None


def store_with(subject: str, store: Path | None) -> Path:
    """Return the first of `store` and the user's filestore that has a subject.

    Raises
    ------
    InputError
        If none has it.
    """
    for place in (store, user_store()):
        if place is not None and (place / subject / "surfaces").is_dir():
            return place.absolute()
    raise InputError(str(subject_problem(subject, store)))


def subject_problem(subject: str, store: Path | None) -> str | None:
    """Say why a subject of the user's filestore cannot be drawn; None if it can."""
    if not has_pycortex():
        return f"no map: {OWN}{subject} needs pycortex, which is not installed"
    places = [place for place in (store, user_store()) if place is not None]
    for place in places:
        surfaces = place / subject / "surfaces"
        if surfaces.is_dir():
            has_flat = any(surfaces.glob("flat_*"))
            return None if has_flat else f"no map: {subject} in {place} has no flatmap"
    looked = ", ".join(map(str, places)) or "no folder: pycortex's settings name none"
    return (
        f"no map: pycortex's filestore has no subject {subject!r} (looked in {looked})"
    )


def add_fsaverage5(cortex: ModuleType) -> str:
    """Make the subject 'fsaverage5' from the surfaces packaged in nilearn.

    Does nothing if the store has it. Hemispheres lie side by side in its flatmap, with
    a gap of 12 mm, and vertices that the flatmap leaves out lie at the origin.

    Returns
    -------
    subject : str
    """
    name, store = "fsaverage5", Path(cortex.db.filestore)
    if not (store / name).is_dir():
        _add_whole(store, name, _write_fsaverage5)
        cortex.db.reload_subjects()
    return name


def add_s1(cortex: ModuleType) -> str:
    """Copy the subject 'S1', which comes with pycortex, into the store (41 MB).

    Does nothing if the store has it. It is copied since pycortex writes next to its
    surfaces what it computes from them.

    Returns
    -------
    subject : str

    Raises
    ------
    InputError
        If pycortex was installed without it.
    """
    name, store = "S1", Path(cortex.db.filestore)
    if not (store / name).is_dir():
        shipped = _shipped(cortex) / name
        if not shipped.is_dir():
            raise InputError(
                f"no subject 'S1' in {shipped.parent}, where pycortex keeps what it "
                "ships. Install pycortex again, or draw on fsaverage5."
            )
        _add_whole(store, name, lambda folder: _copy(shipped, folder))
        cortex.db.reload_subjects()
    return name


def vertex_image(cortex: ModuleType, subject: str, height: int) -> tuple:
    """Return which vertex pycortex draws in each pixel of a flatmap.

    Returns
    -------
    vertices : array of int, shape (height, width)
        Vertex number, left hemisphere first; -1 outside of the flatmap. Row 0 is the
        lowest.
    extent : tuple of four floats
        Left, right, bottom and top of the image, in mm on the flatmap.
    """
    drawn = cortex.quickflat.utils

    def read(recache: bool) -> tuple[np.ndarray, np.ndarray]:
        inside, extent = drawn.get_flatmask(subject, height=height, recache=recache)
        # A row per pixel inside, with one entry: its vertex.
        of_pixel = drawn.get_flatcache(subject, None, height=height, recache=recache)
        vertices = np.full(inside.shape, -1, dtype=np.int64)
        vertices[inside] = of_pixel.indices
        return vertices.T, extent

    vertices, extent = _fresh_if_broken(read)
    return vertices, tuple(float(edge) for edge in extent)


def curvature(cortex: ModuleType, subject: str) -> np.ndarray:
    """Return the mean curvature per vertex, above 0 in sulci (as FreeSurfer has it)."""
    place = cortex.db.get_paths(subject)["surfinfo"].format(type="curvature", opts="")

    def read(recache: bool) -> np.ndarray:
        if recache or not Path(place).is_file():
            cortex.db.get_surfinfo(subject, "curvature", recache=recache)
        # Of what pycortex returns, only the numbers: the rest would read surfaces.
        with np.load(place, allow_pickle=False) as saved:
            return np.concatenate([saved["left"], saved["right"]])

    return -np.asarray(_fresh_if_broken(read), dtype=np.float64)


def _fresh_if_broken(compute: Callable) -> Any:
    # A kill while pycortex writes its cache leaves half a file under the full name.
    try:
        return compute(False)
    except (BadZipFile, EOFError, KeyError, ValueError):
        return compute(True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def _import_cortex() -> ModuleType:
    """Import pycortex with settings of its own, whatever the user's file says."""
    if "cortex" in sys.modules:
        return sys.modules["cortex"]
    with tempfile.TemporaryDirectory(prefix="pycortex-") as empty:
        place = "HOME" if sys.platform == "darwin" else "XDG_CONFIG_HOME"
        before = os.environ.get(place)
        os.environ[place] = empty
        try:
            return importlib.import_module("cortex")
        finally:
            del os.environ[place]
            if before is not None:
                os.environ[place] = before


@contextlib.contextmanager
def _stored_in(cortex: ModuleType, store: Path) -> Iterator[None]:
    """Point pycortex at `store`, and put back what was there."""
    db, config = cortex.db, cortex.options.config
    kept = {key: db.__dict__.get(key) for key in ("filestore", "_subjects")}
    memory = db.__dict__.pop("_memocache", None)  # keyed by subject, not by store
    setting = config.get("basic", "filestore", fallback=None)
    try:
        db.filestore = str(store)
        config.set("basic", "filestore", str(store))
        db.reload_subjects()
        yield
    finally:
        db.__dict__.update(kept)
        db.__dict__.pop("_memocache", None)
        if memory is not None:
            db._memocache = memory
        if setting is None:
            config.remove_option("basic", "filestore")
        else:
            config.set("basic", "filestore", setting)


def _shipped(cortex: ModuleType) -> Path:
    """Return the folder of the subjects that came with this pycortex."""
    settings = configparser.ConfigParser()
    settings.read(Path(str(cortex.__file__)).with_name("defaults.cfg"))
    return Path(settings.get("basic", "filestore", fallback="."))


def _make_store(store: Path) -> None:
    try:
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=store):
            pass
    except OSError as error:
        raise InputError(
            f"the folder for flatmaps cannot be written: {store} ({error.strerror}). "
            "Give another one as `store`, or use renderer='matplotlib'."
        ) from error


def _add_whole(store: Path, name: str, write: Callable[[Path], None]) -> None:
    """Write a subject under another name, and rename it when it is whole."""
    with tempfile.TemporaryDirectory(dir=store, prefix=".unfinished-") as folder:
        write(Path(folder) / name)
        try:
            (Path(folder) / name).rename(store / name)
        except OSError:
            if not (store / name).is_dir():  # else another process was faster
                raise


def _copy(shipped: Path, folder: Path) -> None:
    shutil.copytree(shipped, folder, ignore=shutil.ignore_patterns("cache"))


def _write_fsaverage5(folder: Path) -> None:
    for part in FOLDERS:
        (folder / part).mkdir(parents=True)
    meshes = datasets.load_fsaverage("fsaverage5")
    for name, key in SURFACES.items():
        for side, hemisphere in HEMISPHERES.items():
            mesh = meshes[key].parts[side]
            points = np.array(mesh.coordinates, dtype=np.float32)
            if name == "flat":
                points = lay_flat(points, mesh.faces, side)
            _write_gifti(
                folder / "surfaces" / f"{name}_{hemisphere}.gii", points, mesh.faces
            )


def lay_flat(points: np.ndarray, faces: np.ndarray, side: str) -> np.ndarray:
    """Return a hemisphere's flat coordinates at its side of the gap.

    Vertices without a face keep the place of the folded surface in FreeSurfer's flat
    files: they are put at the origin, which lies in the gap.
    """
    used = np.unique(faces)
    flat = np.zeros_like(points)
    flat[used, :2] = points[used, :2]
    x = flat[used, 0]
    shift = -x.max() - GAP_MM / 2 if side == "left" else GAP_MM / 2 - x.min()
    flat[used, 0] += shift
    return flat


def _write_gifti(path: Path, points: np.ndarray, faces: np.ndarray) -> None:
    arrays = [
        GiftiDataArray(points.astype(np.float32), intent="NIFTI_INTENT_POINTSET"),
        GiftiDataArray(np.asarray(faces, np.int32), intent="NIFTI_INTENT_TRIANGLE"),
    ]
    GiftiImage(darrays=arrays).to_filename(path)
