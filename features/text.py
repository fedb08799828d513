"""Embeddings of captions: by the text tower of a joint model, or a sentence model.

Captions are batched with others of as many tokens, so that none is padded and none
depends on its neighbours, but for rounding.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.checkpoints import libraries, quiet, read_json
from ..core.checks import Floats, InputError, check_choice
from .cache import cached, content_key
from .families import pooled_of, unit_rows
from .networks import Network, autocast

# Raised when rows change for the same caption and network.
VERSION = 1
LONG = ("refuse", "cut")
Long = Literal["refuse", "cut"]


def extract_text(
    captions: Sequence[str],
    *,
    network: Network,
    long: Long = "refuse",
    batch_size: int = 32,
    advance: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Return one embedding for each caption.

    CLAP's are in the space of its audio tower and of length 1. A sentence model's are
    the mean over tokens, of length 1 where its own settings say so.

    Parameters
    ----------
    captions : sequence of str
    network : Network
    long : 'refuse' or 'cut'
        What is done with captions of more tokens than the network reads; 'cut' leaves
        out their end.
    batch_size : int
        Captions at once.
    advance : callable, optional
        Called with the number of captions after each batch.

    Returns
    -------
    embeddings : float32 array of shape (n_captions, n_features)

    Raises
    ------
    InputError
        If a caption is empty or too long, or the network reads no text.
    """
    check_choice(long, "long", LONG)
    _check_captions(captions)
    embed = _embedder(network)
    tokenizer = _tokenizer(network.folder)
    groups: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
    for k, tokens in enumerate(_tokens(captions, tokenizer, network, long)):
        groups[len(tokens)].append((k, tokens))
    rows: dict[int, NDArray[np.float32]] = {}
    for group in groups.values():
        for start in range(0, len(group), batch_size):
            batch = group[start : start + batch_size]
            values = _forward(network, embed, [tokens for _, tokens in batch])
            rows |= {k: row for (k, _), row in zip(batch, values, strict=True)}
            if advance:
                advance(len(batch))
    return np.stack([rows[k] for k in range(len(captions))])


def extract_text_cached(
    captions: Sequence[str],
    *,
    network: Network,
    folder: Path,
    long: Long = "refuse",
    advance: Callable[[int], None] | None = None,
) -> Floats:
    """Return what `extract_text` does, from `folder` where it was computed before.

    A caption is known by its words, the network by its weights.
    """
    check_choice(long, "long", LONG)
    _check_captions(captions)
    made_by = (VERSION, network.identity, network.dtype, long)

    def keys_of(caption: str) -> tuple[str, ...]:
        return (content_key(caption, *made_by),)

    def compute(missing: Iterable[str]) -> Iterator[tuple[Floats, ...]]:
        texts = list(missing)
        if texts:
            for row in extract_text(texts, network=network, long=long):
                yield (row,)

    rows = cached(
        captions, keys_of=keys_of, compute=compute, folder=folder, advance=advance
    )
    return np.stack([row for (row,) in rows])


def _check_captions(captions: Sequence[str]) -> None:
    empty = [k for k, caption in enumerate(captions) if not str(caption).strip()]
    if empty or not len(captions) or isinstance(captions, str):
        raise InputError(
            f"{len(empty)} of {len(captions)} captions are empty, the first at "
            f"{empty[0]}. Leave those clips out."
            if empty
            else "expected a list of at least one caption."
        )


def _tokenizer(folder: Path) -> Any:
    _, transformers = libraries()
    try:
        with quiet():
            return transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} lacks its tokeniser, or it cannot be read: {error}"
        ) from error


def _tokens(
    captions: Sequence[str], tokenizer: Any, network: Network, long: Long
) -> list[list[int]]:
    """Return the tokens of each caption, and refuse or cut those that are too long."""
    limit = _longest(tokenizer, network)
    with quiet():
        tokens = tokenizer(list(captions), truncation=False)["input_ids"]
    over = [k for k, ids in enumerate(tokens) if len(ids) > limit]
    if not over:
        return list(tokens)
    if long == "refuse":
        raise InputError(
            f"{len(over)} of {len(captions)} captions have more than the {limit} "
            f"tokens that {network.name} reads, the first at {over[0]} "
            f"({len(tokens[over[0]])}). Shorten them, or ask for their end to be cut."
        )
    cut = tokenizer(list(captions), truncation=True, max_length=limit)["input_ids"]
    return list(cut)


def _longest(tokenizer: Any, network: Network) -> int:
    """Return how many tokens a network reads."""
    config = getattr(network.config, "text_config", network.config)
    # RoBERTa counts positions from behind its padding token.
    offset = config.pad_token_id + 1 if network.family == "clap" else 0
    limits = [int(tokenizer.model_max_length), config.max_position_embeddings - offset]
    settings = network.folder / "sentence_bert_config.json"
    if settings.is_file():
        limits.append(read_json(settings).get("max_seq_length") or limits[0])
    return min(limits)


def _embedder(network: Network) -> Callable[[Any, Any], Any]:
    """Return the function from network and tokens to embeddings."""
    if network.family == "clap":
        return _embed_clap
    if network.family != "sentence":
        raise InputError(f"{network.name} hears sound and reads no text.")
    pooling = read_json(network.folder / "1_Pooling" / "config.json")
    if not pooling.get("pooling_mode_mean_tokens", False):
        raise InputError(
            f"{network.name} does not pool by the mean over tokens, and no other way "
            "is known here. Use minilm, or bring its vectors as arrays."
        )
    parts = read_json(network.folder / "modules.json")["entries"]
    unit = any(str(part.get("type", "")).endswith("Normalize") for part in parts)
    return _embed_unit if unit else _embed_mean


def _embed_clap(network: Any, tokens: Any) -> Any:
    mask = tokens.new_ones(tokens.shape)
    pooled = network.get_text_features(input_ids=tokens, attention_mask=mask)
    return unit_rows(pooled_of(pooled))


def _embed_mean(network: Any, tokens: Any) -> Any:
    states = network(input_ids=tokens, attention_mask=tokens.new_ones(tokens.shape))
    return states.last_hidden_state.float().mean(dim=1)


def _embed_unit(network: Any, tokens: Any) -> Any:
    return unit_rows(_embed_mean(network, tokens))


def _forward(
    network: Network, embed: Callable[[Any, Any], Any], tokens: list[list[int]]
) -> NDArray[np.float32]:
    torch, _ = libraries()
    ids = torch.tensor(tokens, device=network.device)
    with torch.inference_mode(), autocast(network):
        rows = embed(network.loaded.network, ids).float().cpu().numpy()
    if not np.isfinite(rows).all():
        raise InputError(
            f"{network.name} gives NaN or infinity. Try dtype 'float32', or fetch the "
            "checkpoint again."
        )
    return rows
