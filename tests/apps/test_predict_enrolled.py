"""Recordings of a person who is enrolled by others of the same person."""

from __future__ import annotations

import json

import numpy as np
import pytest
import small_firmware as small
from make_audio import record

from ser_tinyml.apps import predict
from ser_tinyml.apps.answering import Predictor
from ser_tinyml.data import demo
from ser_tinyml.files import DataError

RATE = 16_000


def test_whoever_is_enrolled_is_said_and_answered_otherwise(tmp_path, capsys) -> None:
    (spoken,) = demo.speak(["The kids are talking now"], emotion=["sad"], sample_rate=RATE)
    path = record(tmp_path / "a.wav", spoken / np.float32(32768), sample_rate=RATE)
    told = {}
    for name, options in (("plain", {}), ("enrolled", {"enrol": [str(path)]})):
        assert predict.predict([str(path)], in_json=True, **options) == 0
        told[name] = json.loads(capsys.readouterr().out)
    assert told["plain"]["enrolled_hz"] is None
    assert 60 < told["enrolled"]["enrolled_hz"] < 400
    assert told["plain"]["probabilities"] != told["enrolled"]["probabilities"]
    assert predict.predict([str(path)], enrol=[str(path)]) == 0
    assert capsys.readouterr().out.startswith("enrolled: an ordinary voice of ")


def test_nobody_to_enrol_is_one_line(tmp_path) -> None:
    path = record(tmp_path / "a.wav", np.zeros(32_000, np.float32), sample_rate=RATE)
    with pytest.raises(DataError, match=r"a.wav: enrolment: expected 20 frames of a voice"):
        predict.predict([str(path)], enrol=[str(path)])
    with pytest.raises(DataError, match="expected a model that hears the pitch"):
        predict.enrolled(Predictor(small.release()), [str(path)])
