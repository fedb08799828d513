"""All checks of what must change nothing, one after the other."""

from collections.abc import Callable, Iterator
from functools import partial

from .attempt import attempt
from .invariance import (
    Case,
    check_backend,
    check_precision,
    check_run_order,
    check_second_process,
    check_test_spike,
    check_voxel_order,
)
from .verdict import Finding
from .walls import check_walls

CHECKS: tuple[tuple[str, Callable[[Case], Finding]], ...] = (
    ("test-spike", check_test_spike),
    ("run-walls", check_walls),
    ("voxel-order", check_voxel_order),
    ("run-order", check_run_order),
    ("precision", check_precision),
    ("backend", check_backend),
    ("second-process", check_second_process),
)


def check_unchanging(case: Case) -> Iterator[Finding]:
    """Yield what each finds; one that cannot be made says why."""
    for key, check in CHECKS:
        yield from attempt([key], partial(_one, check, case), case.name)


def _one(check: Callable[[Case], Finding], case: Case) -> Iterator[Finding]:
    yield check(case)
