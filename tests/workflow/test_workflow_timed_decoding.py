"""Tests of how long decoding will take."""

import numpy as np
import pytest

from brain2music import load_study, run
from brain2music.core.types import Band
from brain2music.decoding.decoders import CortexRidge, RoiRidge
from brain2music.workflow import timed_decoding
from brain2music.workflow.alignment import align
from brain2music.workflow.opening import open_subject
from brain2music.workflow.timed_fit import describe_time

ROIS = {"large": range(7), "middle": range(7, 11), "small": range(11, 12)}


def decoding(path, text):
    """Make a study decode; return it with the rows of its first subject."""
    masks = {n: np.isin(np.arange(12), list(v)) for n, v in ROIS.items()}
    np.savez(path.parent / "rois.npz", **masks)
    whole = path.read_text() + '\n[rois]\nmasks = "rois.npz"\n\n[decoding]\n' + text
    path.write_text(whole)
    study = load_study(path)
    return study, align(study, open_subject(study, "01"))


@pytest.mark.parametrize(
    ("targets", "more", "n_fits"),
    [
        (["music", "genre"], "", 2),
        (["music", "genre"], 'genres = "genre"\ngenre_transfer = true\n', 8),
        (["music"], 'folds = "clip"\n', 7),
        (["music", "genre"], "lags = [0, 2]\n", 6),
    ],
)
def test_fits_are_counted_as_a_run_makes_them(
    study_file, tmp_path, monkeypatch, targets, more, n_fits
):
    text = f"targets = {targets}\nn_folds = 3\nn_permutations = 100\n"
    text += "n_resamples = 100\n" + more
    study, aligned = decoding(study_file, text)
    made, fit = [], CortexRidge.fit

    def counted(self, Y, T, folds):
        made.append(len(Y))
        return fit(self, Y, T, folds)

    monkeypatch.setattr(CortexRidge, "fit", counted)
    run(study, tmp_path / "out", subjects=["01"], stage="tables")
    n_train = int((aligned.rows["side"] == "train").sum())
    told = [timed_decoding._fits(study, aligned, name, n_train) for name in targets]
    assert sum(sum(fits.values()) for fits in told) == len(made) == n_fits
    rows = sum(n_rows * n for fits in told for n_rows, n in fits.items())
    assert sum(made) <= rows < 1.4 * sum(made)  # some rows have no later response


def test_regions_between_those_that_are_timed_are_counted_by_their_size(
    study_file, monkeypatch
):
    text = 'targets = ["music"]\ndecoder = "rois"\nn_best = 2\n'
    study, aligned = decoding(study_file, text)
    asked = []

    def one(decoder, _n_folds, n_voxels, n_rows, width):
        assert isinstance(decoder, RoiRidge)
        asked.append(n_voxels)
        return 10 + n_voxels + n_rows / 1e3 + width

    monkeypatch.setattr(timed_decoding, "_one", one)
    monkeypatch.setattr(timed_decoding, "N_SIZES", 2)
    n_train = int((aligned.rows["side"] == "train").sum())
    found = timed_decoding.time_decoding(study, aligned, {"music": 4})
    assert asked == [1, 7]
    assert found == pytest.approx(3 * (10 + n_train / 1e3 + 4) + 12)
    assert timed_decoding.time_decoding(study, aligned, {}) == 0


def test_folds_are_those_that_the_rows_have(study_file, monkeypatch):
    study, aligned = decoding(study_file, 'targets = ["music"]\nn_folds = 40\n')
    asked = []
    monkeypatch.setattr(
        timed_decoding, "_one", lambda *given: asked.append(given[1]) or 1.0
    )
    assert timed_decoding.time_decoding(study, aligned, {"music": 4}) == 1
    assert asked == [3]  # training runs
    few = {9: 1, 5: 2, 3: 7}  # of three rows there are no two folds that vary
    monkeypatch.setattr(timed_decoding, "_fits", lambda *_: few)
    assert timed_decoding.time_decoding(study, aligned, {"music": 4}) == 3
    assert asked == [3, 3, 2]


def test_a_decoder_of_the_whole_cortex_is_timed_as_it_is(study_file):
    study, aligned = decoding(study_file, 'targets = ["music"]\n')
    done = []
    assert timed_decoding.time_decoding(study, aligned, {"music": 4}, done.append) > 0
    assert done == [1]
    (line,) = describe_time(study, [aligned.opened])
    assert "for fits of decoders" in line
    bands = [Band("music", 4, (1, 2)), Band("genre", 3)]
    assert timed_decoding.widths_of(study, bands) == {"music": 4}
