"""Who trains and who tests where nobody is in a fold: speakers, sessions or clips."""

from __future__ import annotations

from itertools import product

import pandas as pd
import pytest

from ser_tinyml.data import folds, splits
from ser_tinyml.features.rows import RowPlan, plan_rows
from ser_tinyml.files import DataError

LABELS = ("bored", "keen", "yes")


def own(
    speakers: int = 1,
    *,
    clips: int = 10,
    sessions: int = 0,
    corpus: str = "own",
    labels: tuple[str, ...] = LABELS,
) -> pd.DataFrame:
    """So many clips of every label by every speaker, dealt to sessions in turn."""
    return pd.DataFrame(
        {
            "key": f"{corpus}/{label}/{speaker}_{n:02d}.wav",
            "corpus": corpus,
            "speaker": f"{corpus}-s{speaker}",
            "sex": "",
            "emotion": label,
            "session": f"day {n % sessions}" if sessions else "",
            "given_split": "",
        }
        for speaker, label, n in product(range(speakers), labels, range(clips))
    )


def rows_of(clips: pd.DataFrame, **options) -> pd.DataFrame:
    options = {"augmentation": "none", "loud": 0.0, **options}
    return plan_rows(clips, RowPlan(**options))


def sides(rows: pd.DataFrame, by: str = "speaker") -> dict[str, set[str]]:
    return {name: set(part["split"]) for name, part in rows.groupby(by)}


@pytest.mark.parametrize("test_fold", range(folds.N_FOLDS))
@pytest.mark.parametrize("speakers", [3, 4, 7])
def test_three_speakers_or_more_are_dealt_whole(speakers, test_fold) -> None:
    rows = rows_of(own(speakers, sessions=4), test_fold=test_fold)
    assert all(len(found) == 1 for found in sides(rows).values())
    assert set(rows["split"]) == set(splits.SIDES)
    assert splits.meaning(rows) == "Scored on speakers who are not trained on."
    assert splits.heard(rows) == []


@pytest.mark.parametrize("test_fold", range(folds.N_FOLDS))
@pytest.mark.parametrize("speakers", [1, 2])
def test_fewer_speakers_are_dealt_by_session(speakers, test_fold) -> None:
    clips = own(speakers, sessions=5)
    rows = rows_of(clips, test_fold=test_fold)
    unit = rows["speaker"] + rows["session"]
    assert (rows.groupby(unit)["split"].nunique() == 1).all()
    of_side = rows.groupby("split")["label"].nunique()
    assert of_side.to_dict() == dict.fromkeys(splits.SIDES, len(LABELS))
    said = splits.meaning(rows)
    assert set(splits.heard(rows)) <= {"own-s0", "own-s1"}
    if speakers == 1:
        assert splits.heard(rows) == ["own-s0"]
        assert said == (
            "Scored on other recording sessions of the one speaker who is trained on, own-s0: it "
            "says how well this voice is known, and nothing of other voices."
        )


@pytest.mark.parametrize("test_fold", range(folds.N_FOLDS))
@pytest.mark.parametrize(("clips", "least"), [(3, 1), (4, 1), (10, 2)])
def test_without_sessions_clips_are_dealt_and_the_words_say_so(clips, least, test_fold) -> None:
    rows = rows_of(own(1, clips=clips), test_fold=test_fold)
    counts = pd.crosstab(rows["label"], rows["split"])
    assert (counts[["test", "validation"]] == least).all(axis=None)
    assert "Scored on other clips of the one speaker who is trained on, own-s0" in splits.meaning(
        rows
    )
    two = rows_of(own(2, clips=clips), test_fold=test_fold)
    assert "of the 2 speakers who are trained on" in splits.meaning(two)


def test_a_session_that_is_a_label_cannot_be_dealt_whole() -> None:
    clips = own(1)
    rows = rows_of(clips.assign(session=clips["emotion"]))
    assert pd.crosstab(rows["label"], rows["split"]).gt(0).all(axis=None)


def test_release_keeps_nobody_for_a_test() -> None:
    for speakers in (1, 2, 5):
        rows = rows_of(own(speakers), protocol="release")
        assert set(rows["split"]) == {"train", "validation"}


def test_too_few_clips_are_said() -> None:
    classes = {"a": ["bored"], "b": ["keen", "yes"]}
    with pytest.raises(DataError, match="split: expected 3 clips or more of each label .* found 2"):
        rows_of(own(1, clips=2), class_set=classes)


def test_beside_corpora_ones_own_labels_are_dealt_and_the_corpora_stay(monkeypatch) -> None:
    corpus = own(6, corpus="RAVDESS", labels=("neutral", "happy", "surprise", "sad", "fear"))
    monkeypatch.setattr(folds, "read", lambda: folds.deal(corpus))
    four = rows_of(pd.concat([corpus, own(3, labels=("sad", "happy"))], ignore_index=True))
    assert sides(four)["own-s0"] == sides(four)["own-s1"] == {"train"}
    both = rows_of(pd.concat([corpus, own(3)], ignore_index=True))
    assert set(splits.held_out(both)["speaker"]) == {"own-s0"}
    assert set(both.loc[both["corpus"] == "RAVDESS", "label"]) == {"no class"}
    assert set(both.loc[both["corpus"] == "RAVDESS", "split"]) == {"train"}


def given(clips: pd.DataFrame, *sides: str) -> pd.DataFrame:
    """The first clips of each label on the sides given."""
    number = clips.groupby(["speaker", "emotion"]).cumcount()
    return clips.assign(given_split=[sides[n] if n < len(sides) else "" for n in number])


@pytest.mark.parametrize("protocol", splits.PROTOCOLS)
def test_sides_given_by_hand_are_kept(protocol) -> None:
    clips = given(own(3), "test", "test", "validation", "train", "train", "train")
    rows = rows_of(clips, protocol=protocol, augmentation="random", augmented_rows=0)
    want = clips.set_index("key")["given_split"]
    found = rows[rows["key"].map(want) != ""]
    assert (found["split"] == found["key"].map(want)).all()
    assert len(found) == 3 * 3 * 6


def test_what_nobody_was_put_on_by_hand_is_taken_from_training() -> None:
    rows = rows_of(given(own(1), "test", "test"))
    counts = pd.crosstab(rows["label"], rows["split"])
    assert (counts["test"] == 2).all() and (counts["validation"] > 0).all()
    rows = rows_of(given(own(1), "validation"))
    assert pd.crosstab(rows["label"], rows["split"]).gt(0).all(axis=None)


def test_beside_corpora_a_test_given_by_hand_counts(monkeypatch) -> None:
    corpus = own(6, corpus="RAVDESS", labels=("neutral", "happy", "surprise", "sad"))
    monkeypatch.setattr(folds, "read", lambda: folds.deal(corpus))
    mine = given(own(1, labels=("happy", "sad")), "test")
    rows = rows_of(pd.concat([corpus, mine], ignore_index=True))
    scored = splits.held_out(rows)
    assert scored["speaker"].nunique() == 3
    assert splits.meaning(rows) == (
        f"2 of {len(scored)} scored clips are of speakers who are trained on: it flatters as a "
        "score on new voices."
    )


def test_random_dealing_needs_clips_enough() -> None:
    with pytest.raises(DataError, match="split at random: expected clips enough"):
        rows_of(own(1, clips=3), protocol="clip_random", test_fraction=0.1)


def test_versions_of_one_clip_on_both_sides_say_nothing() -> None:
    rows = rows_of(own(2), protocol="leaky_random", augmentation="random")
    assert "Scored on other versions of clips that are trained on" in splits.meaning(rows)
