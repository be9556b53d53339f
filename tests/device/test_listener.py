"""The listener in Python against that of the board, compiled under sanitizers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import small_firmware as small
import small_model

from ser_tinyml import features
from ser_tinyml.device import listener, sources_of
from ser_tinyml.device.board import Board
from ser_tinyml.device.gate import Gated, GateEvent
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.hearing import Hearing
from ser_tinyml.device.listener import Heard, Listener, Window, smoothed
from ser_tinyml.device.virtual import VirtualBoard, with_pauses
from ser_tinyml.files import DataError
from ser_tinyml.sound import audio
from ser_tinyml.tflite import convert, release
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

RATE = small.CONFIG.sample_rate


@cache
def hearer() -> Listener:
    return Listener(small.release())


def people(*, seed: int = 0) -> np.ndarray:
    """Some people in a quiet room, then somebody who sings, a knock and a long noise."""
    clips = [clip.waveform for clip in small.golden() if clip.name in ("happy", "sad", "angry")]
    knock = np.zeros(1600, np.int16)
    knock[::2] = 4000
    noise = np.random.default_rng(seed).normal(0, 900, 2 * RATE).astype(np.int16)
    song = audio.to_int16(tone(1.5))
    return with_pauses([*clips, song, knock, noise], sample_rate=RATE, seed=seed)


def tone(seconds: float) -> np.ndarray:
    """Something between a voice and a whistle, loud and less loud in turn, full scale 1."""
    time = np.arange(round(seconds * RATE)) / RATE
    loudness = np.where(time % 0.3 < 0.15, 0.1, 0.015)
    return loudness * np.sin(2 * np.pi * (600 + 200 * np.sin(9 * time)) * time)


def room(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1e-4, round(seconds * RATE))


def assert_same(heard: Heard, board: small.Heard, hearing: Listener) -> None:
    """What Python heard is what the board heard, but for a last bit of an input here and there."""
    stack, names = hearing.release.config.stack, [*hearing.release.labels, "unsure"]
    assert heard.gated.events.tolist() == board.gates
    np.testing.assert_allclose(heard.gated.level_db, board.levels, atol=1e-3)
    kept = kept_steps(heard, board, stack)
    assert len(kept) == sum((w.last - w.first + 1) // stack for w in heard.windows)
    # A window's decisions: one a step; the last is said again where speech ended before its end.
    starts = [i for i, decision in enumerate(board.decisions) if decision[2] == 1]
    parts = [range(*ends) for ends in zip(starts, [*starts[1:], len(board.decisions)], strict=True)]
    final = [part for part in parts if board.decisions[part[-1]][1]]
    assert len(heard.utterances) == len(final) > 0
    for utterance, part in zip(heard.utterances, final, strict=True):
        label, _, steps, voice_frames = board.decisions[part[-1]]
        assert (utterance.steps, utterance.voice_frames) == (steps, voice_frames)
        expected = board.probabilities[part[-1]]
        np.testing.assert_allclose(utterance.probabilities, expected, atol=0.05)
        assert (utterance.label if utterance.answered else "unsure") == names[label]
        shown = [board.decisions[i][0] >= 0 for i in part][:steps]
        assert [step.answered for step in utterance.timeline] == shown


def kept_steps(heard: Heard, board: small.Heard, stack: int) -> list[int]:
    """Places of the board's steps, without those from before a window's beginning moved on."""
    runs: dict[int, list[int]] = {}
    for place, (number, frame) in enumerate(board.steps):
        if number == 0:
            runs[frame] = run = []
        run.append(place)
    return [place for window in heard.windows for place in runs[window.first + stack - 1]]


@pytest.mark.parametrize("seed", [0, 1])
def test_it_hears_what_the_board_hears(seed: int) -> None:
    samples = people(seed=seed)
    compiled = small.listen(samples, "live")
    heard = hearer().listen(samples, rate=RATE)
    assert_same(heard, compiled, hearer())
    assert {u.answered for u in heard.utterances} == {True, False}


def test_inputs_and_outputs_of_every_step_are_the_boards() -> None:
    samples = people()
    compiled = small.listen(samples, "live")
    bands = hearer()._bands(samples / np.float32(32768))
    heard = hearer().listen(samples, rate=RATE)
    rows = []
    for window in heard.windows:
        taken = bands[window.first : window.last + 1]
        rows.append(hearer().release.inputs(features.cepstra(taken, small.CONFIG)))
    inputs, kept = np.concatenate(rows), kept_steps(heard, compiled, small.CONFIG.stack)
    board_inputs, board_outputs = (np.array(v)[kept] for v in (compiled.inputs, compiled.outputs))
    difference = np.abs(inputs.astype(int) - board_inputs)
    assert difference.max() <= 1 and (difference == 0).mean() > 0.999
    outputs = np.concatenate([hearer()._runtime.stream(row) for row in rows])
    ends = np.cumsum([len(row) for row in rows])
    same = [
        (difference[end - len(row) : end] == 0).all() for row, end in zip(rows, ends, strict=True)
    ]
    assert sum(same) > len(same) / 2
    for row, end, equal in zip(rows, ends, same, strict=True):
        if equal:
            part = slice(end - len(row), end)
            np.testing.assert_array_equal(outputs[part], board_outputs[part])


@pytest.mark.parametrize("released", [release.FOLDER, release.FOLDER / "large"])
def test_the_released_model_hears_what_its_sources_hear(released: Path) -> None:
    """A model and its C++ are of one release: on synthetic speech both say the same."""
    hearing = Listener(Release.load(released))
    sources, golden = sources_of(released)
    rate = hearing.release.config.sample_rate
    clips = [clip.waveform for clip in Golden.read(golden).clips[:4]]
    samples = with_pauses(clips, sample_rate=rate)
    with VirtualBoard(samples, model=sources, speed=0) as virtual, Board(virtual.path) as device:
        threshold = device.status["threshold"]
        told = Hearing(rate)
        for messages in device.stream(len(samples) / rate):
            told.take(messages)
        outputs = device.probabilities(np.array([step.outputs for _, step in told.steps]))
    assert threshold == pytest.approx(hearing.release.threshold, abs=5e-4)
    heard = hearing.listen(told.samples, rate=rate)
    assert len(heard.utterances) == len(told.decisions) >= 4
    for utterance, decision in zip(heard.utterances, told.decisions, strict=True):
        assert utterance.steps == decision["steps"]
        assert utterance.voice_frames == decision["voice_frames"]
        label = utterance.label if utterance.answered else "unsure"
        assert label == decision["label"]
        np.testing.assert_allclose(utterance.probabilities, decision["probabilities"], atol=0.02)
    assert len(outputs) >= sum(u.steps for u in heard.utterances)


def test_times_are_those_of_the_sound() -> None:
    samples = np.concatenate([room(1.0), tone(0.2), room(1.0)])
    utterance = hearer().hear(samples, rate=RATE)[0]
    assert utterance.start_s == pytest.approx(1.0, abs=0.15)
    assert utterance.decided_s == utterance.end_s == utterance.timeline[-1].time_s
    assert utterance.steps == small.CONFIG.n_frames
    assert utterance.end_s - utterance.start_s == pytest.approx(small.CONFIG.duration_s)
    times = [step.time_s for step in utterance.timeline]
    np.testing.assert_allclose(np.diff(times), 512 / RATE)


def test_rates_and_types_of_samples() -> None:
    samples = np.concatenate([room(1.0), tone(0.6), room(1.0)])
    expected = hearer().hear(samples, rate=RATE)
    same = hearer().hear(audio.to_int16(samples), rate=RATE)
    assert [u.probabilities.tolist() for u in same] == [u.probabilities.tolist() for u in expected]
    twice = audio.resample(samples, orig=RATE, target=2 * RATE)
    found = hearer().hear(twice, rate=2 * RATE)
    assert [u.steps for u in found] == [u.steps for u in expected]
    for a, b in zip(found, expected, strict=True):
        assert a.start_s == pytest.approx(b.start_s, abs=0.05)


def test_speech_that_does_not_end_has_no_decision() -> None:
    samples = np.concatenate([room(1.0), tone(0.2)])
    heard = hearer().listen(samples, rate=RATE)
    assert heard.utterances == [] and [w.closed for w in heard.windows] == [False]
    assert hearer().hear(np.zeros(100), rate=RATE) == []


@pytest.mark.parametrize(
    "samples", [np.zeros((2, 5)), np.array([0.0, np.nan]), np.zeros(5, np.int32)]
)
def test_what_is_no_waveform_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(DataError, match="listener: expected"):
        hearer().hear(samples, rate=RATE)
    with pytest.raises(DataError, match="listener: expected"):
        hearer().clip(samples, rate=RATE)


def test_a_voice_is_needed_for_an_answer() -> None:
    hearing = Listener(replace(small.release(), threshold=0.0))
    sung = tone(1.0)
    hiss = np.random.default_rng(0).normal(0, 1, len(sung)) * np.abs(sung)
    steady = 0.05 * np.sin(2 * np.pi * 600 * np.arange(len(sung)) / RATE)
    needed = hearing.settings.min_voice_frames
    for sound, answered in ((sung, True), (hiss, False), (steady, False)):
        second = hearing.hear(np.concatenate([room(1), sound, room(1)]), rate=RATE)[1]
        assert second.answered == second.timeline[-1].answered == answered
        assert (second.voice_frames >= needed) == answered
        assert not second.timeline[3].answered


def test_the_threshold_keeps_answers_back() -> None:
    samples = np.concatenate([room(1.0), tone(1.0), room(1.0)])
    sure = Listener(replace(small.release(), threshold=0.0)).hear(samples, rate=RATE)[1]
    never = Listener(replace(small.release(), threshold=1.0)).hear(samples, rate=RATE)[1]
    assert sure.answered and not never.answered
    assert sure.label == never.label


def test_windows_follow_the_gate() -> None:
    config = replace(small.CONFIG, n_frames=4, stack=2)  # 3 frames back, 4 a window
    quiet, onset, speech, end = GateEvent

    def found(*events: GateEvent, level: Sequence[float] = ()) -> list[Window]:
        levels = np.array(level or [-20] * len(events), np.float32)
        unused = np.zeros(len(events))
        gated = Gated(levels, unused, np.array(events, np.uint8), unused)
        return listener.windows(gated, config)

    assert found(*[quiet] * 9) == []
    assert found(quiet, onset, speech, end) == [Window(0, 1, 3, True)]
    spoken = [quiet] * 5 + [onset] + [speech] * 6 + [end, quiet]
    assert found(*spoken) == [
        Window(2, 5, 5, True),
        Window(6, 6, 9, True),
        Window(10, 10, 12, True),
    ]
    assert found(*spoken[:-2]) == [*found(*spoken)[:2], Window(10, 10, 11, False)]
    exactly = [quiet] * 5 + [onset] + [speech] * 3 + [end, quiet]
    assert found(*exactly) == [Window(2, 5, 5, True), Window(6, 6, 9, True)]
    # What is 30 dB below the loudest is no part of a window, nor is the frame after it.
    level = [-80] * 4 + [-20] * 7
    assert found(*exactly, level=level) == [Window(5, 5, 8, True)]


def test_smoothing_is_the_mean_of_the_last_steps() -> None:
    outputs = np.random.default_rng(0).dirichlet(np.ones(3), 9).astype(np.float32)
    for count in range(1, 10):
        expected = outputs[max(count - 4, 0) : count].mean(axis=0)
        np.testing.assert_allclose(smoothed(outputs[:count], 4), expected, rtol=1e-6)


@pytest.mark.parametrize("clip", small.golden(), ids=lambda clip: clip.name)
def test_a_clip_is_answered_as_the_whole_clip_model_does(clip) -> None:
    release = small.release()
    utterance = hearer().clip(clip.waveform, rate=RATE)
    inputs = features.waveform_features(clip.waveform / np.float32(32768), release.config)
    expected = TfliteMicroRuntime(release.tflite).predict(release.normalisation.apply(inputs)[None])
    np.testing.assert_array_equal(utterance.probabilities, expected[0])
    scale, zero_point = convert.io_quantisation(release.tflite)[2:]
    golden = convert.dequantise(clip.outputs, scale, zero_point)
    np.testing.assert_array_equal(utterance.probabilities, golden)
    assert utterance.label == release.labels[int(golden.argmax())]
    assert utterance.answered == (golden.max() >= np.float32(release.threshold))
    assert utterance.steps == len(utterance.timeline) == small_model.N_FRAMES
    bands = features.log_mel(clip.waveform / np.float32(32768), release.config)
    start = features.onset(bands, release.config) * 512 / RATE
    assert utterance.start_s == start


def test_an_empty_clip_is_refused() -> None:
    with pytest.raises(DataError, match="at least one sample"):
        hearer().clip(np.zeros(0), rate=RATE)


def test_features_without_an_onset_are_refused() -> None:
    release = replace(small.release(), config=replace(small.CONFIG, onset_db=None))
    with pytest.raises(DataError, match="with an onset"):
        Listener(release)
