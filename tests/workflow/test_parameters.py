from __future__ import annotations

import nbformat
import pytest

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.workflow import parameters
from ser_tinyml.workflow.paths import Paths

DEFAULTS = {
    "01_index": {"run_dir": "../runs/demo", "recordings_dir": "../data/demo", "scale": 1.0},
    "03_train": {"epochs": 2, "clean": True, "training": {"units": [8, 4]}, "class_set": "four"},
}


def given(values, stage: str = "03_train"):
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
    assert given({"scale": "5e-1"}, "01_index") == {"scale": 0.5}
    assert given({"scale": 2}, "01_index") == {"scale": 2.0}


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
        ("epoch", "3", "epoch: expected a parameter of a stage:\n  01_index: recordings_dir, sc"),
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
