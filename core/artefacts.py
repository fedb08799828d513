"""Saves a stage's results with what made them, whole or not at all.

An artefact is a folder with an `about.json`: the settings and the identities of the
inputs that made it, and a hash of every file in it. It is written under another name
and renamed when whole, so a process that is killed leaves none that is half made.
"""

import fcntl
import hashlib
import json
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .checks import InputError

ABOUT = "about.json"
PARTIAL, OLD = ".partial-", ".old-"
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
    """Return the hash of a file's content, which is its identity as an input."""
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
    if folder.exists() and read_about(folder) is None:
        raise InputError(
            f"{folder} is there already, and brain2music did not make it. Nothing was "
            "written; move it away, or choose another --out."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f"{PARTIAL}{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    write_json(partial / ABOUT, _about(recipe, notes, _hashes(partial)))
    _put_in_place(partial, folder)


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
        lock = (out / ".lock").open("w")
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
    return {str(path.relative_to(folder)): file_identity(path) for path in files}


def _put_in_place(partial: Path, folder: Path) -> None:
    old = folder.with_name(f"{OLD}{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _clear(out: Path) -> None:
    for folder in (out, *(path for path in out.iterdir() if path.is_dir())):
        for path in folder.iterdir():
            if path.name.startswith((PARTIAL, OLD)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
