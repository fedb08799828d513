"""Opens generators of several networks from disk: safetensors only, known classes only.

Each network is loaded by its own class and must be filled by its weights; a class that
is not in the list is not looked up. Nothing is fetched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..core.checkpoints import (
    check_weights,
    find_folder,
    frozen,
    libraries,
    open_checkpoint,
    quiet,
    read_json,
)
from ..core.checks import InputError, MissingFileError

INDEX = "model_index.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
PIPELINES = {
    "musicldm": "MusicLDMPipeline",
    "audioldm": "AudioLDMPipeline",
    "audioldm2": "AudioLDM2Pipeline",
}
NETWORKS = {
    "vae": ("AutoencoderKL",),
    "unet": ("UNet2DConditionModel", "AudioLDM2UNet2DConditionModel"),
    "vocoder": ("SpeechT5HifiGan",),
    "text_encoder": ("ClapModel", "ClapTextModelWithProjection"),
    "text_encoder_2": ("T5EncoderModel",),
    "projection_model": ("AudioLDM2ProjectionModel",),
    "language_model": ("GPT2LMHeadModel", "GPT2Model"),
}
TOKENIZERS = ("tokenizer", "tokenizer_2")
OTHERS = (*TOKENIZERS, "feature_extractor", "scheduler")  # parts without weights
# The pipeline steps this network as only the class with a head can be stepped; the
# head itself is not used.
WITH_HEAD = {"GPT2Model": "GPT2LMHeadModel"}


def diffusers() -> ModuleType:
    """Return the module diffusers, or say how to install it."""
    libraries()
    try:
        import diffusers as module
    except ImportError as error:
        raise InputError(
            "generators need diffusers, which is not installed. Run: pip install "
            "'brain2music[generation]'"
        ) from error
    return module


def find_pipeline(checkpoint: str | Path, *, hint: str = "") -> Path:
    """Return the folder of a pipeline: a folder, or an id in the user's cache.

    `hint` is what the error says on how to get it.

    Raises
    ------
    MissingFileError
        If it is neither.
    """
    return find_folder(checkpoint, config=INDEX, hint=hint)


def open_pipeline(kind: str, folder: Path) -> tuple[Any, list[str]]:
    """Load a pipeline of diffusers, each of its networks by its own class.

    Parameters
    ----------
    kind : 'musicldm', 'audioldm' or 'audioldm2'
    folder : Path
        Holds model_index.json and a folder for each part.

    Returns
    -------
    pipeline : pipeline of diffusers, float32, on the CPU
        Its scheduler is DDIM, with the settings of the one that is saved.
    notes : list of str
        What the user should know of it.

    Raises
    ------
    MissingFileError
        If a part has no weights.
    InputError
        If the folder holds another pipeline, a class that is not known, weights that
        are only there as .bin, or that do not fill their network.
    """
    cls = _pipeline_class(kind)
    parts: dict[str, Any] = {}
    notes: list[str] = []
    for name, part in _classes(kind, folder):
        parts[name], said = _part(name, part, folder / name)
        notes += said
    if kind == "musicldm":
        parts.setdefault("feature_extractor", None)
    try:
        with silent(diffusers()):
            pipeline = cls(**parts)
    except TypeError as error:
        raise InputError(
            f"{folder} lacks parts of a {cls.__name__}: {error}. Fetch it whole."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, notes


def check_pipeline(kind: str, folder: Path) -> None:
    """Raise if a pipeline could not be opened: nothing of it is loaded.

    Parameters
    ----------
    kind : 'musicldm', 'audioldm' or 'audioldm2'
    folder : Path

    Raises
    ------
    MissingFileError
        If a part has no weights.
    InputError
        If the folder holds another pipeline, or a class that is not known.
    """
    _pipeline_class(kind)
    for name, cls in _classes(kind, folder):
        if name not in OTHERS:
            _check_network(name, cls, folder / name)


def open_clap(kind: str, folder: Path) -> tuple[Any, Any] | None:
    """Load a pipeline's CLAP alone, and what feeds it sound.

    Returns
    -------
    clap, feeder
        None where the pipeline holds CLAP's text tower only.
    """
    classes = dict(_classes(kind, folder))
    if classes.get("text_encoder") != "ClapModel" or "feature_extractor" not in classes:
        return None
    clap, _ = _part("text_encoder", "ClapModel", folder / "text_encoder")
    feeder, _ = _part("feature_extractor", "", folder / "feature_extractor")
    return clap, feeder


@contextmanager
def silent(module: ModuleType) -> Iterator[None]:
    """Keep diffusers and transformers from writing to the terminal."""
    logging = module.utils.logging
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with quiet():
            yield
    finally:
        logging.set_verbosity(level)


def _pipeline_class(kind: str) -> Any:
    module = diffusers()
    cls = getattr(module, PIPELINES[kind], None)
    if cls is None:
        raise InputError(
            f"diffusers {module.__version__} has no {PIPELINES[kind]} any more. "
            "Install the version that constraints.txt names."
        )
    return cls


def _classes(kind: str, folder: Path) -> list[tuple[str, str]]:
    """Return the class of each part, as the folder's index has it."""
    index = read_json(folder / INDEX)
    if index.get("_class_name") != PIPELINES[kind]:
        raise InputError(
            f"{folder} holds a {index.get('_class_name')}, and {kind} needs a "
            f"{PIPELINES[kind]}. Name the generator that the folder holds."
        )
    return [
        (name, str(entry[1]))
        for name, entry in index.items()
        if not name.startswith("_") and isinstance(entry, list) and entry[1] is not None
    ]


def _check_network(name: str, cls: str, folder: Path) -> None:
    """Raise if a part is of a class that is not known, or has no weights."""
    if cls not in NETWORKS.get(name, ()):
        known = ", ".join(NETWORKS.get(name, ())) or "nothing"
        raise InputError(
            f"{folder.parent} has a {cls} as its {name}; known there: {known}. It was "
            "not loaded."
        )
    _, transformers = libraries()
    if hasattr(transformers, WITH_HEAD.get(cls, cls)):
        check_weights(folder)
    elif not (folder / WEIGHTS).is_file():
        raise MissingFileError(
            f"{folder} has no {WEIGHTS}. Weights as .bin are not read, since they can "
            "run code; fetch the checkpoint with its safetensors, whole."
        )


def _part(name: str, cls: str, folder: Path) -> tuple[Any, list[str]]:
    _, transformers = libraries()
    if name in TOKENIZERS:
        return _feeder(transformers.AutoTokenizer, folder), []
    if name == "feature_extractor":
        return _feeder(transformers.ClapFeatureExtractor, folder), []
    if name == "scheduler":
        ddim = diffusers().DDIMScheduler
        notes = [] if cls == "DDIMScheduler" else [f"{cls} was replaced by DDIM."]
        return ddim.from_config(read_json(folder / "scheduler_config.json")), notes
    _check_network(name, cls, folder)
    cls = WITH_HEAD.get(cls, cls)
    if hasattr(transformers, cls):
        return open_checkpoint(folder, getattr(transformers, cls))
    return _open_diffusion(folder, getattr(diffusers(), cls)), []


def _feeder(cls: Any, folder: Path) -> Any:
    """Load a tokeniser or feature extractor, of the library's own classes alone."""
    try:
        with quiet():
            return cls.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} cannot be read: {error} Fetch it whole.") from error


def _open_diffusion(folder: Path, cls: Any) -> Any:
    """Load one network of diffusers, filled by its weights."""
    module, (torch, _) = diffusers(), libraries()
    try:
        with silent(module):
            network, info = cls.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                torch_dtype=torch.float32,
                low_cpu_mem_usage=False,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{folder} cannot be loaded as {cls.__name__}: {error}"
        ) from error
    wrong = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
    if wrong:
        raise InputError(
            f"the weights in {folder} do not fill {cls.__name__}: {len(wrong)} are "
            f"missing or of another size, the first {wrong[0]}. They would stay "
            "random; use a checkpoint of this network."
        )
    return frozen(network)
