"""The pictures of calibration show what is in the tables."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ser_tinyml.data import corpora
from ser_tinyml.evaluation.trials import POOL
from ser_tinyml.plots import calibration as plots
from ser_tinyml.plots.style import MODEL_COLOURS, POOL_COLOUR
from ser_tinyml.training import calibration


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    """Two classes; the surer, the more often right, but never as often as it says."""
    rng = np.random.default_rng(0)
    top = rng.uniform(0.5, 1, size=500)
    labels = np.where(rng.uniform(size=500) < top - 0.1, 0, 1)
    return np.stack([top, 1 - top], axis=1), labels


def test_bars_are_accuracies_and_shares(answers) -> None:
    table = calibration.reliability(*answers, n_bins=10)
    figure = plots.reliability_diagram({"before": table, "after": table})
    upper, _, lower, _ = figure.axes
    some = table[table["n"] > 0]
    assert [bar.get_height() for bar in upper.patches] == some["accuracy"].tolist()
    assert sum(bar.get_height() for bar in lower.patches) == pytest.approx(1)
    error = calibration.expected_calibration_error(*answers, n_bins=10)
    assert upper.get_title() == f"before\nECE {error:.3f}, n = 500"
    figure.canvas.draw()


def test_the_threshold_is_marked_where_it_lies(answers) -> None:
    table = calibration.risk_coverage(*answers)
    chosen = calibration.choose_threshold(*answers, target_accuracy=0.75, confidence=None)
    figure = plots.risk_coverage(
        {"new": table, "old": table}, thresholds={"new": chosen.threshold}, target_accuracy=0.75
    )
    (axis,) = figure.axes
    curve, mark, other, target = axis.lines
    assert curve.get_xdata()[-1] == 1 and curve.get_xdata()[0] == 20 / 500
    assert mark.get_xdata() == [chosen.coverage] and mark.get_ydata() == [chosen.accuracy]
    assert f"from {chosen.threshold:.2f} on:\n{chosen.coverage:.0%} answered" in mark.get_label()
    assert (other.get_label(), target.get_label()) == ("old", "target: 75%")
    figure.canvas.draw()


def test_a_threshold_between_two_answers_is_marked_at_the_surer_one(answers) -> None:
    table = calibration.risk_coverage(*answers)
    between = table["threshold"].iloc[99:101].mean()
    (axis,) = plots.risk_coverage({"new": table}, thresholds={"new": between}).axes
    _, mark = axis.lines
    assert mark.get_xdata() == [table["coverage"].iloc[99]]


def test_a_threshold_that_nothing_reaches_has_no_mark(answers) -> None:
    table = calibration.risk_coverage(*answers)
    (axis,) = plots.risk_coverage({"new": table}, thresholds={"new": 1.1}).axes
    assert len(axis.lines) == 1


def test_several_nets_are_marked_where_their_own_thresholds_put_them(answers) -> None:
    table = calibration.risk_coverage(*answers)
    (axis,) = plots.risk_coverage({"folds": table}, points={"folds": (0.28, 0.872)}).axes
    _, mark = axis.lines
    assert (mark.get_xdata(), mark.get_ydata()) == ([0.28], [0.872])
    assert "28% answered, 87% of them right" in mark.get_label()


def test_a_corpus_has_its_own_colour_and_a_model_one_of_models(answers) -> None:
    table = calibration.risk_coverage(*answers)
    for names, colours in (
        ((POOL, "TESS", "own"), (POOL_COLOUR, corpora.colour("TESS"), corpora.colour("own"))),
        (("SAVEE",), (corpora.colour("SAVEE"),)),
        (("int8 on TFLite Micro", "old"), MODEL_COLOURS[:2]),
    ):
        (axis,) = plots.risk_coverage(dict.fromkeys(names, table)).axes
        assert tuple(line.get_color() for line in axis.lines) == colours
