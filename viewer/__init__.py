"""The map one can listen to: a study's results on the cortex, in the browser."""

from .view import serve_study, write_static

__all__ = ["serve_study", "write_static"]
