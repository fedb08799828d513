"""What is known of four real brains comes back."""

from pathlib import Path

import numpy as np
import pytest

from brain2music import load_study, run
from brain2music.core.saved import read_rows
from brain2music.workflow.tables import read_table

EXAMPLE = Path(__file__).parents[2] / "examples" / "studyforrest.toml"
AUDITORY = ["56", "210", "218", "44", "83"]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    study = load_study(EXAMPLE)
    if not study.root.exists():
        pytest.skip("the recorded data are not here")
    return run(study, tmp_path_factory.mktemp("studyforrest"))


@pytest.mark.slow
@pytest.mark.dataset
def test_the_acoustic_band_alone_finds_the_auditory_parcels(result):
    alone = result.roi_scores.query("model == 'alone' and feature_space == 'acoustic'")
    assert alone["subject"].nunique() == 4
    r = alone.groupby("roi")["r_mean"].mean().sort_values(ascending=False)
    assert sorted(r.index[:5]) == sorted(AUDITORY)
    # Run starts that held raw zeros would give 0.305.
    assert r[AUDITORY].mean() >= 0.315


@pytest.mark.slow
@pytest.mark.dataset
def test_the_bands_lead_where_they_should(result):
    scores = result.roi_scores
    joint = scores.query("model == 'joint'").groupby("roi")["r2_mean"].mean()
    parts = scores.query("model == 'part' and feature_space != 'offset'")
    table = parts.pivot_table(index="roi", columns="feature_space", values="r2_mean")
    leader = table.idxmax(axis=1)
    assert set(leader[AUDITORY]) == {"acoustic"}
    explained = leader[joint.index[joint > 0.02]]
    assert 10 <= len(explained) <= 20
    assert (~explained.isin(["acoustic", "visual"])).sum() <= 2


@pytest.mark.slow
@pytest.mark.dataset
def test_a_table_study_invents_no_anatomy_and_no_ceiling(result):
    notes = "\n".join(result.notes)
    assert "no map: these labels have no position" in notes
    assert "no ceiling: no repeats" in notes
    assert not list((result.out / "figures").glob("flatmap*"))
    page = result.report.read_text(encoding="utf-8")
    assert all(f"<td>{parcel}</td>" in page for parcel in AUDITORY)


@pytest.mark.slow
@pytest.mark.dataset
def test_auditory_parcels_are_more_than_chance_in_every_brain(result):
    found = read_table(result.out / "tables", "roi_significance")
    acoustic = found[found["feature_space"] == "acoustic"]
    auditory = acoustic[acoustic["roi"].isin(AUDITORY)]
    assert (auditory["p"] < 0.005).all()
    assert auditory["n_found"].mean() >= 0.9
    # The null of independent samples finds far more than runs that are turned.
    counts = acoustic[["n_bh", "n_max", "n_gaussian"]].sum()
    assert counts["n_gaussian"] > 1.5 * counts["n_bh"] > counts["n_max"] > 0
    group = read_table(result.out / "tables", "group")
    rows = group.query("effect == 'r_mean' and feature_space == 'acoustic'")
    rows = rows[rows["roi"].isin(AUDITORY)]
    assert set(rows["p_sign"]) == {0.125}
    assert set(rows["counted_by"]) == {"p_all"}  # corrected for 278 parcels
    assert rows["n_significant"].min() >= 2
    assert (rows["mean_low"] > 0).all()


@pytest.mark.slow
@pytest.mark.dataset
def test_the_page_shows_every_table_that_these_data_allow(result):
    page = result.report.read_text(encoding="utf-8")
    tables = ("roi_significance", "partition", "partition_views", "added", "gradient")
    for name in (*tables, "roi_summaries", "roi_differences", "group"):
        assert f'id="table-{name}"' in page, name
        assert len(read_table(result.out / "tables", name)) > 0
    first = page.split("</ul>")[1]
    assert "cannot give a p below 0.125" in first
    assert "nothing can be significant in fewer than" in first
    # No repeats, no position: no ceiling, no hemispheres and no map.
    assert len(read_table(result.out / "tables", "ceilings")) == 0
    assert read_table(result.out / "tables", "hemispheres") is None


def p_of_all_turns(true, predicted, runs):
    """Return how often a turn of each run does as well: no turn is drawn, all are."""
    x, y = true - true.mean(), predicted - predicted.mean()
    sums = np.zeros(1)
    for name in dict.fromkeys(runs):
        mine = runs == name
        turned = [x[mine] @ np.roll(y[mine], k) for k in range(mine.sum())]
        sums = np.add.outer(sums, turned).ravel()
    return (sums >= x @ y - 1e-9).mean()


@pytest.mark.slow
@pytest.mark.dataset
@pytest.mark.parametrize("target", ["acoustic", "music"])
def test_p_of_what_is_decoded_is_that_of_all_turns(result, target):
    found = read_table(result.out / "tables", "decoded_dimensions")
    for subject, rows in found.query("target == @target").groupby("subject"):
        folder = result.out / f"decoding/sub-{subject}"
        runs = read_rows(folder / "rows.csv")["run_name"].to_numpy()
        with np.load(folder / f"{target}.npz") as saved:
            pairs = list(zip(saved["true"].T, saved["predicted"].T, strict=True))
        for (true, predicted), row in zip(pairs, rows.itertuples(), strict=True):
            exact = p_of_all_turns(true, predicted, runs)
            error = 4 * np.sqrt(exact * (1 - exact) / row.n_permutations)
            assert abs(row.p - exact) <= error + 2 / row.n_permutations
            assert row.r == pytest.approx(np.corrcoef(true, predicted)[0, 1], abs=1e-6)


@pytest.mark.slow
@pytest.mark.dataset
def test_volume_and_music_are_decoded_in_every_brain(result):
    found = read_table(result.out / "tables", "decoded_dimensions")
    assert found is not None
    volume = found[found["dimension"] == "log rms"]
    assert len(volume) == 4
    assert (volume["r"] >= 0.46).all()
    assert (volume["r_low"] > 0.3).all()
    assert (volume["p"] <= 0.002).all()
    music = found[found["dimension"] == "on"]
    assert (music["r"] >= 0.15).all()
    assert (music["p"] < 0.05).all()
    assert (music["r_low"] < music["r"]).all()
    assert (music["r"] < music["r_high"]).all()
    assert (found["r_low"] < found["r"]).all()
    assert (found["n_blocks"] < 300).all()
