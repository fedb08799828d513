"""The map one can listen to: a study's results on the cortex, in the browser."""

from ..workflow.own_surfaces import OwnSurfaces
from .view import serve_study, write_static

__all__ = ["OwnSurfaces", "serve_study", "write_static"]
