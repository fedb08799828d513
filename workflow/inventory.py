"""Which of a study's files are not there, where its recordings cannot be opened yet."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.checks import InputError
from ..data.files import file_inside
from ..feature_spaces import CaptionFeatures
from ..study import Study
from .corpus import WITHOUT, corpus_place
from .generator_doors import find_generator
from .networks import check_network
from .tagging import check_tagger

# What stands for something that only the recordings or the events tell.
PLACEHOLDERS = ("{", "[", "*")
ROI_FILES = ("masks", "atlas", "names", "left", "right")


def missing_parts(study: Study) -> Iterator[str]:
    """Yield what is not there beside the responses: nothing needs to be opened.

    Masks and regions of each subject, the folder of each feature space's files, tables
    of captions and stimuli, networks, the corpus of retrieval, generator and tagger.
    """
    for key, pattern in _patterns(study):
        for name in _of_subjects(study, pattern):
            if not any(mark in name for mark in PLACEHOLDERS):
                yield from _problem(key, study.root, name)
    for name, space in study.features.items():
        path = getattr(space, "path", None)
        if path is not None:
            yield from _folder(f"features.{name}", study.root, path)
        if isinstance(space, CaptionFeatures):
            yield from _problem(f"features.{name}", study.root, space.captions)
        try:
            check_network(study, name)
        except InputError as error:
            yield str(error)
    if study.retrieval.target is not None and not corpus_place(study).is_dir():
        yield f"retrieval.corpus: no folder {corpus_place(study)}. {WITHOUT}"
    if study.generation.weights is not None:
        yield from _weights("generation.weights", find_generator, study)
    yield from _weights("generation.tagger", check_tagger, study)


def _patterns(study: Study) -> Iterator[tuple[str, str]]:
    """Yield the keys that name files of a subject, or of all, with what they name."""
    if study.dataset.mask is not None and "." in study.dataset.mask:
        yield "dataset.mask", study.dataset.mask
    for key in ROI_FILES:
        pattern = getattr(study.rois, key)
        if pattern is not None:
            yield f"rois.{key}", pattern
    if study.stimuli.table is not None:
        yield "stimuli.table", study.stimuli.table


def _of_subjects(study: Study, pattern: str) -> list[str]:
    subjects = study.dataset.subjects
    return list(dict.fromkeys(pattern.replace("{subject}", one) for one in subjects))


def _problem(key: str, root: Path, name: str) -> Iterator[str]:
    try:
        file_inside(root, name)
    except InputError as error:
        yield f"{key}: {error}"


def _weights(key: str, find: Callable[[Study], object], study: Study) -> Iterator[str]:
    try:
        find(study)
    except InputError as error:
        text = str(error)
        yield text if text.startswith(key) else f"{key}: {text}"


def _folder(key: str, root: Path, path: str) -> Iterator[str]:
    """Yield that the folder is missing in which the files of a pattern lie."""
    fixed = Path()
    for part in Path(path).parts[:-1]:
        if any(mark in part for mark in PLACEHOLDERS):
            break
        fixed /= part
    if not (root / fixed).is_dir():
        yield f"{key}: no folder {fixed} in {root}, where {path} should lie."
