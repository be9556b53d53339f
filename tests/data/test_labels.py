"""Class sets: by name, or a mapping that is checked."""

from __future__ import annotations

import pandas as pd
import pytest

from ser_tinyml.data import labels
from ser_tinyml.files import DataError

OWN = {"low": ["sad", "calm", "neutral"], "high": ["angry", "happy"]}


def test_a_mapping_is_a_class_set_of_ones_own() -> None:
    clips = pd.DataFrame({"emotion": ["happy", "fear", "calm", "sad", "angry"]})
    assert labels.class_names(OWN) == ["low", "high"]
    table = labels.label_clips(clips, class_set=OWN, others=True)
    assert table["label"].tolist() == ["high", labels.OTHER, "low", "low", "high"]
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
        ("nine", "class_set: expected one of four, seven, or classes .* found 'nine'"),
        (["sad", "happy"], r"class_set: expected one of four, seven.* found \['sad', 'happy'\]"),
        ({"all": ["sad"]}, r"class_set: expected two classes or more, found \['all'\]"),
        ({}, r"expected two classes or more, found \[\]"),
        ({"a": ["sad"], "b": []}, r"class_set.b: expected a list of emotions, found \[\]"),
        ({"a": ["sad"], "b": "happy"}, "class_set.b: expected a list of emotions, found 'happy'"),
        ({"a": ["sad"], "b": None}, "class_set.b: expected a list of emotions, found None"),
        ({"a": ["sad"], "b": ["joy"]}, "class_set.b: expected emotions of neutral, .* 'joy'"),
        ({"a": ["sad"], "b": [3]}, "class_set.b: expected emotions of neutral, .* found 3"),
        (
            {"a": ["sad", "fear"], "b": ["happy", "sad"]},
            "class_set.b: expected each emotion once, found 'sad' in 'a' too",
        ),
        ({"a": ["sad"], "other": ["fear"]}, "expected a name other than 'other', found 'other'"),
        ({"a": ["sad"], 2: ["fear"]}, "expected a name other than 'other', found 2"),
    ],
)
def test_what_is_no_class_set_is_named(class_set, said) -> None:
    with pytest.raises(DataError, match=said):
        labels.class_names(class_set)
