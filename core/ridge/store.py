"""Keeps what was made once: in memory up to a bound, and on disk beyond it."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from himalaya.backend import get_backend
from numpy.typing import NDArray

from .factors import KernelFactor, PrimalFactor
from .responses import Refit, bytes_of


@dataclass(slots=True, eq=False)
class Factors:
    """Factorisations by what they are of, made at the first call.

    Parameters
    ----------
    max_bytes : float
        How much is kept in memory. The first to be made stay.
    folder : Path, optional
        Where the others go, and where other processes look for them. They are made
        again each time if None.
    share : bool
        Whether all go there, for other processes, and not just those that do not fit
        into memory.
    """

    max_bytes: float = 1e9
    folder: Path | None = None
    share: bool = True
    n_made: int = 0
    _kept: dict[str, Any] = field(default_factory=dict)
    _bytes: float = 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel without what is kept: another process reads it from the folder.

        So all processes work on the same bytes in the same places of memory, and get
        the same last digit.
        """
        return Factors, (self.max_bytes, self.folder, self.share)

    def get(self, key: Sequence[Any], make: Callable[[], Any]) -> Any:
        """Return what belongs to `key`, made by `make` if it is not there yet."""
        name = hashlib.sha256(repr(key).encode()).hexdigest()[:20]
        if name in self._kept:
            return self._kept[name]
        made = None if self.folder is None else _read(self.folder / name)
        if made is None:
            made = make()
            self.n_made += 1
            fits = self._bytes + _bytes_of(made) <= self.max_bytes
            if self.folder is not None and (self.share or not fits):
                # Read back: the order of bytes in memory, and so the last digit of a
                # product, is then the same for who made it and who found it.
                _write(self.folder / name, made)
                made = _read(self.folder / name)
        if self._takes(_bytes_of(made)):
            if isinstance(made, KernelFactor):
                made = replace(made, has_room=self._takes)
            self._kept[name] = made
        return made

    def _takes(self, n_bytes: float) -> bool:
        """Whether so much more fits; then it is counted."""
        fits = self._bytes + n_bytes <= self.max_bytes
        self._bytes += n_bytes * fits
        return fits


def _fields(made: Any) -> dict[str, Any]:
    """Return the arrays of a factorisation, by name."""
    if isinstance(made, PrimalFactor):
        named = {"values": made.values, "turns": made.turns, "held": made.held}
        return {"by_rows": np.array(made.by_rows)} | {
            f"{name}-{fold}": array
            for name, arrays in named.items()
            for fold, array in enumerate(arrays)
        }
    if isinstance(made, KernelFactor):
        blocks = {
            f"block-{number}-{fold}": block
            for number, found in enumerate(made.blocks.values())
            for fold, block in enumerate(found)
        }
        alphas = np.array(list(made.blocks), dtype=np.float64)
        return {
            "values": made.values,
            "vectors": made.vectors,
            "alphas": alphas,
            **blocks,
        }
    columns = np.array([]) if isinstance(made.columns, slice) else made.columns
    return {"values": made.values, "turn": made.turn, "columns": columns}


def _write(folder: Path, made: Any) -> None:
    """Write under another name, and rename when whole; the first to finish counts."""
    if folder.exists():
        return
    backend = get_backend()
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    for name, array in _fields(made).items():
        np.save(scratch / f"{name}.npy", np.ascontiguousarray(backend.to_numpy(array)))
    if not isinstance(made, Refit):
        np.save(scratch / "bands.npy", np.array(made.bands))
    try:
        scratch.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(scratch)


def _read(folder: Path) -> Any:
    if not folder.exists():
        return None
    backend = get_backend()
    mode: Literal["r"] | None = "r" if backend.name == "numpy" else None
    found = {
        path.stem: np.load(path, mmap_mode=mode, allow_pickle=False)
        for path in folder.glob("*.npy")
    }

    def array(name: str) -> Any:
        return backend.asarray(found[name])

    if "turn" in found:
        chosen = found["columns"]
        columns: slice | NDArray = slice(None) if len(chosen) == 0 else chosen[:]
        return Refit(columns, array("values"), array("turn"))
    bands = tuple(found["bands"].tolist())
    if "vectors" in found:
        alphas = found["alphas"].tolist()
        blocks = {
            a: _numbered(array, f"block-{i}-", found) for i, a in enumerate(alphas)
        }
        return KernelFactor(bands, array("values"), array("vectors"), blocks)
    values, turns, held = (
        _numbered(array, f"{name}-", found) for name in ("values", "turns", "held")
    )
    return PrimalFactor(bands, values, turns, held, bool(found["by_rows"]))


def _numbered(array: Any, prefix: str, found: dict[str, Any]) -> list[Any]:
    count = sum(name.startswith(prefix) for name in found)
    return [array(f"{prefix}{number}") for number in range(count)]


def _bytes_of(made: Any) -> float:
    return bytes_of(_fields(made).values())
