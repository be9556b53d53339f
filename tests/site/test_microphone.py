"""A known recording in Chromium's fake microphone: the page decides what the virtual board does."""

from __future__ import annotations

import json

import browser
import numpy as np
import pytest
import soundfile

from ser_tinyml.device import GOLDEN, virtual
from ser_tinyml.device.board import Board
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.hearing import Hearing
from ser_tinyml.device.listener import Listener
from ser_tinyml.tflite.release import Release

THRESHOLD = 0.4  # for both, so that there are answers to compare
SURE = 0.6  # of the voices that are used, so that a few samples more or less do not matter
pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """The two voices that are answered most surely, in a quiet room."""
    golden = Golden.read(GOLDEN)
    listener = Listener(Release.load())
    rate = golden.sample_rate

    def sureness(waveform: np.ndarray) -> float:
        whole = virtual.with_pauses([waveform], sample_rate=rate)
        heard = listener.hear(whole, rate=rate)
        return float(heard[0].probabilities.max()) if len(heard) == 1 else 0.0

    clips = sorted((clip.waveform for clip in golden.clips[:8]), key=sureness)[-2:]
    assert sureness(clips[0]) > SURE
    return virtual.with_pauses(clips, sample_rate=rate)


def of_the_virtual_board(sound: np.ndarray) -> list[dict]:
    """Its final decisions."""
    with virtual.VirtualBoard(sound, speed=0) as made, Board(made.path) as board:
        board.command(f"threshold {THRESHOLD}")
        hearing = Hearing(board.status["sample_rate"])
        for messages in board.stream(len(sound) / hearing.rate):
            hearing.take(messages)
    return hearing.decisions


def test_the_page_decides_what_the_virtual_board_decides(sound, playwright, address, tmp_path):
    path = tmp_path / "microphone.wav"
    soundfile.write(path, sound, 16_000)
    expected = of_the_virtual_board(sound)
    with browser.chromium(playwright, f"--use-file-for-fake-audio-capture={path}%noloop") as opened:
        page = opened.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        page.evaluate("document.querySelector('#live details').open = true")
        page.fill("#threshold", str(round(100 * THRESHOLD)))
        page.click("#listen")
        page.wait_for_function(
            "n => document.querySelectorAll('[data-hearing=live] .log tbody tr').length >= n",
            arg=len(expected),
        )
        hearing = "serTinyml.live.panel.hearing"
        heard = json.loads(
            page.evaluate(
                f"JSON.stringify({{decisions: {hearing}.decisions.filter((one) => one.final), "
                f"samples: [...{hearing}.samples], count: {hearing}.count, lost: {hearing}.lost}})"
            )
        )
        page.click("#listen")
    found, caught = heard["decisions"], heard["samples"]
    assert (heard["lost"], heard["count"]) == (0, len(caught))  # it kept all, from the first on
    labels = [one["label"] for one in found]
    assert labels == [one["label"] for one in expected] and "unsure" not in labels
    # In the browser frames begin at other samples. Of what it caught, every number is the same.
    again = of_the_virtual_board(np.array(caught, np.int16))
    keys = ("label", "probabilities", "steps", "voice_frames", "colour")
    assert [[one[key] for key in keys] for one in found] == [
        [one[key] for key in keys] for one in again
    ]


def test_a_microphone_that_is_denied_is_said_to_be(playwright, address):
    with browser.chromium(playwright, without_microphone=True) as opened:
        page = opened.new_context().new_page()
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        page.click("#listen")
        page.wait_for_selector("text=The browser was not allowed to use the microphone")
        assert page.inner_text("#listen") == "Listen to my microphone"
