"""The measured beside what a project must reach and what it aims at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ser_tinyml import metrics

UNMET = "percent answered of sounds never met"
_SLACK = 1e-9  # a goal that is met exactly is met, however floats are rounded


def measured(
    *,
    summary: pd.DataFrame,
    unsure: pd.DataFrame,
    robustness: pd.Series,
    alarms: pd.DataFrame,
    unmet: pd.DataFrame,
) -> dict[str, float]:
    """All numbers that a goal can be set for, by name.

    Parameters
    ----------
    summary, unsure
        From `cross_validation`'s functions of those names.
    robustness
        Points of UAR lost, by condition.
    alarms
        From `listening.false_alarms`.
    unmet
        From `listening.nobody_speaks`.
    """
    lost_by_int8 = 100 * (summary["float_uar"] - summary["uar"])
    return {
        **{f"UAR, {part}": uar for part, uar in summary["uar"].items()},
        **{f"points lost, {name}": points for name, points in robustness.items()},
        "points lost by int8": lost_by_int8.iloc[0],
        "percent answered": 100 * unsure.loc["all", "coverage"],
        "percent right of the answered": 100 * unsure.loc["all", "answered_accuracy"],
        "ECE, mean of trials": unsure.drop(index="all")["ece"].mean(),
        "false alarms an hour": alarms.set_index("kind")["answered_per_hour"][metrics.POOLED],
        **({} if unmet.empty else {UNMET: 100 * unmet["answered"].astype(float).mean()}),
    }


def bars(
    found: Mapping[str, float],
    *,
    at_least: Mapping[str, tuple[float | None, float | None]],
    at_most: Mapping[str, tuple[float | None, float | None]],
) -> pd.DataFrame:
    """Hold what was measured against the goals that are set for it.

    What has no goal, such as the UAR of another corpus, and goals for what was not measured are
    left out.

    Parameters
    ----------
    found
        From `measured`.
    at_least, at_most
        Name of a number -> what it must reach and what is aimed at; None: no such goal.

    Returns
    -------
    table
        Columns what, measured, must, aim, must reached and aim reached ("yes", "no", or "" where
        there is no such goal); in the order of the goals.
    """
    goals = [(what, 1, *goal) for what, goal in at_least.items()]
    goals += [(what, -1, *goal) for what, goal in at_most.items()]
    table = pd.DataFrame(goals, columns=["what", "sign", "must", "aim"])
    table = table[table["what"].isin(list(found))].reset_index(drop=True)
    sign = table.pop("sign")
    table.insert(1, "measured", table["what"].map(found).astype(float))
    for name in ("must", "aim"):
        table[name] = table[name].astype(float)
        reached = sign * table["measured"] >= sign * table[name] - _SLACK
        answer = np.where(reached, "yes", "no")
        table[f"{name} reached"] = np.where(table[name].isna(), "", answer)
    return table
