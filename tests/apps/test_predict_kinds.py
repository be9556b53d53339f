"""Recordings of every kind get the answer of the plain .wav; what is left out is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from make_audio import record
from make_sound_files import CASES, base, encode, with_length

from ser_tinyml import __main__ as command
from ser_tinyml import files
from ser_tinyml.apps import predict
from ser_tinyml.apps.answering import Answer, Predictor
from ser_tinyml.provenance import ROOT
from ser_tinyml.sound import audio
from ser_tinyml.tflite import release
from ser_tinyml.tflite.release import Release

RATE = 16_000
SCHEMA = Draft202012Validator(files.read_json(ROOT / "docs" / "predict.schema.json"))
LOSSLESS, LOSSY = 0.02, 0.15  # by which a probability may differ
DEPTHS = {
    ".wav": ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    ".flac": ("PCM_16", "PCM_24"),
    ".aiff": ("PCM_16", "PCM_24", "FLOAT"),
    ".au": ("PCM_16", "PCM_24"),
    ".caf": ("PCM_16", "ALAC_24", "FLOAT"),
    ".w64": ("PCM_16", "FLOAT"),
    ".rf64": ("PCM_24",),
}
WRITTEN_LOSSY = {
    ".wav": ("PCM_U8", "ULAW", "ALAW", "IMA_ADPCM"),
    ".ogg": ("VORBIS", "OPUS"),
    ".mp3": ("MPEG_LAYER_III",),
}
ENCODED_LOSSLESS = [
    *((".m4a", "alac"), (".mka", "flac"), (".mkv", "pcm_s24le"), (".mov", "pcm_s16le")),
]
ENCODED_LOSSY = [
    *((".m4a", "aac"), (".mp4", "aac"), (".aac", "aac"), (".3gp", "aac"), (".webm", "libopus")),
    *((".mka", "libopus"), (".wma", "wmav2"), (".mp3", "libmp3lame"), (".avi", "mp3")),
    (".flv", "aac"),
]
RATES = {
    "wmav2": (16_000, 22_050, 44_100, 48_000),
    "libopus": (48_000,),
    "aac": (16_000, 44_100, 48_000),
    "VORBIS": (16_000, 44_100),
}
ALL_RATES = (16_000, 22_050, 44_100, 48_000, 96_000)


@cache
def predictor() -> Predictor:
    return Predictor(Release.load())


def answer(path: str | Path) -> Answer:
    return predictor().answer(predictor().read(path).samples)


@cache
def plain() -> Answer:
    return answer(CASES / "base.wav")


def assert_like_plain(found: Answer, tolerance: float) -> None:
    assert found.guess == plain().guess is not None
    for label, p in plain().probabilities.items():
        assert found.probabilities[label] == pytest.approx(p, abs=tolerance), label


def at(rate: int) -> np.ndarray:
    return audio.resample(base(), orig=RATE, target=rate)


def kinds(table: dict[str, tuple[str, ...]]) -> list[tuple[str, str, int]]:
    rates = {"OPUS": (16_000, 48_000), "MPEG_LAYER_III": (16_000, 22_050, 44_100, 48_000)}
    return [
        (suffix, depth, rate)
        for suffix, depths in table.items()
        for depth in depths
        for rate in rates.get(depth, RATES.get(depth, ALL_RATES))
    ]


@pytest.mark.parametrize(("suffix", "depth", "rate"), kinds(DEPTHS))
def test_lossless_kinds(tmp_path, suffix, depth, rate):
    path = record(tmp_path / f"x{suffix}", at(rate), sample_rate=rate, subtype=depth)
    assert_like_plain(answer(path), LOSSLESS)


@pytest.mark.parametrize(("suffix", "depth", "rate"), kinds(WRITTEN_LOSSY))
def test_lossy_kinds(tmp_path, suffix, depth, rate):
    path = record(tmp_path / f"x{suffix}", at(rate), sample_rate=rate, subtype=depth)
    assert_like_plain(answer(path), LOSSY)


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize(("suffix", "codec"), ENCODED_LOSSLESS)
def test_lossless_kinds_of_ffmpeg(tmp_path, suffix, codec, rate):
    path = encode(tmp_path / f"x{suffix}", at(rate), rate=rate, codec=codec)
    assert_like_plain(answer(path), LOSSLESS)


@pytest.mark.parametrize(("suffix", "codec"), ENCODED_LOSSY)
def test_lossy_kinds_of_ffmpeg(tmp_path, suffix, codec):
    container = {".aac": "adts", ".wma": "asf"}.get(suffix)
    for rate in RATES.get(codec, (44_100,)):
        path = tmp_path / f"{rate}{suffix}"
        encode(path, at(rate), rate=rate, codec=codec, container=container)
        assert_like_plain(answer(path), LOSSY)


@pytest.mark.parametrize("name", ["voice.m4a", "MediaRecorder.webm"])
def test_the_files_of_a_phone_and_a_browser(name):
    assert_like_plain(answer(CASES / name), LOSSY)


def test_a_wav_of_a_pipe_and_an_inverted_channel(tmp_path):
    piped = with_length(tmp_path / "x.wav", 0)
    inverted = record(tmp_path / "y.wav", np.stack([base(), -base()], axis=1))
    for path in (piped, inverted):
        assert answer(path).probabilities == plain().probabilities


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    status = command.main(["predict", *map(str, arguments)])
    return status, *capsys.readouterr()


def test_it_says_what_it_heard(tmp_path, capsys):
    stereo = record(tmp_path / "stereo.wav", np.stack([base() / 4, base()], axis=1))
    whole, half = CASES / "base.wav", CASES / "half_cbr_info.mp3"
    _, out, err = run(capsys, "--json", whole, stereo, half)
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        SCHEMA.validate(line)
    cut = "45779 samples promised, 24239 there"
    said = [(line["channel"], line["truncated"]) for line in lines]
    assert said == [(None, None), (2, None), (None, cut)] and err == ""
    _, out, _ = run(capsys, whole, stereo, half)
    _, *rows = out.splitlines()
    assert "[" not in rows[0]
    assert rows[1].endswith("  [channel 2 of 2: the clearer one]")
    assert rows[2].endswith(f"  [cut off: {cut}]")
    _, out, _ = run(capsys, stereo)
    assert out.splitlines()[0].endswith("  [channel 2 of 2: the clearer one]")


def test_nothing_in_a_folder_is_passed_over_without_a_word(tmp_path, capsys):
    record(tmp_path / "in" / "a.wav", base())
    (tmp_path / "in" / "b.dat").write_bytes((CASES / "voice.m4a").read_bytes())
    (tmp_path / "in" / "c.mid").write_bytes(b"MThd" + bytes(20))
    (tmp_path / "in" / "notes.txt").write_text("none of it")
    (tmp_path / "in" / ".hidden.wav").touch()
    os.mkfifo(tmp_path / "in" / "d.wav")
    elsewhere = tmp_path / "elsewhere"
    record(elsewhere / "e.flac", base())
    (tmp_path / "in" / "link").symlink_to(elsewhere)
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    status, out, err = run(capsys, tmp_path / "in")
    names = [Path(line.split()[0]).name for line in out.splitlines()[1:]]
    assert names == ["a.wav", "b.dat", "e.flac"]
    assert status == 1
    midi, pipe = err.splitlines()
    assert "c.mid: expected a recording, found MIDI" in midi
    assert "d.wav: expected a recording, found a pipe" in pipe


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, capsys, monkeypatch):
    record(tmp_path / "in" / "a.wav", base())
    (tmp_path / "in" / "closed").mkdir()
    real = os.scandir, os.listdir

    def refuse(path, index):
        if Path(os.fspath(path)).name == "closed":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real[index](path)

    monkeypatch.setattr(os, "scandir", lambda path: refuse(path, 0))
    monkeypatch.setattr(os, "listdir", lambda path: refuse(path, 1))
    status, out, err = run(capsys, tmp_path / "in")
    assert status == 1 and "a.wav" in out
    assert err == f"error: {tmp_path / 'in' / 'closed'}: expected to read or write it, " + (
        "found: Permission denied\n"
    )


def test_a_pipe_that_is_named_is_read(tmp_path, capsys):
    pipe = tmp_path / "p"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes((CASES / "base.wav").read_bytes())).start()
    status, out, _ = run(capsys, "--json", pipe)
    assert status == 0 and json.loads(out)["guess"] == plain().guess


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_letters(tmp_path, encoding):
    record(tmp_path / "früh ✓.wav", base())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    for arguments in (("predict", "."), ("predict", "früh ✓.wav", "–"), ("predict", "--help")):
        done = subprocess.run(
            [sys.executable, "-m", "ser_tinyml", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
        )
        assert b"Traceback" not in done.stderr and done.stdout
        assert done.returncode == ("–" in arguments)


def test_the_first_answer_does_not_wait_for_ffmpeg(tmp_path):
    code = (
        "import sys; from ser_tinyml.__main__ import main; status = main(sys.argv[1:]);"
        "sys.exit(f'{status} {\"av\" in sys.modules}')"
    )
    for name, loaded in (("base.wav", False), ("voice.m4a", True)):
        done = subprocess.run(
            [sys.executable, "-c", code, "predict", CASES / name],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.stderr.strip() == f"0 {loaded}"


def test_a_folder_whose_name_is_no_text(tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    Path(folder).mkdir()
    Path(folder, "x.wav").write_bytes((CASES / "base.wav").read_bytes())
    (found,) = predict.expand([folder])
    assert found == f"{folder}/x.wav"
    assert answer(found).probabilities == plain().probabilities


def test_models_that_are_released_and_runs_have_names(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "FOLDER", tmp_path / "models")
    monkeypatch.setattr(predict, "ROOT", tmp_path)
    for name in ("models/large", "runs/large", "runs/mine"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert predict.model_folder(None) == tmp_path / "models"
    assert predict.model_folder("large") == tmp_path / "models" / "large"
    assert predict.model_folder("runs/large") == Path("runs/large")
    assert predict.model_folder("mine") == tmp_path / "runs" / "mine"
    assert predict.model_folder("nowhere") == Path("nowhere")
    (tmp_path / "mine").mkdir()
    assert predict.model_folder("mine") == Path("mine")


def test_no_picture_is_drawn_over_another(tmp_path):
    places = predict.picture_paths(tmp_path, ["x/a.wav", "y/a.wav", "z/a-2.wav", "a-2-2.wav"])
    assert [place.stem for place in places] == ["a", "a-2", "a-2-2", "a-2-2-2"]
