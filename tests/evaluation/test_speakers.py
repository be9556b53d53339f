"""The bootstrap over speakers: by hand, and as wide as theory says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.evaluation import speakers
from ser_tinyml.evaluation.speakers import Counts

CLASSES = ["calm", "glad"]


def table(right: dict[str, list[int]], *, clips: int = 10) -> pd.DataFrame:
    """So many clips of each class right, speaker by speaker; the others are taken for the other."""
    lines = []
    for speaker, counts in right.items():
        for truth, count in zip(CLASSES, counts, strict=True):
            other = CLASSES[1 - CLASSES.index(truth)]
            answers = [truth] * count + [other] * (clips - count)
            lines += [(speaker, truth, answer) for answer in answers]
    return pd.DataFrame(lines, columns=["speaker", "truth", "answer"])


def test_counts_are_of_each_speaker_and_class() -> None:
    counts = Counts.of(table({"b": [10, 2], "a": [5, 0]}), classes=[*CLASSES, "sad"])
    assert counts.n.tolist() == [[10, 10, 0]] * 2
    assert counts.right.tolist() == [[5, 0, 0], [10, 2, 0]]
    uar = counts.uar(np.array([[0, 1], [1, 1], [0, 0]]))
    assert uar == pytest.approx([(15 / 20 + 2 / 20) / 2, (1 + 0.2) / 2, 0.25])  # no sad clip


def test_nobody_right_is_no_uar() -> None:
    assert Counts.of(table({"a": [0, 0]}), classes=CLASSES).uar(np.array([0])) == 0


def test_the_standard_error_is_that_of_a_mean_over_speakers() -> None:
    rng = np.random.default_rng(0)
    right = {f"{i}": [int(k), int(k)] for i, k in enumerate(rng.integers(3, 10, size=40))}
    shares = np.array([counts[0] / 10 for counts in right.values()])
    found = speakers.standard_error(table(right), classes=CLASSES)
    assert found == pytest.approx(shares.std(ddof=1) / np.sqrt(40), rel=0.08)


def test_one_speaker_says_nothing_of_others() -> None:
    one = table({"a": [5, 5]})
    assert np.isnan(speakers.standard_error(one, classes=CLASSES))
    assert np.isnan(speakers.difference_interval(one, one, classes=CLASSES)).all()


def test_a_difference_is_paired_by_speaker() -> None:
    """Speakers differ by up to 90 points, the nets by 10 on each: that is certain."""
    first = {f"{i}": [i, i] for i in range(10)}
    second = {name: [n + 1 for n in counts] for name, counts in first.items()}
    low, high = speakers.difference_interval(table(first), table(second), classes=CLASSES)
    assert (low, high) == pytest.approx((0.1, 0.1))
    low, high = speakers.difference_interval(table(second), table(first), classes=CLASSES)
    assert (low, high) == pytest.approx((-0.1, -0.1))


def test_a_difference_on_one_speaker_in_five_may_be_chance() -> None:
    first = {f"{i}": [5, 5] for i in range(5)}
    second = {**first, "4": [10, 10]}
    low, high = speakers.difference_interval(table(first), table(second), classes=CLASSES)
    assert low == 0 and high > 0.1


def test_several_nets_below_each_other_are_their_mean() -> None:
    worse, better = table({"a": [2, 2], "b": [4, 4]}), table({"a": [4, 4], "b": [6, 6]})
    both = pd.concat([worse, better])
    low, high = speakers.difference_interval(worse, both, classes=CLASSES)
    assert (low, high) == pytest.approx((0.1, 0.1))
