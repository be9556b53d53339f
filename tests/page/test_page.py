"""The page for recordings: in Chromium from upload to download, and what a bad file does to it."""

from __future__ import annotations

import csv
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import browser
import numpy as np
import pytest
import soundfile
from jsonschema import Draft202012Validator
from make_sound_files import CASES

from ser_tinyml import files
from ser_tinyml.apps import page, upload
from ser_tinyml.apps.answering import Predictor
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite.release import Release

START_S = 120
pytestmark = [pytest.mark.page, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A page of its own, on a port that is free."""
    pytest.importorskip("streamlit")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (sys.executable, "-m", "ser_tinyml", "page", "--port", str(port))
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    try:
        end = time.monotonic() + START_S
        while True:
            try:
                urlopen(f"{url}_stcore/health", timeout=2).close()
                break
            except OSError:
                assert time.monotonic() < end and process.poll() is None
                time.sleep(0.3)
        yield url
    finally:
        for child in browser.children(process.pid):
            child.terminate()
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def opened(address) -> Iterator:
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright, browser.chromium(playwright) as chromium:
        shown = chromium.new_page()
        shown.set_default_timeout(120_000)
        shown.goto(address)
        shown.wait_for_selector("text=Hear emotion in speech")
        yield shown


def test_recordings_are_answered_shown_and_saved(opened, tmp_path):
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"no sound at all")
    good = [CASES / "base.wav", CASES / "voice.m4a"]
    opened.set_input_files("input[type=file]", [str(path) for path in (*good, bad)])
    opened.wait_for_selector("text=bad.mp3: expected a recording")
    opened.wait_for_selector("text=All as JSON")
    assert opened.locator("[data-testid=stImage] img").count() == 2
    saved = {}
    for name in ("All as JSON", "Table as CSV"):
        with opened.expect_download() as download:
            opened.click(f"text={name}")
        saved[name] = Path(download.value.path()).read_text("utf-8")
    answers = json.loads(saved["All as JSON"])
    assert [one["file"] for one in answers] == ["base.wav", "voice.m4a", "bad.mp3"]
    predictor = Predictor(Release.load())
    for one, path in zip(answers, good, strict=False):
        found = predictor.answer(predictor.read(path).samples)
        assert one["guess"] == found.guess
        expected = list(found.probabilities.values())
        np.testing.assert_allclose(list(one["probabilities"].values()), expected, atol=1e-7)
    rows = list(csv.DictReader(saved["Table as CSV"].splitlines()))
    assert [row["file"] for row in rows] == ["base.wav", "voice.m4a"]
    assert "do not use it to judge" in opened.inner_text("body")


def test_the_answer_is_that_of_the_schema():
    one = upload.answer((CASES / "base.wav").read_bytes(), name="base.wav")
    schema = files.read_json(ROOT / "docs" / "predict.schema.json")
    Draft202012Validator(schema).validate(one.answer)
    assert one.error is None and one.picture[1:4] == b"PNG"


def test_what_is_no_recording_or_too_long_is_said_by_its_name(tmp_path):
    one = upload.answer(b"RIFF\x00", name="x.wav")
    assert one.error.startswith("x.wav: expected a recording") and one.picture == b""
    long = tmp_path / "long.flac"
    soundfile.write(long, np.zeros(8000 * (upload.LONGEST_S + 1), np.int16), 8000)
    assert "more than 600 s" in upload.answer(long.read_bytes(), name="long.flac").error


def test_a_file_that_takes_for_ever_is_given_up():
    one = upload.answer((CASES / "base.wav").read_bytes(), name="slow.wav", patience_s=0.01)
    assert one.error == f"slow.wav: {upload.BROKEN}"


def test_the_table_has_a_row_for_what_was_read():
    answers = [
        {"file": "a", "label": None, "guess": "x", "reason": None, "duration_s": 1}
        | {"probabilities": {"x": 0.6, "y": 0.4}},
        {"file": "b", "label": None, "guess": None, "reason": "silent", "duration_s": 2}
        | {"probabilities": {"x": 0.5, "y": 0.5}},
        {"file": "c", "error": "c: broken"},
    ]
    said = [row["answer"] for row in page.table(answers)]
    assert said == ["unsure, leaning to x", "no speech heard (silent)"]


def test_each_system_that_was_trained_has_a_tab(monkeypatch):
    testing = pytest.importorskip("streamlit.testing.v1")
    from ser_tinyml.apps import field
    from ser_tinyml.systems import registry

    known = [registry.find(name) for name in ("mixtures", "spectrogram")]
    monkeypatch.setattr(field, "trained", lambda: known)
    shown = testing.AppTest.from_file(page.__file__, default_timeout=60).run()
    assert not shown.exception
    assert [tab.label for tab in shown.tabs] == [
        *("The board's network", "Gaussian mixtures", "CNN")
    ]
    said = [markdown.value for markdown in shown.markdown]
    assert any("It takes a picture of a spectrogram, too." in text for text in said)
