"""What the networks of a full ds003720 cost: 5 clips measured, and multiplied.

Run from anywhere, with the package and its extras `models` and `generation` installed:

    python benchmarks/networks_full_size.py [--clips 5] [--threads 2] [--steps 5]

Networks have random weights and the published sizes: larger_clap_music_and_speech and
w2v-BERT 2.0 (24 layers) for the features, MusicLDM and MusicGen (small) for generation.
Features are multiplied up to 540 clips (a corpus that is searched takes as much a
clip); generation to one candidate for each of 60 test clips, of one subject. A
step of diffusion takes as long as any other: `--steps` are made, and 200 counted.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from memory import fresh_peak, peak_bytes

N_STIMULI, N_TEST, CLIP_S = 540, 60, 15.0
STEPS, RATE_HZ = 200, 22_050
CAPTION = "a fast rock song with loud drums and a distorted electric guitar " * 2


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--only", choices=ROWS, help="one network alone")
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(given.threads)
    import torch

    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    rows = []
    for name, row in ROWS.items():
        if given.only in (None, name):
            fresh_peak()
            with tempfile.TemporaryDirectory() as folder:
                what, seconds, n_all = row(Path(folder), given)
            hours = seconds / given.clips * n_all / 3600
            peak_gb = peak_bytes() / 1e9
            rows.append((what, given.clips, seconds, n_all, hours, peak_gb))
            sys.stderr.write(f"{what}: {seconds:.1f} s\n")
    names = ["network", "clips", "s", "of", "hours_for_all", "peak_gb"]
    table = pd.DataFrame(rows, columns=names)
    text = table.round({"s": 1, "hours_for_all": 2, "peak_gb": 2}).to_string(
        index=False
    )
    sys.stdout.write(text + "\n")


def sounds(n_clips: int) -> list[np.ndarray]:
    """Return clips of 15 s."""
    rng = np.random.default_rng(0)
    shape = (n_clips, round(CLIP_S * RATE_HZ))
    return list((0.1 * rng.standard_normal(shape)).astype(np.float32))


def took(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _heard(name: str, folder: Path, given: argparse.Namespace) -> float:
    from brain2music.features.networks import open_network
    from brain2music.features.pretrained import extract_audio

    network = open_network(name, checkpoint=folder, device="cpu")
    options = {"network": network, "layers": network.layers[-1]}
    return took(lambda: extract_audio(sounds(given.clips), RATE_HZ, **options))


def clap(folder: Path, given: argparse.Namespace) -> tuple[str, float, int]:
    """Time CLAP's sound tower."""
    write_clap(folder)
    return "CLAP, sound", _heard("clap", folder, given), N_STIMULI


def captions(folder: Path, given: argparse.Namespace) -> tuple[str, float, int]:
    """Time CLAP's text tower, on five captions for each clip."""
    from brain2music.features.networks import open_network
    from brain2music.features.text import extract_text

    write_clap(folder)
    network = open_network("clap", checkpoint=folder, device="cpu")
    texts = [f"{CAPTION} {k}" for k in range(5 * given.clips)]
    seconds = took(lambda: extract_text(texts, network=network))
    return "CLAP, captions", seconds, N_STIMULI


def w2v_bert(folder: Path, given: argparse.Namespace) -> tuple[str, float, int]:
    """Time w2v-BERT 2.0."""
    import transformers

    config = transformers.Wav2Vec2BertConfig()
    transformers.Wav2Vec2BertModel(config).save_pretrained(folder)
    transformers.SeamlessM4TFeatureExtractor().save_pretrained(folder)
    return "w2v-BERT 2.0", _heard("w2v-bert", folder, given), N_STIMULI


def musicldm(folder: Path, given: argparse.Namespace) -> tuple[str, float, int]:
    """Time MusicLDM: what all steps share, and some of its steps, counted up to 200."""
    from brain2music.decoding.diffusion import Settings
    from brain2music.decoding.generators import open_alone

    write_musicldm(folder)
    seconds = []
    for steps in (1, 1 + given.steps):
        generator = open_alone("musicldm", folder, settings=Settings(steps=steps))
        seconds.append(_generated(generator, 512, given.clips))
    step = (seconds[1] - seconds[0]) / given.steps
    return f"MusicLDM, {STEPS} steps", seconds[0] + (STEPS - 1) * step, N_TEST


def musicgen(folder: Path, given: argparse.Namespace) -> tuple[str, float, int]:
    """Time MusicGen (small)."""
    from brain2music.decoding.generators import open_alone

    write_musicgen(folder)
    generator = open_alone("musicgen", folder)
    return "MusicGen (small)", _generated(generator, 768, given.clips), N_TEST


def _generated(generator: object, width: int, n_clips: int) -> float:
    vectors = np.random.default_rng(1).standard_normal((n_clips, width))

    def work() -> None:
        for vector in vectors:
            generator.generate(vector, seconds=CLIP_S)  # type: ignore[attr-defined]

    return took(work)


def clap_config() -> object:
    """Return the sizes of larger_clap_music_and_speech."""
    import transformers

    audio = {
        "depths": [2, 2, 12, 2],
        "patch_embeds_hidden_size": 128,
        "hidden_size": 1024,
    }
    return transformers.ClapConfig(audio_config=audio)


def write_clap(folder: Path) -> None:
    """Save a CLAP of random weights."""
    import transformers

    from brain2music.core.words import word_tokenizer

    transformers.ClapModel(clap_config()).save_pretrained(folder)
    transformers.ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)
    words = sorted(set(CAPTION.split()))
    word_tokenizer(words, max_length=512).save_pretrained(folder)


def write_musicldm(folder: Path) -> None:
    """Save a MusicLDM of random weights, of the published sizes."""
    import diffusers
    import transformers

    from brain2music.core.words import word_tokenizer

    unet = diffusers.UNet2DConditionModel(
        sample_size=128,
        in_channels=8,
        out_channels=8,
        block_out_channels=(128, 256, 384, 640),
        layers_per_block=2,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * 3),
        up_block_types=(*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"),
        cross_attention_dim=(128, 256, 384, 640),
        attention_head_dim=32,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=512,
        class_embeddings_concat=True,
    )
    vae = diffusers.AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=8,
        block_out_channels=(128, 256, 512),
        layers_per_block=2,
        down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3,
    )
    vocoder = transformers.SpeechT5HifiGan(
        transformers.SpeechT5HifiGanConfig(
            model_in_dim=64,
            sampling_rate=16_000,
            upsample_initial_channel=1024,
            upsample_rates=[5, 4, 2, 2, 2],
            upsample_kernel_sizes=[16, 16, 8, 4, 4],
            normalize_before=False,
        )
    )
    pipeline = diffusers.MusicLDMPipeline(
        vae=vae,
        text_encoder=transformers.ClapModel(transformers.ClapConfig()),
        tokenizer=word_tokenizer([], max_length=512),
        feature_extractor=transformers.ClapFeatureExtractor(truncation="rand_trunc"),
        unet=unet,
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.0015,
            beta_end=0.0195,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        vocoder=vocoder,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def write_musicgen(folder: Path) -> None:
    """Save a MusicGen of random weights, of the size of 'small'."""
    import torch
    import transformers

    text = transformers.T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12)
    codec = transformers.EncodecConfig(
        target_bandwidths=[2.2],
        sampling_rate=32_000,
        num_filters=64,
        upsampling_ratios=[8, 5, 4, 4],
        codebook_size=2048,
        use_causal_conv=False,
    )
    decoder = transformers.MusicgenDecoderConfig()
    network = transformers.MusicgenForConditionalGeneration(
        transformers.MusicgenConfig(
            text_encoder=text.to_dict(),
            audio_encoder=codec.to_dict(),
            decoder=decoder.to_dict(),
        )
    )
    for layer in network.audio_encoder.quantizer.layers:
        torch.nn.init.normal_(layer.codebook.embed)
    start = decoder.bos_token_id
    network.generation_config.update(
        decoder_start_token_id=start, pad_token_id=start, bos_token_id=start
    )
    network.save_pretrained(folder)


ROWS = {
    "clap": clap,
    "captions": captions,
    "w2v-bert": w2v_bert,
    "musicldm": musicldm,
    "musicgen": musicgen,
}

if __name__ == "__main__":
    main()
