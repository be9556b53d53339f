"""Pitch tracks follow the bands that they belong to, by the numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ser_tinyml.features import frame_augment, mel_filterbank, preset, track_augment
from ser_tinyml.features.frame_augment import NONE, FrameAugmentConfig

CONFIG = preset("default", pitch=True)
MARGIN = frame_augment.margin(CONFIG)
LENGTH = CONFIG.n_frames + 2 * MARGIN


def both(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Bands whose first is the number of the frame, and tracks whose F0 is; all voiced."""
    rng = np.random.default_rng(0)
    bands = rng.uniform(-60, -20, (rows, LENGTH, CONFIG.n_mels)).astype(np.float32)
    bands[:, :, 0] = np.arange(LENGTH)
    tracks = np.full((rows, LENGTH, 2), 0.9, np.float32)
    tracks[:, :, 0] = np.arange(LENGTH)
    return bands, tracks


def changed(rows: int = 40, seed: int = 1, **how) -> tuple[np.ndarray, np.ndarray]:
    bands, tracks = both(rows)
    before = bands.copy(), tracks.copy()
    found = frame_augment.augment_frames(
        bands,
        np.random.default_rng(seed),
        augmentation=replace(NONE, **how),
        config=CONFIG,
        tracks=tracks,
    )
    np.testing.assert_array_equal(bands, before[0])
    np.testing.assert_array_equal(tracks, before[1])
    return found


def test_shifted_and_stretched_they_are_those_of_the_nearest_frame() -> None:
    bands, tracks = changed(shift_frames=4, stretch=0.2)
    assert tracks.shape == (40, CONFIG.n_frames, 2) and tracks.dtype == np.float32
    assert abs(tracks[:, :, 0] - bands[:, :, 0]).max() <= 0.5001
    assert len(np.unique(tracks[:, 5, 0])) > 4 and (tracks[:, :, 1] == np.float32(0.9)).all()


def test_a_warp_moves_f0_where_it_moves_a_tone() -> None:
    centre = mel_filterbank(CONFIG).argmax(axis=1) * CONFIG.sample_rate / CONFIG.n_fft
    at = int(np.argmin(np.abs(centre - 3000)))
    bands = np.full((60, LENGTH, CONFIG.n_mels), -80, np.float32)
    bands[..., at] = -20
    found, tracks = frame_augment.augment_frames(
        bands,
        np.random.default_rng(0),
        augmentation=replace(NONE, warp_octaves=0.6),
        config=CONFIG,
        tracks=np.zeros((60, LENGTH, 2), np.float32),
    )
    moved = np.log2(centre[found[:, 0].argmax(axis=1)] / centre[at])
    assert np.ptp(moved) > 0.8
    np.testing.assert_allclose(tracks[:, 0, 0], moved, atol=0.08)


def test_without_a_track_the_same_is_drawn_for_the_bands() -> None:
    how = FrameAugmentConfig(noise_probability=0.0)
    bands, tracks = both(8)
    one, nothing = frame_augment.augment_frames(
        bands, np.random.default_rng(3), augmentation=how, config=CONFIG
    )
    other, _ = frame_augment.augment_frames(
        bands, np.random.default_rng(3), augmentation=how, config=CONFIG, tracks=tracks
    )
    assert nothing is None
    np.testing.assert_array_equal(one, other)


def falling(rows: int) -> np.ndarray:
    """Bands as steady speech has them, most of it low."""
    bands = np.broadcast_to(np.linspace(-20, -60, CONFIG.n_mels), (rows, LENGTH, CONFIG.n_mels))
    return bands.astype(np.float32)


def test_noise_takes_voicing_by_how_much_of_it_there_is() -> None:
    median = []
    _, own = both(40)
    for snr in (40.0, 20.0, 10.0, 0.0, -20.0):
        _, tracks = frame_augment.augment_frames(
            falling(40),
            np.random.default_rng(1),
            augmentation=replace(NONE, noise_probability=1.0, noise_snr_db=(snr, snr)),
            config=CONFIG,
            tracks=own,
        )
        median.append(np.median(tracks[..., 1]))
        wrong = abs(tracks[..., 0] - (MARGIN + np.arange(CONFIG.n_frames))) > 0.3
        if snr == 40:
            assert median[-1] > 0.85 and wrong.mean() < 0.01
    assert (np.diff(median) < 0).all() and median[-1] < 0.35
    assert wrong.mean() > 0.95  # chance is all that is left at -20 dB


def test_noise_comes_to_the_rows_whose_bands_have_it() -> None:
    bands, tracks = changed(noise_probability=0.5, noise_snr_db=(0.0, 0.0))
    noisy = (bands != changed()[0]).any(axis=(1, 2))
    assert 5 < noisy.sum() < 35
    np.testing.assert_array_equal((tracks[..., 1] != np.float32(0.9)).any(axis=1), noisy)


@pytest.mark.parametrize(
    ("share", "voiced", "wrong"),  # as measured, of frames with voicing 0.75 and more
    [
        (0.95, (0.95, 1.0), (0.0, 0.01)),
        (0.75, (0.5, 0.95), (0.05, 0.2)),
        (0.1, (0, 0.01), (0.6, 1)),
    ],
)
def test_what_is_found_in_noise_is_what_was_measured(share, voiced, wrong) -> None:
    tracks = np.full((1, 20_000, 2), [0.3, 0.75])
    found = track_augment.in_noise(tracks, np.full((1, 20_000), share), np.random.default_rng(0))
    assert voiced[0] <= (found[..., 1] >= 0.5).mean() <= voiced[1]
    off = found[..., 0] - np.float32(0.3)
    assert wrong[0] <= (abs(off) > 0.26).mean() <= wrong[1]
    if share == 0.75:
        assert (off < -0.9).sum() > 3 * (off > 0.9).sum() > 0
    assert found.min(axis=(0, 1))[1] >= 0 and found.max(axis=(0, 1))[1] <= 1


def test_sounds_without_speech_are_chance_and_some_tones() -> None:
    tracks = track_augment.of_noise(400, 94, np.random.default_rng(0))
    assert tracks.shape == (400, 94, 2) and tracks.dtype == np.float32
    assert tracks[..., 1].min() >= 0 and tracks[..., 1].max() <= 1
    tonal = (tracks[..., 1] > 0.5).any(axis=1)
    assert tonal.mean() == pytest.approx(0.38, abs=0.08)
    assert np.median(tracks[~tonal, :, 1]) == pytest.approx(0.24, abs=0.01)
    row = tracks[tonal][0]
    steady = np.diff(row[row[:, 1] > 0.5, 0])
    assert (abs(steady) < 0.1).mean() > 0.8
    np.testing.assert_array_equal(tracks, track_augment.of_noise(400, 94, np.random.default_rng(0)))


def test_a_window_has_no_voice_before_the_recording_or_after_it() -> None:
    track = np.random.default_rng(0).uniform(0.1, 1, (30, 2)).astype(np.float32)
    found = frame_augment.track_window(track, 5, CONFIG)
    assert found.shape == (LENGTH, 2) and found.dtype == np.float32
    begins = MARGIN - 5
    np.testing.assert_array_equal(found[begins : begins + 30], track)
    assert not found[:begins].any() and not found[begins + 30 :].any()
