"""Writes a study's viewer into a folder, or serves it on this machine."""

import base64
import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..core.artefacts import Recipe, new_artefact, read_about
from ..core.checks import InputError
from ..workflow.own_surfaces import OwnSurfaces
from ..workflow.result import saved_study
from .content import Content, study_content
from .server import Server
from .sounds import write_sounds

STAGE, VERSION = "viewer", 1
MOST_INLINE = 40_000_000  # bytes of data that a page holds; beyond, it needs a server
DEMO = "study/study.toml"  # where the demo keeps its study file, in its results
SCRIPTS = (
    "vendor/three.min.js",
    "data.js",
    "outlines.js",
    "cortex.js",
    "plots.js",
    "panel.js",
    "main.js",
)


@dataclass(frozen=True)
class Written:
    """A viewer in a folder.

    `from_disk` says whether its page opens without a server; `notes` is what the user
    should know of it.
    """

    folder: Path
    from_disk: bool
    n_bytes: int
    notes: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """What the user is told."""
        page = self.folder / "index.html"
        how = f"open {page}"
        if not self.from_disk:
            how = (
                "its data are too large for a page that opens from disk: "
                f"python3 -m http.server --bind 127.0.0.1 -d {self.folder}"
            )
        size = f"{self.n_bytes / 1e6:.1f} MB in {self.folder}"
        return [*self.notes, size, how]


@contextmanager
def serve_study(
    out: str | Path,
    *,
    study_file: str | Path | None = None,
    sound: bool = True,
    surfaces: OwnSurfaces | None = None,
    port: int = 0,
) -> Iterator[Server]:
    """Make a server of a study's viewer, on 127.0.0.1 alone.

    What it serves lies in a temporary folder while the block runs; nothing is written
    into `out`. Call the server's `serve_forever`.

    Parameters
    ----------
    out : path
        Folder of the results.
    study_file : path, optional
        The study file, for the sound of its clips; results do not say where it lies.
        None looks where the demo has its own.
    sound : bool
        Whether excerpts of clips are made.
    surfaces : OwnSurfaces, optional
        Of subjects on no mesh that is known by its name.
    port : int
        0 takes a free one.
    """
    with tempfile.TemporaryDirectory(prefix="brain2music-view-") as temporary:
        folder = Path(temporary)
        _write(Path(out), folder, study_file, surfaces, sound=sound, inline=False)
        with Server(folder, port) as server:
            yield server


def write_static(
    out: str | Path,
    folder: str | Path,
    *,
    study_file: str | Path | None = None,
    sound: bool = True,
    surfaces: OwnSurfaces | None = None,
) -> Written:
    """Write a study's viewer into a folder that opens by itself.

    Parameters
    ----------
    out : path
        Folder of the results.
    folder : path
        Made new; one that this function wrote before is replaced.
    study_file, sound, surfaces
        As in `serve_study`.

    Returns
    -------
    written : Written

    Raises
    ------
    InputError
        If `folder` holds anything else, or `out` has nothing that can be viewed.
    """
    out, folder = Path(out), Path(folder)
    there = read_about(folder)
    if there is not None and there["stage"] != STAGE:
        raise InputError(
            f"{folder} holds the stage {there['stage']!r} of a run, and would be "
            "replaced. Give a folder that is new, or that `view --static` wrote."
        )
    tables = read_about(out / "tables")
    made_from = {} if tables is None else {"tables": tables["identity"]}
    recipe = Recipe(STAGE, VERSION, {"sound": sound}, made_from)
    notes: list[str] = []
    with new_artefact(folder.resolve(), recipe, notes) as partial:
        content = _write(out, partial, study_file, surfaces, sound=sound, inline=True)
        notes += content.notes
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Written(folder, not (folder / "data").exists(), n_bytes, tuple(notes))


def _write(
    out: Path,
    folder: Path,
    study_file: str | Path | None,
    surfaces: OwnSurfaces | None,
    *,
    sound: bool,
    inline: bool,
) -> Content:
    study, subjects = saved_study(out)
    content = study_content(study, out, subjects, surfaces=surfaces)
    sounds = write_sounds(
        folder, _study_file(out, study_file) if sound else None, subjects, content.clips
    )
    content.index["sounds"] = sounds.files
    content.index["sound_note"] = sounds.note
    content.index["notes"] = content.notes
    inline = inline and content.n_bytes <= MOST_INLINE
    if not inline:
        (folder / "data").mkdir()
        for name, file in content.files.items():
            (folder / "data" / name).write_bytes(file.content)
    _write_page(folder, content, inline=inline)
    return content


def _study_file(out: Path, given: str | Path | None) -> Path | None:
    if given is not None:
        return Path(given)
    return out / DEMO if (out / DEMO).is_file() else None


def _write_page(folder: Path, content: Content, *, inline: bool) -> None:
    environment = Environment(
        loader=PackageLoader("brain2music.viewer", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    blocks = {
        name: base64.b64encode(gzip.compress(file.content, mtime=0)).decode("ascii")
        for name, file in content.files.items()
        if inline
    }
    page = environment.get_template("index.html").render(
        title=content.index["title"],
        simulated=content.index["simulated"],
        index=_as_text(content.index),
        blocks=blocks,
        scripts=SCRIPTS,
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    with as_file(files("brain2music.viewer") / "assets") as assets:
        for name in (*SCRIPTS, "viewer.css", "vendor/three.LICENSE"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(assets / name, folder / name)


def _as_text(index: dict) -> str:
    """Return JSON that no text in it can end the block of, or start another."""
    text = json.dumps(index, allow_nan=False, ensure_ascii=True)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
