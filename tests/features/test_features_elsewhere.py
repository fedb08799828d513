"""Tests of networks that run in a Python of their own."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.features.elsewhere import Elsewhere, embed_audio, embed_text
from brain2music.features.windows import Windows, cut_windows

pytest.importorskip("torch")
WEIGHT = np.linspace(0.5, 1.5, 8)


@pytest.fixture(scope="module")
def python(other_python):
    return other_python()


def expected_state(pieces, layer):
    """Return what the stand-in gives for windows at 24 kHz."""
    return (layer + 1) * np.abs(pieces).mean(axis=1)[:, None] * WEIGHT


def resampled(pieces, rate_hz):
    return np.stack([soxr.resample(piece, rate_hz, 24_000) for piece in pieces])


def test_each_window_is_cut_and_resampled_as_for_every_other_network(
    python, muq_folders, clips, tmp_path
):
    sounds, windows = clips(3.0, 4.4), Windows(1.0, 0.5)
    with Elsewhere(
        "muq", python=python, checkpoint=muq_folders / "muq", layers=[12, 0]
    ) as network:
        rows = embed_audio(
            sounds, 22_050, network=network, folder=tmp_path, windows=windows,
            batch_size=4,
        )  # fmt: skip
    assert list(rows) == [12, 0]
    for layer, by_clip in rows.items():
        for values, sound in zip(by_clip, sounds, strict=True):
            pieces = resampled(cut_windows(sound, 22_050, windows), 22_050)
            assert_allclose(values, expected_state(pieces, layer), rtol=1e-4)


def test_joint_vectors_have_length_1_and_the_papers_windows(
    python, muq_folders, clips, tmp_path
):
    mulan = muq_folders / "mulan"
    with Elsewhere("muq-mulan", python=python, checkpoint=mulan) as network:
        (rows,) = embed_audio(
            clips(15.0), 22_050, network=network, folder=tmp_path
        ).values()
        text = embed_text(["slow jazz", "a loud guitar"], network=network,
                          folder=tmp_path)  # fmt: skip
    assert rows[0].shape == (4, 8)
    assert_allclose(
        rows[0], np.tile(WEIGHT / np.linalg.norm(WEIGHT), (4, 1)), rtol=1e-5
    )
    raw = np.array([len("slow jazz"), len("a loud guitar")])[:, None] - np.arange(8.0)
    assert_allclose(text, raw / np.linalg.norm(raw, axis=1, keepdims=True), rtol=1e-5)
    assert network.source == f"MuQ-MuLan, {mulan}"


def test_what_was_computed_is_not_computed_again(python, muq_folders, clips, tmp_path):
    sounds, options = clips(3.0, 2.0), {"windows": Windows(1.0, 1.0)}
    muq = {"checkpoint": muq_folders / "muq", "layers": [3]}
    with Elsewhere("muq", python=python, **muq) as network:
        first = embed_audio(sounds, 8000, network=network, folder=tmp_path, **options)
        assert network._process is not None
    assert network._process is None
    done = []
    with Elsewhere("muq", python=python, **muq) as network:
        again = embed_audio(
            sounds, 8000, network=network, folder=tmp_path, advance=done.append,
            **options,
        )  # fmt: skip
        assert network._process is None  # it was never started
    assert sum(done) == 2
    for a, b in zip(first[3], again[3], strict=True):
        assert_array_equal(a, b)


def test_other_weights_or_towers_are_another_network(muq_folders, tmp_path, python):
    def identity(**changes):
        folder = tmp_path / f"copy{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for name in ("config.json", "model.safetensors"):
            content = (muq_folders / "mulan" / name).read_bytes()
            (folder / name).write_bytes(changes.get(name.split(".")[0], content))
        return Elsewhere("muq-mulan", python=python, checkpoint=folder).identity

    assert identity() == identity() != identity(model=b"other")


@pytest.mark.parametrize(
    ("model", "call", "match"),
    [
        ("muq-mulan", {"windows": Windows(5.0, 1.0)},
         r"windows of 5 s, and MuQ-MuLan hears 10 s: it repeats"),
        ("muq", {"windows": Windows(1.0, 1.0), "layers": [13]},
         r"there is no layer 13; the network has 0 to 12"),
    ],
)  # fmt: skip
def test_the_other_pythons_refusal_comes_back(
    python, muq_folders, clips, tmp_path, model, call, match
):
    layers = call.pop("layers", None)
    folder = muq_folders / {"muq": "muq", "muq-mulan": "mulan"}[model]
    with (
        Elsewhere(model, python=python, checkpoint=folder, layers=layers) as network,
        pytest.raises(InputError, match=rf"{model} in .*/bin/python: .*{match}"),
    ):
        embed_audio(clips(12.0), 8000, network=network, folder=tmp_path, **call)


def test_a_caption_that_is_too_long_or_empty_is_named(python, muq_folders, tmp_path):
    mulan = muq_folders / "mulan"
    with Elsewhere("muq-mulan", python=python, checkpoint=mulan) as network:
        with pytest.raises(InputError, match=r"has 7 tokens and the network reads 6"):
            embed_text(["a b c d e f g"], network=network, folder=tmp_path)
        with pytest.raises(InputError, match=r"1 of 2 captions are empty, .* at 1"):
            embed_text(["slow", " "], network=network, folder=tmp_path)


def test_an_end_without_an_answer_says_what_was_printed(python, muq_folders, tmp_path):
    mulan = muq_folders / "mulan"
    with (
        Elsewhere("muq-mulan", python=python, checkpoint=mulan) as network,
        pytest.raises(
            InputError, match=r"ended without an answer \(exit 1\): .*killed"
        ),
    ):
        embed_text(["kill"], network=network, folder=tmp_path)


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"muq": None}, r"No module named 'muq'.*pip install muq 'transformers<5'"),
        ({"muq": "raise OSError('no lib')"}, r"OSError: no lib"),
    ],
)
def test_says_what_the_other_python_lacks(
    other_python, muq_folders, tmp_path, files, match
):
    other, mulan = other_python(**files), muq_folders / "mulan"
    with (
        Elsewhere("muq-mulan", python=other, checkpoint=mulan) as network,
        pytest.raises(InputError, match=match),
    ):
        embed_text(["slow"], network=network, folder=tmp_path)


def test_says_which_version_of_transformers_muq_needs(
    other_python, muq_folders, tmp_path
):
    other = other_python()
    for name, number in (("muq", "0.1.0"), ("transformers", "5.2.0")):
        about = other.parents[1] / "stubs" / f"{name}-{number}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Name: {name}\nVersion: {number}\n")
    with (
        Elsewhere(
            "muq-mulan", python=other, checkpoint=muq_folders / "mulan"
        ) as network,
        pytest.raises(
            InputError, match=r"muq 0\.1\.0 does not run with transformers 5"
        ),
    ):
        embed_text(["slow"], network=network, folder=tmp_path)


def test_says_at_the_door_what_is_wrong(python, muq_folders, tmp_path):
    with pytest.raises(InputError, match="clap runs here"):
        Elsewhere("clap", python=python)
    with pytest.raises(MissingFileError, match=r"no Python at .*hf download OpenMuQ"):
        Elsewhere("muq", python=tmp_path / "python")
    with pytest.raises(MissingFileError, match=r"OpenMuQ/MuQ-MuLan-large is neither"):
        Elsewhere("muq-mulan", python=python)
    with pytest.raises(InputError, match=r"no layers to choose from, got \(3,\)"):
        Elsewhere(
            "muq-mulan", python=python, checkpoint=muq_folders / "mulan", layers=[3]
        )
    with (
        Elsewhere("muq", python=python, checkpoint=muq_folders / "muq") as network,
        pytest.raises(InputError, match="muq reads no captions"),
    ):
        embed_text(["slow"], network=network, folder=tmp_path)


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({}, "does not say which audio_model the network is built from"),
        ({"audio_model": {"name": "nobody/muq"}}, r"Run: hf download nobody/muq"),
        ({"audio_model": {"name": "{root}/own"}}, "brings code of its own"),
        ({"audio_model": {"name": "{root}/bin"}}, "as .bin only"),
    ],
)
def test_says_what_is_wrong_with_the_towers(python, tmp_path, config, match):
    for name, weights in (("own", "model.safetensors"), ("bin", "pytorch_model.bin")):
        (tmp_path / name).mkdir()
        (tmp_path / name / weights).touch()
        own = {"auto_map": {"AutoModel": "x.Y"}} if name == "own" else {}
        (tmp_path / name / "config.json").write_text(json.dumps(own))
    text = json.dumps(config).replace("{root}", str(tmp_path))
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InputError, match=match):
        Elsewhere("muq-mulan", python=python, checkpoint=tmp_path)


@pytest.mark.skipif(
    "BRAIN2MUSIC_MUQ_PYTHON" not in os.environ, reason="needs a Python with muq"
)
def test_rows_are_those_of_the_package_itself(tmp_path, clips):
    """BRAIN2MUSIC_MUQ_FOLDER holds a checkpoint, which may be of random weights."""
    python = Path(os.environ["BRAIN2MUSIC_MUQ_PYTHON"])
    folder = Path(os.environ["BRAIN2MUSIC_MUQ_FOLDER"])
    sounds = clips(10.0, 10.0, rate_hz=24_000)
    np.save(tmp_path / "sounds.npy", np.stack(sounds))
    code = (
        "import sys, numpy as np, torch, muq\n"
        "folder, sounds, out = sys.argv[1:]\n"
        "network = muq.MuQMuLan.from_pretrained(folder).eval()\n"
        "with torch.inference_mode():\n"
        "    found = network(wavs=torch.from_numpy(np.load(sounds)))\n"
        "np.save(out, found.numpy())\n"
    )
    import subprocess

    subprocess.run(
        [python, "-c", code, folder, tmp_path / "sounds.npy", tmp_path / "out.npy"],
        check=True,
    )
    with Elsewhere("muq-mulan", python=python, checkpoint=folder) as network:
        (rows,) = embed_audio(sounds, 24_000, network=network, folder=tmp_path).values()
    assert_allclose(np.concatenate(rows), np.load(tmp_path / "out.npy"), atol=1e-5)
