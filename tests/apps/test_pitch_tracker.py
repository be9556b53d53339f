"""The tracker against Praat: known sounds, known errors."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ser_tinyml import __main__ as program
from ser_tinyml.apps import pitch
from ser_tinyml.features import preset
from ser_tinyml.sound import augment

CONFIG = preset("default", pitch=True)
RATE = CONFIG.sample_rate


def buzz(f0: float, seconds: float) -> np.ndarray:
    phase = 2 * np.pi * f0 * np.arange(int(seconds * RATE)) / RATE
    return (0.05 * sum(np.sin(k * phase) / k for k in range(1, 15))).astype(np.float32)


def test_praat_finds_a_buzz_where_it_is_and_nothing_in_silence() -> None:
    sound = np.concatenate([buzz(150, 0.8), np.zeros(RATE, np.float32), buzz(300, 0.8)])
    for method in ("ac", "cc"):
        course = pitch.praat(sound, CONFIG, 79, method=method)
        np.testing.assert_allclose(course[2:22], 150, rtol=0.01)
        assert not course[28:54].any()
        np.testing.assert_allclose(course[60:78], 300, rtol=0.01)
    assert pitch.praat(sound[:300], CONFIG, 1, method="ac").tolist() == [0]


def test_a_buzz_and_a_pause_are_told_apart_alone_and_in_noise() -> None:
    rng = np.random.default_rng(0)
    sound = np.concatenate([buzz(180, 1.5), np.zeros(RATE, np.float32)])
    noise = augment.coloured_noise(len(sound), rng, exponent=0.0)
    frames = pitch.clip_frames(sound, noise, CONFIG, rng)
    assert [*frames] == ["alone", "20 dB", "10 dB", "5 dB"]
    table = pitch.scores(
        pd.concat(
            part.assign(system=system, condition=condition)
            for condition, found in frames.items()
            for system, part in found.items()
        )
    )
    assert len(table) == 12 and (table["frames"] > 60).all()
    by = table.set_index(["system", "condition"])
    assert by.loc[("tracker", "alone"), ["gross", "missed"]].tolist() == [0, 0]
    assert (by.loc["tracker", "gross"] == 0).all() and (by.loc["tracker", "voicing"] < 0.1).all()
    assert (by.loc[("drawn", "alone")] == by.loc[("tracker", "alone")]).all()


def test_errors_are_counted_as_they_are_named() -> None:
    heard = pd.DataFrame(
        {
            "system": "tracker",
            "condition": "alone",
            "true": [100.0, 100, 100, 100, 0, 0, 0, 0, 0, 0],
            "found": [110.0, 50, 130, 0, 0, 0, 0, 0, 0, 80],
        }
    )
    (line,) = pitch.scores(heard).to_dict("records")
    assert line.pop("gross") == pytest.approx(2 / 3)
    assert line.pop("false") == pytest.approx(1 / 6)
    assert line == {
        **{"system": "tracker", "condition": "alone", "missed": 0.25, "voicing": 0.2},
        "frames": 10,
    }


def test_the_command_writes_its_table(monkeypatch, tmp_path, capsys) -> None:
    line = {"system": "tracker", "condition": "alone", "frames": 9}
    line |= {"gross": 0.01, "missed": 0.02, "false": 0.03, "voicing": 0.025}
    asked = []

    def compare(*given, **how):
        asked.append((given, how))
        return pd.DataFrame([line])

    monkeypatch.setattr(pitch, "compare", compare)
    out = tmp_path / "metrics.json"
    options = ["--data", "corpora", "--noise", "hiss", "--clips", "8", "--output", str(out)]
    assert not program.main(["pitch", *options])
    assert asked == [(("corpora", "hiss"), {"clips": 8})]
    assert json.loads(out.read_text()) == [line]
    assert "1.0 %" in capsys.readouterr().out
