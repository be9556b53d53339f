"""The gate in Python against that of the board, compiled under sanitizers, number by number."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import small_firmware as small

from ser_tinyml import features
from ser_tinyml.device import SKETCH, gate
from ser_tinyml.device.export.sources import write_sources
from ser_tinyml.device.gate import GateEvent
from ser_tinyml.device.listening import LISTENING, DeciderSettings, GateSettings
from ser_tinyml.features import Beginning, FeatureConfig, Levels, preset

CONFIGS = {
    "default": preset("default"),
    "small": small.CONFIG,
    "fast frames": replace(preset("default"), hop_length=160, onset_db=4.5, n_frames=300, stack=3),
    "odd": replace(preset("default"), sample_rate=15_999, hop_length=441, onset_frames=3),
    "long steps": replace(preset("default"), n_frames=96, stack=16),
}


def walk(seed: int, *, frames: int | None = None) -> np.ndarray:
    """Levels that go up and down, in dB, float32."""
    rng = np.random.default_rng(seed)
    frames = frames or int(rng.integers(5, 230))
    level = np.cumsum(rng.normal(0, rng.uniform(1, 5), frames)) - 50
    return np.clip(level, -99, 0).astype(np.float32)


def test_numbers_are_those_that_python_takes() -> None:
    found = dict(line.split() for line in small.run("gate_host", "settings").decode().splitlines())
    expected = {
        **asdict(LISTENING.gate(small.CONFIG)),
        **asdict(LISTENING.decider(small.CONFIG)),
        "voice_db": LISTENING.voice_db,
        "min_voicing": LISTENING.min_voicing,
    }
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.float32(found[key]) == np.float32(value), key


def test_times_become_frames_and_steps() -> None:
    """16 kHz, a hop of 32 ms: 31.25 frames a second, two of them a step."""
    config = preset("default")
    assert LISTENING.gate(config) == GateSettings(
        onset_db=9.0,
        onset_frames=2,
        release_db=6.0,
        hangover_frames=16,
        hold_frames=251,
        rise_db=float(np.float32(0.096)),
    )
    assert LISTENING.decider(config) == DeciderSettings(
        smoothing_steps=4, min_steps=15, min_voice_frames=8, fall_db=10.0, min_fallen_frames=4
    )
    assert LISTENING.decider(CONFIGS["long steps"]).min_steps == 1
    assert LISTENING.decider(small.CONFIG).min_steps == 12, "no more than a window has"
    assert LISTENING.gate(CONFIGS["fast frames"]).release_db == 4.5
    assert LISTENING.gate(FeatureConfig(name="none")).onset_db == LISTENING.onset_db


def test_a_noise_that_is_switched_on_is_the_room_as_soon_as_the_readme_says() -> None:
    readme = (SKETCH / "README.md").read_text("utf-8")
    found = re.search(r"in (\d+) to (\d+) seconds \(measured for (\d+) to (\d+) dB more\)", readme)
    *seconds, least, most = map(int, found.groups())
    config = preset("default")
    for rise, expected in zip((least, most), seconds, strict=True):
        noisy = gate.Gate(LISTENING.gate(config))
        levels = [-60.0] * 300 + [-60.0 + rise] * 1000
        ends = [i for i, level in enumerate(levels) if noisy.push(level) == GateEvent.END]
        took = (ends[0] - 300) * config.hop_length / config.sample_rate
        assert len(ends) == 1 and abs(took - expected) < 1.0


@pytest.mark.parametrize("name", CONFIGS)
def test_every_frame_is_as_on_the_board(name: str) -> None:
    config = CONFIGS[name]
    seen = set()
    for seed, frames in ((0, 4000), (1, 300), (2, 1)):
        levels = walk(seed, frames=frames)
        settings = map(repr, asdict(LISTENING.gate(config)).values())
        out = small.run("gate_host", "gate", *settings, stdin=levels.tobytes())
        floor, event, loud = np.frombuffer(out, "<f4").reshape(-1, 3).T
        twin = gate.Gate(LISTENING.gate(config))
        for i, level in enumerate(levels):
            assert (twin.push(level), twin.floor_db, twin.loud) == (event[i], floor[i], loud[i])
            assert twin.speech == (event[i] in (GateEvent.ONSET, GateEvent.SPEECH))
        seen |= set(event)
    assert seen == set(GateEvent)


def test_level_and_peak_are_those_of_the_board() -> None:
    bands = np.random.default_rng(0).uniform(-100, 10, (500, 40)).astype(np.float32)
    out = small.run("gate_host", "bands", "40", stdin=bands.tobytes())
    level, peak = np.frombuffer(out, "<f4").reshape(-1, 2).T
    np.testing.assert_allclose(features.level_db(bands), level, atol=1e-4)
    np.testing.assert_allclose(gate.peak_db(bands), peak, atol=1e-4)


@pytest.mark.parametrize("name", ["small", "fast frames", "odd"])
def test_the_beginning_moves_as_on_the_board(name: str, tmp_path: Path) -> None:
    config = replace(CONFIGS[name], n_mels=10, n_mfcc=5, delta_frames=0, stack=1, n_frames=12)
    config = replace(config, n_fft=1024, onset_steady_frames=10 if name == "odd" else 8)
    write_sources(tmp_path, replace(small.export(), config=config))
    moved = 0
    for seed in range(40):
        levels = walk(seed)
        if seed % 2:  # steady noise, and something in it
            levels = np.round(np.clip(levels - levels.max() + 30, 0, None) / 3) - 40
        levels = levels.astype(np.float32)
        out = small.run(
            "gate_host", "beginning", str(seed % 3), stdin=levels.tobytes(), model=tmp_path
        )
        twin = Beginning(Levels(levels, config), 0, waits=bool(seed % 3))
        starts = [twin.start for frame in range(len(levels)) if twin.push(frame) or True]
        assert starts == np.frombuffer(out, "<f4").astype(int).tolist()
        moved += len(set(starts)) - 1
    assert moved > 40


def test_an_hour_takes_seconds() -> None:
    bands = np.random.default_rng(0).normal(-40, 5, (112_500, 40)).astype(np.float32)
    started = time.perf_counter()
    gated = gate.run(bands, LISTENING.gate(preset("default")))
    assert time.perf_counter() - started < 5
    assert len(gated.events) == 112_500


def test_only_a_loud_frame_with_a_peak_is_voice() -> None:
    config = preset("default")
    peaked, flat = np.full(40, -80.0), np.full(40, -30.0)
    peaked[5:9] = -30.0
    quiet = np.full(40, -80.0)
    humming = quiet.copy()
    humming[0] = -60.0
    bands = np.stack([humming] * 10 + [flat] * 10 + [humming] * 20 + [peaked] * 10)
    gated = gate.run(bands, LISTENING.gate(config))
    assert gated.speech[11:20].all() and gated.speech[41:].all()
    np.testing.assert_array_equal(np.flatnonzero(gated.voice), np.arange(40, 50))
    track = np.zeros((50, 2), np.float32)
    track[45:, 1] = LISTENING.min_voicing
    gated = gate.run(bands, LISTENING.gate(config), track)
    np.testing.assert_array_equal(np.flatnonzero(gated.voice), np.arange(45, 50))
