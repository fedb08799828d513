"""Small generators and taggers of random weights, saved as published ones are.

They are of the real classes, so they show that the path works; what they make is noise,
and their provenance says that they were never trained.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.checkpoints import libraries, open_checkpoint, quiet
from ..core.checks import InputError, check_choice
from ..core.words import SPECIAL, word_tokenizer

UNTRAINED = "untrained.txt"  # lies in a folder of random weights
N_FEATURES = 16
N_TOKENS = 12
TEXT_WIDTH = 8  # of the text states of AudioLDM 2 and MusicGen
LM_WIDTH = 16
RATE_HZ = 16_000


def write_tiny_generator(
    kind: str, folder: Path, *, seed: int, clap: Path | None = None
) -> None:
    """Write a generator of random weights.

    Parameters
    ----------
    kind : 'musicldm', 'audioldm', 'audioldm2' or 'musicgen'
    folder : Path
        Made if it is not there.
    seed : int
        Of the weights; torch's own random state stays as it was.
    clap : Path, optional
        A CLAP of 16 dimensions that becomes MusicLDM's own, so that what is decoded of
        it can condition the generator. None makes one.

    Raises
    ------
    InputError
        If `clap` is given for another kind.
    """
    check_choice(kind, "kind", MAKERS)
    torch, _ = libraries()
    if clap is not None and kind != "musicldm":
        raise InputError(f"clap is for 'musicldm', and kind is {kind!r}. Leave it out.")
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        if clap is not None:
            _musicldm(folder, clap)
        else:
            MAKERS[kind](folder)
    _mark(folder, seed)


def write_tiny_tagger(folder: Path, labels: Sequence[str], *, seed: int) -> None:
    """Write an `ASTForAudioClassification` of random weights with these labels."""
    torch, transformers = libraries()
    config = transformers.ASTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_length=128,
        id2label=dict(enumerate(labels)),
        label2id={label: k for k, label in enumerate(labels)},
    )
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        network = transformers.ASTForAudioClassification(config)
        _stir(torch, network)
        network.save_pretrained(folder)
        with warnings.catch_warnings():
            # AST's own 128 bands leave the lowest ones empty.
            warnings.filterwarnings("ignore", message="At least one mel filter")
            feeder = transformers.ASTFeatureExtractor(max_length=128)
        feeder.save_pretrained(folder)
    _mark(folder, seed)


def _mark(folder: Path, seed: int) -> None:
    text = f"Random weights of seed {seed}: never trained, of no use but to try out.\n"
    (folder / UNTRAINED).write_text(text, encoding="utf-8")


def _musicldm(folder: Path, clap: Path | None = None) -> None:
    import diffusers

    parts: dict[str, Any] = {}
    network = _clap(both=True)
    if clap is not None:
        _, transformers = libraries()
        network, _ = open_checkpoint(clap, transformers.ClapModel)
        parts["tokenizer"] = transformers.AutoTokenizer.from_pretrained(
            clap, local_files_only=True
        )
    _save_diffusion(diffusers.MusicLDMPipeline, folder, network, **parts)


def _audioldm(folder: Path) -> None:
    import diffusers

    clap = _clap(both=False)
    _save_diffusion(diffusers.AudioLDMPipeline, folder, clap, listens=False)


def _audioldm2(folder: Path) -> None:
    import diffusers

    _, transformers = libraries()
    unet = diffusers.AudioLDM2UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=[(None, LM_WIDTH, TEXT_WIDTH)] * 2,
        attention_head_dim=4,
    )
    language = transformers.GPT2Config(
        n_embd=LM_WIDTH, n_layer=1, n_head=2, vocab_size=9, n_positions=64
    )
    language.max_new_tokens = 8
    _save_diffusion(
        diffusers.AudioLDM2Pipeline,
        folder,
        _clap(both=True),
        unet=unet,
        text_encoder_2=transformers.T5EncoderModel(_t5()),
        tokenizer_2=_tokenizer(),
        projection_model=diffusers.AudioLDM2ProjectionModel(
            N_FEATURES, TEXT_WIDTH, LM_WIDTH
        ),
        language_model=transformers.GPT2LMHeadModel(language),
    )


def _musicgen(folder: Path) -> None:
    torch, transformers = libraries()
    codec = transformers.EncodecConfig(
        target_bandwidths=[0.8],
        sampling_rate=RATE_HZ,
        num_filters=4,
        upsampling_ratios=[8, 8, 5],
        hidden_size=8,
        codebook_size=16,
        codebook_dim=8,
        num_lstm_layers=1,
    )
    decoder = transformers.MusicgenDecoderConfig(
        vocab_size=16,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=24,
        num_codebooks=4,
        pad_token_id=16,
        bos_token_id=16,
        max_position_embeddings=256,
    )
    config = transformers.MusicgenConfig(
        text_encoder=_t5().to_dict(),
        audio_encoder=codec.to_dict(),
        decoder=decoder.to_dict(),
    )
    network = transformers.MusicgenForConditionalGeneration(config)
    _stir(torch, network.decoder)
    torch.nn.init.normal_(network.enc_to_dec_proj.bias)  # else a mask changes nothing
    for layer in network.audio_encoder.quantizer.layers:
        torch.nn.init.normal_(layer.codebook.embed)  # all 0 else: one sound for all
    start = decoder.bos_token_id
    network.generation_config.update(
        decoder_start_token_id=start, pad_token_id=start, bos_token_id=start
    )
    network.save_pretrained(folder)


def _clap(*, both: bool) -> Any:
    """Return CLAP with both towers, or that of text alone."""
    _, transformers = libraries()
    text = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "vocab_size": len(SPECIAL),
        "max_position_embeddings": 2 * N_TOKENS,
        "projection_dim": N_FEATURES,
    }
    if not both:
        config = transformers.ClapTextConfig(**text)
        return transformers.ClapTextModelWithProjection(config)
    audio = {
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 4, 8],
        "patch_embeds_hidden_size": 8,
        "hidden_size": 64,
        "projection_dim": N_FEATURES,
    }
    config = transformers.ClapConfig(
        text_config=text, audio_config=audio, projection_dim=N_FEATURES
    )
    return transformers.ClapModel(config)


def _t5() -> Any:
    _, transformers = libraries()
    return transformers.T5Config(
        vocab_size=len(SPECIAL),
        d_model=TEXT_WIDTH,
        d_kv=4,
        d_ff=16,
        num_layers=1,
        num_heads=2,
    )


def _tokenizer() -> Any:
    """Return a tokeniser that knows no word: all that is said to it is ''."""
    return word_tokenizer([], max_length=N_TOKENS)


def _save_diffusion(
    cls: Any, folder: Path, clap: Any, *, listens: bool = True, **parts: Any
) -> None:
    import diffusers

    torch, transformers = libraries()
    usual = {
        "vae": diffusers.AutoencoderKL(
            block_out_channels=[8, 16, 16],  # a quarter of the spectrum's size
            in_channels=1,
            out_channels=1,
            norm_num_groups=4,
            latent_channels=4,
            down_block_types=["DownEncoderBlock2D"] * 3,
            up_block_types=["UpDecoderBlock2D"] * 3,
        ),
        "unet": None if "unet" in parts else _unet(),
        "scheduler": diffusers.DDIMScheduler(
            beta_start=0.0015,
            beta_end=0.0195,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        "vocoder": _vocoder(torch, transformers),
        "text_encoder": clap,
        "tokenizer": _tokenizer(),
    }
    if listens:
        feeder = transformers.ClapFeatureExtractor(truncation="rand_trunc")
        usual["feature_extractor"] = feeder
    pipeline = cls(**(usual | parts))
    pipeline.save_pretrained(folder, safe_serialization=True)


def _unet() -> Any:
    import diffusers

    return diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=(8, 16),  # without states, it attends to itself
        attention_head_dim=4,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=N_FEATURES,
        class_embeddings_concat=True,
    )


def _vocoder(torch: Any, transformers: Any) -> Any:
    vocoder = transformers.SpeechT5HifiGan(
        transformers.SpeechT5HifiGanConfig(
            model_in_dim=64,
            sampling_rate=RATE_HZ,
            upsample_initial_channel=16,
            upsample_rates=[5, 4, 4, 2],
            upsample_kernel_sizes=[10, 8, 8, 4],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1, 3]],
            normalize_before=False,
        )
    )
    _stir(torch, vocoder)
    return vocoder


def _stir(torch: Any, network: Any) -> None:
    """Give weights a size at which what goes in can be told from what comes out."""
    for weight in network.parameters():
        if weight.ndim > 1:
            torch.nn.init.xavier_normal_(weight)


MAKERS = {
    "musicldm": _musicldm,
    "audioldm": _audioldm,
    "audioldm2": _audioldm2,
    "musicgen": _musicgen,
}
