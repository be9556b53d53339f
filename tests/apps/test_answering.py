"""What must not change an answer: gain, and silence around the speech."""

from __future__ import annotations

import numpy as np
import pytest

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
