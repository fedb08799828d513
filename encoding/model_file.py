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
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..core.checks import InputError, MissingFileError, check_choice
from ..core.ridge.levers import Levers
from ..core.types import Band
from .banded_ridge import BandedRidge

FORMAT, VERSION = "brain2music banded ridge", 1
ARRAYS = ("coef", "scale", "intercept", "band_weights", "alphas", "cv_scores")
PRECISIONS = ("float16", "float32")


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
        What JSON can hold: dataset, subject, versions, date.

    Raises
    ------
    InputError
        If the path ends otherwise.
    """
    check_is_fitted(model)
    check_choice(precision, "precision", PRECISIONS)
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"{path.name} must end in .npz, the format of the file.")
    coef = np.asarray(model.coef_)
    largest = np.abs(coef).max(axis=0)
    scale = np.where(largest > 0, largest, 1)
    about = {
        "format": FORMAT,
        "version": VERSION,
        "settings": _settings(model),
        "cv": repr(model.cv),
        "precision": precision,
        "n_features_in": int(model.n_features_in_),
        "provenance": dict(provenance or {}),
    }
    arrays = {
        "coef": (coef / scale).astype(precision),
        "scale": np.asarray(scale, dtype=np.float64),
        "intercept": np.asarray(model.intercept_),
        "band_weights": model.band_weights_.astype(np.float32),
        "alphas": model.alphas_,
        "cv_scores": model.cv_scores_,
    }
    text = np.array(json.dumps(about, allow_nan=False))
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, about=text, **arrays)
    scratch.replace(path)


def load_ridge(path: str | Path) -> BandedRidge:
    """Return the model that `save_ridge` wrote, ready to predict.

    Raises
    ------
    InputError
        If the file is something else, is damaged, or of a later version.
    """
    arrays, about = _read(Path(path))
    settings = about["settings"]
    bands, levers = settings.pop("bands"), settings.pop("levers")
    if bands is not None:
        bands = [Band(**band | {"delays": tuple(band["delays"])}) for band in bands]
    model = BandedRidge(
        bands, levers=None if levers is None else Levers(**levers), **settings
    )
    model.alphas = tuple(model.alphas)
    scale = arrays["scale"]
    dtype = arrays["intercept"].dtype
    model.coef_ = (arrays["coef"] * scale).astype(dtype)
    model.intercept_ = arrays["intercept"][()]
    model.band_weights_, model.alphas_ = arrays["band_weights"], arrays["alphas"]
    model.cv_scores_ = arrays["cv_scores"]
    model.n_features_in_ = about["n_features_in"]
    model.provenance_ = about["provenance"]
    return model


def _settings(model: BandedRidge) -> dict[str, Any]:
    bands = model.bands
    return {
        "bands": None if bands is None else [asdict(band) for band in bands],
        "alphas": [float(alpha) for alpha in model.alphas],
        "levers": None if model.levers is None else asdict(model.levers),
        **{
            name: getattr(model, name)
            for name in ("n_candidates", "seed", "form", "solver", "backend")
        },
    }


def _read(path: Path) -> tuple[dict[str, NDArray], dict[str, Any]]:
    if not path.exists():
        raise MissingFileError(f"{path} is not there. Check the path of the model.")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            arrays = {name: file[name] for name in ARRAYS}
    except (BadZipFile, zlib.error, KeyError, ValueError, EOFError) as error:
        raise InputError(
            f"{path.name} is no model that save_ridge wrote, or is damaged ({error}). "
            "Save the model again."
        ) from error
    if about.get("format") != FORMAT or about.get("version") != VERSION:
        raise InputError(
            f"{path.name} is {about.get('format')!r}, version {about.get('version')}; "
            f"this release reads {FORMAT!r}, version {VERSION}. Update brain2music, or "
            "save the model again."
        )
    return arrays, about
