"""Tests of the synthetic music, and of the cut that makes stimuli of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import spectrogram

from brain2music.core.checks import InputError
from brain2music.data import recipes, synthesise
from brain2music.data.simulated_features import design_clips, read_design

RATE = synthesise.RATE_HZ
GENRES = tuple(recipes.RECIPES)


def spectrum(sound, n_bands=24):
    """Return the mean log power in bands that widen with frequency."""
    frequency, _, power = spectrogram(sound, RATE, nperseg=1024)
    edges = np.geomspace(60, RATE / 2, n_bands + 1)
    band = np.clip(np.digitize(frequency, edges) - 1, 0, n_bands - 1)
    mean = np.array([power[band == k].mean() for k in np.unique(band)])
    return np.log(mean + 1e-12)


def centroid_hz(sound):
    frequency, _, power = spectrogram(sound, RATE, nperseg=1024)
    return (frequency @ power.mean(axis=1)) / power.mean(axis=1).sum()


def onset_rate_hz(sound):
    """Return how often the level jumps, in times per second."""
    n = len(sound) // 441
    level = np.log((sound[: n * 441].reshape(n, 441) ** 2).mean(axis=1) + 1e-7)
    return (np.diff(level) > 0.7).sum() / (len(sound) / RATE)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Eight tracks of 8 s of each genre: (folder, {clip: sound}, recipes)."""
    folder = tmp_path_factory.mktemp("music")
    clips = [f"{genre}.{number:05d}" for genre in GENRES for number in range(8)]
    table = synthesise.write_tracks(folder, seed=0, clips=clips, duration_s=8)
    read = {c: soundfile.read(folder / c[:-6] / f"{c}.flac")[0] for c in clips}
    return folder, read, table


def by_genre(music, measure):
    values = {genre: [] for genre in GENRES}
    for clip, sound in music[1].items():
        values[clip.split(".")[0]].append(measure(sound))
    return {genre: np.array(v) for genre, v in values.items()}


# Tracks


def test_tracks_are_mono_flac_of_16_bits_marked_as_synthetic(music):
    path = music[0] / "jazz" / "jazz.00003.flac"
    with soundfile.SoundFile(path) as file:
        assert (file.samplerate, file.channels) == (22_050, 1)
        assert (file.format, file.subtype) == ("FLAC", "PCM_16")
        assert len(file) == 8 * 22_050
        assert file.comment.startswith("Synthetic")
    text = (music[0] / "README.txt").read_text(encoding="utf-8")
    assert "SYNTHETIC" in text


def test_a_track_depends_on_its_seed_and_name_and_not_on_the_others(music, tmp_path):
    clip = "reggae.00005"
    synthesise.write_tracks(tmp_path, seed=0, clips=[clip], duration_s=8)
    path = f"reggae/{clip}.flac"
    assert (tmp_path / path).read_bytes() == (music[0] / path).read_bytes()
    synthesise.write_tracks(tmp_path, seed=1, clips=[clip], duration_s=8)
    assert (tmp_path / path).read_bytes() != (music[0] / path).read_bytes()


def test_a_longer_track_is_at_the_tempo_and_level_that_it_drew():
    track = synthesise._drawn("disco.00001", 0)
    sound = synthesise.synthesise(track, seed=0)
    assert sound.shape == (661_500,)
    assert sound.dtype == np.float32
    level_db = 20 * np.log10(np.sqrt(np.mean(sound.astype(float) ** 2)))
    assert_allclose(level_db, track.level_db, atol=0.05)
    # The bass drum falls on every beat, so the level repeats with the beat.
    power = (sound[: len(sound) // 100 * 100].reshape(-1, 100) ** 2).mean(axis=1)
    power = power - power.mean()
    lags = np.arange(40, 200)
    repeat = [power[lag:] @ power[:-lag] for lag in lags]
    beat_s = lags[np.argmax(repeat)] * 100 / RATE
    beats = beat_s * track.tempo_bpm / 60
    assert_allclose(beats, round(beats), atol=0.04)


@pytest.mark.parametrize("genre", GENRES)
def test_no_track_reaches_full_scale_at_the_highest_level_of_its_genre(genre):
    track = synthesise._drawn(f"{genre}.00007", 3)
    loudest = replace(track, level_db=recipes.RECIPES[genre].level_db[1])
    sound = synthesise.synthesise(loudest, seed=3, duration_s=6)
    assert np.isfinite(sound).all()
    assert 0.05 < np.abs(sound).max() < 0.9


def test_genre_is_decoded_from_mean_spectra_of_other_tracks(music):
    spectra = by_genre(music, spectrum)
    X = np.stack([spectra[genre] for genre in GENRES])
    X = (X - X.mean(axis=(0, 1))) / X.std(axis=(0, 1))
    centres = X[:, ::2].mean(axis=1)
    distance = np.linalg.norm(X[:, 1::2, None] - centres, axis=-1)
    assert (distance.argmin(axis=-1) == np.arange(10)[:, None]).mean() > 0.6


def test_tracks_of_one_genre_differ(music):
    for spectra in by_genre(music, spectrum).values():
        gaps = np.linalg.norm(spectra[:, None] - spectra, axis=-1)
        assert gaps[np.triu_indices(8, 1)].min() > 0.3


def test_brightness_and_onset_rate_differ_between_genres(music):
    centroid = {g: v.mean() for g, v in by_genre(music, centroid_hz).items()}
    rate = {g: v.mean() for g, v in by_genre(music, onset_rate_hz).items()}
    assert centroid["metal"] > 1.5 * centroid["classical"]
    assert rate["disco"] > 1.5 * rate["classical"]
    assert len({round(value / 50) for value in centroid.values()}) >= 5


def test_values_lie_in_the_ranges_of_their_genre(music):
    table = music[2]
    assert_array_equal(pd.read_csv(music[0] / "recipes.csv")["clip"], table["clip"])
    for row in table.to_dict("records"):
        recipe = recipes.RECIPES[row["genre"]]
        assert row["mode"] in recipe.modes
        for name in recipes.RANGES:
            low, high = getattr(recipe, name)
            assert low - 1e-9 <= row[name] <= high + 1e-9
    assert table.groupby("genre")["tempo_bpm"].nunique().eq(8).all()


@pytest.mark.parametrize("genre", GENRES)
def test_patterns_have_16_steps(genre):
    recipe = recipes.RECIPES[genre]
    for name in ("kick", "snare", "hat", "bass", "chord"):
        pattern = getattr(recipe, name)
        assert len(pattern) == 16
        assert set(pattern) <= {"x", "."}


def test_there_is_a_recipe_for_each_genre_of_the_design():
    clips = design_clips(read_design())
    assert {clip.split(".")[0] for clip in clips} == set(GENRES)


def test_notes_have_the_pitch_of_their_number():
    note = synthesise._note(69, 1.0, synthesise._cycle(1.0, 1.0))
    power = np.abs(np.fft.rfft(note, 2 * RATE))
    assert_allclose(power.argmax() / 2, 440, atol=1)


# Captions


def test_captions_have_the_columns_and_ids_of_the_recorded_ones(music):
    table = pd.read_csv(music[0] / "captions.csv")
    assert table.columns.tolist() == ["ID", "DescEN"]
    assert table["ID"].tolist() == [f"{clip}_15s" for clip in music[1]]
    words = table["DescEN"].str.split().str.len()
    assert words.between(35, 75).all()


def test_most_captions_name_the_genre_and_some_do_not(music):
    table = pd.read_csv(music[0] / "captions.csv")
    genre = table["ID"].str.split(".").str[0]
    text = table["DescEN"]
    named = [f" {g} track" in t for g, t in zip(genre, text, strict=True)]
    assert 0.6 < np.mean(named) < 0.95


def test_a_caption_says_what_the_values_are():
    track = synthesise._drawn("metal.00002", 0)
    fast = recipes.caption(replace(track, tempo_bpm=180), names_genre=True)
    assert "fast metal track" in fast
    assert "180 beats per minute" in fast
    slow = recipes.caption(
        replace(track, tempo_bpm=60, drive=1.0, level_db=-30), names_genre=False
    )
    assert "slow piece of music" in slow
    assert "clean" in slow
    assert "quiet" in slow
    assert "metal" not in slow


# The corpus


def test_the_corpus_takes_genres_in_turn_and_shares_no_track(music, tmp_path):
    table = synthesise.write_corpus(tmp_path, seed=0, n=13, duration_s=1.5)
    assert table["clip"].iloc[[0, 10]].tolist() == ["blues.10000", "blues.10001"]
    assert table["genre"].tolist() == [*GENRES, *GENRES[:3]]
    sound, rate = soundfile.read(tmp_path / "blues" / "blues.10001.flac")
    assert len(sound) == 1.5 * rate
    assert not set(table["clip"]) & set(music[1])
    assert len(pd.read_csv(tmp_path / "captions.csv")) == 13
    assert not set(table["tempo_bpm"]) & set(music[2]["tempo_bpm"])


def test_an_empty_corpus_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1 clip"):
        synthesise.write_corpus(tmp_path, seed=0, n=0)


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ("blue.00001", "Did you mean 'blues'"),
        ("blues", "has no number; expected a name such as"),
        ("blues.x1", "has no number"),
    ],
)
def test_says_which_names_a_track_may_have(tmp_path, clip, message):
    with pytest.raises(InputError, match=message):
        synthesise.write_tracks(tmp_path, seed=0, clips=[clip])
    assert not list(tmp_path.iterdir())


# The cut


def test_a_clip_is_cut_faded_and_set_to_its_level(rng):
    waveform = rng.standard_normal(900) + 2
    clip = synthesise.cut_clip(waveform, 20, start_s=5, end_s=30, fade_s=4, rms=0.1)
    ramp = np.array([np.sin(np.pi / 2 * k / 80) for k in range(80)])
    expected = waveform[100:600] * np.r_[ramp, np.ones(340), ramp[::-1]]
    expected *= 0.1 / np.sqrt((expected**2).mean())
    assert_allclose(clip, expected)
    assert clip[0] == clip[-1] == 0


def test_the_level_of_the_track_does_not_matter(rng):
    waveform = 0.1 * rng.standard_normal(9000)
    cut = {"start_s": 1, "end_s": 8}
    clip = synthesise.cut_clip(waveform, 1000, **cut)
    assert_allclose(synthesise.cut_clip(waveform * 7, 1000, **cut), clip)
    assert_allclose(np.sqrt(np.mean(clip**2)), 0.1321)


def test_the_track_is_left_as_it_was(rng):
    waveform = 0.1 * rng.standard_normal(9000)
    before = waveform.copy()
    synthesise.cut_clip(waveform, 1000, start_s=0, end_s=9)
    assert_array_equal(waveform, before)


def test_a_cut_without_fades_keeps_the_shape(rng):
    waveform = 0.1 * rng.standard_normal(3000)
    clip = synthesise.cut_clip(waveform, 1000, start_s=0, end_s=3, fade_s=0)
    assert_allclose(clip / clip[0], waveform / waveform[0])


def test_every_clip_of_the_design_fits_into_its_track():
    design = read_design()
    assert design["start_s"].min() >= 0
    assert design["end_s"].max() <= 30.01


def test_synthetic_tracks_are_cut_without_reaching_full_scale(music):
    for sound in music[1].values():
        clip = synthesise.cut_clip(sound, RATE, start_s=0.5, end_s=7.5)
        assert np.abs(clip).max() < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end_s": 9.01}, r"from 1 to 9\.01 s was asked of a track of 9\.000 s"),
        ({"start_s": -1}, "was asked of a track"),
        ({"start_s": 8, "end_s": 8}, "was asked of a track"),
        ({"fade_s": 4}, "two fades of 4 s do not fit into a clip of 7 s"),
        ({"fade_s": -1}, "do not fit"),
        ({"rms": 0.9}, r"beyond 1 in \d+ of 7000 points. Lower rms"),
    ],
)
def test_says_what_is_wrong_with_a_cut(rng, change, message):
    waveform = rng.standard_normal(9000)
    with pytest.raises(InputError, match=message):
        synthesise.cut_clip(waveform, 1000, **{"start_s": 1, "end_s": 8, **change})


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(9000), "from 1 to 8 s is silent"),
        (np.ones((9000, 2)), "must be mono and finite, got shape"),
        (np.full(9000, np.nan), "look for NaN"),
    ],
)
def test_says_what_is_wrong_with_a_waveform(waveform, message):
    with pytest.raises(InputError, match=message):
        synthesise.cut_clip(waveform, 1000, start_s=1, end_s=8)


def test_the_level_can_be_left_as_it_is(rng):
    waveform = rng.uniform(-0.01, 0.01, 4000)
    clip = synthesise.cut_clip(waveform, 1000, start_s=1, end_s=3, fade_s=0, rms=None)
    assert_allclose(clip, waveform[1000:3000])
