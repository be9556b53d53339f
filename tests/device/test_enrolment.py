"""A person says how high they speak, and the firmware and Python take the same off."""

from __future__ import annotations

import numpy as np
import pytest
import small_firmware as small

from ser_tinyml.apps import board as boards
from ser_tinyml.device import GOLDEN, MODEL
from ser_tinyml.device import report as reports
from ser_tinyml.device.board import Board
from ser_tinyml.device.enrolment import FROM_F0, Enrolment
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.hearing import Hearing
from ser_tinyml.device.listener import Listener
from ser_tinyml.device.protocol import BoardError
from ser_tinyml.device.virtual import VirtualBoard, with_pauses
from ser_tinyml.tflite.release import Release

SPOKEN = 5  # golden clips in which somebody speaks


@pytest.fixture(scope="module")
def sentences() -> np.ndarray:
    """Five sentences in a quiet room, int16 at the released model's rate."""
    golden = Golden.read(GOLDEN)
    clips = [clip.waveform for clip in golden.clips[:SPOKEN]]
    return with_pauses(clips, sample_rate=golden.sample_rate, pause_s=1.5)


def test_the_firmware_alone():
    small.run("enrolment_test")


def test_the_shift_of_the_firmware_is_that_of_python(sentences):
    voice = Enrolment.of_hertz(110)
    before = small.listen(sentences, "live", model=MODEL)
    after = small.listen(sentences, "live", model=MODEL, enrolled=[voice.octaves])
    release = Release.load()
    plain, moved = (np.array(heard.features, np.float32) for heard in (before, after))
    np.testing.assert_array_equal(moved, voice.applied(plain, release.config))
    np.testing.assert_array_equal(np.array(after.inputs), release.inputs(moved))
    heard = Listener(release, voice).listen(sentences, rate=release.config.sample_rate)
    last = [
        values
        for values, (_, final, *_) in zip(after.probabilities, after.decisions, strict=True)
        if final
    ]
    assert len(heard.utterances) == len(last) == SPOKEN
    for utterance, probabilities in zip(heard.utterances, last, strict=True):
        np.testing.assert_allclose(utterance.probabilities, probabilities, atol=0.02)


def test_only_the_pitch_is_moved_and_some_answers_with_it(sentences):
    release = Release.load()
    rate = release.config.sample_rate
    plain = Listener(release).hear(sentences, rate=rate)
    moved = Listener(release, Enrolment.of_hertz(90)).hear(sentences, rate=rate)
    assert [u.steps for u in plain] == [u.steps for u in moved]
    assert any(
        (a.probabilities != b.probabilities).any() for a, b in zip(plain, moved, strict=True)
    )
    assert release.config.n_values - FROM_F0 == 2 * release.config.n_mfcc


def test_five_sentences_enrol_a_person_who_outlives_the_power(sentences):
    virtual = VirtualBoard(sentences, speed=0)
    with virtual, Board(virtual.path) as device:
        assert device.status["enrolled_hz"] == 0
        told = Hearing(device.status["sample_rate"])
        said = []
        device.command("enrol")
        for messages in device.stream(len(sentences) / device.status["sample_rate"]):
            told.take(messages)
            said += [m for m in messages if isinstance(m, dict)]
        states = [m["state"] for m in said if m["event"] == "enrolment"]
        assert states == ["asked", *["sentence"] * 4, "enrolled", "kept"]
        decisions = [m for m in said if m["event"] == "decision"]
        assert decisions == []  # nobody is judged while they are asked
        hertz = device.command("status")["enrolled_hz"]
        listener = Listener(Release.load())
        rate = listener.release.config.sample_rate
        expected = Enrolment.of_tracks(listener.sentences(told.samples, rate=rate)[:SPOKEN])
        assert hertz == pytest.approx(expected.hertz, abs=0.5)
    with virtual, Board(virtual.path) as device:
        assert device.status["enrolled_hz"] == hertz
        device.command("enrol off")
        assert device.command("status")["enrolled_hz"] == 0
    with virtual, Board(virtual.path) as device:
        assert device.status["enrolled_hz"] == 0


def test_the_golden_clips_stay_golden_whoever_is_enrolled(sentences):
    virtual = VirtualBoard(sentences, speed=0)
    with virtual, Board(virtual.path) as device:
        assert boards.enrol(device, seconds=len(sentences) / device.status["sample_rate"])
    with virtual, Board(virtual.path) as device:
        assert device.status["enrolled_hz"] > 0
        rows = reports.check_golden(device)
        assert all(row["same_outputs"] for row in rows)
        assert device.command("status")["enrolled_hz"] > 0


def test_what_a_board_hears_of_a_person_is_said(sentences, capsys):
    with VirtualBoard(sentences, speed=0) as virtual, Board(virtual.path) as device:
        assert boards.enrol(device, seconds=len(sentences) / device.status["sample_rate"])
        boards.forget(device)
    printed = capsys.readouterr().out
    assert "sentence 4 of 5, " in printed and "enrolled: an ordinary voice of " in printed
    assert printed.endswith("nobody is enrolled\n")


def test_too_few_sentences_enrol_nobody(sentences):
    half = sentences[: len(sentences) // 2]
    with VirtualBoard(half, speed=0) as virtual, Board(virtual.path) as device:
        assert not boards.enrol(device, seconds=len(half) / device.status["sample_rate"])
        assert device.command("status")["enrolled_hz"] == 0


def test_a_model_without_pitch_says_so():
    silence = np.zeros(100, np.int16)
    with (
        VirtualBoard(silence, model=small.model_folder()) as virtual,
        Board(virtual.path) as device,
        pytest.raises(BoardError, match="expected a model that hears the pitch"),
    ):
        device.command("enrol")
