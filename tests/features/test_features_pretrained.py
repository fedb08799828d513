"""Tests of features from pretrained networks."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.features import pretrained
from brain2music.features.networks import Network, open_network
from brain2music.features.pretrained import (
    extract_audio,
    extract_audio_cached,
    iter_audio,
)
from brain2music.features.windows import Windows, cut_windows

torch = pytest.importorskip("torch")

AUDIO = ["clap", "w2v-bert", "encodec", "dac", "hubert", "wav2vec2", "whisper", "ast"]
AUDIO.append("mert")
RATE_HZ = 22_050


def cpu(name, folder, **options):
    return open_network(name, checkpoint=folder, device="cpu", **options)


def whole(features):
    """Return all rows of all layers and clips, below each other."""
    return np.concatenate([np.concatenate(rows) for rows in features.values()])


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("clap", {"projection_dim": 512}, (4, 512)),
        ("w2v-bert", {"hidden_size": 1024, "output_hidden_size": 1024}, (7, 1024)),
        ("encodec", {}, (10, 128)),
        ("dac", {"encoder_hidden_size": 8}, (10, 128)),
    ],
)
def test_rows_per_clip_and_dimension_are_the_papers(
    tiny, clips, name, changes, expected
):
    """At lag 0: 4 x 10 s for the joint space, 7 x 5 s, and 10 x 1.5 s for codecs."""
    if name == "w2v-bert":
        changes = changes | {"num_hidden_layers": 1}
    network = cpu(name, tiny(name, **changes))
    layer = network.layers[-1]
    rows = extract_audio(clips(15.0), RATE_HZ, network=network, layers=layer)[layer]
    assert [values.shape for values in rows] == [expected]
    assert rows[0].dtype == np.float32


def test_the_default_layer_is_the_catalogues(tiny, clips):
    network = cpu("w2v-bert", tiny("w2v-bert", num_hidden_layers=8))
    assert list(extract_audio(clips(5.0), RATE_HZ, network=network)) == [7]


@pytest.mark.parametrize("name", AUDIO)
def test_the_same_call_gives_the_same_to_the_bit(tiny, clips, name):
    waves = clips(3.0, 4.0)
    windows = Windows(1.5, 1.0)
    first, second = (
        extract_audio(
            waves,
            RATE_HZ,
            network=cpu(name, tiny(name)),
            windows=windows,
            layers="all",
        )
        for _ in range(2)
    )
    assert_array_equal(whole(first), whole(second))


@pytest.mark.parametrize("name", AUDIO)
def test_batches_change_rows_by_rounding_only(tiny, clips, name):
    network, windows = cpu(name, tiny(name)), Windows(1.5, 0.9)
    waves = clips(3.0, 1.6, 5.0)
    found = [
        whole(
            extract_audio(
                waves,
                RATE_HZ,
                network=network,
                windows=windows,
                layers="all",
                batch_size=size,
            )
        )
        for size in (1, 3, 64)
    ]
    size = np.abs(found[0]).max()
    assert_allclose(found[1], found[0], atol=1e-5 * size)
    assert_allclose(found[2], found[0], atol=1e-5 * size)


def test_a_clips_rows_do_not_depend_on_its_neighbours(tiny, clips):
    network, waves = cpu("hubert", tiny("hubert")), clips(3.0, 2.0, 4.0)
    options = {"network": network, "windows": Windows(1.0, 0.7), "layers": [2]}
    together = extract_audio(waves, RATE_HZ, **options)[2]
    for wave, rows in zip(waves, together, strict=True):
        alone = extract_audio([wave], RATE_HZ, **options)[2][0]
        assert_allclose(rows, alone, atol=1e-5)


@pytest.mark.parametrize("name", AUDIO)
def test_the_future_of_a_causal_window_changes_nothing_before_it(tiny, clips, name):
    network, windows = cpu(name, tiny(name)), Windows(2.0, 1.0, causal=True)
    wave = clips(4.0)[0]
    changed = wave.copy()
    changed[round(2.0 * RATE_HZ) :] = -0.9
    before, after = (
        np.hstack(
            [
                rows[0]
                for rows in extract_audio(
                    [w],
                    RATE_HZ,
                    network=network,
                    windows=windows,
                    layers="all",
                    batch_size=1,
                ).values()
            ]
        )
        for w in (wave, changed)
    )
    assert_array_equal(before[:2], after[:2])
    assert not np.allclose(before[2:], after[2:], rtol=1e-3, atol=0)


def test_each_window_is_resampled_by_itself(clips):
    pieces = cut_windows(clips(3.0)[0], RATE_HZ, Windows(1.0, 0.5))
    together = pretrained._resampled(pieces, RATE_HZ, 16_000)
    for piece, found in zip(pieces, together, strict=True):
        assert_array_equal(found, soxr.resample(piece, RATE_HZ, 16_000))
    assert together.shape == (5, 16_000)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 47_999.5])
def test_any_rate_gives_windows_of_the_right_length(tiny, clips, rate_hz):
    network = cpu("clap", tiny("clap"))
    waves = clips(10.5, rate_hz=rate_hz)
    rows = extract_audio(waves, rate_hz, network=network)["embedding"][0]
    assert rows.shape == (1, 512)


def test_the_rate_of_the_clip_hardly_matters(tiny):
    network, windows = cpu("hubert", tiny("hubert")), Windows(2.0, 1.0)
    rows = []
    for rate_hz in (16_000, 44_100):
        t = np.arange(2 * rate_hz) / rate_hz
        wave = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
        rows.append(
            extract_audio([wave], rate_hz, network=network, windows=windows, layers=1)
        )
    assert_allclose(rows[0][1][0], rows[1][1][0], atol=0.02)


def test_layers_are_given_by_number(tiny, clips):
    network, windows = cpu("hubert", tiny("hubert")), Windows(1.0, 1.0)
    every = extract_audio(
        clips(2.0), RATE_HZ, network=network, windows=windows, layers="all"
    )
    for layers in (1, [2, 0]):
        some = extract_audio(
            clips(2.0)[:0], RATE_HZ, network=network, windows=windows, layers=layers
        )
        assert list(some) == ([1] if layers == 1 else [2, 0])
    assert list(every) == [0, 1, 2]
    assert not np.allclose(every[1][0], every[2][0])


def test_walks_the_clips_one_by_one(tiny, clips):
    """Rows come before later clips are read, so memory does not grow with clips."""
    network, waves, read = cpu("hubert", tiny("hubert")), clips(*[1.0] * 6), []

    def reading():
        for k, wave in enumerate(waves):
            read.append(k)
            yield wave

    options = {"network": network, "windows": Windows(0.5, 0.25), "layers": [1]}
    rows = iter_audio(reading(), RATE_HZ, batch_size=3, **options)
    next(rows)
    assert read == [0]
    next(rows)
    assert read == [0, 1]
    assert len(list(rows)) == 4


def test_progress_counts_clips(tiny, clips):
    ticks = []
    extract_audio(
        clips(1.0, 2.0, 1.0),
        RATE_HZ,
        network=cpu("hubert", tiny("hubert")),
        windows=Windows(0.5, 0.5),
        layers=1,
        advance=ticks.append,
    )
    assert ticks == [1, 1, 1]


def test_bfloat16_is_near_and_comes_out_as_float32(tiny, clips):
    waves, folder = clips(2.0), tiny("w2v-bert")
    full, low = (
        extract_audio(
            waves,
            RATE_HZ,
            network=cpu("w2v-bert", folder, dtype=dtype),
            windows=Windows(1.0, 0.5),
            layers=2,
        )[2][0]
        for dtype in ("float32", "bfloat16")
    )
    assert low.dtype == np.float32
    assert not np.array_equal(low, full)
    assert_allclose(low, full, atol=0.03)


OPTIONS = {"windows": Windows(1.0, 0.5), "layers": [0, 2]}


def test_cache_gives_what_extraction_gives(tiny, clips, tmp_path):
    network, waves = cpu("hubert", tiny("hubert")), clips(1.0, 2.0, 1.0)
    plain = extract_audio(waves, RATE_HZ, network=network, **OPTIONS)
    for _ in range(2):
        kept = extract_audio_cached(
            waves, RATE_HZ, network=network, folder=tmp_path, **OPTIONS
        )
        assert list(kept) == [0, 2]
        assert_array_equal(whole(kept), whole(plain))


def test_a_second_run_does_not_load_the_network(tiny, clips, tmp_path, monkeypatch):
    waves = clips(1.0, 2.0)
    kept_after(tiny, waves, tmp_path)
    monkeypatch.setattr(
        Network, "loaded", property(lambda _: pytest.fail("it was loaded"))
    )
    kept_after(tiny, waves, tmp_path)
    kept_after(tiny, waves[::-1], tmp_path)


def kept_after(tiny, waves, folder, **options):
    """Extract through the cache, and return how many files it wrote."""
    given = {"name": "hubert", "rate_hz": RATE_HZ} | OPTIONS | options
    name, rate_hz = given.pop("name"), given.pop("rate_hz")
    chosen = {k: given.pop(k) for k in ("seed", "dtype") if k in given}
    network = cpu(name, tiny(name), **chosen)
    before = len(list(folder.rglob("*.npy")))
    extract_audio_cached(waves, rate_hz, network=network, folder=folder, **given)
    return len(list(folder.rglob("*.npy"))) - before


def test_anything_that_changes_rows_changes_the_key(tiny, clips, tmp_path):
    waves = clips(2.0)
    assert kept_after(tiny, waves, tmp_path) == 2
    assert kept_after(tiny, waves, tmp_path) == 0
    louder = [waves[0] * np.float32(1.01)]
    assert kept_after(tiny, louder, tmp_path) == 2
    assert kept_after(tiny, waves, tmp_path, layers=[0, 1]) == 1
    assert kept_after(tiny, waves, tmp_path, windows=Windows(1.0, 0.6)) == 2
    assert kept_after(tiny, waves, tmp_path, windows=Windows(0.9, 0.5)) == 2
    assert kept_after(tiny, waves, tmp_path, windows=Windows(1.0, 0.5, True)) == 2
    assert kept_after(tiny, waves, tmp_path, rate_hz=22_000) == 2
    assert kept_after(tiny, waves, tmp_path, name="wav2vec2") == 2
    assert kept_after(tiny, waves, tmp_path, seed=1) == 2
    assert kept_after(tiny, waves, tmp_path, seed=2) == 2
    assert kept_after(tiny, waves, tmp_path, dtype="bfloat16") == 2


def test_a_new_version_of_the_code_computes_again(tiny, clips, tmp_path, monkeypatch):
    waves = clips(1.0)
    kept_after(tiny, waves, tmp_path)
    monkeypatch.setattr(pretrained, "VERSION", pretrained.VERSION + 1)
    assert kept_after(tiny, waves, tmp_path) == 2


@pytest.mark.slow
def test_goes_on_after_a_kill(tiny, clips, tmp_path):
    waves, folder = clips(1.0, 1.5, 2.0), tmp_path / "cache"
    np.savez(tmp_path / "waves.npz", *waves)
    code = """
        import os, sys
        import numpy as np, torch
        torch.set_num_threads(1)
        from brain2music.features.networks import open_network
        from brain2music.features.pretrained import extract_audio_cached
        from brain2music.features.windows import Windows
        checkpoint, waves, folder = sys.argv[1:]
        done = []
        def advance(n):
            done.append(n)
            if len(done) == 2:
                os._exit(9)
        extract_audio_cached(
            np.load(waves).values(), 22050, folder=folder, advance=advance,
            network=open_network("hubert", checkpoint=checkpoint, device="cpu"),
            windows=Windows(1.0, 0.5), layers=[0, 2], batch_size=1,
        )
    """
    arguments = [str(tiny("hubert")), str(tmp_path / "waves.npz"), str(folder)]
    run = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    assert subprocess.run(run, check=False).returncode == 9
    assert len(list(folder.rglob("*.npy"))) == 4
    assert kept_after(tiny, waves, folder) == 2


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (np.zeros((2, 9), np.float32), r"waveform 1 is float32 of shape \(2, 9\)"),
        (np.zeros(9, np.int16), "waveform 1 is int16"),
        (np.full(22_050, np.nan, np.float32), "waveform 1 holds NaN"),
        (np.zeros(9, np.float32), "shorter than one window"),
    ],
)
def test_says_what_is_wrong_with_a_clip(tiny, clips, wave, words):
    network = cpu("hubert", tiny("hubert"))
    with pytest.raises(InputError, match=words):
        extract_audio(
            [clips(1.0)[0], wave],
            RATE_HZ,
            network=network,
            windows=Windows(0.5, 0.5),
            layers=1,
        )


@pytest.mark.parametrize(
    ("name", "window_s", "limit"),
    [("clap", 10.5, 10), ("whisper", 31, 30), ("ast", 11, 10.255)],
)
def test_refuses_windows_that_the_network_would_crop(
    tiny, clips, name, window_s, limit
):
    with pytest.raises(InputError, match=rf"at most {limit} s at once"):
        extract_audio(
            clips(32.0),
            RATE_HZ,
            network=cpu(name, tiny(name)),
            windows=Windows(window_s, 1.5),
            layers="all",
        )


def test_names_the_layers_that_there_are(tiny, clips):
    network = cpu("hubert", tiny("hubert"))
    for layers in (3, -1, [0, 7], "last", []):
        with pytest.raises(InputError, match="It has 0, 1, 2"):
            extract_audio(clips(1.0), RATE_HZ, network=network, layers=layers)


def test_too_little_memory_is_said_with_what_helps(tiny, clips):
    network = cpu("hubert", tiny("hubert"))

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    network.loaded.network.forward = full
    with pytest.raises(InputError, match=r"4 windows of 1 s .* smaller batch_size"):
        extract_audio(
            clips(4.0),
            RATE_HZ,
            network=network,
            windows=Windows(1.0, 1.0),
            layers=1,
            batch_size=4,
        )


def test_infinite_states_are_not_passed_on(tiny, clips, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny("encodec"), tmp_path / "encodec")
    path = folder / "model.safetensors"
    weights = load_file(path)
    name = next(k for k in weights if k.startswith("encoder") and k.endswith("bias"))
    weights[name] = torch.full_like(weights[name], float("inf"))
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match="gives NaN or infinity in layer encoder"):
        extract_audio(clips(1.5), RATE_HZ, network=cpu("encodec", folder))
