"""Small checkpoints of random weights, saved by the real classes of transformers."""

import json
import sys
import venv
import warnings

import numpy as np
import pytest

from brain2music.features.tiny import write_tokenizer

try:
    import torch
    import transformers
except ImportError:  # the tests that need them skip themselves
    torch = transformers = None

WORDS = ("slow", "jazz", "piano", "with", "drums", "and", "a", "loud", "guitar")
SPEECH = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "hidden_dropout": 0.3,
}
CONV = {
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


@pytest.fixture(autouse=True)
def _one_thread():
    if torch:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Give `tiny(name, **changes)`: the folder of a small checkpoint, made once."""
    made = {}

    def make(name, **changes):
        key = name, json.dumps(changes, sort_keys=True)
        if key not in made:
            folder = tmp_path_factory.mktemp(name)
            with torch.random.fork_rng():
                torch.manual_seed(1)
                MAKERS[name](folder, **changes)
            made[key] = folder
        return made[key]

    return make


def _w2v_bert(folder, **changes):
    settings = SPEECH | {"hidden_size": 32, "output_hidden_size": 32} | changes
    config = transformers.Wav2Vec2BertConfig(**settings)
    _save(transformers.Wav2Vec2BertModel(config), folder)
    transformers.SeamlessM4TFeatureExtractor().save_pretrained(folder)


def _hubert(folder, **changes):
    config = transformers.HubertConfig(**SPEECH | CONV | {"hidden_size": 32} | changes)
    _save(transformers.HubertModel(config), folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)


def _wav2vec2(folder, **changes):
    settings = SPEECH | CONV | {"hidden_size": 32} | changes
    _save(transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**settings)), folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)


def _mert(folder, **changes):
    """Save a HuBERT as MERT is published: its own model type, with code of its own."""
    _hubert(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["model_type"] = "mert_model"
    config["architectures"] = ["MERTModel"]
    config["auto_map"] = {"AutoModel": "modeling_MERT.MERTModel"}
    config |= {"feature_extractor_cqt": False, "deepnorm": False, "sample_rate": 24000}
    path.write_text(json.dumps(config | {"attention_relax": -1.0} | changes))
    (folder / "modeling_MERT.py").write_text("raise SystemExit('this was run')")
    feeder = transformers.Wav2Vec2FeatureExtractor(sampling_rate=24_000)
    feeder.save_pretrained(folder)


def _whisper(folder, **changes):
    config = transformers.WhisperConfig(
        **{
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 1,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "vocab_size": 60,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
        }
        | changes
    )
    _save(transformers.WhisperModel(config), folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)


def _ast(folder, **changes):
    settings = SPEECH | {"hidden_size": 32} | changes
    settings["hidden_dropout_prob"] = settings.pop("hidden_dropout")
    _save(transformers.ASTModel(transformers.ASTConfig(**settings)), folder)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="At least one mel filter")
        transformers.ASTFeatureExtractor().save_pretrained(folder)


def _clap(folder, *, fusion=False, projection_dim=512):
    text = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "vocab_size": len(WORDS) + 5,
        "max_position_embeddings": 40,
        "projection_dim": projection_dim,
    }
    audio = {
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 4, 8],
        "patch_embeds_hidden_size": 8,
        "hidden_size": 64,
        "projection_dim": projection_dim,
        "enable_fusion": fusion,
        "fusion_type": None,
    }
    config = transformers.ClapConfig(
        text_config=text, audio_config=audio, projection_dim=projection_dim
    )
    _save(transformers.ClapModel(config), folder)
    kind = "fusion" if fusion else "rand_trunc"
    transformers.ClapFeatureExtractor(truncation=kind).save_pretrained(folder)
    write_tokenizer(folder, WORDS, ["<s>", "<pad>", "</s>", "<unk>"])


def _encodec(folder, **changes):
    config = transformers.EncodecConfig(
        **{
            "sampling_rate": 32_000,
            "upsampling_ratios": [8, 5, 4, 4],
            "num_filters": 2,
            "num_lstm_layers": 1,
            "codebook_size": 16,
            "target_bandwidths": [2.0],
            "use_causal_conv": False,
        }
        | changes
    )
    _save(transformers.EncodecModel(config), folder)


def _dac(folder, **changes):
    config = transformers.DacConfig(
        **{
            "sampling_rate": 44_100,
            "encoder_hidden_size": 4,
            "decoder_hidden_size": 32,
            "n_codebooks": 2,
            "codebook_size": 16,
        }
        | changes
    )
    _save(transformers.DacModel(config), folder)


def _sentence(folder, *, normalize=True, pooling="mean"):
    config = transformers.BertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        vocab_size=len(WORDS) + 5,
        max_position_embeddings=40,
    )
    _save(transformers.BertModel(config), folder)
    write_tokenizer(folder, WORDS, ["[CLS]", "[PAD]", "[SEP]", "[UNK]"])
    parts = [{"type": "sentence_transformers.models.Transformer"}]
    if normalize:
        parts.append({"type": "sentence_transformers.models.Normalize"})
    (folder / "modules.json").write_text(json.dumps(parts))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 12}')
    (folder / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{pooling}_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))


def _save(network, folder):
    network.save_pretrained(folder)


MAKERS = {
    "w2v-bert": _w2v_bert,
    "hubert": _hubert,
    "wav2vec2": _wav2vec2,
    "mert": _mert,
    "whisper": _whisper,
    "ast": _ast,
    "clap": _clap,
    "encodec": _encodec,
    "dac": _dac,
    "minilm": _sentence,
}


@pytest.fixture
def clips(rng):
    """Give `clips(*seconds)`: sounds at 22.05 kHz, as in GTZAN."""

    def make(*seconds, rate_hz=22_050):
        sounds = []
        for k, duration_s in enumerate(seconds):
            t = np.arange(round(duration_s * rate_hz)) / rate_hz
            tone = np.sin(2 * np.pi * 220 * (k + 1) * t**1.1)
            noise = rng.standard_normal(len(t))
            sounds.append((0.3 * tone + 0.05 * noise).astype(np.float32))
        return sounds

    return make


MUQ = '''
"""Stands in for the package muq: the same calls, and numbers that are easy to tell."""

from types import SimpleNamespace

import torch


class MuQ(torch.nn.Module):
    @classmethod
    def from_pretrained(cls, folder):
        print("Loading weights from", folder)
        network = cls()
        network.weight = torch.nn.Parameter(torch.linspace(0.5, 1.5, 8))
        return network

    def forward(self, waves, output_hidden_states):
        frames = waves.unflatten(1, (-1, 960)).abs().mean(2)[:, :, None]
        states = [frames * (k + 1) * self.weight for k in range(13)]
        return SimpleNamespace(hidden_states=states)


class Text:
    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=8))

    def tokenizer(self, text):
        return {"input_ids": text.split()}


class MuQMuLan(MuQ):
    sr, clip_secs, text = 24_000, 10, Text()

    @property
    def mulan_module(self):
        return self

    def get_audio_latents(self, waves):
        return super().forward(waves, True).hidden_states[12].mean(1)

    def forward(self, texts):
        if "kill" in texts[0]:
            raise SystemExit("killed")
        return torch.stack([len(text) - torch.arange(8.0) for text in texts])
'''


@pytest.fixture(scope="session")
def other_python(tmp_path_factory):
    """Give `other_python(**files)`: a Python of its own with a stand-in for muq."""

    def make(**files):
        folder = tmp_path_factory.mktemp("env")
        venv.create(folder, symlinks=True, with_pip=False)
        stubs = folder / "stubs"
        stubs.mkdir()
        for name, text in ({"muq": MUQ} | files).items():
            if text:
                (stubs / f"{name}.py").write_text(text)
        site = next(folder.glob("lib/python*/site-packages"))
        paths = [str(stubs), *(p for p in sys.path if p.endswith("site-packages"))]
        (site / "paths.pth").write_text("\n".join(paths))
        return folder / "bin" / "python"

    return make


@pytest.fixture(scope="session")
def muq_folders(tmp_path_factory):
    """Give folders that look like the checkpoints of muq and muq-mulan."""
    root = tmp_path_factory.mktemp("muq")
    towers = {"audio_model": "muq", "text_model": "xlm-roberta"}
    settings = {key: {"name": str(root / name)} for key, name in towers.items()}
    configs = {"muq": {}, "xlm-roberta": {}, "mulan": settings}
    for name, config in configs.items():
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps(config))
        (root / name / "model.safetensors").write_bytes(name.encode())
    return root
