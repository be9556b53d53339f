"""Which steps decide: rules over steps that are known, and trials made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import small_trials as small

from ser_tinyml.evaluation import deciding
from ser_tinyml.evaluation.trials import Settings

STEPS = np.array([[[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]]])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("the last step", 0.3),
        ("mean of the last 4", (0.9 + 0.2 + 0.4 + 0.3) / 4),
        ("mean of the second half", (0.4 + 0.3) / 2),
        ("mean of all", (0.9 + 0.2 + 0.4 + 0.3) / 4),
        ("mean of all, later ones count more", (0.9 + 2 * 0.2 + 3 * 0.4 + 4 * 0.3) / 10),
        ("the surest step", 0.9),
    ],
)
def test_a_rule_takes_the_steps_that_it_names(rule, expected) -> None:
    found = deciding.RULES[rule](STEPS)
    assert found[0] == pytest.approx([expected, 1 - expected])


def test_speakers_of_each_corpus_are_dealt_to_two_halves() -> None:
    rows = small.table()
    half = deciding.halves(rows)
    of_speaker = pd.Series(half).groupby(rows["speaker"]).nunique()
    assert (of_speaker == 1).all()  # nobody is in both
    assert set(half[rows["corpus"] == "RAVDESS"]) == {0, 1}


def test_every_rule_is_scored_over_trials(tmp_path, monkeypatch) -> None:
    """Clips whose answers are right at the last step and wrong before."""
    folder = small.write(tmp_path / "one", test=small.sure(small.table()["label_id"]))
    rows = small.table()
    pooled = rows[rows["corpus"] != "TESS"]
    truth = pooled["label_id"].to_numpy()

    class Steps:
        def __init__(self, release: object) -> None:
            pass

        def outputs(self, clip: int) -> np.ndarray:
            wrong, right = small.sure(np.array([(clip + 1) % 3, clip]))
            return np.stack([wrong, wrong, wrong, right])

    monkeypatch.setattr(deciding, "Listener", Steps)
    monkeypatch.setattr(
        deciding.cross_validation, "clean_features", lambda material, settings, keys: truth
    )
    found = deciding.compare(small.material(tmp_path), [Settings()], [folder], jobs=1)
    assert list(found.index) == list(deciding.RULES)
    assert found.loc["the last step", "uar"] == 1
    assert found.loc["mean of all", "uar"] == 0
