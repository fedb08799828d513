"""The pictures of the page on concepts, of simulated data, by what a study uses."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from brain2music.analysis.moves import moved_rows, shift_runs
from brain2music.analysis.noise_ceiling import explainable_variance
from brain2music.core.stats import correlation, correlation_parts
from brain2music.core.types import Band
from brain2music.encoding.banded_ridge import BandedRidge
from brain2music.features.design import delay_run

WIDTH_IN, HEIGHT_IN = 6.4, 2.3
COLOURS = ("#0072B2", "#D55E00", "#009E73")
TEXT = {"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "concepts"}


def draw_all(folder: Path) -> None:
    """Write `delays.svg`, `banded.svg`, `parts.svg`, `ceiling.svg` and `null.svg`."""
    pictures: dict[str, Callable[[Figure], None]] = {
        "delays": delays,
        "banded": banded,
        "parts": parts,
        "ceiling": ceiling,
        "null": null,
    }
    for name, draw in pictures.items():
        with mpl.rc_context(TEXT):
            figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
            draw(figure)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def delays(figure: Figure) -> None:
    """Draw the delayed columns of one feature in two runs."""
    rng = np.random.default_rng(3)
    runs = [rng.random((10, 1)) for _ in range(2)]
    delayed = np.concatenate([delay_run(run, [1, 2, 3], fill=-1.0) for run in runs])
    for ax, rows, title in zip(
        figure.subplots(1, 2, width_ratios=[1, 3]),
        (np.concatenate(runs), delayed),
        ("feature", "columns of X: 1, 2, 3 TRs later"),
        strict=True,
    ):
        shown = np.ma.masked_less(rows, 0)
        cmap = mpl.colormaps["Blues"].with_extremes(bad="0.85")
        ax.imshow(shown, aspect="auto", cmap=cmap, vmin=0, vmax=1)
        ax.axhline(9.5, color=COLOURS[1], linewidth=2)
        ax.set(title=title, xticks=[], yticks=[4.5, 14.5])
        ax.set_yticklabels(["run 1", "run 2"], rotation=90, va="center")


def _two_bands(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X of two bands that correlate, Y that follows the first, and runs."""
    shared = rng.standard_normal((400, 10))
    first = shared + 0.7 * rng.standard_normal((400, 10))
    second = np.hstack(
        [shared + 0.7 * rng.standard_normal((400, 10)) for _ in range(6)]
    )
    Y = first @ rng.standard_normal((10, 40)) / 4 + rng.standard_normal((400, 40))
    return np.hstack([first, second]), Y, np.repeat(np.arange(8), 50)


def banded(figure: Figure) -> None:
    """Draw what each band has in a model of one penalty, and of one for each."""
    X, Y, runs = _two_bands(np.random.default_rng(0))
    train, test = runs < 6, runs >= 6
    bands = [Band("melody", 10), Band("noise that goes with it", 60)]
    left, right = figure.subplots(1, 2)
    scores = []
    for k, given in enumerate((None, bands)):
        model = BandedRidge(given).fit(X[train], Y[train], groups=runs[train])
        sizes = [np.sqrt((part**2).sum(axis=0).mean()) for part in _split(model.coef_)]
        left.bar(np.arange(2) + (k - 0.5) * 0.35, sizes, 0.35, color=COLOURS[k])
        scores.append(correlation(Y[test], model.predict(X[test])).mean())
    left.set(ylabel="size of weights", xticks=[0, 1])
    left.set_xticklabels(["melody\n(drives)", "goes with\nmelody"])
    right.bar([0, 1], scores, 0.5, color=COLOURS[:2])
    right.set(ylabel="held-out r", xticks=[0, 1])
    right.set_xticklabels(["one\npenalty", "one for\neach band"])
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)


def _split(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return weights[:10], weights[10:]


def parts(figure: Figure) -> None:
    """Draw a joint correlation, cut into what each band adds to it."""
    rng = np.random.default_rng(1)
    bands = rng.standard_normal((2, 300, 3))
    bands[1, :, 1] = 0.8 * bands[0, :, 1] + 0.6 * bands[1, :, 1]
    bands[1, :, 2] *= 0.05
    Y = bands.sum(axis=0) + 1.5 * rng.standard_normal((300, 3))
    shares = correlation_parts(Y, bands)
    ax = figure.subplots()
    below = np.zeros(3)
    for share, colour, label in zip(shares, COLOURS, ("text", "music"), strict=False):
        ax.barh(range(3), share, left=below, color=colour, label=label, height=0.6)
        below += share
    ax.plot(correlation(Y, bands.sum(axis=0)), range(3), "k|", ms=18, label="joint r")
    ax.set(yticks=range(3), xlabel="r", ylim=(2.5, -0.5))
    ax.set_yticklabels(["both, by themselves", "both, alike", "text alone"])
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    ax.spines[["top", "right"]].set_visible(False)


def ceiling(figure: Figure) -> None:
    """Draw the share of variance that four repeats have in common against the truth."""
    rng = np.random.default_rng(2)
    true = np.repeat(np.linspace(0, 0.6, 7), 40)
    signal = np.sqrt(true) * rng.standard_normal((300, len(true)))
    noise = np.sqrt(1 - true) * rng.standard_normal((4, 300, len(true)))
    share = explainable_variance(signal + noise)
    ax = figure.subplots()
    ax.plot(true + rng.uniform(-0.015, 0.015, len(true)), share, ".", color=COLOURS[0])
    ax.plot([0, 0.6], [0, 0.6], color=COLOURS[1])
    ax.set(xlabel="share of a response that the stimulus makes", ylabel="found")
    ax.spines[["top", "right"]].set_visible(False)


def null(figure: Figure) -> None:
    """Draw correlations of slow signals that know nothing of each other."""
    rng = np.random.default_rng(4)
    runs = np.repeat([0, 1, 2], 100)
    slow = [_slow(rng, len(runs)) for _ in range(2)]
    moves = shift_runs(runs, n_permutations=2000, seed=0)
    turned = slow[0][moved_rows(moves)]
    r = correlation(np.repeat(slow[1], len(turned), axis=1), turned[:, :, 0].T)
    free = rng.standard_normal((300, 2000))
    ax = figure.subplots()
    bins = np.linspace(-0.6, 0.6, 61)
    ax.hist(r, bins, color=COLOURS[0], alpha=0.7, label="runs turned around")
    independent = correlation(rng.standard_normal((300, 2000)), free)
    ax.hist(independent, bins, color=COLOURS[1], alpha=0.7, label="independent samples")
    ax.set(xlabel="r of signals that share nothing", yticks=[])
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    ax.spines[["top", "right", "left"]].set_visible(False)


def _slow(rng: np.random.Generator, n_samples: int) -> np.ndarray:
    """Return one column of noise in which neighbours are alike, as in responses."""
    kernel = np.exp(-np.arange(40) / 6)
    return np.convolve(rng.standard_normal(n_samples + 39), kernel, "valid")[:, None]
