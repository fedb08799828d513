"""The doctor on each kind of recording, on windows, in named ROIs, and on confounds."""

import numpy as np
import pandas as pd
import pytest

from brain2music import check_study, load_study

pytestmark = pytest.mark.slow
NEVER_MADE = {"shared-clips", "extractor", "stale", "grid-ends", "above-ceiling"}
NEVER_MADE |= {"ceiling-table", "pools", "prior", "group-size", "roi-origin"}
NEVER_MADE |= {"backend"}  # numpy computes
UNSAID = {"sides", "header-tr", "reference-time", "medial-wall"}  # of plain arrays


def not_made(verdict):
    return {one.key for one in verdict.findings if one.status == "not made"}


def test_images_are_examined_whole(made, tools):
    verdict, failed = tools.examined(tools.as_images(made))
    assert failed == {}
    said = {"sides", "header-tr"}  # by headers of images
    assert not_made(verdict) == NEVER_MADE | UNSAID - said | {"confounds"}


@pytest.mark.parametrize("kind", ["volume", "surface", "cifti"])
def test_what_fmriprep_wrote_is_examined_whole(made, tools, Fmriprep, kind):
    path, _ = tools.as_scans(made, Fmriprep, kind)
    verdict, failed = tools.examined(path)
    assert failed == {}
    unsaid = {"medial-wall"} if kind == "volume" else {"medial-wall", "sides"}
    # Of 12 columns, too few have a signal for ceilings; some meshes have no map file.
    few = {"repeat-ceiling", "planted-place"}
    assert not_made(verdict) - NEVER_MADE - few == unsaid
    assert {one.status for one in verdict.findings if one.key == "planted-signal"} == {
        "passed"
    }


def test_windows_are_examined_whole(made, tools):
    alignment = '[alignment]\nrows = "windows"\nlag_s = 4.5\nwindow_s = 3\n\n[encoding]'
    path = tools.edit(
        made.write(), ("delays = [2, 3, 4]\n", ""), ("[encoding]", alignment)
    )
    verdict, failed = tools.examined(path)
    assert failed == {}
    assert not_made(verdict) <= NEVER_MADE | UNSAID | {"confounds", "planted-place"}


def with_rois(made, tools, names):
    path = made.write()
    masks = {"signal": np.arange(40) < 30, "silence": np.arange(40) >= 30}
    np.savez(path.parent / "rois.npz", **masks)
    text = f'[rois]\nmasks = "rois.npz"\n\n[doctor]\nrois = {names}\n\n[analysis]'
    return tools.edit(path, ("[analysis]", text))


def test_sound_is_moved_in_the_rois_that_are_named(made, tools):
    made.Y["Training", "3"] = np.roll(made.Y["Training", "3"], 4, axis=0)
    _, failed = tools.examined(with_rois(made, tools, '["signal"]'), only=["shift"])
    assert [one.where for one in failed["shift-run"]] == [
        ("sub-01", "task-Training_run-3")
    ]


def test_nothing_is_told_of_rois_that_hear_nothing(made, tools):
    made.Y["Training", "3"] = np.roll(made.Y["Training", "3"], 4, axis=0)
    path = with_rois(made, tools, '["silence"]')
    verdict, failed = tools.examined(path, only=["shift"])
    assert failed == {}
    assert {"shift-lag", "shift-run"} <= not_made(verdict)


def test_rois_that_are_not_there_are_named_at_the_door(made, tools):
    path = with_rois(made, tools, '["signals"]')
    (problem,) = check_study(load_study(path)).problems
    assert "doctor.rois names 'signals', which is no ROI here" in problem
    assert "Did you mean 'signal'" in problem


def follow(path, writer, made, share):
    """Let a head nod: motion holds a share of what is heard."""
    events = sorted((path.parent / "events").glob("*.tsv"))
    assert len(events) == len(made.Y)
    for task, run in made.Y:
        table = made.events[task, run]
        heard = [made.features[f"{e.genre}.{e.track}"] for e in table.itertuples()]
        course = np.concatenate([np.hstack(values)[:, 0] for values in heard])
        noise = np.random.default_rng(int(run)).standard_normal(len(course))
        stem = writer.stem("01", (task, run))
        file = stem.with_name(f"{stem.name}_desc-confounds_timeseries.tsv")
        motion = pd.read_csv(file, sep="\t")
        nod = np.r_[np.zeros(3), course[:-3]]
        motion["trans_x"] = share * nod + noise
        motion.to_csv(file, sep="\t", index=False, na_rep="n/a")


@pytest.mark.parametrize(("share", "low", "high"), [(2.0, 0.4, 1.0), (0.0, -1.0, 0.1)])
@pytest.mark.plants(29, "confounds")
def test_motion_that_follows_the_music_is_shown(
    made, tools, Fmriprep, share, low, high
):
    """Mode 29: shown and never failed, as heads do nod."""
    path, writer = tools.as_scans(made, Fmriprep, "volume")
    follow(path, writer, made, share)
    verdict, failed = tools.examined(path, only=["confounds"])
    found = [one for one in verdict.findings if one.key == "confounds"]
    assert {one.status for one in found} == {"shown"}
    assert low < found[0].values["r2_most"] < high
    assert failed == {}
