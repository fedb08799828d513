"""The examples in the docstrings are run as they are written."""

import doctest
import importlib
import pkgutil

import pytest

import brain2music

WALK = pkgutil.walk_packages(brain2music.__path__, "brain2music.")
MODULES = [
    module.name
    for module in WALK
    if not module.name.startswith(("brain2music.tests", "brain2music.build"))
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
