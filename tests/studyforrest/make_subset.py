"""Makes subset.npz of the whole tables: python make_subset.py FOLDER.

FOLDER holds studyforrest's `bold/` and `annotations/`, as README.md tells of them.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

SUBJECTS, N_PARCELS, RUNS = ("01", "02"), 60, range(1, 9)
KNOWN = ("56", "210", "218", "44", "83", "183", "268", "18")
SOUND = ["rms", "lrdiff"]
SIGHT = ["brmean", "brlr", "brud", "norm_diff"]
KEPT = {
    "music": ["onset", "duration", "fg"],
    "emotions_av_1s_events": [
        *("onset", "duration", "arousal", "valence_positive", "valence_negative"),
    ],
    "locations": ["onset", "duration", "int_or_ext", "time_of_day"],
}


def main(folder: Path) -> None:
    """Write the subset beside this file."""
    runs = {s: [_bold(folder, s, run) for run in RUNS] for s in SUBJECTS}
    shared = set.intersection(*(set(r.columns) for rs in runs.values() for r in rs))
    others = sorted(shared - set(KNOWN), key=int)
    step = len(others) // (N_PARCELS - len(KNOWN))
    chosen = [*KNOWN, *others[::step][: N_PARCELS - len(KNOWN)]]
    parcels = sorted(chosen, key=int)
    arrays = {
        "parcels": np.array(parcels),
        "n_volumes": np.array([len(run) for run in runs[SUBJECTS[0]]]),
    }
    for subject, parts in runs.items():
        whole = pd.concat([part[parcels] for part in parts])
        arrays[f"bold_{subject}"] = np.round(1000 * whole.to_numpy()).astype(np.int16)
    for run in RUNS:
        for name, columns in (("conf_audio", SOUND), ("conf_visual", SIGHT)):
            arrays[f"{name}_{run}"] = _each_second(_events(folder, name, run), columns)
        for name, columns in KEPT.items():
            table = _events(folder, name, run)[columns]
            for column in columns:
                arrays[f"{name}_{run}_{column}"] = (
                    table[column]
                    .to_numpy()
                    .astype("f4" if table[column].dtype.kind in "fi" else str)
                )
    np.savez_compressed(Path(__file__).with_name("subset.npz"), **arrays)


def _bold(folder: Path, subject: str, run: int) -> pd.DataFrame:
    name = f"sub-{subject}_task-avmovie_run-{run}_bold.csv"
    return pd.read_csv(folder / f"bold/sub-{subject}/{name}")


def _events(folder: Path, name: str, run: int) -> pd.DataFrame:
    path = folder / f"annotations/{name}_run-{run}_events.tsv"
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def _each_second(events: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Return means over the 25 rows of 40 ms of each second."""
    second = (events["onset"] + 1e-6).astype(int)
    return events.groupby(second)[columns].mean().to_numpy().astype(np.float32)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
