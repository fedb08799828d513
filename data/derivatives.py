"""Finds what fMRIPrep wrote for a subject, and picks one space by one line.

The line is the name of a space as the files bear it, and where that leaves several
files for a run, which of them: `T1w`, `MNI152NLin2009cAsym:res-2`, `fsaverage5`,
`fsnative`, `fsLR:den-91k`, `T1w:echo-2`. A label 'none' stands for 'not in the name'.
Names are read as fMRIPrep 20.2 to 25 write them, whatever the order of their parts.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nilearn.interfaces.bids import parse_bids_filename

from ..core.checks import InputError, MissingFileError, nearest
from ..core.types import Run
from .files import Rule, select_runs

MESHES = ("fsaverage", "fsaverage3", "fsaverage4", "fsaverage5", "fsaverage6")
SURFACES = (*MESHES, "fsnative")
GONE = ("smoothwm", "inflated")
OWN = {"sub", "ses", "task", "run", "space", "hemi", "desc"}
NO_SPACE = "boldref"  # the grid of the run itself: such files bear no space


@dataclass(frozen=True, slots=True)
class Wanted:
    """A space, and what else a file's name must say: from the study's one line."""

    space: str
    labels: Mapping[str, str]

    @property
    def ending(self) -> str:
        """The ending of the files of this space."""
        if self.space in SURFACES:
            return "func.gii"
        return "dtseries.nii" if self.space == "fsLR" else "nii.gz"


@dataclass(frozen=True, slots=True)
class Scan:
    """The files of one run in one space: one file, or the left and right hemisphere."""

    paths: tuple[Path, ...]
    mask: Path | None
    confounds: Path | None


def parse_space(line: str) -> Wanted:
    """Read the study's line for a space.

    Raises
    ------
    InputError
        If it is not a space and pairs of a key and a label.

    Examples
    --------
    >>> wanted = parse_space("MNI152NLin2009cAsym:res-2")
    >>> wanted.space, wanted.labels
    ('MNI152NLin2009cAsym', {'res': '2'})
    """
    space, *rest = line.split(":")
    if space in GONE:
        raise InputError(
            f"space {line!r}: {space} is a shape of a surface and no space, and recent "
            f"fMRIPrep does not sample to it. Name a mesh: {', '.join(SURFACES)}."
        )
    # fsLR:91k is how the density is spoken of.
    rest = [f"den-{one}" if one in ("91k", "170k") else one for one in rest]
    pairs = [one.split("-", 1) for one in rest]
    if not space.isalnum() or any(len(pair) < 2 or not all(pair) for pair in pairs):
        raise InputError(
            f"space {line!r} cannot be read. Write a space as the file names bear it, "
            "and if need be which of its files, such as 'T1w', "
            "'MNI152NLin2009cAsym:res-2' or 'fsLR:den-91k'."
        )
    return Wanted(space, dict(pairs))


def find_scans(
    root: Path,
    derivatives: str,
    subject: str,
    space: str,
    *,
    rules: Sequence[Rule] = (),
) -> dict[Run, Scan]:
    """Return the files of a subject's runs in one space.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    derivatives : str
        fMRIPrep's output folder, relative to `root`.
    subject : str
        Label, without 'sub-'.
    space : str
        See the head of this module.
    rules : sequence of mapping
        Which runs, as `data.files.select_runs` has them: those of any rule. What
        other runs are like does not matter then. None takes all.

    Returns
    -------
    scans : dict of Run to Scan
        In the order of the runs.

    Raises
    ------
    InputError
        If several files of a run fit the line (they are listed), a hemisphere is
        missing, or some runs have the space and others not.
    MissingFileError
        If there are no derivatives (with what to run first), or none in this space.
    """
    wanted = parse_space(space)
    folder = root / derivatives
    if not (folder / f"sub-{subject}").is_dir():
        raise MissingFileError(_nothing_there(root, derivatives, subject, wanted))
    files = _files(folder, subject)
    bold = [one for one in files if one["suffix"] == "bold" and _is_image(one)]
    _check_labels(bold, subject)
    if bold and rules:
        runs = {_run_of(one) for one in bold}
        who = f"sub-{subject}"
        asked = {r for rule in rules for r in select_runs(runs, rule, name=who)}
        bold = [one for one in bold if _run_of(one) in asked]
    found: dict[Run, list] = {}
    for one in bold:
        if _fits(one, wanted):
            found.setdefault(_run_of(one), []).append(one)
    if not found:
        raise MissingFileError(_no_such_space(folder, subject, space, bold))
    if wanted.space == NO_SPACE and len(found) > 1:
        raise InputError(
            f"sub-{subject}: the space {space!r} is the grid of each run by itself; "
            f"nothing has brought the {len(found)} runs into one place. Choose a space "
            "that all runs share, such as T1w."
        )
    lacking = sorted({_run_of(one) for one in bold} - set(found), key=_order)
    if lacking:
        raise MissingFileError(
            f"sub-{subject}: {', '.join(map(str, lacking))} has derivatives in "
            f"{folder}, but none that fit the space {space!r}. Run fMRIPrep on it with "
            "that output space, or choose another one."
        )
    return {
        run: _scan(found[run], files, run, space) for run in sorted(found, key=_order)
    }


def grey_matter(root: Path, derivatives: str, subject: str, space: str) -> Path:
    """Return the subject's map of grey matter (0 to 1) in a volume space.

    Raises
    ------
    MissingFileError
        If there is not exactly one.
    """
    wanted = parse_space(space)
    name = None if wanted.space == "T1w" else wanted.space
    folder = root / derivatives / f"sub-{subject}"
    found = [
        one["file_path"]
        for path in sorted(folder.glob("**/anat/*_probseg.nii.gz"))
        for one in [parse_bids_filename(path)]
        if one["entities"].get("label") == "GM" and one["entities"].get("space") == name
    ]
    if len(found) > 1 and "res" in wanted.labels:
        found = [p for p in found if f"_res-{wanted.labels['res']}_" in p.name]
    if len(found) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise MissingFileError(
            f"sub-{subject}: one map of grey matter in {wanted.space} is needed in "
            f"{folder}/anat (label-GM_probseg.nii.gz), found {there}. Say which in "
            "dataset.space (such as ':res-2'), use the mask 'brain', or name a mask."
        )
    return found[0]


def find_surfaces(folder: Path, subject: str, space: str) -> tuple[Path, Path] | None:
    """Return the subject's own white surfaces, left and right, for 'fsnative'.

    None for a template's mesh, or if the surfaces are not there.
    """
    return _anatomy(folder, subject, space, "white.surf.gii") or _anatomy(
        folder, subject, space, "smoothwm.surf.gii"
    )


def find_cortex(folder: Path, subject: str, space: str) -> tuple[Path, Path] | None:
    """Return the subject's own masks of cortex, left and right, for 'fsnative'."""
    return _anatomy(folder, subject, space, "desc-cortex_mask.label.gii")


def _anatomy(
    folder: Path, subject: str, space: str, ending: str
) -> tuple[Path, Path] | None:
    if space != "fsnative":
        return None
    pair = [
        path
        for side in ("L", "R")
        for path in folder.glob(f"sub-{subject}/**/anat/sub-*_hemi-{side}_{ending}")
        if "_space-" not in path.name
    ]
    return (pair[0], pair[1]) if len(pair) == 2 else None


def refuse_raw(root: Path, path: Path) -> None:
    """Raise if an image is a BIDS data set's raw scan and no derivative.

    Raises
    ------
    InputError
        With what to run first, and the key that allows it.
    """
    entities = parse_bids_filename(path)["entities"]
    inside = path.relative_to(root).parts if path.is_relative_to(root) else path.parts
    below = [path.parents[k] for k in range(len(inside))]
    places = [folder / "dataset_description.json" for folder in below]
    description = next((place for place in places if place.is_file()), None)
    named = entities.get("suffix", path.name.split(".")[0].rsplit("_", 1)[-1])
    is_raw = named == "bold" and not {"desc", "space"} & set(entities)
    if not is_raw or description is None:
        return
    between = path.relative_to(description.parent).parts
    if "derivatives" not in between and _kind_of(description) == "raw":
        raise InputError(
            f"{'/'.join(inside)} is a raw scan: nothing has corrected its motion or "
            f"brought its runs into one place. {_what_to_run(root, entities['sub'])} "
            "and set dataset.derivatives and dataset.space; or, if it was corrected "
            "elsewhere, set dataset.unprocessed to 'allow'."
        )


def _kind_of(description: Path) -> str:
    try:
        facts = json.loads(description.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{description} cannot be read as JSON: {error}.") from error
    return str(facts.get("DatasetType", "raw")) if isinstance(facts, dict) else "raw"


def _what_to_run(root: Path, subject: str, spaces: str = "T1w") -> str:
    return (
        f"Run first: fmriprep {root} {root / 'derivatives/fmriprep'} participant "
        f"--participant-label {subject} --output-spaces {spaces}"
    )


def _nothing_there(root: Path, derivatives: str, subject: str, wanted: Wanted) -> str:
    spaces = "" if wanted.space == "fsLR" else wanted.space
    cifti = " (with --cifti-output)" if wanted.space == "fsLR" else ""
    others = sorted(path.name for path in (root / derivatives).glob("sub-*/"))
    there = f" There are: {', '.join(others)}." if others else ""
    return (
        f"sub-{subject}: no derivatives in {root / derivatives}.{there} "
        f"{_what_to_run(root, subject, spaces or 'T1w')}{cifti}; or correct "
        "dataset.derivatives."
    )


def _files(folder: Path, subject: str) -> list:
    places = [folder / f"sub-{subject}", *folder.glob(f"sub-{subject}/ses-*")]
    paths = sorted(path for place in places for path in place.glob("func/sub-*_*.*"))
    return [parse_bids_filename(path) for path in paths]


def _is_image(one: Mapping) -> bool:
    return one["extension"] in ("nii.gz", "func.gii", "dtseries.nii")


def _fits(one: Mapping, wanted: Wanted) -> bool:
    entities = one["entities"]
    if one["extension"] != wanted.ending:
        return False
    if entities.get("space", NO_SPACE) != wanted.space:
        return False
    labels = dict(wanted.labels)
    if wanted.ending == "nii.gz":
        labels = {"desc": "preproc"} | labels
    return all(entities.get(key, "none") == label for key, label in labels.items())


def _run_of(one: Mapping) -> Run:
    entities = one["entities"]
    return Run(entities.get("task", ""), entities.get("run", ""), entities.get("ses"))


def _check_labels(bold: list, subject: str) -> None:
    """Raise if one run goes by two labels, such as run-1 and run-01."""
    names: dict[tuple, set[str]] = {}
    for one in bold:
        run = _run_of(one)
        parts = (run.session or "", run.task, run.run)
        bare = tuple(part.lstrip("0") if part.isdigit() else part for part in parts)
        names.setdefault(bare, set()).add(str(run))
    for same in names.values():
        if len(same) > 1:
            raise InputError(
                f"sub-{subject}: one run goes by {' and '.join(sorted(same))}. Give "
                "its files one label."
            )


def _order(run: Run) -> tuple:
    return run.order


def _scan(found: list, files: list, run: Run, space: str) -> Scan:
    hemispheres = {one["entities"].get("hemi") for one in found}
    kinds = {_rest(one) for one in found}
    if len(kinds) > 1 or len(found) > len(hemispheres):
        lines = sorted({f"{space}{_missing_label(one, found)}" for one in found})
        raise InputError(
            f"{run}: {len(found)} files fit the space {space!r}: "
            f"{', '.join(one['file_basename'] for one in found)}. Say which in "
            f"dataset.space: {' or '.join(map(repr, lines))}."
        )
    if found[0]["extension"] == "func.gii":
        if hemispheres != {"L", "R"}:
            raise MissingFileError(
                f"{run}: both hemispheres are needed in space {space!r}, found "
                f"{', '.join(one['file_basename'] for one in found)}. Fetch the other."
            )
        found = sorted(found, key=lambda one: one["entities"]["hemi"])
    paths = tuple(one["file_path"] for one in found)
    masks = _beside(files, found[0], "mask", "brain", ("space", "res", "cohort", "den"))
    tables = _beside(files, found[0], "timeseries", "confounds", ())
    tables = tables or _beside(files, found[0], "regressors", "confounds", ())
    for what, several in (("brain masks", masks), ("tables of confounds", tables)):
        if len(several) > 1:
            raise InputError(
                f"{run}: {len(several)} {what} fit {paths[0].name}: "
                f"{', '.join(path.name for path in several)}. Keep one."
            )
    return Scan(paths, next(iter(masks), None), next(iter(tables), None))


def _beside(
    files: list, scan: Mapping, suffix: str, desc: str, same: Sequence[str]
) -> list[Path]:
    """Return files of the same run with another suffix; what they name is the same.

    Of several, those that have most in common with the scan's name.
    """
    ours = scan["entities"]
    found: list[tuple[int, Path]] = []
    for one in files:
        theirs = one["entities"]
        if one["suffix"] != suffix or theirs.get("desc") != desc:
            continue
        if one["extension"] not in ("nii.gz", "tsv") or _run_of(one) != _run_of(scan):
            continue
        common = set(theirs) & set(ours) - {"desc", "hemi"}
        if all(theirs[key] == ours[key] for key in common) and all(
            theirs.get(key) == ours.get(key) for key in same
        ):
            found.append((len(common), one["file_path"]))
    most = max((n for n, _ in found), default=0)
    return [path for n, path in found if n == most]


def _rest(one: Mapping) -> tuple:
    """Return what tells apart files of one run and space, but for the hemisphere."""
    left = {k: v for k, v in one["entities"].items() if k not in OWN or k == "desc"}
    return tuple(sorted(left.items()))


def _missing_label(one: Mapping, found: list) -> str:
    """Return the pair that this file alone has, as the study's line writes it."""
    keys = sorted({key for other in found for key, _ in _rest(other)})
    differing = [
        key for key in keys if len({o["entities"].get(key) for o in found}) > 1
    ]
    own = one["entities"]
    return "".join(f":{key}-{own.get(key, 'none')}" for key in differing)


def _no_such_space(folder: Path, subject: str, space: str, bold: list) -> str:
    names = sorted({_line_of(one) for one in bold})
    return (
        f"sub-{subject}: no run in the space {space!r} in {folder}. There are: "
        f"{', '.join(names) or 'no runs at all'}.{nearest(space, names)} Choose one of "
        "them as dataset.space, or run fMRIPrep with that output space."
    )


def _line_of(one: Mapping) -> str:
    entities = one["entities"]
    keys = [key for key in ("res", "den", "cohort", "echo") if key in entities]
    pairs = "".join(f":{key}-{entities[key]}" for key in keys)
    return entities.get("space", NO_SPACE) + pairs
