"""Bands are changed as a voice, a microphone and a room would, by the numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ser_tinyml.features import frame_augment, mel_filterbank, preset
from ser_tinyml.features.frame_augment import EMPTY_DB, NONE, FrameAugmentConfig
from ser_tinyml.files import DataError

CONFIG = preset("default")
MARGIN = frame_augment.margin(CONFIG)
FRAMES = CONFIG.n_frames


class Highest(np.random.Generator):
    """Draws the highest value of every range."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def uniform(self, low: float, high: float, size: int) -> np.ndarray:
        return np.full(size, float(high))

    def integers(self, low: int, high: int, size: int) -> np.ndarray:
        return np.full(size, high - 1)


def windows(rows: int = 3, *, seed: int = 0) -> np.ndarray:
    """Bands that differ in every row, frame and band, in dB."""
    shape = (rows, FRAMES + 2 * MARGIN, CONFIG.n_mels)
    return np.random.default_rng(seed).uniform(-60, -20, shape).astype(np.float32)


def changed(bands: np.ndarray, rng: np.random.Generator | None = None, **how) -> np.ndarray:
    return frame_augment.augment_frames(
        bands,
        rng or np.random.default_rng(1),
        augmentation=replace(NONE, **how),
        config=CONFIG,
    )[0]


def centres() -> np.ndarray:
    """Frequency in Hz at the peak of each band."""
    return mel_filterbank(CONFIG).argmax(axis=1) * CONFIG.sample_rate / CONFIG.n_fft


def test_nothing_asked_for_is_the_windows_own_frames() -> None:
    bands = windows()
    np.testing.assert_array_equal(changed(bands), bands[:, MARGIN : MARGIN + FRAMES])


def test_a_shift_is_by_whole_frames_either_way() -> None:
    bands = windows(rows=200)
    found = changed(bands, shift_frames=3)
    for row, own in enumerate(found):
        moved = [
            np.array_equal(own, bands[row, MARGIN + shift :][:FRAMES]) for shift in range(-3, 4)
        ]
        assert sum(moved) == 1
    firsts = np.argmin(np.abs(bands[:, MARGIN - 3 : MARGIN + 4] - found[:, :1]).sum(axis=2), axis=1)
    assert set(firsts) == set(range(7))


def test_a_faster_pace_reads_on_between_frames_and_holds_the_last() -> None:
    count = FRAMES + 2 * MARGIN
    ramp = np.repeat(np.arange(count, dtype=np.float32)[:, None], CONFIG.n_mels, axis=1)
    fast = changed(ramp[None], Highest(), stretch=0.2)[0, :, 0]
    np.testing.assert_allclose(fast, MARGIN + 1.2 * np.arange(FRAMES), atol=1e-4)
    beyond = changed(ramp[None], Highest(), stretch=0.9)[0, :, 0]
    np.testing.assert_allclose(
        beyond, np.minimum(MARGIN + 1.9 * np.arange(FRAMES), count - 1), atol=1e-4
    )
    paces = np.diff(changed(np.tile(ramp, (300, 1, 1)), stretch=0.2)[:, :10, 0], axis=1)
    assert 0.8 <= paces.min() < 0.83 and 1.17 < paces.max() < 1.2001


def test_a_warp_of_an_octave_moves_a_tone_by_an_octave() -> None:
    at = int(np.argmin(np.abs(centres() - 3000)))
    bands = np.full((1, FRAMES + 2 * MARGIN, CONFIG.n_mels), -80, np.float32)
    bands[..., at] = -20
    found = changed(bands, Highest(), warp_octaves=1.0)[0]
    assert (found == found[0]).all()
    moved = abs(np.log2(centres()[found[0].argmax()] / centres()[at]))
    assert moved == pytest.approx(1, abs=0.06)
    peaks = changed(np.tile(bands, (400, 1, 1)), warp_octaves=0.5)[:, 0].argmax(axis=1)
    octaves = np.log2(centres()[peaks] / centres()[at])
    assert -0.6 < octaves.min() < -0.4 and 0.4 < octaves.max() < 0.6


def test_an_equaliser_is_smooth_and_the_same_for_all_frames() -> None:
    bands = windows(rows=300)
    added = changed(bands, equaliser_db=6.0) - bands[:, MARGIN : MARGIN + FRAMES]
    np.testing.assert_allclose(added, added[:, :1].repeat(FRAMES, axis=1), atol=1e-4)
    response = added[:, 0]
    assert response[:, [0, -1]].std() == pytest.approx(6, rel=0.15)
    assert abs(np.diff(response, axis=1)).max() < 6  # of 40 bands, against the 10 of white noise
    assert len(np.unique(response[:, 0])) == 300


@pytest.mark.parametrize("snr_db", [0.0, 15.0])
def test_noise_has_the_ratio_asked_for(snr_db: float) -> None:
    bands = windows(rows=20)
    found = changed(bands, noise_probability=1.0, noise_snr_db=(snr_db, snr_db))
    clean = 10 ** (bands[:, MARGIN : MARGIN + FRAMES].astype(float) / 10)
    added = 10 ** (found.astype(float) / 10) - clean
    bins = (mel_filterbank(CONFIG) > 0).sum(axis=1)
    ratio = (clean * bins).sum(axis=(1, 2)) / (added * bins).sum(axis=(1, 2))
    np.testing.assert_allclose(10 * np.log10(ratio), snr_db, atol=0.5)


def test_noise_comes_as_often_as_asked_and_scatters_less_in_wide_bands() -> None:
    silent = np.full((400, FRAMES + 2 * MARGIN, CONFIG.n_mels), -60, np.float32)
    found = changed(silent, noise_probability=0.25, noise_snr_db=(-20.0, -20.0))
    noisy = (found != -60).any(axis=(1, 2))
    assert noisy.mean() == pytest.approx(0.25, abs=0.07)
    assert (found[noisy] != -60).mean() > 0.9
    scatter = found[noisy].std(axis=1).mean(axis=0)
    assert scatter[:4].mean() > 1.5 * scatter[-4:].mean()


def test_the_same_generator_gives_the_same_version() -> None:
    bands = windows(rows=8)

    def version(seed: int) -> np.ndarray:
        return frame_augment.augment_frames(
            bands,
            np.random.default_rng(seed),
            augmentation=FrameAugmentConfig(),
            config=CONFIG,
        )[0]

    before = bands.copy()
    first = version(1)
    np.testing.assert_array_equal(first, version(1))
    np.testing.assert_array_equal(bands, before)
    assert first.dtype == np.float32 and first.shape == (8, FRAMES, CONFIG.n_mels)
    assert (first != version(2)).any(axis=(1, 2)).all()


def test_a_window_repeats_the_first_frame_before_and_is_silent_after() -> None:
    recording = np.random.default_rng(0).uniform(-60, -20, (30, CONFIG.n_mels))
    found = frame_augment.window(recording, 5, CONFIG)
    assert found.shape == (FRAMES + 2 * MARGIN, CONFIG.n_mels) and found.dtype == np.float32
    begins = MARGIN - 5  # where the recording's first frame is
    np.testing.assert_array_equal(
        found[: begins + 1], np.tile(np.float32(recording[0]), (begins + 1, 1))
    )
    np.testing.assert_array_equal(found[begins : begins + 30], recording.astype(np.float32))
    assert (found[begins + 30 :] == np.float32(EMPTY_DB)).all()


def test_a_window_inside_a_long_recording_is_just_that_part() -> None:
    recording = np.random.default_rng(0).uniform(-60, -20, (3 * FRAMES, CONFIG.n_mels))
    found = frame_augment.window(recording, FRAMES, CONFIG)
    part = recording[FRAMES - MARGIN : 2 * FRAMES + MARGIN]
    np.testing.assert_array_equal(found, part.astype(np.float32))


def test_nonspeech_is_finite_new_every_time_and_sets_in_at_the_preroll() -> None:
    sounds = frame_augment.nonspeech(150, np.random.default_rng(0), CONFIG)
    assert sounds.shape == (150, FRAMES, CONFIG.n_mels) and sounds.dtype == np.float32
    assert np.isfinite(sounds).all() and sounds.min() >= np.float32(EMPTY_DB)
    assert len(np.unique(sounds[:, 0, 0])) == 150
    level = 10 * np.log10((10 ** (sounds.astype(float) / 10)).sum(axis=2))
    # How often a frame is 9 dB over the one before it, which the onset of speech has to be.
    leap = (np.diff(level, axis=1) > 9).mean(axis=0)
    assert leap[CONFIG.preroll_frames - 1] > 0.3
    assert leap[CONFIG.preroll_frames - 1] > 5 * np.median(leap)
    again = frame_augment.nonspeech(150, np.random.default_rng(0), CONFIG)
    np.testing.assert_array_equal(sounds, again)


@pytest.mark.parametrize(
    "bad",
    [
        {"shift_frames": -1},
        {"stretch": 1.0},
        {"warp_octaves": -0.1},
        {"equaliser_db": -1.0},
        {"noise_probability": 1.1},
        {"noise_snr_db": (20.0, 10.0)},
    ],
)
def test_a_bad_setting_is_refused(bad) -> None:
    with pytest.raises(DataError, match="frame_augmentation: expected"):
        FrameAugmentConfig(**bad)


def test_a_shift_beyond_the_margin_is_refused() -> None:
    with pytest.raises(DataError, match=f"at most {MARGIN}, found {MARGIN + 1}"):
        changed(windows(), shift_frames=MARGIN + 1)
