"""Tests that every command in the docs is one that there is."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from brain2music.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("templates/studies/*.md")),
]


def commands_of(text):
    """Return the commands of a page, without comments, and what may be left out."""
    text = text.replace("\\\n", " ")
    lines = re.findall(r"^\s*(brain2music .*)$", text, re.M)
    bare = [re.sub(r"[\[\]]", "", line.split(" #")[0]).strip() for line in lines]
    return [line for line in bare if "`" not in line]  # in a sentence


def parsed(words):
    """Parse a command as it would be called, and call nothing."""
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    return command.make_context("brain2music", list(words))


COMMANDS = [
    (page.name, line) for page in PAGES for line in commands_of(page.read_text())
]


@pytest.mark.parametrize("line", [line for _, line in COMMANDS])
def test_each_command_and_option_of_the_docs_is_there(line):
    words = shlex.split(line.split(" || ")[0].split(" > ")[0])
    parsed(words[1:])


def test_there_are_commands_to_look_at():
    assert len(COMMANDS) > 25
    named = {shlex.split(line)[1] for _, line in COMMANDS}
    every = set(typer.main.get_command(app).commands)
    assert every - named <= {"weights"}, every - named


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("reproduse DIR", "reproduse"),
        ("figures DIR --onyl maps", "onyl"),
        ("check", "study"),
    ],
)
def test_what_is_not_there_is_found(line, words):
    with pytest.raises(Exception, match=words):
        parsed(line.split())
