"""The results table: from metrics files alone, and the README's is the committed one."""

from __future__ import annotations

import pytest

from ser_tinyml import files, results
from ser_tinyml.files import DataError

RUN = {
    "01_index": {"synthetic": False},
    "02_features": {
        "protocol": "speaker",
        "corpora": ["RAVDESS"],
        "clips": 10,
        "feature_shape": [47, 26],
    },
    "03_train": {
        "parameters": 133_188,
        "scores": {
            "all": {"n": 5, "accuracy": 0.51, "uar": 0.42, "majority_accuracy": 0.4},
            "RAVDESS": {"uar": 0.42},
        },
    },
    "04_convert": {
        "sizes": {"float32": 536_000, "int8": 141_000},
        "arena_bytes": {"int8": 14_400},
        "int8_tflm": {"accuracy": 0.5, "uar": 0.41},
    },
}


def write_run(folder, **changes) -> None:
    for stage, metrics in {**RUN, **changes}.items():
        files.write_json(folder / stage / "metrics.json", metrics)


def test_a_line_a_run_and_the_quoted_one_marked(tmp_path) -> None:
    write_run(tmp_path / "real")
    result = results.collect(tmp_path / "real")
    assert result["command"] == "make run DATA=…"
    table = results.markdown([results.QUOTED, result])
    quoted, ours = table.splitlines()[2:]
    assert "72.88 %" in quoted and quoted.endswith("| quoted |") and "does not run" in quoted
    assert "51.00 %" in ours and "50.0 %, 41.0 %" in ours and "measured" in ours


def test_an_experiment_is_named_in_its_command(tmp_path) -> None:
    write_run(tmp_path / "published")
    assert results.collect(tmp_path / "published")["command"].endswith("EXPERIMENT=published")


def test_synthetic_speech_is_no_result(tmp_path) -> None:
    write_run(tmp_path / "demo", **{"01_index": {"synthetic": True}})
    with pytest.raises(DataError, match="synthetic"):
        results.collect(tmp_path / "demo")


def test_publishing_twice_changes_nothing(tmp_path) -> None:
    write_run(tmp_path / "real")
    readme = tmp_path / "README.md"
    readme.write_text(f"head\n{results.BEGIN}\nold\n{results.END}\ntail\n", encoding="utf-8")
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
