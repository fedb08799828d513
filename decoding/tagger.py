"""Probabilities of AudioSet's classes, by the Audio Spectrogram Transformer (AST)."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checkpoints import (
    find_folder,
    folder_identity,
    libraries,
    open_checkpoint,
    quiet,
)
from ..core.checks import InputError
from .sounds import Sound, resampled, spread_windows

CHECKPOINT = "MIT/ast-finetuned-audioset-10-10-0.4593"
HOP_S = 0.01  # of AST's spectra


class Tagger:
    """Gives the probability of each class for sounds.

    Parameters
    ----------
    network : ASTForAudioClassification
    feeder : ASTFeatureExtractor
    identity : str
        A hash of the weights and settings.

    Attributes
    ----------
    labels : tuple of str
        Names of the classes, as its config has them.
    """

    def __init__(self, network: Any, feeder: Any, identity: str) -> None:
        self.network, self.feeder, self.identity = network, feeder, identity
        names = network.config.id2label
        self.labels = tuple(str(names[k]) for k in range(len(names)))

    def __call__(self, sounds: Sequence[Sound]) -> NDArray[np.float32]:
        """Return probabilities, shape (n_sounds, n_classes).

        A class may be there beside others, so they do not add up to 1. The network
        hears about 10 s: windows of that length, evenly spread over a longer sound,
        are averaged, and none of it is left out.

        Raises
        ------
        InputError
            If a sound is shorter than one of its frames.
        """
        torch, _ = libraries()
        rate_hz = self.feeder.sampling_rate
        n_points = round(self.feeder.max_length * HOP_S * rate_hz)
        rows = []
        with torch.no_grad(), quiet():
            for k, sound in enumerate(sounds):
                points = resampled(sound, rate_hz)
                if len(points) < 0.025 * rate_hz:
                    raise InputError(
                        f"sound {k} lasts {sound.seconds:.3f} s; AST needs 0.025 s."
                    )
                windows = list(spread_windows(points, n_points))
                fed = self.feeder(windows, sampling_rate=rate_hz, return_tensors="pt")
                logits = self.network(**fed).logits
                rows.append(torch.sigmoid(logits).mean(dim=0).numpy())
        return np.array(rows, np.float32)


@contextmanager
def silent_filters() -> Iterator[None]:
    """Keep quiet that AST's own 128 bands leave the lowest ones empty."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="At least one mel filter")
        yield


def open_tagger(checkpoint: str | Path = CHECKPOINT) -> Tagger:
    """Open an AST tagger from a folder or the user's cache; nothing is fetched.

    Parameters
    ----------
    checkpoint : str or Path
        The default was trained on AudioSet's 527 classes, among which all of
        `agreement.paper_groups` are.

    Raises
    ------
    MissingFileError
        If it is not on disk.
    InputError
        If its weights do not fill the network.
    """
    folder = find_folder(checkpoint)
    _, transformers = libraries()
    network, _ = open_checkpoint(folder, transformers.ASTForAudioClassification)
    try:
        with quiet(), silent_filters():
            feeder = transformers.ASTFeatureExtractor.from_pretrained(
                folder, local_files_only=True
            )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} lacks the settings of its feature extractor "
            f"(preprocessor_config.json), or they cannot be read: {error}"
        ) from error
    return Tagger(network, feeder, folder_identity(folder, weights=True))
