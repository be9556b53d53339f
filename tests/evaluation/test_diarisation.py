"""Emotion diarisation: streams whose truth is known, and errors counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.device.listener import Utterance
from ser_tinyml.evaluation import streaming
from ser_tinyml.evaluation.streaming import Recording
from ser_tinyml.evaluation.streams import diarisation
from ser_tinyml.evaluation.streams.diarisation import ANSWER, GUESS, Segment
from ser_tinyml.files import DataError

RATE = 16_000


def spoken(label: str, *, lead_s: float, speech_s: float, tail_s: float = 0.2) -> Recording:
    """Silence, a tone, silence."""
    time = np.arange(round(speech_s * RATE)) / RATE
    tone = 0.2 * np.sin(2 * np.pi * 300 * time)
    samples = np.pad(tone, (round(lead_s * RATE), round(tail_s * RATE))).astype(np.float32)
    return Recording(label, samples, RATE, label)


def test_speech_is_where_it_was_put_and_pauses_are_drawn() -> None:
    recordings = [
        spoken("happy", lead_s=0.3, speech_s=1.0),
        spoken("sad", lead_s=0.1, speech_s=0.5),
    ]
    samples, segments = diarisation.stream(recordings, np.random.default_rng(0))
    again, same = diarisation.stream(recordings, np.random.default_rng(0))
    np.testing.assert_array_equal(samples, again)
    assert segments == same and [one.label for one in segments] == ["happy", "sad"]
    first, second = segments
    near = {"abs": streaming.SPEECH_FRAME_S}
    assert first.start_s == pytest.approx(streaming.BEFORE_S + 0.3, **near)
    assert first.end_s == pytest.approx(streaming.BEFORE_S + 1.3, **near)
    pause_s = second.start_s - 0.1 - (first.end_s + 0.2)
    low, high = diarisation.PAUSE_S
    assert low - near["abs"] <= pause_s <= high + near["abs"]
    loud = np.flatnonzero(np.abs(samples) > 0.1) / RATE
    assert loud.min() == pytest.approx(first.start_s, **near)
    assert loud.max() == pytest.approx(second.end_s, **near)


def test_recordings_of_two_rates_make_no_stream() -> None:
    one = spoken("happy", lead_s=0, speech_s=0.5)
    with pytest.raises(DataError, match=r"one rate, found \[8000, 16000\]"):
        diarisation.stream([one, one._replace(rate=8_000)], np.random.default_rng(0))


def test_each_kind_of_error_is_counted_in_seconds() -> None:
    truth = [Segment(1, 3, "a"), Segment(4, 5, "b")]
    perfect = diarisation.errors(truth, truth)
    assert perfect == {"speech_s": 3, "missed_s": 0, "false_alarm_s": 0, "confused_s": 0}
    found = [Segment(1.5, 3.5, "a"), Segment(4, 4.5, "a")]
    errors = diarisation.errors(truth, found)
    assert errors == pytest.approx(
        {"speech_s": 3, "missed_s": 1.0, "false_alarm_s": 0.5, "confused_s": 0.5}
    )
    nothing = diarisation.errors(truth, [])
    assert nothing["missed_s"] == nothing["speech_s"] == 3


def test_a_boundary_is_as_far_off_as_the_nearest_that_was_found() -> None:
    truth = [Segment(1, 3, "a"), Segment(4, 5, "b")]
    found = [Segment(1.1, 2.8, "a")]
    assert diarisation.boundaries(truth, found) == pytest.approx([0.1, 0.2, 1.2, 2.2])
    assert np.isnan(diarisation.boundaries(truth, [])).all()


def utterance(start_s: float, end_s: float, label: str, *, answered: bool) -> Utterance:
    return Utterance(start_s, end_s, end_s, 5, 9, np.array([0.5, 0.5]), label, answered, [])


def test_the_quiet_that_closes_a_window_is_no_speech_and_unsure_is_no_answer() -> None:
    heard = [
        utterance(1.0, 3.0, "a", answered=True),  # full: the next one follows at once
        utterance(3.0, 4.5, "a", answered=False),
        utterance(6.0, 7.0, "b", answered=True),
    ]
    guessed = diarisation.said(heard, what=GUESS, hangover_s=0.5)
    assert guessed == [Segment(1, 3, "a"), Segment(3, 4, "a"), Segment(6, 6.5, "b")]
    answered = diarisation.said(heard, what=ANSWER, hangover_s=0.5)
    assert answered == [guessed[0], guessed[2]]


def test_shares_are_of_all_speech_and_one_label_has_its_error() -> None:
    truth = [Segment(0, 3, "a"), Segment(4, 5, "b")]
    line = {"corpus": "X", "what": GUESS, **diarisation._scored(truth, [Segment(0, 2, "b")])}
    table = pd.DataFrame([line, {**line, "corpus": "Y", "confused_s": 0.0}])
    found = diarisation.summary(table).set_index("corpus")
    assert list(found.index) == [streaming.ALL, "X", "Y"]
    of_x = found.loc["X"]
    assert of_x["missed"] == pytest.approx(0.5) and of_x["confused"] == pytest.approx(0.5)
    assert of_x["error"] == pytest.approx(1.0) and of_x["same_label"] == pytest.approx(0.25)
    assert found.loc[streaming.ALL, "error"] == pytest.approx(0.75)
    assert found.loc[streaming.ALL, "streams"] == 2
