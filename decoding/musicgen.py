"""MusicGen, from embeddings in place of its text states, or going on from a sound."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checkpoints import libraries, quiet
from ..core.checks import Floats, InputError, as_matrix
from .generation import (
    Anchor,
    Generated,
    candidate_seeds,
    start_of,
    vector_hash,
    versions,
)
from .sounds import Sound, resampled


@dataclass(frozen=True, slots=True)
class Sampling:
    """How MusicGen is run.

    Parameters
    ----------
    guidance : float
        Above 1, the step away from what no text would give is made longer.
    anchor_s : float
        With an anchor: how much of its start the model hears before it goes on.
    temperature : float
        Of the sampling of tokens.
    """

    guidance: float = 3.0
    anchor_s: float = 5.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.guidance < 1 or self.anchor_s <= 0 or self.temperature <= 0:
            raise InputError(
                f"guidance {self.guidance}, anchor_s {self.anchor_s} and temperature "
                f"{self.temperature}: expected at least 1, above 0 and above 0."
            )


def check_channels(n_channels: int) -> None:
    """Raise if a MusicGen makes more than one channel."""
    if n_channels != 1:
        raise InputError(
            f"this MusicGen makes {n_channels} channels (stereo). Take the checkpoint "
            "of one channel."
        )


class MusicgenGenerator:
    """Makes sound by MusicGen.

    Parameters
    ----------
    model : MusicgenForConditionalGeneration
        Of one channel.
    about : mapping
        What provenance says of the weights.
    sampling : Sampling
    """

    kind = "musicgen"

    def __init__(self, model: Any, about: dict[str, Any], sampling: Sampling) -> None:
        check_channels(model.config.decoder.audio_channels)
        self.model, self.about, self.sampling = model, about, sampling

    @property
    def rate_hz(self) -> int:
        """Sampling rate of what is made."""
        return int(self.model.config.audio_encoder.sampling_rate)

    @property
    def n_dimensions(self) -> int:
        """Dimensions of the text states that an embedding stands in for."""
        return int(self.model.config.text_encoder.d_model)

    def generate(
        self,
        embedding: ArrayLike,
        *,
        seconds: float,
        n_candidates: int = 1,
        seed: int = 0,
        anchor: Anchor | None = None,
    ) -> Generated:
        """Return sounds conditioned by an embedding.

        Parameters
        ----------
        embedding : array of shape (n_states, n_dimensions) or (n_dimensions,)
            In place of the states of the text encoder. One vector is one state, which
            the model was not trained on.
        seconds : float
            Of new sound.
        n_candidates : int
            Each has a seed of its own, and can be made again alone.
        seed : int
        anchor : Anchor, optional
            Sound that is gone on from. It is not part of what comes back, which would
            else be identified by sound that was not generated.

        Raises
        ------
        InputError
            If the embedding is of another width, or the anchor too short.
        """
        torch, _ = libraries()
        states = self._states(embedding)
        seeds = candidate_seeds(seed, n_candidates)
        prompt = None if anchor is None else self._prompt(anchor)
        made = []
        with torch.no_grad(), quiet(), torch.random.fork_rng(devices=self._devices()):
            for one in seeds:
                torch.manual_seed(one)
                made.append(self._one(torch.from_numpy(states)[None], seconds, prompt))
        facts = {
            "generator": self.kind,
            "embedding": vector_hash(embedding),
            "seed": seed,
            "guidance": self.sampling.guidance,
            "temperature": self.sampling.temperature,
            "anchor": None if anchor is None else anchor.id,
            "anchor_s": None if anchor is None else self.sampling.anchor_s,
        }
        audio = np.stack(made)
        return Generated(audio, self.rate_hz, self.about | facts | versions())

    def _one(
        self, states: Any, seconds: float, prompt: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        torch, transformers = libraries()
        device = self.model.device
        mask = torch.ones(states.shape[:2], dtype=torch.long)
        if self.sampling.guidance > 1:  # the half without text, which is ours to add
            states = torch.cat([states, torch.zeros_like(states)])
            mask = torch.cat([mask, torch.zeros_like(mask)])
        n_frames = math.ceil(seconds * self.model.config.audio_encoder.frame_rate)
        given: dict[str, Any] = {
            # Says how many sounds are wanted, which the states alone do not.
            "input_ids": torch.zeros((1, 1), dtype=torch.long, device=device),
            "encoder_outputs": transformers.modeling_outputs.BaseModelOutput(
                last_hidden_state=states.to(device)
            ),
            "attention_mask": mask.to(device),
        }
        if prompt is not None:
            given["input_values"] = torch.from_numpy(prompt)[None, None].to(device)
        made = self.model.generate(
            **given,
            do_sample=True,
            guidance_scale=self.sampling.guidance,
            temperature=self.sampling.temperature,
            # Each codebook begins one token after the one before it.
            max_new_tokens=n_frames + self.model.config.decoder.num_codebooks - 1,
        )
        waveform = np.asarray(made[0, 0].float().cpu().numpy(), np.float32)
        first = 0 if prompt is None else len(prompt)
        return waveform[first : first + round(seconds * self.rate_hz)]

    def _states(self, embedding: ArrayLike) -> Floats:
        states = np.atleast_2d(np.asarray(embedding))
        states = as_matrix(states, "the embedding").astype(np.float32)
        if states.shape[1] != self.n_dimensions:
            raise InputError(
                f"the embedding has {states.shape[1]} dimensions, and this MusicGen "
                f"takes {self.n_dimensions}, as its text encoder gives. Decode those "
                "states, or map the embedding to them on training data."
            )
        return states

    def _prompt(self, anchor: Anchor) -> NDArray[np.float32]:
        start = start_of(anchor, self.sampling.anchor_s)
        points = resampled(Sound(start, anchor.sound.rate_hz), self.rate_hz)
        hop = self.rate_hz // self.model.config.audio_encoder.frame_rate
        return points[: len(points) // hop * hop]

    def _devices(self) -> list[Any]:
        return [self.model.device] if self.model.device.type == "cuda" else []
