"""Calibration, by hand and on answers whose probabilities are known to be true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from ser_tinyml.files import DataError
from ser_tinyml.training import calibration


def true_answers(n: int, *, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits [shape=(n, classes)], and labels drawn with just their probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, classes)) * 2
    below = np.cumsum(softmax(logits, axis=1), axis=1) < rng.uniform(size=(n, 1))
    return logits, below.sum(axis=1).clip(max=classes - 1)


def sure(confidence: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of two classes, the first on top, and labels."""
    top = np.array(confidence)
    return np.stack([top, 1 - top], axis=1), np.where(right, 0, 1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature) -> None:
    logits, labels = true_answers(20_000)
    found = calibration.fit_temperature(logits * temperature, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    log_probabilities = np.log(softmax(logits * temperature, axis=1))
    assert calibration.fit_temperature(log_probabilities, labels) == pytest.approx(found)


def test_weights_are_repetitions() -> None:
    logits, labels = true_answers(300)
    logits[:100] *= 3
    weights = np.where(np.arange(300) < 100, 4, 1)
    repeated = np.repeat(np.arange(300), weights)
    assert calibration.fit_temperature(logits, labels, weights=weights) == pytest.approx(
        calibration.fit_temperature(logits[repeated], labels[repeated]), rel=1e-4
    )
    with pytest.raises(DataError, match="weights"):
        calibration.fit_temperature(logits, labels, weights=-weights)
    with pytest.raises(DataError, match="above 0"):
        calibration.fit_temperature(logits, labels, weights=0 * weights)


def test_where_no_temperature_is_best_none_is_given() -> None:
    with pytest.raises(DataError, match="all right"):
        calibration.fit_temperature(np.eye(4) * 2, np.arange(4))
    with pytest.raises(DataError, match="chance"):
        calibration.fit_temperature(np.eye(4) * 2, np.roll(np.arange(4), 1))


def test_a_temperature_is_a_division_of_the_logits() -> None:
    logits, _ = true_answers(50)
    changed = calibration.apply_temperature(softmax(logits, axis=1), 1.7)
    np.testing.assert_allclose(changed, softmax(logits / 1.7, axis=1))
    certain = calibration.apply_temperature(np.array([[1.0, 0, 0], [0.5, 0.5, 0]]), 0.05)
    np.testing.assert_allclose(certain, [[1, 0, 0], [0.5, 0.5, 0]])
    with pytest.raises(DataError, match="above 0"):
        calibration.apply_temperature(certain, 0)


def test_reliability_by_hand() -> None:
    probabilities, labels = sure([0.6, 0.7, 0.7, 0.95], [True, True, False, True])
    table = calibration.reliability(probabilities, labels, n_bins=5)
    assert table["n"].tolist() == [0, 0, 1, 2, 1]
    np.testing.assert_allclose(table["low"], [0, 0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(table["confidence"][2:], [0.6, 0.7, 0.95])
    np.testing.assert_allclose(table["accuracy"][2:], [1, 0.5, 1])
    assert table[["confidence", "accuracy"]][:2].isna().all(axis=None)
    quarters = calibration.reliability(*sure([0.75, 0.76], [True, True]), n_bins=4)
    assert quarters["n"].tolist() == [0, 0, 1, 1]  # 0.75 is in the bin that ends there
    error = calibration.expected_calibration_error(probabilities, labels, n_bins=5)
    assert error == pytest.approx((0.4 + 2 * 0.2 + 0.05) / 4)


def test_true_probabilities_are_calibrated_and_sharpened_ones_are_not() -> None:
    logits, labels = true_answers(20_000)
    true, sharp = softmax(logits, axis=1), softmax(3 * logits, axis=1)
    assert calibration.expected_calibration_error(true, labels) < 0.015
    before = calibration.expected_calibration_error(sharp, labels)
    temperature = calibration.fit_temperature(np.log(sharp), labels)
    cooled = calibration.apply_temperature(sharp, temperature)
    assert before > 0.15 > 0.015 > calibration.expected_calibration_error(cooled, labels)


def test_risk_coverage_by_hand() -> None:
    probabilities, labels = sure([0.6, 0.9, 0.8, 0.8], [False, True, True, False])
    table = calibration.risk_coverage(probabilities, labels)
    np.testing.assert_allclose(table["threshold"], [0.9, 0.8, 0.6])
    assert table["n_answered"].tolist() == [1, 3, 4]
    np.testing.assert_allclose(table["coverage"], [0.25, 0.75, 1])
    np.testing.assert_allclose(table["accuracy"], [1, 2 / 3, 0.5])


def test_the_threshold_is_the_lowest_that_reaches_the_target() -> None:
    logits, labels = true_answers(5000)
    probabilities = softmax(logits, axis=1)
    chosen = calibration.choose_threshold(probabilities, labels, confidence=None)
    top, answer = probabilities.max(axis=1), probabilities.argmax(axis=1)
    answered = top >= chosen.threshold
    assert chosen.n_answered == answered.sum()
    assert chosen.coverage == answered.mean()
    assert chosen.accuracy == (answer == labels)[answered].mean() >= 0.85
    for lower in top[top < chosen.threshold]:
        assert (answer == labels)[top >= lower].mean() < 0.85


def test_the_margin_asks_more_and_shrinks_with_the_clips() -> None:
    many, few = (softmax(true_answers(n)[0], axis=1) for n in (20_000, 400))
    labels = {n: true_answers(n)[1] for n in (20_000, 400)}
    plain = calibration.choose_threshold(many, labels[20_000], confidence=None)
    safe = calibration.choose_threshold(many, labels[20_000])
    assert 0 < safe.threshold - plain.threshold < 0.05
    assert calibration.choose_threshold(few, labels[400]).accuracy > safe.accuracy + 0.01


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    # 29 of 29 right: the lower bound is 0.05 ** (1 / 29) = 0.902; of 28: 0.899
    for n, reached in ((29, True), (28, False)):
        answers = sure([0.9] * n, [True] * n)
        options = {"target_accuracy": 0.9, "minimum_answered": 5}
        if reached:
            assert calibration.choose_threshold(*answers, **options).n_answered == n
        else:
            with pytest.raises(DataError, match=r"at best 0\.899"):
                calibration.choose_threshold(*answers, **options)


def test_a_lucky_few_at_the_top_are_not_enough() -> None:
    confidence = [0.99] * 40 + [0.8] * 100
    right = [True] * 40 + [True, False] * 50
    probabilities, labels = sure(confidence, right)
    lucky = calibration.choose_threshold(probabilities, labels, minimum_answered=20)
    assert (lucky.threshold, lucky.n_answered) == (0.99, 40)
    with pytest.raises(DataError, match="at least 50"):
        calibration.choose_threshold(probabilities, labels)
    with pytest.raises(DataError, match="140 clips"):
        calibration.choose_threshold(probabilities, labels, minimum_answered=500)


def test_where_all_is_right_all_is_answered() -> None:
    probabilities, labels = sure(list(np.linspace(0.5, 1, 100)), [True] * 100)
    assert calibration.choose_threshold(probabilities, labels).coverage == 1


def test_probabilities_of_eight_bits_are_taken() -> None:
    logits, labels = true_answers(500, classes=7)
    rounded = np.round(softmax(logits, axis=1) * 256) / 256
    assert calibration.expected_calibration_error(rounded, labels) < 0.1
    with pytest.raises(DataError, match="finite"), np.errstate(divide="ignore"):
        calibration.fit_temperature(np.log(rounded), labels)


@pytest.mark.parametrize(
    ("probabilities", "labels", "named"),
    [
        ([[0.5, 0.4]], [0], "adds up to 1"),
        ([[1.2, -0.2]], [0], "none below 0"),
        ([[np.nan, 0.5]], [0], "adds up to 1"),
        ([0.5, 0.5], [0], "shape"),
        ([[0.5, 0.5]], [0, 1], "1 integers"),
        ([[0.5, 0.5]], [0.0], "integers"),
        ([[0.5, 0.5]], [2], "0 to 1"),
        (np.empty((0, 2)), np.empty(0, int), "found shape"),
    ],
)
def test_wrong_input_is_named(probabilities, labels, named) -> None:
    with pytest.raises(DataError, match=named):
        calibration.expected_calibration_error(np.array(probabilities), np.array(labels))


def test_few_answers_are_decided_by_their_share_alone_and_that_is_told() -> None:
    all_right = sure([0.6, 0.7, 0.9], [True] * 3)
    assert calibration.decide(*all_right) == {
        "threshold": 0.6, "target_accuracy": calibration.TARGET_ACCURACY, "reached": False
    }  # fmt: skip
    assert calibration.decide(*sure([0.6, 0.7, 0.9], [False, True, True]))["threshold"] == 0.7
    none_right = calibration.decide(*sure([0.6, 0.7, 0.9], [False] * 3))
    assert (none_right["threshold"], none_right["reached"]) == (0.9, False)
    enough = calibration.decide(*sure([0.9] * calibration.FEWEST, [True] * calibration.FEWEST))
    assert enough["reached"] and enough["threshold"] == 0.9
