"""The firmware as WebAssembly, in node: the golden clips to the bit, and the answers of predict."""

from __future__ import annotations

import subprocess
from pathlib import Path

import browser
import numpy as np
import pytest

from ser_tinyml.apps import site
from ser_tinyml.apps.answering import Predictor
from ser_tinyml.device import GOLDEN, virtual, wasm
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.listening import frame_rate
from ser_tinyml.tflite.release import Release

HERE = Path(__file__).parent
MOST_KB = 400  # compressed, page and core
MOST_LOAD = 0.02  # of one core, while it listens
pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden.read(GOLDEN)


@pytest.fixture(scope="module")
def module() -> Path:
    return browser.built() / "ser.wasm"


@pytest.fixture(scope="module")
def recordings(golden) -> list[tuple[str, np.ndarray]]:
    """Clips, and what is longer: pauses, digital silence, a fan, a voice without a pause."""
    rate = golden.sample_rate
    rng = np.random.default_rng(3)
    clips = [clip.waveform for clip in golden.clips[:6]]
    gap = np.zeros(3 * rate, np.int16)  # a device would call this a broken microphone
    fan = np.round(rng.normal(0, 300, 20 * rate)).astype(np.int16)
    clicks = fan // 100 + 8000 * (np.arange(len(fan)) % rate < 40).astype(np.int16)
    return [
        *((clip.name, clip.waveform) for clip in golden.clips),
        ("pauses", virtual.with_pauses(clips, sample_rate=rate)),
        ("silence", np.concatenate([part for clip in clips for part in (gap, clip)])),
        ("fan", fan),
        ("clicks", clicks),
        ("no pause", np.concatenate([clip[4000:-4000] for clip in clips])),
        ("one sample", np.array([9000], np.int16)),
        ("quiet", np.round(clips[0] * (20 / np.abs(clips[0]).max())).astype(np.int16)),
    ]


def test_every_golden_clip_is_the_same_to_the_bit(golden, module):
    sounds = [(clip.name, clip.waveform) for clip in golden.clips]
    found = browser.run_node(HERE / "golden.mjs", module, sounds=sounds)
    assert found["status"]["model"] == golden.model_id
    assert len(found["results"]) == len(golden.clips) >= 14
    for one, clip in zip(found["results"], golden.clips, strict=True):
        assert one["onset"] == clip.onset, clip.name
        np.testing.assert_array_equal(one["inputs"], clip.inputs, clip.name)
        np.testing.assert_array_equal(one["outputs"], clip.outputs, clip.name)


def test_a_recording_is_answered_as_predict_answers_it(recordings, module):
    found = browser.run_node(
        HERE / "answers.mjs", module, module.parent / "settings.json", sounds=recordings
    )
    predictor = Predictor(Release.load())
    rate = float(frame_rate(predictor.release.config))
    for one, (name, samples) in zip(found, recordings, strict=True):
        answer = predictor.answer(samples / np.float32(32768))
        assert (one["guess"], one["answered"], one["reason"]) == (
            *(answer.guess, answer.answered, answer.reason),
        ), name
        expected = list(answer.probabilities.values())
        np.testing.assert_allclose(one["probabilities"], expected, atol=1e-6, err_msg=name)
        heard = [
            (round(u.start_s * rate), u.steps, u.voice_frames, u.answered)
            for u in answer.utterances
        ]
        keys = ("first", "steps", "voiceFrames", "answered")
        assert [tuple(u[key] for key in keys) for u in one["utterances"]] == heard, name
    reasons = {one["reason"] for one in found}
    assert reasons >= {None, "silent", "steady sound"}
    assert max(len(one["utterances"]) for one in found) >= 6


def test_it_keeps_up_with_a_fiftieth_of_a_processor(golden, module):
    clips = [clip.waveform for clip in golden.clips[:8]]
    sound = virtual.with_pauses(clips, sample_rate=golden.sample_rate, pause_s=0.2)
    loads = [
        browser.run_node(HERE / "speed.mjs", module, sounds=[("all", sound)]) for _ in range(3)
    ]
    assert min(loads) < MOST_LOAD  # the best counts: others may be at work on this machine


def test_page_and_core_are_small():
    assert site.compressed_kb(browser.built()) < MOST_KB


def test_the_module_is_the_same_bytes_again(module):
    again = wasm._compiled(virtual.texts(wasm.PROGRAM, wasm.MODEL))
    assert again == module.read_bytes()


def test_modules_that_need_no_browser():
    done = subprocess.run(
        [browser.node(), "--test", HERE / "modules.test.mjs"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 12" in done.stdout
