"""Networks that run in an environment of their own, and give their rows over a pipe.

The package muq does not run beside what brain2music needs. So the sound is cut,
shaped and resampled here, as for every other network, and another Python is started
that has muq: it gets windows or captions and gives rows back.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from ..core.checkpoints import check_weights, find_folder, folder_identity, read_json
from ..core.checks import Floats, InputError, MissingFileError, check_choice
from .cache import cached, content_key
from .models import Layer, Model, fetch_hint, model_named
from .muq_worker import receive, send
from .pretrained import Waveforms, stream_rows
from .windows import Windows

# Raised when rows change for the same sound or caption and network.
VERSION = 1
WORKER = Path(__file__).with_name("muq_worker.py")
DEVICES = ("auto", "cpu", "cuda")
NO_MUQ = "No module named 'muq'"
Advance = Callable[[int], None]


class Elsewhere:
    """A network in another Python, which is started when it is first asked.

    A context manager: the other process ends with the block.

    Parameters
    ----------
    model : str
        A key of the catalogue that says 'exporter': 'muq' or 'muq-mulan'.
    python : str or Path
        The other Python, such as envs/muq/bin/python.
    checkpoint : str or Path, optional
        A folder, or an id in the Hugging Face cache, in place of the catalogue's.
    layers : sequence of int or str, optional
        None is the catalogue's. For muq 0 (what goes into the first layer) to 12.
    device : 'auto', 'cpu' or 'cuda'

    Raises
    ------
    MissingFileError
        If the Python, the checkpoint, or one of the checkpoints that it is built
        from is not there; says which commands fetch them.
    InputError
        If the model runs here, weights are .bin only, or muq would run a
        checkpoint's own code.
    """

    def __init__(
        self,
        model: str,
        *,
        python: str | Path,
        checkpoint: str | Path | None = None,
        layers: Sequence[Layer] | None = None,
        device: str = "auto",
    ) -> None:
        check_choice(device, "device", DEVICES)
        self.model = model_named(model)
        if self.model.loader != "exporter":
            raise InputError(f"{model} runs here, and needs no other Python.")
        self.python = Path(python)
        if not self.python.is_file():
            raise MissingFileError(f"no Python at {python}. {fetch_hint(self.model)}")
        self.checkpoint = str(checkpoint or self.model.checkpoint)
        hint = fetch_hint(self.model) if checkpoint is None else ""
        self.folder = find_folder(checkpoint or self.model.checkpoint, hint=hint)
        check_weights(self.folder)
        self.towers = _towers(self.folder, self.model)
        self.layers = tuple(layers or (self.model.layer,))
        if self.model.kind == "joint" and self.layers != (self.model.layer,):
            raise InputError(
                f"{model} has no layers to choose from, got {self.layers}. Leave them "
                "out, or take 'muq'."
            )
        self.device = device
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def source(self) -> str:
        """How tables and legends name it."""
        if self.checkpoint == self.model.checkpoint:
            return self.model.source
        return f"{self.model.source.split(',')[0]}, {self.checkpoint}"

    @property
    def identity(self) -> str:
        """A hash of its weights and settings, by content."""
        towers = tuple(folder_identity(each, weights=False) for each in self.towers)
        weights = folder_identity(self.folder, weights=True)
        return content_key("elsewhere", VERSION, self.model.key, weights, towers)

    def close(self) -> None:
        """End the other process, if there is one."""
        if self._process is None:
            return
        process, self._process = self._process, None
        with suppress(BrokenPipeError):  # it may have ended by itself
            cast(BinaryIO, process.stdin).close()
        cast(BinaryIO, process.stdout).close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._printed:
            self._printed.close()

    def ask(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Return the rows of windows or of captions, of each layer.

        Parameters
        ----------
        array : float32 array of shape (n_windows, n_points), or array of n texts

        Returns
        -------
        rows : float32 array of shape (n_layers, n_rows, n_features)

        Raises
        ------
        InputError
            With the other Python's own words, if it refuses or ends.
        """
        if self._process is None:
            self._process = self._started()
            self._exchange(self._process, None)
        rows = self._exchange(self._process, array)
        if not np.isfinite(rows).all():
            raise InputError(
                f"{self.model.key} gives NaN or infinity. Fetch the checkpoint again, "
                "and try device 'cpu'."
            )
        return rows

    def _started(self) -> subprocess.Popen[bytes]:
        # Isolated, so that this folder's modules do not stand before its packages.
        command = [str(self.python), "-I", str(WORKER), "--model", self.model.key]
        command += ["--folder", str(self.folder), "--device", self.device]
        command += ["--layers", *map(str, self.layers)]
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        )

    def _exchange(
        self, process: subprocess.Popen[bytes], array: NDArray[Any] | None
    ) -> NDArray[np.float32]:
        asked, answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
        try:
            if array is not None:
                send(asked, {}, array)
            answer = receive(answers)
        except BrokenPipeError:
            answer = None
        where = f"{self.model.key} in {self.python}"
        if answer is None:
            process.wait(timeout=10)
            lines = self._last_lines()
            raise InputError(
                f"{where} ended without an answer (exit {process.returncode}): "
                f"{' / '.join(lines) or 'it printed nothing'}."
            )
        message, rows = answer
        if "error" in message:
            hint = fetch_hint(self.model) if NO_MUQ in message["error"] else ""
            raise InputError(f"{where}: {message['error']} {hint}".rstrip())
        return rows

    def _last_lines(self) -> list[str]:
        """Return the end of what the other process printed."""
        if self._printed is None:
            return []
        self._printed.seek(0)
        return self._printed.read().decode(errors="replace").strip().splitlines()[-3:]


def embed_audio(
    waveforms: Waveforms,
    rate_hz: float,
    *,
    network: Elsewhere,
    folder: Path,
    windows: Windows | None = None,
    batch_size: int = 8,
    advance: Advance | None = None,
) -> dict[Layer, list[Floats]]:
    """Return a network's rows for each window of each clip.

    Parameters
    ----------
    waveforms : iterable of array of shape (n_points,)
        One channel each, 1 is full scale; as it was heard. Walked once, clip by clip.
    rate_hz : float
        Points per second of all of them.
    network : Elsewhere
    folder : Path
        Where rows are kept by what they are made from; what is there is not computed
        again, so a run that was killed goes on where it was.
    windows : Windows, optional
        None takes those of the catalogue. muq-mulan hears 10 s, and nothing else.
    batch_size : int
        Windows at once.
    advance : callable, optional
        Called with 1 after each clip.

    Returns
    -------
    features : dict from layer to list of float32 array
        For each clip an array of shape (n_windows, n_features).
    """
    chosen = windows or network.model.windows
    shape = (chosen.window_s, chosen.step_s, chosen.causal)
    identity = network.identity

    def keys_of(waveform: NDArray[np.floating]) -> tuple[str, ...]:
        sound = content_key(np.asarray(waveform, dtype=np.float32))
        made_by = (sound, identity, float(rate_hz), *shape)
        return tuple(content_key(*made_by, layer) for layer in network.layers)

    def compute(missing: Waveforms) -> Iterator[tuple[Floats, ...]]:
        return stream_rows(
            missing,
            rate_hz,
            windows=chosen,
            heard_hz=network.model.rate_hz or 0,
            n_layers=len(network.layers),
            batch_size=batch_size,
            forward=lambda heard: list(network.ask(heard)),
        )

    rows = cached(
        waveforms, keys_of=keys_of, compute=compute, folder=folder, advance=advance
    )
    return {layer: [r[k] for r in rows] for k, layer in enumerate(network.layers)}


def embed_text(
    captions: Sequence[str],
    *,
    network: Elsewhere,
    folder: Path,
    advance: Advance | None = None,
) -> Floats:
    """Return a joint network's vector for each caption, of length 1.

    Parameters
    ----------
    captions : sequence of str
    network : Elsewhere
        Of 'muq-mulan'.
    folder, advance
        As in `embed_audio`.

    Returns
    -------
    vectors : float32 array of shape (n_captions, n_features)

    Raises
    ------
    InputError
        If a caption is empty or too long, or the network reads none.
    """
    if network.model.kind != "joint":
        raise InputError(f"{network.model.key} reads no captions; take 'muq-mulan'.")
    empty = [k for k, caption in enumerate(captions) if not caption.strip()]
    if empty or not captions:
        raise InputError(
            f"{len(empty)} of {len(captions)} captions are empty, the first at "
            f"{empty[0] if empty else '(none given)'}. Leave those clips out."
        )
    identity = network.identity

    def compute(missing: Iterable[str]) -> Iterator[tuple[Floats, ...]]:
        for caption in missing:
            yield (network.ask(np.array([caption]))[0, 0],)

    rows = cached(
        captions,
        keys_of=lambda caption: (content_key(caption, identity),),
        compute=compute,
        folder=folder,
        advance=advance,
    )
    return np.stack([row for (row,) in rows])


def _towers(folder: Path, model: Model) -> list[Path]:
    """Return the checkpoints that a joint network is built from, if all are there."""
    if model.kind != "joint":
        return []
    config, towers = read_json(folder / "config.json"), []
    for key in ("audio_model", "text_model"):
        name = config.get(key, {}).get("name")
        if not name:
            raise InputError(
                f"{folder}/config.json does not say which {key} the network is built "
                "from. Fetch the checkpoint again."
            )
        tower = find_folder(name, hint=f"{model.key} is built from it. {_fetch(name)}")
        check_weights(tower)
        if "auto_map" in read_json(tower / "config.json"):
            raise InputError(
                f"{tower} brings code of its own, which muq would run. That is never "
                "done: use the published checkpoint."
            )
        towers.append(tower)
    return towers


def _fetch(name: str) -> str:
    return f"Run: hf download {name}"
