"""The host side, against the virtual board: the firmware itself behind a pseudo-terminal."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import small_firmware as small

from ser_tinyml import __main__ as command_line
from ser_tinyml import features
from ser_tinyml.data import dataset
from ser_tinyml.device import GOLDEN, MODEL, board, gate, report, sources_of, virtual
from ser_tinyml.device.board import Board
from ser_tinyml.device.hearing import Hearing, save_clips
from ser_tinyml.device.listening import LISTENING
from ser_tinyml.device.protocol import BoardError, Decoder, Frame, FrameType
from ser_tinyml.device.virtual import VirtualBoard
from ser_tinyml.files import DataError
from ser_tinyml.plots import live
from ser_tinyml.provenance import shipped
from ser_tinyml.sound import reading

RATE = small.CONFIG.sample_rate
NOTHING = np.zeros(0, np.int16)


@pytest.fixture(scope="module")
def microphone() -> np.ndarray:
    """Three people in a quiet room."""
    clips = [clip.waveform for clip in small.golden()[:3]]
    return virtual.with_pauses(clips, sample_rate=RATE)


@pytest.fixture
def device():
    with (
        VirtualBoard(NOTHING, model=small.model_folder()) as virtual,
        Board(virtual.path) as opened,
    ):
        yield opened


def hear(samples: np.ndarray, *, speed: float) -> Hearing:
    with VirtualBoard(samples, speed=speed, model=small.model_folder()) as virtual:
        with Board(virtual.path) as opened:
            hearing = Hearing(RATE)
            for messages in opened.stream(len(samples) / RATE):
                hearing.take(messages)
            assert opened.lost_frames == 0
            assert opened.command("status")["lost_lines"] == 0
    return hearing


def test_it_says_what_it_is(device):
    status = device.status
    assert status["model"] == small.export().model_id
    assert status["labels"] == list(small.LABELS)
    assert (status["steps"], status["inputs"]) == small.CONFIG.feature_shape
    assert status["engine"] == "direct"
    assert status["fault"] == "ok"
    outputs = np.array([-128, 0, 127], np.int8)
    expected = small.export().quantisation
    np.testing.assert_allclose(
        device.probabilities(outputs),
        (outputs.astype(float) - expected.output_zero_point) * expected.output_scale,
        rtol=1e-6,
    )


def test_commands(device):
    assert device.command("threshold 0.25")["threshold"] == 0.25
    assert device.command("threshold")["threshold"] == 0.25
    assert device.command("stream start")["streaming"]
    assert not device.command("stream stop")["streaming"]
    assert "status" in device.command("help")["commands"]
    with pytest.raises(BoardError, match="0 to 1"):
        device.command("threshold 1.5")
    with pytest.raises(BoardError, match="try help"):
        device.command("reboot")
    assert device.command("status")["threshold"] == device.status["threshold"] == 0.25


def test_the_whole_recording_is_heard(microphone):
    hearing = hear(microphone, speed=0)
    n = len(microphone)
    assert len(hearing.samples) >= n
    np.testing.assert_array_equal(hearing.samples[:n], microphone)
    frames = 1 + (len(hearing.samples) - 1024) // 512
    assert len(hearing.levels) == frames
    begins = [line for line in hearing.lines if line.get("state") == "begin"]
    assert len(begins) == 3
    assert len(hearing.clips()) == 3
    assert [decision["steps"] for decision in hearing.decisions][:1] == [12]
    assert len(hearing.steps) >= 12 * len(hearing.decisions)


def test_in_the_time_of_the_recording_too(microphone):
    hearing = hear(microphone, speed=20)
    samples = hearing.samples
    start = next(i for i in range(len(samples)) if (samples[i : i + 64] == microphone[:64]).all())
    n = min(len(samples) - start, len(microphone))
    np.testing.assert_array_equal(samples[start : start + n], microphone[:n])
    assert len([line for line in hearing.lines if line.get("state") == "begin"]) == 3


def test_levels_are_those_of_the_gate_in_python(microphone):
    hearing = hear(microphone, speed=0)
    bands = features.log_mel(hearing.samples / np.float32(32768), small.CONFIG)
    expected = gate.run(bands, LISTENING.gate(small.CONFIG))
    _, levels, floors, speech = zip(*hearing.levels, strict=True)
    np.testing.assert_allclose(levels, expected.level_db, atol=1e-3)
    np.testing.assert_allclose(floors, expected.floor_db, atol=1e-3)
    np.testing.assert_array_equal(speech, expected.speech)


def test_golden_clips_come_back_to_the_bit(device):
    rows = report.check_golden(device, small.golden_folder())
    assert [row["name"] for row in rows] == [clip.name for clip in small.golden()]
    assert all(row["same_outputs"] for row in rows)
    assert max(row["input_units"] for row in rows) == 0
    assert max(row["feature_difference"] for row in rows) < 1e-3
    assert all(len(row["engine_us"]) == 12 for row in rows)


def test_pictures_of_nothing_and_of_everything(microphone, device):
    for hearing in (Hearing(RATE), hear(microphone, speed=0)):
        end = hearing.seconds
        spoken = [(0.0, 0.5, "calm"), (end - 2, end + 1, "happy")] if end else []
        figure = live.listening(hearing, device, spoken=spoken, last_s=4)
        assert [text.get_text() for text in figure.axes[0].texts] == ["happy"] * bool(end)
        windows = len(figure.axes[2].images)
        begun = sum(step.step == 0 for _, step in hearing.steps)
        assert windows == begun
        texts = {text.get_text().strip() for text in figure.axes[3].texts}
        late = [d["label"] for d in hearing.decisions if d["second"] >= hearing.seconds - 4]
        assert texts == set(late)
        plt.close(figure)
    figure = live.step_times(*hearing.times_us, step_ms=device.step_ms, board="board")
    assert "of 32 ms" in figure.axes[0].get_title()
    plt.close(figure)
    table = hearing.decision_table(device.labels)
    assert len(table) == len(hearing.decisions) > 0
    np.testing.assert_allclose(table[list(small.LABELS)].sum(axis=1), 1, atol=0.02)


def test_a_test_in_the_middle_of_a_stream(microphone):
    clip = small.golden()[0]
    with VirtualBoard(microphone, speed=0, model=small.model_folder()) as virtual:
        with Board(virtual.path) as device:
            device.command("stream start")
            time.sleep(0.3)
            result = device.run_clip(clip.waveform)
    np.testing.assert_array_equal(result.inputs, clip.inputs)
    np.testing.assert_array_equal(result.outputs[-1], clip.outputs)


def test_a_difference_is_seen(device, monkeypatch):
    run_clip = Board.run_clip

    def other(self, samples):
        result = run_clip(self, samples)
        result.outputs[-1, 0] ^= 1
        return result

    monkeypatch.setattr(Board, "run_clip", other)
    rows = report.check_golden(device, small.golden_folder())
    assert not any(row["same_outputs"] for row in rows)
    assert "**differ**" in report.report(device, rows)


def losing(monkeypatch, times: int) -> list[int]:
    """Let the line lose a step frame of each of the first tests."""
    honest, tests = Decoder.push, []

    def lossy(self, data):
        for item in honest(self, data):
            if isinstance(item, Frame) and item.type == FrameType.TEST_DONE:
                tests.append(item.sequence)
                if len(tests) <= times:
                    self.lost += 1
            yield item

    monkeypatch.setattr(Decoder, "push", lambda self, data: list(lossy(self, data)))
    return tests


def test_a_report_goes_on_after_a_lost_frame(device, monkeypatch):
    losing(monkeypatch, 1)
    rows = report.check_golden(device, small.golden_folder())
    assert [row["asked_again"] for row in rows] == [1] + [0] * (len(rows) - 1)
    assert all(row["same_outputs"] for row in rows)
    assert "a frame was lost: 1." in report.report(device, rows)


def test_a_line_that_loses_every_time_is_said_to(device, monkeypatch):
    losing(monkeypatch, 1000)
    with pytest.raises(BoardError, match="lost on the line"):
        report.check_golden(device, small.golden_folder())


def test_a_clip_has_to_be_one(device):
    for wrong in (np.zeros(5), np.zeros((2, 2), np.int16), NOTHING):
        with pytest.raises(DataError, match="expected int16"):
            device.run_clip(wrong)


def test_a_host_that_goes_in_the_middle_of_a_test_leaves_a_board_that_listens(microphone):
    with VirtualBoard(microphone, speed=0, model=small.model_folder()) as virtual:
        with Board(virtual.path) as first:
            first._send(FrameType.TEST_BEGIN, b"\0")
            first._send(FrameType.TEST_AUDIO, bytes(1024))
            first._write(b"\xa5\x5a\x02")
        time.sleep(0.1)
        with Board(virtual.path) as second:
            hearing = Hearing(RATE)
            for messages in second.stream(3):
                hearing.take(messages)
            assert any(line.get("state") == "begin" for line in hearing.lines)


def test_report(device):
    text = report.report(device, report.check_golden(device, small.golden_folder()))
    assert "not a board" in text
    assert small.export().model_id in text
    assert text.count("| same |") == len(small.golden())


def test_report_of_another_model_is_refused(device, tmp_path):
    for path in small.golden_folder().iterdir():
        (tmp_path / path.name).symlink_to(path)
    golden = tmp_path / "golden.json"
    text = golden.read_text().replace(small.export().model_id, "f" * 16)
    golden.unlink()
    golden.write_text(text)
    with pytest.raises(BoardError, match="f" * 16):
        report.check_golden(device, tmp_path)


def plugged_in(monkeypatch, *ports):
    """Let these be the ports of this computer: (device, vendor, product)."""
    listed = [SimpleNamespace(device=device, vid=vid, pid=pid) for device, vid, pid in ports]
    monkeypatch.setattr(board.list_ports, "comports", lambda: listed)


def test_boards_are_found_by_their_usb_ids(monkeypatch):
    nano = board.NANO_33_BLE
    with VirtualBoard(NOTHING, model=small.model_folder()) as played:
        others = [("/dev/ttyS0", None, None), (os.devnull, *nano)]
        plugged_in(monkeypatch, *others, (played.path, *nano))
        assert board.find() == played.path
        plugged_in(monkeypatch, *others, (played.path, 0x2341, 0x0043))  # another Arduino
        assert board.find() is None
    assert "plugged in" in str(board.none_found())


def test_a_board_that_waits_for_an_upload_is_said_to(monkeypatch):
    plugged_in(monkeypatch, ("/dev/ttyACM3", *board.BOOTLOADER))
    assert board.find() is None
    assert "/dev/ttyACM3" in str(board.none_found())
    assert "upload" in str(board.none_found())


def test_what_is_no_board(tmp_path):
    with pytest.raises(BoardError, match="No such file"):
        Board(tmp_path / "missing")
    with pytest.raises(BoardError, match="serial port"):
        Board(os.devnull)
    terminal, other = os.openpty()
    try:
        with pytest.raises(BoardError, match="expected an answer, found none"):
            Board(os.ttyname(other), patience=0.3)
    finally:
        os.close(terminal)
        os.close(other)


def test_no_model_no_virtual_board(tmp_path):
    with pytest.raises(BoardError, match="run notebook 05"):
        with VirtualBoard(NOTHING, model=tmp_path):
            pass


def test_a_model_by_its_folder_is_built_and_tested(capsys):
    """Each command that wants the C++ of a model finds it below the folder of the model."""
    folder = small.golden_folder().parent
    assert sources_of(folder) == (small.model_folder(), small.golden_folder())
    command = ["board", "report", "--virtual", "--model", str(folder)]
    assert command_line.main(command) == 0
    told = capsys.readouterr().out
    assert small.export().model_id in told
    assert told.count("| same |") == len(small.golden())


def test_where_the_sources_of_a_model_lie(tmp_path):
    assert sources_of(shipped("models")) == (MODEL, GOLDEN)
    with pytest.raises(DataError, match="expected a model with its C.., in model/, 05_export/m"):
        sources_of(tmp_path)
    adapted = tmp_path / "sketch/arduino_nano33/src/model"  # a model for one voice
    adapted.mkdir(parents=True)
    assert sources_of(tmp_path) == (adapted, tmp_path / "golden")
    for place in (tmp_path / "05_export", tmp_path):
        (place / "model").mkdir(parents=True)
        assert sources_of(tmp_path) == (place / "model", place / "golden")


def test_another_models_golden_clips_are_refused(device):
    with pytest.raises(BoardError, match="found .*: --model takes the folder or the name of its"):
        report.check_golden(device)


def test_no_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BoardError, match="install g"):
        virtual.build(small.model_folder())


def test_clips_are_kept_as_stage_01_reads_them(tmp_path):
    rng = np.random.default_rng(0)
    clips = [rng.integers(-9000, 9000, n).astype(np.int16) for n in (900, 500, 700, 800)]
    kept = {"rate": RATE, "speaker": "me"}
    save_clips(tmp_path, clips[:2], label="sehr müde", session="monday", **kept)
    (tmp_path / "me_sehr-müde_001.wav").rename(tmp_path / "renamed.wav")
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("me_sehr-müde_001.wav", "renamed.wav"))
    save_clips(tmp_path, clips[2:3], label="sehr müde", session="tuesday", **kept)
    found = save_clips(tmp_path, clips[3:], label="keen", **kept)
    names = ["renamed.wav", "me_sehr-müde_002.wav", "me_sehr-müde_001.wav", "me_keen_001.wav"]
    assert found["file"].tolist() == names
    for path, clip in zip(found["file"], clips, strict=True):
        samples, rate = reading.read_audio(tmp_path / path)
        assert rate == RATE
        np.testing.assert_array_equal(samples * 32768, clip)
    scan = dataset.scan(tmp_path, progress=False)
    assert len(scan.left_out) == 0
    read = scan.clips.set_index("path").loc[names]
    assert read["emotion"].tolist() == ["sehr müde"] * 3 + ["keen"]
    assert read["session"].tolist() == ["monday", "monday", "tuesday", ""]
    assert set(read["speaker"]) == {"own-me"}
    with pytest.raises(DataError, match="label: expected another word"):
        save_clips(tmp_path, clips, label="unsure", **kept)


def test_floats_are_sound_and_the_rest_is_refused():
    clip = np.linspace(-0.5, 0.5, 100)
    played = virtual.with_pauses([clip], sample_rate=1000, pause_s=0.2)
    np.testing.assert_array_equal(played[200:300], np.round(clip * 32768))
    board = VirtualBoard(clip)
    np.testing.assert_array_equal(board.samples, np.round(clip * 32768))
    for wrong in (clip * 32768, np.arange(100), clip[np.newaxis], np.full(9, np.nan)):
        with pytest.raises(DataError, match="virtual board: expected int16 or floats"):
            VirtualBoard(wrong)


def test_pauses():
    clips = [np.full(100, 1000, np.int16), np.full(50, -1000, np.int16)]
    samples = virtual.with_pauses(clips, sample_rate=1000, pause_s=0.2)
    assert len(samples) == 750
    assert (samples[200:300] == 1000).all() and (samples[500:550] == -1000).all()
    assert 0 < np.abs(samples[:200]).max() < 15
    assert virtual.spoken_when(clips, sample_rate=1000, pause_s=0.2) == [(0.2, 0.3), (0.5, 0.55)]


def test_an_unsure_decision_is_seen_at_once():
    figure, axis = plt.subplots()
    probabilities = np.array([[0.3, 0.7], [0.6, 0.4]])
    decisions = [(1.0, "glad"), (2.0, "unsure")]
    live.draw_probabilities(
        axis, ["calm", "glad"], [([0.5, 1.0], probabilities)], decisions, threshold=0.65
    )
    glad, unsure = axis.texts
    assert glad.get_bbox_patch().get_facecolor() != unsure.get_bbox_patch().get_facecolor()
    assert unsure.get_bbox_patch().get_linestyle() == "--"
    assert "threshold 0.65" in [text.get_text() for text in axis.get_legend().get_texts()]
    plt.close(figure)
