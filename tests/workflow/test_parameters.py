from __future__ import annotations

import re

import nbformat
import pytest

from ser_tinyml import __main__ as commands
from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import parameters, pipeline, runs
from ser_tinyml.workflow.notebooks import read_notebook
from ser_tinyml.workflow.paths import Paths
from ser_tinyml.workflow.stages import ALL

DEFAULTS = {
    "first": {"run_dir": "../runs/demo", "recordings_dir": "../data/demo", "scale": 1.0},
    "second": {"epochs": 2, "clean": True, "training": {"units": [8, 4]}, "class_set": "four"},
}


def given(values, stage: str = "second"):
    return parameters.given(values, DEFAULTS, paths=Paths("notebooks"))[stage]


def test_a_field_has_a_dotted_name():
    assert given({"training.units": "[16,8]", "training.dropout": "1e-3"}) == {
        "training": {"units": [16, 8], "dropout": 0.001}
    }
    assert given({"training.deep.er": "yes and no"})["training"]["deep"] == {"er": "yes and no"}


def test_a_mapping_gives_fields_and_a_dotted_name_changes_one_of_them():
    experiment = {"training": {"units": [2], "batch_size": 32}}
    assert given(experiment) == experiment
    assert given({**experiment, "training.batch_size": "8"}) == {
        "training": {"units": [2], "batch_size": 8}
    }
    assert given({"training": "{batch_size: 8}"})["training"] == {"units": [8, 4], "batch_size": 8}


def test_a_class_set_is_a_name_or_a_mapping():
    own = {"good": ["happy"], "bad": ["sad", "angry"]}
    assert given({"class_set": "seven"}) == {"class_set": "seven"}
    assert given({"class_set": own}) == {"class_set": own}
    assert given({"class_set": "{good: [happy], bad: [sad, angry]}"}) == {"class_set": own}


def test_text_is_read_as_the_type_of_the_default():
    assert given({"epochs": " 3", "clean": "false"}) == {"epochs": 3, "clean": False}
    assert given({"scale": "5e-1"}, "first") == {"scale": 0.5}
    assert given({"scale": 2}, "first") == {"scale": 2.0}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", "3.0", "epochs: expected a whole number, found '3.0'"),
        ("scale", "nan", "scale: expected a number, found 'nan'"),
        ("clean", "perhaps", "clean: expected true or false, found 'perhaps'"),
        ("clean", 1, "clean: expected true or false, found 1"),
        ("class_set", ["four"], "class_set: expected text, found ['four']"),
        ("class_set", None, "class_set: expected text, found None"),
        ("training", "5", "training: expected fields, as in training.field=value, found 5"),
        ("training", None, "training: expected fields, as in training.field=value, found None"),
        ("training.units", "[1", "training.units: expected a value as in YAML, found '[1'"),
        ("training.since", "2001-01-01", "training.since: expected numbers, text, true or false"),
        ("training.dropout", ".inf", "training.dropout: expected numbers, text, true or false"),
        ("epochs.many", "3", "epochs.many: expected epochs alone, which has no fields"),
        ("epoch", "3", "epoch: expected a parameter of a stage:\n  first: recordings_dir, sc"),
        ("run_dir", "x", "run_dir: expected a parameter of a stage:\n"),
        # fields of configurations have their dotted name
        ("batch_size", "3", "batch_size: expected a parameter of a stage; this one is given as "),
        ("units", "3", "units: expected a parameter of a stage; this one is given as training.un"),
        # no stage here has the parameter `features`
        ("n_mfcc", "3", "n_mfcc: expected a parameter of a stage:\n"),
    ],
)
def test_a_wrong_parameter_is_named(name, value, message):
    with pytest.raises(DataError) as error:
        given({name: value})
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("a = 1\nb = a + 1", "found: b = a + 1"),
        ("import os", "found: import os"),
        ("a = b = 1", "found: a = b = 1"),
        ("a = [x for x in 'ab']", "found: a = "),
    ],
)
def test_a_parameters_cell_holds_plain_literals(source, found):
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    with pytest.raises(
        DataError, match="book, parameters cell: expected plain literals, "
    ) as error:
        parameters.defaults_of(nbformat.v4.new_notebook(cells=[cell]), "book")
    assert found in str(error.value)


def test_one_parameters_cell():
    with pytest.raises(DataError, match="book: expected one cell tagged parameters, found 0"):
        parameters.defaults_of(nbformat.v4.new_notebook(), "book")


def test_experiments_are_read_from_their_folder(tmp_path):
    files.write_text(tmp_path / "a.yaml", "# why\nepochs: 20\ncorpora: RAVDESS TESS\nclean: no\n")
    assert parameters.experiment("a", folder=tmp_path) == {
        "epochs": 20,
        "corpora": "RAVDESS TESS",
        "clean": False,
    }
    with pytest.raises(DataError, match="experiment 'b': expected one of a in "):
        parameters.experiment("b", folder=tmp_path)
    files.write_text(tmp_path / "b.yaml", "just text")
    with pytest.raises(DataError, match="b.yaml: expected names and values, found 'just text'"):
        parameters.experiment("b", folder=tmp_path)


def test_an_experiment_changes_another_one(tmp_path):
    files.write_text(tmp_path / "a.yaml", "epochs: 20\ncopies: 4\ntraining: {units: 2, rate: 1}\n")
    files.write_text(tmp_path / "b.yaml", "base: a\ncopies: 1\ntraining: {units: 9}\nclean: no\n")
    assert parameters.experiment("b", folder=tmp_path) == {
        "epochs": 20,
        "copies": 1,
        "training": {"units": 9, "rate": 1},
        "clean": False,
    }
    files.write_text(tmp_path / "c.yaml", "base: b\n")
    with pytest.raises(DataError, match="experiment 'c': expected a base that has none"):
        parameters.experiment("c", folder=tmp_path)
    files.write_text(tmp_path / "c.yaml", "base: d\n")
    with pytest.raises(DataError, match="experiment 'd': expected one of a, b, c in"):
        parameters.experiment("c", folder=tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("class_set=nine", "class_set: expected "),
        ("class_set={good: [happy, glad], bad: [sad]}", "class_set"),
        ("feature_preset=best", "feature_preset: expected "),
        ("features.n_mfcc=99", "features: expected 0 <= n_mfcc <= n_mels, found 99 and 40"),
        ("features.n_mfcc=many", "features.n_mfcc: expected "),
        ("features.mfcc=13", "features.mfcc: expected "),
        ("protocol=fair", "protocol: expected "),
        ("test_fold=5", "test_fold: expected "),
        ("augmented_rows=-1", "augmented_rows: expected "),
        ("test_fraction=1.5", "test_fraction: expected "),
        ("loud=2", "loud: expected "),
        ("seed=-1", "seed: expected "),
        ("epochs=0", "epochs: expected "),
        ("teachers=-1", "teachers: expected "),
        ("training.units=[0]", "training.units: expected "),
        ("training.units=wide", "training.units: expected "),
        ("training.net=transformer", "training.net: expected one of "),
        ("training.schedule=exponential", "training.schedule: expected "),
        ("training.learning_rate=0", "training.learning_rate: expected "),
        ("training={widths: [3]}", "training.widths: expected "),
        ("frame_augmentation.stretch=1", "frame_augmentation: expected .* stretch < 1"),
        ("teacher_training.batch_size=0", "teacher_training.batch_size: expected "),
        ("calibration_clips=0", "calibration_clips: expected "),
        (
            "units=[3]",
            "units: expected a parameter of a stage; this one is given as training.units",
        ),
        (
            "n_mfcc=13",
            "n_mfcc: expected a parameter of a stage; this one is given as features.n_mfcc",
        ),
        ("epoch=3", "epoch: expected a parameter of a stage:"),
    ],
)
def test_every_parameter_of_the_notebooks_is_checked_before_anything_runs(
    given, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(pipeline, "execute", lambda *_, **__: pytest.fail("it ran"))
    monkeypatch.setattr(runs, "folder_of", lambda name: tmp_path / name)
    assert commands.main(["run", given]) == 1
    assert re.match(f"error: {said}", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stage", "given", "said"),
    [
        ("07_evaluate", "test_folds=0 5", "test_folds: expected some of 0 to 4"),
        ("07_evaluate", "seeds=", "seeds: expected whole numbers"),
        ("14_compare", "net_seeds=one", "net_seeds: expected nothing, or whole numbers"),
        ("07_evaluate", "conditions=clean, rain", "conditions: expected 'all' or some of .*'rain'"),
        ("07_evaluate", "alarm_hours=0", "alarm_hours: expected above 0"),
        ("07_evaluate", "epochs=0", "epochs: expected 1 or more"),
        ("08_ablations", "names=default | luck", "names: expected 'all' or some of .*'luck'"),
        ("08_ablations", "seeds=0 -1", "seeds: expected whole numbers"),
    ],
)
def test_parameters_of_the_research_are_checked_too(
    stage, given, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(pipeline, "execute", lambda *_, **__: pytest.fail("it ran"))
    monkeypatch.setattr(runs, "folder_of", lambda name: tmp_path / name)
    assert commands.main(["run", "--stage", "01_index", "--stage", stage, given]) == 1
    assert re.match(f"error: {said}", capsys.readouterr().err)


EXPERIMENTS = sorted(path.stem for path in parameters.EXPERIMENTS.glob("*.yaml"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_fits_the_notebooks(name):
    values = parameters.experiment(name)
    wanted = values.pop("stages", " ".join(ALL)).split()
    assert set(wanted) <= set(ALL)
    folder = ROOT / "notebooks"
    defaults = {
        stage: parameters.defaults_of(read_notebook(folder / f"{stage}.ipynb"), stage)
        for stage in ALL
    }
    parameters.given(values, defaults, paths=Paths(folder))


def test_folders_in_an_experiment_are_relative_to_the_repository(tmp_path, monkeypatch):
    files.write_text(tmp_path / "a.yaml", "recordings_dir: data/here\nbackground_dir: ''\n")
    monkeypatch.chdir(ROOT / "notebooks")
    assert parameters.experiment("a", folder=tmp_path) == {
        "recordings_dir": str(ROOT / "data" / "here"),
        "background_dir": "",
    }
