"""The firmware in WebAssembly under Python: where TFLite Micro is missing, the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import browser
import numpy as np
import pytest
from make_sound_files import CASES

from ser_tinyml.device import GOLDEN
from ser_tinyml.device.golden import Golden
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite.portable import MODULE, PortableRuntime
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import RuntimeRefused, TfliteMicroRuntime

WITHOUT = """
import importlib.abc, importlib.util, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tflite_micro":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "tflite_micro" else found(name, *a)
from ser_tinyml.__main__ import main
sys.exit(main(sys.argv[1:]))
"""  # a computer whose package index has no tflite-micro
pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def runtime() -> PortableRuntime:
    pytest.importorskip("wasmtime")
    browser.built()
    return PortableRuntime(Release.load())


def predict(*arguments: str | Path, without: bool, status: int = 0) -> subprocess.CompletedProcess:
    how = ["-c", WITHOUT] if without else ["-m", "ser_tinyml"]
    command = [sys.executable, *how, "predict", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done


def test_golden_clips_and_noise_give_the_bits_of_tflite_micro(runtime):
    rng = np.random.default_rng(5)
    golden = [clip.inputs for clip in Golden.read(GOLDEN).clips]
    wild = rng.integers(-128, 128, (40, *runtime.input_shape), dtype=np.int8)
    clips = np.concatenate([golden, wild])
    expected = TfliteMicroRuntime(Release.load().tflite).predict_int8(clips)
    np.testing.assert_array_equal(runtime.predict_int8(clips), expected)
    outputs = [clip.outputs for clip in Golden.read(GOLDEN).clips]
    np.testing.assert_array_equal(expected[: len(outputs)], outputs)


def test_predict_says_the_same_where_tflite_micro_is_missing(runtime, tmp_path):
    files = (CASES / "base.wav", CASES / "voice.m4a")
    ours = predict("--json", "--steps", *files, without=False).stdout
    theirs = predict("--json", "--steps", *files, without=True).stdout
    assert ours == theirs and len([json.loads(line) for line in ours.splitlines()]) == 2
    picture = tmp_path / "one.png"
    predict(files[0], "--picture", picture, without=True)
    assert picture.read_bytes()[1:4] == b"PNG"


def test_another_model_and_a_missing_module_are_refused(runtime, tmp_path):
    release = Release.load()
    other = Release(**{**vars(release), "labels": release.labels[::-1]})
    with pytest.raises(RuntimeRefused, match=f"expected that one, found {other.model_id}"):
        PortableRuntime(other)
    with pytest.raises(DataError, match="expected the firmware for this computer, found no such"):
        PortableRuntime(release, module=tmp_path / "ser.wasm")
    assert MODULE.is_file()
