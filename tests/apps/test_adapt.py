"""From a folder of labelled clips to a model that hears its speaker better."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from make_audio import record

from ser_tinyml import __main__ as command
from ser_tinyml import metrics
from ser_tinyml.apps import adapt
from ser_tinyml.data import demo
from ser_tinyml.device import sources_of
from ser_tinyml.device.export import Export
from ser_tinyml.device.golden import Golden
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

SENTENCES = ("The kettle is on the stove", "There is a boat on the lake", "We saw them leave")
LABELS = {"happy": "happy", "angry": "unpleasant", "calm": "neutral"}  # emotion: class


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """A synthetic voice says three sentences in three ways; one file is hiss, one unknown."""
    folder = tmp_path_factory.mktemp("mine")
    for emotion in LABELS:
        voices = demo.speak(list(SENTENCES), emotion=[emotion] * len(SENTENCES), quiet=0.2)
        for number, voice in enumerate(voices):
            record(folder / emotion / f"{number}.wav", voice / np.float32(32768))
    hiss = np.random.default_rng(0).normal(0, 0.01, 24_000).astype(np.float32)
    record(folder / "happy" / "nothing.wav", hiss)
    record(folder / "bored" / "other.wav", voices[0] / np.float32(40000))
    return folder


@pytest.fixture(scope="module")
def adapted(clips, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("voice") / "new"
    assert command.main(["adapt", str(clips), "--output", str(output)]) == 0
    return output


def test_the_voice_is_heard_better_than_before(clips, adapted):
    old, new = Release.load(), Release.load(adapted)
    voice = adapt.read_voice(clips, old, progress=False)
    truth = voice.clips["label_id"].to_numpy()
    before, after = (
        metrics.uar(truth, TfliteMicroRuntime(one.tflite).predict(voice.inputs).argmax(axis=1))
        for one in (old, new)
    )
    assert after > before
    assert new.threshold >= old.threshold and new.labels == old.labels
    assert new.decision["temperature"] == old.decision["temperature"]


def test_labels_may_be_emotions_and_what_cannot_be_used_is_named(clips):
    voice = adapt.read_voice(clips, Release.load(), progress=False)
    counts = voice.clips["label"].value_counts().to_dict()
    assert counts == dict.fromkeys(LABELS.values(), len(SENTENCES))
    left = voice.left_out.set_index("path")
    assert left.loc["bored/other.wav", "reason"] == adapt.NO_CLASS
    assert left.loc["happy/nothing.wav", "reason"] == adapt.NO_SPEECH
    assert "the model knows angry, calm" in left.loc["bored/other.wav", "detail"]


def test_model_sketch_golden_clips_and_card_are_of_one_model(adapted):
    export = Export.load(adapted)
    assert Golden.read(adapted / "golden").model_id == export.model_id
    sketch = adapted / "sketch" / "arduino_nano33"
    assert (sketch / "arduino_nano33.ino").is_file()
    assert sources_of(adapted) == (sketch / "src/model", adapted / "golden")
    assert export.model_id in (sketch / "src/model/labels.h").read_text()
    card = (adapted / "card.md").read_text()
    assert "from 9 clips" in card and "| unpleasant | 3 |" in card
    assert "| surprise | 0 |" in card and "Fewer than 3 clips of surprise" in card
    assert "happy/nothing.wav: no speech heard" in card


def test_an_adapted_model_can_be_adapted_again_and_the_same_clips_give_the_same_bytes(
    clips, adapted, tmp_path
):
    adapt.adapt(clips, output=tmp_path / "same", progress=False)
    for name in ("int8.tflite", "decision.json", "hidden.npz", "card.md"):
        assert (tmp_path / "same" / name).read_bytes() == (adapted / name).read_bytes()
    adapt.adapt(clips, output=tmp_path / "again", model=adapted, progress=False)
    assert Release.load(tmp_path / "again").tflite != Release.load(adapted).tflite


def test_one_label_alone_or_none_of_the_models_is_refused(tmp_path, capsys):
    for number, emotion in enumerate(("happy", "odd")):
        (voice,) = demo.speak(["One two three"], emotion=["happy"], seed=number, quiet=0.2)
        record(tmp_path / "two" / emotion / f"{number}.wav", voice / np.float32(32768))
    wrong = ["adapt", str(tmp_path / "two"), "--output", str(tmp_path / "out")]
    assert command.main(wrong) == 1
    error = capsys.readouterr().err
    assert "expected clips of two labels or more, found happy" in error and "odd" in error
    assert not (tmp_path / "out").exists()


def test_a_model_that_came_without_statistics_says_so(clips, tmp_path):
    old = Release.load()
    for name in ("int8.tflite", "features.json", "normalisation.json", "labels.json"):
        (tmp_path / name).write_bytes((old.folder / name).read_bytes())
    voice = adapt.read_voice(clips, old, progress=False)
    with pytest.raises(DataError, match="hidden.npz: expected what adapting goes by"):
        adapt.fit(Release.load(tmp_path), voice)


BASE = """
import sys
from importlib.abc import MetaPathFinder

HEAVY = {"tensorflow", "tf_keras", "sklearn", "scipy", "librosa", "joblib", "papermill", "nbformat"}

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, Missing())
from ser_tinyml.__main__ import main

sys.exit(main(["adapt", *sys.argv[1:]]))
"""


def test_the_base_and_its_extra_are_enough(clips, tmp_path):
    command = [sys.executable, "-c", BASE, str(clips), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "int8.tflite").is_file()


def test_a_card_of_clips_that_are_never_answered():
    probabilities = np.full((4, 2), 0.5)
    line = adapt._line("old", probabilities, np.array([0, 1, 0, 1]), 0.9)
    assert line == "| old | 50 % | 0 % | – |"
    few = pd.Series({"a": 1, "b": 5})
    nothing = pd.DataFrame(columns=["path", "reason", "detail"])
    assert "Fewer than 3 clips of a:" in "\n".join(adapt._warnings(few, nothing))
