"""The pages of the reference that are made from the code."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from concept_pictures import draw_all
from layers import draw_layers
from pydantic import TypeAdapter
from typer.cli import get_docs_for_click

from brain2music.cli import app
from brain2music.study import Study

# The Python interface that stays: module, and the names that are documented.
INTERFACE = {
    "brain2music": ["load_study", "check_study", "run"],
    "brain2music.study": ["Study"],
    "brain2music.workflow.result": ["Result"],
    "brain2music.workflow.check": ["Check"],
    "brain2music.doctor.examine": ["examine"],
    "brain2music.doctor.verdict": ["Verdict", "Finding"],
    "brain2music.core.types": ["Band"],
    "brain2music.encoding.banded_ridge": ["BandedRidge"],
    "brain2music.encoding.model_file": ["save_ridge", "load_ridge"],
    "brain2music.decoding.identify": [
        "identification_accuracy",
        "chance_with_ties",
        "similarity",
    ],
    "brain2music.core.stats": ["correlation", "r2_score"],
    "brain2music.core.saved": ["load_model"],
    "brain2music.figures.flatmap": ["plot_flatmap", "plot_panels"],
    "brain2music.figures.style": ["Scale"],
    "brain2music.figures.surfaces": ["spread"],
    "brain2music.figures.looks": ["Faded"],
    "brain2music.figures.pages": ["Panel", "difference"],
}
ROUTING = "set_fit_request, set_score_request"  # scikit-learn's, with links of its own
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}
NAMES = {"string": "text", "boolean": "true or false", "number": "number"}
NAMES |= {"integer": "whole number", "null": "left out", "object": "table"}


def write(folder: Path) -> None:
    """Write the pages that have changed, and the pictures."""
    folder.mkdir(exist_ok=True)
    pages = {
        "study": study_page(),
        "commands": commands_page(),
        "python": python_page(),
    }
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    draw_layers(folder / "layers.svg")
    draw_all(folder)


def study_page() -> str:
    """Return the keys of a study file: kind, bounds and default of each."""
    schema = TypeAdapter(Study).json_schema()
    parts = schema["$defs"]
    lines = ["# The study file", "", "Made from the code that reads it.", ""]
    for name, value in schema["properties"].items():
        if name == "folder":  # where the file lies, which nobody writes
            continue
        kinds = _parts_of(value, parts)
        if not kinds:
            required = "required" if name in schema["required"] else "may be left out"
            lines += [f"## `{name}`", "", f"{_kind(value, parts)}; {required}.", ""]
        elif len(kinds) == 1 and name != "features":
            lines += [f"## `[{name}]`", "", *_table(kinds[0], parts)]
        else:
            lines += [
                f"## `[{name}.NAME]`",
                "",
                "Its `kind` says which keys it has.",
                "",
            ]
            for part in kinds:
                given = part["properties"]["kind"]
                named = ", ".join(f"`{kind}`" for kind in _choices(given))
                lines += [f"### {named}", "", *_table(part, parts)]
    return "\n".join(lines)


def commands_page() -> str:
    """Return what `--help` says of each command."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(
        obj=command, ctx=typer.Context(command), name="brain2music"
    )
    return text.replace("# `brain2music`", "# Commands", 1).replace("```console", "```")


def python_page() -> str:
    """Return the names of the Python interface, for autodoc to fill in."""
    lines = ["# Python", "", "The names that stay; all others may change.", ""]
    for module, names in INTERFACE.items():
        lines += [f"## `{module}`", ""]
        for name in names:
            kind = "class" if isinstance(_find(module, name), type) else "function"
            lines += ["```{eval-rst}", f".. auto{kind}:: {module}.{name}"]
            if kind == "class" and name != "Study":
                lines += ["   :members:", f"   :exclude-members: {ROUTING}"]
            lines += ["```", ""]
    return "\n".join(lines)


def _find(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def _parts_of(value: dict[str, Any], parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tables that a key refers to, as it does or for each of its names."""
    if "$ref" in value:
        return [_named(value, parts)]
    inside = value.get("additionalProperties")
    if isinstance(inside, dict) and "oneOf" in inside:
        return [_named(one, parts) for one in inside["oneOf"]]
    return []


def _named(value: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """Return the part that a reference names."""
    found: dict[str, Any] = parts[value["$ref"].rsplit("/", 1)[1]]
    return found


def _table(part: dict[str, Any], parts: dict[str, Any]) -> Iterator[str]:
    """Yield a table's description and its keys."""
    yield from [*part.get("description", "").splitlines(), ""]
    yield from ["| key | what | default |", "| --- | --- | --- |"]
    for name, value in part["properties"].items():
        default = "required" if name in part.get("required", []) else _default(value)
        yield f"| `{name}` | {_kind(value, parts)} | {default} |".replace("\n", " ")
    yield ""


def _default(value: dict[str, Any]) -> str:
    if "default" not in value or value["default"] is None:
        return ""
    return f"`{json.dumps(value['default'])}`"


def _choices(value: dict[str, Any]) -> list[str]:
    return [value["const"]] if "const" in value else value.get("enum", [])


def _kind(value: dict[str, Any], parts: dict[str, Any]) -> str:
    """Return in words what a key takes."""
    choices = _choices(value)
    if choices:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in choices)
    if "$ref" in value:
        keys = _named(value, parts)["properties"]
        return "table of " + ", ".join(f"`{key}`" for key in keys)
    for several in ("anyOf", "oneOf"):
        if several in value:
            kinds = [_kind(one, parts) for one in value[several]]
            return " or ".join(dict.fromkeys(k for k in kinds if k != "left out"))
    if value.get("type") == "array":
        items = value.get("items") or {"anyOf": value.get("prefixItems", [])}
        return f"list of {_kind(items, parts)}" if items else "list"
    if value.get("type") == "object" and isinstance(
        value.get("additionalProperties"), dict
    ):
        return f"table of names with {_kind(value['additionalProperties'], parts)}"
    bounds = [text.format(value[key]) for key, text in BOUNDS.items() if key in value]
    return ", ".join([NAMES.get(value.get("type", ""), "value"), *bounds])
