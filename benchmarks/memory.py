"""The most memory that a process of a benchmark has held."""

import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """Return this process's peak; Linux's `getrusage` starts at its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def fresh_peak() -> None:
    """Let the kernel count the most memory anew, where it can."""
    place = Path("/proc/self/clear_refs")
    if place.exists():
        place.write_text("5")
