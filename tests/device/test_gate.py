"""The gate in Python against that of the board, compiled under sanitizers, number by number."""

from __future__ import annotations

import time
from dataclasses import asdict, replace

import numpy as np
import pytest
import small_firmware as small

from ser_tinyml import features
from ser_tinyml.device import gate, listener
from ser_tinyml.device.gate import GateEvent
from ser_tinyml.features import FeatureConfig, preset
from ser_tinyml.files import DataError

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


def as_bands(level: np.ndarray) -> np.ndarray:
    """Bands [shape=(frames, 40)] whose power is all in one."""
    bands = np.full((len(level), 40), -100.0)
    bands[:, 3] = level
    return bands


def arguments(config: FeatureConfig) -> list[str]:
    return [repr(config.onset_db), str(config.onset_frames), repr(float(gate.frame_rate(config)))]


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_are_those_of_the_board(name: str) -> None:
    config = CONFIGS[name]
    out = small.run(
        "gate_host",
        "settings",
        *arguments(config),
        *(str(config.stack), str(config.feature_shape[0])),
    )
    found = dict(line.split() for line in out.decode().splitlines())
    expected = {
        **asdict(gate.settings(config)),
        **asdict(listener.settings(config)),
        "voice_db": gate.VOICE_DB,
        "threshold": small.THRESHOLD,
    }
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.float32(found[key]) == np.float32(value), key


@pytest.mark.parametrize("name", CONFIGS)
def test_every_frame_is_as_on_the_board(name: str) -> None:
    config = CONFIGS[name]
    seen = set()
    for seed, frames in ((0, 4000), (1, 300), (2, 1)):
        levels = walk(seed, frames=frames)
        out = small.run("gate_host", "gate", *arguments(config), stdin=levels.tobytes())
        floor, event, loud = np.frombuffer(out, "<f4").reshape(-1, 3).T
        twin = gate.Gate(gate.settings(config))
        for i, level in enumerate(levels):
            assert (twin.push(level), twin.floor_db, twin.loud) == (event[i], floor[i], loud[i])
            assert twin.speech == (event[i] in (GateEvent.ONSET, GateEvent.SPEECH))
        seen |= set(event)
    assert seen == set(GateEvent)


def test_level_and_peak_are_those_of_the_board() -> None:
    bands = np.random.default_rng(0).uniform(-100, 10, (500, 40)).astype(np.float32)
    out = small.run("gate_host", "bands", "40", stdin=bands.tobytes())
    level, peak = np.frombuffer(out, "<f4").reshape(-1, 2).T
    np.testing.assert_allclose(gate.level_db(bands), level, atol=1e-4)
    np.testing.assert_allclose(gate.peak_db(bands), peak, atol=1e-4)


def test_an_hour_takes_seconds() -> None:
    bands = np.random.default_rng(0).normal(-40, 5, (112_500, 40)).astype(np.float32)
    started = time.perf_counter()
    gated = gate.run(bands, gate.settings(preset("default")))
    assert time.perf_counter() - started < 5
    assert len(gated.events) == 112_500


@pytest.mark.parametrize("seed", range(60))
def test_first_onset_is_that_of_the_features(seed: int) -> None:
    config, bands = preset("default"), as_bands(walk(seed))
    onsets = gate.run(bands, gate.settings(config)).onsets(config)
    assert (onsets[0] if onsets else 0) == features.onset(bands, config)


def test_the_seeds_above_have_onsets_and_clips_without() -> None:
    found = [features.onset(as_bands(walk(seed)), preset("default")) for seed in range(60)]
    assert sum(start > 0 for start in found) > 15
    assert 0 in found


def test_only_a_loud_frame_with_a_peak_is_voice() -> None:
    config = preset("default")
    peaked, flat = np.full(40, -80.0), np.full(40, -30.0)
    peaked[5:9] = -30.0
    quiet = np.full(40, -80.0)
    humming = quiet.copy()
    humming[0] = -60.0
    bands = np.stack([humming] * 10 + [flat] * 10 + [humming] * 20 + [peaked] * 10)
    gated = gate.run(bands, gate.settings(config))
    assert gated.speech[11:20].all() and gated.speech[41:].all()
    np.testing.assert_array_equal(np.flatnonzero(gated.voice), np.arange(40, 50))


def test_gate_needs_features_with_an_onset() -> None:
    with pytest.raises(DataError, match="onset"):
        gate.settings(FeatureConfig(name="none"))
