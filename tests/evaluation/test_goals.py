"""What is measured, and whether it reaches what was set for it."""

from __future__ import annotations

import pandas as pd
import pytest

from ser_tinyml.evaluation import goals
from ser_tinyml.evaluation.trials import POOL


def measured() -> dict[str, float]:
    summary = pd.DataFrame({"uar": {POOL: 0.75, "RAVDESS": 0.65, "OTHER": 0.3}})
    summary["float_uar"] = summary["uar"] + 0.004
    return goals.measured(
        summary=summary,
        unsure=pd.DataFrame(
            {
                "ece": [0.02, 0.06, 0.9],
                "coverage": [0.1, 0.3, 0.25],
                "answered_accuracy": [0.8, 0.9, 0.86],
            },
            index=["a", "b", "all"],
        ),
        robustness=pd.Series({"gain -20 dB": 0.5, "white 10 dB": 9.0}),
        alarms=pd.DataFrame({"kind": ["hum", "all"], "answered_per_hour": [20.0, 4.0]}),
        unmet=pd.DataFrame({"answered": [True, False, False, False]}),
    )


def test_every_number_has_a_name() -> None:
    assert measured() == pytest.approx(
        {
            f"UAR, {POOL}": 0.75,
            "UAR, RAVDESS": 0.65,
            "UAR, OTHER": 0.3,
            "points lost, gain -20 dB": 0.5,
            "points lost, white 10 dB": 9.0,
            "points lost by int8": 0.4,
            "percent answered": 25,
            "percent right of the answered": 86,
            "ECE, mean of trials": 0.04,
            "false alarms an hour": 4.0,
            goals.UNMET: 25,
        }
    )


def test_goals_are_reached_or_not_and_what_has_none_is_left_out() -> None:
    table = goals.bars(
        measured(),
        at_least={f"UAR, {POOL}": (0.75, 0.8), "UAR, RAVDESS": (None, 0.6), "UAR, TESS": (0.5, 1)},
        at_most={"points lost, white 10 dB": (8, None), "false alarms an hour": (6, 1)},
    ).set_index("what")
    assert list(table.index) == [  # a corpus without a goal and a goal without a corpus are not
        *(f"UAR, {POOL}", "UAR, RAVDESS", "points lost, white 10 dB", "false alarms an hour")
    ]
    assert list(table["measured"]) == [0.75, 0.65, 9, 4]
    assert list(table["must reached"]) == ["yes", "", "no", "yes"]  # the first just so
    assert list(table["aim reached"]) == ["no", "yes", "", "no"]


def test_without_goals_there_is_an_empty_table() -> None:
    table = goals.bars(measured(), at_least={}, at_most={})
    assert table.empty and "must reached" in table
