"""How values become colours: one scale for all maps that will be compared."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..figures.style import SCORE_MAP

SIGNED = "RdBu_r"
SHARES = ("explainable_variance", "largest_r", "r_over_largest_r")
LARGEST_SHARE = 0.99  # of the values lie inside the limits of signed maps
Q = 0.05


@dataclass
class Scales:
    """Collects values map by map; maps of one kind have the same limits."""

    found: dict[str, list[NDArray[np.floating]]] = field(default_factory=dict)

    def add(self, kind: str, model: str, values: NDArray[np.floating]) -> str:
        """Take note of a map's values, and return the name of its scale."""
        name = f"part {kind}" if model == "part" else kind
        self.found.setdefault(name, []).append(values[np.isfinite(values)])
        return name

    @property
    def colour_maps(self) -> list[str]:
        """Names of the colour maps in use."""
        return sorted({str(one["colours"]) for one in self.limits().values()})

    def limits(self) -> dict[str, dict]:
        """Return each scale's limits, colour map, and transform for the colours.

        Scores run from 0 to the largest (rounded up to 0.05); parts, which may be
        negative, run as far down as up; q is shown as -log10 q where it is at most
        0.05; ceilings run from 0 to 1.
        """
        return {
            name: _limits(name, np.concatenate(v)) for name, v in self.found.items()
        }


def _limits(name: str, values: NDArray[np.floating]) -> dict:
    if name == "q":
        smallest = float(np.min(values[values > 0], initial=Q / 10))
        highest = -np.log10(smallest)
        return _scale(-np.log10(Q), highest, "viridis", "-log10")
    if name in SHARES:
        return _scale(0.0, 1.0, SCORE_MAP)
    if name.startswith("part "):
        sizes = np.append(np.abs(values), 0.0)
        reach = max(0.01, np.ceil(np.quantile(sizes, LARGEST_SHARE) * 100) / 100)
        return _scale(-reach, reach, SIGNED)
    highest = np.ceil(np.max(values, initial=0.1) * 20) / 20
    return _scale(0.0, highest, SCORE_MAP)


def _scale(low: float, high: float, colours: str, transform: str = "") -> dict:
    return {
        "low": float(low),
        "high": float(high),
        "colours": colours,
        "transform": transform,
    }
