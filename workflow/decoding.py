"""The step that decodes a subject's targets from responses, and scores the decoding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.bootstrap import block_of_row, bootstrap_roi_scores
from ..analysis.moves import shift_runs
from ..analysis.multiple import false_discovery_q
from ..analysis.permutations import permutation_test
from ..core.artefacts import Recipe, file_identity
from ..core.checks import InputError
from ..core.rows import each_run
from ..core.saved import load_bands
from ..core.selection import Selection
from ..core.stats import varies
from ..core.store import open_store
from ..core.types import Band, Space
from ..decoding.cards import Pool
from ..decoding.contrastive import Contrastive
from ..decoding.controls import compare_controls, control_roi
from ..decoding.decode import decode, optimism
from ..decoding.decoders import CortexRidge, Decoder, RoiRidge
from ..decoding.rows import Pairs, average_windows
from ..decoding.scores import score_decoding
from ..study import Study
from .opening import Opened
from .regions import roi_files, rois_to_score
from .session import Session

Floats = NDArray[np.floating]
VERSION = 1
TABLES = ("decoding", "decoding_controls", "decoded_dimensions", "decoding_optimism")
FEWEST_TURNS = 100  # ways in which test runs turn, for a p
FEWEST_DIMENSIONS = 3  # of a row, for the correlation that identification rests on


@dataclass(frozen=True, eq=False)
class _Subject:
    """Responses and rows of one subject, training and test, of rows that are decoded.

    Where no clips are named, `has_clips` is False, and stretches of time stand for
    them.
    """

    subject: str
    Y_train: Floats
    Y_test: Floats
    train_rows: pd.DataFrame
    test_rows: pd.DataFrame
    rois: tuple[Selection, ...]
    has_clips: bool


def check_decoding(
    study: Study, space: Space, rows: pd.DataFrame, subject: str
) -> None:
    """Raise if a study's targets could not be decoded: before anything is fitted.

    Parameters
    ----------
    study : Study
    space : Space
    rows : DataFrame
        All rows of a subject, with `side`, `run_name` and `clip`.
    subject : str
    """
    decoding = study.decoding
    if not decoding.targets:
        return
    test = rows[rows["side"] == "test"]
    rois = _selections(study, space, test, subject)
    if decoding.control_roi is not None:
        control_roi(rois, decoding.control_roi)
    if decoding.decoder == "rois" and decoding.n_best > len(rois):
        raise InputError(
            f"decoding.n_best is {decoding.n_best}, and there are {len(rois)} ROIs. "
            "Lower it, name more ROIs, or take decoder = 'cortex'."
        )
    if decoding.decoder == "contrastive" and find_spec("torch") is None:
        raise InputError(
            "decoding.decoder = 'contrastive' needs torch: pip install "
            "'brain2music[networks]'"
        )
    of_train = set(rows.loc[rows["side"] == "train", "clip"]) - {""}
    shared = sorted(of_train & set(test["clip"]))
    if shared:
        raise InputError(
            f"sub-{subject}: {len(shared)} clips were heard in training and in test, "
            f"such as {shared[0]!r}: a decoder can know them by heart. Leave "
            "decoding.targets out, or the clips out of one side."
        )


def make_decoding(
    session: Session, opened: Opened, *, responses: str, features: str
) -> str:
    """Make `decoding/SUBJECT`, if the study names targets; return its identity, or ''.

    It holds the predicted and the true targets of the test rows, and their tables.
    """
    study = session.study
    if not study.decoding.targets:
        return ""
    settings = study.part("decoding", "rois")
    settings |= {"tr_s": study.dataset.tr_s, "block_s": study.analysis.block_s}
    inputs = {"responses": responses, "features": features}
    inputs |= {
        name: file_identity(study.root / name)
        for name in roi_files(study, [opened.subject])
    }

    def work(folder: Path) -> list[str]:
        return _decode_all(session, opened, folder)

    recipe = Recipe("decoding", VERSION, settings, inputs)
    return session.make(f"decoding/sub-{opened.subject}", recipe, work)


def read_decoding(out: Path, subjects: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the tables of decoding of all subjects, as far as they were made."""
    found = {}
    for name in TABLES:
        paths = [out / f"decoding/sub-{one}/{name}.csv" for one in subjects]
        tables = [
            pd.read_csv(path, dtype={"subject": str, "dimension": str})
            for path in paths
            if path.exists()
        ]
        if tables:
            found[name] = pd.concat(tables, ignore_index=True)
    return found


def _decode_all(session: Session, opened: Opened, folder: Path) -> list[str]:
    study, notes = session.study, []
    targets = study.decoding.targets
    designs = session.out / f"features/sub-{opened.subject}"
    X_train, X_test = (np.load(designs / f"{n}.npy") for n in ("X_train", "X_test"))
    bands = load_bands(designs)
    one, kept = _read(session, opened)
    tables: dict[str, list[pd.DataFrame]] = {}
    advance = session.ticker(f"{opened.name}: decoding", len(targets))
    for name in targets:
        sides = (_target(X_train, bands, name), _target(X_test, bands, name))
        T_train, T_test = (T[rows] for T, rows in zip(sides, kept, strict=True))
        dimensions = np.flatnonzero(varies(T_train) & varies(T_test))
        if len(dimensions) < T_train.shape[1]:
            notes.append(
                f"{opened.name}: {T_train.shape[1] - len(dimensions)} of "
                f"{T_train.shape[1]} dimensions of {name} never vary in training or "
                "test, and are not decoded."
            )
        train = _pairs(one, "train", T_train[:, dimensions])
        test = _pairs(one, "test", T_test[:, dimensions])
        made, said = _decode_one(study, one, train, test, dimensions)
        notes += [f"{opened.name}, {name}: {note}" for note in said]
        np.savez(
            folder / f"{name}.npz",
            predicted=made.pop("predicted"),
            true=test.T,
            dimensions=dimensions,
        )
        source = next(band.source for band in bands if band.name == name)
        for key, table in made.items():
            table.insert(0, "subject", opened.subject)
            table.insert(1, "target", name)
            table.insert(2, "source", source)
            tables.setdefault(key, []).append(table)
        advance(1)
    one.test_rows.to_csv(folder / "rows.csv", index=False)
    for key, parts in tables.items():
        whole = pd.concat(parts, ignore_index=True)
        whole.to_csv(folder / f"{key}.csv", index=False, float_format="%.9g")
    return notes


def _decode_one(
    study: Study, one: _Subject, train: Pairs, test: Pairs, dimensions: NDArray
) -> tuple[dict, list[str]]:
    """Return one target's predictions and tables, and what should be known of them."""
    decoding, notes = study.decoding, []
    decoder = _decoder(study, one.rois)
    options = {"n_folds": decoding.n_folds, "unit": decoding.folds}
    if not one.has_clips:
        options["unit"] = "run"
    decoded = decode(decoder, train, test, **options)
    made = {"predicted": decoded.predicted}
    made["decoded_dimensions"], said = _dimensions(
        study, one, test, decoded.predicted, dimensions
    )
    notes += said
    if options["unit"] == "clip":
        made["decoding_optimism"] = optimism(decoder, train, n_folds=decoding.n_folds)
    if not one.has_clips:
        return made, notes
    if test.T.shape[1] < FEWEST_DIMENSIONS:
        notes.append(
            f"no identification: it correlates over {test.T.shape[1]} dimensions, "
            f"and {FEWEST_DIMENSIONS} are needed."
        )
        return made, notes
    pool = Pool(
        clips=test.clips,
        n_permutations=decoding.n_permutations,
        n_resamples=decoding.n_resamples,
        seed=decoding.seed,
    )
    made["decoding"] = score_decoding(decoded.predicted, test, chance=pool)
    predictions = {"decoder": average_windows(decoded.predicted, test.clips)[0]}
    if decoding.control_roi is not None:
        roi = control_roi(one.rois, decoding.control_roi)
        other = decode(CortexRidge(decoding.alphas, inside=roi), train, test, **options)
        predictions[f"{roi.name} alone"] = average_windows(other.predicted, test.clips)[
            0
        ]
    truth, clips = average_windows(test.T, test.clips)
    made["decoding_controls"] = compare_controls(
        predictions, truth, train.T, pool=replace(pool, clips=clips, name="clips")
    )
    return made, notes


def _dimensions(
    study: Study, one: _Subject, test: Pairs, predicted: Floats, dimensions: NDArray
) -> tuple[pd.DataFrame, list[str]]:
    """Return r of each dimension over the test rows, with interval, p and q."""
    settings, notes = study.decoding, []
    blocks = block_of_row(one.test_rows, study.dataset.tr_s, study.analysis.block_s)
    key = ("decoded", "all")
    resampled = bootstrap_roi_scores(
        test.T,
        {key: predicted},
        np.eye(test.T.shape[1], dtype=bool),
        blocks,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
    )[key]
    low, high = np.nanquantile(resampled, [0.025, 0.975], axis=0)
    runs = one.test_rows["run_name"].to_numpy()
    n_turns = float(np.prod([float(s.stop - s.start) for s in each_run(runs)]))
    table = pd.DataFrame({"dimension": dimensions.astype(str)})
    if n_turns < FEWEST_TURNS:
        notes.append(f"no p: the test runs turn in {n_turns:g} ways.")
        return table.assign(r=np.nan, r_low=low, r_high=high), notes
    moves = shift_runs(runs, n_permutations=settings.n_permutations, seed=settings.seed)
    tested = permutation_test(test.T, predicted, moves)
    return table.assign(
        r=tested.r,
        r_low=low,
        r_high=high,
        p=tested.p,
        q_bh=false_discovery_q(tested.p),
        n_blocks=len(np.unique(blocks)),
        n_permutations=settings.n_permutations,
    ), notes


def _decoder(study: Study, rois: Sequence[Selection]) -> Decoder:
    settings = study.decoding
    if settings.decoder == "rois":
        return RoiRidge(rois, n_best=settings.n_best, alphas=settings.alphas)
    if settings.decoder == "contrastive":
        return Contrastive(settings.seed, n_voxels=settings.n_voxels)
    return CortexRidge(settings.alphas, n_voxels=settings.n_voxels)


def _target(X: Floats, bands: Sequence[Band], name: str) -> Floats:
    """Return a feature space's columns, the mean over its delays."""
    edges = np.cumsum([0, *(band.n_columns for band in bands)])
    places = [k for k, band in enumerate(bands) if band.name == name]
    if len(places) > 1:
        raise InputError(
            f"decoding.targets names {name!r}, which has {len(places)} layers to "
            "choose from. Name one layer of it as a feature space of its own."
        )
    (k,) = places
    columns = X[:, edges[k] : edges[k + 1]].astype(np.float64)
    shape = (len(X), len(bands[k].delays), bands[k].n_features)
    return columns.reshape(shape).mean(axis=1)


def _read(
    session: Session, opened: Opened
) -> tuple[_Subject, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return a subject's rows that are decoded, and which those are of each side."""
    study = session.study
    store = open_store(session.out / f"responses/sub-{opened.subject}")
    tables = [store.train_rows(), store.test_rows()]
    has_clips = any((rows["clip"] != "").any() for rows in tables if "clip" in rows)
    kept = tuple(
        (rows["clip"] != "").to_numpy() if has_clips else np.ones(len(rows), bool)
        for rows in tables
    )
    Y = [read(store.valid)[k] for read, k in zip((store.train, store.test), kept)]
    tables = [t[k].reset_index(drop=True) for t, k in zip(tables, kept, strict=True)]
    rois = _selections(study, store.space, store.repeat_rows(), opened.subject)
    inside = tuple(replace(roi, mask=roi.mask[store.valid]) for roi in rois)
    used = tuple(roi for roi in inside if roi.mask.any())
    return _Subject(opened.subject, *Y, *tables, used, has_clips), kept


def _selections(
    study: Study, space: Space, test_rows: pd.DataFrame, subject: str
) -> tuple[Selection, ...]:
    rois, _ = rois_to_score(study, space, test_rows, subject)
    return tuple(Selection(name, mask, "atlas") for name, mask in rois.items())


def _pairs(one: _Subject, side: str, T: Floats) -> Pairs:
    Y, rows = (
        (one.Y_train, one.train_rows)
        if side == "train"
        else (one.Y_test, one.test_rows)
    )
    clips = rows["clip"].to_numpy() if one.has_clips else side + rows["run_name"]
    return Pairs(Y, T, rows["run_name"].to_numpy(), np.asarray(clips))
