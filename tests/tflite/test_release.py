"""A model folder is read whole, or refused with the file that is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_firmware as small
import small_model

from ser_tinyml import files
from ser_tinyml.device import board
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite import release
from ser_tinyml.tflite.release import Release


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files.write_bytes(tmp_path / "int8.tflite", small_model.tflite("int8"))
    small.CONFIG.save(tmp_path / "features.json")
    files.write_json(tmp_path / "labels.json", list(small.LABELS))
    small.release().normalisation.save(tmp_path / "normalisation.json")
    files.write_json(tmp_path / "decision.json", {"threshold": 0.62, "temperature": 1.3})
    return tmp_path


def test_all_of_it_is_read(folder: Path) -> None:
    found = Release.load(folder)
    assert (found.folder, found.tflite) == (folder, small_model.tflite("int8"))
    assert (found.config, found.labels) == (small.CONFIG, list(small.LABELS))
    assert found.threshold == 0.62
    np.testing.assert_array_equal(found.normalisation.std, small.export().std)


def test_inputs_are_those_of_the_export(folder: Path) -> None:
    values = np.random.default_rng(0).normal(0, 100, (4, *small.CONFIG.feature_shape))
    expected = small.export().quantise(values.astype(np.float32))
    np.testing.assert_array_equal(Release.load(folder).inputs(values), expected)


def test_an_old_model_has_no_decision(folder: Path) -> None:
    (folder / "decision.json").unlink()
    assert Release.load(folder).threshold == release.THRESHOLD == 0.5


@pytest.mark.parametrize("decision", [{}, {"threshold": 1.5}, {"threshold": "0.5"}, [0.5], None])
def test_a_threshold_that_is_none(folder: Path, decision: object) -> None:
    (folder / "decision.json").write_text(json.dumps(decision))
    with pytest.raises(DataError, match="decision.json: expected a threshold from 0 to 1"):
        Release.load(folder)


@pytest.mark.parametrize(
    "name", ["int8.tflite", "features.json", "labels.json", "normalisation.json"]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{re.escape(str(folder / name))}: expected a readable"):
        Release.load(folder)


def test_files_of_two_models(folder: Path) -> None:
    files.write_json(folder / "labels.json", ["calm", "cross"])
    with pytest.raises(DataError, match="labels.json: expected 3 names as .*, found 2"):
        Release.load(folder)
    files.write_json(folder / "labels.json", {"calm": 0})
    with pytest.raises(DataError, match="labels.json: expected a list of names"):
        Release.load(folder)


def test_features_of_another_model(folder: Path) -> None:
    replace(small.CONFIG, n_frames=14).save(folder / "features.json")
    with pytest.raises(DataError, match=r"features.json: expected \(12, 5\) .*found \(14, 5\)"):
        Release.load(folder)
    text = (folder / "features.json").read_text().replace('"fmax": 7600.0', '"fmax": 7500.0')
    (folder / "features.json").write_text(text)
    with pytest.raises(DataError, match="features.json: expected hash"):
        Release.load(folder)


def test_normalisation_of_another_model(folder: Path) -> None:
    Normalisation.identity(6).save(folder / "normalisation.json")
    with pytest.raises(DataError, match="normalisation.json: expected .5,. means"):
        Release.load(folder)


def test_what_no_board_can_run(folder: Path) -> None:
    files.write_bytes(folder / "int8.tflite", small_model.tflite("float32"))
    with pytest.raises(DataError, match="int8.tflite: .*expected INT8"):
        Release.load(folder)
    files.write_bytes(folder / "int8.tflite", b"no model at all")
    with pytest.raises(DataError, match="int8.tflite: expected a TFLite model"):
        Release.load(folder)
    with pytest.raises(DataError, match="features that a board can compute"):
        replace(small.release(), config=replace(small.CONFIG, center=True, onset_db=None))


def test_the_released_model_and_its_sources_belong_together() -> None:
    found = Release.load()
    header = (board.MODEL / "labels.h").read_text()
    threshold = re.search(r"kUnsureThreshold = ([\d.e-]+)f;", header)
    assert np.float32(threshold[1]) == np.float32(found.threshold)
    assert all(f'"{label}"' in header for label in found.labels)
    assert found.config.hash in (board.MODEL / "feature_settings.h").read_text()
    source = (board.MODEL / "model_data.cpp").read_text()
    assert files.sha256_bytes(found.tflite) in source


def test_no_tensorflow_is_needed() -> None:
    code = (
        "import sys\n"
        "from ser_tinyml.device.listener import Listener\n"
        "from ser_tinyml.tflite.release import Release\n"
        "Listener(Release.load())\n"
        "assert not {'tensorflow', 'tf_keras', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
