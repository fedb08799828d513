"""What the fold-Gram search costs beside himalaya's, and how much it loses, if at all.

Run from anywhere, on a quiet machine, with the package and its extra `cluster`:

    python benchmarks/encoding.py --sizes moderate

It prints one table, row by row, as it stands in docs/benchmarks.md. One thread each,
both solvers in one run, float32. himalaya runs in its faster form (kernels where there
are more columns than samples, else whichever took less), returns no weights, and is
timed on two of its candidates, which all cost the same; 100 of them are what it is
compared with. It is given our penalties, too: 20 against 8 is a gift that the table
shows apart. For quality it has an intercept in each fold, as ours has. Data are
planted (`planted.py`); "responsive" means planted.

'full' are the sizes of the goals and takes many hours, 'moderate' about an hour,
'small' is for trying it out.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from scale import dask, disk, disk_inner
from search import PLANTED, exact, quality, search, subjects
from solvers import Settings
from table import Row, head
from threadpoolctl import threadpool_limits


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large each row of the table is: samples, voxels, or candidates."""

    search: tuple[int, int]
    quality: tuple[int, int, int]
    exact: tuple[tuple[int, int], ...]
    joint: tuple[int, int]
    subjects: tuple[tuple[int, int], ...]
    disk: tuple[int, tuple[int, ...]]
    dask: tuple[int, int]
    long: tuple[int, int, int] | None = None
    widths: tuple[int, ...] = field(default=(128, 128, 1024, 10))


SIZES = {
    "full": Sizes(
        search=(4800, 20_000),
        quality=(1920, 2000, 100),
        long=(4800, 1000, 20),
        exact=((4800, 4000), (4800, 20_000)),
        joint=(1896, 60_000),
        subjects=((4800, 1000), (4800, 20_000)),
        disk=(4800, (20_000, 80_000, 240_000)),
        dask=(4800, 20_000),
    ),
    "moderate": Sizes(
        search=(2400, 8000),
        quality=(960, 1000, 40),
        exact=((2400, 4000), (2400, 8000)),
        joint=(1896, 8000),
        subjects=((2400, 1000),),
        disk=(2400, (5000, 15_000, 60_000)),
        dask=(2400, 8000),
    ),
    "small": Sizes(
        search=(480, 300),
        quality=(480, 100, 4),
        exact=((480, 300),),
        joint=(480, 300),
        subjects=((480, 50),),
        disk=(480, (500, 2000)),
        dask=(480, 500),
        widths=(8, 8, 40, 5),
    ),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", choices=SIZES, default="moderate")
    parser.add_argument("--rows", choices=CASES, nargs="+", default=list(CASES))
    parser.add_argument(
        "--planted",
        type=int,
        nargs="+",
        default=list(range(len(PLANTED))),
        help="planted cases of the rows of quality; those of one spectrum share a fit",
    )
    parser.add_argument("--inner", help=argparse.SUPPRESS)
    given = parser.parse_args()
    settings = Settings(SIZES[given.sizes].widths, planted=tuple(given.planted))
    with threadpool_limits(1):
        if given.inner:
            disk_inner(json.loads(given.inner), settings)
            return
        say(f"{platform.processor() or platform.machine()}, numpy {np.__version__}, ")
        say(f"one thread, float32, {' '.join(given.rows)}, --sizes {given.sizes}\n\n")
        say(f"{head()}\n")
        for name in given.rows:
            for row in CASES[name](SIZES[given.sizes], settings):
                say(f"{row.line()}\n")


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def searches(sizes: Sizes, settings: Settings) -> Iterator[Row]:
    """Yield our search against himalaya's, for few and for many responsive voxels."""
    case = settings.case(*sizes.search)
    yield from search(case, settings, "search", goals={0.2: 10.0, 1.0: 5.0})


def joint(sizes: Sizes, settings: Settings) -> Iterator[Row]:
    """Yield the search on windows without delays, and RidgeCV as context."""
    from sklearn.linear_model import RidgeCV
    from solvers import ALPHAS_8, plant, timed

    case = settings.case(*sizes.joint, delays=(0,))
    yield from search(case, settings, "windows", goals={0.2: 10.0})
    data = plant(case)
    V = min(2000, case.n_voxels)
    cv = RidgeCV(alphas=ALPHAS_8)
    seconds, _ = timed(lambda: cv.fit(data.X, data.Y[:, :V]))
    yield Row("context", f"n {case.n_samples}, V {V}", "RidgeCV, one band", seconds)


CASES: dict[str, Callable[[Sizes, Settings], Iterator[Row]]] = {
    "search": searches,
    "quality": lambda sizes, settings: quality(sizes.quality, settings),
    "long": lambda sizes, settings: quality(sizes.long or sizes.quality, settings),
    "exact": lambda sizes, settings: (
        row
        for number, size in enumerate(sizes.exact)
        for row in exact(size, settings, least=2.0 if number == 0 else None)
    ),
    "joint": joint,
    "subjects": lambda sizes, settings: (
        row
        for number, size in enumerate(sizes.subjects)
        for row in subjects(size, settings, least=1.5 if number == 0 else None)
    ),
    "disk": lambda sizes, _: disk(*sizes.disk),
    "dask": lambda sizes, settings: dask(*sizes.dask, replace(settings, chunk=1000)),
}

if __name__ == "__main__":
    main()
