from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from ser_tinyml import files
from ser_tinyml.metrics import predictions, score, score_table

CLASSES = ["neutral", "happy", "surprise", "unpleasant"]


def test_scores_by_hand() -> None:
    #          neutral 3 of 4 right, happy 1 of 2, unpleasant 0 of 2; no surprise
    labels = [0, 0, 0, 0, 1, 1, 3, 3]
    answer = [0, 0, 0, 1, 1, 0, 2, 0]
    scores = score(labels, answer, classes=CLASSES)
    assert scores["n"] == 8
    assert scores["accuracy"] == 0.5
    assert scores["uar"] == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert scores["recall"] == {"neutral": 0.75, "happy": 0.5, "surprise": None, "unpleasant": 0}
    assert scores["confusion"] == [[3, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]]
    assert scores["majority_accuracy"] == 0.5
    assert scores["majority_uar"] == pytest.approx(1 / 3)
    f1 = {0: 2 * 3 / (2 * 3 + 2 + 1), 1: 2 * 1 / (2 * 1 + 1 + 1), 3: 0}
    assert scores["macro_f1"] == pytest.approx(sum(f1.values()) / 3)
    assert scores["weighted_f1"] == pytest.approx((4 * f1[0] + 2 * f1[1]) / 8)


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, answer = rng.integers(0, 4, size=(2, 500))
    scores = score(labels, answer, classes=CLASSES)
    assert scores["accuracy"] == pytest.approx(accuracy_score(labels, answer))
    assert scores["uar"] == pytest.approx(balanced_accuracy_score(labels, answer))
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, answer, average="macro"))


def test_majority_is_what_a_constant_answer_gets() -> None:
    labels = np.array([0, 1, 1, 1, 2])
    constant = score(labels, np.ones(5, int), classes=CLASSES)
    assert constant["accuracy"] == constant["majority_accuracy"] == 0.6
    assert constant["uar"] == constant["majority_uar"] == pytest.approx(1 / 3)


def test_present_chooses_the_classes_that_count() -> None:
    scores = score([0, 1, 3, 3], [0, 0, 3, 3], classes=CLASSES, present=[0, 1])
    assert scores["uar"] == 0.5
    with pytest.raises(ValueError, match="surprise"):
        score([0, 1], [0, 1], classes=CLASSES, present=[0, 2])


@pytest.mark.parametrize(
    ("labels", "answer", "named"),
    [
        ([], [], "at least one"),
        ([0, 1], [0], "as many predictions"),
        ([0, 4], [0, 1], r"labels: .*\[4\]"),
        ([0, 1], [0, -1], r"predictions: .*\[-1\]"),
        ([0, 1], [0.0, 1.0], "integers"),
        ([0, 1], [[0, 1], [1, 0]], "shape"),
    ],
)
def test_wrong_input_is_named(labels: list, answer: list, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        score(labels, answer, classes=CLASSES)


def test_table_has_a_line_a_group_and_one_for_all() -> None:
    rows = pd.DataFrame(
        {
            "corpus": ["TESS", "SAVEE", "TESS", "SAVEE", "SAVEE"],
            "speaker": ["TESS-OAF", "SAVEE-DC", "TESS-YAF", "SAVEE-DC", "SAVEE-KL"],
            "label_id": [0, 1, 1, 2, 2],
        },
        index=[9, 8, 7, 6, 5],  # the order counts, not the index
    )
    answer = [0, 1, 0, 1, 2]
    table = score_table(rows, answer, classes=CLASSES)
    assert table["corpus"].tolist() == ["SAVEE", "TESS", "all"]
    assert table["n"].tolist() == [3, 2, 5]
    assert table["uar"].tolist() == pytest.approx([0.75, 0.5, (1 + 0.5 + 0.5) / 3])
    assert table["recall_happy"].tolist() == [1, 0, 0.5]
    assert np.isnan(table["recall_surprise"][1])
    assert table["recall_unpleasant"].isna().all()
    assert "confusion" not in table
    speakers = score_table(rows, answer, classes=CLASSES, by="speaker")
    assert speakers["speaker"].tolist() == ["SAVEE-DC", "SAVEE-KL", "TESS-OAF", "TESS-YAF", "all"]


def test_table_names_what_is_wrong() -> None:
    rows = pd.DataFrame({"corpus": ["TESS"], "label_id": [0]})
    with pytest.raises(ValueError, match="speaker"):
        score_table(rows, [0], classes=CLASSES, by="speaker")
    with pytest.raises(ValueError, match="a prediction a row"):
        score_table(rows, [0, 1], classes=CLASSES)


def rows_and_probabilities() -> tuple[pd.DataFrame, np.ndarray]:
    rows = pd.DataFrame(
        {
            "key": ["a", "b", "c"],
            "corpus": "SAVEE",
            "speaker": ["SAVEE-DC", "SAVEE-DC", "SAVEE-KL"],
            "label": ["happy", "neutral", "happy"],
            "label_id": [1, 0, 1],
            "split": "test",
        },
        index=[7, 5, 6],  # the order counts, not the index
    )
    return rows, np.float32([[0.1, 0.7, 0.1, 0.1], [0.3, 0.5, 0.1, 0.1], [0.6, 0.2, 0.1, 0.1]])


def test_predictions_say_what_was_answered_and_whether_it_was_said(tmp_path) -> None:
    rows, probabilities = rows_and_probabilities()
    table = predictions(rows, probabilities, classes=CLASSES, threshold=probabilities[2].max())
    assert table.columns.tolist() == [
        *("clip", "corpus", "speaker", "truth", "answer"),
        *("p_neutral", "p_happy", "p_surprise", "p_unpleasant", "answered"),
    ]
    assert table["clip"].tolist() == ["a", "b", "c"]
    assert table["answer"].tolist() == ["happy", "happy", "neutral"]
    assert table["truth"].tolist() == ["happy", "neutral", "happy"]
    assert table["answered"].tolist() == [True, False, True]  # the threshold itself is enough
    np.testing.assert_array_equal(table.filter(regex="^p_"), probabilities)
    files.write_table(tmp_path / "predictions.csv", table)
    read = files.read_table(tmp_path / "predictions.csv")
    pd.testing.assert_frame_equal(read, table, check_dtype=False)
    assert read["answered"].dtype == bool


def test_predictions_of_several_nets_have_a_threshold_each() -> None:
    rows, probabilities = rows_and_probabilities()
    own = np.array([0.8, 0.4, 0.6])
    table = predictions(rows, probabilities, classes=CLASSES, threshold=own)
    assert table["answered"].tolist() == [False, True, True]


def test_predictions_want_a_probability_of_each_class() -> None:
    rows, probabilities = rows_and_probabilities()
    with pytest.raises(ValueError, match=r"3 rows and 4 classes, found shape \(2, 4\)"):
        predictions(rows, probabilities[:2], classes=CLASSES, threshold=0.5)
