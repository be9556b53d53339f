"""Answers of a teacher from outside: out of fold, and only where it has heard enough speakers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.training import outside

CLASSES = ["low", "high"]


def rows_and_embeddings(speakers: int, *, corpus: str = "MANY") -> tuple[pd.DataFrame, np.ndarray]:
    """Eight clips of each speaker, the class in the first number, the speaker in the second."""
    rng = np.random.default_rng(speakers)
    table = pd.DataFrame(
        [
            {
                "key": f"{corpus}{s}_{c}",
                "corpus": corpus,
                "speaker": f"{corpus}{s}",
                "label_id": c % 2,
            }
            for s in range(speakers)
            for c in range(8)
        ]
    )
    table["variant"], table["split"] = "clean", "train"
    embeddings = rng.normal(0, 0.1, (len(table), 6))
    embeddings[:, 0] += table["label_id"]
    embeddings[:, 1] += np.arange(len(table)) // 8
    return table, embeddings.astype(np.float16)


def test_strangers_are_answered_right_and_few_are_not_answered() -> None:
    many, heard = rows_and_embeddings(10)
    few, heard_few = rows_and_embeddings(outside.FEWEST_SPEAKERS - 1, corpus="FEW")
    rows = pd.concat([many, few], ignore_index=True)
    rows.loc[3, "label_id"] = -1  # of no class: it is answered, and not learnt from
    rows.loc[4, "split"] = "test"
    said: list[str] = []
    found = outside.answers(
        np.concatenate([heard, heard_few]), rows, classes=CLASSES, say=said.append
    )
    answered = ~np.isnan(found[:, 0])
    expected = (rows["corpus"] == "MANY") & (rows["split"] == "train")
    np.testing.assert_array_equal(answered, expected)
    np.testing.assert_allclose(found[answered].sum(axis=1), 1, atol=1e-5)
    right = found[answered].argmax(axis=1) == np.arange(len(rows))[answered] % 2
    assert right.mean() > 0.9
    assert len(said) == outside.GROUPS and "MANY 1.00" in said[0]


def test_a_speakers_own_clips_teach_nothing_about_them() -> None:
    """Labels of one speaker are turned round: the answers about that speaker stay."""
    rows, embeddings = rows_and_embeddings(10)
    rows["label_id"] = np.where(rows["speaker"] == "MANY3", 1 - rows["label_id"], rows["label_id"])
    found = outside.answers(embeddings, rows, classes=CLASSES, say=lambda _: None)
    hers = (rows["speaker"] == "MANY3").to_numpy()
    assert (found[hers].argmax(axis=1) != rows["label_id"][hers]).mean() > 0.8


def test_the_same_rows_give_the_same_answers() -> None:
    rows, embeddings = rows_and_embeddings(10)
    first, second = (
        outside.answers(embeddings, rows, classes=CLASSES, say=lambda _: None) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    with pytest.raises(KeyError, match="variant"):
        outside.answers(embeddings, rows.drop(columns="variant"), classes=CLASSES)
