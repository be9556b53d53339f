"""Labels, splits and rows: who may be where, and that nobody is where he may not be."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import small_folds

from ser_tinyml.data import folds, labels, splits
from ser_tinyml.features import preset, rows
from ser_tinyml.features.rows import RowPlan, plan_rows
from ser_tinyml.files import DataError

PLAN = RowPlan(loud=0.0, other_emotions=False)


@pytest.fixture(scope="module")
def clips() -> pd.DataFrame:
    """The published speakers, eight clips each, without sound."""
    speakers = [("RAVDESS", f"{n:02d}", "male" if n % 2 else "female") for n in range(1, 25)]
    speakers += [("TESS", name, "female") for name in ("OAF", "YAF")]
    speakers += [("SAVEE", name, "male") for name in ("DC", "JE", "JK", "KL")]
    emotions = ["neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise"]
    return pd.DataFrame(
        {
            "key": f"{corpus}/{speaker}-{emotion}",
            "corpus": corpus,
            "speaker": f"{corpus}-{speaker}",
            "sex": sex,
            "emotion": emotion,
        }
        for corpus, speaker, sex in speakers
        for emotion in emotions
    )


@pytest.fixture(autouse=True)
def manifest(clips, monkeypatch) -> None:
    small_folds.deal(monkeypatch, clips)


def test_four_classes_are_the_published_ones(clips) -> None:
    table = labels.label_clips(clips, class_set="four")
    assert set(table.loc[table["label"] == "neutral", "emotion"]) == {"neutral", "calm"}
    assert set(table.loc[table["label"] == "unpleasant", "emotion"]) == {"sad", "angry"}
    assert not set(table["emotion"]) & {"fear", "disgust"}
    assert (table["label_id"] == table["label"].map(labels.class_names("four").index)).all()


def test_sad_and_angry_are_thinned_apart(clips) -> None:
    table = labels.label_clips(clips, class_set="four", sad_angry_fraction=0.6, seed=3)
    assert (table["emotion"] == "sad").sum() == (table["emotion"] == "angry").sum() == 18
    assert (table["emotion"] == "happy").sum() == 30
    other = labels.label_clips(clips, class_set="four", sad_angry_fraction=0.6, seed=4)
    assert list(table["key"]) != list(other["key"])


def test_a_class_without_clips_is_an_error(clips) -> None:
    with pytest.raises(DataError, match="surprise"):
        labels.label_clips(clips[clips["emotion"] != "surprise"], class_set="four")
    with pytest.raises(DataError, match="six"):
        labels.class_names("six")


@pytest.mark.parametrize("fold", range(folds.N_FOLDS))
def test_speakers_are_disjoint_in_every_fold(clips, fold) -> None:
    plan = plan_rows(clips, replace(PLAN, test_fold=fold))
    sides = plan.groupby("split")["speaker"].agg(set)
    assert not sides["train"] & sides["test"]
    assert not sides["train"] & sides["validation"]
    assert not sides["validation"] & sides["test"]


def test_a_release_is_trained_on_everyone_but_a_few(clips) -> None:
    plan = plan_rows(clips, replace(PLAN, protocol="release"))
    sides = plan.groupby("split")["speaker"].agg(set)
    assert set(sides.index) == {"train", "validation"} and not sides["train"] & sides["validation"]
    assert sides["train"] | sides["validation"] == set(clips["speaker"])
    assert all(name.startswith("RAVDESS") for name in sides["validation"])
    held_out = splits.held_out(plan)
    assert set(held_out["speaker"]) == sides["validation"]
    assert set(splits.held_out(plan_rows(clips, PLAN))["split"]) == {"test"}


def test_development_is_scored_on_two_whole_folds(clips) -> None:
    plan = plan_rows(clips, replace(PLAN, protocol="development"))
    fold = folds.assign(clips).groupby(clips["speaker"]).first()
    scored = set(plan.loc[plan["split"] == "validation", "speaker"])
    assert scored == set(fold.index[fold.isin(folds.DEVELOPMENT)])
    assert set(plan["split"]) == {"train", "validation"}


@pytest.mark.parametrize("protocol", ["speaker", "release", "clip_random", "leaky_random"])
def test_other_emotions_serve_training_only(clips, protocol) -> None:
    plain = plan_rows(clips, replace(PLAN, protocol=protocol))
    plan = plan_rows(clips, replace(PLAN, protocol=protocol, other_emotions=True))
    other = plan["label_id"] < 0
    assert set(plan.loc[other, "split"]) <= {"train"}
    assert set(plan.loc[other, "emotion"]) <= {"fear", "disgust"}
    assert other.any() == (protocol != "leaky_random")
    assert set(plan.loc[~other, "key"]) == set(plain["key"])


def test_only_training_clips_are_changed(clips) -> None:
    plan = plan_rows(clips, PLAN)
    assert set(plan.loc[plan["split"] != "train", "variant"]) == {"clean"}
    counts = plan[plan["split"] == "train"].groupby("key").size()
    assert (counts == 3).all()
    assert list(plan["row"]) == list(range(len(plan)))
    assert list(plan.columns) == rows.COLUMNS
    louder = plan_rows(clips, replace(PLAN, loud=0.5))
    added = louder[louder["variant"] == "loud"]
    assert set(added["key"]) == set(plan.loc[plan["split"] == "train", "key"])
    assert added["key"].is_unique and len(louder) == len(plan) + len(added)


def test_a_loud_copy_stands_beside_the_clip_itself() -> None:
    for change in ({"augmentation": "original"}, {"protocol": "leaky_random"}):
        with pytest.raises(DataError, match="^loud: expected 0 where .* found 0.5 with"):
            replace(PLAN, **change, loud=0.5)


def test_clip_random_keeps_a_clip_on_one_side(clips) -> None:
    plan = plan_rows(clips, replace(PLAN, protocol="clip_random"))
    assert (plan.groupby("key")["split"].nunique() == 1).all()
    sides = plan.groupby("split")["speaker"].agg(set)
    assert sides["train"] & sides["test"]  # speakers are on both sides: it flatters


def test_leaky_random_leaks_as_published(clips) -> None:
    plan = plan_rows(clips, replace(PLAN, protocol="leaky_random", augmentation="original"))
    assert (plan.groupby("key")["variant"].agg(list).map(tuple) == rows.ORIGINAL_VARIANTS).all()
    assert (plan.groupby("key")["split"].nunique() > 1).any()
    share = plan["split"].value_counts(normalize=True)
    assert share["test"] == pytest.approx(0.1, abs=0.01)
    assert share["validation"] == pytest.approx(0.18, abs=0.01)


def test_the_seed_decides_the_random_split(clips) -> None:
    def split(seed: int) -> list[str]:
        return list(plan_rows(clips, replace(PLAN, protocol="clip_random", seed=seed))["split"])

    assert split(0) == split(0) != split(1)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("protocol", "random"),
        ("augmentation", "all"),
        ("augmented_rows", -1),
        ("loud", 1.5),
        ("test_fold", 5),
        ("sad_angry_fraction", 0.0),
        ("speaker_share", 0.0),
        ("speaker_share", 1.5),
        ("test_fraction", 1.0),
        ("validation_fraction", 0.0),
        ("seed", -1),
        ("class_set", "eight"),
    ],
)
def test_an_unknown_option_is_refused_by_its_name(option, value) -> None:
    with pytest.raises(DataError, match=f"^{option}: expected .*{value}"):
        RowPlan.of({option: value})


def test_too_few_speakers_are_an_error(clips) -> None:
    with pytest.raises(DataError, match="expected clips in"):
        plan_rows(clips[clips["corpus"] == "TESS"], PLAN)


def test_the_split_does_not_depend_on_the_order(clips) -> None:
    shuffled = clips.sample(frac=1, random_state=1)
    assert np.array_equal(
        splits.split_speakers(clips, protocol="speaker").to_numpy(),
        splits.split_speakers(shuffled, protocol="speaker").sort_index().to_numpy(),
    )


def test_a_corpus_that_is_not_named_is_left_out(clips) -> None:
    plan = plan_rows(clips, replace(PLAN, corpora=("RAVDESS", "SAVEE")))
    both = plan_rows(clips[clips["corpus"] != "TESS"], PLAN)
    pd.testing.assert_frame_equal(plan, both)
    with pytest.raises(DataError, match="^corpora: expected clips of CREMA-D, found .*RAVDESS"):
        plan_rows(clips, replace(PLAN, corpora=("RAVDESS", "CREMA-D")))


def test_a_share_of_the_speakers_is_a_share_in_every_corpus() -> None:
    people = [f"RAVDESS-{n:02}" for n in range(8)] + [f"SAVEE-{n}" for n in range(3)] + ["TESS-OAF"]
    plan = pd.DataFrame(
        {
            "row": range(3 * len(people)),
            "key": [f"{who}/{part}" for who in people for part in "abc"],
            "speaker": [who for who in people for _ in "abc"],
            "split": ["train", "train", "validation"] * len(people),
        }
    )
    plan["corpus"] = plan["speaker"].str.split("-").str[0]
    before = set(people)
    for share, count in ((1.0, (8, 3, 1)), (0.75, (6, 3, 1)), (0.5, (4, 2, 1)), (0.1, (1, 1, 1))):
        found = rows._fewer_speakers(plan, share, seed=0)
        train = found[found["split"] == "train"]
        assert tuple(train.groupby("corpus")["speaker"].nunique()) == count
        assert (train.groupby("speaker").size() == 2).all()  # all of a speaker, or nothing
        assert (found["split"] == "validation").sum() == len(people)
        assert list(found.index) == list(range(len(found)))
        assert set(train["speaker"]) <= before
        before = set(train["speaker"])


def test_fewer_speakers_are_numbered_anew(clips) -> None:
    whole, half = (plan_rows(clips, replace(PLAN, speaker_share=share)) for share in (1.0, 0.5))
    assert list(half["row"]) == list(range(len(half)))
    scored = [plan[plan["split"] != "train"]["key"].tolist() for plan in (whole, half)]
    assert scored[0] == scored[1] and len(half) < len(whole)


def test_a_plan_reads_every_parameter_and_passes_over_those_of_other_things() -> None:
    other = {
        "class_set": "seven",
        "protocol": "development",
        "augmentation": "none",
        "augmented_rows": 1,
        "loud": 0.5,
        "sad_angry_fraction": 0.6,
        "other_emotions": False,
        "speaker_share": 0.5,
        "test_fold": 1,
        "test_fraction": 0.2,
        "validation_fraction": 0.3,
        "seed": 1,
    }
    assert set(other) | {"features", "corpora"} == {field.name for field in fields(RowPlan)}
    for name, value in other.items():
        assert getattr(RowPlan(), name) != value
        assert RowPlan.of({name: value, "epochs": 3}) == replace(RowPlan(), **{name: value})
    assert RowPlan.of({}) == RowPlan()
    assert RowPlan.of({"corpora": "RAVDESS  SAVEE"}).corpora == ("RAVDESS", "SAVEE")
    assert RowPlan.of({"corpora": ["RAVDESS"]}).corpora == ("RAVDESS",)
    assert RowPlan.of({"features": {"n_mfcc": 13}}).features == preset("default", n_mfcc=13)
    original = {"feature_preset": "original", "augmentation": "original", "loud": 0}
    assert RowPlan.of(original).features == preset("original")


def test_a_class_set_of_ones_own_is_a_mapping(clips) -> None:
    classes = {"low": ["neutral", "sad"], "high": ["angry", "happy"]}
    plan = RowPlan.of({"class_set": classes, "loud": 0, "other_emotions": False})
    assert plan.classes == ["low", "high"]
    found = plan_rows(clips, plan).groupby("label")["emotion"].agg(set)
    assert found["low"] == {"neutral", "sad"} and found["high"] == {"angry", "happy"}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"features": {"n_mfccs": 13}}, "features.n_mfccs: expected one of .*n_mfcc"),
        ({"features": {"n_mfcc": "13"}}, "features.n_mfcc: expected a whole number, found '13'"),
        ({"feature_preset": "mine"}, "mine"),
        ({"augmented_rows": "2"}, "augmented_rows: expected .* found '2'"),
        ({"test_fold": 1.5}, "test_fold: expected .* found 1.5"),
        ({"corpora": 3}, "corpora: expected .* found 3"),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_parameters_name(parameters, said) -> None:
    with pytest.raises(DataError, match=said):
        RowPlan.of(parameters)
