"""The steps made per subject: responses, features, encoding; each is an artefact."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.artefacts import Recipe, file_identity
from ..core.saved import save_bands, save_moments
from ..core.types import Space
from ..encoding.layers import check_disjoint
from ..study import Study
from ..study_encoding import LEVERS
from .alignment import Aligned
from .fitting import Places, fit_subject, shares_features
from .meeting import meeting_table
from .networks import network_identity, network_space, used_spaces
from .opening import Opened
from .prepare import build_features
from .regions import load_rois, roi_files
from .responses import store_responses
from .session import Session
from .sources import feature_files, sound_notes

VERSIONS = {"responses": 3, "features": 3, "encoding": 4}


def make_responses(session: Session, aligned: Aligned) -> str:
    """Make `responses/SUBJECT`: cleaned runs, stacked, with what their rows are."""
    study, opened = session.study, aligned.opened
    recipe = Recipe(
        "responses",
        VERSIONS["responses"],
        {**settings_of_responses(study, aligned.lag_s), "subject": opened.subject},
        hash_inputs(session, opened.inputs, opened),
    )

    def work(folder: Path) -> list[str]:
        text = f"{opened.name}: reading and cleaning runs"
        notes = store_responses(
            study, aligned, folder, session.ticker(text, len(opened.runs))
        )
        return [*opened.notes, *aligned.notes, *notes]

    return session.make(f"responses/sub-{opened.subject}", recipe, work)


def settings_of_responses(study: Study, lag_s: float) -> dict[str, Any]:
    """Return the parts of a study that make its responses, with the lag taken."""
    settings = study.part("dataset", "responses", "alignment")
    for key in ("root", "subjects"):
        settings["dataset"].pop(key)
    settings["alignment"]["lag_s"] = lag_s
    if study.encoding.incomplete_rows == "drop":
        settings |= {
            "dropped": [study.delays_of(band) for band in study.encoding.bands]
        }
    return settings


def make_features(session: Session, aligned: Aligned, responses: str) -> str:
    """Make `features/SUBJECT`: the training and test designs, and their bands."""
    study, opened = session.study, aligned.opened
    recipe = Recipe(
        "features",
        VERSIONS["features"],
        settings_of_features(study),
        {**inputs_of_features(session, opened), "responses": responses},
    )

    def work(folder: Path) -> list[str]:
        built = build_features(study, aligned, session.ticker)
        X_train, X_test, bands, notes, moments = built
        save_moments(folder, moments)
        np.save(folder / "X_train.npy", X_train)
        np.save(folder / "X_test.npy", X_test)
        save_bands(folder, bands)
        meeting = meeting_table(study, aligned).assign(subject=opened.subject)
        meeting.to_csv(folder / "alignment.csv", index=False, float_format="%.9g")
        return [*notes, *sound_notes(study, opened)]

    return session.make(f"features/sub-{opened.subject}", recipe, work)


def settings_of_features(study: Study) -> dict[str, Any]:
    """Return the parts of a study that make its features."""
    settings = study.part("features", "encoding")
    encoding = settings["encoding"]
    names = ("bands", "delays", "incomplete_rows", "precision")
    return {
        "features": {name: settings["features"][name] for name in used_spaces(study)},
        **{name: encoding[name] for name in names},
    }


def inputs_of_features(session: Session, opened: Opened) -> dict[str, Any]:
    """Return the identity of every file and network that features are made from."""
    study = session.study
    networks = {
        f"network of {name}": identity
        for name in used_spaces(study)
        if (identity := network_identity(study, name))
    }
    return {**hash_inputs(session, feature_files(study, opened), opened), **networks}


def make_encoding(
    session: Session,
    opened: Opened,
    open_place: Places,
    *,
    responses: str,
    features: str,
) -> str:
    """Make `models/SUBJECT`: weights, predictions, and what they were scored on."""
    study = session.study
    settings = study.part("encoding", "features", "rois")
    inputs = {"responses": responses, "features": features}
    names = ("alphas", "n_candidates", "folds", "precision", "seed", "solver")
    chosen = {
        name: settings["encoding"][name] for name in (*names, *LEVERS, "stacking")
    }
    by_roi = spaces_by_roi(study)
    if by_roi:
        chosen |= {"layers per ROI": sorted(by_roi), "rois": settings["rois"]}
        inputs |= {
            n: file_identity(study.root / n) for n in roi_files(study, [opened.subject])
        }
    recipe = Recipe("encoding", VERSIONS["encoding"], chosen, inputs)

    def work(folder: Path) -> list[str]:
        keep = shares_features(session, opened.subject)
        place = replace(open_place(), keep=keep)
        return fit_subject(session, opened, folder, place=place, by_roi=by_roi)

    return session.make(f"models/sub-{opened.subject}", recipe, work)


def spaces_by_roi(study: Study) -> list[str]:
    """Return the bands whose layer is chosen for whole ROIs."""
    return [
        name
        for name in study.encoding.bands
        if getattr(network_space(study, name), "choose", "voxel") == "roi"
    ]


def check_layer_rois(study: Study, space: Space, subject: str) -> None:
    """Raise if ROIs that choose a layer share a voxel: before anything is fitted."""
    names = spaces_by_roi(study)
    if names:
        check_disjoint(names[0], list(load_rois(study, space, subject)[0].values()))


def hash_inputs(
    session: Session, files: Iterable[Path], opened: Opened
) -> dict[str, str]:
    """Return the identity of each file, by its path inside the data set as written.

    So two links to files of one name are two files. What sidecars say of the times of
    a run counts too.
    """
    root = session.study.root
    found = {}
    for path in files:
        found[below(path, root)] = file_identity(path)
    for run in opened.runs:
        found[f"timing {run}"] = repr(opened.recording.timing(run))
    events = session.study.dataset.events
    for run_, table in opened.events.items():
        if events is not None:
            found[f"events {run_}"] = _table_identity(table)
    return found


def below(path: Path, root: Path) -> str:
    """Return a path as it lies below `root`; as a whole where it does not."""
    inside = path.is_relative_to(root)
    return (path.relative_to(root) if inside else path).as_posix()


def _table_identity(table: pd.DataFrame) -> str:
    return Recipe("table", 1, {"csv": table.to_csv(index=False)}).identity
