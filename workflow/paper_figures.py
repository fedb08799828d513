"""Every figure of the paper, from what a run has saved and from nothing else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.checks import InputError, nearest
from . import paper_decoding as decoding
from . import paper_encoding as encoding
from . import paper_maps as maps
from . import paper_sound as sound
from .own_surfaces import OwnSurfaces
from .paper_pages import Drawn, Print, Results, write_drawn
from .saved_study import read_saved_study
from .to_draw import load_saved

FOLDER = "paper_figures"


@dataclass(frozen=True, slots=True)
class Kind:
    """A figure of the paper.

    Parameters
    ----------
    name : str
        As it is asked for, and what its files' names start with.
    shows : str
    missing : callable
        From the results to why it cannot be drawn; '' if it can.
    draw : callable
    """

    name: str
    shows: str
    missing: Callable[[Results], str]
    draw: Callable[[Results], Iterator[Drawn]]


KINDS = (
    Kind(
        "identification",
        "how often a decoded clip, or music found or made by it, is identified",
        decoding.no_identification,
        decoding.draw_identification,
    ),
    Kind(
        "genres",
        "identification of each genre's clips among all test clips",
        decoding.no_genres,
        decoding.draw_genres,
    ),
    Kind(
        "generated_genres",
        "identification of each genre's clips by music that was made of them",
        decoding.no_generated_genres,
        decoding.draw_generated_genres,
    ),
    Kind(
        "class_agreement",
        "agreement of the classes of stimuli and of music found and made",
        decoding.no_agreement,
        decoding.draw_agreement,
    ),
    Kind(
        "spectrograms",
        "spectrograms of stimuli, and of music found and made for them",
        sound.no_excerpts,
        sound.draw_spectrograms,
    ),
    Kind(
        "maps",
        "scores of two feature spaces of sound, each by itself, flat and inflated",
        maps.no_maps,
        maps.draw_maps,
    ),
    Kind(
        "two_models",
        "voxels under two feature spaces of sound, each by itself",
        encoding.no_two_models,
        encoding.draw_two_models,
    ),
    Kind(
        "music_text_map",
        "scores of music and of text, each by itself, in one map",
        maps.no_text_map,
        maps.draw_text_map,
    ),
    Kind(
        "music_text",
        "voxels under music and text, each by itself",
        encoding.no_text,
        encoding.draw_music_text,
    ),
    Kind(
        "music_genre",
        "voxels under genre and music, each by itself",
        encoding.no_genre_space,
        encoding.draw_music_genre,
    ),
    Kind(
        "rois",
        "score of each feature space by itself per ROI",
        encoding.no_rois,
        encoding.draw_rois,
    ),
    Kind(
        "unique_variance",
        "variance that one feature space explains and no other does",
        maps.no_unique,
        maps.draw_unique,
    ),
    Kind(
        "embedding",
        "test clips in two components of an embedding, decoded and true",
        sound.no_embedding,
        sound.draw_embedding,
    ),
    Kind(
        "held_out_genres",
        "identification of genres with and without them in training",
        decoding.no_genres,
        decoding.draw_held_out_genres,
    ),
    Kind(
        "genre_transfer",
        "identification of each genre's clips by decoders of one genre alone",
        decoding.no_transfer,
        decoding.draw_transfer,
    ),
    Kind(
        "alphas",
        "scores of decoding against multiples of the chosen penalties",
        decoding.no_alphas,
        decoding.draw_alphas,
    ),
    Kind(
        "lags",
        "identification by one volume, against its time after the onset",
        decoding.no_lags,
        decoding.draw_lags,
    ),
)


@dataclass(frozen=True, slots=True)
class PaperFigures:
    """What was written, figure by figure, and what could not be, with the reason."""

    folder: Path
    written: dict[str, list[Path]]
    missing: dict[str, str]


def draw_paper(
    out: str | Path,
    *,
    only: Sequence[str] = (),
    folder: str | Path | None = None,
    how: Print | None = None,
    surfaces: OwnSurfaces | None = None,
    rois: Sequence[str] = (),
    progress: Callable[[str, int, int], None] = lambda _text, _done, _total: None,
) -> PaperFigures:
    """Draw the figures of the paper that the results in `out` allow.

    Beside each figure lie its numbers (CSV, or GIFTI for maps) and a JSON with limits,
    threshold, the source of each feature space, and the result that it was drawn from.

    Parameters
    ----------
    out : path
        Folder of a study's results.
    only : sequence of str
        Names of `KINDS`; all that can be drawn if empty.
    folder : path, optional
        Where figures are written; `paper_figures` in `out` if None.
    how : Print, optional
        Formats, width and resolution.
    surfaces : OwnSurfaces, optional
        Of subjects on no mesh that is known by its name.
    rois : sequence of str
        Whose outlines maps show; of all ROIs if empty.
    progress : callable
        Called with (what, done, total).

    Returns
    -------
    figures : PaperFigures

    Raises
    ------
    InputError
        If `out` holds no results, a name is not known, or a figure that was asked for
        cannot be drawn.
    """
    kinds = _asked(only)
    results = open_results(Path(out), how or Print(), surfaces, rois)
    missing = {kind.name: kind.missing(results) for kind in kinds}
    missing = {name: why for name, why in missing.items() if why}
    if only and missing:
        said = "; ".join(f"{name}: {why}" for name, why in missing.items())
        raise InputError(f"{out} has not what was asked for. {said}.")
    place = Path(folder) if folder is not None else Path(out) / FOLDER
    written = {}
    kinds = [kind for kind in kinds if kind.name not in missing]
    for number, kind in enumerate(kinds):
        progress("drawing", number, len(kinds))
        written[kind.name] = [
            path
            for drawn in kind.draw(results)
            for path in write_drawn(drawn, place, results, kind.shows)
        ]
    progress("drawing", len(kinds), len(kinds))
    return PaperFigures(place, written, missing)


def open_results(
    out: Path,
    how: Print,
    surfaces: OwnSurfaces | None = None,
    rois: Sequence[str] = (),
) -> Results:
    """Read what figures are drawn from.

    Raises
    ------
    InputError
        If `out` holds no study's results, they have no tables yet, or no ROI of a name.
    """
    study, subjects, _ = read_saved_study(out)
    return Results(load_saved(study, out, subjects, surfaces, rois), how)


def _asked(only: Sequence[str]) -> list[Kind]:
    known = {kind.name: kind for kind in KINDS}
    for name in only:
        if name not in known:
            raise InputError(
                f"there is no figure {name!r}.{nearest(name, known)} Known are "
                f"{', '.join(known)}."
            )
    return [known[name] for name in dict.fromkeys(only)] if only else list(KINDS)
