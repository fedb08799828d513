"""How many threads the linear algebra uses, and the setting put back."""

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits


def limit_threads(n_threads: int) -> AbstractContextManager:
    """Return a context in which BLAS and OpenMP use `n_threads` threads.

    More threads than idle cores can be many times slower than one: threads that wait
    for a busy core spin. Hence one is the default of the study file. PyTorch's OpenMP
    is among them where it was loaded before.
    """
    return threadpool_limits(limits=n_threads)
