"""Gate, listener and decisions of the firmware, compiled under sanitizers, against Python."""

from __future__ import annotations

import numpy as np
import pytest
import small_firmware as small
from small_firmware import listen

from ser_tinyml import features
from ser_tinyml.device import gate

RATE = small.CONFIG.sample_rate
STAGES = ("features", "inputs", "outputs")


def quiet(seconds: float, *, seed: int = 0) -> np.ndarray:
    """A quiet room."""
    return np.random.default_rng(seed).normal(0, 3, round(seconds * RATE)).astype(np.int16)


def voice(seconds: float, *, seed: int = 0) -> np.ndarray:
    """Something loud that is not steady."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0, 2000, len(time))
    return (noise * (1.2 + np.sin(2 * np.pi * 3 * time))).astype(np.int16)


def test_gate_ring_and_decisions():
    small.run("gate_test")


@pytest.mark.parametrize("clip", small.golden(), ids=lambda clip: clip.name)
def test_a_clip_gives_the_golden_vectors(clip):
    heard = listen(clip.waveform, "clip")
    bands = features.log_mel(clip.waveform / np.float32(32768), small.CONFIG)
    assert heard.onset == features.onset(bands, small.CONFIG), clip.name
    count = small.CONFIG.feature_shape[0]  # of steps; those before are of earlier beginnings
    assert [number for number, _ in heard.steps[-count:]] == list(range(count))
    made = {name: np.array(getattr(heard, name)[-count:]) for name in STAGES}
    spread = clip.features.std(axis=0).max()
    assert np.abs(made["features"] - clip.features).max() < 1e-3 * spread + 1e-6
    np.testing.assert_array_equal(made["inputs"], clip.inputs)
    np.testing.assert_array_equal(made["outputs"][-1], clip.outputs)
    assert heard.decisions[-1][1:3] == (1, count)


@pytest.mark.parametrize("name", ["happy", "sad", "mid_word"])
def test_gain_and_silence_leave_a_clip_alone(name):
    (clip,) = [clip for clip in small.golden() if clip.name == name]
    samples, hop, count = clip.waveform, small.CONFIG.hop_length, small.CONFIG.feature_shape[0]
    neat = listen(samples, "clip")
    quiet = listen(np.round(samples / 10).astype(np.int16), "clip")
    late = listen(np.concatenate([np.zeros(30 * hop, np.int16), samples]), "clip")
    assert (quiet.onset, late.onset) == (neat.onset, neat.onset + 30)
    assert late.outputs[-count:] == neat.outputs[-count:]
    if name != "mid_word":  # its last samples are loud, and fill no frame without zeros behind
        long = listen(np.concatenate([samples, np.zeros(60 * hop, np.int16)]), "clip")
        assert long.outputs == neat.outputs


@pytest.mark.parametrize("chunk", [1, 511, 1024, 5000])
def test_how_the_samples_come_does_not_matter(chunk):
    samples = np.concatenate([quiet(0.5), voice(0.8), quiet(0.7)])
    assert listen(samples, "live", chunk=chunk) == listen(samples, "live")


def test_nobody_speaks_no_decision():
    heard = listen(quiet(5), "live")
    assert len(heard.gates) > 100
    assert set(heard.gates) == {gate.GateEvent.QUIET}
    assert not heard.steps and not heard.decisions


def test_windows_follow_each_other_while_somebody_speaks():
    heard = listen(np.concatenate([quiet(0.5), voice(1.7), quiet(1.0)]), "live")
    last = [decision for decision in heard.decisions if decision[1]]
    assert len(last) == 5  # 0.384 s each, the hangover with them
    numbers = [number for number, _ in heard.steps]
    assert numbers[:24] == [*range(12), *range(12)]
    frames = [frame for _, frame in heard.steps]
    assert frames == list(range(frames[0], frames[0] + len(frames)))


def test_each_window_starts_from_a_fresh_state():
    """The second time somebody speaks is answered as if it were the first."""
    spoken = np.concatenate([quiet(1.024), voice(0.3), quiet(1.5)])
    spoken = spoken[: len(spoken) // 512 * 512]
    once, twice = listen(spoken, "live"), listen(np.concatenate([spoken, spoken]), "live")
    n = len(once.outputs)
    assert n >= 12
    assert np.abs(np.array(twice.features[-n:]) - np.array(once.features)).max() < 1e-3
    assert twice.outputs[-n:] == once.outputs


def test_a_knock_gives_no_decision():
    knock = np.zeros(1600, np.int16)
    knock[::2] = 4000
    heard = listen(np.concatenate([quiet(1.0), knock, quiet(0.1)]), "live")
    assert gate.GateEvent.ONSET in heard.gates
    assert not [decision for decision in heard.decisions if decision[1]]


def test_faults_are_said_and_shown_and_gone():
    small.run("listener_device_test")


def test_a_model_of_two_exports_does_not_start(tmp_path):
    for path in small.model_folder().iterdir():
        text = path.read_text()
        if path.name == "labels.h":
            text = text.replace(small.export().model_id, "0123456789abcdef")
        (tmp_path / path.name).write_text(text)
    small.run("listener_device_test", "wrong", model=tmp_path)
