"""What is known of two real brains comes back, from data that lie with the tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music import load_study, run

ROOT = Path(__file__).parents[2]
SUBSET = ROOT / "tests/studyforrest/subset.npz"
EXAMPLE = ROOT / "examples/studyforrest.toml"
AUDITORY = ["56", "210", "218", "44", "83"]
SOUND, SIGHT = ["rms", "lrdiff"], ["brmean", "brlr", "brud", "norm_diff"]


def write_data(folder):
    """Write the subset as the tables that the example reads; return the study file."""
    with np.load(SUBSET, allow_pickle=False) as saved:
        arrays = {name: saved[name] for name in saved.files}
    ends = np.cumsum(arrays["n_volumes"])
    (folder / "annotations").mkdir(parents=True)
    for subject in ("01", "02"):
        place = folder / f"bold/sub-{subject}"
        place.mkdir(parents=True)
        parts = np.split(arrays[f"bold_{subject}"] / 1000, ends[:-1])
        for k, part in enumerate(parts, start=1):
            table = pd.DataFrame(part, columns=arrays["parcels"])
            path = place / f"sub-{subject}_task-avmovie_run-{k}_bold.csv"
            table.to_csv(path, index=False, float_format="%.3f")
    for k in range(1, len(ends) + 1):
        for name, columns in (("conf_audio", SOUND), ("conf_visual", SIGHT)):
            values = arrays[f"{name}_{k}"]
            table = pd.DataFrame(values, columns=columns)
            table.insert(0, "onset", np.arange(len(values), dtype=float))
            table.insert(1, "duration", 1.0)
            _write(folder, name, k, table)
        for name in ("music", "emotions_av_1s_events", "locations"):
            start = f"{name}_{k}_"
            columns = {
                key.removeprefix(start): values
                for key, values in arrays.items()
                if key.startswith(start)
            }
            _write(folder, name, k, pd.DataFrame(columns))
    text = EXAMPLE.read_text(encoding="utf-8")
    for old, new in (
        ('root = "../../shared/data/studyforrest"', 'root = "."'),
        ('["01", "02", "03", "04"]', '["01", "02"]'),
        ("n_candidates = 60", "n_candidates = 20"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _write(folder, name, number, table):
    path = folder / f"annotations/{name}_run-{number}_events.tsv"
    table.to_csv(path, sep="\t", index=False)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("subset")
    return run(load_study(write_data(folder / "data")), folder / "out")


@pytest.mark.slow
def test_the_acoustic_band_alone_finds_the_auditory_parcels(result):
    alone = result.roi_scores.query("model == 'alone' and feature_space == 'acoustic'")
    alone = alone[alone["roi"] != "all voxels"]
    assert alone.groupby("subject").size().tolist() == [60, 60]
    r = alone.groupby("roi")["r_mean"].mean().sort_values(ascending=False)
    assert set(AUDITORY) <= set(r.index[:8])
    assert r[AUDITORY].mean() >= 0.28


@pytest.mark.slow
def test_nearly_all_of_the_auditory_parcels_is_acoustic(result):
    parts = result.roi_scores.query("model == 'part' and feature_space != 'offset'")
    table = parts.pivot_table(index="roi", columns="feature_space", values="r2_mean")
    assert set(table.loc[AUDITORY].idxmax(axis=1)) == {"acoustic"}
    share = table["acoustic"] / table.sum(axis=1)
    assert share[AUDITORY].mean() > 0.8


@pytest.mark.slow
def test_volume_is_decoded_from_sixty_parcels(result):
    found = result.table("decoded_dimensions")
    volume = found[found["target"] == "acoustic"].groupby("subject").first()
    assert (volume["r"] >= 0.3).all()
    assert (volume["p"] < 0.01).all()


@pytest.mark.slow
def test_no_anatomy_is_invented(result):
    assert any("these labels have no position" in note for note in result.notes)
    assert not list((result.out / "figures").glob("flatmap*"))
