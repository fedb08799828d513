"""How many threads the linear algebra uses, and the setting put back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def limit_threads(n_threads: int) -> Iterator[None]:
    """Let BLAS and OpenMP, and PyTorch where it is loaded, use `n_threads` threads.

    More threads than idle cores can be many times slower than one: threads that wait
    for a busy core spin. Hence one is the default of the study file.
    """
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    with threadpool_limits(limits=n_threads):
        try:
            if torch is not None:
                torch.set_num_threads(n_threads)
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)
