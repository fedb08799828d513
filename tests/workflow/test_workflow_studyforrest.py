"""What is known of four real brains comes back."""

from pathlib import Path

import pytest

from brain2music import load_study, run

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
