"""MusicLDM, AudioLDM and AudioLDM 2, conditioned by a decoded CLAP embedding.

They were trained on the embedding of CLAP's text tower, which shares a sphere with that
of the audio tower. What is decoded must be an embedding of the pipeline's own CLAP
(`DiffusionGenerator.embed`): others are as wide and mean something else.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checkpoints import libraries, quiet
from ..core.checks import Floats, InputError
from .generation import (
    Anchor,
    Generated,
    as_vector,
    candidate_seeds,
    start_of,
    vector_hash,
    versions,
)
from .sounds import Sound, resampled, spread_windows

N_FFT = 1024  # of the spectra that these generators were trained on
FLOOR = 1e-5
F_MAX_HZ = 8000.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How a diffusion model is run.

    Parameters
    ----------
    steps : int
        Of denoising, from noise. The pipelines' own default is 200.
    guidance : float
        Above 1, the step away from what '' would give is made longer.
    strength : float
        With an anchor: how far it is taken back to noise, between 0 and 1. 1 starts
        from (almost) pure noise; near 0, the anchor comes back unchanged.
    """

    steps: int = 200
    guidance: float = 2.0
    strength: float = 0.6

    def __post_init__(self) -> None:
        if self.steps < 1 or self.guidance < 1 or not 0 < self.strength <= 1:
            raise InputError(
                f"steps {self.steps}, guidance {self.guidance} and strength "
                f"{self.strength}: expected at least 1, at least 1, and in (0, 1]."
            )


class DiffusionGenerator:
    """Makes sound by a latent diffusion pipeline.

    Parameters
    ----------
    kind : 'musicldm', 'audioldm' or 'audioldm2'
    pipeline : pipeline of diffusers
        With DDIM as its scheduler, as `pipelines.open_pipeline` gives it.
    about : mapping
        What provenance says of the weights.
    settings : Settings
    """

    def __init__(
        self, kind: str, pipeline: Any, about: dict[str, Any], settings: Settings
    ) -> None:
        self.kind, self.pipeline, self.about = kind, pipeline, about
        self.settings = settings

    @property
    def rate_hz(self) -> int:
        """Sampling rate of what is made."""
        return int(self.pipeline.vocoder.config.sampling_rate)

    @property
    def n_dimensions(self) -> int:
        """Dimensions of the embedding that conditions it."""
        return int(self.pipeline.text_encoder.config.projection_dim)

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
        embedding : array of shape (n_dimensions,)
            Brought to length 1, as those that the pipeline was trained on.
        seconds : float
        n_candidates : int
            Each has a seed of its own, and can be made again alone.
        seed : int
        anchor : Anchor, optional
            Sound whose first `seconds` are noised and denoised; None starts from
            noise.

        Raises
        ------
        InputError
            If the embedding is of another width, or the anchor too short.
        """
        torch, _ = libraries()
        vector = as_vector(embedding)
        if len(vector) != self.n_dimensions:
            raise InputError(
                f"the embedding has {len(vector)} dimensions, and this {self.kind} "
                f"takes {self.n_dimensions}. Decode the embedding of its own CLAP."
            )
        seeds = candidate_seeds(seed, n_candidates)
        unit = torch.tensor(vector / np.linalg.norm(vector), dtype=torch.float32)
        with torch.no_grad(), quiet():
            given = self._conditioning(unit[None].to(self.pipeline.device))
            latents = None if anchor is None else self._latents(anchor, seconds)
            made = [self._one(given, seconds, one, latents) for one in seeds]
        facts = {
            "generator": self.kind,
            "embedding": vector_hash(embedding),
            "seed": seed,
            "steps": self.settings.steps,
            "guidance": self.settings.guidance,
            "anchor": None if anchor is None else anchor.id,
            "strength": None if anchor is None else self.settings.strength,
        }
        audio = np.stack(made)
        return Generated(audio, self.rate_hz, self.about | facts | versions())

    def embed(self, sounds: Sequence[Sound]) -> Floats:
        """Return the embedding of sounds by the pipeline's own CLAP.

        Windows of at most its 10 s, evenly spread over the sound, are averaged.

        Returns
        -------
        embeddings : array of shape (n_sounds, n_dimensions)

        Raises
        ------
        InputError
            If the pipeline holds CLAP's text tower only.
        """
        clap = self.pipeline.text_encoder
        feeder = getattr(self.pipeline, "feature_extractor", None)
        if not hasattr(clap, "audio_model") or feeder is None:
            raise InputError(
                f"this {self.kind} holds CLAP's text tower only, and cannot hear. Take "
                "the checkpoint of the CLAP that it was trained with for both towers."
            )
        return hear_by_clap(clap, feeder, sounds)

    def _one(
        self, given: dict[str, Any], seconds: float, seed: int, latents: Any
    ) -> NDArray[np.float32]:
        torch, _ = libraries()
        steps, chance = self.settings.steps, torch.Generator().manual_seed(seed)
        skipped = 0
        if latents is not None:
            skipped = steps - max(1, round(self.settings.strength * steps))
            scheduler = self.pipeline.scheduler
            scheduler.set_timesteps(steps)
            noise = torch.randn(latents.shape, generator=chance).to(latents.device)
            when = scheduler.timesteps[skipped : skipped + 1]
            latents = scheduler.add_noise(latents, noise, when)
        with late_start(self.pipeline.scheduler, skipped):
            audios = self.pipeline(
                **given,
                audio_length_in_s=seconds,
                num_inference_steps=steps,
                guidance_scale=self.settings.guidance,
                generator=chance,
                latents=latents,
            ).audios
        return np.asarray(audios[0], np.float32)

    def _conditioning(self, unit: Any) -> dict[str, Any]:
        empty = empty_text(self.pipeline)
        if self.kind != "audioldm2":
            return {"prompt_embeds": unit, "negative_prompt_embeds": empty}
        real, null = (_two_texts(self.pipeline, clap) for clap in (unit, empty))
        return real | {f"negative_{name}": value for name, value in null.items()}

    def _latents(self, anchor: Anchor, seconds: float) -> Any:
        """Return what the pipeline's autoencoder makes of an anchor."""
        torch, _ = libraries()
        pipe = self.pipeline
        hop = int(np.prod(pipe.vocoder.config.upsample_rates))
        waveform = start_of(anchor, seconds)
        points = resampled(Sound(waveform, anchor.sound.rate_hz), self.rate_hz)
        n_frames = int(seconds * self.rate_hz / hop)
        n_frames = -(-n_frames // pipe.vae_scale_factor) * pipe.vae_scale_factor
        short = n_frames * hop - len(points)  # up to the next whole block
        points = np.pad(points, (0, max(0, short)))
        mels = log_mels(points, self.rate_hz, pipe.vocoder.config.model_in_dim, hop=hop)
        tensor = torch.from_numpy(mels[None, None, :n_frames]).to(pipe.device)
        return (
            pipe.vae.encode(tensor).latent_dist.mode() * pipe.vae.config.scaling_factor
        )


def hear_by_clap(clap: Any, feeder: Any, sounds: Sequence[Sound]) -> Floats:
    """Return CLAP's embedding of sounds, as a pipeline's own hears them.

    Windows of at most the feeder's length are evenly spread over a sound and averaged.

    Parameters
    ----------
    clap : ClapModel
    feeder : ClapFeatureExtractor
    sounds : sequence of Sound

    Returns
    -------
    embeddings : array of shape (n_sounds, n_dimensions)
    """
    torch, _ = libraries()
    rows = []
    with torch.no_grad(), quiet():
        for sound in sounds:
            points = resampled(sound, feeder.sampling_rate)
            windows = spread_windows(points, feeder.nb_max_samples)
            fed = feeder(
                list(windows),
                sampling_rate=feeder.sampling_rate,
                return_tensors="pt",
            )
            out = clap.get_audio_features(**fed.to(clap.device))
            rows.append(getattr(out, "pooler_output", out).mean(dim=0).cpu().numpy())
    return np.array(rows)


def log_mels(
    points: NDArray[np.float32], rate_hz: int, n_mels: int, *, hop: int
) -> NDArray[np.float32]:
    """Return the spectra that the autoencoder of AudioLDM and MusicLDM was trained on.

    Parameters
    ----------
    points : array of shape (n_points,)
    rate_hz, n_mels, hop : int
        Of the pipeline's vocoder.

    Returns
    -------
    mels : array of shape (n_frames, n_mels)
        Natural logarithm of the magnitude in Slaney's mel bands from 0 to 8 kHz, of
        Hann windows of 1024 points around each frame; nothing below log(1e-5).
    """
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    filters = mel_filter_bank(
        num_frequency_bins=N_FFT // 2 + 1,
        num_mel_filters=n_mels,
        min_frequency=0.0,
        max_frequency=min(F_MAX_HZ, rate_hz / 2),
        sampling_rate=rate_hz,
        norm="slaney",
        mel_scale="slaney",
    )
    made = spectrogram(
        points,
        window_function(N_FFT, "hann"),
        frame_length=N_FFT,
        hop_length=hop,
        power=1.0,
        mel_filters=filters,
        mel_floor=FLOOR,
        log_mel="log",
    )
    return np.ascontiguousarray(made.T, dtype=np.float32)


def empty_text(pipeline: Any) -> Any:
    """Return CLAP's embedding of '', of length 1: what guidance leads away from."""
    torch, _ = libraries()
    tokenizer, clap = pipeline.tokenizer, pipeline.text_encoder
    tokens = tokenizer(
        [""],
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).to(pipeline.device)
    given = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
    if hasattr(clap, "get_text_features"):
        out = clap.get_text_features(**given)
        out = getattr(out, "pooler_output", out)
    else:
        out = clap(**given).text_embeds
    return torch.nn.functional.normalize(out, dim=-1)


@contextmanager
def late_start(scheduler: Any, skipped: int) -> Iterator[None]:
    """Let the pipeline's loop begin after its first `skipped` steps."""
    whole = scheduler.set_timesteps

    def set_timesteps(*args: Any, **options: Any) -> None:
        whole(*args, **options)
        scheduler.timesteps = scheduler.timesteps[skipped:]

    scheduler.set_timesteps = set_timesteps
    try:
        yield
    finally:
        del scheduler.set_timesteps


def _two_texts(pipe: Any, clap: Any) -> dict[str, Any]:
    """Return what AudioLDM 2 makes of a CLAP embedding and an empty text for T5."""
    tokenizer = pipe.tokenizer_2
    tokens = tokenizer(
        [""],
        padding="max_length",
        max_length=min(8, tokenizer.model_max_length),
        truncation=True,
        return_tensors="pt",
    ).to(pipe.device)
    mask = tokens.attention_mask
    states = pipe.text_encoder_2(tokens.input_ids, attention_mask=mask)[0]
    projected = pipe.projection_model(
        hidden_states=clap[:, None],
        hidden_states_1=states,
        attention_mask=mask.new_ones((1, 1)),
        attention_mask_1=mask,
    )
    language = pipe.generate_language_model(
        projected.hidden_states,
        attention_mask=projected.attention_mask,
        max_new_tokens=getattr(pipe.language_model.config, "max_new_tokens", None) or 8,
    )
    return {
        "prompt_embeds": states,
        "attention_mask": mask,
        "generated_prompt_embeds": language,
    }
