"""Runs MuQ in an environment of its own: windows or captions in, rows out.

`features.elsewhere` starts this file with another Python, one that has the package
muq: it imports nothing of brain2music. A message is one line of JSON and, where that
says `bytes`, an array in the format of .npy. First comes a message that says what was
loaded; then an answer to each array that is read. Windows are float32 of shape
(n_windows, n_points), captions an array of texts; an answer is float32 of shape
(n_layers, n_rows, n_features). What goes wrong is sent as the message `error`.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, BinaryIO

import numpy as np

Rows = Callable[[np.ndarray], Any]


def main() -> int:
    """Load the network and answer until nothing more is asked."""
    replies = _own_stdout()
    try:
        given = _arguments()
        embed, about = _opened(given)
    except Exception as error:
        send(replies, {"error": f"{type(error).__name__}: {error}"})
        return 1
    send(replies, about)
    while (asked := receive(sys.stdin.buffer)) is not None:
        try:
            send(replies, {}, embed(asked[1]))
        except Exception as error:
            send(replies, {"error": f"{type(error).__name__}: {error}"})
            return 1
    return 0


def send(
    stream: BinaryIO, message: dict[str, Any], array: np.ndarray | None = None
) -> None:
    """Write a message, and the array that goes with it."""
    content = io.BytesIO()
    if array is not None:
        np.save(content, array, allow_pickle=False)
        message = message | {"bytes": content.tell()}
    stream.write(json.dumps(message).encode() + b"\n" + content.getvalue())
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], np.ndarray] | None:
    """Read a message and its array (empty if it has none), or None at the end.

    Examples
    --------
    >>> stream = io.BytesIO()
    >>> send(stream, {"step": 1}, np.array(["slow jazz"]))
    >>> _ = stream.seek(0)
    >>> receive(stream), receive(stream)
    (({'step': 1, 'bytes': 164}, array(['slow jazz'], dtype='<U9')), None)
    """
    line = stream.readline()
    if not line:
        return None
    message = json.loads(line)
    if "bytes" not in message:
        return message, np.empty(0)
    content = stream.read(message["bytes"])
    if len(content) < message["bytes"]:
        return None
    return message, np.load(io.BytesIO(content), allow_pickle=False)


def _own_stdout() -> BinaryIO:
    """Return the real output; whatever else is printed goes to the error output."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=("muq", "muq-mulan"), required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--layers", nargs="+", required=True)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    return parser.parse_args()


def _opened(given: argparse.Namespace) -> tuple[Rows, dict[str, Any]]:
    _check_versions()
    import muq
    import torch

    found = "cuda" if torch.cuda.is_available() else "cpu"
    device = found if given.device == "auto" else given.device
    cls = muq.MuQ if given.model == "muq" else muq.MuQMuLan
    network = cls.from_pretrained(given.folder).eval().to(device)
    heard = _muq(network, given.layers) if given.model == "muq" else _mulan(network)

    def embed(asked: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            rows = heard(asked)
        return rows.float().cpu().numpy()

    return embed, {"rate_hz": 24_000, "device": device, "versions": _versions()}


def _muq(network: Any, layers: list[str]) -> Rows:
    """Return what averages the hidden states over each window."""
    import torch

    device = next(network.parameters()).device

    def rows(asked: np.ndarray) -> Any:
        if asked.dtype.kind == "U":
            raise ValueError("MuQ reads no captions; take muq-mulan for those.")
        waveforms = torch.from_numpy(asked).to(device)
        states = network(waveforms, output_hidden_states=True).hidden_states
        lacking = [k for k in layers if not k.isdigit() or int(k) >= len(states)]
        if lacking:
            raise ValueError(
                f"there is no layer {lacking[0]}; the network has 0 to "
                f"{len(states) - 1}."
            )
        return torch.stack([states[int(k)].float().mean(dim=1) for k in layers])

    return rows


def _mulan(network: Any) -> Rows:
    """Return what embeds windows or captions, as vectors of length 1."""
    import torch

    device = next(network.parameters()).device
    points = round(network.sr * network.clip_secs)

    def rows(asked: np.ndarray) -> Any:
        if asked.dtype.kind == "U":
            # A batch is padded, and the padding is averaged in: one by one, then.
            texts = [str(text) for text in asked]
            _check_lengths(network.mulan_module.text, texts)
            found = torch.cat([network(texts=[text]) for text in texts])
        elif asked.shape[1] != points:
            raise ValueError(
                f"windows of {asked.shape[1] / network.sr:g} s, and MuQ-MuLan hears "
                f"{network.clip_secs:g} s: it repeats what is shorter and averages "
                "over what is longer. Use that window_s."
            )
        else:
            waveforms = torch.from_numpy(asked).to(device)
            found = network.mulan_module.get_audio_latents(waveforms)
        return torch.nn.functional.normalize(found.float(), dim=-1)[None]

    return rows


def _check_lengths(tower: Any, texts: list[str]) -> None:
    most = tower.model.config.max_position_embeddings - 2
    for k, text in enumerate(texts):
        n_tokens = len(tower.tokenizer(text)["input_ids"])
        if n_tokens > most:
            raise ValueError(
                f"caption {k} has {n_tokens} tokens and the network reads {most}. "
                "Shorten it."
            )


def _check_versions() -> None:
    found = _versions()
    if found["muq"].startswith("0.1.") and int(found["transformers"].split(".")[0]) > 4:
        raise RuntimeError(
            f"muq {found['muq']} does not run with transformers "
            f"{found['transformers']}. Run there: pip install 'transformers<5'"
        )


def _versions() -> dict[str, str]:
    found = {}
    for name in ("muq", "torch", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "0"
    return found


if __name__ == "__main__":
    raise SystemExit(main())
