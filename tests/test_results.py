"""The results table: from metrics files alone, and the README's is the committed one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ser_tinyml import files, results
from ser_tinyml.files import DataError

SCORE = {"n": 4, "accuracy": 0.51, "uar": 0.42, "majority_accuracy": 0.4}
RUN = {
    "01_index": {"synthetic": False},
    "02_features": {"protocol": "speaker", "feature_shape": [47, 26]},
    "03_train": {
        "parameters": 133_188,
        "scores": {"all": SCORE, "without TESS": SCORE, "TESS": {**SCORE, "n": 2, "uar": 0.3}},
    },
    "04_convert": {"sizes": {"float32": 536_000, "int8": 141_000}, "arena_bytes": {"int8": 14_400}},
}
CLASSES = ["neutral", "happy"]


def write_run(folder, **changes) -> None:
    """Six test rows, four of RAVDESS and two of TESS; the board is right on three and on none."""
    for stage, numbers in {**RUN, **changes}.items():
        files.write_json(folder / stage / "metrics.json", numbers)
    rows = pd.DataFrame(
        {
            "corpus": ["RAVDESS"] * 4 + ["TESS"] * 2 + ["RAVDESS"],
            "split": ["test"] * 6 + ["train"],
            "label_id": [0, 0, 1, 1, 0, 1, 0],
        }
    )
    files.write_table(folder / "02_features" / "rows.csv", rows)
    files.write_json(folder / "02_features" / "labels.json", CLASSES)
    answers = np.eye(2, dtype=np.int8)[[0, 0, 1, 0, 1, 0]]
    files.write_array(folder / "04_convert" / "int8_test_answers.npy", answers)


def test_tess_has_a_line_of_its_own_and_the_quoted_one_is_marked(tmp_path) -> None:
    write_run(tmp_path / "real")
    pool, tess = results.collect(tmp_path / "real")
    assert pool["command"] == "make run DATA=…"
    assert (pool["corpora"], tess["corpora"]) == (["RAVDESS"], ["TESS"])
    assert (pool["int8_accuracy"], tess["int8_accuracy"]) == (0.75, 0)
    quoted, first, second = results.markdown([results.QUOTED, pool, tess]).splitlines()[2:]
    assert "72.88 %" in quoted and quoted.endswith("| quoted |") and "does not run" in quoted
    assert "51.00 %" in first and "75.0 %, 75.0 %" in first and "measured" in first
    assert "30.0 %" in second and "n = 2" in second


def test_where_speakers_are_not_kept_apart_there_is_one_line(tmp_path) -> None:
    leaky = {"protocol": "leaky_random", "feature_shape": [47, 13]}
    write_run(tmp_path / "real", **{"02_features": leaky})
    (line,) = results.collect(tmp_path / "real")
    assert line["int8_accuracy"] == 0.5 and line["corpora"] == ["RAVDESS", "TESS"]


def test_an_experiment_is_named_in_its_command(tmp_path) -> None:
    write_run(tmp_path / "published")
    line = results.collect(tmp_path / "published")[0]
    assert line["command"].endswith("EXPERIMENT=published")


def test_synthetic_speech_is_no_result(tmp_path) -> None:
    write_run(tmp_path / "demo", **{"01_index": {"synthetic": True}})
    with pytest.raises(DataError, match="synthetic"):
        results.collect(tmp_path / "demo")


def test_publishing_twice_changes_nothing(tmp_path) -> None:
    write_run(tmp_path / "real")
    readme = tmp_path / "README.md"
    readme.write_text("head\n<!-- results -->\nold\n<!-- /results -->\ntail\n", encoding="utf-8")
    results.publish([tmp_path / "real"], root=tmp_path)
    written = ["README.md", "models/results.json", "images/results.png"]
    first = [(tmp_path / name).read_bytes() for name in written]
    results.publish([tmp_path / "real"], root=tmp_path)
    assert [(tmp_path / name).read_bytes() for name in written] == first
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("head\n") and text.endswith("tail\n") and "old" not in text


def test_a_readme_without_marks_is_refused() -> None:
    with pytest.raises(DataError, match="README"):
        results.into_readme("no marks", "table")


def test_the_readme_shows_the_committed_results() -> None:
    committed = files.read_json(results.ROOT / "models" / "results.json")
    readme = (results.ROOT / "README.md").read_text(encoding="utf-8")
    assert results.into_readme(readme, results.markdown(committed)) == readme
