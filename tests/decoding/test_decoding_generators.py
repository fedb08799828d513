"""Tests of generators of random weights, through their real classes."""

import json
import re
import shutil

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.decoding.diffusion import (
    Settings,
    empty_text,
    hear_by_clap,
    late_start,
    log_mels,
)
from brain2music.decoding.generation import (
    Anchor,
    AnchoredGenerator,
    RetrievedSound,
    candidate_seeds,
)
from brain2music.decoding.generators import KINDS, open_alone, open_generator
from brain2music.decoding.musicgen import Sampling, check_channels
from brain2music.decoding.pipelines import (
    PIPELINES,
    check_pipeline,
    open_clap,
    open_pipeline,
)
from brain2music.decoding.retrieval import build_index
from brain2music.decoding.sounds import Sound

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
diffusers = pytest.importorskip("diffusers")

RATE = 16_000
FEW = Settings(steps=4)
SOON = Sampling(anchor_s=0.2)


@pytest.fixture(scope="module")
def opened(tiny_generator):
    """Give `opened(kind, **changes)`: a small generator that starts from noise."""
    made = {}

    def make(kind):
        if kind not in made:
            settings = SOON if kind == "musicgen" else FEW
            made[kind] = open_alone(kind, tiny_generator(kind), settings=settings)
        return made[kind]

    return make


def embedding_for(generator, rng):
    return rng.standard_normal(generator.n_dimensions)


def noise(rng, seconds=1.0, rate_hz=RATE):
    wave = 0.1 * rng.standard_normal(round(seconds * rate_hz))
    return Anchor(Sound(wave.astype(np.float32), rate_hz), "track 7")


@pytest.mark.parametrize("kind", KINDS)
def test_sound_follows_the_embedding_and_the_seed(kind, opened, rng):
    generator = opened(kind)
    embedding = embedding_for(generator, rng)
    options = {"seconds": 0.4, "seed": 2}
    made = generator.generate(embedding, n_candidates=2, **options)
    assert (made.audio.shape, made.rate_hz) == ((2, 6400), RATE)
    scale = np.abs(made.audio).max()
    assert np.abs(made.audio[0] - made.audio[1]).max() > 0.01 * scale
    again = generator.generate(embedding, **options)
    assert_allclose(again.audio[0], made.audio[0], atol=1e-5 * scale)
    other = generator.generate(-embedding, **options)
    assert np.abs(other.audio[0] - made.audio[0]).max() > 0.005 * scale
    state = torch.random.get_rng_state()
    generator.generate(embedding, **options)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("kind", KINDS)
def test_provenance_says_what_made_it_and_that_it_was_never_trained(kind, opened, rng):
    generator = opened(kind)
    made = generator.generate(
        embedding_for(generator, rng), seconds=0.4, seed=2, anchor=noise(rng)
    )
    about = json.loads(json.dumps(made.provenance))
    assert about["generator"] == kind
    assert about["trained"] is False
    assert (about["seed"], about["anchor"]) == (2, "track 7")
    assert about["checkpoint"] == kind
    assert re.fullmatch("[0-9a-f]{64}", about["weights"])
    assert {"diffusers", "torch", "transformers"} <= set(about["packages"])


@pytest.mark.parametrize("kind", PIPELINES)
def test_the_anchor_is_noised_as_far_as_strength_says(kind, tiny_generator, rng):
    anchor, away = noise(rng), []
    mels = log_mels(anchor.sound.waveform[:6400], RATE, 64, hop=160)[:40]
    for strength in (0.02, 0.3, 1.0, None):
        settings = Settings(steps=50, strength=strength or 1.0)
        generator = open_alone(kind, tiny_generator(kind), settings=settings)
        pipe, seen = generator.pipeline, []
        decode = pipe.vae.decode
        pipe.vae.decode = lambda z, seen=seen, decode=decode: (
            seen.append(z) or decode(z)
        )
        given = anchor if strength else None
        generator.generate(np.ones(16), seconds=0.4, anchor=given)
        with torch.no_grad():
            encoded = pipe.vae.encode(torch.from_numpy(mels[None, None]))
        apart = seen[0] - encoded.latent_dist.mode()
        away.append(float((apart * pipe.vae.config.scaling_factor).square().mean()))
    assert away[0] < 0.02
    assert away[0] < away[1] < away[2]
    assert away[3] > 20 * away[0]


def test_guidance_leads_away_from_the_empty_text(tiny_generator, rng):
    embedding = rng.standard_normal(16)
    folder = tiny_generator("musicldm")
    found = {}
    for guidance in (1.0, 3.0):
        settings = Settings(steps=4, guidance=guidance)
        generator = open_alone("musicldm", folder, settings=settings)
        empty = empty_text(generator.pipeline)[0].numpy()
        assert_allclose(np.linalg.norm(empty), 1, rtol=1e-5)
        found[guidance] = [
            generator.generate(e, seconds=0.4).audio for e in (embedding, empty)
        ]
    plain, guided = found[1.0], found[3.0]
    scale = np.abs(plain[0]).max()
    assert_allclose(guided[1], plain[1], atol=1e-4 * scale)
    assert np.abs(guided[0] - plain[0]).max() > 1e-3 * scale


def test_guidance_equals_the_pipelines_own_from_an_empty_text(opened, rng):
    generator = opened("audioldm")
    embedding = rng.standard_normal(16)
    unit = torch.tensor(embedding / np.linalg.norm(embedding), dtype=torch.float32)
    own = generator.pipeline(
        prompt_embeds=unit[None],
        audio_length_in_s=0.4,
        num_inference_steps=4,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(candidate_seeds(9, 1)[0]),
    ).audios[0]
    made = generator.generate(embedding, seconds=0.4, seed=9).audio[0]
    assert_allclose(made, own, atol=1e-5 * np.abs(own).max())


def test_clap_of_both_towers_gives_its_own_empty_text(opened):
    pipe = opened("musicldm").pipeline
    words = pipe.tokenizer([""], padding="max_length", max_length=12)
    given = {k: torch.tensor(words[k]) for k in ("input_ids", "attention_mask")}
    with torch.no_grad():
        states = pipe.text_encoder.text_model(**given).pooler_output
        out = pipe.text_encoder.text_projection(states)[0].numpy()
        found = empty_text(pipe)[0].numpy()
    assert_allclose(found, out / np.linalg.norm(out), atol=1e-6)


def test_the_length_of_an_embedding_does_not_matter_to_diffusion(opened, rng):
    generator, embedding = opened("audioldm"), rng.standard_normal(16)
    one, other = (
        generator.generate(scale * embedding, seconds=0.4).audio for scale in (1, 7)
    )
    assert_allclose(one, other, atol=1e-5 * np.abs(one).max())


@pytest.mark.parametrize("anchored", [False, True])
def test_musicgen_from_states_equals_its_own_path_from_text(anchored, opened, rng):
    generator = opened("musicgen")
    model, ids = generator.model, torch.tensor([[3, 1, 2, 3, 0]])
    anchor = noise(rng) if anchored else None
    with torch.no_grad():
        states = model.text_encoder(ids).last_hidden_state[0].numpy()
    made = generator.generate(states, seconds=0.4, seed=5, anchor=anchor)
    heard = {}
    if anchored:
        heard["input_values"] = torch.from_numpy(
            anchor.sound.waveform[None, None, :3200]
        )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(candidate_seeds(5, 1)[0])
        own = model.generate(
            input_ids=ids,
            do_sample=True,
            guidance_scale=3.0,
            max_new_tokens=23,
            **heard,
        )
    assert own.shape == (1, 1, 9600 if anchored else 6400)
    assert_array_equal(made.audio[0], own[0, 0, -6400:].numpy())


def test_musicgen_hears_as_much_of_an_anchor_as_it_is_told(opened, rng):
    generator = opened("musicgen")
    embedding = embedding_for(generator, rng)
    slow = generator.generate(embedding, seconds=0.4, anchor=noise(rng, rate_hz=8000))
    assert slow.audio.shape == (1, 6400)
    with pytest.raises(InputError, match=r"track 7 lasts 0\.10 s, and 0\.2 s"):
        generator.generate(embedding, seconds=0.4, anchor=noise(rng, seconds=0.1))


def test_starting_from_the_nearest_item_is_the_default(tiny_generator, rng):
    table = rng.standard_normal((5, 16))
    index = build_index(table, list("abcde"), identity="x", source="")
    corpus = RetrievedSound(index, "x", lambda _: noise(rng).sound)
    folder = tiny_generator("musicldm")
    with pytest.raises(
        InputError, match=r"start is 'retrieved' and there is no corpus"
    ):
        open_generator("musicldm", folder)
    with pytest.raises(InputError, match=r"start is 'noise' and there is a corpus"):
        open_generator("musicldm", folder, corpus=corpus, start="noise")
    generator = open_generator("musicldm", folder, corpus=corpus, settings=FEW)
    assert isinstance(generator, AnchoredGenerator)
    made = generator.generate(table[3], seconds=0.4)
    assert made.provenance["anchor"] == "d"
    alone = open_generator("musicldm", folder, start="noise", settings=FEW)
    assert alone.generate(table[3], seconds=0.4).provenance["anchor"] is None


def test_the_spectra_equal_librosas(rng):
    librosa = pytest.importorskip("librosa")
    points = rng.standard_normal(8000).astype(np.float32)
    points[4000:] = 0
    mels = librosa.feature.melspectrogram(
        y=points,
        sr=RATE,
        n_fft=1024,
        hop_length=160,
        n_mels=64,
        fmax=8000,
        power=1,
        pad_mode="reflect",
    )
    found = log_mels(points, RATE, 64, hop=160)
    assert found.shape == (51, 64)
    assert_allclose(found.T, np.log(np.maximum(mels, 1e-5)), atol=1e-3)


def test_long_sounds_are_heard_whole_in_windows(opened, rng):
    generator = opened("musicldm")
    short, long = noise(rng, 3.0).sound, noise(rng, 14.0).sound
    found = generator.embed([short, long])
    assert found.shape == (2, 16)
    assert_allclose(generator.embed([long])[0], found[1], atol=1e-5)
    with pytest.raises(InputError, match="text tower only, and cannot hear"):
        opened("audioldm").embed([short])


def test_a_late_start_is_put_back_even_after_an_error():
    scheduler = diffusers.DDIMScheduler()

    def fail():
        with late_start(scheduler, 3):
            scheduler.set_timesteps(10)
            assert len(scheduler.timesteps) == 7
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    scheduler.set_timesteps(10)
    assert len(scheduler.timesteps) == 10


def test_a_language_model_without_a_head_is_given_one(tiny_generator, tmp_path):
    folder = shutil.copytree(tiny_generator("audioldm2"), tmp_path / "a")
    index = json.loads((folder / "model_index.json").read_text())
    index["language_model"] = ["transformers", "GPT2Model"]
    (folder / "model_index.json").write_text(json.dumps(index))
    made = [
        open_alone("audioldm2", place, settings=FEW).generate(np.ones(16), seconds=0.4)
        for place in (folder, tiny_generator("audioldm2"))
    ]
    assert_array_equal(made[0].audio, made[1].audio)


def test_another_scheduler_becomes_ddim_and_is_noted(tiny_generator, tmp_path):
    folder = shutil.copytree(tiny_generator("musicldm"), tmp_path / "a")
    index = json.loads((folder / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", "PNDMScheduler"]
    (folder / "model_index.json").write_text(json.dumps(index))
    pipeline, notes = open_pipeline("musicldm", folder)
    assert type(pipeline.scheduler).__name__ == "DDIMScheduler"
    assert notes == ["PNDMScheduler was replaced by DDIM."]


def spoil(folder, name):
    """Spoil a copy of a pipeline in one way."""
    index = json.loads((folder / "model_index.json").read_text())
    unet = folder / "unet/diffusion_pytorch_model.safetensors"
    if name == "bin":
        unet.rename(unet.with_suffix(".bin"))
    elif name == "holes":
        from safetensors.torch import load_file, save_file

        weights = load_file(unet)
        del weights["conv_in.weight"]
        save_file(weights, unet)
    elif name == "class":
        index["unet"] = ["my_code", "Evil"]
    elif name == "another":
        index["_class_name"] = "StableDiffusionPipeline"
    elif name == "words":
        shutil.rmtree(folder / "tokenizer")
    elif name == "part":
        del index["vocoder"]
    elif name == "clap":
        (folder / "text_encoder/model.safetensors").rename(
            folder / "text_encoder/pytorch_model.bin"
        )
    (folder / "model_index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bin", r"as \.bin are not read"),
        ("holes", r"do not fill UNet2DConditionModel.*conv_in\.weight"),
        ("class", "has a Evil as its unet; known there: UNet2DConditionModel"),
        ("another", "holds a StableDiffusionPipeline, and musicldm needs"),
        ("words", r"tokenizer cannot be read.*Fetch it whole"),
        ("part", r"lacks parts of a MusicLDMPipeline.*vocoder"),
        ("clap", r"holds its weights as \.bin only"),
    ],
)
def test_pipelines_that_cannot_be_trusted_are_refused(
    name, words, tiny_generator, tmp_path
):
    folder = shutil.copytree(tiny_generator("musicldm"), tmp_path / "a")
    spoil(folder, name)
    with pytest.raises(InputError, match=words):
        open_pipeline("musicldm", folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bin", r"as \.bin are not read"),
        ("class", "has a Evil as its unet; known there: UNet2DConditionModel"),
        ("another", "holds a StableDiffusionPipeline, and musicldm needs"),
        ("clap", r"holds its weights as \.bin only"),
    ],
)
def test_pipelines_are_looked_at_without_being_opened(
    name, words, tiny_generator, tmp_path, monkeypatch
):
    monkeypatch.setattr("brain2music.decoding.pipelines._part", None)
    folder = shutil.copytree(tiny_generator("musicldm"), tmp_path / "a")
    check_pipeline("musicldm", folder)
    spoil(folder, name)
    with pytest.raises(InputError, match=words):
        check_pipeline("musicldm", folder)


def test_clap_alone_hears_as_in_the_whole_pipeline(opened, tiny_generator, rng):
    sounds = [noise(rng).sound, noise(rng).sound]
    clap, feeder = open_clap("musicldm", tiny_generator("musicldm"))
    found = hear_by_clap(clap, feeder, sounds)
    assert_allclose(found, opened("musicldm").embed(sounds), atol=1e-6)
    assert open_clap("audioldm", tiny_generator("audioldm")) is None


def test_stereo_is_refused():
    check_channels(1)
    with pytest.raises(InputError, match="makes 2 channels"):
        check_channels(2)


def test_wrong_questions_are_refused(opened, tiny_generator, tmp_path, rng):
    with pytest.raises(InputError, match="3 dimensions, and this musicldm takes 16"):
        opened("musicldm").generate(np.ones(3), seconds=0.4)
    with pytest.raises(InputError, match="3 dimensions, and this MusicGen takes 8"):
        opened("musicgen").generate(np.ones(3), seconds=0.4)
    with pytest.raises(InputError, match=r"track 7 lasts 1\.00 s, and 2\.0 s"):
        opened("musicldm").generate(np.ones(16), seconds=2.0, anchor=noise(rng))
    with pytest.raises(InputError, match="Did you mean 'musicgen'"):
        open_alone_by_name("musicgn", tmp_path)
    with pytest.raises(InputError, match="musicgen takes Sampling, got Settings"):
        open_alone("musicgen", tiny_generator("musicgen"), settings=FEW)
    with pytest.raises(MissingFileError, match=r"no model_index\.json"):
        open_alone("musicldm", tiny_generator("musicgen"))
    with pytest.raises(InputError, match=r"strength 0: expected"):
        Settings(strength=0)
    with pytest.raises(InputError, match=r"guidance 0\.5"):
        Sampling(guidance=0.5)


def open_alone_by_name(kind, folder):
    return open_generator(kind, folder, start="noise")
