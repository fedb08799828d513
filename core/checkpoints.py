"""Opens pretrained weights from disk: safetensors only, and no code but our own.

Weights come from a folder, or from the user's Hugging Face cache; nothing is fetched.
A checkpoint whose weights do not fill the network is refused, since the libraries
would leave the rest random.
"""

import hashlib
import importlib.util
import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from .checks import InputError, MissingFileError

CONFIG = "config.json"
SAFE = ("model.safetensors", "model.safetensors.index.json")
BIN = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# Only training uses these; published checkpoints may lack them.
UNUSED = ("masked_spec_embed", "position_ids", "num_batches_tracked")


def libraries() -> tuple[ModuleType, ModuleType]:
    """Return torch and transformers, or say how to install them."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise InputError(
            f"pretrained networks need torch and transformers, but {error.name} is "
            "not installed. Run: pip install 'brain2music[models]'"
        ) from error
    return torch, transformers


def find_folder(
    checkpoint: str | Path,
    *,
    revision: str | None = None,
    package: str | None = None,
    hint: str = "",
    config: str = CONFIG,
) -> Path:
    """Return the folder on disk that holds a checkpoint.

    Parameters
    ----------
    checkpoint : str or Path
        A folder, or an id on the Hugging Face hub, which is looked up in the user's
        cache.
    revision : str, optional
        Commit, tag or branch in that cache. None is the branch 'main'.
    package : str, optional
        Import name of a package that holds the checkpoint in its folder `model`; used
        where the cache does not have it. The package's code is not run.
    hint : str
        What the error says on how to get it.
    config : str
        Name of the file that makes a folder a checkpoint; 'model_index.json' for a
        pipeline of several networks.

    Raises
    ------
    MissingFileError
        If it is in none of these places.
    """
    if (Path(checkpoint) / config).is_file():
        return Path(checkpoint)
    if isinstance(checkpoint, Path) or Path(checkpoint).is_dir():
        raise MissingFileError(
            f"{checkpoint} is no checkpoint: it has no {config}. Give the folder "
            f"that holds {config} and the weights."
        )
    folder = _in_cache(checkpoint, revision, config)
    if folder is None and package and revision is None:
        folder = _in_package(package)
    if folder is None:
        at = f" at revision {revision!r}" if revision else ""
        raise MissingFileError(
            f"{checkpoint}{at} is neither a folder nor in the Hugging Face cache, and "
            f"nothing is fetched for you. {hint or f'Run: hf download {checkpoint}'}"
        )
    return folder


def open_checkpoint(folder: Path, cls: Any, **options: Any) -> tuple[Any, list[str]]:
    """Load a network from a folder, in eval mode and without gradients.

    Parameters
    ----------
    folder : Path
        A folder with config.json and weights, as `find_folder` gives it.
    cls : class of transformers
        What to load it as.
    **options
        Passed to `from_pretrained`.

    Returns
    -------
    network : torch module, float32, on the CPU
    notes : list of str
        Which weights of the checkpoint the network has no use for.

    Raises
    ------
    MissingFileError
        If the folder has no weights.
    InputError
        If weights are only there as .bin, or do not fill the network.
    """
    check_weights(folder)
    torch, _ = libraries()
    try:
        with quiet():
            network, info = cls.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                dtype=torch.float32,
                **options,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{folder} cannot be loaded as {cls.__name__}: {error}"
        ) from error
    lacking = [k for k in info["missing_keys"] if not k.endswith(UNUSED)]
    if lacking or info["mismatched_keys"]:
        wrong = sorted(map(str, [*lacking, *info["mismatched_keys"]]))
        raise InputError(
            f"the weights in {folder} do not fill {cls.__name__}: {len(wrong)} are "
            f"missing or of another size, the first {wrong[0]}. They would stay "
            "random; use a checkpoint of this network."
        )
    return frozen(network), _left_over(sorted(info["unexpected_keys"]), folder)


def untrained_twin(network: Any, seed: int) -> Any:
    """Return the same architecture with random weights, as its own class makes them.

    Parameters
    ----------
    network : torch module of transformers
    seed : int
        The same seed gives the same weights, to the bit, with the same versions of
        torch and transformers. torch's own random state stays as it was.
    """
    return random_network(type(network), network.config, seed)


def random_network(cls: Any, config: Any, seed: int) -> Any:
    """Return a network of class `cls` and this config with random weights."""
    torch, _ = libraries()
    build = getattr(cls, "from_config", cls)  # the Auto classes choose by config
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        return frozen(build(config).float())


def frozen(network: Any) -> Any:
    """Return the network in eval mode, in float32, without gradients."""
    return network.float().eval().requires_grad_(False)


def check_weights(folder: Path) -> None:
    """Raise unless the folder holds weights as safetensors."""
    if any((folder / name).is_file() for name in SAFE):
        return
    if any((folder / name).is_file() for name in BIN):
        raise InputError(
            f"{folder} holds its weights as .bin only, a format that can run code when "
            f"it is read. Run: brain2music weights convert {folder}"
        )
    raise MissingFileError(
        f"{folder} has a config.json but no weights: expected {SAFE[0]}. Fetch the "
        "checkpoint again, whole."
    )


def convert_weights(folder: str | Path) -> Path:
    """Write the .bin weights in a folder once more as safetensors.

    They are read with `weights_only=True`, which builds tensors and runs no code. The
    .bin stays as it is.

    Parameters
    ----------
    folder : str or Path
        Holds pytorch_model.bin, or its parts with their index.

    Returns
    -------
    path : Path
        The new model.safetensors. Tensors that shared memory are written each.

    Raises
    ------
    MissingFileError
        If there is no .bin, or a part is missing.
    InputError
        If there are safetensors already, or the .bin holds more than named tensors.
    """
    torch, _ = libraries()
    from safetensors.torch import save_file

    folder = Path(folder)
    if any((folder / name).exists() for name in SAFE):
        raise InputError(f"{folder} has safetensors already. Nothing was written.")
    tensors: dict[str, Any] = {}
    for path in _bin_files(folder):
        tensors |= _read_bin(torch, path)
    partial = folder / f".partial-{SAFE[0]}"
    try:
        save_file(_unshared(tensors), partial, metadata={"format": "pt"})
        return partial.replace(folder / SAFE[0])
    finally:
        partial.unlink(missing_ok=True)


def folder_identity(folder: Path, *, weights: bool) -> str:
    """Return a hash of a checkpoint's settings and tokeniser, and of its weights.

    Parameters
    ----------
    folder : Path
    weights : bool
        Whether the weights count; those of an untrained twin do not come from disk.
    """
    kinds = (".json", ".txt", ".model") + ((".safetensors",) if weights else ())
    names = [path for path in folder.rglob("*") if path.suffix in kinds]
    paths = sorted(p for p in names if weights or not p.name.startswith(SAFE[0]))
    digest = hashlib.sha256()
    for path in paths:
        about = path.stat()
        content = _file_hash(path.resolve(), about.st_size, about.st_mtime_ns)
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{content}\0".encode())
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Return a checkpoint's .json file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingFileError(
            f"{path} is missing. Fetch the checkpoint whole."
        ) from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict | list):
        raise InputError(f"{path} holds no table. Fetch the checkpoint again.")
    return content if isinstance(content, dict) else {"entries": content}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from writing to the terminal, and put its settings back."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _left_over(names: list[str], folder: Path) -> list[str]:
    if not names:
        return []
    some = ", ".join(names[:3])
    return [
        f"{len(names)} weights of {folder.name} have no place in the network and were "
        f"left out: {some}{', ...' if len(names) > 3 else ''}."
    ]


def _in_cache(checkpoint: str, revision: str | None, config: str) -> Path | None:
    libraries()
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(checkpoint, config, revision=revision)
    except HFValidationError as error:
        raise MissingFileError(
            f"there is no folder {checkpoint}, and it is no id of a checkpoint, such "
            "as facebook/w2v-bert-2.0. Check the path."
        ) from error
    return Path(found).parent if isinstance(found, str) else None


def _in_package(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "config.json").is_file() else None


def _bin_files(folder: Path) -> list[Path]:
    whole, index = (folder / name for name in BIN)
    if whole.is_file():
        return [whole]
    if not index.is_file():
        raise MissingFileError(f"no {BIN[0]} in {folder}. Give a checkpoint's folder.")
    paths = [folder / n for n in sorted(set(read_json(index)["weight_map"].values()))]
    for path in paths:
        if path.parent != folder or not path.is_file():
            raise MissingFileError(f"no {path.name} in {folder}, as its index says.")
    return paths


def _read_bin(torch: ModuleType, path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(
            f"{path} holds more than tensors, or is damaged, and was not read: {error}"
        ) from error
    named = isinstance(content, Mapping) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor)
        for key, value in content.items()
    )
    if not named:
        raise InputError(
            f"{path} holds no plain table of named tensors, but "
            f"{type(content).__name__}. It may be a training state; take the "
            "published weights."
        )
    return dict(content)


def _unshared(tensors: dict[str, Any]) -> dict[str, Any]:
    """Give each tensor memory of its own, as safetensors demands."""
    seen: set[int] = set()
    alone = {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        part = tensor.untyped_storage().nbytes() != tensor.nbytes
        alone[name] = (tensor.clone() if place in seen or part else tensor).contiguous()
        seen.add(place)
    return alone


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
