"""From a folder of one's own recordings to a sketch that can be flashed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import soundfile

from ser_tinyml import files
from ser_tinyml.data import demo, labelled
from ser_tinyml.device.board import Board
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.virtual import VirtualBoard
from ser_tinyml.files import DataError
from ser_tinyml.workflow import pipeline

SPOKEN = {"müde": "sad", 'say "no"': "angry", "keen": "surprise"}  # label: style of the synthesizer
SENTENCES = ("The kettle is on", "A boat is on the lake", "We saw them there", "Put it down")
TAKES = 10  # of each label
QUICK = {
    "augmented_rows": 1,
    "loud": 0.0,
    "epochs": 40,
    "teachers": 0,
    "generations": 0,
    "training.units": [64],
    "training.learning_rate": 0.005,
    "training.averaging": 0.9,
    "latency_inferences": 5,
    "jobs": 1,
    "led_colours": {"müde": "magenta"},
}
STAGES = ("01_index", "02_features", "03_train", "04_convert", "05_export")


def speak(folder: Path, *, takes: int = TAKES) -> None:
    """Three labels by one speaker, in folders."""
    for label, style in SPOKEN.items():
        texts = [SENTENCES[take % len(SENTENCES)] for take in range(takes)]
        for take, samples in enumerate(demo.speak(texts, emotion=style, seed=3)):
            stream = io.BytesIO()
            soundfile.write(stream, samples, 16_000, format="WAV")
            files.write_bytes(folder / label / f"anna_{take}.wav", stream.getvalue())


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_three_labels_of_ones_own_become_a_sketch(tmp_path):
    recordings, run = tmp_path / "mine", tmp_path / "run"
    speak(recordings)
    done = pipeline.run(run, recordings=recordings, parameters=QUICK, stages=STAGES, progress=False)
    assert done == list(STAGES)

    def metrics(stage: str):
        return files.read_json(run / stage / "metrics.json")

    index, rows, trained = (metrics(stage) for stage in STAGES[:3])
    assert index["clips_by_corpus"] == {"own": 3 * TAKES}
    assert "are taken for labels: 30 clips of 3 labels" in index["taken"][0]
    assert rows["classes"] == sorted(SPOKEN)
    assert rows["speakers_by_split"] == dict.fromkeys(("train", "validation", "test"), 1)
    assert "other clips of the one speaker who is trained on, own-anna" in rows["score_means"]
    assert trained["score_means"] == rows["score_means"]
    assert trained["scores"]["all"]["n"] == 3 * TAKES // 5
    assert trained["scores"]["all"]["uar"] > 0.6  # three styles of one synthesizer are far apart
    card = (run / "05_export" / "model_card.md").read_text()
    assert rows["score_means"] in card and "flatter" in card

    sketch = run / "05_export" / "arduino_nano33"
    assert (sketch / "arduino_nano33.ino").is_file() and (sketch / "sketch.yaml").is_file()
    golden = Golden.read(run / "05_export" / "golden")
    model = sketch / "src" / "model"
    with VirtualBoard(golden.clips[0].waveform, model=model) as virtual, Board(virtual.path) as on:
        assert on.status["model"] == golden.model_id
        assert on.labels == sorted(SPOKEN)
    colours = (model / "labels.h").read_text()
    assert [word for word in ("magenta", "yellow", "blue") if word in colours] == [
        *("magenta", "yellow", "blue")
    ]


def refused(folder: Path, **parameters) -> str:
    with pytest.raises(DataError) as raised:
        pipeline.run(folder / "run", recordings=folder / "mine", parameters=parameters)
    assert not (folder / "run" / "01_index").exists()
    return str(raised.value)


def test_what_cannot_be_is_said_before_anything_runs(tmp_path):
    """By the names alone: there is no sound in the files."""
    rows = [(f"{n}.wav", label) for n, label in enumerate(["keen"] * 3 + ["bored"] * 2)]
    for name, _ in rows:
        files.write_bytes(tmp_path / "mine" / name, b"")
    table = tmp_path / "mine" / labelled.TABLE
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "label"), *rows])
    assert "expected 3 clips or more of each" in refused(tmp_path)
    assert "'bored' 2" in refused(tmp_path)
    assert "'four': expected clips of every class, found none of" in refused(
        tmp_path, class_set="four"
    )
    assert "class_set.b: expected emotions of " in refused(
        tmp_path, class_set={"a": ["keen"], "b": ["kene"]}
    )
    assert "led_colours.keen: expected one of red" in refused(
        tmp_path, **{"led_colours": {"keen": "pink"}}
    )
    assert "label: expected nothing, or a word" in refused(tmp_path, label="unsure")
