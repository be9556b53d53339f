"""Every change does what its name says, by the numbers, and the same clip always the same."""

from __future__ import annotations

import numpy as np
import pytest

from ser_tinyml import features
from ser_tinyml.files import DataError
from ser_tinyml.sound import augment, degrade
from ser_tinyml.sound.degrade import CONDITIONS, RATE

SECOND = np.arange(RATE) / RATE


def tone(hertz: float, *, amplitude: float = 0.3) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * SECOND)


@pytest.fixture
def speech() -> np.ndarray:
    """A syllable of noise between pauses of a second each, at an RMS of 0.1."""
    noise = np.random.default_rng(3).normal(size=RATE)
    return np.concatenate([np.zeros(RATE), 0.1 * noise, np.zeros(RATE)]).astype(np.float32)


def change(samples: np.ndarray, name: str, **options) -> np.ndarray:
    return degrade.degrade(samples, name, **{"rate": RATE, "seed": 0, "key": "a/b", **options})


def decibel(after: np.ndarray, before: np.ndarray) -> float:
    """Level of one to the other, their ends left out."""
    inside = slice(RATE // 8, -RATE // 8)
    return 20 * np.log10(augment.rms(after[inside]) / augment.rms(before[inside]))


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_is_a_waveform_and_reproducible(name, speech) -> None:
    changed = change(speech, name)
    assert changed.dtype == np.float32 and changed.shape == speech.shape
    assert np.isfinite(changed).all() and np.abs(changed).max() <= 1
    np.testing.assert_array_equal(changed, change(speech, name))
    assert CONDITIONS[name].name == name
    silence = change(np.zeros(RATE, np.float32), name)
    assert np.isfinite(silence).all() and np.abs(silence).max() < 0.03
    assert len(change(speech[:100], name)) == 100


def test_what_is_drawn_depends_on_clip_and_seed_and_not_on_the_strength(speech) -> None:
    noise = change(speech, "white 0 dB") - speech
    weak = change(speech, "white 20 dB") - speech
    np.testing.assert_allclose(noise / 10, weak, atol=1e-6)
    for other in ({"seed": 1}, {"key": "a/c"}):
        different = change(speech, "white 0 dB", **other) - speech
        assert abs(np.corrcoef(noise, different)[0, 1]) < 0.05


def test_clean_is_the_clip_itself_and_no_gain_only_rounds(speech) -> None:
    np.testing.assert_array_equal(change(speech, "clean"), speech)
    assert 0 < np.abs(change(speech, "gain +0 dB") - speech).max() <= 0.5 / 32768 + 1e-8


def test_gains_clip_and_lose_bits() -> None:
    loud, quiet = tone(440, amplitude=0.5), tone(440, amplitude=0.001)
    clipped = change(loud, "gain +10 dB")
    assert clipped.max() == pytest.approx(32767 / 32768) and clipped.min() == -1
    assert np.mean(np.abs(clipped) > 0.999) > 0.5
    left = change(quiet, "gain -30 dB")
    assert set(np.unique(left * 32768)) == {-1, 0, 1}
    assert decibel(change(loud, "gain -20 dB"), loud) == pytest.approx(-20, abs=0.01)


def test_pauses_are_not_speech(speech) -> None:
    assert degrade.speech_level(speech) == pytest.approx(0.1, rel=0.03)
    assert degrade.speech_level(speech[RATE : 2 * RATE]) == pytest.approx(0.1, rel=0.03)
    assert degrade.speech_level(0.01 * speech) == pytest.approx(0.001, rel=0.03)


@pytest.mark.parametrize("colour", ["white", "pink"])
@pytest.mark.parametrize("snr_db", [20, 0])
def test_noise_has_the_ratio_to_the_speech(speech, colour, snr_db) -> None:
    noise = change(speech, f"{colour} {snr_db} dB") - speech
    ratio = 20 * np.log10(degrade.speech_level(speech) / augment.rms(noise))
    assert ratio == pytest.approx(snr_db, abs=0.05)


def test_pink_noise_is_pink_and_does_not_rumble(speech) -> None:
    power = np.abs(np.fft.rfft(change(np.tile(speech, 20), "pink 0 dB", key="long"))) ** 2
    hertz = np.arange(len(power)) * RATE / (60 * RATE)
    clean = np.abs(np.fft.rfft(np.tile(speech, 20))) ** 2

    def band(low: float, high: float) -> float:
        chosen = (hertz >= low) & (hertz < high)
        return 10 * np.log10(power[chosen].mean() - clean[chosen].mean())

    assert band(200, 400) - band(400, 800) == pytest.approx(3, abs=0.7)
    assert band(5, 10) < band(100, 200) - 15


def test_noise_that_does_not_fit_makes_all_quieter_and_clips_nothing(speech) -> None:
    loud = 5 * speech / np.abs(5 * speech).max()
    noisy = change(loud, "white 0 dB")
    assert np.abs(noisy).max() == 1
    assert np.mean(np.abs(noisy) > 0.999) < 1e-3


@pytest.mark.parametrize(("hertz", "low", "high"), [(3500, -0.1, 0.1), (4500, -200, -50)])
def test_the_band_ends_at_four_kilohertz(hertz, low, high) -> None:
    assert low <= decibel(change(tone(hertz), "band 4 kHz"), tone(hertz)) <= high


def test_the_band_does_not_delay() -> None:
    np.testing.assert_allclose(
        change(tone(500), "band 4 kHz")[500:-500], tone(500)[500:-500], atol=1e-3
    )


@pytest.mark.parametrize("room", degrade.ROOMS, ids=lambda room: f"{room.t60_s} s")
def test_rooms_decay_as_they_say_and_the_direct_sound_comes_first(room) -> None:
    response = degrade.room_response(room)
    assert degrade.reverberation_time(response) == pytest.approx(room.t60_s, rel=0.02)
    assert np.abs(response).argmax() == 0
    assert response[0] == pytest.approx(1, abs=0.1)


def test_the_first_reflections_come_when_geometry_says() -> None:
    """Speaker and microphone far from all walls but the floor, 1 m apart and 1 m above it."""
    room = degrade.Room(
        size_m=(30, 20, 10), source_m=(14.5, 10, 1), microphone_m=(15.5, 10, 1), t60_s=0.8
    )
    response = degrade.room_response(room)
    floor = round((5**0.5 - 1) / degrade.SPEED_OF_SOUND * RATE)
    early = np.abs(response[20:500])
    assert abs(20 + early.argmax() - floor) <= 1
    loud = np.linalg.norm(response[floor - 8 : floor + 9])
    assert 0.5 / 5**0.5 < loud < 0.9 / 5**0.5  # farther, and weakened by one wall
    others = np.delete(early, np.arange(floor - 25, floor - 14))
    assert others.max() < 0.15


def test_a_room_whose_decay_no_walls_give_is_refused() -> None:
    """Hardly an echo in a large room: there is no decay to speak of."""
    room = degrade.Room(
        size_m=(30, 20, 10), source_m=(14.5, 10, 1), microphone_m=(15.5, 10, 1), t60_s=0.3
    )
    with pytest.raises(DataError, match="expected a decay of 0.3 s"):
        degrade.room_response(room)


def test_decay_time_of_a_decay_that_is_known() -> None:
    noise = np.random.default_rng(0).normal(size=RATE)
    assert degrade.reverberation_time(noise * 10 ** (-3 * SECOND / 0.4)) == pytest.approx(
        0.4, rel=0.05
    )


def test_a_room_fills_the_pause_after_speech(speech) -> None:
    small, large = (change(speech, f"room {t60} s") for t60 in (0.3, 0.5))
    at = slice(2 * RATE + RATE // 10, 2 * RATE + RATE // 5)  # 0.1 to 0.2 s after it
    before = slice(RATE // 2, RATE - 100)
    assert augment.rms(small[before]) < 1e-6
    assert 0 < augment.rms(small[at]) < augment.rms(large[at]) < degrade.speech_level(large)


def test_the_microphone_has_its_level_noise_and_offset() -> None:
    sound = tone(500)
    heard = change(sound, "pdm 60 dB SPL")
    assert np.mean(heard) == pytest.approx(0.02, abs=1e-5)
    # 94 dB SPL is a sine 26 dB under full scale, so 60 dB SPL one 60 dB under it.
    power = 2 * np.abs(np.fft.rfft(heard - heard.mean())) ** 2 / RATE**2
    assert 10 * np.log10(2 * power[500]) == pytest.approx(-60, abs=0.2)
    # Its noise of 30 dB SPL, less what the droop takes, and the rounding.
    noise = power.sum() - power[500]
    assert 26 < 10 * np.log10(power[500] / noise) < 33


def test_the_microphone_droops_and_rolls_off() -> None:
    def loss(hertz: float) -> float:
        heard = degrade.pdm_microphone(tone(hertz), np.random.default_rng(0), speech_spl=110)
        middle = degrade.pdm_microphone(tone(1000), np.random.default_rng(0), speech_spl=110)
        return decibel(heard - heard.mean(), middle - middle.mean())

    assert loss(50) == pytest.approx(-3, abs=0.5)
    assert loss(100) == pytest.approx(-1, abs=0.3)
    assert loss(4000) == pytest.approx(-2.7, abs=0.3)
    assert loss(7900) == pytest.approx(-11.5, abs=0.5)


def test_a_constant_offset_does_not_reach_the_features(speech) -> None:
    """The lowest mel band begins above what an offset leaks into."""
    config = features.preset("default")
    bare, shifted = (
        features.waveform_features(
            degrade.pdm_microphone(speech, np.random.default_rng(0), speech_spl=60, offset=offset),
            config,
        )
        for offset in (0, 655 / 32768)
    )
    np.testing.assert_allclose(bare, shifted, atol=1e-2)


def test_the_table_names_every_curve() -> None:
    table = degrade.table(CONDITIONS)
    assert table["condition"].tolist() == list(CONDITIONS)
    gains = table[table["group"] == "gain"]
    assert gains["strength"].tolist() == [-30, -20, -10, 0, 10, 20]
    assert set(table[table["group"] == "noise"]["kind"]) == {"white", "pink"}
    assert set(table["group"]) == {"clean", "gain", "noise", "band", "room", "microphone"}


def test_wrong_input_is_named(speech) -> None:
    with pytest.raises(DataError, match="16000 Hz, found 22050"):
        change(speech, "clean", rate=22_050)
    with pytest.raises(DataError, match="underwater"):
        change(speech, "underwater")
    for wrong in (speech[:0], speech.reshape(2, -1), np.full(10, np.nan)):
        with pytest.raises(DataError, match="a/b: .*one channel"):
            change(wrong, "clean")
