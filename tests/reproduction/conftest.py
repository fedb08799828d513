"""The shipped study of the paper in small: its own text on the real design."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
DESIGN = ROOT / "data/designs/ds003720"
PAPER = ROOT / "examples/ds003720_paper.toml"
SUBJECTS = ("001", "002")
N_TRAIN, N_TEST = 6, 2  # runs of the design that are kept
N_CLIPS, N_REPEATS = 10, 2  # of a run, one of each genre; of a test run
CLIP_S, TR_S, FRAMES = 15, 1.5, 10
WIDTHS = {"mulan-music": 7, "mulan-text": 6, "w2v-bert": 5, "soundstream": 4}
WIDTHS |= {"hubert": 4, "wav2vec2": 5, "mel": 6}
GRID = (6, 5, 4)
REGIONS = ("G_temp_sup-G_T_transv", "G_temp_sup-Lateral", "S_calcarine", "G_front_sup")
AREAS = ("A1", "LBelt", "PBelt", "A4", "A5")
READY = re.compile(r"^# (?=(\[[a-z]|(?P<key>[a-z_]+) = ))")
BLOCK = re.compile(r"^\[(?P<name>[\w.-]+)\].*?(?=^\[|\Z)", re.M | re.S)


def switched_on(text, *, but=()):
    """Return a study's text with the settings behind a #, `but` some keys.

    Where a table then says a key twice, the one that was switched on is meant.
    """
    whole = "\n".join(
        line
        if (ready := READY.match(line)) and ready["key"] in but
        else READY.sub("", line)
        for line in text.splitlines()
    )

    def once(block):
        lines = {}
        for place, line in enumerate(block[0].splitlines()):
            is_key = " = " in line and not line.startswith("#")
            lines[line.split(" = ")[0] if is_key else place] = line
        return "\n".join(lines.values()) + "\n"

    return BLOCK.sub(once, whole)


def small_text(*, but=("decoder", "across", "across_rois")):
    """Return the shipped study with all that is ready in it, and arrays as features.

    Left out is what needs more than arrays: sound, and networks that search or make it;
    and `but` some keys: decoding of subjects by each other needs another decoder.
    """

    def smaller(block):
        name = block["name"].removeprefix("features.")
        if name in ("retrieval", "generation", "stimuli"):
            return ""
        if name not in WIDTHS:
            return block[0]
        lines = ['kind = "array"', f'path = "{name}.npz"', 'per = "clip"']
        said = f'source = "{name}, made up"\n\n'
        return "\n".join([f"[features.{name}]", *lines, said])

    text = PAPER.read_text(encoding="utf-8")
    return shorter(BLOCK.sub(smaller, switched_on(text, but=but)))


def shorter(text):
    """Return a study's text as short runs ask for it, in a folder of its own."""
    text = text.replace('"../../shared/data/ds003720"', '"ds003720"')
    text = text.replace("period_s = 240", "period_s = 120")  # of runs of 165 s
    text = text.replace("n_folds = 5", "n_folds = 2")  # with each genre in each
    few = "n_permutations = {}\nn_resamples = 100\n"
    text = text.replace("[analysis]\n", "[analysis]\n" + few.format(200))
    return text.replace("[decoding]\n", "[decoding]\n" + few.format(100))


def events_of(task, number):
    """Return the first events of a run of the design: the lead-in, and each genre."""
    path = DESIGN / f"task-{task}_run-{number:02d}_events.tsv"
    n_events = 1 + N_CLIPS * (N_REPEATS if task == "Test" else 1)
    return pd.read_csv(path, sep="\t", dtype={"track": str}).iloc[:n_events]


def clips_of(events):
    genres = events["genre"].str.strip("'")
    return [f"{g}.{int(t):05d}" for g, t in zip(genres, events["track"], strict=True)]


def write_image(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(values, np.diag([2.0, 2, 2, 1]))
    image.header.set_zooms((2, 2, 2, TR_S)[: values.ndim])
    nib.save(image, path)


def write_paper_study(folder):
    """Write the small study into a folder, as `init` and a data set would."""
    root = folder / "ds003720"
    rng = np.random.default_rng(0)
    runs = [("Training", k + 1) for k in range(N_TRAIN)]
    runs += [("Test", k + 1) for k in range(N_TEST)]
    events = {run: events_of(*run) for run in runs}
    features = write_features(root, events, rng)
    weights = rng.standard_normal((WIDTHS["mulan-music"], int(np.prod(GRID))))
    weights[:, : weights.shape[1] // 4] = 0  # voxels that hear nothing
    for subject in SUBJECTS:
        for (task, number), table in events.items():
            stem = (
                root / f"sub-{subject}/func/sub-{subject}_task-{task}_run-{number:02d}"
            )
            X = np.concatenate([features[clip] for clip in clips_of(table)])
            late = np.vstack([np.zeros((3, X.shape[1])), X[:-3]])
            Y = (
                100
                + late @ weights
                + 9 * rng.standard_normal((len(X), weights.shape[1]))
            )
            write_image(Path(f"{stem}_bold.nii"), Y.T.reshape(*GRID, -1).astype("f4"))
            table.to_csv(f"{stem}_events.tsv", sep="\t", index=False)
        write_regions(root / "derivatives/masks", subject)
    (folder / "paper.toml").write_text(small_text(), encoding="utf-8")
    across = re.sub(
        "^targets = .*$", 'targets = ["mulan-music"]', small_text(but=()), flags=re.M
    )
    (folder / "across.toml").write_text(across, encoding="utf-8")
    return folder


def write_features(root, events, rng):
    root.mkdir(parents=True)
    clips = sorted({clip for table in events.values() for clip in clips_of(table)})
    taste = {clip.split(".")[0]: rng.standard_normal(7) for clip in clips}
    music = np.stack(
        [taste[c.split(".")[0]] + rng.standard_normal((FRAMES, 7)) for c in clips]
    )
    for name, width in WIDTHS.items():
        mixed = music @ rng.standard_normal((7, width))
        values = music if name == "mulan-music" else mixed
        where = {"clips": clips, "features": values, "rate_hz": 1 / TR_S}
        if name == "mulan-text":  # a vector for each clip
            where = {"clips": clips, "features": values.mean(axis=1)}
        np.savez(root / f"{name}.npz", **where)
    return dict(zip(clips, music, strict=True))


def write_regions(folder, subject):
    """Write cortex, eight regions in turns, and ten areas of another atlas."""
    mask = np.ones(GRID, np.uint8)
    mask[0, 0] = 0
    write_image(folder / f"sub-{subject}_desc-cortex_mask.nii", mask)
    names = [f"ctx_{side}_{name}" for name in REGIONS for side in ("lh", "rh")]
    labels = (np.arange(mask.size) % len(names) + 1).reshape(GRID).astype(np.int16)
    write_image(folder / f"sub-{subject}_atlas-Destrieux_dseg.nii", labels * mask)
    table = pd.DataFrame({"index": range(1, len(names) + 1), "name": names})
    table.to_csv(folder / "atlas-Destrieux_dseg.tsv", sep="\t", index=False)
    place = np.arange(mask.size).reshape(GRID) % (2 * len(AREAS) + 1)
    areas = [f"{side}_{area}_ROI" for area in AREAS for side in ("L", "R")]
    masks = {area: (place == k) & (mask > 0) for k, area in enumerate(areas)}
    np.savez(folder / f"sub-{subject}_atlas-HCPMMP1_masks.npz", **masks)


@pytest.fixture(scope="session")
def paper_folder(tmp_path_factory):
    return write_paper_study(tmp_path_factory.mktemp("paper") / "music")


@pytest.fixture(scope="session")
def paper_file():
    return PAPER


@pytest.fixture(scope="session")
def all_switched_on():
    """Return the text of the shipped study with all that is ready in it."""
    return switched_on(PAPER.read_text(encoding="utf-8"))
