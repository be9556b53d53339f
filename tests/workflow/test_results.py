"""The results table: from metrics files alone, and the README's is the committed one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from toy_notebooks import EVALUATION, part

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import results
from ser_tinyml.workflow.readme import PLACES, into_readme

SCORE = {"n": 4, "accuracy": 0.51, "uar": 0.42, "majority_accuracy": 0.4}
RUN = {
    "01_index": {"synthetic": False},
    "02_features": {"protocol": "clip_random", "feature_shape": [47, 26]},
    "03_train": {
        "parameters": 133_188,
        "scores": {"all": SCORE, "pooled": SCORE, "TESS": {**SCORE, "n": 2, "uar": 0.3}},
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


def write_evaluation(folder, **changes) -> None:
    files.write_json(folder / "01_index" / "metrics.json", {"synthetic": False})
    files.write_json(folder / "07_evaluate" / "metrics.json", {**EVALUATION, **changes})


def test_a_random_split_is_one_line_over_all_corpora_and_the_quoted_ones_are_marked(
    tmp_path,
) -> None:
    write_run(tmp_path / "real")
    (line,) = results.collect(tmp_path / "real")
    assert line["command"] == "make run DATA=…"
    assert line["accuracy"] == 0.5 and line["float_accuracy"] == 0.51
    assert line["corpora"] == ["RAVDESS", "TESS"]
    quoted, other, first = results.markdown([*results.QUOTED, line]).splitlines()[2:]
    assert "72.88 %" in quoted and quoted.endswith("| quoted |") and "does not run" in quoted
    assert "61.2 %" in other and "not given" in other and other.endswith("| quoted |")
    assert "51.00 %" in first and "50.0 %, 50.0 %" in first and "measured" in first
    assert "n = 6" in first and "47 x 26" in first


def test_one_fold_is_no_result(tmp_path) -> None:
    by_speaker = {"protocol": "speaker", "feature_shape": [47, 26]}
    write_run(tmp_path / "real", **{"02_features": by_speaker})
    with pytest.raises(DataError, match="found protocol speaker alone: one fold is no result"):
        results.collect(tmp_path / "real")


def test_an_evaluation_is_a_line_for_each_part(tmp_path) -> None:
    write_evaluation(tmp_path / "real")
    pool, *_, tess = results.collect(tmp_path / "real")
    assert (pool["corpora"], tess["corpora"]) == (["RAVDESS", "SAVEE"], ["TESS"])
    assert (pool["uar"], pool["float_uar"]) == (0.71, 0.72)
    assert (pool["trials"], tess["trials"]) == (10, 2)
    lines = results.evaluation_markdown([*results.QUOTED, pool, tess]).splitlines()[2:]
    assert lines == [
        "| RAVDESS, SAVEE (5 folds) | 900 | **71.0 %** ± 2.0 | 76.0 % | 66.0 % | 72.0 % "
        "| 50.0 %, 40.0 % |",
        "| TESS (1 folds) | 80 | **60.0 %** ± 2.0 | 65.0 % | 55.0 % | 61.0 % | 50.0 %, 40.0 % |",
    ]
    every = results.evaluation_markdown(results.collect(tmp_path / "real")).splitlines()
    mean = next(line for line in every if line.startswith(f"| {results.MEAN_OF_CORPORA} |"))
    singles = results.collect(tmp_path / "real")[1:3]
    assert f"**{50 * sum(line['uar'] for line in singles):.1f} %**" in mean
    assert results.markdown([pool, tess]).count("\n") == 1  # the head alone: no random split


def test_the_model_card_says_what_the_evaluation_found() -> None:
    card = results.card_section(EVALUATION).splitlines()
    assert "| | folds | UAR | accuracy | macro-F1 | recall neutral | recall happy |" in card
    assert "| TESS | 1 | 0.600 ± 0.020 | 0.650 | 0.550 | 0.600 | – |" in card
    assert [line.split(" |")[0] for line in card if line.endswith("– |")] == [
        "| pooled",
        "| RAVDESS",
        "| SAVEE",
        "| TESS",
    ]
    assert card[-7:] == [
        "- Calibration: the probabilities of a net are off by 5.0 points on average (3.1, all nets "
        "counted together). With the threshold, 50 % are answered, and 84 % of the answers are "
        "right.",
        "- Streaming, as on the board: UAR 0.650, 40 % answered, of these 80 % right; "
        "0.52 s from the end of speech to the decision (median).",
        "- False alarms: 3.0 in an hour of hum.",
        "- Degraded sound, change of UAR, in points (+ is better):",
        "  - white 0 dB: -12.3",
        "  - pink 0 dB: -15.0",
        "  - tap 0 dB: -20.0",
    ]


def test_the_committed_card_says_what_the_committed_evaluation_found() -> None:
    found = files.read_json(ROOT / "models" / "metrics.json")[results.EVALUATION]
    card = (ROOT / "models" / "MODEL_CARD.md").read_text("utf-8")
    assert card.endswith("\n\n" + results.card_section(found))
    assert "(clock tick, dog bark, helicopter, person sneeze, rain)" in card


def test_a_model_card_of_one_trial_that_answered_nothing() -> None:
    nothing = {"ece": 0.3, "coverage": 0.0, "answered_accuracy": None}
    silent = {**EVALUATION["streaming"], "answered_accuracy": None, "delay_median_s": None}
    card = results.card_section(
        {
            **EVALUATION,
            "summary": {"pooled": part(0.5, folds=1, n=9, std=None)},
            "unsure": {"fold 0, seed 0": nothing, "all": nothing},
            "streaming": silent,
        }
    )
    assert "| pooled | 1 | 0.500 | 0.550 |" in card
    assert "0 % are answered, and – of the answers are right." in card
    assert "of these – right; – s from the end" in card


def test_an_experiment_is_named_in_its_command(tmp_path) -> None:
    write_run(tmp_path / "published")
    line = results.collect(tmp_path / "published")[0]
    assert line["command"].endswith("EXPERIMENT=published")


def test_synthetic_speech_is_no_result(tmp_path) -> None:
    write_run(tmp_path / "demo", **{"01_index": {"synthetic": True}})
    with pytest.raises(DataError, match="synthetic"):
        results.collect(tmp_path / "demo")


def test_publishing_twice_changes_nothing(tmp_path) -> None:
    runs = [tmp_path / "real", tmp_path / "clip_random"]
    write_evaluation(runs[0])
    write_run(runs[1])
    places = {"evaluation": "README.md", "results": "docs/scores.md"}
    for name, place in places.items():
        text = f"head\n<!-- {name} -->\nstale\n<!-- /{name} -->\ntail\n"
        files.write_text(tmp_path / place, text)
    results.publish(runs, root=tmp_path)
    written = [*places.values(), "models/results.json", "images/results.png"]
    first = [(tmp_path / name).read_bytes() for name in written]
    results.publish(runs, root=tmp_path)
    assert [(tmp_path / name).read_bytes() for name in written] == first
    results.publish(runs[:1], root=tmp_path)  # the other's lines stay
    assert [(tmp_path / name).read_bytes() for name in written] == first
    for place, said in {"README.md": "**71.0 %**", "docs/scores.md": "72.88 %"}.items():
        text = (tmp_path / place).read_text(encoding="utf-8")
        assert text.startswith("head\n") and text.endswith("tail\n") and "stale" not in text
        assert said in text


def test_a_readme_without_marks_is_refused() -> None:
    for name, place in {"evaluation": "README.md", "results": "docs/scores.md"}.items():
        with pytest.raises(DataError, match=f"^{place}: expected <!-- {name} -->"):
            into_readme("no marks", "table", name=name)


def test_a_picture_holds_measured_results_of_four_classes() -> None:
    committed = files.read_json(results.ROOT / "models" / "results.json")
    shown = results.four_classes(committed)
    assert {line["name"] for line in shown} == {"published", "clip_random", "release"}
    assert {line.get("classes", 4) for line in shown} == {4}


def test_readme_and_docs_show_the_committed_results() -> None:
    committed = files.read_json(results.ROOT / "models" / "results.json")
    texts = {
        "results": results.markdown(committed),
        "evaluation": results.evaluation_markdown(committed),
    }
    for name, text in texts.items():
        shown = (results.ROOT / PLACES[name]).read_text(encoding="utf-8")
        assert into_readme(shown, text, name=name) == shown
