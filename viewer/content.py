"""What the viewer shows of a study: gathered from what a run saved, computed nowhere.

Numbers are those of the tables and models; only what a browser cannot ask of a whole
model is reduced here: the norm of weights per delay, and the clips of each vertex.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from ..analysis.rois import written_roi
from ..core.checks import InputError
from ..core.saved import SavedModel
from ..core.types import Space, label_of
from ..figures.solid import CortexMesh, cortex_mesh
from ..figures.style import palette
from ..figures.surfaces import N_VERTICES, map_problem
from ..study import Study
from ..workflow.own_surfaces import OwnSurfaces
from ..workflow.regions import ALL
from ..workflow.statistic_maps import CEILINGS, OnColumns
from ..workflow.to_draw import Saved, load_saved
from .packed import Packed
from .scales import Scales
from .vertices import clip_names, delay_norms, extreme_clips

Floats = NDArray[np.floating]
Index = dict[str, Any]

UNITS = {"r": "r, held-out runs", "r2": "share of variance, held-out runs"}
FORMAT = 1


@dataclass
class Content:
    """The index of a study, and its binary files by their names."""

    index: Index
    files: dict[str, Packed] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def n_bytes(self) -> int:
        """Size of the binary files together."""
        return sum(file.n_bytes for file in self.files.values())

    def file(self, name: str) -> Packed:
        """Return a file by its name, begun where there is none yet."""
        return self.files.setdefault(name, Packed(name))

    @property
    def clips(self) -> list[str]:
        """Every clip that can be asked for, each once."""
        names = [name for one in self.index["subjects"] for name in one["clips"]]
        return list(dict.fromkeys(names))


def study_content(
    study: Study,
    out: Path,
    subjects: Sequence[str],
    *,
    surfaces: OwnSurfaces | None = None,
) -> Content:
    """Gather what the viewer shows of the subjects that lie on a cortex.

    Parameters
    ----------
    study : Study
    out : Path
        Folder of the results.
    subjects : sequence of str
    surfaces : OwnSurfaces, optional
        Of subjects on no mesh that is known by its name.

    Raises
    ------
    InputError
        If no subject lies on a cortex, such as those of a table of parcels.
    """
    saved = load_saved(study, out, subjects)
    problems = {s: map_problem(model.space) for s, model in saved.models.items()}
    if surfaces is not None:
        for subject, model in saved.models.items():
            if problems[subject] and surfaces.fits(model.space):
                problems[subject] = None
    there = [subject for subject in subjects if not problems[subject]]
    notes = [f"sub-{s}: {text}." for s, text in problems.items() if text]
    if not there:
        raise InputError(_nothing_to_see(out, notes, saved))
    if "voxel_scores" not in saved.tables:
        raise InputError(
            f"{out} has no scores per vertex. Run the study up to its tables first."
        )
    content = Content(_begun(study, saved.models[there[0]]), notes=notes)
    scales = Scales()
    for subject in there:
        mesh = _add_mesh(content, saved.models[subject].space, subject, surfaces)
        content.index["subjects"].append(_subject(content, saved, subject, scales))
        content.index["subjects"][-1]["mesh"] = mesh
    content.index["scales"] = scales.limits()
    for name in scales.colour_maps:
        colours = mpl.colormaps[name](np.arange(256), bytes=True)[:, :3]
        content.index["colours"][name] = colours.tolist()
    return content


def _begun(study: Study, model: SavedModel) -> Index:
    return {
        "format": FORMAT,
        "title": study.title,
        "simulated": study.dataset.simulated,
        "tr_s": study.dataset.tr_s,
        "fdr": study.analysis.fdr,
        "bands": _bands(model),
        "meshes": {},
        "subjects": [],
        "colours": {},
    }


def _add_mesh(
    content: Content, space: Space, subject: str, surfaces: OwnSurfaces | None
) -> str:
    """Add a subject's mesh if it is not there already, and return its name."""
    own = map_problem(space) is not None and surfaces is not None
    name = surfaces.name(space, subject) if own and surfaces else space.name
    if name not in content.index["meshes"]:
        mesh = surfaces.mesh(space, subject) if own and surfaces else cortex_mesh(name)
        content.index["meshes"][name] = _mesh(content, mesh)
    return name


def _nothing_to_see(out: Path, notes: Sequence[str], saved: Saved) -> str:
    kinds = {model.space.kind for model in saved.models.values()}
    why = " ".join(dict.fromkeys(note.split(": ", 1)[1] for note in notes))
    if kinds == {"labels"}:
        why = (
            "its responses are parcels with a label and without a place, so there is "
            "no cortex to show them on, and none is made up."
        )
    if kinds == {"surface"}:
        why += " Give the surfaces that the data were sampled on with --inflated."
    return (
        f"{out} cannot be viewed: {why} The viewer shows vertices of meshes that are "
        f"known ({', '.join(N_VERTICES)}, pycortex:NAME), or of your own surfaces. All "
        "scores are in tables/ and in the report."
    )


def _bands(model: SavedModel) -> list[Index]:
    colours = palette(band.name for band in model.bands)
    labels = {band.name: label_of(band.name, band.source) for band in model.bands}
    return [
        {"name": name, "label": label, "colour": colours[name]}
        for name, label in labels.items()
    ]


def _mesh(content: Content, mesh: CortexMesh) -> Index:
    file = content.file(f"mesh-{len(content.index['meshes'])}.bin")
    bent = np.clip(mesh.curvature / 0.4, -1, 1)  # for shades of grey, and no number
    about: Index = {
        "n_left": mesh.n_left,
        "n_vertices": mesh.n_vertices,
        "inflated": file.add(mesh.inflated, "float32"),
        "faces": file.add(mesh.faces, "uint32"),
        "curvature": file.add(np.round(127.5 + 127.5 * bent), "uint8"),
    }
    if mesh.flat is not None and mesh.flat_faces is not None:
        about["flat"] = file.add(mesh.flat, "float32")
        about["flat_faces"] = file.add(mesh.flat_faces, "uint32")
    return about


def _subject(content: Content, saved: Saved, subject: str, scales: Scales) -> Index:
    model, place = saved.models[subject], len(content.index["subjects"])
    scores, more = content.file(f"maps-{place}.bin"), content.file(f"more-{place}.bin")
    index = np.asarray(model.space.index)
    maps = []
    for one, values in _maps(saved, subject):
        one["scale"] = scales.add(one["kind"], one["model"], values)
        maps.append({**one, "values": scores.add(values, "float32")})
    clips = clip_names(list(model.rows["clip"]))
    return {
        "name": subject,
        "vertices": scores.add(index, "uint32"),
        "ids": [] if _counted(model) else list(model.space.ids),
        "n_columns": model.space.n_voxels,
        "n_fitted": int(model.valid.sum()),
        "maps": maps,
        "rois": [
            {"name": written_roi(name), "mask": more.add(mask, "uint8")}
            for name, mask in saved.rois[subject].items()
            if name != ALL
        ],
        "delays": _delays(model, more),
        "clips": clips,
        "extremes": _extremes(model, more) if len(clips) > 1 else [],
    }


def _counted(model: SavedModel) -> bool:
    """Whether each column is named by the number of its vertex."""
    index = np.asarray(model.space.index)
    return list(model.space.ids) == [str(number) for number in index]


def _maps(saved: Saved, subject: str) -> Iterator[tuple[Index, Floats]]:
    """Yield what each map is of, and its values, one per column."""
    on = OnColumns(saved.models[subject])
    keys = ["model", "feature_space", "score"]
    for key, rows in _of(saved, "voxel_scores", subject, keys):
        model, band, kind = key
        yield _map(model, band, kind, UNITS.get(kind, kind)), on(rows["value"])
    q = f"q_{saved.study.analysis.fdr}"
    label = f"q, share of false discoveries ({saved.study.analysis.fdr})"
    keys = ["model", "feature_space"]
    for key, rows in _of(saved, "voxel_significance", subject, keys):
        model, band = key
        yield _map(model, band, "q", label), on(rows[q])
    for _, rows in _of(saved, "voxel_ceilings", subject, ["subject"]):
        for kind, unit in CEILINGS.items():
            yield _map("ceiling", "all", kind, unit), on(rows[kind])


def _map(model: str, band: str, kind: str, label: str) -> Index:
    return {"model": model, "band": band, "kind": kind, "label": label}


def _of(
    saved: Saved, name: str, subject: str, keys: list[str]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    table = saved.tables.get(name)
    if table is None:
        return
    mine = table[table["subject"] == subject]
    for key, rows in mine.groupby(keys, sort=False):
        yield tuple(map(str, key)), rows.set_index("voxel")


def _delays(model: SavedModel, file: Packed) -> list[Index]:
    """Return the norm of each band's weights per delay, of the joint model."""
    found: list[Index] = []
    weights, start = model.array("weights"), 0
    for band in model.bands:
        norms = delay_norms(weights[start : start + band.n_columns], band)
        start += band.n_columns
        place = file.add(norms, "float16")
        found.append({"band": band.name, "delays": list(band.delays), "values": place})
    return found


def _extremes(model: SavedModel, file: Packed) -> list[Index]:
    """Return the strongest and weakest clips of each model, per column."""
    found = []
    clips = list(model.rows["clip"])
    width = "uint8" if len(clip_names(clips)) <= 256 else "uint32"
    for name, band, predictions in _predictions(model):
        extremes = extreme_clips(predictions, clips)
        found.append(
            {
                "model": name,
                "band": band,
                "which": file.add(extremes.which, width),
                "values": file.add(extremes.values, "float16"),
            }
        )
    return found


def _predictions(model: SavedModel) -> Iterator[tuple[str, str, Floats]]:
    yield "joint", "all", model.array("predictions")
    names = [band.name for band in model.bands]
    for band, values in zip(names, model.array("predictions_alone"), strict=True):
        yield "alone", band, values
