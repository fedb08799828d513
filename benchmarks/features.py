"""What the path around a network costs, in time and in memory.

Run from anywhere, with the package and its extras `models` installed:

    python benchmarks/features.py [--clips 2] [--threads 1] [--rounds 5] [--only NAME]

It makes networks of random weights, of the published width and of fewer layers where
that saves minutes, and prints one table: seconds of the bare forward pass on windows
that are cut, resampled and batched already; the same with the feature extractor in
front; our whole path at the same batch; the second run from the cache; and peak memory
for few and for many clips. Seconds are the best of all rounds; what ours costs over the
others is the median over rounds, in each of which they take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from memory import peak_bytes

RATE_HZ = 22_050
CLIP_S = 15.0
BATCH = 4


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=MAKERS, help="one network alone")
    parser.add_argument("--memory", nargs=2, metavar=("FOLDER", "CLIPS"))
    given = parser.parse_args()
    if given.memory:
        peak_mb(Path(given.memory[0]), int(given.memory[1]), given.threads)
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(given.threads)
    with tempfile.TemporaryDirectory() as scratch:
        rows = [
            measure(name, Path(scratch), given)
            for name in MAKERS
            if given.only in (None, name)
        ]
    with pd.option_context("display.width", 200, "display.max_columns", None):
        sys.stdout.write(pd.DataFrame(rows).to_string(index=False) + "\n")


def measure(name: str, scratch: Path, given: argparse.Namespace) -> dict[str, object]:
    """Return one row of the table."""
    import torch

    from brain2music.features.families import FAMILIES
    from brain2music.features.networks import open_network
    from brain2music.features.pretrained import (
        _resampled,
        extract_audio,
        extract_audio_cached,
    )
    from brain2music.features.windows import cut_windows

    torch.set_num_threads(given.threads)
    folder = scratch / name
    folder.mkdir()
    MAKERS[name](folder)
    network = open_network(name, checkpoint=folder, device="cpu")
    windows, layer = network.model.windows, network.layers[-1]
    family, loaded = FAMILIES[network.family], network.loaded
    pieces = np.concatenate(
        [cut_windows(w, RATE_HZ, windows) for w in sounds(given.clips)]
    )
    heard = [
        _resampled(pieces[k : k + BATCH], RATE_HZ, network.rate_hz)
        for k in range(0, len(pieces), BATCH)
    ]
    fed = [family.feed(loaded, batch) for batch in heard]
    points = heard[0].shape[1]

    def bare() -> None:
        with torch.inference_mode():
            for inputs in fed:
                family.read(loaded, inputs, [layer], points)

    def with_extractor() -> None:
        with torch.inference_mode():
            for batch in heard:
                family.read(loaded, family.feed(loaded, batch), [layer], points)

    options = {"network": network, "windows": windows, "layers": layer}

    def ours() -> None:
        extract_audio(sounds(given.clips), RATE_HZ, batch_size=BATCH, **options)

    def cached() -> None:
        extract_audio_cached(
            sounds(given.clips),
            RATE_HZ,
            batch_size=BATCH,
            folder=scratch / f"{name}-cache",
            **options,
        )

    times = interleaved(bare, with_extractor, ours, rounds=given.rounds)
    bare_s, fed_s, ours_s = times.min(axis=0)
    over_bare, over_fed = (np.median(times[:, 2] / times[:, k]) - 1 for k in (0, 1))
    cached()
    cached_s = min(timed(cached) for _ in range(3))
    few, many = (peak_of(folder, n, given) for n in (given.clips, 4 * given.clips))
    return {
        "network": name,
        "windows": len(pieces),
        "bare_s": round(bare_s, 2),
        "fed_s": round(fed_s, 2),
        "ours_s": round(ours_s, 2),
        "over_bare": f"{over_bare:+.1%}",
        "over_fed": f"{over_fed:+.1%}",
        "cached_s": round(cached_s, 4),
        "faster": f"{ours_s / cached_s:.0f} x",
        "peak_mb": few,
        "peak_mb_4x_clips": many,
    }


def sounds(n_clips: int) -> Iterator[np.ndarray]:
    """Yield clips of 15 s, one by one."""
    rng = np.random.default_rng(0)
    for _ in range(n_clips):
        yield (0.1 * rng.standard_normal(round(CLIP_S * RATE_HZ))).astype(np.float32)


def interleaved(*calls: Callable[[], None], rounds: int) -> np.ndarray:
    """Return seconds, (rounds, calls): what else goes on meets all calls of a round."""
    for call in calls:
        call()
    return np.array([[timed(call) for call in calls] for _ in range(rounds)])


def timed(call: Callable[[], None]) -> float:
    """Return how many seconds a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak_of(folder: Path, n_clips: int, given: argparse.Namespace) -> int:
    """Return the peak memory in MB of a process that extracts that many clips."""
    command = [sys.executable, __file__, "--threads", str(given.threads)]
    command += ["--memory", str(folder), str(n_clips)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(json.loads(done.stdout))


def peak_mb(folder: Path, n_clips: int, threads: int) -> None:
    """Extract in this process, and print its peak memory."""
    import torch

    from brain2music.features.networks import open_network
    from brain2music.features.pretrained import extract_audio

    torch.set_num_threads(threads)
    network = open_network(folder.name, checkpoint=folder, device="cpu")
    layer = network.layers[-1]
    extract_audio(
        sounds(n_clips), RATE_HZ, network=network, layers=layer, batch_size=BATCH
    )
    sys.stdout.write(json.dumps(peak_bytes() // 1024**2))


def make_clap(folder: Path) -> None:
    """Save a CLAP of the size of htsat-unfused; its text tower is small."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    text = {"num_hidden_layers": 1, "vocab_size": 100}
    ClapModel(ClapConfig(text_config=text)).save_pretrained(folder)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)


def make_w2v_bert(folder: Path) -> None:
    """Save a w2v-BERT of full width and 2 of its 24 layers."""
    from transformers import (
        SeamlessM4TFeatureExtractor,
        Wav2Vec2BertConfig,
        Wav2Vec2BertModel,
    )

    config = Wav2Vec2BertConfig(num_hidden_layers=2)
    Wav2Vec2BertModel(config).save_pretrained(folder)
    SeamlessM4TFeatureExtractor().save_pretrained(folder)


def make_hubert(folder: Path) -> None:
    """Save a HuBERT base of 2 of its 12 layers."""
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    HubertModel(HubertConfig(num_hidden_layers=2)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)


def make_encodec(folder: Path) -> None:
    """Save an EnCodec like the one for 32 kHz, of half its width."""
    from transformers import EncodecConfig, EncodecModel

    config = EncodecConfig(
        sampling_rate=32_000,
        upsampling_ratios=[8, 5, 4, 4],
        num_filters=32,
        use_causal_conv=False,
        target_bandwidths=[2.2],
        codebook_size=2048,
    )
    EncodecModel(config).save_pretrained(folder)


MAKERS = {
    "clap": make_clap,
    "w2v-bert": make_w2v_bert,
    "hubert": make_hubert,
    "encodec": make_encodec,
}

if __name__ == "__main__":
    main()
