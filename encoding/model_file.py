"""A fitted banded ridge in one small file, without code inside.

An `.npz` archive of plain arrays and one JSON text, `about`: which format and version
it is, the settings, and where the model came from. Nothing in it is executed.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..core.checks import Floats, InputError, MissingFileError, check_choice
from .banded_ridge import BandedRidge
from .model_checks import (
    FORMAT,
    PRECISIONS,
    VERSION,
    About,
    arrays_problem,
    plain,
    read_about,
)

ARRAYS = ("coef", "scale", "intercept", "band_weights", "alphas", "cv_scores")


def save_ridge(
    model: BandedRidge,
    path: str | Path,
    *,
    precision: Literal["float16", "float32"] = "float32",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted model to `path`, whole or not at all.

    Parameters
    ----------
    model : BandedRidge
        Its splitter is written as text alone: it is not needed to predict.
    path : str or Path
        Ends in '.npz'.
    precision : 'float16' or 'float32'
        Of the weights, each voxel's relative to its largest: float16 keeps three
        digits of that.
    provenance : mapping, optional
        What JSON can hold: dataset, subject, versions, date. Texts, numbers, lists and
        mappings; anything else is refused.

    Raises
    ------
    InputError
        If the path ends otherwise, a weight or an intercept is not finite, or
        `provenance` holds what JSON cannot.
    """
    check_is_fitted(model)
    check_choice(precision, "precision", PRECISIONS)
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"{path.name} must end in .npz, the format of the file.")
    text = json.dumps(_about(model, precision, provenance or {}), allow_nan=False)
    arrays = _arrays(model, precision)
    problem = arrays_problem(arrays, read_about(text, path.name))
    if problem:
        raise InputError(f"the model cannot be saved: {problem}. Fit it again.")
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, about=np.array(text), **arrays)
    scratch.replace(path)


def load_ridge(path: str | Path) -> BandedRidge:
    """Return the model that `save_ridge` wrote, ready to predict.

    Raises
    ------
    InputError
        If the file is something else, is damaged, or of a later version; if its arrays
        do not fit together or hold what no fit gives; or a setting is none of ours.
    """
    arrays, about = _read(Path(path))
    settings = about.settings
    model = BandedRidge(
        settings.bands,
        alphas=tuple(settings.alphas),
        n_candidates=settings.n_candidates,
        seed=settings.seed,
        form=settings.form,
        solver=settings.solver,
        levers=settings.levers,
        backend=settings.backend,
    )
    model.coef_ = _weights(arrays)
    model.intercept_ = arrays["intercept"][()]
    model.band_weights_, model.alphas_ = arrays["band_weights"], arrays["alphas"]
    model.cv_scores_ = arrays["cv_scores"]
    model.n_features_in_ = about.n_features_in
    if about.feature_names_in is not None:
        model.feature_names_in_ = np.array(about.feature_names_in, dtype=object)
    model.provenance_ = about.provenance
    return model


def _about(
    model: BandedRidge, precision: str, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    names = getattr(model, "feature_names_in_", None)
    settings = {
        "bands": None if model.bands is None else [asdict(b) for b in model.bands],
        "alphas": [float(alpha) for alpha in model.alphas],
        "levers": None if model.levers is None else asdict(model.levers),
        **{
            name: getattr(model, name)
            for name in ("n_candidates", "seed", "form", "solver", "backend")
        },
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "settings": plain(settings, "settings"),
        "cv": repr(model.cv),
        "precision": precision,
        "n_features_in": int(model.n_features_in_),
        "feature_names_in": None if names is None else [str(name) for name in names],
        "provenance": plain(dict(provenance), "provenance"),
    }


def _arrays(model: BandedRidge, precision: str) -> dict[str, NDArray]:
    coef = np.asarray(model.coef_)
    bad = int((~np.isfinite(coef)).any(axis=0).sum())
    if bad:
        raise InputError(
            f"the model cannot be saved: its weights have NaN or infinity in {bad} of "
            f"{coef[0].size} voxels. Fit it again, without what is wrong with them."
        )
    largest = np.abs(coef).max(axis=0)
    scale = np.where(largest > 0, largest, 1)
    return {
        "coef": (coef / scale).astype(precision),
        "scale": np.asarray(scale, dtype=np.float64),
        "intercept": np.asarray(model.intercept_),
        "band_weights": model.band_weights_.astype(np.float32),
        "alphas": model.alphas_,
        "cv_scores": model.cv_scores_,
    }


def _weights(arrays: Mapping[str, NDArray]) -> Floats:
    """Return the weights in units of y per unit of X."""
    with np.errstate(over="ignore"):  # found by who checks what comes back
        coef = arrays["coef"] * arrays["scale"]
        return np.asarray(coef.astype(arrays["intercept"].dtype))


def _read(path: Path) -> tuple[dict[str, NDArray], About]:
    if not path.is_file():
        raise MissingFileError(f"{path} is not there. Check the path of the model.")
    if not is_zipfile(path):
        raise _not_ours(path, "it is no archive")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            # Its version first: another one may have other arrays.
            about = read_about(str(file["about"]), path.name)
            arrays = {name: file[name] for name in ARRAYS}
    except InputError:
        raise
    except (BadZipFile, zlib.error, KeyError, ValueError, EOFError) as error:
        raise _not_ours(path, str(error)) from error
    problem = arrays_problem(arrays, about)
    if not problem and not np.isfinite(_weights(arrays)).all():
        problem = "its weights are beyond what their precision holds"
    if problem:
        raise _not_ours(path, problem)
    return arrays, about


def _not_ours(path: Path, found: str) -> InputError:
    return InputError(
        f"{path.name} is no model that save_ridge wrote, or is damaged ({found}). "
        "Save the model again."
    )
