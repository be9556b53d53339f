"""What must not change an answer: gain, and silence around the speech."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ser_tinyml.apps import answering
from ser_tinyml.apps.answering import Predictor
from ser_tinyml.data import demo
from ser_tinyml.tflite.release import Release


@pytest.mark.parametrize("decibel", [-20, 10])
def test_gain_and_silence_hardly_change_an_answer(decibel):
    """Rounded to 16 bits, whole frames of zeros before and seconds of them behind."""
    predictor = Predictor(Release.load())
    hop = predictor.release.config.hop_length
    sentences = ["The kids are talking now"] * 3
    for spoken in demo.speak(sentences, emotion=["happy", "sad", "angry"]):
        voice = spoken / np.float32(32768)
        neat = predictor.answer(voice)
        samples = np.round(voice * 10 ** (decibel / 20) * 32768) / np.float32(32768)
        zeros = np.zeros(20 * hop, np.float32)
        for changed in (samples, np.concatenate([zeros, voice]), np.append(voice, zeros)):
            answer = predictor.answer(changed.astype(np.float32))
            assert (answer.label, answer.guess) == (neat.label, neat.guess)
            for label, probability in answer.probabilities.items():
                assert probability == pytest.approx(neat.probabilities[label], abs=0.02)


def test_a_sentence_is_answered_without_a_boards_decisions_and_several_are_not(monkeypatch):
    predictor = Predictor(Release.load())
    (spoken,) = demo.speak(["The kids are talking now"], emotion=["angry"])
    sentence = spoken / np.float32(32768)
    several = np.concatenate([sentence, np.zeros(16_000, np.float32)] * 3)
    whole = [predictor.answer(samples) for samples in (sentence, several)]
    heard, listen = [], predictor._listener.listen
    monkeypatch.setattr(
        predictor._listener,
        "listen",
        lambda samples, **how: heard.append(1) or listen(samples, **how),
    )
    for samples, before, listened in zip((sentence, several), whole, (0, 1), strict=True):
        assert before.utterances
        assert predictor.answer(samples, utterances=False) == replace(before, utterances=[])
        assert len(heard) == listened


def test_the_uar_that_is_told_is_that_of_all_speakers() -> None:
    lines = {"SAVEE": {"uar": 0.6}, "pooled": {"uar": 0.7}}
    assert answering.measured_uar({"summary": lines, "bars": [{"measured": 46.9}]}) == 0.7
    assert answering.measured_uar({"summary": {"mine": {"uar": 0.5}}}) == 0.5
