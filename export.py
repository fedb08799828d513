"""Feature files made by networks that run in an environment of their own."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import platformdirs
import soundfile
from numpy.typing import NDArray

from .core.checks import InputError
from .data.stimuli import ClipSource, check_tracks, find_track, read_clip, shape_clip
from .data.text_tables import read_cells
from .features.arrays import ClipFeatures
from .features.clip_tables import write_clip_table
from .features.elsewhere import Elsewhere, embed_audio, embed_text
from .features.models import Layer
from .features.windows import Windows, window_notes, window_times

Progress = Callable[[str, int, int], None]


def read_clip_list(path: str | Path) -> list[ClipSource]:
    """Read which clips there are, and where each lies in a sound file.

    Parameters
    ----------
    path : path of a .csv or .tsv file
        Columns `clip` (its id), `path` (its sound, from the list's own folder; the
        ending may be left out) and, for pieces of a file, `start_s` and `end_s` in
        seconds; empty or n/a is the file's start or end.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If a column is missing, a clip comes twice, or a time is no number.
    """
    path = Path(path)
    columns = _columns(path, "clips", ("clip", "path"), ("start_s", "end_s"))
    clips = columns["clip"]
    twice = sorted({clip for clip in clips if clips.count(clip) > 1})
    if twice:
        raise InputError(
            f"{path.name}: {len(twice)} clips come twice, the first {twice[0]!r}. Give "
            "each clip one line."
        )
    starts, ends = (_times(path, name, columns[name]) for name in ("start_s", "end_s"))
    return [
        ClipSource(clip, path.parent / sound, start_s or 0.0, end_s)
        for clip, sound, start_s, end_s in zip(
            clips, columns["path"], starts, ends, strict=True
        )
    ]


def export_clips(
    clips: str | Path,
    out: str | Path,
    *,
    network: Elsewhere,
    windows: Windows | None = None,
    fade_s: float = 0.0,
    rms: float | None = None,
    cache: Path | None = None,
    progress: Progress = lambda *_: None,
) -> tuple[list[Path], list[str]]:
    """Write a network's rows for each clip, cut and shaped as it was heard.

    Parameters
    ----------
    clips : path
        As in `read_clip_list`.
    out : path of a .npz file
        A table for `read_clip_table`, with its windows and its source. With several
        layers, `-layer-N` is put before its ending.
    network : Elsewhere
    windows : Windows, optional
        None takes those of the catalogue.
    fade_s, rms : float
        Fades in seconds, and the level, as in `data.stimuli.shape_clip`. The ones of
        the study: what was heard is what is embedded.
    cache : Path, optional
        Where rows are kept by content. None is the user's cache folder.
    progress : callable, optional
        Called with what is done, how many clips are, and of how many.

    Returns
    -------
    written : list of Path
    notes : list of str
        What should be known of the sound and its windows.

    Raises
    ------
    InputError
        All that is wrong with the sound in one message; or if clips differ in their
        number of windows.
    """
    sources = read_clip_list(clips)
    chosen = windows or network.model.windows
    rate_hz, notes = _checked(sources, chosen)
    names = tuple(source.clip for source in sources)

    def heard() -> Iterator[NDArray[np.floating]]:
        for k, source in enumerate(sources):
            piece, _ = read_clip(
                find_track(source.path), start_s=source.start_s, end_s=source.end_s
            )
            yield shape_clip(piece, rate_hz, fade_s=fade_s, rms=rms, name=source.clip)
            progress("clips", k + 1, len(sources))

    rows = embed_audio(
        heard(),
        rate_hz,
        network=network,
        folder=cache or _cache(),
        windows=chosen,
    )
    written = []
    for layer, values in rows.items():
        source = _source(network, layer)
        table = ClipFeatures(names, np.stack(values), windows=chosen, source=source)
        written.append(_place(Path(out), layer, len(rows)))
        write_clip_table(written[-1], table)
    return written, notes


def export_captions(
    captions: str | Path,
    out: str | Path,
    *,
    network: Elsewhere,
    id_column: str = "clip",
    text_column: str = "caption",
    cache: Path | None = None,
) -> Path:
    """Write a joint network's vector for each caption: one row per clip.

    Parameters
    ----------
    captions : path of a .csv or .tsv file
        With or without a byte-order mark.
    out : path of a .npz file
        A table for `read_clip_table`.
    network : Elsewhere
    id_column, text_column : str
        Columns with each clip's id and its caption.
    cache : Path, optional
        As in `export_clips`.
    """
    path = Path(captions)
    columns = _columns(path, "captions", (id_column, text_column), ())
    vectors = embed_text(
        columns[text_column], network=network, folder=cache or _cache()
    )
    clips = tuple(columns[id_column])
    table = ClipFeatures(clips, vectors[:, None], source=network.source)
    write_clip_table(out, table)
    return Path(out)


def _columns(
    path: Path, what: str, needed: tuple[str, ...], optional: tuple[str, ...]
) -> Mapping[str, list[str]]:
    header, rows = read_cells(path, what)
    lacking = [name for name in needed if name not in header]
    if lacking or not rows:
        raise InputError(
            f"{path.name} has {len(rows)} rows and the columns {', '.join(header)}; "
            f"expected {' and '.join(needed)}, and a row for each clip."
        )
    empty = [""] * len(rows)
    return {
        name: [row[header.index(name)] for row in rows] if name in header else empty
        for name in (*needed, *optional)
    }


def _times(path: Path, name: str, cells: list[str]) -> list[float | None]:
    times: list[float | None] = []
    for k, cell in enumerate(cells):
        try:
            times.append(None if cell in ("", "n/a") else float(cell))
        except ValueError as error:
            raise InputError(
                f"{path.name}, row {k + 2}: {name} is {cell!r}, expected seconds."
            ) from error
    return times


def _checked(sources: list[ClipSource], windows: Windows) -> tuple[int, list[str]]:
    """Return the rate of all clips, and notes; or say all that is wrong with them."""
    found, _ = check_tracks(sources[:1])
    rate_hz = None if found else soundfile.info(find_track(sources[0].path)).samplerate
    problems, notes = check_tracks(sources, rate_hz=rate_hz)
    if problems or rate_hz is None:
        raise InputError(
            f"{len(problems)} of {len(sources)} clips cannot be used:\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )
    lasts_s = [_duration_s(source) for source in sources]
    counts: dict[int, str] = {}
    for source, seconds in zip(sources, lasts_s, strict=True):
        try:
            counts.setdefault(len(window_times(seconds, windows)[0]), source.clip)
        except InputError as error:
            raise InputError(f"{source.clip}: {error}") from error
    if len(counts) > 1:
        some = ", ".join(f"{n} in {clip}" for n, clip in sorted(counts.items()))
        raise InputError(
            f"clips differ in their number of windows: {some}. A table has as many for "
            "each: export clips of one length at a time."
        )
    return rate_hz, [*notes, *window_notes(np.array(lasts_s), windows)]


def _duration_s(source: ClipSource) -> float:
    end_s = source.end_s
    if end_s is None:
        end_s = float(soundfile.info(find_track(source.path)).duration)
    return end_s - source.start_s


def _source(network: Elsewhere, layer: Layer) -> str:
    """Return how tables name these rows: the network and, of several, the layer."""
    of_layer = f", layer {layer}" if isinstance(layer, int) else ""
    return f"{network.source}{of_layer}"


def _place(out: Path, layer: Layer, n_layers: int) -> Path:
    return out if n_layers == 1 else out.with_stem(f"{out.stem}-layer-{layer}")


def _cache() -> Path:
    return Path(platformdirs.user_cache_dir("brain2music")) / "features"
