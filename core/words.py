"""A tokeniser that knows whole words, for small networks of random weights."""

from collections.abc import Sequence
from typing import Any

from .checkpoints import libraries

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


def word_tokenizer(
    words: Sequence[str], special: Sequence[str] = SPECIAL, *, max_length: int = 1000
) -> Any:
    """Return a tokeniser of transformers that knows whole words.

    Parameters
    ----------
    words : sequence of str
        All others are unknown to it.
    special : sequence of str
        The tokens for begin, padding, end and unknown words.
    max_length : int
        Tokens at most.
    """
    _, transformers = libraries()
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    begin, pad, end, unknown = special
    numbers = {word: k for k, word in enumerate([*special, *words])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(begin, numbers[begin]), (end, numbers[end])],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        unk_token=unknown,
        model_max_length=max_length,
    )
