"""Real recordings through `predict`, where somebody has them (SER_RECORDINGS)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_tinyml.apps.answering import Predictor
from ser_tinyml.tflite.release import Release

pytestmark = pytest.mark.real

CLIPS = 200
MOST_MOVED = 0.02  # of a probability
RATE = 16_000
MOST_SECONDS, MOST_MB = 60, 500  # of an hour of sound
# `predict`, and the most memory that it held, in KiB. Its `ru_maxrss` would begin with the memory
# of the process that started it.
PREDICT = """
import sys
from ser_tinyml.__main__ import main
status = main()
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def clips() -> list[Path]:
    folder = Path(os.environ["SER_RECORDINGS"]) / "RAVDESS"
    found = sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".wav"))
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def test_gain_changes_no_answer(clips) -> None:
    """Whatever the level, as long as nothing clips."""
    predictor, compared = Predictor(Release.load()), 0
    for path in clips[:CLIPS]:
        samples = predictor.read(path).samples
        one = predictor.answer(samples, utterances=False)
        for decibel in (-20, -10, 10, 20):
            other = (samples * 10 ** (decibel / 20)).astype(np.float32)
            if np.abs(other).max() > 1:
                continue
            found = predictor.answer(other, utterances=False)
            assert (found.label, found.guess) == (one.label, one.guess), (path, decibel)
            moved = [abs(found.probabilities[name] - p) for name, p in one.probabilities.items()]
            assert max(moved) <= MOST_MOVED, (path, decibel)
            compared += 1
    assert compared > 2.5 * CLIPS


def test_an_hour_of_sound_takes_seconds_and_little_memory(clips, tmp_path) -> None:
    with soundfile.SoundFile(tmp_path / "hour.wav", "w", RATE, 1) as hour:
        for path in clips * 2:
            samples, rate = soundfile.read(path, dtype="float32")
            assert rate == RATE
            hour.write(samples if samples.ndim == 1 else samples[:, 0])
            if hour.frames >= 3600 * RATE:
                break
    started = time.perf_counter()
    command = [sys.executable, "-c", PREDICT, "predict", "--json", "hour.wav"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    seconds = time.perf_counter() - started
    answer = json.loads(done.stdout)
    assert answer["duration_s"] >= 3600 and len(answer["utterances"]) > 500
    assert seconds < MOST_SECONDS
    assert int(done.stderr.split()[-2]) < 1024 * MOST_MB
