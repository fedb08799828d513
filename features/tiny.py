"""Small networks of random weights, saved as published ones are.

They stand in a simulated study where weights cannot be had: of the same classes, loaded
by the same code, and as ignorant as random weights are. Their folders' names say so.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.checkpoints import libraries, quiet
from ..core.words import SPECIAL, word_tokenizer

N_FEATURES = 16


def write_tiny_clap(
    folder: Path, captions: Sequence[str], *, seed: int, n_features: int = N_FEATURES
) -> None:
    """Write a `ClapModel` of both towers, whose words are those of `captions`.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    captions : sequence of str
    seed : int
        Of the weights; torch's own random state stays as it was.
    n_features : int
        Width of the embeddings.
    """
    _, transformers = libraries()
    words = sorted({word for text in captions for word in _words(text)})
    text = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "vocab_size": len(words) + len(SPECIAL),
        "max_position_embeddings": 140,
        "projection_dim": n_features,
    }
    audio = {
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 2, 4, 8],
        "patch_embeds_hidden_size": 8,
        "hidden_size": 64,
        "projection_dim": n_features,
    }
    config = transformers.ClapConfig(
        text_config=text, audio_config=audio, projection_dim=n_features
    )
    _save(transformers.ClapModel, config, folder, seed)
    feeder = transformers.ClapFeatureExtractor(truncation="rand_trunc")
    feeder.save_pretrained(folder)
    write_tokenizer(folder, words)


def write_tiny_w2v_bert(
    folder: Path, *, seed: int, n_features: int = N_FEATURES
) -> None:
    """Write a `Wav2Vec2BertModel` of eight layers."""
    _, transformers = libraries()
    config = transformers.Wav2Vec2BertConfig(
        hidden_size=n_features,
        output_hidden_size=n_features,
        num_hidden_layers=8,
        num_attention_heads=4,
        intermediate_size=32,
    )
    _save(transformers.Wav2Vec2BertModel, config, folder, seed)
    transformers.SeamlessM4TFeatureExtractor().save_pretrained(folder)


def _save(cls: Any, config: Any, folder: Path, seed: int) -> None:
    torch, _ = libraries()
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        cls(config).save_pretrained(folder)


def _words(text: str) -> list[str]:
    from tokenizers import pre_tokenizers

    return [word for word, _ in pre_tokenizers.Whitespace().pre_tokenize_str(text)]


def write_tokenizer(
    folder: Path, words: Sequence[str], special: Sequence[str] = SPECIAL
) -> None:
    """Write a tokeniser that knows whole words.

    Parameters
    ----------
    folder : Path
    words : sequence of str
        All others are unknown to it.
    special : sequence of str
        The tokens for begin, padding, end and unknown words.
    """
    word_tokenizer(words, special).save_pretrained(folder)
