"""Every feature space that a study can name, in one table."""

import pandas as pd

from .models import catalogue as networks

COLUMNS = (
    *("name", "kind", "dimension", "window_s", "step_s", "rate_hz", "layer"),
    *("licence", "source", "size_mb", "weights", "note"),
)
LIBROSA = "librosa (ISC)"
FORMULAS = (
    ("log-mel", "n_mels (32)", "hop_s (0.02)", LIBROSA, "Level of mel bands, in dB."),
    ("loudness", "1", "hop_s (0.02)", LIBROSA, "Root mean square level, in dB."),
    ("mfcc", "n_mfcc (20)", "hop_s (0.02)", LIBROSA, "Timbre, as librosa has it."),
    ("chroma", "12", "hop_s (0.02)", LIBROSA, "Pitch classes, C to B, from 0 to 1."),
    ("tonal-centroid", "6", "hop_s (0.02)", LIBROSA, "Tonnetz of the chroma."),
    ("onset-strength", "1", "hop_s (0.02)", LIBROSA, "Rise of the spectrum, in dB."),
    ("tempo", "1", "hop_s (0.02)", LIBROSA, "Beats per minute around each frame."),
    (
        "modulation",
        "2000",
        "frame_s (1.5)",
        "after Nakai et al. 2021",
        "10 scales x 10 rates x 20 bands; give n_components for principal components "
        "of training rows.",
    ),
)
OTHERS = (
    ("category", "levels", "whole clip", "One-hot, such as the genre of each clip."),
    ("events", "columns", "TR", "Columns of an event or annotation table."),
    ("array", "your own", "yours", "Computed elsewhere: .npz, .csv or .zarr."),
    (
        "noise",
        "that of `of`",
        "TR",
        "Control: as wide, as variable and as slow as another space.",
    ),
    (
        "untrained",
        "that of `of`",
        "that of `of`",
        "Control: the network of another space, with random weights.",
    ),
    (
        "clip-position",
        "3",
        "TR",
        "Control: time in the clip, number of the clip, time in the run.",
    ),
)


def every_space() -> pd.DataFrame:
    """Return one row for each feature space that a study can name.

    Returns
    -------
    table : DataFrame
        Columns `COLUMNS`: networks first (kind 'audio', 'text' or 'joint'), as
        `features.models.catalogue` has them, then formulas of sound, what is read off
        tables, and controls. A word in `dimension` or `step_s` is the key of the study
        file that sets it, with its default. Empty where there is no such thing.

    Examples
    --------
    >>> table = every_space().set_index("name")
    >>> table.loc["modulation", "dimension"], table.loc["clip-position", "dimension"]
    ('2000', '3')
    """
    formulas = [
        {
            "name": name,
            "kind": "sound",
            "dimension": width,
            "step_s": step,
            "rate_hz": "the file's",
            "source": source,
            "note": note,
        }
        for name, width, step, source, note in FORMULAS
    ]
    others = [
        {
            "name": name,
            "kind": "control" if note.startswith("Control") else "table",
            "dimension": width,
            "step_s": step,
            "note": note,
        }
        for name, width, step, note in OTHERS
    ]
    shown = networks().astype(object)
    shown = shown.where(shown.notna(), "")
    table = pd.concat([shown, pd.DataFrame([*formulas, *others])], ignore_index=True)
    table["dimension"] = table["dimension"].astype(str)
    return table[list(COLUMNS)].fillna("")
