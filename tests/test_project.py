"""Tests of what is kept by hand: lists of packages, and the README's promises."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_wheel_holds_every_folder_with_code():
    listed = set(SETTINGS["tool"]["setuptools"]["packages"])
    folders = {
        ".".join(["brain2music", *path.parent.relative_to(ROOT).parts])
        for path in ROOT.glob("[a-z]*/**/__init__.py")
        if not {"tests", "build"} & set(path.relative_to(ROOT).parts)
    }
    assert listed == folders | {"brain2music"}


def test_every_extra_but_dev_is_in_all():
    extras = SETTINGS["project"]["optional-dependencies"]
    listed = re.search(r"\[(.*)\]", extras["all"][0]).group(1).split(",")
    assert set(listed) == set(extras) - {"all", "dev", "docs"}


def test_the_constraints_pin_every_dependency():
    pinned = {
        re.split("==", line)[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    project = SETTINGS["project"]
    wanted = [*project["dependencies"]]
    for name, extra in project["optional-dependencies"].items():
        wanted += [] if name == "all" else extra
    names = {re.split(r"[\[>=<]", need)[0].lower() for need in wanted}
    assert names <= pinned


def test_the_readme_sets_up_with_two_commands_and_ci_runs_them():
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    install, test, *_ = blocks
    assert install.count("\n") == test.count("\n") == 1
    assert "venv" in install
    assert "brain2music demo" in install
    assert "[all,dev]" in test
    assert "pytest" in test
    ci = (ROOT / ".ci/run").read_text()
    assert 'eval "$(readme 1)"' in ci
    assert 'eval "$(readme 2)"' in ci


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CITATION.cff"])
def test_links_of_the_first_pages_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / link).exists(), link


def test_the_versions_of_python_are_the_same_everywhere():
    first, past = re.fullmatch(
        r">=3\.(\d+),<3\.(\d+)", SETTINGS["project"]["requires-python"]
    ).groups()
    versions = [f"3.{minor}" for minor in range(int(first), int(past))]
    label = "Programming Language :: Python :: "
    classifiers = SETTINGS["project"]["classifiers"]
    named = [one.removeprefix(label) for one in classifiers if one.startswith(label)]
    assert named == versions
    assert SETTINGS["tool"]["ruff"]["target-version"] == f"py3{first}"
    for page in ("README.md", "docs/start.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"Python {versions[0]} to {versions[-1]}" in text
    (others,) = re.findall(
        r"^for version in (.*); do$", (ROOT / ".ci/run").read_text(), re.M
    )
    assert others.split() == versions[1:]


def test_no_version_is_written_twice():
    version = SETTINGS["project"]["version"]
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text()
