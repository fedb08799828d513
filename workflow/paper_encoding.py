"""Figures of encoding: scores of two feature spaces, and scores per ROI."""

from collections.abc import Iterator

import pandas as pd

from ..analysis.rois import leading_rois, written_roi
from ..core.types import label_of
from ..figures.bars import plot_bars
from ..figures.scores import fullest_bin, plot_score_density
from ..figures.style import DOUBLE_MM, SINGLE_MM, figure_mm
from ..figures.tables import MAX_ROIS
from .paper_bars import name_simulated, written
from .paper_pages import Drawn, Results, axes_limits
from .regions import ALL
from .to_draw import as_written, r_of, score_limits

BINS = 60
TALL = 0.86  # height of a density, of its width


def sound_space(results: Results) -> str | None:
    """Return the feature space of music: MuLan's, or the first that is of sound."""
    of_sound = [
        name
        for name in results.bands
        if results.saved.study.features[name].kind not in ("category", "captions")
    ]
    known = [name for name in of_sound if name == "mulan-music"]
    return next(iter([*known, *of_sound]), None)


def text_space(results: Results) -> str | None:
    """Return the feature space of captions, or MuLan's of text."""
    features = results.saved.study.features
    texts = [n for n in results.bands if features[n].kind == "captions"]
    return next(iter([*texts, *(n for n in results.bands if n == "mulan-text")]), None)


def genre_space(results: Results) -> str | None:
    """Return the first feature space that is a category, such as the genre."""
    features = results.saved.study.features
    return next((n for n in results.bands if features[n].kind == "category"), None)


def other_space(results: Results) -> str | None:
    """Return the second feature space of sound: w2v-BERT, or the next one."""
    first = sound_space(results)
    others = [n for n in results.bands if n not in (first, text_space(results))]
    others = [n for n in others if n != genre_space(results)]
    known = [name for name in others if name == "w2v-bert"]
    return next(iter([*known, *others]), None)


def two_models(results: Results) -> tuple[str, str] | None:
    """Return the two feature spaces of sound that maps compare."""
    return _both(other_space(results), sound_space(results))


def music_and_text(results: Results) -> tuple[str, str] | None:
    """Return the feature spaces of music and of text."""
    return _both(sound_space(results), text_space(results))


def genre_and_music(results: Results) -> tuple[str, str] | None:
    """Return the feature spaces of genre and of music."""
    return _both(genre_space(results), sound_space(results))


def _both(x: str | None, y: str | None) -> tuple[str, str] | None:
    return None if x is None or y is None or x == y else (x, y)


def no_two_models(results: Results) -> str:
    """Say why no two models can be compared, or return ''."""
    found = two_models(results)
    return "" if found else "encoding.bands has not two feature spaces of sound"


def no_text(results: Results) -> str:
    """Say why music and text cannot be compared, or return ''."""
    found = music_and_text(results)
    return "" if found else "encoding.bands has not one of sound and one of captions"


def no_genre_space(results: Results) -> str:
    """Say why music and genre cannot be compared, or return ''."""
    found = genre_and_music(results)
    return "" if found else "encoding.bands has not one of sound and one of a category"


def draw_two_models(results: Results) -> Iterator[Drawn]:
    """Draw the density of voxels under two feature spaces of sound."""
    yield from _densities(results, "two_models", two_models(results))


def draw_music_text(results: Results) -> Iterator[Drawn]:
    """Draw the density of voxels under music and text."""
    yield from _densities(results, "music_text", music_and_text(results))


def draw_music_genre(results: Results) -> Iterator[Drawn]:
    """Draw the density of voxels under genre and music."""
    yield from _densities(results, "music_genre", genre_and_music(results))


def _densities(
    results: Results, name: str, pair: tuple[str, str] | None
) -> Iterator[Drawn]:
    """Draw one density per subject, all with the same limits."""
    assert pair is not None
    r = {
        subject: [r_of(results.saved, subject, "alone", space) for space in pair]
        for subject in results.subjects
    }
    limits = score_limits([one for both in r.values() for one in both])
    most = max(fullest_bin(x, y, limits, BINS) for x, y in r.values())
    names = [as_written(label_of(space, "")) for space in pair]
    labels = (f"{names[0]}, r", f"{names[1]}, r")
    width = results.print.width(SINGLE_MM)
    for subject, (x, y) in r.items():
        figure = figure_mm(width, TALL * width, layout="constrained")
        plot_score_density(
            x,
            y,
            labels=labels,
            limits=limits,
            ax=figure.add_subplot(),
            bins=BINS,
            most=most,
        )
        name_simulated(results, figure, f"sub-{subject}")
        ids = list(results.saved.models[subject].space.ids)
        columns = {"subject": subject, "voxel": ids, f"r {pair[0]}": x}
        yield Drawn(
            f"{name}_sub-{subject}",
            figure,
            {"": pd.DataFrame(columns | {f"r {pair[1]}": y})},
            limits=axes_limits(figure) | {"voxels per bin": (1, max(2, most))},
            threshold="none: all voxels that were fitted",
            spaces=pair,
        )


def no_rois(results: Results) -> str:
    """Say why there are no scores per ROI, or return ''."""
    table = results.table("roi_scores")
    if table is None or set(table["roi"]) <= {ALL}:
        return "the study has no ROIs: set [rois]"
    return ""


def draw_rois(results: Results) -> Iterator[Drawn]:
    """Draw the score of each feature space by itself per ROI."""
    table = results.table("roi_scores")
    assert table is not None
    table = table[table["roi"] != ALL]
    rois, notes = list(dict.fromkeys(table["roi"])), []
    if len(rois) > MAX_ROIS:
        notes.append(
            f"{MAX_ROIS} of {len(rois)} ROIs: those with the largest joint r, ranked "
            "on the test runs. That ranking describes; it tests nothing."
        )
        rois = leading_rois(table, MAX_ROIS)
    rows = table[(table["model"] == "alone") & table["roi"].isin(rois)]
    columns = {"r_mean": "value", "r_low": "low", "r_high": "high"}
    bars = rows.rename(columns=columns).assign(
        group=rows["roi"].map(written_roi),
        series=rows["feature_space"].map(results.label),
    )
    bars = bars[["group", "series", "subject", "value", "low", "high"]]
    figure = plot_bars(
        {"": written(bars)},
        label="mean r, held-out runs",
        width_mm=results.print.width(DOUBLE_MM),
    )
    name_simulated(results, figure)
    yield Drawn(
        "rois",
        figure,
        {"": rows},
        limits={"y": figure.axes[0].get_ylim()},
        spaces=list(dict.fromkeys(rows["feature_space"])),
        notes=notes,
    )
