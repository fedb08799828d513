"""Encoding and decoding models of music in the brain."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .study import Study, load_study
    from .workflow.check import Check, check_study
    from .workflow.pipeline import run
    from .workflow.result import Result

__version__ = version("brain2music")
__all__ = [
    "Check",
    "Result",
    "Study",
    "__version__",
    "check_study",
    "load_study",
    "run",
]

HOMES = {
    "Check": ".workflow.check",
    "Result": ".workflow.result",
    "Study": ".study",
    "check_study": ".workflow.check",
    "load_study": ".study",
    "run": ".workflow.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that parts load alone."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name], __name__), name)
