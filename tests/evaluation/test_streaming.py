"""Scores of the streaming path: made-up decisions and sounds whose answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import small_firmware as small

from ser_tinyml.device.listener import Listener, Utterance
from ser_tinyml.evaluation import streaming
from ser_tinyml.evaluation.streaming import Recording, Sound
from ser_tinyml.files import DataError
from ser_tinyml.plots import streaming as plots
from ser_tinyml.sound import augment
from ser_tinyml.tflite.release import Release

RATE = small.CONFIG.sample_rate
CLASSES = list(small.LABELS)


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def release(threshold: float = 0.0) -> Release:
    return replace(small.release(), threshold=threshold)


def song(seconds: float) -> np.ndarray:
    """A tone that is loud and less loud in turn, full scale 1."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.where(time % 0.3 < 0.15, 0.1, 0.015) * np.sin(2 * np.pi * 600 * time)


def utterance(probabilities: list[float], steps: int, voice_frames: int = 9) -> Utterance:
    values = np.array(probabilities, np.float32)
    label = CLASSES[int(values.argmax())]
    return Utterance(0.0, 1.0, 1.0, steps, voice_frames, values, label, True, [])


def line(label: str, predicted: str, *, answered: bool, delay_s: float) -> dict[str, object]:
    decided = predicted != ""
    return {
        "key": "",
        "label": label,
        "windows": 2,
        "decisions": int(decided),
        "predicted": predicted,
        "answered": answered,
        "delay_s": delay_s,
    }


def table() -> pd.DataFrame:
    return pd.DataFrame(
        [
            line("calm", "calm", answered=True, delay_s=0.5),
            line("calm", "glad", answered=False, delay_s=0.7),
            line("cross", "cross", answered=True, delay_s=0.6),
            line("glad", "", answered=False, delay_s=np.nan),
        ]
    )


def test_a_recording_is_played_in_a_quiet_room() -> None:
    samples = np.full(RATE, 0.5)
    played = streaming.play(samples, rate=RATE, seed=0)
    assert len(played) == len(samples) + 3.5 * RATE and played.dtype == np.float32
    before, after = played[: round(1.5 * RATE)], played[round(2.5 * RATE) :]
    for room in (before, after, played[len(before) :][:RATE] - 0.5):
        assert 20 * np.log10(augment.rms(room)) == pytest.approx(-70, abs=0.3)
    silent = streaming.play(samples, rate=RATE, seed=0, room_db=None, before_s=0.25, after_s=0)
    np.testing.assert_array_equal(silent, np.pad(samples, (RATE // 4, 0)))


def test_speech_ends_with_the_last_frame_within_30_db() -> None:
    samples = np.zeros(2 * RATE)
    samples[RATE // 2 : RATE] = 0.5 * np.sin(np.arange(RATE // 2))
    samples[RATE : RATE + RATE // 2] = 0.005 * np.sin(np.arange(RATE // 2))  # 40 dB below
    assert streaming.speech_end(samples, rate=RATE) == pytest.approx(1.0, abs=0.035)
    louder = samples.copy()
    louder[RATE:] *= 10  # 20 dB below
    assert streaming.speech_end(louder, rate=RATE) == pytest.approx(1.5, abs=0.035)
    assert streaming.speech_end(7 * samples, rate=RATE) == streaming.speech_end(samples, rate=RATE)
    assert streaming.speech_end(np.ones(10), rate=RATE) == 512 / RATE


def test_decisions_are_weighted_by_their_steps() -> None:
    few, many = utterance([0.9, 0.1, 0.0], 15, 3), utterance([0.2, 0.8, 0.0], 45, 20)
    probabilities, voice_frames = streaming.combined([few, many])
    np.testing.assert_allclose(probabilities, [0.375, 0.625, 0.0], rtol=1e-6)
    assert voice_frames == 20
    np.testing.assert_array_equal(streaming.combined([few])[0], few.probabilities)


def test_every_recording_has_a_line() -> None:
    recordings = [
        Recording("song", song(1.0), RATE, "calm"),
        Recording("knock", song(0.03), RATE, "cross"),
        Recording("hiss", np.random.default_rng(0).normal(0, 0.05, RATE), RATE, "glad"),
    ]
    found = streaming.evaluate(release(), recordings)
    assert list(found.columns) == list(streaming.RECORDING_COLUMNS)
    sung, knock, hiss = found.to_dict("records")
    heard = Listener(release()).listen(
        streaming.play(song(1.0), rate=RATE, seed=[0, _own("song")]), rate=RATE
    )
    probabilities, voice_frames = streaming.combined(heard.utterances)
    assert sung["probability"] == pytest.approx(probabilities.max())
    assert sung["predicted"] == CLASSES[int(probabilities.argmax())]
    assert sung["answered"] and sung["voice_frames"] == voice_frames >= 8
    assert sung["windows"] == len(heard.windows) and sung["decisions"] == len(heard.utterances)
    assert sung["speech_end_s"] == pytest.approx(2.5, abs=0.04)
    assert sung["delay_s"] == pytest.approx(sung["decided_s"] - sung["speech_end_s"])
    assert 0 < sung["delay_s"] < 0.7
    assert (knock["label"], knock["speech_end_s"] < 1.6) == ("cross", True)
    assert not knock["answered"] and not hiss["answered"]
    assert hiss["decisions"] > 0 and hiss["voice_frames"] < 8


def _own(key: str) -> int:
    return int(streaming.files.sha256_bytes(key.encode())[:16], 16)


def test_the_order_of_recordings_does_not_matter() -> None:
    pair = [Recording("a", song(1.0), RATE, "calm"), Recording("b", song(0.7), RATE, "glad")]
    there = streaming.evaluate(release(), pair)
    back = streaming.evaluate(release(), pair[::-1])
    pd.testing.assert_frame_equal(there, back[::-1].reset_index(drop=True))


def test_below_the_threshold_nothing_is_answered() -> None:
    found = streaming.evaluate(release(1.0), [Recording("a", song(1.0), RATE, "calm")])
    assert found["decisions"][0] > 0 and not found["answered"][0]


def test_wrong_recordings_are_refused() -> None:
    with pytest.raises(DataError, match="a: expected one of .*found 'sad'"):
        streaming.evaluate(release(), [Recording("a", song(1.0), RATE, "sad")])
    with pytest.raises(DataError, match="expected recordings, found none"):
        streaming.evaluate(release(), [])
    with pytest.raises(DataError, match="expected sounds, found none"):
        streaming.false_alarms(release(), [])


def test_no_decision_is_wrong_and_an_unsure_one_counts() -> None:
    found = streaming.scores(table(), classes=CLASSES)
    assert (found["recordings"], found["decided"], found["answered"]) == (4, 0.75, 0.5)
    assert found["accuracy"] == 0.5
    assert found["uar"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["answered_accuracy"] == found["answered_uar"] == 1
    assert found["delay_median_s"] == pytest.approx(0.6)
    assert found["delay_90_s"] == pytest.approx(0.68)
    assert (found["windows"], found["decisions"]) == (2, 0.75)


def test_scores_of_silence() -> None:
    found = streaming.scores(table().iloc[3:], classes=CLASSES)
    assert found["uar"] == 0 and found["answered_uar"] is None and found["delay_90_s"] is None


def test_false_alarms_are_counted_an_hour() -> None:
    quarter = np.zeros(20 * RATE)
    sung = quarter.copy()
    sung[3 * RATE : 4 * RATE] = song(1.0)
    hiss = quarter.copy()
    hiss[3 * RATE : 4 * RATE] = np.random.default_rng(0).normal(0, 0.05, RATE)
    sounds = [Sound("song", sung, RATE), Sound("hiss", hiss, RATE), Sound("song", sung, RATE)]
    found = streaming.false_alarms(release(), [*sounds, Sound(streaming.SILENCE, quarter, RATE)])
    assert list(found.columns) == list(streaming.ALARM_COLUMNS)
    assert found["kind"].tolist() == ["song", "hiss", streaming.SILENCE, streaming.ALL]
    by = found.set_index("kind")
    np.testing.assert_allclose(by["hours"], np.array([2, 1, 1, 4]) * 20 / 3600)
    assert by["onsets"].tolist() == [2, 1, 0, 3]
    assert by.loc["song", "answered"] > 0 == by.loc["hiss", "answered"]
    assert by.loc["hiss", "decisions"] > 0
    assert (by["answered"] <= by["shown"]).all() and (by["shown"] <= by["decisions"]).all()
    assert (by["decisions"] <= by["windows"]).all()
    for name in ("onsets", "windows", "shown", "answered"):
        assert by[name].iloc[-1] == by[name].iloc[:-1].sum()
        np.testing.assert_allclose(by[f"{name}_per_hour"], by[name] / by["hours"])


def test_sounds_without_speech_share_the_time() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE)
    sounds = list(streaming.non_speech({"tap": noise}, rate=RATE, hours=0.02))
    seconds: dict[str, float] = {}
    for sound in sounds:
        seconds[sound.kind] = seconds.get(sound.kind, 0) + len(sound.samples) / RATE
    expected = {"tap", "white noise", "pink noise", "brown noise", "mains hum", streaming.SILENCE}
    assert seconds.keys() == expected
    np.testing.assert_allclose(list(seconds.values()), 12, atol=0.01)
    levels = [20 * np.log10(augment.rms(s.samples)) for s in sounds if s.kind == "brown noise"]
    np.testing.assert_allclose(levels, streaming.LEVELS_DB, atol=0.01)
    taps = [sound.samples for sound in sounds if sound.kind == "tap"]
    np.testing.assert_allclose(taps[0][RATE : 2 * RATE], noise)
    np.testing.assert_allclose(taps[1], taps[0] * 10 ** (-12 / 20), atol=1e-12)
    again = list(streaming.non_speech({"tap": noise}, rate=RATE, hours=0.02))
    assert all((a.samples == b.samples).all() for a, b in zip(sounds, again, strict=True))
    with pytest.raises(DataError, match="names of their own, found ..mains hum"):
        next(streaming.non_speech({"mains hum": noise}, rate=RATE))


def test_timeline_shows_every_decision() -> None:
    hearing = Listener(release())
    samples = streaming.play(song(1.0), rate=RATE, seed=0)
    heard = hearing.listen(samples, rate=RATE)
    look = {"rate": RATE, "config": small.CONFIG, "labels": CLASSES}
    look["threshold"] = hearing.release.threshold
    figure = plots.timeline(samples, heard, speech_end_s=2.5, **look)
    dotted = figure.axes[2].get_lines()[-2]  # the last is the end of speech
    assert list(dotted.get_ydata()) == [hearing.release.threshold] * 2
    texts = [text.get_text().strip() for text in figure.axes[2].texts]
    assert texts == [u.label if u.answered else "unsure" for u in heard.utterances]
    assert "unsure" in texts and set(texts) & set(CLASSES)
    assert figure.axes[0].texts[0].get_text().strip() == "end of speech"
    lines = figure.axes[2].get_lines()
    assert sum(len(line.get_xdata()) == 12 for line in lines) == 3 * len(heard.utterances)
    silence = hearing.listen(np.zeros(RATE), rate=RATE)
    plots.timeline(np.zeros(RATE), silence, **look)


def test_histogram_holds_every_delay() -> None:
    axis = plots.delays(table()).axes[0]
    assert sum(bar.get_height() for bar in axis.patches) == 3
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [
        "median: 0.60 s",
        "90 %: 0.68 s",
    ]
    assert "(3 recordings)" in axis.get_title()
    assert "(0 recordings)" in plots.delays(table().iloc[3:]).axes[0].get_title()


def test_bars_are_the_alarms() -> None:
    found = pd.DataFrame(
        {
            "kind": ["tap", "all"],
            "hours": [0.5, 1.0],
            "windows_per_hour": [40.0, 20.0],
            "answered_per_hour": [4.0, 2.0],
        }
    )
    axis = plots.false_alarms(found).axes[0]
    assert [bar.get_width() for bar in axis.patches] == [40, 20, 4, 2]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["tap", "all, 1 h"]
