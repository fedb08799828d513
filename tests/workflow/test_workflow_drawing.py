"""Tests of the heights of figures of ROIs."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from brain2music.figures.style import size_mm
from brain2music.workflow import drawing


@pytest.mark.parametrize(("n_spaces", "n_shown"), [(2, 20), (20, 5)])
def test_every_feature_space_has_room_and_the_page_has_an_end(
    n_spaces, n_shown, monkeypatch
):
    bands = [f"space{k}" for k in range(n_spaces)]
    rois = [f"roi{k}" for k in range(30)]
    asked = []

    def fakes(_scores, *, rois, max_rois, ax):
        assert max_rois == drawing.MAX_ROIS
        asked.append((len(rois), size_mm(ax.figure)[1]))

    for name in ("plot_roi_comparison", "plot_parts"):
        monkeypatch.setattr(drawing, name, fakes)
    monkeypatch.setattr(drawing, "leading_rois", lambda _scores, n: rois[:n])
    monkeypatch.setattr(drawing, "_differences", lambda *_: [])
    monkeypatch.setattr(drawing, "map_figures", lambda *_: [])
    saved = SimpleNamespace(
        tables={"roi_scores": pd.DataFrame({"roi": rois})},
        study=SimpleNamespace(encoding=SimpleNamespace(bands=bands)),
        models={},
        simulated="",
    )
    notes = []
    assert len(list(drawing._figures(saved, notes))) == 2
    plt.close("all")
    for n, high in asked:
        assert n == n_shown
        assert (high - 30) / n >= max(11, 2.2 * n_spaces)
        assert high <= 300
    assert f"figures show {n_shown} of 30 ROIs" in notes[0]
