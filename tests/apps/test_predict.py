"""Recordings in, answers out: the released model, and a small one in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import small_firmware as small
from jsonschema import Draft202012Validator
from make_audio import record

from ser_tinyml import __main__ as command
from ser_tinyml import features, files
from ser_tinyml.apps import predict, printing
from ser_tinyml.apps.answering import Answer, Predictor
from ser_tinyml.data import demo
from ser_tinyml.device import gate, listener
from ser_tinyml.device.listening import LISTENING
from ser_tinyml.features import frames
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.sound import audio, decoders, reading
from ser_tinyml.sound.reading import Sound
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

RATE = 16_000
SOUND = Sound(samples=np.zeros(0, np.float32), sample_rate=RATE)
SCHEMA = Draft202012Validator(files.read_json(ROOT / "docs" / "predict.schema.json"))


@cache
def release() -> Release:
    return Release.load()


@cache
def predictor() -> Predictor:
    return Predictor(release())


@cache
def voices() -> list[np.ndarray]:
    """Three sentences of about two seconds, with a little near silence around each."""
    spoken = demo.speak(["The kids are talking now"] * 3, emotion=["happy", "sad", "angry"])
    return [voice / np.float32(32768) for voice in spoken]


def room(seconds: float, *, seed: int = 0) -> np.ndarray:
    """As good as silent, but not digital silence."""
    noise = np.random.default_rng(seed).normal(0, 3e-4, round(seconds * RATE))
    return noise.astype(np.float32)


def hum(seconds: float, *, fall: float = 0.0, glide: float = 0.0) -> np.ndarray:
    """A voice that never gets louder: so many dB less and so many Hz more every second."""
    time = np.arange(round(seconds * RATE)) / RATE
    turns = 150 * time + glide * time**2 / 2
    tones = sum(np.sin(2 * np.pi * k * turns) / k for k in range(1, 12))
    return (0.1 * 10 ** (-fall * time / 20) * tones).astype(np.float32)


def swelling(seconds: float) -> np.ndarray:
    """Noise that comes and goes, as waves do."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (room(seconds) * 100 * (1.1 + np.sin(4 * np.pi * time))).astype(np.float32)


def evaluated(samples: np.ndarray, model: Release, *, start: int | None = None) -> np.ndarray:
    """What the evaluation makes of a clip."""
    bands = features.log_mel(samples, model.config)
    start = features.onset(bands, model.config) if start is None else start
    values = model.normalisation.apply(features.from_bands(bands, start, model.config))
    return TfliteMicroRuntime(model.tflite).predict(values[np.newaxis])[0]


def probabilities(answer: Answer) -> np.ndarray:
    return np.array(list(answer.probabilities.values()))


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    status = command.main(["predict", *map(str, arguments)])
    return status, *capsys.readouterr()


@pytest.mark.parametrize(
    ("suffix", "rate", "subtype", "channels"),
    [
        (".wav", 16_000, "PCM_16", 1),
        (".wav", 48_000, "PCM_24", 2),
        (".wav", 44_100, "FLOAT", 1),
        (".wav", 8_000, "PCM_U8", 1),
        (".flac", 24_414, None, 1),
        (".ogg", 22_050, None, 2),
    ],
)
def test_a_neat_clip_is_answered_as_in_the_evaluation(tmp_path, suffix, rate, subtype, channels):
    clip = audio.resample(voices()[0], orig=RATE, target=rate)
    path = record(
        tmp_path / f"clip{suffix}",
        np.stack([clip] * channels, axis=1),
        sample_rate=rate,
        subtype=subtype,
    )
    answer = predictor().answer(predictor().read(path).samples)
    samples, found = reading.read_audio(path)
    samples = features.prepare(samples, rate=found, config=release().config)
    expected = evaluated(samples, release())
    np.testing.assert_array_equal(probabilities(answer), expected)
    assert answer.guess == release().labels[int(expected.argmax())]
    assert answer.answered == (expected.max() >= release().threshold)
    assert answer.reason is None


def test_silence_around_a_clip_changes_nothing():
    clip = np.concatenate([room(0.5), voices()[1], room(3.0, seed=1)])
    neat = predictor().answer(clip[: len(clip) - 2 * RATE])
    late = predictor().answer(np.concatenate([clip, room(10, seed=2)]))
    assert late.probabilities == neat.probabilities


def test_utterances_that_fit_one_window_are_answered_as_one():
    words = [voice[RATE // 5 :][:RATE] for voice in voices()[:2]]
    samples = np.concatenate([room(0.5), words[0], room(0.8), words[1], room(8)])
    answer = predictor().answer(samples)
    assert len(answer.utterances) == 2
    np.testing.assert_array_equal(probabilities(answer), evaluated(samples, release()))


def test_several_utterances_count_by_their_lengths():
    parts = [room(0.5)]
    for voice in voices():
        parts += [voice, room(2)]
    samples = np.concatenate(parts)
    answer = predictor().answer(samples)
    assert len(answer.utterances) >= 3
    config = release().config
    bands = features.log_mel(samples, config)
    each, steps = [], []
    for utterance in answer.utterances:
        first = round(utterance.start_s * RATE / config.hop_length)
        taken = bands[first : first + utterance.steps * config.stack]
        values = release().normalisation.apply(features.from_bands(taken, 0, config))
        each.append(TfliteMicroRuntime(release().tflite).predict(values[np.newaxis])[0])
        steps.append(utterance.steps)
    expected = np.average(each, axis=0, weights=steps)
    np.testing.assert_allclose(probabilities(answer), expected, atol=1e-6)
    assert np.abs(expected - each[0]).max() > 1 / 256
    begins = [utterance.start_s for utterance in answer.utterances]
    assert begins == sorted(begins)


def test_speech_up_to_the_last_sample_is_an_utterance():
    voice = voices()[0]
    samples = np.concatenate([room(0.5), voice[: int(np.abs(voice).argmax()) + RATE // 4]])
    answer = predictor().answer(np.concatenate([samples, samples[RATE // 2 :]]))
    assert answer.utterances
    duration = answer.duration_s
    line = printing.as_json("x", answer, SOUND, labels=release().labels, steps=False)
    assert line["utterances"][-1]["end_s"] == pytest.approx(duration, abs=1e-3)


@pytest.mark.parametrize("seconds", [0.6, 1.2, 2.5])
def test_a_clip_cut_out_of_speech_is_answered_from_its_start(seconds):
    samples = hum(seconds, fall=12)
    bands = features.log_mel(samples, release().config)
    assert gate.GateEvent.ONSET not in gate.run(bands, LISTENING.gate(release().config)).events
    answer = predictor().answer(samples)
    np.testing.assert_array_equal(probabilities(answer), evaluated(samples, release(), start=0))
    assert answer.guess is not None and answer.reason is None


def test_long_speech_without_an_onset_is_answered_window_by_window():
    config = release().config
    samples = hum(3 * config.duration_s, fall=20 / (3 * config.duration_s), glide=30)
    answer = predictor().answer(samples)
    each = [evaluated(samples, release(), start=i * config.n_frames) for i in range(3)]
    np.testing.assert_allclose(probabilities(answer), np.mean(each, axis=0), atol=1e-6)
    assert np.abs(each[0] - np.mean(each, axis=0)).max() > 1 / 256
    assert not answer.utterances


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(3 * RATE, np.float32), "silent"),
        (np.zeros(100, np.float32), "silent"),
        (room(5) / 10, "silent"),
        (np.concatenate([room(1), hum(1), room(1)]) / 1200, "silent"),
        (room(5) * 100, "steady sound"),
        (room(60) * 100, "steady sound"),
        (hum(3), "steady sound"),
        (np.concatenate([room(1), room(6, seed=1) * 100, room(1)]), "steady sound"),
        (np.concatenate([np.zeros(RATE), room(2) * 100]), "steady sound"),
        (np.concatenate([room(1), swelling(6), room(1)]), "no voice"),
    ],
)
def test_no_speech_is_said_so(samples, reason):
    answer = predictor().answer(samples)
    assert (answer.label, answer.guess, answer.answered) == (None, None, False)
    assert answer.reason == reason
    np.testing.assert_allclose(probabilities(answer), 1 / len(release().labels))
    assert not any(utterance.answered for utterance in answer.utterances)
    text = printing.as_text("x.wav", answer, SOUND, labels=release().labels, steps=False)
    assert text.startswith("x.wav: no speech heard: ")


def test_an_unsure_answer_still_leans_to_a_label():
    unsure = Predictor(replace(release(), threshold=1.0))
    answer, sure = unsure.answer(voices()[0]), predictor().answer(voices()[0])
    assert (answer.answered, answer.label, answer.guess) == (False, None, sure.guess)
    assert answer.probabilities == sure.probabilities
    text = printing.as_text("x.wav", answer, SOUND, labels=release().labels, steps=False)
    assert text.startswith(f"x.wav: unsure (leaning to {answer.guess}), ")
    always = Predictor(replace(release(), threshold=0.0)).answer(voices()[0])
    text = printing.as_text("x.wav", always, SOUND, labels=release().labels, steps=False)
    assert always.answered and text.startswith(f"x.wav: {answer.guess}, ")


def test_a_long_recording_is_read_piece_by_piece_to_the_same_bits(tmp_path, monkeypatch):
    samples = np.concatenate([*voices(), room(1)])
    path = record(tmp_path / "long.flac", samples, sample_rate=44_100)
    whole = reading.read_audio(path, sample_rate=RATE)[0]
    samples, rate = reading.read_audio(path)
    np.testing.assert_array_equal(whole, audio.resample(samples, orig=rate, target=RATE))
    bands = features.log_mel(whole, release().config)
    monkeypatch.setattr(decoders, "_BLOCK", 1000)
    monkeypatch.setattr(listener, "_PIECE", 10_000)
    monkeypatch.setattr(frames, "_AT_ONCE", 7)
    np.testing.assert_array_equal(reading.read_audio(path, sample_rate=RATE)[0], whole)
    np.testing.assert_array_equal(reading.read_audio(path)[0], samples)
    np.testing.assert_array_equal(features.log_mel(whole, release().config), bands)
    np.testing.assert_array_equal(listener.long_bands(whole, release().config), bands)


def test_one_recording_for_people(tmp_path, capsys):
    path = record(
        tmp_path / "one.wav", np.concatenate([voices()[0], room(2), voices()[2], room(2)])
    )
    answer = predictor().answer(predictor().read(path).samples)
    status, out, err = run(capsys, path)
    assert (status, err) == (0, "")
    head, _, *rest = out.splitlines()
    assert head.startswith(f"{path}: ") and f"{answer.guess}" in head
    bars = rest[: len(release().labels)]
    for line, (label, p) in zip(bars, answer.probabilities.items(), strict=True):
        assert line.split()[:2] == [label, f"{p:.0%}"]
        assert line.count("#") == round(30 * p)
    said = rest[len(bars) + 2 :]
    assert len(said) == len(answer.utterances) >= 2
    for line, utterance in zip(said, answer.utterances, strict=True):
        start, dash, end = line.split()[:3]
        assert (start, dash) == (f"{utterance.start_s:.2f}", "-")
        assert float(end) == pytest.approx(min(utterance.end_s, answer.duration_s), abs=0.006)
        assert utterance.label in line and f"{utterance.probabilities.max():.0%}" in line
    _, steps, _ = run(capsys, path, "--steps")
    count = sum(len(utterance.timeline) for utterance in answer.utterances)
    assert len(steps.splitlines()) == len(out.splitlines()) + count


def test_several_recordings_make_a_table(tmp_path, capsys):
    one = record(tmp_path / "one.wav", voices()[0])
    two = record(tmp_path / "quiet.wav", np.zeros(RATE))
    status, out, _ = run(capsys, one, two)
    head, first, second = out.splitlines()
    assert status == 0
    assert head.split() == ["file", "answer", *release().labels]
    answer = predictor().answer(predictor().read(one).samples)
    assert first.split()[0] == str(one) and answer.guess in first
    shares = first.split()[-len(release().labels) :]
    assert shares == [f"{p:.0%}" for p in answer.probabilities.values()]
    assert second.split(maxsplit=1) == [str(two), "no speech (silent)"]


def test_json_is_all_that_goes_to_stdout(tmp_path):
    clip = record(tmp_path / "clip.wav", voices()[0])
    record(tmp_path / "quiet.wav", np.zeros(RATE))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ser_tinyml", "predict", "--json", "--steps"),
            *("clip.wav", "missing.wav", "./quiet.wav", str(clip)),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    one, missing, quiet, same = map(json.loads, done.stdout.splitlines())
    for line in (one, missing, quiet, same):
        SCHEMA.validate(line)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"error: {missing['error']}"]
    assert missing["file"] == "missing.wav" and "no such file" in missing["error"]
    assert (one["file"], quiet["file"], same["file"]) == ("clip.wav", "./quiet.wav", str(clip))
    assert {**one, "file": ""} == {**same, "file": ""}
    assert one["guess"] == max(one["probabilities"], key=one["probabilities"].get)
    assert one["answered"] == (one["probabilities"][one["guess"]] >= release().threshold)
    assert one["label"] == (one["guess"] if one["answered"] else None)
    assert one["reason"] is None and one["duration_s"] == round(len(voices()[0]) / RATE, 3)
    assert (quiet["label"], quiet["guess"], quiet["reason"]) == (None, None, "silent")
    assert quiet["utterances"] == []
    for line in (one, quiet):
        assert list(line["probabilities"]) == release().labels
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=0.01)
    utterance = one["utterances"][0]
    assert 0 <= utterance["start_s"] < utterance["end_s"] <= one["duration_s"]
    assert utterance["guess"] in release().labels and isinstance(utterance["answered"], bool)
    assert list(utterance["probabilities"]) == release().labels
    assert utterance["steps"][-1]["probabilities"] == utterance["probabilities"]


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_json_is_as_its_schema_says(tmp_path, threshold):
    """An unsure answer is not to be taken for an answer: it stands under another name."""
    predictor = Predictor(replace(release(), threshold=threshold))
    answer = predictor.answer(np.concatenate([voices()[0], room(2), voices()[1], room(2)]))
    line = printing.as_json("x.wav", answer, SOUND, labels=release().labels, steps=True)
    SCHEMA.validate(line)
    assert answer.answered == (threshold == 0) and len(line["utterances"]) > 1
    for said in (line, *line["utterances"]):
        assert said["guess"] in release().labels
        assert said["label"] == (said["guess"] if said["answered"] else None)
    assert not SCHEMA.is_valid({**line, "label": None if answer.answered else line["guess"]})
    quiet = predictor.answer(np.zeros(RATE, np.float32))
    line = printing.as_json("x.wav", quiet, SOUND, labels=release().labels, steps=False)
    SCHEMA.validate(line)
    assert not SCHEMA.is_valid({**line, "guess": release().labels[0]})


def test_what_cannot_be_read_is_named_and_the_rest_answered(tmp_path, capsys):
    nan = np.array([0, np.nan, 0.1])
    bad = {
        "missing.wav": "no such file",
        "nothing.wav": "an empty file",
        "text.wav": "found text",
        "no_samples.wav": "a header without samples",
        "nan.wav": "1 samples are NaN or infinite",
        "folder": "none",
    }
    (tmp_path / "nothing.wav").touch()
    (tmp_path / "text.wav").write_text("no sound at all")
    (tmp_path / "folder").mkdir()
    record(tmp_path / "no_samples.wav", np.zeros(0))
    record(tmp_path / "nan.wav", nan, subtype="FLOAT")
    good = record(tmp_path / "good.wav", voices()[0])
    status, out, err = run(capsys, *(tmp_path / name for name in bad), good)
    assert status == 1
    for (name, found), line in zip(bad.items(), err.splitlines(), strict=True):
        assert line.startswith(f"error: {tmp_path / name}: expected ") and found in line
    assert out.splitlines()[-1].startswith(str(good)) and len(out.splitlines()) == 2


def test_a_folder_stands_for_its_recordings(tmp_path):
    for name in ("b.wav", "a/c.FLAC", "a/d.ogg", "a/.e.wav", "notes.txt", "a/b.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = predict.expand(["x.wav", str(tmp_path)])
    expected = [tmp_path / name for name in ("a/b.wav", "a/c.FLAC", "a/d.ogg", "b.wav")]
    assert list(found) == ["x.wav", *map(str, expected)]


def test_a_name_that_is_no_text(tmp_path, capsys):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    record(tmp_path / "x.wav", voices()[0]).rename(path)
    status, out, _ = run(capsys, path)
    assert status == 0 and out.startswith(f"{tmp_path}/caf\ufffd.wav: ")
    status, out, _ = run(capsys, "--json", path)
    assert status == 0 and json.loads(out)["file"] == path


def test_pictures(tmp_path, capsys):
    first = record(tmp_path / "a" / "cost$1$.wav", voices()[0])
    second = record(tmp_path / "b" / "cost$1$.flac", np.zeros(RATE))
    long = record(tmp_path / "c.wav", np.concatenate([*voices(), room(60)]))
    assert run(capsys, first, "--picture", tmp_path / "one.png")[0] == 0
    assert (tmp_path / "one.png").read_bytes()[1:4] == b"PNG"
    assert run(capsys, first, second, long, "--picture", tmp_path / "all")[0] == 0
    names = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert names == ["c.png", "cost$1$-2.png", "cost$1$.png"]
    assert (tmp_path / "all/cost$1$.png").read_bytes() == (tmp_path / "one.png").read_bytes()
    status, out, err = run(capsys, first, long, "--picture", tmp_path / "two.png")
    assert (status, out) == (1, "") and "expected a folder" in err
    status, _, err = run(capsys, first, "--picture", first / "x.png")
    assert status == 1 and f"{first / 'x.png'}: expected to write it" in err


def test_another_model(tmp_path, capsys, monkeypatch):
    model = small.release()
    files.write_bytes(tmp_path / "m/int8.tflite", model.tflite)
    model.config.save(tmp_path / "m/features.json")
    model.normalisation.save(tmp_path / "m/normalisation.json")
    files.write_json(tmp_path / "m/labels.json", model.labels)
    files.write_json(tmp_path / "m/decision.json", {"threshold": model.threshold})
    clip = voices()[0][:RATE]
    path = record(tmp_path / "clip.wav", clip)
    status, out, _ = run(capsys, "--json", path, "--model", tmp_path / "m")
    line, expected = json.loads(out), evaluated(predictor().read(path).samples, model)
    assert status == 0
    assert list(line["probabilities"]) == list(small.LABELS)
    np.testing.assert_allclose(list(line["probabilities"].values()), expected, atol=1e-6)
    assert line["answered"] == (expected.max() >= small.THRESHOLD)
    monkeypatch.setattr(predict, "ROOT", tmp_path)
    (tmp_path / "m").rename((tmp_path / "runs").mkdir() or tmp_path / "runs" / "mine")
    assert run(capsys, "--json", path, "--model", "mine") == (0, out, "")
    status, out, err = run(capsys, "--json", path, "--model", tmp_path)
    assert (status, out) == (1, "") and "expected a model folder or a finished run" in err


def test_a_model_that_the_gate_cannot_serve(tmp_path):
    config = replace(release().config, onset_db=None)
    with pytest.raises(DataError, match="expected one with an onset"):
        Predictor(replace(release(), config=config))


def test_it_starts_without_the_large_libraries(tmp_path):
    path = record(tmp_path / "clip.wav", voices()[0])
    code = (
        "import sys; from ser_tinyml.__main__ import main; status = main(sys.argv[1:]);"
        "large = {'tensorflow', 'tf_keras', 'librosa', 'matplotlib', 'sklearn', 'seaborn'};"
        "sys.exit(f'{status} {large & set(sys.modules)}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr.strip() == "0 set()"


def test_a_reader_who_has_had_enough(tmp_path):
    path = record(tmp_path / "clip.wav", voices()[0])
    with subprocess.Popen(
        [sys.executable, "-m", "ser_tinyml", "predict", path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
