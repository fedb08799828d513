"""Where the columns of a surface lie on spheres: to turn maps, and for a template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nibabel.freesurfer import read_geometry
from nilearn.datasets import load_fsaverage
from numpy.typing import NDArray

from ..analysis.projection import match_vertices, template_table, to_template
from ..analysis.spin import FEWEST, spin_test
from ..core.checks import InputError
from ..core.types import Space
from ..data.files import file_inside, path_of
from ..data.surfaces import SIDES, check_side, read_gifti
from ..study import Study
from .scored import Part, Scored, Scores

Floats = NDArray[np.floating]
TEMPLATE = "fsaverage5"  # comes with nilearn
WITHIN_MM = 3.0  # about the spacing of the template's vertices


@dataclass(frozen=True, slots=True, eq=False)
class Spheres:
    """Where each column lies on the sphere of its hemisphere, as registered.

    Parameters
    ----------
    points : array of shape (n_columns, 3)
    is_left : array of bool, shape (n_columns,)
    """

    points: Floats
    is_left: NDArray[np.bool_]


def spheres_of(study: Study, space: Space, subject: str) -> Spheres | None:
    """Return the spheres of a subject's surface; None where they are not known.

    Those that the study names, or nilearn's own for fsaverage5.

    Raises
    ------
    InputError
        If a file is no sphere, or of another mesh than the responses.
    """
    sides = whole_spheres(study, space, subject)
    if sides is None:
        return None
    index = np.asarray(space.index)
    return Spheres(np.concatenate(sides)[index], index < len(sides[0]))


def whole_spheres(study: Study, space: Space, subject: str) -> list[Floats] | None:
    """Return all vertices of both spheres, left and right, (n_vertices, 3) each.

    Raises
    ------
    InputError
        If a file is no sphere, or of another mesh than the responses.
    """
    if space.kind != "surface" or len(space.parts) != len(SIDES):
        return None
    if study.analysis.spheres:
        sides = [
            _read_sphere(_path(study, pattern, subject), side)
            for pattern, side in zip(study.analysis.spheres, SIDES, strict=True)
        ]
    elif space.name == TEMPLATE:
        sides = template_spheres()
    else:
        return None
    for points, part in zip(sides, space.parts, strict=True):
        if len(points) != part.shape[0]:
            raise InputError(
                f"analysis.spheres: the {part.name} sphere has {len(points)} vertices, "
                f"the responses of sub-{subject} {part.shape[0]}. Take the registered "
                "sphere of the surface that they were sampled on."
            )
    return sides


def template_spheres() -> list[Floats]:
    """Return the spheres of fsaverage5, left and right, (n_vertices, 3) each."""
    parts = load_fsaverage(TEMPLATE)["sphere"].parts
    return [np.asarray(parts[side].coordinates, np.float64) for side in SIDES]


def sphere_files(study: Study, subjects: Sequence[str]) -> list[str]:
    """Return the files that spheres are read from, below the root."""
    found = [
        path_of(study.root, pattern, subject).relative_to(study.root).as_posix()
        for subject in subjects
        for pattern in study.analysis.spheres
    ]
    return list(dict.fromkeys(found))


def spin_tables(study: Study, scored: Scored, space: Space, scores: Scores) -> Part:
    """Return `map_correlations`: how alike the maps of two feature spaces are.

    The maps are held-out r of each feature space by itself. p is two-sided, against
    the same map turned on the whole sphere; `n_spins` counts the turns that left a
    quarter of the vertices or more.
    """
    sides = whole_spheres(study, space, scored.subject)
    n_spins = study.analysis.n_spins
    if sides is None or not n_spins or len(scored.bands) < 2:
        return Part({}, [])
    if find_spec("brainspace") is None:
        note = (
            "maps are not compared by turning them on the sphere: BrainSpace is not "
            "installed (pip install 'brain2music[spin]')."
        )
        return Part({}, [note])
    points = np.concatenate(sides)
    here = np.asarray(space.index)[np.isin(np.asarray(space.ids), scored.voxels)]
    if len(here) < FEWEST:
        return Part({}, [])
    maps = {name: np.full(len(points), np.nan) for name in scored.bands}
    for name, whole in maps.items():
        whole[here] = scores["alone", name]["r"]
    options: dict[str, Any] = {
        "is_left": np.arange(len(points)) < len(sides[0]),
        "n_spins": n_spins,
        "seed": study.analysis.seed,
    }
    table, notes = _compare(maps, points, options)
    if not len(table):
        return Part({}, notes)
    table.insert(0, "subject", scored.subject)
    return Part({"map_correlations": scored.named(table)}, notes)


def _compare(
    maps: Mapping[str, Floats], points: Floats, options: Mapping[str, Any]
) -> tuple[pd.DataFrame, list[str]]:
    """Return a row per pair of maps that can be turned, and why others cannot."""
    records, refused = [], dict[str, list[str]]()
    for a, b in combinations(maps, 2):
        try:
            test = spin_test(maps[a], maps[b], points, **options)
        except InputError as error:
            refused.setdefault(str(error), []).append(f"{a} and {b}")
            continue
        records.append((a, b, test.n_vertices, test.r, test.p, test.n_turns))
    notes = [
        f"maps are not compared by turning ({', '.join(pairs[:2])}"
        f"{' ...' if pairs[2:] else ''}): {error}"
        for error, pairs in refused.items()
    ]
    columns = ["a", "b", "n_vertices", "r_of_maps", "p_spin", "n_spins"]
    return pd.DataFrame(records, columns=columns), notes


def on_template(
    study: Study, maps: Mapping[str, Floats], spaces: Mapping[str, Space]
) -> pd.DataFrame | None:
    """Return the mean of subjects' maps on fsaverage5, or None without spheres.

    Parameters
    ----------
    study : Study
    maps : dict of subject to array of shape (n_columns,)
    spaces : dict of subject to Space

    Returns
    -------
    table : DataFrame
        As `analysis.projection.template_table` has it, one row per vertex that any
        subject has. Each takes the value of a subject's nearest column on the
        registered spheres, up to 3 mm away.
    """
    if not study.analysis.spheres or len(maps) < 2:
        return None
    sides = template_spheres()
    template, left = np.concatenate(sides), np.arange(sum(map(len, sides)))
    rows = []
    for subject, values in maps.items():
        spheres = spheres_of(study, spaces[subject], subject)
        if spheres is None:
            return None
        match = match_vertices(
            spheres.points,
            template,
            is_left=spheres.is_left,
            template_left=left < len(sides[0]),
        )
        rows.append(to_template(values, match, within_mm=WITHIN_MM))
    table = template_table(np.stack(rows), list(maps))
    return table[table["n_subjects"] > 0].reset_index(drop=True)


def _path(study: Study, pattern: str, subject: str) -> Path:
    name = path_of(study.root, pattern, subject).relative_to(study.root)
    return file_inside(study.root, name.as_posix())


def _read_sphere(path: Path, side: str) -> Floats:
    """Read a sphere as GIFTI (.surf.gii), or as FreeSurfer writes it."""
    if path.name.endswith(".gii"):
        image = read_gifti(path, f"sphere, {side} hemisphere")
        check_side(image, side, path.name)
        points = np.asarray(image.agg_data("NIFTI_INTENT_POINTSET"), np.float64)
    else:
        try:
            points = np.asarray(read_geometry(path)[0], np.float64)
        except (OSError, ValueError, IndexError) as error:
            raise InputError(f"{path} is no FreeSurfer surface: {error}.") from error
    radius = np.linalg.norm(points, axis=-1) if points.ndim == 2 else np.zeros(1)
    if points.ndim != 2 or not np.allclose(radius, radius.mean(), rtol=0.02):
        raise InputError(
            f"{path} is no sphere: its vertices lie {radius.min():.1f} to "
            f"{radius.max():.1f} from the middle. Give lh.sphere.reg and rh.sphere.reg."
        )
    return points
