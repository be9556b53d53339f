"""Augmentation does what it says, by the numbers."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from ser_tinyml.files import DataError
from ser_tinyml.sound import augment

RATE = 16_000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def tone() -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)


def test_noise_has_the_snr_asked_for(tone, rng) -> None:
    noisy = augment.add_noise(tone, augment.coloured_noise(len(tone), rng, exponent=0), snr_db=12)
    snr = 20 * np.log10(augment.rms(tone) / augment.rms(noisy - tone))
    assert snr == pytest.approx(12, abs=0.01)


def test_pink_noise_falls_by_three_decibels_an_octave(rng) -> None:
    power = np.abs(np.fft.rfft(augment.coloured_noise(2**18, rng, exponent=1))) ** 2
    low, high = power[2**10 : 2**11].mean(), power[2**11 : 2**12].mean()
    assert 10 * np.log10(low / high) == pytest.approx(3, abs=0.5)


def test_hum_is_at_the_mains_frequency(rng) -> None:
    power = np.abs(np.fft.rfft(augment.mains_hum(RATE, rng, sample_rate=RATE))) ** 2
    assert np.argmax(power) in (50, 60)


def test_gain_clips_at_full_scale(tone) -> None:
    assert np.abs(augment.gain(tone, decibel=6)).max() == pytest.approx(0.6, rel=0.01)
    assert np.abs(augment.gain(tone, decibel=40)).max() == 1


def test_overdrive_goes_over_full_scale_however_quiet_the_clip(tone) -> None:
    loud = augment.overdrive(0.01 * tone, decibel=6)
    assert np.abs(loud).max() == 1
    assert np.mean(np.abs(loud) == 1) == pytest.approx(2 / 3, abs=0.01)  # of a sine, over 1/2
    assert not augment.overdrive(np.zeros(10), decibel=6).any()


def test_a_room_keeps_the_direct_sound_and_dies_away_in_time(rng) -> None:
    click = np.zeros(RATE)
    click[100] = 1.0
    heard = augment.room(click, rng, t60_s=0.4, ratio_db=3.0, sample_rate=RATE)
    assert len(heard) == len(click) and heard[100] == pytest.approx(1)
    assert np.abs(heard[:100]).max() < 1e-9 and np.abs(heard[101:132]).max() < 1e-9
    tail = heard[101:]
    assert -10 * np.log10(np.sum(tail**2)) == pytest.approx(3, abs=0.01)
    early, late = augment.rms(tail[1000:2000]), augment.rms(tail[4200:5200])  # 0.2 s apart
    assert 20 * np.log10(early / late) == pytest.approx(30, abs=3)


def test_band_limit_keeps_what_is_below(tone) -> None:
    kept = augment.band_limit(tone, hertz=3000, sample_rate=RATE)
    np.testing.assert_allclose(kept, tone, atol=1e-4)
    high = np.sin(2 * np.pi * 6000 * np.arange(RATE) / RATE)
    left = augment.rms(augment.band_limit(high, hertz=3000, sample_rate=RATE))
    assert 20 * np.log10(augment.rms(high) / left) == pytest.approx(48, abs=1)


def test_shift_moves_both_ways(tone) -> None:
    later = augment.shift(tone, seconds=0.1, sample_rate=RATE)
    assert not later[:1600].any() and (later[1600:] == tone).all()
    earlier = augment.shift(tone, seconds=-0.1, sample_rate=RATE)
    assert (earlier == tone[1600:]).all()
    assert len(augment.shift(tone, seconds=-100, sample_rate=RATE)) == 1


def test_original_recipe(tone, rng) -> None:
    noisy = augment.original_noise(tone, rng)
    assert 0 < np.std(noisy - tone) <= 0.5 * tone.max() * 1.05
    assert len(augment.original_stretch_pitch(noisy, sample_rate=RATE)) == RATE / 0.8
    long = np.tile(noisy, 2)
    assert len(augment.original_stretch_pitch(long, sample_rate=RATE)) == 24_000


def test_backgrounds_are_read_and_used(tmp_path, tone, rng) -> None:
    noise = 0.1 * rng.normal(size=3 * RATE)
    soundfile.write(tmp_path / "running_tap.wav", noise, 44_100)
    (tmp_path / "about.txt").write_text("a tap, running")
    found = augment.read_backgrounds(tmp_path, sample_rate=RATE)
    assert {name: len(samples) for name, samples in found.items()} == {
        "running tap": -(-len(noise) * RATE // 44_100)
    }
    recordings = [*found.values()]
    piece = augment.background(2 * RATE, rng, sample_rate=RATE, recordings=recordings)
    assert len(piece) == 2 * RATE and augment.rms(piece) == pytest.approx(1)
    recording = np.resize(found["running tap"], 2 * RATE)  # shorter than the piece: from its start
    assert np.corrcoef(piece, recording)[0, 1] == pytest.approx(1)
    (tmp_path / "running_tap.wav").unlink()
    with pytest.raises(DataError, match="background recordings"):
        augment.read_backgrounds(tmp_path, sample_rate=RATE)


def test_the_same_generator_gives_the_same_version(tone) -> None:
    def version(seed: int) -> np.ndarray:
        return augment.augment(
            tone,
            np.random.default_rng(seed),
            config=augment.AugmentConfig(),
            sample_rate=RATE,
            backgrounds=[],
        )

    np.testing.assert_array_equal(version(1), version(1))
    assert version(1).dtype == np.float32
    assert len(version(1)) != len(version(2)) or not np.array_equal(version(1), version(2))
