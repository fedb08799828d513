"""What a file of a model must hold, checked before anything is made of it."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ..core.checks import InputError
from ..core.device import Backend
from ..core.ridge.levers import Levers
from ..core.ridge.search import Form, Solver
from ..core.types import Band

FORMAT, VERSION = "brain2music banded ridge", 1
PRECISIONS = ("float16", "float32")

# Nothing is turned into another kind, and no key is passed over.
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings:
    """The settings of the estimator, as JSON has them."""

    bands: list[Band] | None
    alphas: Annotated[list[Positive], Field(min_length=1)]
    n_candidates: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
    form: Form
    solver: Solver
    levers: Levers | None
    backend: Backend


@dataclass(frozen=True, config=STRICT, kw_only=True)
class About:
    """All of a file but its arrays."""

    format: str
    version: int
    settings: Settings
    cv: str
    precision: Literal["float16", "float32"]
    n_features_in: Annotated[int, Field(ge=1)]
    provenance: dict[str, Any]
    feature_names_in: list[str] | None = None


def read_about(text: str, name: str) -> About:
    """Return what the JSON text of a file says, checked.

    Raises
    ------
    InputError
        If it is of another format or version, which is looked at first, lacks a
        setting, or has one that is unknown or of another kind. `name` names the file.
    ValueError
        If it is no JSON.
    """
    raw = json.loads(text)
    found = raw if isinstance(raw, dict) else {}
    if found.get("format") != FORMAT or found.get("version") != VERSION:
        raise InputError(
            f"{name} is {found.get('format')!r}, version {found.get('version')}; "
            f"this release reads {FORMAT!r}, version {VERSION}. Update brain2music, or "
            "save the model again."
        )
    try:
        return TypeAdapter(About).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{name}: {where} is not as the file of a model has it: {first['msg']}. "
            "Put it right, and save the model again."
        ) from error


def arrays_problem(arrays: Mapping[str, NDArray], about: About) -> str:
    """Return what is wrong with the arrays of a model, or ''.

    They must fit each other and `about`, hold floats, be finite where a prediction
    needs them, and elsewhere be NaN at most (a voxel that was masked).
    """
    return _shape_problem(arrays, about) or _value_problem(arrays)


def _shape_problem(arrays: Mapping[str, NDArray], about: About) -> str:
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            return f"{name} holds {array.dtype} in place of floats"
    precision = arrays["coef"].dtype.name
    if precision != about.precision:
        return f"coef is {precision}, but is said to be {about.precision}"
    names, bands = about.feature_names_in, about.settings.bands
    if names is not None and len(names) != about.n_features_in:
        return f"{len(names)} names for {about.n_features_in} columns"
    if bands is not None and sum(b.n_columns for b in bands) != about.n_features_in:
        total = sum(band.n_columns for band in bands)
        return f"bands of {total} columns in place of {about.n_features_in}"
    # Of one response without an axis, weights have none either.
    own = arrays["intercept"].shape
    n_voxels = (math.prod(own),)
    expected = {
        "intercept": own[:1],
        "coef": (about.n_features_in, *own),
        "scale": own,
        "band_weights": (1 if bands is None else len(bands), *n_voxels),
        "alphas": n_voxels,
        "cv_scores": n_voxels,
    }
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            return f"{name} has shape {arrays[name].shape}, expected {shape}"
    return ""


def _value_problem(arrays: Mapping[str, NDArray]) -> str:
    for name in ("coef", "scale", "intercept"):
        if not np.isfinite(arrays[name]).all():
            return f"{name} has NaN or infinity"
    for name in ("band_weights", "alphas", "cv_scores"):
        if np.isinf(arrays[name]).any():
            return f"{name} has infinity"
    for name in ("scale", "alphas"):
        if (arrays[name] <= 0).any():
            return f"{name} is not above 0 everywhere"
    return "band_weights are below 0" if (arrays["band_weights"] < 0).any() else ""


def plain(value: Any, name: str) -> Any:
    """Return `value` in kinds that JSON has, or say which part of it has none.

    NumPy's numbers become Python's, and tuples lists; nothing else is changed.

    Raises
    ------
    InputError
        Naming that part, and what it holds.

    Examples
    --------
    >>> plain({"n": np.int64(3), "runs": ("1", "2")}, "provenance")
    {'n': 3, 'runs': ['1', '2']}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"{name} has the key {key!r}. Use texts as its keys.")
        return {key: plain(one, f"{name}.{key}") for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, f"{name}[{place}]") for place, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(
            f"{name} is {value}, which JSON does not have. Leave it out, or give it "
            "as text."
        )
    if value is None or isinstance(value, str | int | float):
        return value
    raise InputError(
        f"{name} is a {type(value).__name__}, which JSON does not have: {value!r}. "
        "Give it as text, such as str(...), or as numbers and lists."
    )
