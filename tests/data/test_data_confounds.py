"""Tests of reading fMRIPrep's confounds, and of censored volumes."""

import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds, load_confounds_strategy
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.data.confounds import check_confounds, read_confounds

N = 40


@pytest.fixture
def scan(fmriprep, rng):
    """Return a run's image, its first two volumes unsteady, and two that moved."""
    run = ("music", 1)
    paths = fmriprep.write("volume", "01", run, rng.standard_normal((N, 12)))
    stem = fmriprep.stem("01", run)
    fmriprep.write_confounds(stem, N, dummies=(0, 1), moved=(20, 29))
    return paths[0]


def read(scan, groups=(), censor="dummies", n_samples=N, **options):
    stem = scan.name.split("_space-")[0]
    table = scan.with_name(f"{stem}_desc-confounds_timeseries.tsv")
    return read_confounds(
        [scan],
        table,
        n_samples,
        groups=groups,
        censor=censor,
        options=options,
        name="sub-01",
    )


def test_groups_are_those_that_nilearn_loads(scan):
    found, notes = read(scan, ["motion", "wm_csf"], motion="derivatives")
    expected, mask = load_confounds(
        str(scan), strategy=["motion", "wm_csf"], motion="derivatives", demean=False
    )
    assert list(found.names) == list(expected.columns)
    assert_allclose(found.values, expected)
    assert_array_equal(np.flatnonzero(found.used), mask)
    assert "14 confounds are regressed out; 6 of them are derivatives" in notes[0]


def test_a_strategy_is_nilearns(scan):
    found, _ = read(scan, "scrubbing", censor="scrub", scrub=0)
    expected, mask = load_confounds_strategy(
        str(scan), denoise_strategy="scrubbing", scrub=0, demean=False
    )
    assert_allclose(found.values, expected)
    assert_array_equal(np.flatnonzero(found.used), mask)


def test_volumes_are_censored_as_asked_and_counted(scan):
    kept, notes = read(scan, censor="none")
    assert kept.used.all()
    assert notes == []
    steady, notes = read(scan)
    assert_array_equal(np.flatnonzero(~steady.used), [0, 1])
    assert "2 of 40 volumes are censored" in notes[0]
    still, _ = read(scan, censor="scrub", scrub=0)
    assert_array_equal(np.flatnonzero(~still.used), [0, 1, 20, 29])
    segments, _ = read(scan, censor="scrub", fd_threshold=0.5)
    assert_array_equal(
        np.flatnonzero(segments.used), [*range(2, 20), *range(21, 29), *range(30, 40)]
    )
    assert still.values.shape == (N, 0)


def test_a_table_of_another_length_is_refused(scan):
    with pytest.raises(InputError, match=r"sub-01: .* has 40 rows, the run 39 volumes"):
        read(scan, ["motion"], n_samples=39)


def test_nan_below_the_first_row_is_refused_and_names_its_column(scan):
    path = next(scan.parent.glob("*confounds_timeseries.tsv"))
    table = pd.read_csv(path, sep="\t")
    table.loc[7, "csf"] = np.nan
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(InputError, match="NaN in the confounds csf after their first"):
        read(scan, ["wm_csf"])


def test_what_the_table_lacks_is_said(scan):
    with pytest.raises(InputError, match=r"cannot be had: .*compcor"):
        read(scan, ["high_pass", "compcor"])
    next(scan.parent.glob("*confounds_timeseries.tsv")).unlink()
    with pytest.raises(InputError, match=r"confounds_timeseries\.tsv cannot be read"):
        read(scan, ["motion"])


def test_all_volumes_moved_leaves_none(scan, fmriprep):
    fmriprep.write_confounds(fmriprep.stem("01", ("music", 1)), N, moved=range(N))
    with pytest.raises(InputError, match="All volumes were marked"):
        read(scan, censor="scrub")


@pytest.mark.parametrize(
    ("groups", "censor", "options", "words"),
    [
        (["moton"], "none", {}, "Did you mean 'motion'"),
        ("scrubing", "scrub", {}, "Did you mean 'scrubbing'"),
        ("scrubbing", "dummies", {}, "goes with censor = 'scrub'"),
        ("simple", "scrub", {}, "goes with censor = 'scrub'"),
        ([], "srub", {}, "Did you mean 'scrub'"),
        (["motion"], "none", {"fd": 1}, "has no 'fd'"),
        (["motion"], "none", {"fd_threshold": 1}, "is of 'scrub', and that is not"),
    ],
)
def test_what_does_not_go_together_is_refused(groups, censor, options, words):
    with pytest.raises(InputError, match=words):
        check_confounds(groups, censor, options)
