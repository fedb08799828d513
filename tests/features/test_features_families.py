"""Tests of what each family of networks is fed, and which states are taken."""

import json
import shutil

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.features.families import family_of, load_network
from brain2music.features.networks import open_network
from brain2music.features.pretrained import extract_audio
from brain2music.features.windows import Windows

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SPEECH = ["w2v-bert", "hubert", "wav2vec2", "whisper", "ast"]
RATES = {"encodec": 32_000, "dac": 44_100, "mert": 24_000, "clap": 48_000}


def rows_of(folder, waves, rate_hz, window_s, layers="all", **options):
    """Extract one window over each whole clip."""
    return extract_audio(
        waves,
        rate_hz,
        network=open_network(str(folder), device="cpu", **options),
        windows=Windows(window_s, 1.0),
        layers=layers,
    )


def by_hand(folder, cls, wave, rate_hz, feeder=None):
    """Run a network as its documentation does, and return its output."""
    network = cls.from_pretrained(folder).eval()
    feeder = feeder or transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = feeder(wave, sampling_rate=rate_hz, return_tensors="pt")
    with torch.inference_mode():
        return network(**inputs, output_hidden_states=True), inputs


@pytest.mark.parametrize("name", ["w2v-bert", "hubert", "wav2vec2"])
def test_states_are_those_of_the_library_averaged_over_the_window(tiny, clips, name):
    folder, wave = tiny(name), clips(2, rate_hz=16_000)[0]
    out, _ = by_hand(folder, transformers.AutoModel, wave, 16_000)
    rows = rows_of(folder, [wave], 16_000, 2.0)
    assert sorted(rows) == [0, 1, 2]
    for layer, state in enumerate(out.hidden_states):
        assert_allclose(rows[layer][0][0], state[0].mean(0), atol=1e-6)
    assert_allclose(rows[2][0][0], out.last_hidden_state[0].mean(0), atol=1e-6)


def test_padding_to_an_even_number_of_frames_has_no_part(tiny, clips):
    # 99 frames of 10 ms are padded to 100, and the last state is half padding.
    wave = clips(1.005, rate_hz=16_000)[0]
    folder = tiny("w2v-bert")
    out, inputs = by_hand(folder, transformers.AutoModel, wave, 16_000)
    mask = inputs["attention_mask"][0].bool()
    assert not mask.all()
    expected = out.last_hidden_state[0][mask].mean(0)
    rows = rows_of(folder, [wave], 16_000, 1.005)
    assert_allclose(rows[2][0][0], expected, atol=1e-6)


def test_whisper_states_of_the_padding_are_left_out(tiny, clips):
    folder, wave = tiny("whisper"), clips(2, rate_hz=16_000)[0]
    network = transformers.WhisperModel.from_pretrained(folder).eval()
    feeder = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    inputs = feeder(wave, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        states = network.encoder(inputs["input_features"]).last_hidden_state[0]
    assert len(states) == 1500
    rows = rows_of(folder, [wave], 16_000, 2.0)
    assert_allclose(rows[2][0][0], states[:100].mean(0), atol=1e-6)


def test_ast_patches_of_the_padding_are_left_out(tiny, clips):
    folder, wave = tiny("ast"), clips(3, rate_hz=16_000)[0]
    out, _ = by_hand(folder, transformers.ASTModel, wave, 16_000, feeder=ast(folder))
    # 12 bands by 101 steps of 10 frames behind 2 class tokens. 3 s have 298 frames; the
    # middle of step 28 is frame 288, that of step 29 lies behind the last.
    grid = out.last_hidden_state[0, 2:].reshape(12, 101, -1)
    rows = rows_of(folder, [wave], 16_000, 3.0)
    assert_allclose(rows[2][0][0], grid[:, :29].mean((0, 1)), atol=1e-6)
    assert not np.allclose(rows[2][0][0], grid.mean((0, 1)), atol=1e-3)


def ast(folder):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transformers.ASTFeatureExtractor.from_pretrained(folder)


def test_clap_is_its_projected_embedding_of_length_one(tiny, clips):
    folder, wave = tiny("clap"), clips(10, rate_hz=48_000)[0]
    network = transformers.ClapModel.from_pretrained(folder).eval()
    feeder = transformers.ClapFeatureExtractor.from_pretrained(folder)
    inputs = feeder(wave, sampling_rate=48_000, return_tensors="pt")
    with torch.inference_mode():
        out = network.get_audio_features(**inputs)
        expected = getattr(out, "pooler_output", out)[0]
    row = rows_of(folder, [wave], 48_000, 10.0)["embedding"][0][0]
    assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-6)
    assert_allclose(np.linalg.norm(row), 1, atol=1e-6)


def test_fused_clap_takes_no_window_as_longer_than_it_is(tiny, clips):
    """The extractor marks one of a batch as long, at random, if none is."""
    folder, waves = tiny("clap", fusion=True), clips(10, 10, 10, rate_hz=48_000)
    network = transformers.ClapModel.from_pretrained(folder).eval()
    feeder = transformers.ClapFeatureExtractor.from_pretrained(folder)
    inputs = feeder(waves, sampling_rate=48_000, return_tensors="pt")
    assert int(inputs["is_longer"].sum()) == 1
    embeddings = []
    for is_longer in (torch.zeros(3, 1).bool(), inputs["is_longer"]):
        with torch.inference_mode():
            out = network.get_audio_features(inputs["input_features"], is_longer)
        embeddings.append(getattr(out, "pooler_output", out).numpy())
    assert not np.allclose(*embeddings, atol=1e-5)
    rows = rows_of(folder, waves, 48_000, 10.0)["embedding"]
    assert_allclose(np.concatenate(rows), embeddings[0], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "cls"), [("encodec", "EncodecModel"), ("dac", "DacModel")]
)
def test_codecs_give_the_states_before_quantisation(tiny, clips, name, cls):
    rate_hz = RATES[name]
    folder, wave = tiny(name), clips(1.5, rate_hz=rate_hz)[0]
    network = getattr(transformers, cls).from_pretrained(folder).eval()
    with torch.inference_mode():
        states = network.encoder(torch.from_numpy(wave)[None, None])[0]
    row = rows_of(folder, [wave], rate_hz, 1.5)["encoder"][0][0]
    size = float(states.abs().max())
    assert_allclose(row, states.mean(-1), atol=1e-6 * size)


def test_a_codec_that_levels_its_input_does_so_here(tiny, clips):
    folder = tiny("encodec", normalize=True)
    wave = clips(1.5, rate_hz=32_000)[0]
    one, two = (rows_of(folder, [k * wave], 32_000, 1.5)["encoder"][0] for k in (1, 3))
    assert_allclose(one, two, atol=1e-5)


def test_a_stereo_codec_is_refused(tiny):
    with pytest.raises(InputError, match="hears 2 channels"):
        open_network(str(tiny("encodec", audio_channels=2)))


def test_mert_is_the_hubert_that_it_was_saved_from(tiny, clips, tmp_path):
    folder, wave = tiny("mert"), clips(1, rate_hz=24_000)[0]
    assert family_of(folder) == "mert"
    plain = shutil.copytree(folder, tmp_path / "plain")
    config = json.loads((tiny("hubert") / "config.json").read_text())
    (plain / "config.json").write_text(json.dumps(config))
    expected = rows_of(plain, [wave], 24_000, 1.0)
    found = rows_of(folder, [wave], 24_000, 1.0)
    for layer in (0, 1, 2):
        assert_array_equal(found[layer][0], expected[layer][0])


@pytest.mark.parametrize(
    "changes",
    [{"feature_extractor_cqt": True}, {"deepnorm": True}, {"attention_relax": 32.0}],
    ids=str,
)
def test_a_mert_that_is_no_hubert_is_refused(tiny, changes):
    with pytest.raises(InputError, match=rf"sets {next(iter(changes))}, which HuBERT"):
        open_network(str(tiny("mert", **changes)))


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    config = {
        "model_type": "brand_new",
        "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit('this was run')")
    with pytest.raises(InputError, match="checkpoint's own code, which is never done"):
        open_network(str(tmp_path))


@pytest.mark.parametrize("name", [*SPEECH, "mert", "clap", "encodec", "dac"])
def test_a_twin_needs_no_weights_and_has_none_of_the_published(tiny, tmp_path, name):
    folder = shutil.copytree(tiny(name), tmp_path / name)
    family = family_of(folder)
    published = load_network(family, folder, seed=None).network.state_dict()
    (folder / "model.safetensors").unlink()
    twin, again = (
        load_network(family, folder, seed=3).network.state_dict() for _ in range(2)
    )
    assert {k: v.shape for k, v in twin.items()} == {
        k: v.shape for k, v in published.items()
    }
    assert all(torch.equal(twin[k], again[k]) for k in twin)
    assert any(not torch.equal(twin[k], published[k]) for k in twin)


def test_a_missing_feature_extractor_is_said(tiny, tmp_path):
    folder = shutil.copytree(tiny("hubert"), tmp_path / "hubert")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match=r"preprocessor_config\.json"):
        _ = open_network(str(folder)).rate_hz


def test_a_damaged_config_is_said(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        open_network(str(tmp_path))
    with pytest.raises(MissingFileError):
        family_of(tmp_path / "nowhere")
