"""Arrays in small binary files, with an index of what lies where."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

ALIGNED = 4  # bytes: a browser reads float32 at multiples of its size alone
DTYPES = {"float32": "<f4", "float16": "<f2", "uint8": "|u1", "uint32": "<u4"}


@dataclass
class Packed:
    """One binary file in the making: arrays end to end, little-endian.

    Parameters
    ----------
    name : str
        Name of the file in the folder `data/`.
    """

    name: str
    parts: list[bytes] = field(default_factory=list)
    n_bytes: int = 0

    def add(self, values: ArrayLike, dtype: str) -> dict[str, Any]:
        """Append an array, and return where it lies.

        Parameters
        ----------
        values : array
            NaN stays NaN.
        dtype : 'float32', 'float16', 'uint8' or 'uint32'
            Values of 'float16' are divided by a power of 2 first, so that the largest
            is about 1 and small ones keep their digits; 'scale' says by what.

        Returns
        -------
        place : dict
            Its file, offset in bytes, dtype, shape, and scale.
        """
        array, scale = np.asarray(values), 1.0
        if dtype == "float16":
            largest = np.max(np.abs(array), initial=0.0, where=np.isfinite(array))
            scale = float(2.0 ** np.ceil(np.log2(largest))) if largest else 1.0
            array = array / scale
        raw = np.ascontiguousarray(array, dtype=DTYPES[dtype]).tobytes()
        place = {
            "file": self.name,
            "offset": self.n_bytes,
            "dtype": dtype,
            "shape": list(array.shape),
            "scale": scale,
        }
        raw += bytes(-len(raw) % ALIGNED)
        self.parts.append(raw)
        self.n_bytes += len(raw)
        return place

    @property
    def content(self) -> bytes:
        """The file as it will be written."""
        return b"".join(self.parts)


def read_packed(folder: Path, place: dict[str, Any]) -> np.ndarray:
    """Return an array that `Packed.add` told the place of, below `folder`.

    Examples
    --------
    >>> import tempfile
    >>> file = Packed("one.bin")
    >>> place = file.add([0.25, 40.0], "float16")
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "one.bin").write_bytes(file.content)
    >>> read_packed(folder, place)
    array([ 0.25, 40.  ])
    """
    n_values = int(np.prod(place["shape"]))
    values = np.fromfile(
        folder / place["file"],
        dtype=DTYPES[place["dtype"]],
        count=n_values,
        offset=place["offset"],
    ).reshape(place["shape"])
    if place["dtype"] != "float16":
        return values
    return values.astype(np.float64) * place["scale"]
