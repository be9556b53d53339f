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
from ser_tinyml.device.export import Export
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite import convert, release
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
    np.testing.assert_array_equal(found.normalisation.std, small.release().normalisation.std)


def test_inputs_are_normalised_and_quantised(folder: Path) -> None:
    values = np.random.default_rng(0).normal(0, 100, (4, *small.CONFIG.feature_shape))
    mean, std = small.release().normalisation.mean, small.release().normalisation.std
    scale, zero = convert.io_quantisation(small_model.tflite("int8"))[:2]
    expected = convert.quantise((values.astype(np.float32) - mean) / std, scale, zero)
    np.testing.assert_array_equal(Release.load(folder).inputs(values), expected)


def test_an_old_model_has_no_decision(folder: Path) -> None:
    (folder / "decision.json").unlink()
    assert Release.load(folder).threshold == release.THRESHOLD == 0.5


@pytest.mark.parametrize("decision", [{}, {"threshold": 1.5}, {"threshold": "0.5"}, [0.5], None])
def test_a_threshold_that_is_none(folder: Path, decision: object) -> None:
    (folder / "decision.json").write_text(json.dumps(decision))
    with pytest.raises(DataError, match="decision.json: expected a threshold from 0 to 1"):
        Release.load(folder)


@pytest.mark.parametrize("name", ["features.json", "labels.json", "normalisation.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{re.escape(str(folder / name))}: expected a readable"):
        Release.load(folder)


def test_a_run_holds_its_model_where_it_was_converted(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mine"
    for path in [path for path in folder.iterdir() if path.is_file()]:
        files.write_bytes(run / "04_convert" / path.name, path.read_bytes())
    found = Release.load(run)
    assert found.folder == run / "04_convert"
    assert Export.load(run).model_id == Export.load(folder).model_id == small.export().model_id


def test_a_folder_without_a_model_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        Release.load(tmp_path / "mine")
    for place in (tmp_path / "mine" / "int8.tflite", tmp_path / "mine/04_convert/int8.tflite"):
        assert str(place) in str(raised.value)


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("", "expected a word or some"),
        ("two\nlines", "expected a word or some"),
        ("unsure", "expected another word"),
        ("a" * 21, "expected at most 20 bytes"),
        ("calm", "expected each name once"),
    ],
)
def test_labels_that_no_board_can_tell(folder: Path, label: str, said: str) -> None:
    files.write_json(folder / "labels.json", ["calm", label, "glad"])
    with pytest.raises(DataError, match=f"labels.json: {said}"):
        Release.load(folder)


def test_labels_may_be_of_any_language(folder: Path) -> None:
    names = ['cr"oss', "f\u00e2ch\u00e9", "a\\b"]
    files.write_json(folder / "labels.json", names)
    assert Release.load(folder).labels == names


@pytest.mark.parametrize(
    "wrong", [{"std": np.zeros(5, np.float32)}, {"mean": np.full(5, np.nan, np.float32)}]
)
def test_normalisation_without_meaning(wrong: dict[str, np.ndarray]) -> None:
    normalisation = replace(small.release().normalisation, **wrong)
    with pytest.raises(DataError, match="normalisation.json: expected finite means"):
        replace(small.release(), normalisation=normalisation)


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
    with pytest.raises(DataError, match="whole clip"):
        replace(small.release(), config=replace(small.CONFIG, level="clip_max"))


def test_no_tensorflow_is_needed() -> None:
    code = (
        "import sys\n"
        "from ser_tinyml.device.listener import Listener\n"
        "from ser_tinyml.tflite.release import Release\n"
        "Listener(Release.load())\n"
        "assert not {'tensorflow', 'tf_keras', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
