"""What a null of all voxels costs: blocks moved in a table, against moving samples.

Run from anywhere, with the package installed:

    python benchmarks/permutations.py [--voxels 60000] [--permutations 1000]

It draws 600 test samples in 6 runs of 10 clips, moves the clips 1,000 times, and prints
one table: seconds for `permutation_test`; for z-scored arrays with one indexed einsum
per permutation; and for the correlation made anew each time. The slow ways are run in
turns with ours, over some of the permutations, and scaled up; their p are checked
against ours over the same permutations. Of the first null the indexed way is run over
all of them, so that its p are those of the whole table (with --whole: both ways, for
all nulls). compared_* say over how many.
"""

import argparse
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402 - see above
import pandas as pd  # noqa: E402 - see above
from memory import peak_bytes  # noqa: E402 - see above

from brain2music.analysis.moves import (  # noqa: E402 - see above
    Moves,
    moved_rows,
    permute_blocks,
    shift_runs,
)
from brain2music.analysis.permutations import (  # noqa: E402 - see above
    permutation_test,
)
from brain2music.core.stats import correlation  # noqa: E402 - see above

N_RUNS, N_CLIPS, N_SAMPLES_CLIP = 6, 10, 10
TIE = 1e-12
WHOLE = ("clips inside runs", "float64")  # whose p are compared over all of them


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxels", type=int, default=60_000)
    parser.add_argument("--permutations", type=int, default=1_000)
    parser.add_argument("--precision", choices=["float32", "float64"], default=None)
    parser.add_argument("--whole", action="store_true")
    given = parser.parse_args()
    precisions = [given.precision] if given.precision else ["float64", "float32"]
    rows = [row for p in precisions for row in measure(given, p)]
    with pd.option_context("display.width", 200, "display.max_columns", None):
        sys.stdout.write(pd.DataFrame(rows).to_string(index=False) + "\n")
    sys.stdout.write(f"peak memory of it all: {peak_bytes() // 1024**2} MB\n")


def measure(given: argparse.Namespace, precision: str) -> list[dict[str, object]]:
    """Return the rows of one precision: three nulls, ours against two slow ways."""
    Y, P = draw(given.voxels, precision)
    runs = np.repeat(np.arange(N_RUNS), N_CLIPS * N_SAMPLES_CLIP)
    clips = np.arange(len(runs)) // N_SAMPLES_CLIP
    options = {"n_permutations": given.permutations, "seed": 0}
    nulls = {
        "clips inside runs": permute_blocks(clips, walls=runs, **options),
        "clips, any run": permute_blocks(clips, **options),
        "circular shift": shift_runs(runs, **options),
    }
    rows = []
    for name, moves in nulls.items():
        whole = given.whole or ((name, precision) == WHOLE)
        before = peak_bytes() // 1024**2
        ours_s, test = timed(lambda m=moves: permutation_test(Y, P, m))
        extra = peak_bytes() // 1024**2 - before
        n = given.permutations if given.whole else max(10, given.permutations // 50)
        some = first(moves, n)
        n_indexed = given.permutations if whole else n
        m_indexed = moves if whole else some
        indexed_s, p_indexed = timed(lambda m=m_indexed: indexed_einsum(Y, P, m))
        again_s, p_again = timed(lambda m=some: recompute(Y, P, m))
        of_some = permutation_test(Y, P, some).p
        of_indexed = test.p if whole else of_some
        scale = given.permutations / n
        scale_indexed = given.permutations / n_indexed
        rows.append(
            {
                "null": name,
                "precision": precision,
                "ours_s": round(ours_s, 2),
                "indexed_s": round(indexed_s * scale_indexed, 1),
                "recomputed_s": round(again_s * scale, 1),
                "over_indexed": f"{indexed_s * scale_indexed / ours_s:.0f} x",
                "over_recomputed": f"{again_s * scale / ours_s:.0f} x",
                "compared_indexed": n_indexed,
                "p_differ_indexed": int((p_indexed != of_indexed).sum()),
                "compared_recomputed": n,
                "p_differ_recomputed": int((p_again != of_some).sum()),
                "found": int((test.p < 0.01).sum()),
                "extra_mb": extra,
            }
        )
    return rows


def indexed_einsum(Y: np.ndarray, P: np.ndarray, moves: Moves) -> np.ndarray:
    """Return p from z-scored arrays and one indexed einsum per permutation."""
    n = len(Y)
    Y, P = ((a - a.mean(axis=0)) / a.std(axis=0) for a in (Y, P))
    r = np.einsum("tv,tv->v", Y, P) / n
    above = np.zeros(Y.shape[1], int)
    for rows in moved_rows(moves):
        above += np.einsum("tv,tv->v", Y, P[rows]) / n >= r - TIE
    return (1 + above) / (1 + moves.n_permutations)


def recompute(Y: np.ndarray, P: np.ndarray, moves: Moves) -> np.ndarray:
    """Return p from the correlation of the moved prediction, made anew each time."""
    r = correlation(Y, P)
    above = np.zeros(Y.shape[1], int)
    for rows in moved_rows(moves):
        above += correlation(Y, P[rows]) >= r - TIE
    return (1 + above) / (1 + moves.n_permutations)


def first(moves: Moves, n: int) -> Moves:
    """Return the first `n` permutations of `moves`."""
    return Moves(moves.kind, moves.pieces, tuple(c[:n] for c in moves.choices))


def draw(n_voxels: int, precision: str) -> tuple[np.ndarray, np.ndarray]:
    """Return responses and predictions; in a tenth of the voxels they share r = 0.2."""
    rng = np.random.default_rng(0)
    shape = (N_RUNS * N_CLIPS * N_SAMPLES_CLIP, n_voxels)
    Y, P = (rng.standard_normal(shape, dtype=precision) for _ in range(2))
    Y[:, ::10] += Y.dtype.type(0.2) * P[:, ::10]
    return Y, P


def timed(call):
    """Return how many seconds a call takes, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
