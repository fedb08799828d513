"""How predictions are moved against responses: by blocks, or around their run.

A null leaves the predictions as they are and moves them in time, many times. Both ways
keep what neighbouring samples have in common. They share one form, `Moves`: pieces of
rows, and for each permutation what becomes of each piece.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.fft import irfft, rfft

from ..core.checks import Floats, InputError
from ..core.rows import each_run

FEWEST = 100  # arrangements, below which a p of 0.01 cannot be had


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Many ways of moving predictions against responses.

    Parameters
    ----------
    kind : 'blocks' or 'shift'
        Blocks of one piece change places; a piece of a shift turns around.
    pieces : tuple of array of int, shape (n_blocks, n_rows)
        Rows of the blocks that may change places with each other; for a shift, the
        rows of one run, as one block. Together they hold each row once.
    choices : tuple of array of int
        For each piece, per permutation: the order of its blocks, (n_permutations,
        n_blocks), or by how many rows the prediction is moved on, (n_permutations,).
        Drawn at random; or, where there are no more ways than were asked for, all of
        them but the one that was observed.
    """

    kind: Literal["blocks", "shift"]
    pieces: tuple[NDArray[np.integer], ...]
    choices: tuple[NDArray[np.integer], ...]

    @property
    def n_samples(self) -> int:
        """Number of rows that are moved or stay."""
        return sum(piece.size for piece in self.pieces)

    @property
    def n_permutations(self) -> int:
        """Number of ways that were drawn."""
        return len(self.choices[0])

    @property
    def n_arrangements(self) -> int:
        """Number of all ways, the one that was observed among them."""
        return count_arrangements(self.kind, self.pieces)

    @property
    def stays(self) -> float:
        """Share of the rows that can never move: blocks without another like them."""
        if self.kind == "shift":
            return 0.0
        alone = sum(piece.size for piece in self.pieces if len(piece) == 1)
        return alone / self.n_samples

    def __str__(self) -> str:
        if self.kind == "shift":
            return f"circular shift inside {len(self.pieces)} runs"
        n_blocks = sum(map(len, self.pieces))
        return f"{n_blocks} blocks, moved inside {len(self.pieces)} groups"


def permute_blocks(
    blocks: ArrayLike,
    *,
    walls: ArrayLike | None = None,
    n_permutations: int,
    seed: int,
) -> Moves:
    """Return random orders of the blocks of time, inside walls.

    Blocks change places with blocks of the same length behind the same wall, so each
    sample keeps its place inside its block and what all blocks share, such as the
    onset of a clip, stays in the null. A block without another like it stays where
    it is (`Moves.stays` says how many rows do): the test stays exact, and loses power.

    Parameters
    ----------
    blocks : array of int, shape (n_samples,)
        Block of each sample, in adjacent rows, as from `block_of_row`: a clip's
        presentation, a stretch of time, or a whole run.
    walls : array, shape (n_samples,), optional
        Run of each sample; blocks do not leave their run. None lets them change places
        across runs: for blocks that are whole runs.
    n_permutations : int
        If there are no more orders, each other one is taken once, so p is exact.
    seed : int

    Returns
    -------
    moves : Moves

    Raises
    ------
    InputError
        If a block comes in two pieces or crosses a wall, or the blocks have fewer than
        100 orders.
    """
    blocks = np.asarray(blocks)
    walls = np.zeros(len(blocks), int) if walls is None else np.asarray(walls)
    if blocks.ndim != 1 or walls.shape != blocks.shape or n_permutations < 1:
        raise InputError(
            f"blocks has shape {blocks.shape}, walls {walls.shape} and n_permutations "
            f"is {n_permutations}; number the block and the run of each sample, and "
            "draw at least once."
        )
    alike: dict[tuple, list[NDArray]] = {}
    for rows in _each_block(blocks, walls):
        kind = (walls[rows.start], rows.stop - rows.start)
        alike.setdefault(kind, []).append(np.arange(rows.start, rows.stop))
    pieces = tuple(np.stack(same) for same in alike.values())
    n_orders = count_arrangements("blocks", pieces)
    if n_orders < FEWEST:
        raise InputError(
            f"there are {n_orders} orders, and a null needs at least {FEWEST}. Use "
            "shorter blocks, more test data, or let blocks leave their run "
            "(walls=None; in a study, analysis.blocks = 'auto')."
        )
    if n_orders <= n_permutations:
        orders = [np.array(list(permutations(range(len(p))))) for p in pieces]
        each = np.indices([len(one) for one in orders]).reshape(len(orders), -1)[:, 1:]
        all_of_them = [one[at] for one, at in zip(orders, each, strict=True)]
        return Moves("blocks", pieces, tuple(all_of_them))
    rng = np.random.default_rng(seed)
    choices = tuple(
        rng.permuted(np.tile(np.arange(len(p)), (n_permutations, 1)), axis=1)
        for p in pieces
    )
    return Moves("blocks", pieces, choices)


def shift_runs(runs: ArrayLike, *, n_permutations: int, seed: int) -> Moves:
    """Return random turns of each run: its end comes round to its start.

    Each run turns by itself, by any number of samples from 0 to its length less 1, all
    as likely. The autocorrelation stays whole, but for the seam, so this is the null to
    take unless runs are few. What all clips share, at their onset for instance, does
    not stay in the null; blocks that are clips keep it.

    Parameters
    ----------
    runs : array, shape (n_samples,)
        Run of each sample, in adjacent rows.
    n_permutations : int
        If there are no more turns, each one but the observed is taken once.
    seed : int

    Returns
    -------
    moves : Moves

    Raises
    ------
    InputError
        If a run comes in two pieces, or the runs have fewer than 100 turns.

    References
    ----------
    Harris, K. D. (2020). Nonsense correlations in neuroscience. bioRxiv
    2020.11.29.402719.
    """
    runs = np.asarray(runs)
    if runs.ndim != 1 or n_permutations < 1:
        raise InputError(
            f"runs has shape {runs.shape} and n_permutations is {n_permutations}; "
            "give the run of each sample, and draw at least once."
        )
    pieces = tuple(np.arange(s.start, s.stop)[None] for s in each_run(runs))
    n_turns = count_arrangements("shift", pieces)
    if n_turns < FEWEST:
        raise InputError(
            f"there are {n_turns} turns, and a null needs at least {FEWEST}. Test on "
            "more or longer runs."
        )
    if n_turns <= n_permutations:
        each = np.indices([piece.size for piece in pieces]).reshape(len(pieces), -1)
        return Moves("shift", pieces, tuple(each[:, 1:]))
    rng = np.random.default_rng(seed)
    choices = tuple(rng.integers(piece.size, size=n_permutations) for piece in pieces)
    return Moves("shift", pieces, choices)


def count_arrangements(
    kind: Literal["blocks", "shift"], pieces: Sequence[NDArray[np.integer]]
) -> int:
    """Return in how many ways pieces can be moved, staying as they are included.

    Examples
    --------
    >>> count_arrangements("blocks", [np.zeros((4, 10)), np.zeros((2, 6))])
    48
    >>> count_arrangements("shift", [np.zeros((1, 100)), np.zeros((1, 90))])
    9000
    """
    if kind == "shift":
        return math.prod(piece.size for piece in pieces)
    return math.prod(math.factorial(len(piece)) for piece in pieces)


def moved_rows(moves: Moves) -> NDArray[np.intp]:
    """Return, per permutation, the prediction's row that meets each response.

    Returns
    -------
    rows : array of int, shape (n_permutations, n_samples)

    Examples
    --------
    >>> moves = Moves("shift", (np.array([[0, 1, 2]]),), (np.array([0, 1]),))
    >>> moved_rows(moves)
    array([[0, 1, 2],
           [2, 0, 1]])
    """
    rows = np.empty((moves.n_permutations, moves.n_samples), np.intp)
    for piece, choice in zip(moves.pieces, moves.choices, strict=True):
        if moves.kind == "blocks":
            rows[:, piece.ravel()] = piece[choice].reshape(len(choice), -1)
        else:
            places = np.arange(piece.size) - choice[:, None]
            rows[:, piece[0]] = piece[0][places % piece.size]
    return rows


def pair_table(Y: Floats, P: Floats, moves: Moves) -> Floats:
    """Return what each pair of places adds to the sum over samples of Y times P.

    Any permutation is a sum of a few of these numbers: those that `picks` names.

    Parameters
    ----------
    Y, P : array of shape (n_samples, n_voxels)
        Responses and predictions.
    moves : Moves

    Returns
    -------
    table : array of shape (n_pairs, n_voxels)
        Per piece: each block of Y with each block of P, or each turn of P.
    """
    parts = []
    for piece in moves.pieces:
        y, p = Y[piece], P[piece]
        if moves.kind == "blocks":
            part = np.einsum("ilv,jlv->ijv", y, p).reshape(-1, Y.shape[1])
        else:
            spectrum = rfft(y[0], axis=0) * rfft(p[0], axis=0).conj()
            part = irfft(spectrum, n=piece.size, axis=0)
        parts.append(part)
    return np.concatenate(parts)


def picks(moves: Moves) -> sparse.csr_array:
    """Return which rows of `pair_table` each permutation adds up.

    Returns
    -------
    picks : sparse array of 0 and 1, shape (1 + n_permutations, n_pairs)
        The first row is what was observed: nothing moved.
    """
    columns, start = [], 0
    for piece, choice in zip(moves.pieces, moves.choices, strict=True):
        if moves.kind == "blocks":
            n_blocks = len(piece)
            order = np.concatenate([np.arange(n_blocks)[None], choice])
            columns.append(start + np.arange(n_blocks) * n_blocks + order)
            start += n_blocks**2
        else:
            columns.append(start + np.r_[0, choice][:, None])
            start += piece.size
    chosen = np.concatenate(columns, axis=1)
    edges = np.arange(0, chosen.size + 1, chosen.shape[1])
    ones = np.ones(chosen.size)
    return sparse.csr_array((ones, chosen.ravel(), edges), shape=(len(chosen), start))


def whole_runs(runs: ArrayLike) -> NDArray[np.integer]:
    """Return runs numbered as blocks, for moving whole runs of one length.

    Examples
    --------
    >>> whole_runs(["b", "b", "a"])
    array([0, 0, 1])
    """
    numbers = np.empty(len(np.asarray(runs)), int)
    for number, rows in enumerate(each_run(runs)):
        numbers[rows] = number
    return numbers


def moves_notes(moves: Moves) -> list[str]:
    """Return what a reader should know of a null: how it moves, and what stays."""
    drawn = f"{moves.n_permutations} times"
    if moves.n_arrangements == moves.n_permutations + 1:
        drawn = f"in all {moves.n_arrangements} ways"
    notes = [f"null: {moves}, {drawn}."]
    if moves.stays > 0:
        notes.append(
            f"{moves.stays:.0%} of the test samples lie in blocks without another of "
            "their length in the run, and stay in place: p errs upwards."
        )
    return notes


def _each_block(blocks: NDArray, walls: NDArray) -> list[slice]:
    edges = np.flatnonzero(np.r_[True, blocks[1:] != blocks[:-1]])
    if len(set(blocks[edges])) < len(edges):
        raise InputError(
            f"{len(set(blocks[edges]))} blocks come in {len(edges)} pieces. The rows "
            "of a block must be adjacent: number each stretch, with block_of_row."
        )
    slices = [slice(*pair) for pair in pairwise([*edges.tolist(), len(blocks)])]
    for rows in slices:
        if (walls[rows] != walls[rows.start]).any():
            raise InputError(
                f"block {blocks[rows.start]} crosses the border of a run, at row "
                f"{rows.start} and on. Cut blocks inside runs, with block_of_row."
            )
    return slices
