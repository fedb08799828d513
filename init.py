"""New studies: a commented study file, and a list of what it needs."""

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from .core.checks import InputError, nearest

ROOT = re.compile(r'^root = ".*"$', re.M)


@dataclass(frozen=True, slots=True)
class NewStudy:
    """What is written for a data set.

    Parameters
    ----------
    written : dict of str to str
        The resource in this package that each file is made of.
    root : str
        The folder of the recordings, from the study file.
    """

    written: dict[str, str]
    root: str


KNOWN = {
    "blank": NewStudy({"study.toml": "templates/studies/blank.toml"}, "data"),
    "ds003720": NewStudy(
        {
            "study.toml": "examples/ds003720.toml",
            "paper.toml": "examples/ds003720_paper.toml",
            "NEEDED.md": "templates/studies/ds003720.md",
        },
        "ds003720",
    ),
    "studyforrest": NewStudy(
        {"study.toml": "examples/studyforrest.toml"}, "studyforrest"
    ),
}


def write_new_study(name: str, folder: str | Path, root: str | None = None) -> Path:
    """Write a commented study file into a folder, and what belongs to it.

    Parameters
    ----------
    name : str
        One of `KNOWN`: 'blank', or a data set.
    folder : path
        Made if it is not there.
    root : str, optional
        The folder of the recordings, from the study file or whole; the data set's
        name inside `folder` if not given.

    Returns
    -------
    study : Path
        The study file.

    Raises
    ------
    InputError
        If the name is unknown, the root cannot stand in TOML, or a file that would be
        written is there: nothing is written then.
    """
    if name not in KNOWN:
        raise InputError(
            f"no study is known as {name!r}.{nearest(name, KNOWN)} Known are "
            f"{', '.join(KNOWN)}."
        )
    new, folder = KNOWN[name], Path(folder)
    root = new.root if root is None else root
    if re.search(r'["\\\x00-\x1f]', root):
        raise InputError(
            f"root is {root!r}, which cannot stand in the study file as it is. Give a "
            "path with / and without quotes."
        )
    there = [file for file in new.written if (folder / file).exists()]
    if there:
        raise InputError(
            f"{folder} has {', '.join(there)} already. Move that away, or name another "
            "folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for file, source in new.written.items():
        text = files(__package__).joinpath(source).read_text(encoding="utf-8")
        if file.endswith(".toml"):
            text = ROOT.sub(lambda _: f'root = "{root}"', text, count=1)
        (folder / file).write_text(text, encoding="utf-8")
    return folder / "study.toml"
