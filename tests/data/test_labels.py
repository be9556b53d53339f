"""Class sets: by name, or a mapping that is checked."""

from __future__ import annotations

import pandas as pd
import pytest

from ser_tinyml.data import labels
from ser_tinyml.data.corpus import OTHER
from ser_tinyml.files import DataError

OWN = {"low": ["sad", "calm", "neutral"], "high": ["angry", "happy"]}


def test_a_mapping_is_a_class_set_of_ones_own() -> None:
    clips = pd.DataFrame({"emotion": ["happy", "fear", "calm", "sad", "angry"]})
    assert labels.class_names(OWN) == ["low", "high"]
    table = labels.label_clips(clips, class_set=OWN, others=True)
    assert table["label"].tolist() == ["high", OTHER, "low", "low", "high"]
    assert table["label_id"].tolist() == [1, -1, 0, 0, 1]
    assert labels.label_clips(clips, class_set=OWN)["label_id"].tolist() == [1, 0, 0, 1]


def test_the_same_classes_are_the_same_by_name_and_written_out() -> None:
    clips = pd.DataFrame({"emotion": [e for e in ("sad", "happy", "neutral", "surprise") * 3]})
    own = labels.emotions_of_classes("four")
    by_name = labels.label_clips(clips, class_set="four", sad_angry_fraction=0.5, seed=1)
    pd.testing.assert_frame_equal(
        labels.label_clips(clips, class_set=own, sad_angry_fraction=0.5, seed=1), by_name
    )


@pytest.mark.parametrize(
    ("class_set", "said"),
    [
        ("nine", "class_set: expected one of auto, four, seven, or classes .* found 'nine'"),
        (
            ["sad", "happy"],
            r"class_set: expected one of auto, four, seven.* found \['sad', 'happy'\]",
        ),
        ({"all": ["sad"]}, r"class_set: expected two classes or more, found \['all'\]"),
        ({}, r"expected two classes or more, found \[\]"),
        ({"a": ["sad"], "b": []}, r"class_set.b: expected a list of emotions, found \[\]"),
        ({"a": ["sad"], "b": "happy"}, "class_set.b: expected a list of emotions, found 'happy'"),
        ({"a": ["sad"], "b": None}, "class_set.b: expected a list of emotions, found None"),
        ({"a": ["sad"], "b": [3]}, "class_set.b: expected names of emotions, found 3"),
        (
            {"a": ["sad", "fear"], "b": ["happy", "sad"]},
            "class_set.b: expected each emotion once, found 'sad' in 'a' too",
        ),
        ({"a": ["sad"], "unsure": ["fear"]}, "expected another word, 'unsure' has a meaning"),
        ({"a": ["sad"], "no class": ["fear"]}, "expected another word, 'no class' has a meaning"),
        ({"a": ["sad"], 2: ["fear"]}, "the name of a class: expected a word, found 2"),
        ({"a": ["sad"], "ö" * 11: ["fear"]}, "expected at most 20 bytes, .* found 22"),
        ({"a": ["sad"], "b\n": ["fear"]}, "without signs that cannot be seen"),
    ],
)
def test_what_is_no_class_set_is_named(class_set, said) -> None:
    with pytest.raises(DataError, match=said):
        labels.class_names(class_set)


def clips_of(*labelled: tuple[str, str], times: int = 3) -> pd.DataFrame:
    return pd.DataFrame(list(labelled) * times, columns=["corpus", "emotion"])


FOUR = [("RAVDESS", emotion) for emotion in ("neutral", "happy", "surprise", "sad", "fear")]


@pytest.mark.parametrize(
    ("clips", "classes"),
    [
        (clips_of(*FOUR), ["neutral", "happy", "surprise", "unpleasant"]),
        (clips_of(*FOUR, ("own", "angry")), ["neutral", "happy", "surprise", "unpleasant"]),
        (clips_of(*FOUR, ("own", "yes"), ("own", "no")), ["no", "yes"]),
        (clips_of(*FOUR, ("own", "fear"), ("own", "happy")), ["fear", "happy"]),
        (clips_of(("own", "happy"), ("own", "angry")), ["angry", "happy"]),
        (clips_of(("own", "yes"), ("street", "no")), ["no", "yes"]),
    ],
)
def test_the_class_set_comes_from_the_data(clips, classes) -> None:
    chosen = labels.settled(labels.AUTO, clips)
    assert labels.class_names(chosen) == classes
    assert set(labels.label_clips(clips, class_set="auto")["label"]) == set(classes)


@pytest.mark.parametrize(
    ("class_set", "clips", "said"),
    [
        ("auto", clips_of(("own", "yes")), "labels: expected two or more, found 'yes' alone"),
        (
            "auto",
            clips_of(("own", "yes"), ("own", "no"), times=2),
            "expected 3 clips or more of each, .* found of 'no' 2, 'yes' 2",
        ),
        (
            "four",
            clips_of(("own", "yes"), ("own", "happy")),
            r"'four': expected clips of every class, found none of \['neutral', 'surprise', "
            r"'unpleasant'\]; the clips are labelled happy, yes",
        ),
        ({"a": ["yes"], "b": ["no"]}, clips_of(("own", "yes")), "class_set.b: .* found 'no'"),
        ("auto", clips_of(("RAVDESS", "sad")), "'four': expected clips of every class"),
    ],
)
def test_a_class_set_without_clips_is_named(class_set, clips, said) -> None:
    with pytest.raises(DataError, match=said):
        labels.settled(class_set, clips)


def test_emotions_of_ones_own_can_be_gathered_into_classes() -> None:
    own = {"up": ["keen", "happy"], "down": ["bored"]}
    clips = clips_of(("own", "keen"), ("own", "bored"), ("own", "odd"))
    table = labels.label_clips(clips, class_set=own, others=True)
    assert set(zip(table["emotion"], table["label"], strict=True)) == {
        *(("keen", "up"), ("bored", "down"), ("odd", OTHER)),
    }
