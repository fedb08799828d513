"""Opens generators by their kind, from a folder or the user's cache."""

from pathlib import Path
from typing import Any, Literal

from ..core.checkpoints import find_folder, folder_identity, libraries, open_checkpoint
from ..core.checks import InputError, check_choice
from .diffusion import DiffusionGenerator, Settings
from .generation import (
    AnchoredGenerator,
    Generator,
    RetrievedSound,
    StartingGenerator,
)
from .musicgen import MusicgenGenerator, Sampling
from .pipelines import PIPELINES, find_pipeline, open_pipeline
from .tiny import UNTRAINED

KINDS = (*PIPELINES, "musicgen")
STARTS = ("retrieved", "noise")


def open_generator(
    kind: str,
    checkpoint: str | Path,
    *,
    corpus: RetrievedSound | None = None,
    start: Literal["retrieved", "noise"] = "retrieved",
    settings: Settings | Sampling | None = None,
    device: str = "cpu",
) -> Generator:
    """Open a generator; nothing is fetched, and no code of a checkpoint is run.

    Parameters
    ----------
    kind : 'musicldm', 'audioldm', 'audioldm2' or 'musicgen'
    checkpoint : str or Path
        A folder, or an id on the Hugging Face hub that is in the user's cache.
    corpus : RetrievedSound, optional
        Where generation finds the sound that it starts from.
    start : 'retrieved' or 'noise'
        'retrieved' starts from the item of the corpus that is nearest to the
        embedding: started from noise, generators lose most of the stimulus
        (arXiv 2608.09331).
    settings : Settings or Sampling, optional
        `Settings` for diffusion, `Sampling` for MusicGen; None takes the defaults.
    device : str
        As torch names it.

    Returns
    -------
    generator : Generator
        An `AnchoredGenerator`, or with 'noise' the generator itself.

    Raises
    ------
    MissingFileError
        If the checkpoint is not on disk.
    InputError
        If there is no corpus to start from, or the checkpoint is not what `kind` says.
    """
    check_choice(kind, "kind", KINDS)
    check_choice(start, "start", STARTS)
    if (start == "retrieved") != (corpus is not None):
        there = "no" if corpus is None else "a"
        raise InputError(
            f"start is {start!r} and there is {there} corpus. Give a corpus to "
            "start from, or start='noise' and none."
        )
    generator = open_alone(kind, checkpoint, settings=settings, device=device)
    return generator if corpus is None else AnchoredGenerator(generator, corpus)


def open_alone(
    kind: str,
    checkpoint: str | Path,
    *,
    settings: Settings | Sampling | None = None,
    device: str = "cpu",
) -> StartingGenerator:
    """Open a generator without a corpus (see `open_generator`)."""
    wanted = Sampling if kind == "musicgen" else Settings
    if settings is not None and not isinstance(settings, wanted):
        raise InputError(
            f"{kind} takes {wanted.__name__}, got {type(settings).__name__}."
        )
    _, transformers = libraries()
    if kind == "musicgen":
        folder = find_folder(checkpoint)
        cls = transformers.MusicgenForConditionalGeneration
        model, notes = open_checkpoint(folder, cls)
        about = _about(folder, checkpoint, notes)
        sampling = settings if isinstance(settings, Sampling) else Sampling()
        return MusicgenGenerator(model.to(device), about, sampling)
    folder = find_pipeline(checkpoint)
    pipeline, notes = open_pipeline(kind, folder)
    about = _about(folder, checkpoint, notes)
    chosen = settings if isinstance(settings, Settings) else Settings()
    return DiffusionGenerator(kind, pipeline.to(device), about, chosen)


def _about(folder: Path, checkpoint: str | Path, notes: list[str]) -> dict[str, Any]:
    """Return what provenance says of the weights; no path of this machine."""
    is_folder = Path(checkpoint).is_dir()
    return {
        "checkpoint": Path(checkpoint).name if is_folder else str(checkpoint),
        "weights": folder_identity(folder, weights=True),
        "trained": not (folder / UNTRAINED).exists(),
        "notes": notes,
    }
