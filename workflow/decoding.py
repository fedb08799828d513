"""The steps that decode targets: each subject alone, and by the other subjects."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.multiple import false_discovery_q
from ..core.artefacts import Recipe, discard, file_identity
from ..core.checks import InputError
from ..core.store import open_store
from ..core.types import Space
from ..data.files import file_inside
from ..decoding.alignment import check_transport
from ..decoding.controls import control_roi
from ..decoding.groups import compare_groups
from ..study import Study
from .across_doors import check_voxels_across
from .decoded_losses import rows_table
from .decoded_rows import atlas, genre_of_clips, read_rows_to_decode
from .decoding_across import decode_each_by_others
from .decoding_tables import decode_target
from .decoding_targets import targets_that_vary
from .networks import layers_of, network_of, network_space
from .opening import Opened
from .regions import roi_files
from .session import Session
from .tables import read_tables

Floats = NDArray[np.floating]
VERSION = 5
ACROSS = "decoding/across"
TABLES = (
    "decoding",
    "decoding_rows",
    "decoding_controls",
    "decoding_chosen",
    "decoding_alphas",
    "decoding_labels",
    "decoding_confusion",
    "decoding_genres",
    "decoding_transfer",
    "decoding_windows",
    "decoding_lags",
    "decoding_optimism",
    "decoded_dimensions",
)


def check_decoding(
    study: Study, opened: Opened, space: Space, rows: pd.DataFrame
) -> None:
    """Raise if a study's targets could not be decoded: before anything is fitted.

    Parameters
    ----------
    study : Study
    opened : Opened
    space : Space
    rows : DataFrame
        All rows of a subject, with `side`, `run_name` and `clip`.
    """
    decoding = study.decoding
    if not decoding.targets:
        return
    test = rows[rows["side"] == "test"]
    rois = atlas(study, space, test, opened.subject)
    for name in (*decoding.across_rois, decoding.control_roi):
        if name is not None:
            control_roi(rois, name)
    if decoding.decoder == "rois" and decoding.n_best > len(rois):
        raise InputError(
            f"decoding.n_best is {decoding.n_best}, and there are {len(rois)} ROIs. "
            "Lower it, name more ROIs, or take decoder = 'cortex'."
        )
    if decoding.n_voxels is not None and decoding.n_voxels > space.n_voxels:
        raise InputError(
            f"decoding.n_voxels is {decoding.n_voxels}, and {opened.name} has "
            f"{space.n_voxels} voxels. Lower it, or leave it out for all."
        )
    for name in decoding.targets:
        _check_one_layer(study, name)
    _check_clips(study, opened, rows)
    _check_installed(study)
    if decoding.groups is not None:
        _check_groups(study)


def _check_installed(study: Study) -> None:
    if study.decoding.decoder == "contrastive" and find_spec("torch") is None:
        raise InputError(
            "decoding.decoder = 'contrastive' needs torch: pip install "
            "'brain2music[models]'"
        )
    if study.decoding.across == "transport":
        check_transport()


def check_alive(session: Session, opened: Sequence[Opened]) -> None:
    """Raise if too few voxels vary, or too many are to be aligned across subjects.

    To be called when responses are there, and before anything is fitted.
    """
    if not session.study.decoding.targets:
        return
    valid = {one.subject: _check_alive(session, one) for one in opened}
    check_voxels_across(session.study, opened, valid)


def _check_alive(session: Session, opened: Opened) -> NDArray[np.bool_]:
    """Return the voxels that vary; raise if an ROI that decoding names has none."""
    study, decoding = session.study, session.study.decoding
    store = open_store(session.out / f"responses/sub-{opened.subject}")
    rois = atlas(study, store.space, store.repeat_rows(), opened.subject)
    dead = [roi.name for roi in rois if not roi.mask[store.valid].any()]
    for name in (*decoding.across_rois, decoding.control_roi):
        if name in dead:
            raise InputError(
                f"{opened.name}: no voxel of ROI {name!r}, which decoding names, "
                "varies in all runs. Name another one."
            )
    if decoding.decoder == "rois" and decoding.n_best > len(rois) - len(dead):
        raise InputError(
            f"{opened.name}: decoding.n_best is {decoding.n_best}, and in "
            f"{len(dead)} of {len(rois)} ROIs no voxel varies in all runs. Lower it."
        )
    if decoding.n_voxels is not None and decoding.n_voxels > store.valid.sum():
        raise InputError(
            f"{opened.name}: decoding.n_voxels is {decoding.n_voxels}, and "
            f"{int(store.valid.sum())} voxels vary in all runs. Lower it."
        )
    return store.valid


def _check_clips(study: Study, opened: Opened, rows: pd.DataFrame) -> None:
    decoding = study.decoding
    clips = {
        side: set(rows.loc[rows["side"] == side, "clip"]) - {""}
        for side in ("train", "test")
    }
    shared = sorted(clips["train"] & clips["test"])
    asked = [name for name in ("genres", "lags", "across") if getattr(decoding, name)]
    if shared and asked:
        raise InputError(
            f"{opened.name}: decoding.{asked[0]} asks of clips that were not in "
            f"training, and {len(shared)} test clips were, such as {shared[0]!r}. "
            f"Leave decoding.{asked[0]} out."
        )
    wanted = {
        "genres": decoding.genres is not None,
        "lags": bool(decoding.lags),
        "groups": decoding.groups is not None,
        "across": decoding.across is not None,
        "control_roi": decoding.control_roi is not None,
        "folds": decoding.folds == "clip",
    }
    if bool(clips["train"]) != bool(clips["test"]):
        one = "training" if clips["train"] else "test"
        raise InputError(
            f"{opened.name}: the events of {one} runs name clips, and the others do "
            "not. Set dataset.clip so that both do, or neither."
        )
    asked = [name for name, wants in wanted.items() if wants]
    if asked and not (clips["train"] and clips["test"]):
        raise InputError(
            f"decoding.{asked[0]} is about clips, and the events of this study name "
            f"none. Set dataset.clip, or leave decoding.{asked[0]} out."
        )
    if decoding.genres is not None:
        genre_of_clips(opened, decoding.genres)
    for side in ("train", "test") if decoding.lags else ():
        longest = rows.loc[rows["side"] == side, "sample_in_clip"].max()
        if longest < max(decoding.lags):
            raise InputError(
                f"{opened.name}: decoding.lags asks for volume {max(decoding.lags)} "
                f"after a clip's onset, and {side} clips have volumes 0 to {longest}. "
                "Take shorter lags."
            )


def _check_groups(study: Study) -> None:
    """Raise if subjects cannot be parted into two groups."""
    blank = {subject: float(k) for k, subject in enumerate(study.dataset.subjects)}
    column = str(study.decoding.groups)
    try:
        compare_groups(blank, _participants(study), column, seed=0, n_resamples=1)
    except InputError as error:
        raise InputError(f"decoding.groups: {error}") from error


def _check_one_layer(study: Study, name: str) -> None:
    space = network_space(study, name)
    if space is None:
        return
    n_layers = len(layers_of(network_of(study, space), space))
    if n_layers > 1:
        raise InputError(
            f"decoding.targets names {name!r}, which has {n_layers} layers to choose "
            "from. Name one layer of it as a feature space of its own."
        )


def make_decoding(
    session: Session, opened: Opened, *, responses: str, features: str, stimuli: str
) -> str:
    """Make `decoding/SUBJECT`, if the study names targets; return its identity, or ''.

    It holds the predicted and the true targets of the test rows, and their tables.
    """
    study = session.study
    if not study.decoding.targets:
        return ""
    settings = study.part("decoding", "rois")
    settings |= {"tr_s": study.dataset.tr_s, "block_s": study.analysis.block_s}
    inputs = {"responses": responses, "features": features, "stimuli": stimuli}
    inputs |= {
        name: file_identity(study.root / name)
        for name in roi_files(study, [opened.subject])
    }

    def work(folder: Path) -> list[str]:
        return _decode_all(session, opened, folder)

    recipe = Recipe("decoding", VERSION, settings, inputs)
    return session.make(f"decoding/sub-{opened.subject}", recipe, work)


def make_across(
    session: Session, opened: Sequence[Opened], identities: dict[str, str]
) -> str:
    """Make `decoding/across`, where it is asked for; return its identity, or ''."""
    study = session.study
    if study.decoding.across is None or len(opened) < 2:
        discard(session.out / ACROSS)
        return ""

    def work(folder: Path) -> list[str]:
        table, notes = decode_each_by_others(session, opened)
        if table is not None:
            path = folder / "decoding_across.csv"
            table.to_csv(path, index=False, float_format="%.9g")
        return notes

    return session.make(
        ACROSS,
        Recipe("across", VERSION, study.part("decoding", "rois"), identities),
        work,
    )


def read_decoding(study: Study, out: Path, subjects: Sequence[str]) -> dict:
    """Return the tables of decoding of all subjects, as far as they were made."""
    found = read_tables([out / f"decoding/sub-{one}" for one in subjects], TABLES)
    found |= read_tables([out / ACROSS], ["decoding_across"])
    if study.decoding.groups is not None and "decoding" in found:
        found["decoding_groups"] = groups_table(study, found["decoding"])
    return found


def groups_table(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return how identification differs between groups of subjects.

    q_permutation is corrected for the number of targets (Benjamini-Hochberg).
    """
    asked = (table["metric"] == "identification accuracy") & (table["pool"] == "clips")
    rows = []
    for (target, source), part in table[asked].groupby(
        ["target", "source"], sort=False, dropna=False
    ):
        scores = dict(zip(part["subject"], part["value"], strict=True))
        difference = compare_groups(
            scores,
            _participants(study),
            str(study.decoding.groups),
            seed=study.decoding.seed,
        )
        facts = asdict(difference)
        pairs = {
            f"{name}_{k}": value
            for name in ("groups", "n", "means")
            for k, value in zip("ab", facts.pop(name), strict=True)
        }
        rows.append({"target": target, "source": source} | pairs | facts)
    found = pd.DataFrame(rows)
    return found.assign(q_permutation=false_discovery_q(found["p_permutation"]))


def _participants(study: Study) -> pd.DataFrame:
    path = file_inside(study.root, "participants.tsv")
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def _decode_all(session: Session, opened: Opened, folder: Path) -> list[str]:
    study = session.study
    rows = read_rows_to_decode(session, opened)
    counts, said = rows_table(study, opened, rows)
    counts.insert(0, "subject", opened.subject)
    tables: dict[str, list[pd.DataFrame]] = {"decoding_rows": [counts]}
    advance = session.ticker(f"{opened.name}: decoding", len(study.decoding.targets))
    notes = [f"{opened.name}, decoding: {note}" for note in said]
    for name in study.decoding.targets:
        target = targets_that_vary(study, rows, name)
        made, said = decode_target(session, opened, rows, target)
        notes += [f"{opened.name}, {name}: {note}" for note in said]
        arrays = {
            "predicted": made.pop("predicted"),
            "random": made.pop("random"),
            "true": target.test.T,
            "dimensions": target.kept,
            "train_mean": target.train_mean,
            "control": made.pop("control"),
        }
        there = {key: value for key, value in arrays.items() if value is not None}
        np.savez(folder / f"{name}.npz", **there)
        for key, table in made.items():
            table.insert(0, "subject", opened.subject)
            table.insert(1, "target", name)
            table.insert(2, "source", rows.source(name))
            tables.setdefault(key, []).append(table)
        advance(1)
    _with_genres(study, opened, rows.test.rows).to_csv(folder / "rows.csv", index=False)
    for key, parts in tables.items():
        whole = pd.concat(parts, ignore_index=True)
        whole.to_csv(folder / f"{key}.csv", index=False, float_format="%.9g")
    return notes


def _with_genres(study: Study, opened: Opened, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the genre of each clip, where genres are decoded."""
    if study.decoding.genres is None:
        return rows
    genres = genre_of_clips(opened, study.decoding.genres)
    return rows.assign(genre=rows["clip"].map(genres))
