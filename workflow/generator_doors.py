"""What is checked of a study's generator before anything is fitted or made."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core.checkpoints import check_weights, find_folder, folder_identity, read_json
from ..core.checks import InputError
from ..decoding.corpus import find_music
from ..decoding.diffusion import hear_by_clap
from ..decoding.musicgen import check_channels
from ..decoding.pipelines import (
    INDEX,
    PIPELINES,
    check_pipeline,
    diffusers,
    find_pipeline,
    open_clap,
)
from ..decoding.sounds import START_S, Sound
from ..study import Study
from .corpus import corpus_place, is_index
from .encoders import Encoder, encoder_of
from .generators import (
    hint_of,
    judge_of,
    place_of,
    start_key,
    start_seconds,
    target_of,
)

SAME = 0.95  # cosine of one sound under two copies of one network
PROBE_HZ = 48_000


def check_generator(study: Study) -> None:
    """Raise if the study's generator is not there, or takes another embedding."""
    settings = study.generation
    kind, encoder = str(settings.generator), encoder_of(study, target_of(study))
    if settings.anchored:
        _check_start(study)
    if kind == "retrieved":
        return
    folder = find_generator(study)
    if kind == "musicgen":
        _check_start_of_musicgen(study, encoder)
        return
    config = read_json(folder / "text_encoder" / "config.json")
    width = config.get("projection_dim")
    if width != encoder.width:
        raise InputError(
            f"generation.weights takes embeddings of {width} dimensions, and features."
            f"{encoder.name} has {encoder.width}. Decode the embedding of its own CLAP."
        )
    check_same_clap(kind, folder, encoder)


def find_generator(study: Study) -> Path:
    """Return the folder of a generator's weights; no recording is needed.

    Raises
    ------
    InputError
        If it is not there or not whole, or holds another generator.
    """
    kind, name = str(study.generation.generator), str(study.generation.weights)
    place, hint = place_of(study, name), hint_of(name)
    if kind == "musicgen":
        return _find_musicgen(place, hint)
    diffusers()
    folder = find_pipeline(place, hint=hint)
    found = read_json(folder / INDEX).get("_class_name")
    if found != PIPELINES[kind]:
        raise InputError(
            f"generation.weights holds a {found}, and {kind} needs a {PIPELINES[kind]}."
            " Name the generator that the folder holds."
        )
    check_pipeline(kind, folder)
    return folder


def check_judge(study: Study) -> None:
    """Raise if the space that scores what is made has a part in it, or hears nothing.

    Raises
    ------
    InputError
        If it is no network that hears sound, or has the target's weights.
    """
    name, target = judge_of(study), target_of(study)
    if name is None:
        return
    own = study.generation.checked_by is not None
    key = f"{'generation' if own else 'retrieval'}.checked_by"
    if name not in study.features:
        raise InputError(
            f"{key} names {name!r}, but there is no [features.{name}]. "
            f"Known: {', '.join(study.features)}."
        )
    if study.features[name].kind == "captions":
        raise InputError(
            f"{key} names {name!r}, which is of captions: what was made is checked by "
            "what it sounds like. Name a space of kind 'network'."
        )
    judge, encoder = encoder_of(study, name), encoder_of(study, target)
    if judge.network.identity == encoder.network.identity:
        raise InputError(
            f"{key}: {name} has the weights of {target}, of which music is made, so it "
            "is no independent check. Name another network."
        )


def check_same_clap(kind: str, folder: Path, encoder: Encoder) -> None:
    """Raise if a generator's CLAP hears a sound otherwise than the target's network.

    One sound is put through both. Of a generator with CLAP's text tower alone nothing
    can be seen.
    """
    window_s = encoder.windows.window_s
    found = _own_vector(
        kind, folder, folder_identity(folder / "text_encoder", weights=True), window_s
    )
    if found is None:
        return
    own, ours = np.array(found), encoder.embed([_probe(window_s)])[0]
    cosine = float(ours @ own / np.linalg.norm(ours) / np.linalg.norm(own))
    if cosine < SAME:
        raise InputError(
            f"the CLAP of generation.weights is not that of features.{encoder.name}: "
            f"one sound has vectors of cosine {cosine:.2f} in the two. Decode the "
            "embedding of the generator's own CLAP."
        )


@lru_cache(maxsize=4)
def _own_vector(
    kind: str, folder: Path, _identity: str, window_s: float
) -> tuple[float, ...] | None:
    """Return what a pipeline's CLAP makes of the probe, once for all subjects."""
    opened = open_clap(kind, folder)
    if opened is None:
        return None
    return tuple(hear_by_clap(*opened, [_probe(window_s)])[0].tolist())


def _probe(window_s: float) -> Sound:
    noise = np.random.default_rng(0).standard_normal(round(window_s * PROBE_HZ))
    return Sound((0.1 * noise).astype(np.float32), PROBE_HZ)


def _check_start(study: Study) -> None:
    """Raise if nothing could start from the tracks of the corpus."""
    settings, place = study.generation, corpus_place(study)
    if start_seconds(study) > START_S:
        raise InputError(
            f"generation.{start_key(study)} is {start_seconds(study):g}, and the first "
            f"{START_S:g} s of each track of the corpus are read. Ask for less, or "
            "start = 'noise'."
        )
    if is_index(place):
        raise InputError(
            "generation starts from the sound of the nearest track, and "
            "retrieval.corpus is a saved index, which has none. Name the folder of the "
            "music, or set generation.start = 'noise'."
        )
    n_tracks = len(find_music(place))
    if settings.generator == "retrieved" and settings.n_candidates > n_tracks:
        raise InputError(
            f"generation.n_candidates is {settings.n_candidates}, and {place.name} has "
            f"{n_tracks} tracks: 'retrieved' gives each of them once. Ask for fewer."
        )


def _find_musicgen(place: str | Path, hint: str) -> Path:
    folder = find_folder(place, hint=hint)
    config = read_json(folder / "config.json")
    if config.get("model_type") != "musicgen":
        raise InputError(
            f"generation.weights holds a {config.get('model_type')!r}, and musicgen "
            "needs a 'musicgen'. Name the generator that the folder holds."
        )
    check_weights(folder)
    check_channels(config.get("decoder", {}).get("audio_channels", 1))
    return folder


def _check_start_of_musicgen(study: Study, encoder: Encoder) -> None:
    if study.generation.start == "noise":
        raise InputError(
            "MusicGen is told states of its text encoder, which features."
            f"{encoder.name} does not give, however wide it is: from noise it would "
            "hear nothing of what was decoded. Set generation.start = 'anchored'."
        )
