"""The nouns that every stage shares."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .checks import InputError


@dataclass(frozen=True, slots=True)
class Run:
    """One unbroken acquisition: (session or none, task, run), never a number alone."""

    task: str
    run: str
    session: str | None = None

    def __str__(self) -> str:
        parts = [("ses", self.session), ("task", self.task), ("run", self.run)]
        return "_".join(f"{key}-{value}" for key, value in parts if value)

    @property
    def order(self) -> tuple:
        """A key that sorts runs as a reader would: run-2 before run-10."""
        parts = (self.session, self.task, self.run)
        return tuple(natural(part or "") for part in parts)


def natural(label: str) -> tuple:
    """Return a sort key under which numbers inside `label` count as numbers."""
    pieces = re.split(r"(\d+)", label)
    return tuple((0, int(p), p) if p.isdigit() else (1, 0, p) for p in pieces if p)


@dataclass(frozen=True, slots=True)
class Band:
    """Adjacent columns of a design matrix that hold one feature space, with delays.

    The columns are ordered delay by delay: all features at the first delay, then all
    features at the second, and so on. Bands of one name are one feature space at
    several layers of its network, of which each voxel takes one; `layer` is '' where
    there is no choice.
    """

    name: str
    n_features: int
    delays: tuple[int, ...] = (0,)
    source: str = ""
    layer: str = ""

    def __post_init__(self) -> None:
        if self.n_features < 1 or not self.delays:
            raise InputError(
                f"band {self.name!r} has {self.n_features} features and "
                f"{len(self.delays)} delays; it needs at least 1 of each. Leave the "
                "band out if its feature space is empty."
            )

    @property
    def n_columns(self) -> int:
        """Number of columns of the design: features times delays."""
        return self.n_features * len(self.delays)

    @property
    def label(self) -> str:
        """The name with its source, as legends show it: no stand-in is silent."""
        return label_of(self.name, self.source)


def label_of(name: str, source: str) -> str:
    """Return a feature space's name as its authors write it, with its source.

    Examples
    --------
    >>> label_of("mulan-music", "CLAP, laion/larger_clap_music_and_speech")
    'MuLan-music (CLAP, laion/larger_clap_music_and_speech)'
    """
    written = WRITTEN.get(name, name)
    return f"{written} ({source})" if source else written


# How the spaces of the paper are written; keys of study files are in small letters.
WRITTEN = {
    "mulan-music": "MuLan-music",
    "mulan-text": "MuLan-text",
    "w2v-bert": "w2v-BERT",
    "soundstream": "SoundStream",
}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A hemisphere, or another structure, of a space that is made of several.

    Parameters
    ----------
    name : str
        'left' or 'right' for the hemispheres of a surface; for grayordinates the name
        of the CIFTI structure, such as 'CIFTI_STRUCTURE_CORTEX_LEFT'.
    shape : tuple of int
        The grid of its own: (n_vertices,), or the three dimensions of a volume.
    index : array of int, shape (n_places,)
        Which places of that grid (flattened in C order) the space has, in the order in
        which the space has them.
    topology : str
        Identity of the faces of its mesh; '' if they are not known.
    """

    name: str
    shape: tuple[int, ...]
    index: NDArray[np.integer]
    topology: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Which voxels the columns of Y are, and where they lie.

    Parameters
    ----------
    kind : 'labels', 'surface', 'volume' or 'grayordinates'
        Labels have names and no position; vertices lie on a mesh, voxels on a grid;
        grayordinates are vertices and voxels side by side, as in CIFTI files.
    name : str
        Name of the parcellation, the mesh (such as 'fsaverage5') or the volume.
    ids : tuple of str
        One name per column: the label, or the vertex or voxel number.
    index : array of int, shape (n_voxels,), or None
        Position of each column in the flattened grid of `shape`. None for labels.
    shape : tuple of int
        (n_vertices,) left hemisphere first, the three dimensions of the volume,
        flattened in C order, or (n_grayordinates,). Empty for labels.
    affine : array of shape (4, 4), or None
        From voxel indices to mm. None but for volumes, and for grayordinates with
        voxels.
    parts : tuple of Part
        Hemispheres or structures, side by side in `shape`. Empty if they are not
        known: which hemisphere a vertex is of is then not known either.
    """

    kind: Literal["labels", "surface", "volume", "grayordinates"]
    name: str
    ids: tuple[str, ...]
    index: NDArray[np.integer] | None = None
    shape: tuple[int, ...] = ()
    affine: NDArray[np.floating] | None = None
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.ids):
            twice = sorted({i for i in self.ids if self.ids.count(i) > 1})[:5]
            raise InputError(
                f"space {self.name!r} names a column twice: {', '.join(twice)}. Every "
                "column needs its own label; rename or merge them."
            )
        if self.index is not None and len(self.index) != len(self.ids):
            raise InputError(
                f"space {self.name!r} has {len(self.ids)} columns but positions for "
                f"{len(self.index)}. Give one position per column of the responses."
            )
        n_places = sum(len(part.index) for part in self.parts)
        if self.parts and (n_places,) != self.shape:
            raise InputError(
                f"space {self.name!r} has shape {self.shape}, but its parts hold "
                f"{n_places} places. The parts must lie side by side in it."
            )

    @property
    def n_voxels(self) -> int:
        """Number of columns of Y."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Split:
    """The one cut into training and test runs, and the folds inside training."""

    train: tuple[Run, ...]
    test: tuple[Run, ...]
    folds: tuple[tuple[Run, ...], ...] = ()

    def __post_init__(self) -> None:
        both = sorted(set(self.train) & set(self.test), key=lambda run: run.order)
        if both:
            raise InputError(
                f"{', '.join(map(str, both))} in training and in test. A run belongs "
                "to one side; change dataset.train or dataset.test."
            )
        held = [run for fold in self.folds for run in fold]
        if self.folds and sorted(map(str, held)) != sorted(map(str, self.train)):
            raise InputError("the folds must hold each training run exactly once.")
