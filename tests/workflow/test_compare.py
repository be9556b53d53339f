"""`compare`: from folders of runs to a table, a picture and a sentence."""

from __future__ import annotations

import pandas as pd
import pytest
import small_runs

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.workflow import compare


def parameters(**training: object) -> dict[str, dict[str, object]]:
    return {
        "01_index": {"speak_demo": False},
        "02_features": {"protocol": "speaker", "jobs": 3},
        "03_train": {"seed": 0, "training": training},
    }


def test_runs_are_compared_printed_and_written(tmp_path, capsys) -> None:
    folders = [
        small_runs.write(
            tmp_path / name,
            small_runs.predictions(right),
            parameters=parameters(epochs=epochs, dropout=0.2),
        )
        for name, right, epochs in (("short", 0.5, 5), ("long", 0.9, 60))
    ]
    out = tmp_path / "compared"
    assert compare.run_compare(folders, out) == 0
    said = capsys.readouterr().out
    assert "03_train.training.epochs      5    60" in said
    assert "dropout" not in said and "jobs" not in said
    assert "short and long: more than chance over speakers" in said
    assert said.endswith(f"written to {out}\n")
    scores = files.read_table(out / "scores.csv")
    assert list(scores["run"].unique()) == ["short", "long"]
    assert set(scores["protocol"]) == {"speaker"}
    assert files.read_table(out / "settings.csv")["setting"].tolist() == [
        "03_train.training.epochs"
    ]
    (line,) = files.read_table(out / "differences.csv").to_dict("records")
    assert 0 < line["low"] < line["points"] < line["high"]
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_evaluations_are_compared_where_all_runs_have_one(tmp_path) -> None:
    table = small_runs.predictions(0.7)
    first, second = (small_runs.write(tmp_path / name, table) for name in ("first", "second"))
    several = pd.concat([table.assign(fold=0, seed=n) for n in (0, 1)])
    for folder in (first, second):
        before = compare.collect([first, second])
        assert [one.protocol for one in before] == ["speaker", "speaker"]
        small_runs.write(
            folder, several, stage="07_evaluate", parameters={"07_evaluate": {"seeds": "0 1"}}
        )
    found = compare.collect([first, second])
    assert [one.protocol for one in found] == ["speaker, folds 0 1"] * 2
    assert [len(one.predictions) for one in found] == [2 * len(table)] * 2
    assert found[0].settings == {"07_evaluate.seeds": "0 1"}


def test_code_and_recordings_count_as_settings(tmp_path) -> None:
    folder = small_runs.write(tmp_path / "a", small_runs.predictions(0.7))
    other = small_runs.write(tmp_path / "b", small_runs.predictions(0.7))
    for number, run in enumerate((folder, other)):
        done = {"modules": {"ser_tinyml.files": f"{number}"}, "folders": {"recordings_dir": "x"}}
        files.write_json(run / "03_train" / "done.json", done)
    first, second = (one.settings for one in compare.collect([folder, other]))
    assert first["03_train.code"] != second["03_train.code"]
    assert first["03_train.recordings"] == second["03_train.recordings"]


def test_two_runs_of_different_names_are_wanted(tmp_path) -> None:
    with pytest.raises(DataError, match="two runs or more, of different names, found a$"):
        compare.run_compare([tmp_path / "a"], tmp_path / "out")
    with pytest.raises(DataError, match="found a, a$"):
        compare.run_compare([tmp_path / "a", tmp_path / "b" / "a"], tmp_path / "out")


def test_a_run_without_predictions_is_named(tmp_path) -> None:
    folder = small_runs.write(tmp_path / "a", small_runs.predictions(0.7))
    with pytest.raises(DataError, match=r"b/04_convert/predictions\.csv.*run notebooks/04"):
        compare.run_compare([folder, tmp_path / "b"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
