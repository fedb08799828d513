"""Which library does the arithmetic of a fit, and the setting put back."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Literal

import himalaya.backend

from .checks import InputError, check_choice

Backend = Literal["numpy", "torch", "torch_cuda"]

BACKENDS = ("numpy", "torch", "torch_cuda")

_NEEDS = {
    "numpy": "Install numpy",
    "torch": "Install PyTorch: pip install 'brain2music[models]'",
    "torch_cuda": "It needs an NVIDIA GPU with its driver, and PyTorch built for CUDA "
    "(pip install 'brain2music[models]'; a build for the processor alone has none)",
}


@contextmanager
def use_backend(name: Backend) -> Iterator[ModuleType]:
    """Put himalaya's arithmetic on a library, and its setting back at the end.

    Parameters
    ----------
    name : 'numpy', 'torch' or 'torch_cuda'
        PyTorch on the processor, or on a GPU.

    Yields
    ------
    backend : module
        himalaya's functions for that library.

    Raises
    ------
    InputError
        If the library or the GPU is not there.

    Examples
    --------
    >>> with use_backend("numpy") as backend:
    ...     backend.name
    'numpy'
    """
    check_choice(name, "backend", BACKENDS)
    before = himalaya.backend.get_backend().name
    try:
        backend = himalaya.backend.set_backend(name)
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"backend {name!r} cannot be used here: {error} {_NEEDS[name]}, or use "
            "backend = 'numpy'."
        ) from error
    try:
        yield backend
    finally:
        himalaya.backend.set_backend(before)
