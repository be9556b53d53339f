"""The card of a model says what its run measured, and its limits."""

from __future__ import annotations

from typing import Any

import pytest
import small_firmware as small

from ser_tinyml.device.export.card import model_card
from ser_tinyml.files import DataError
from ser_tinyml.metrics import POOLED

LABELS = small.LABELS


def score(uar: float, labels: tuple[str, ...] = LABELS) -> dict[str, Any]:
    return {
        "n": 1234,
        "uar": uar,
        "accuracy": 0.625,
        "macro_f1": 0.61,
        "majority_uar": 1 / 3,
        "majority_accuracy": 0.4,
        "recall": {**dict.fromkeys(labels, 0.5), labels[-1]: None},
    }


def stage_metrics(**changes: Any) -> dict[str, dict[str, Any]]:
    protocol = changes.get("protocol", "speaker")
    corpora = changes.get("corpora", {"RAVDESS": 1200, "TESS": 2800})
    parts = {"train": 3000, "validation": 500, "test": 500}
    if protocol == "release":
        del parts["test"]
    return {
        "01_index": {
            "synthetic": changes.get("synthetic", False),
            "clips_by_corpus": corpora,
        },
        "02_features": {
            "corpora": [*corpora],
            "score_means": changes.get("score_means", "Scored on strangers."),
            "speakers_heard": changes.get("speakers_heard", 0),
            "augmentation": "random",
            "protocol": protocol,
            "rows_by_split": parts,
            "speakers_by_split": dict.fromkeys(parts, 4),
            "sounds_without_speech": changes.get("sounds", 0),
        },
        "03_train": {
            "parameters": 133_444,
            "epochs": 60,
            "teachers": changes.get("teachers", 4),
            "taught_from_outside": changes.get("outside", False),
            "scores": {"TESS": score(0.7), POOLED: score(0.512)},
            "scored": [*parts][-1],
        },
        "04_convert": {
            "int8_tflm": score(0.509),
            "int8_uar_loss_points": 0.3,
            "decision": {"threshold": 0.634, "temperature": 1.306},
        },
    }


def test_card_says_numbers_limits_and_licences() -> None:
    card = model_card(small.export(), stage_metrics(), name="real")
    numbers = "1,234 | 0.509 | 0.625 | 0.610 | 0.333 | 0.400"
    assert f"| int8 on TFLite Micro, {POOLED} | {numbers} |" in card
    assert "| float32 in Keras, TESS | 1,234 | 0.700 |" in card
    assert "| 0.500 | 0.500 | – |" in card, "a class without a clip has no recall"
    for expected in (
        small.export().model_id,
        "hiring",
        "medicine",
        "CC BY-NC-SA 4.0",
        "CC BY-NC-ND 4.0",
    ):
        assert expected in card
    assert card.index(f"float32 in Keras, {POOLED}") < card.index("float32 in Keras, TESS")
    assert "SAVEE" not in card
    assert "Synthetic" not in card
    assert "No speaker of the test was heard in training" in card
    assert "Measured on the test rows." in card and "| test | 500 | 4 |" in card
    assert (
        "Temperature 1.31 (folded into the weights; it makes the probabilities less sure)." in card
    )
    assert 'probable than 0.63 are "unsure"' in card
    assert "changed the UAR by -0.30 points (+ is better; measured)" in card
    assert "no test" not in card


def test_card_of_a_release_says_that_there_is_no_test() -> None:
    card = model_card(small.export(), stage_metrics(protocol="release"), name="release")
    assert "There is no test" in card and "Measured on the validation rows." in card
    assert "also set the temperature and the threshold, so they are no test" in card
    assert "| validation | 500 | 4 |" in card and "| test |" not in card
    assert "flatter" not in card


def test_card_says_who_taught() -> None:
    card = model_card(small.export(), stage_metrics(), name="real")
    assert "Trained for 60 epochs, taught by 4 nets trained before on the same clips." in card
    card = model_card(small.export(), stage_metrics(teachers=0), name="real")
    assert "Trained for 60 epochs." in card and "Whisper" not in card
    metrics = stage_metrics(teachers=0, outside=True, sounds=120)
    card = model_card(small.export(), metrics, name="real")
    assert "Trained for 60 epochs, taught by the first layers of a large speech model" in card
    assert "It heard 120 recordings in which nobody speaks" in card


def test_card_of_synthetic_data_says_so_first() -> None:
    card = model_card(small.export(), stage_metrics(synthetic=True), name="demo")
    assert card.index("**Synthetic data.**") < card.index("model id")
    assert "CC BY" not in card


def test_card_warns_of_a_split_that_flatters() -> None:
    card = model_card(small.export(), stage_metrics(protocol="leaky_random"), name="leaky")
    assert "scores flatter" in card
    assert "No speaker of the test" not in card


def test_card_of_ones_own_recordings_says_whose_voices_were_scored() -> None:
    changes = {"speakers_heard": 1, "score_means": "Scored on herself.", "corpora": {"own": 30}}
    card = model_card(small.export(), stage_metrics(**changes), name="mine")
    assert "scores flatter" in card and "Scored on herself." in card
    assert "Usable clips: own 30." in card
    assert "| own | the makers' own |" in card
    assert "recordings of its maker's own" in card and "published corpora" not in card
    both = stage_metrics(corpora={"TESS": 2800, "own": 30})
    card = model_card(small.export(), both, name="both")
    assert "recordings of its maker's own" in card and "published corpora" in card
    assert "flatter" not in card


def test_card_without_a_number_is_refused() -> None:
    metrics = stage_metrics()
    del metrics["04_convert"]["int8_tflm"]
    with pytest.raises(DataError, match="int8_tflm"):
        model_card(small.export(), metrics, name="real")
