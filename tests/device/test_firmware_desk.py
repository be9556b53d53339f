"""What goes wrong on a desk: USB, Bluetooth, late interrupts, faults in mid-speech, long days."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import small_firmware as small

from ser_tinyml.device import GOLDEN, MODEL, SKETCH
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.virtual import build, with_pauses

SLOW_ENGINE = small.PROGRAMS / "slow_engine.h"


def test_desk_faults() -> None:
    """USB packets, the mailbox, the PDM's buffers, recovery, settling, what the driver lost."""
    small.run("desk_test")


def test_a_phone_that_walks_away_never_stops_the_loop() -> None:
    source = SKETCH / "src" / "board" / "ble.cpp"
    flags = (
        *("-O1", "-pthread", f'-DBLE_SOURCE="{source}"', f"-I{small.PROGRAMS / 'fake_board'}"),
        *("-Werror", "-Wpedantic"),
    )
    program = build(MODEL, flags=flags, source=small.PROGRAMS / "ble_test.cpp")
    small.execute(program)


@pytest.mark.parametrize("low_power", (0, 1))
@pytest.mark.parametrize("core_pdm", (0, 1))
@pytest.mark.parametrize("ble", (0, 1))
def test_the_boards_own_files_compile_in_every_variant(
    ble: int, core_pdm: int, low_power: int
) -> None:
    """Against headers that name what the core has: what depends on a choice is compiled too."""
    flags = (
        *("-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fsyntax-only"),
        *("-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{small.PROGRAMS / 'fake_board'}"),
        *(f"-DSER_BLE={ble}", f"-DSER_CORE_PDM={core_pdm}", f"-DSER_LOW_POWER={low_power}"),
    )
    sketch = SKETCH / "arduino_nano33.ino"
    sources = sorted((SKETCH / "src" / "board").glob("*.cpp"))
    compiler = os.environ.get("CXX", "c++")
    command = [compiler, *flags, *sources, "-include", "Arduino.h", "-x", "c++", sketch]
    done = subprocess.run(command, capture_output=True, text=True)
    assert len(sources) >= 7 and done.returncode == 0, done.stderr[-4000:]


def test_the_watchdog_runs_before_anything_that_may_not_come_back() -> None:
    setup = (SKETCH / "arduino_nano33.ino").read_text()
    order = re.findall(r"board::(Begin\w+)\(", setup)
    assert order.index("BeginWatchdog") < order.index("BeginMicrophone")
    assert order.index("BeginWatchdog") < order.index("BeginBle")


def test_the_microphones_gain_is_that_of_the_training() -> None:
    """`degrade.pdm_microphone` says what it assumes."""
    from ser_tinyml.sound import degrade

    assumed = re.search(r"digital gain of (-?\d+) dB", degrade.pdm_microphone.__doc__)
    options = (SKETCH / "src" / "board" / "options.h").read_text()
    chosen = re.search(r"kMicrophoneGainDb = (-?[\d.]+)f", options)
    assert float(chosen[1]) == float(assumed[1])


@dataclass(frozen=True)
class Hour:
    """What a host had counted at the end of an hour."""

    minutes: int
    begun: int
    ended: int
    decisions: int
    answered: int
    faults: int
    statuses: int
    lines: int
    broken: int
    status: dict[str, Any]


def simulate(minutes: int, *, step_us: int = 5000, other_us: int = 0) -> list[Hour]:
    """The released model on a desk in virtual time; golden sentences are spoken over and over."""
    golden = Golden.read(GOLDEN)
    clips = [clip.waveform for clip in golden.clips[:3]]
    speech = with_pauses(clips, sample_rate=golden.sample_rate, pause_s=2.0)
    choice = ("-USER_ENGINE", "-DSER_ENGINE=SER_ENGINE_OTHER")
    flags = ("-O2", *choice, f'-DSER_ENGINE_HEADER="{SLOW_ENGINE}"')
    program = build(MODEL, flags=flags, source=small.PROGRAMS / "hours_test.cpp")
    out = small.execute(
        program,
        *map(str, (minutes, step_us, other_us)),
        stdin=speech.astype("<i2").tobytes(),
        timeout=3600,
    )
    hours = []
    for line in out.decode().splitlines():
        *numbers, status = line.split(maxsplit=9)
        hours.append(Hour(*map(int, numbers), json.loads(status)))
    return hours


def check_day(hours: list[Hour]) -> None:
    last = hours[-1]
    assert last.broken == 0
    assert last.status["lost_samples"] == 0
    assert last.status["lost_lines"] == 0
    assert last.status["fault"] == "ok" and last.faults == 0
    assert last.statuses == last.minutes
    assert 0 <= last.begun - last.ended <= 1
    assert last.status["decisions"] == last.decisions > 0
    heard = last.status["heard_ms"] / 60_000
    assert heard == pytest.approx(last.minutes, abs=0.6)
    assert last.status["up_ms"] == pytest.approx(last.status["heard_ms"], abs=200)


def test_an_hour_on_a_desk() -> None:
    check_day(simulate(60))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_day_on_a_desk() -> None:
    """Nothing drifts: each hour of speech is like the others, each of the night is silent."""
    hours = simulate(24 * 60)
    assert len(hours) == 24
    check_day(hours)
    decided = np.diff([0, *(hour.decisions for hour in hours)])
    assert decided[:16].min() > 0.9 * decided[:16].max()
    answered = np.diff([0, *(hour.answered for hour in hours)])
    assert answered[:16].min() > 0
    assert answered[17:].max() == 0  # the fan opens the gate, and no voice is in it


def lines_of(samples: np.ndarray, *flags: str) -> tuple[list[dict[str, Any]], float]:
    """What the device says of samples, and the mean number of frames a chunk of sound."""
    source = small.PROGRAMS / "power_test.cpp"
    program = build(small.model_folder(), flags=("-O2", *flags), source=source)
    *lines, counts = small.execute(program, stdin=samples.astype("<i2").tobytes()).splitlines()
    reads, polls = map(int, counts.split())
    return [json.loads(line) for line in lines], (reads - 2 * polls) / (polls / 2)


def test_a_build_that_saves_power_hears_the_same() -> None:
    """It sleeps in a quiet room, and what it decides is decided of the same sound."""
    clips = [clip.waveform for clip in small.golden()[:3]]
    rate = small.CONFIG.sample_rate
    samples = with_pauses(clips, sample_rate=rate, pause_s=12.0)
    always, frames = lines_of(samples)
    saving, fewer = lines_of(samples, "-DSER_LOW_POWER=1")
    assert fewer < 0.6 * frames
    kinds = [
        [(line["event"], line.get("state"), line.get("label")) for line in lines]
        for lines in (always, saving)
    ]
    assert kinds[0] == kinds[1]
    assert sum(kind[0] == "decision" for kind in kinds[0]) >= 3
    for one, other in zip(always[1:], saving[1:], strict=True):
        assert abs(one["time_ms"] - other["time_ms"]) <= 64
        for a, b in zip(one.get("probabilities", ()), other.get("probabilities", ()), strict=True):
            assert abs(a - b) < 0.25


def test_speech_ends_where_the_room_grew_louder_in_its_sleep() -> None:
    """A knock wakes it in a room whose noise is louder than when it went to sleep."""
    rng = np.random.default_rng(1)
    levels = [(15, 20, 20), (120, 20, 200), (20, 200, 200), (0.064, 700, 700), (40, 200, 200)]
    parts = [
        np.geomspace(begin, end, int(seconds * 16_000)) * rng.uniform(-1, 1, int(seconds * 16_000))
        for seconds, begin, end in levels
    ]
    for flags in ((), ("-DSER_LOW_POWER=1",)):
        lines, _ = lines_of(np.concatenate(parts).round(), *flags)
        states = [line["state"] for line in lines if line["event"] == "speech"]
        assert states.count("begin") == states.count("end")
        assert "begin" in states


def test_how_slow_a_step_may_be() -> None:
    """One comes every 64 ms, and up to six at once where speech begins anew."""
    fast = simulate(12, step_us=45_000, other_us=1000)
    assert fast[-1].status["lost_samples"] == 0
    slow = simulate(12, step_us=62_000, other_us=1000)
    assert slow[-1].status["lost_samples"] > 0 and slow[-1].faults > 0
