"""All systems asked the same question, and the table of what that costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.data.labels import CLASS_SETS
from ser_tinyml.device.emulation import energy
from ser_tinyml.files import DataError
from ser_tinyml.systems import common, mixtures

SEVEN = CLASS_SETS["seven"]


def answers(emotions: list[str], shares: list[dict[str, float]], classes=SEVEN) -> pd.DataFrame:
    table = pd.DataFrame({"key": [f"k{n}" for n in range(len(emotions))], "emotion": emotions})
    table = table.assign(corpus="RAVDESS", speaker="RAVDESS-01", label=emotions, label_id=0)
    for name in classes:
        table[f"p_{name}"] = [share.get(name, 0.0) for share in shares]
    return table


def test_what_counts_together_is_added_and_other_emotions_are_left_out() -> None:
    found = common.asked(
        answers(
            ["angry", "fear", "calm"],
            [
                {"sad": 0.3, "angry": 0.3, "happy": 0.4},
                {"fear": 1.0},
                {"neutral": 0.2, "happy": 0.1, "disgust": 0.7},
            ],
        ),
        SEVEN,
    )
    assert list(found["key"]) == ["k0", "k2"]  # not the clip of fear
    assert list(found["label"]) == ["unpleasant", "neutral"]
    assert list(found["label_id"]) == [3, 0]
    columns = [f"p_{name}" for name in common.QUESTION]
    np.testing.assert_allclose(found[columns], [[0, 0.4, 0, 0.6], [2 / 3, 1 / 3, 0, 0]])


def test_an_answer_that_is_none_of_the_four_is_a_guess() -> None:
    found = common.asked(answers(["sad"], [{"disgust": 1.0}]), SEVEN)
    np.testing.assert_allclose(found.filter(regex="^p_"), 0.25)


def test_a_system_that_cannot_tell_the_four_apart_is_refused() -> None:
    mixed = {"low": ("sad", "calm"), "high": ("angry", "happy")}
    table = answers(["sad"], [{"low": 1.0}], mixed)
    with pytest.raises(DataError, match="class 'low': expected one of the four classes, found neu"):
        common.asked(table, mixed)


def lines(system: str, uars: list[float], **costs: float) -> list[dict[str, object]]:
    known = {name: costs.get(name, np.nan) for name in common.COSTS}
    about = {"system": system, "title": system, "part": "pooled", "n": 10, **known}
    return [
        {
            **about,
            "fold": fold,
            "seed": 0,
            "trial": f"{fold} 0",
            "uar": uar,
            "emulated": bool(costs),
        }
        for fold, uar in enumerate(uars)
    ]


def test_a_line_a_system_with_what_a_clip_costs() -> None:
    costs = {"flash_bytes": 1e5, "ram_bytes": 1e4, "milliseconds": 10.0, "share": 0.2}
    found = common.table(
        pd.DataFrame([*lines("one", [0.6, 0.8], **costs), *lines("two", [0.5, 0.5])])
    )
    assert list(found.index) == ["one", "two"]
    assert found.loc["one", "pooled"] == pytest.approx(0.7)
    assert found.loc["one", "pooled_sd"] == pytest.approx(np.std([0.6, 0.8], ddof=1))
    assert found.loc["one", "n"] == 20 and found.loc["one", "trials"] == 2
    awake_s = 0.2 * common.CLIP_S + 0.01
    expected = 1e3 * energy.SUPPLY_VOLTS * energy.PROCESSOR.amperes * awake_s
    assert found.loc["one", "millijoules"] == pytest.approx(expected)
    assert list(found["emulated"]) == [True, False]
    assert np.isnan(found.loc["two", "millijoules"])


def test_a_system_whose_first_seed_was_counted_runs_on_the_board() -> None:
    costs = {"flash_bytes": 1e5, "ram_bytes": 1e4, "milliseconds": 10.0, "share": 0.2}
    second = [{**line, "seed": 1, "trial": "0 1"} for line in lines("one", [0.7])]
    found = common.table(pd.DataFrame([*lines("one", [0.6], **costs), *second]))
    assert found.loc["one", "emulated"] and found.loc["one", "flash_bytes"] == 1e5


def test_what_is_not_trained_here_comes_from_an_earlier_table() -> None:
    here = common.table(pd.DataFrame([*lines("one", [0.6, 0.8]), *lines("two", [0.5, 0.5])]))
    known = {"title": "Three", "trials": 5, "n": 10, "pooled": 0.65, "flash_bytes": None}
    earlier = [
        {"system": "two", **known, "emulated": False},
        {"system": "three", **known, "flash_bytes": 7.0, "emulated": True},
        {"system": "other corpus", **known, "pooled": None, "emulated": False},
    ]
    found = common.together(here, earlier)
    assert list(found.index) == ["one", "three", "two", "other corpus"]
    assert found.loc["two", "title"] == "two" and found.loc["two", "pooled"] == 0.5
    assert found.loc["three", "flash_bytes"] == 7.0 and found["emulated"].tolist() == [
        *(False, True, False, False)
    ]
    assert np.isnan(found.loc["other corpus", "pooled"])
    renamed = common.together(here, [{"system": "mixtures", **known, "emulated": False}])
    assert renamed.loc["mixtures", "title"] == mixtures.SYSTEMS[0].title
    alone = common.together(here, ())
    pd.testing.assert_frame_equal(alone, here)


def test_sizes_are_held_against_one_of_them_trial_by_trial() -> None:
    both = pd.DataFrame([*lines("small", [0.5, 0.7]), *lines("large", [0.6, 0.9])])
    found = common.against(both, part="pooled", default="small")
    assert list(found.index) == ["large"]
    assert found.loc["large", "mean"] == pytest.approx(15)
    assert found.loc["large", "std"] == pytest.approx(np.std([10, 20], ddof=1))
    assert found.loc["large", "count"] == 2
    assert common.against(both, part="pooled", default="none").empty
