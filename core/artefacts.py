"""Saves a stage's results with what made them, whole or not at all.

An artefact is a folder with an `about.json`: the settings and the identities of the
inputs that made it, and a hash of every file in it. It is written under another name
and renamed when whole, so a process that is killed leaves none that is half made.
What it does leave bears a marker, and the next process clears that and nothing else.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .checks import InputError

ABOUT = "about.json"
PARTIAL, OLD = ".partial-", ".old-"
MARKER = ".brain2music"  # lies in a folder that is ours to delete
LOCK = ".brain2music.lock"
PACKAGES = (
    "brain2music",
    "himalaya",
    "librosa",
    "matplotlib",
    "nibabel",
    "nilearn",
    "numpy",
    "pandas",
    "pycortex",
    "scikit-learn",
    "scipy",
    "seaborn",
    "torch",
    "transformers",
)


@dataclass(frozen=True)
class Recipe:
    """What makes an artefact: change any part, and it is another artefact.

    Parameters
    ----------
    stage : str
        Name of the stage.
    version : int
        Raised when the stage's results change their meaning.
    settings : mapping
        The part of the study that the stage depends on; JSON types only.
    inputs : mapping of str to str
        Identity of each input: a file's hash, or another artefact's identity.
    """

    stage: str
    version: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """A hash of all that makes the artefact."""
        parts = [self.stage, self.version, dict(self.settings), dict(self.inputs)]
        text = json.dumps(parts, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def file_identity(path: Path) -> str:
    """Return the hash of a file's content, which is its identity as an input.

    That of a folder, such as a .zarr store, is of its files and their names.
    """
    if path.is_dir():
        parts = sorted(part for part in path.rglob("*") if part.is_file())
        names = [part.relative_to(path).as_posix() for part in parts]
        pairs = zip(names, map(file_identity, parts), strict=True)
        return hashlib.sha256(json.dumps(list(pairs)).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def new_artefact(folder: Path, recipe: Recipe, notes: list[str]) -> Iterator[Path]:
    """Give a folder to write into, which becomes `folder` when the block ends well.

    Parameters
    ----------
    folder : Path
        Where the artefact shall lie. One that is there is replaced, if it is ours.
    recipe : Recipe
        What makes it.
    notes : list of str
        What the user should know of it. Read when the block ends.

    Raises
    ------
    InputError
        If `folder` exists and was not made by brain2music.
    """
    partial = _beside(folder)
    try:
        yield partial
    except BaseException:
        _remove(partial)
        raise
    write_json(partial / ABOUT, _about(recipe, notes, _hashes(partial)))
    _put_in_place(partial, folder)


@contextmanager
def scratch_folder(out: Path, name: str) -> Iterator[Path]:
    """Give a folder in `out` that is deleted when the block ends.

    What a killed process leaves of it is cleared by the next one.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{name}-", dir=out))
    (folder / MARKER).touch()
    try:
        yield folder
    finally:
        _remove(folder)


def check_places(out: Path, names: Iterable[str]) -> None:
    """Check that nothing of the user's lies where results shall be written.

    Parameters
    ----------
    out : Path
        The output folder; it need not exist.
    names : iterable of str
        Places of artefacts below it, such as 'tables' or 'models/sub-01'.

    Raises
    ------
    InputError
        If one of them, or an `about.json` in `out`, was not made by brain2music.
    """
    about, half = out / ABOUT, out / f"{PARTIAL}{ABOUT}"
    if _is_there(about) and not _is_about_of_study(about):
        raise _not_ours(about)
    if _is_there(half) and not _is_half_written(half):
        raise _not_ours(half)
    for name in names:
        _check_place(out / name)


def is_current(folder: Path, recipe: Recipe) -> bool:
    """Return whether `folder` holds what `recipe` makes, with every file as written."""
    about = read_about(folder)
    if about is None or about["identity"] != recipe.identity:
        return False
    return all(
        (folder / name).is_file() and file_identity(folder / name) == digest
        for name, digest in about["files"].items()
    )


def read_about(folder: Path) -> dict[str, Any] | None:
    """Return an artefact's `about.json`, or None if `folder` is no artefact."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(about, dict) and {"identity", "files", "stage"} <= about.keys()
    return about if known else None


def discard(folder: Path) -> None:
    """Delete an artefact that this study does not make; nothing that is not ours."""
    if read_about(folder) is not None:
        _check_place(folder)
        _remove(folder)


def link_artefact(source: Path, folder: Path) -> None:
    """Put an artefact into another place as well, whole or not at all.

    Its files are the same ones, or copies where the file system has no links. Files of
    artefacts are never changed, only replaced, so neither place is in the other's way.

    Parameters
    ----------
    source : Path
        An artefact, or else nothing is done.
    folder : Path
        Where it shall lie too. What is there already stays.
    """
    if read_about(source) is None or _is_there(folder):
        return
    partial = _beside(folder)
    for path in sorted(source.rglob("*")):
        target = partial / path.relative_to(source)
        if path.is_dir():
            target.mkdir()
        else:
            _link(path, target)
    _put_in_place(partial, folder)


def artefacts_below(out: Path) -> list[Path]:
    """Return the folders of all artefacts in `out`, hidden folders left out."""
    found = [*out.glob("[!.]*/about.json"), *out.glob("[!.]*/[!.]*/about.json")]
    folders = (path.parent for path in found)
    return sorted(folder for folder in folders if read_about(folder) is not None)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as JSON, under another name first."""
    partial = path.with_name(f"{PARTIAL}{path.name}")
    text = json.dumps(content, indent=1, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the output folder for one process, and clear what a killed one left.

    Raises
    ------
    InputError
        If the folder cannot be written, or another process holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / LOCK).open("a")
    except OSError as error:
        raise InputError(
            f"cannot write to {out}: {error.strerror}. Choose another folder with "
            "--out, or make this one writable."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"another brain2music process is writing to {out}. Wait until it ends, "
                "or choose another --out."
            ) from error
        _clear(out)
        yield


def package_versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of those `packages` that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _beside(folder: Path) -> Path:
    """Return a new folder beside one that will be put in its place when it is whole."""
    _check_place(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f"{PARTIAL}{folder.name}")
    _remove(partial)
    partial.mkdir()
    (partial / MARKER).touch()
    return partial


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:
        shutil.copy2(path, target)


def _about(recipe: Recipe, notes: list[str], files: dict[str, str]) -> dict[str, Any]:
    return {
        "stage": recipe.stage,
        "version": recipe.version,
        "identity": recipe.identity,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": dict(recipe.settings),
        "inputs": dict(recipe.inputs),
        "notes": list(notes),
        "packages": package_versions(),
        "files": files,
    }


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [str(path.relative_to(folder)) for path in files]
    return {name: file_identity(folder / name) for name in names if name != MARKER}


def _put_in_place(partial: Path, folder: Path) -> None:
    """Rename; at each moment, whatever is not in place bears the marker."""
    old = folder.with_name(f"{OLD}{folder.name}")
    _remove(old)
    if folder.exists():
        (folder / MARKER).touch()
        folder.rename(old)
    partial.rename(folder)
    (folder / MARKER).unlink()
    with suppress(OSError):  # one that cannot go now is cleared by the next process
        _remove(old)


def _check_place(folder: Path) -> None:
    """Refuse what would be in the way of an artefact and is not ours."""
    above = folder.parent
    if _is_there(above) and not above.is_dir():
        raise _not_ours(above)
    if _is_there(folder) and (folder.is_symlink() or read_about(folder) is None):
        raise _not_ours(folder)
    for path in (folder.with_name(f"{name}{folder.name}") for name in (PARTIAL, OLD)):
        if _is_there(path) and not (_is_leftover(path) or _is_empty(path)):
            raise _not_ours(path)


def _not_ours(path: Path) -> InputError:
    return InputError(
        f"{path} is there already, and brain2music did not make it. Nothing was "
        "written; move it away, or choose another --out."
    )


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _is_own_folder(path: Path) -> bool:
    """Whether it is a folder, not a link to one, that this user may change."""
    may = os.access(path, os.R_OK | os.W_OK | os.X_OK)
    return may and path.is_dir() and not path.is_symlink()


def _is_empty(path: Path) -> bool:
    """Whether it is a folder as a kill leaves it that comes before the marker."""
    return _is_own_folder(path) and not any(path.iterdir())


def _is_leftover(path: Path) -> bool:
    """Whether it is a folder that our own writer left half made or half replaced."""
    named = path.name.startswith((PARTIAL, OLD))
    return named and _is_own_folder(path) and (path / MARKER).is_file()


def _is_half_written(path: Path) -> bool:
    """Whether it is a file that `write_json` may have left: nothing, or JSON begun."""
    if path.is_symlink() or not path.is_file() or not os.access(path, os.R_OK):
        return False
    with path.open("rb") as file:
        return b'{\n "'.startswith(file.read(4))


def _is_about_of_study(path: Path) -> bool:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and {"study", "artefacts"} <= about.keys()


def _clear(out: Path) -> None:
    """Delete what killed processes left in `out` and in its folders, if it is ours.

    Links are not followed, nor is a folder entered that other processes may hold.
    """
    inside = [path for path in out.iterdir() if _is_own_folder(path)]
    deeper = [path for path in inside if not (path / LOCK).exists()]
    found = inside + [path for folder in deeper for path in folder.iterdir()]
    for path in found:
        if _is_leftover(path):
            _remove(path)
    half = out / f"{PARTIAL}{ABOUT}"
    if _is_half_written(half):
        half.unlink()


def _remove(folder: Path) -> None:
    """Delete a folder of ours if it is there, its marker last."""
    if not folder.is_dir():
        return
    for path in list(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MARKER:
            path.unlink()
    (folder / MARKER).unlink(missing_ok=True)
    folder.rmdir()
