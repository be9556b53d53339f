"""The page in Chromium: recordings, a board on a serial port, one's own clips, and no network."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import browser
import numpy as np
import pytest
import soundfile
from make_sound_files import CASES

from ser_tinyml.apps.answering import Predictor
from ser_tinyml.data import dataset
from ser_tinyml.device import GOLDEN
from ser_tinyml.device.golden import Golden
from ser_tinyml.tflite.release import Release

READY_MS = 1500
VIEWS = ("live", "file", "board", "record", "about")
FAKE_BOARD = (Path(__file__).parent / "fake_board.js").read_text("utf-8")
pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(Release.load())


def load(page, address: str, view: str = "") -> None:
    page.goto(address + view)
    page.wait_for_selector("body[data-ready]")


def choose(page, *paths: Path) -> list[dict]:
    """Gives the page recordings and waits for what it makes of them."""
    page.click("nav a[href='#file']")
    before = page.locator("#answers article").count()
    page.set_input_files("#chosen", [str(path) for path in paths])
    page.wait_for_function(
        "n => document.querySelectorAll('#answers article').length === n", arg=before + len(paths)
    )
    cards = "[...document.querySelectorAll('#answers article')].reverse().map((a) => a.found)"
    return page.evaluate(cards)[before:]


def test_a_wav_file_is_answered_as_predict_answers_it(page, predictor, tmp_path):
    golden = Golden.read(GOLDEN)
    paths = [CASES / "base.wav"]
    for clip in golden.clips[:4]:
        paths.append(tmp_path / f"{clip.name}.wav")
        soundfile.write(paths[-1], clip.waveform, golden.sample_rate)
    for found, path in zip(choose(page, *paths), paths, strict=True):
        answer = predictor.answer(predictor.read(path).samples)
        expected = list(answer.probabilities.values())
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-7)
        assert (found["guess"], found["answered"]) == (answer.guess, answer.answered)


def test_what_phones_and_browsers_record_is_decoded(page, predictor, tmp_path):
    samples = predictor.read(CASES / "base.wav").samples
    opus = tmp_path / "voice.opus"
    soundfile.write(opus, samples, 16_000, format="OGG", subtype="OPUS")
    mp3 = tmp_path / "voice.mp3"
    soundfile.write(mp3, samples, 16_000, format="MP3")
    stereo = tmp_path / "stereo.flac"
    hum = 0.2 * np.sin(np.arange(len(samples)) / 3)
    soundfile.write(stereo, np.stack([hum, samples], axis=1), 16_000)
    paths = [CASES / "voice.m4a", CASES / "MediaRecorder.webm", opus, mp3, stereo]
    for found, path in zip(choose(page, *paths), paths, strict=True):
        answer = predictor.answer(predictor.read(path).samples)
        assert found["guess"] == answer.guess, path.name
        expected = list(answer.probabilities.values())
        np.testing.assert_allclose(found["probabilities"], expected, atol=0.15, err_msg=path.name)
    assert page.locator("#answers article canvas").count() == len(paths)


def test_a_built_in_voice_is_answered_and_saved(page):
    page.click("nav a[href='#file']")
    page.click("#try")
    page.wait_for_selector("#answers article")
    with page.expect_download() as saved:
        page.click("text=Answer as JSON")
    assert saved.value.suggested_filename.endswith(".json")
    assert '"probabilities"' in Path(saved.value.path()).read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.wav", b"RIFF1234WAVEnothing more", "this browser cannot decode"),
        ("text.mp3", b"no sound at all", "expected a recording"),
        ("empty.wav", b"", "expected a recording"),
    ],
)
def test_a_broken_file_is_named_and_the_next_is_answered(page, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    page.click("nav a[href='#file']")
    page.set_input_files("#chosen", [str(tmp_path / name), str(CASES / "base.wav")])
    page.wait_for_selector("#answers article")
    problem = page.inner_text("#problem")
    assert problem.startswith(f"{name}: ") and said in problem


def test_a_recording_that_is_too_long_is_refused(page, tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(601 * 8000, np.int16), 8000)
    page.click("nav a[href='#file']")
    page.set_input_files("#chosen", str(path))
    page.wait_for_selector("#problem:not([hidden])")
    assert "expected at most 10 minutes, found 10.0" in page.inner_text("#problem")


def test_a_built_in_voice_speaks_to_the_firmware(page):
    page.select_option("#voice", index=3)
    page.click("#speak")
    page.wait_for_selector("[data-hearing=live] .log tbody tr")
    assert "%" in page.inner_text("[data-hearing=live] .log tbody tr")
    page.wait_for_selector("text=Let it speak")
    assert page.inner_text("[data-hearing=live] .said") != "Not listening"


def test_the_threshold_counts_at_once(page):
    page.evaluate("document.querySelector('#live details').open = true")
    page.fill("#threshold", "5")
    assert page.inner_text("#threshold-value") == "5 %"
    page.click("#speak")
    row = "[data-hearing=live] .log tbody tr"
    page.wait_for_selector(row)
    assert "unsure" not in page.inner_text(row)


def test_a_board_is_followed_and_compared(page, address):
    page.add_init_script(FAKE_BOARD)
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.click("nav a[href='#board']")
    page.click("#connect")
    page.wait_for_selector("#board-connected:not([hidden])")
    assert Golden.read(GOLDEN).model_id in page.inner_text("#board-state")
    page.wait_for_selector("[data-hearing=board] .log tbody tr")  # it heard the fake's voice
    page.click("#pair-all")
    clips = Golden.read(GOLDEN).clips
    page.wait_for_function(
        "n => document.querySelectorAll('#pairs tbody tr').length === n", arg=len(clips)
    )
    rows = page.locator("#pairs tbody tr").all_inner_texts()
    for row, clip in zip(rows, clips, strict=True):
        cells = row.split("\t")
        assert cells[0] == clip.name and cells[2:4] == ["0", "0"]
        assert "numbers are the same" in cells[4]
    page.click("#disconnect")
    page.wait_for_selector("#connect:not([hidden])")
    assert page.evaluate("serialPort.closed")


def test_a_board_that_computes_otherwise_is_found_out(page):
    counted = page.evaluate(
        """async () => {
          const { compare } = await import("./js/view-board.js");
          const other = { test: async (samples) => {
            const found = await serTinyml.meter.test(samples);
            found.steps[3].inputs[0] ^= 1;
            found.steps[4].outputs[1] ^= 1;
            found.steps[4].outputs[2] ^= 1;
            return found;
          } };
          return compare(other, serTinyml.fileCore, await serTinyml.voice("happy"));
        }"""
    )
    assert (counted["inputs"], counted["outputs"], counted["same"]) == (1, 2, True)


def test_a_board_that_is_pulled_out_is_said_to_be(page):
    page.add_init_script(FAKE_BOARD)
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.click("nav a[href='#board']")
    page.click("#connect")
    page.wait_for_selector("#board-connected:not([hidden])")
    page.evaluate("serialPort.unplug()")
    page.wait_for_selector("text=The board was unplugged.")
    assert page.is_visible("#connect")


def test_clips_of_ones_own_are_what_the_pipeline_reads(page, tmp_path):
    page.click("nav a[href='#record']")
    page.fill("#labels", 'keen, say "no"')
    page.press("#labels", "Tab")
    page.fill("#speaker", "anna")
    for i in range(3):
        page.click(f"#choices button >> nth={i % 2}")
        page.click("#take")
        page.wait_for_timeout(900 + 300 * i)  # the fake microphone begins anew with each clip
        page.click("#take")
        page.wait_for_selector("#taken:not([hidden])")
        page.click("#discard" if i == 2 else "#keep")
    assert page.inner_text("#kept") == "2 clips are kept."
    with page.expect_download() as saved:
        page.click("#download")
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
        table = archive.read("labels.csv").decode()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["label"] for row in rows] == ["keen", 'say "no"']
    scan = dataset.scan(tmp_path, progress=False, jobs=1)
    assert sorted(scan.clips["emotion"]) == ["keen", 'say "no"'] and not len(scan.left_out)
    assert (
        set(scan.clips["speaker"]) == {"own-anna"} and (scan.clips["sample_rate"] == 16_000).all()
    )


def test_labels_that_will_not_do_are_refused_before_recording(page):
    page.click("nav a[href='#record']")
    page.fill("#labels", "unsure, good")
    page.press("#labels", "Tab")
    page.click("#take")
    assert "meaning of its own" in page.inner_text("#problem")
    page.fill("#labels", "good")
    page.press("#labels", "Tab")
    page.click("#take")
    assert "two labels" in page.inner_text("#problem")


def test_nothing_leaves_and_nothing_is_stored(page, address):
    """The fixture sees to it that no request goes elsewhere; here the page tries to."""
    refused = page.evaluate(
        """async () => {
          const blocked = [];
          addEventListener("securitypolicyviolation", (event) => blocked.push(event.blockedURI));
          try { await fetch("https://example.org/", { mode: "no-cors" }); } catch {}
          await new Promise((resolve) => setTimeout(resolve, 100));
          return blocked;
        }"""
    )
    assert refused and refused[0].startswith("https://example.org")
    page.said.clear()  # the browser's own remark on that
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_it_works_without_a_network_once_loaded(chromium):
    with browser.served(browser.built()) as url:
        context = chromium.new_context()
        page = context.new_page()
        load(page, url)
        page.wait_for_function("() => document.getElementById('offline').textContent !== ''")
    load(page, url)  # the server is gone
    found = choose(page, CASES / "base.wav")
    assert len(found) == 1 and found[0]["guess"]
    page.click("#try")
    page.wait_for_function("() => document.querySelectorAll('#answers article').length === 2")
    context.close()


@pytest.mark.parametrize(
    ("taken", "view", "said"),
    [
        ("delete globalThis.WebAssembly", "", "This browser has no WebAssembly"),
        ("delete Navigator.prototype.mediaDevices", "", "gives no microphone to this page"),
        ("delete Navigator.prototype.serial", "#board", "This browser has no Web Serial"),
    ],
)
def test_what_a_browser_lacks_is_said(chromium, address, taken, view, said):
    context = chromium.new_context()
    page = context.new_page()
    page.add_init_script(taken)
    page.goto(address + view)
    page.wait_for_selector(f"text={said}")
    assert page.is_hidden("#loading")
    context.close()


def test_it_is_ready_soon(chromium, address):
    times = []
    for _ in range(4):  # the best counts: others may be at work on this machine
        context = chromium.new_context()
        page = context.new_page()
        load(page, address)
        times.append(int(page.get_attribute("body", "data-ready")))
        context.close()
    assert min(times) <= READY_MS


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_on_a_phone_and_is_read_aloud(chromium, address, scheme):
    context = chromium.new_context(viewport={"width": 340, "height": 700}, color_scheme=scheme)
    page = context.new_page()
    for view in VIEWS:
        load(page, address, f"#{view}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 340, view
        nameless = page.evaluate(
            """[...document.querySelectorAll("button, input, select, canvas, a")]
              .filter((one) => one.checkVisibility())
              .filter((one) => !(one.labels?.length || one.getAttribute("aria-label") ||
                one.textContent.trim())).map((one) => one.outerHTML)"""
        )
        assert nameless == [], view
        assert page.locator("h2:visible").count() == 1 and page.locator("h1").count() == 1
        assert page.locator("nav a[aria-current=page]").count() == 1
    assert min(contrasts(page)) >= 4.5
    context.close()


def contrasts(page) -> list[float]:
    """Of text on its ground, as WCAG counts it."""

    def luminance(colour: str) -> float:
        parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    pairs = (
        ("--ink", "--paper"),
        ("--ink", "--raised"),
        ("--ink-soft", "--paper"),
        ("--ink-soft", "--raised"),
        ("--accent-ink", "--accent"),
        ("--wrong", "--wrong-paper"),
    )
    found = []
    for pair in pairs:
        values = page.evaluate(
            """names => names.map((name) =>
              getComputedStyle(document.documentElement).getPropertyValue(name).trim())""",
            list(pair),
        )
        low, high = sorted(map(luminance, values))
        found.append((high + 0.05) / (low + 0.05))
    return found


def test_it_is_used_with_the_keyboard_alone(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    for _ in range(6):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "listen"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Stop listening")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Listen to my microphone")
