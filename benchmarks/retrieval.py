"""What finding music in a large corpus costs, exactly and by FAISS, on one core.

Run from anywhere, with the package and its extra `retrieval` installed:

    python benchmarks/retrieval.py [--items 100000] [--dimensions 512] [--rounds 5]

It makes clustered vectors (as music of many genres is, and white noise is not), and
prints milliseconds per query, the best of all rounds: the bare numpy products, the
exact search of one query and of 60, and FAISS at several numbers of cells looked at,
with the share of the exact ten nearest that it finds. The index is saved, opened and
searched from disk.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402 - threads first
import pandas as pd  # noqa: E402

from brain2music.decoding.approximate import (  # noqa: E402
    build_cells,
    faiss,
    open_cells,
    recall,
    save_cells,
)
from brain2music.decoding.retrieval import (  # noqa: E402
    build_index,
    open_index,
    save_index,
)

N_QUERIES, K = 60, 10
WHO = "benchmark"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    faiss().omp_set_num_threads(1)
    table, queries = clustered(given.items, given.dimensions)
    names = [str(k) for k in range(len(table))]
    index = build_index(table, names, identity=WHO, source=WHO)
    started = time.perf_counter()
    cells = build_cells(index)
    built_s = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as scratch:
        folder = f"{scratch}/index"
        save_index(index, folder)
        save_cells(cells, folder)
        index = open_index(folder)
        cells = open_cells(index, folder)
        rows = measure(index, cells, queries, given.rounds)
    with pd.option_context("display.width", 200):
        sys.stdout.write(pd.DataFrame(rows).to_string(index=False) + "\n")
    sys.stdout.write(f"{cells.n_cells} cells were found in {built_s:.1f} s\n")


def measure(index, cells, queries, rounds) -> list[dict[str, object]]:
    """Return the rows of the table."""
    one, units = queries[:1], queries.astype(np.float32)
    in_memory = np.array(index.embeddings)
    exact = index.search(queries, K, identity=WHO).rows
    jobs: dict[str, tuple[Callable[[], object], int]] = {
        "numpy product, 1": (lambda: in_memory @ units[0], 1),
        "exact, 1": (lambda: index.search(one, K, identity=WHO), 1),
        "numpy product, 60": (lambda: units @ in_memory.T, N_QUERIES),
        "exact, 60": (lambda: index.search(queries, K, identity=WHO), N_QUERIES),
    }
    for n_probed in (4, 8, 16, 32):
        jobs[f"FAISS, 1, {n_probed} cells"] = (searcher(cells, one, n_probed), 1)
        jobs[f"FAISS, 60, {n_probed} cells"] = (
            searcher(cells, queries, n_probed),
            N_QUERIES,
        )
    best = dict.fromkeys(jobs, np.inf)
    for _ in range(rounds):  # they take turns, so that a busy moment hits all alike
        for name, (job, n_queries) in jobs.items():
            started = time.perf_counter()
            job()
            took = (time.perf_counter() - started) / n_queries
            best[name] = min(best[name], took)
    rows = []
    for name, seconds in best.items():
        row = {"search": name, "ms_per_query": round(1000 * seconds, 2)}
        if name.startswith("FAISS, 60"):
            row["recall_at_10"] = recall(jobs[name][0]().rows, exact)
        rows.append(row)
    return rows


def searcher(cells, queries, n_probed) -> Callable[[], object]:
    """Return a search that is ready to be timed."""
    return lambda: cells.search(queries, K, identity=WHO, n_probed=n_probed)


def clustered(n_items: int, n_dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return items and queries in 40 wide groups, each of 50 narrow ones.

    As in embeddings of music, few directions hold most of the variance.
    """
    rng = np.random.default_rng(0)
    spread = np.arange(1, n_dimensions + 1) ** -0.5
    wide = rng.standard_normal((40, n_dimensions))
    narrow = wide.repeat(50, axis=0) + rng.standard_normal((2000, n_dimensions))
    which = rng.integers(0, len(narrow), n_items + N_QUERIES)
    both = narrow[which] + 1.5 * rng.standard_normal((len(which), n_dimensions))
    both *= spread
    return both[:n_items], both[n_items:]


if __name__ == "__main__":
    main()
