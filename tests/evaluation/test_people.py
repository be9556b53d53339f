"""Listeners beside a net, on the same clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.evaluation import people
from ser_tinyml.files import DataError

CLASSES = {"neutral": ("neutral",), "happy": ("happy",), "unpleasant": ("sad", "angry")}
VOTES = """clip,anger,disgust,fear,happy,neutral,sad,listeners
a,0,0,0,0,10,0,10
b,0,5,0,0,5,0,10
c,0,0,0,5,5,0,10
d,6,0,0,0,2,2,10
e,0,9,1,0,0,0,10
"""


def written(folder: Path, text: str = VOTES) -> Path:
    (folder / people.FILE).write_text(text)
    return folder


def answers(*lines: tuple[str, int, int]) -> pd.DataFrame:
    """Key, true class and answer."""
    table = pd.DataFrame(lines, columns=["key", "label_id", "answer"])
    probabilities = np.eye(3)[table["answer"]]
    return table.join(pd.DataFrame(probabilities, columns=[f"p_{name}" for name in CLASSES]))


def test_votes_are_scored_like_answers(tmp_path: Path) -> None:
    table = answers(("X/a", 0, 0), ("X/b", 0, 1), ("X/c", 1, 1), ("X/d", 2, 2), ("X/e", 0, 0))
    found = people.compare(table, people.read_votes(written(tmp_path)), class_set=CLASSES)
    assert (found["clips"] == 4).all()  # of e nobody heard a class
    # a and b: neutral, once disgust is dropped. c: half, and a tie. d: 8 of 10, a majority.
    assert found.loc[people.ONE, "uar"] == pytest.approx((1 + 0.5 + 0.8) / 3)
    assert found.loc[people.MANY, "uar"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.loc[people.NET, "uar"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found.loc[people.NET, "uar_agreed_80"] == pytest.approx((0.5 + 1) / 2)


def test_a_class_set_may_be_named(tmp_path: Path) -> None:
    table = answers(("X/a", 0, 0), ("X/c", 1, 1), ("X/d", 3, 2))
    found = people.compare(table, people.read_votes(written(tmp_path)), class_set="four")
    assert found.loc[people.ONE, "uar"] == pytest.approx((1 + 0.5 + 0.8) / 3)


def test_clips_without_votes_give_an_empty_table(tmp_path: Path) -> None:
    votes = people.read_votes(written(tmp_path))
    assert people.compare(answers(("X/z", 0, 0)), votes, class_set=CLASSES).empty


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VOTES.replace("happy", "joy"), "found no happy"),
        (VOTES.replace("a,0,0", "a,0,-1"), "expected numbers of votes from 0 on"),
        (VOTES.replace("a,0,0", "a,0,"), "expected numbers of votes from 0 on"),
        (VOTES.replace("a,0,0", "a,0,none"), "expected numbers of votes from 0 on"),
    ],
)
def test_broken_votes_are_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"{people.FILE}: .*{message}"):
        people.read_votes(written(tmp_path, text))
    with pytest.raises(DataError, match=people.FILE):
        people.read_votes(tmp_path / "nowhere")
