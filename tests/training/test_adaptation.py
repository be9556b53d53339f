"""The most probable last layer: held against a general optimiser, and against what it is for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import small_firmware as small
import small_model
from scipy.optimize import minimize
from scipy.special import log_softmax

from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.files import DataError
from ser_tinyml.tflite.answer_layer import AnswerLayer, HiddenStatistics
from ser_tinyml.training import adaptation
from ser_tinyml.training.adaptation import AdaptationConfig

N_HIDDEN, N_CLASSES = 6, 3
CENTRES = np.random.default_rng(3).normal(size=(N_CLASSES, N_HIDDEN))


def clips(count: int, *, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Hidden values of a speaker, and their classes; a shift is what is odd about the voice."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(N_CLASSES), count)
    odd = shift * np.roll(CENTRES, 1, axis=0)[labels]
    return CENTRES[labels] + odd + rng.normal(0, 0.6, (len(labels), N_HIDDEN)), labels


@pytest.fixture(scope="module")
def given() -> dict[str, object]:
    """A layer that is right about everybody, and what it reads of them."""
    hidden, labels = clips(200, seed=9)
    layer = AnswerLayer(3 * CENTRES.T, -1.5 * (CENTRES**2).sum(axis=1))
    return {"layer": layer, "statistics": HiddenStatistics.of(hidden, labels)}


def right(layer: AnswerLayer, hidden: np.ndarray, labels: np.ndarray) -> float:
    return float((layer.logits(hidden).argmax(axis=1) == labels).mean())


def test_it_is_what_a_general_optimiser_finds(given):
    hidden, labels = clips(4, shift=0.8, seed=1)
    hidden, labels = hidden[:-2], labels[:-2]  # one class has fewer clips, and weighs the same
    config = AdaptationConfig(pull=0.3, correlated=0.5, bias_pull=2.0)
    whitening = given["statistics"].whitening(0.5)
    values = (hidden - given["statistics"].mean) @ whitening
    weights = len(labels) / (3 * np.bincount(labels)[labels])

    def loss(flat: np.ndarray) -> float:
        change = flat.reshape(N_HIDDEN + 1, N_CLASSES)
        logits = given["layer"].logits(hidden) + values @ change[:-1] + change[-1]
        likelihood = weights @ log_softmax(logits, axis=1)[np.arange(len(labels)), labels]
        return 0.15 * (change[:-1] ** 2).sum() + 1.0 * (change[-1] ** 2).sum() - likelihood

    best = minimize(loss, np.zeros((N_HIDDEN + 1) * N_CLASSES)).x.reshape(-1, N_CLASSES)
    found = adaptation.fit(hidden, labels, config=config, **given)
    kernel = whitening @ best[:-1]
    assert found.kernel - given["layer"].kernel == pytest.approx(kernel, abs=1e-3)
    moved = best[-1] - given["statistics"].mean @ kernel
    assert found.bias - given["layer"].bias == pytest.approx(moved, abs=1e-3)


def test_an_odd_voice_is_heard_better_the_more_of_it_was_heard(given):
    tested = clips(300, shift=1.2, seed=5)
    before = right(given["layer"], *tested)
    after = [
        np.mean(
            [
                right(adaptation.fit(*clips(n, shift=1.2, seed=s), **given), *tested)
                for s in range(10, 15)
            ]
        )
        for n in (3, 10, 30)
    ]
    assert before < after[0] < after[1] < after[2]
    assert after[2] > before + 0.1


def test_a_voice_like_all_others_moves_it_little(given):
    tested = clips(300, seed=5)
    after = adaptation.fit(*clips(5, seed=11), **given)
    assert right(after, *tested) > right(given["layer"], *tested) - 0.02


def test_the_harder_the_pull_the_less_it_moves(given):
    heard = clips(5, shift=1.2, seed=12)
    moved = [
        np.abs(
            adaptation.fit(
                *heard, config=AdaptationConfig(pull=pull, bias_pull=1e6), **given
            ).kernel
            - given["layer"].kernel
        ).max()
        for pull in (0.05, 1.0, 1e6)
    ]
    assert moved[0] > moved[1] > moved[2] and moved[2] < 1e-4


def test_left_out_clips_are_answered_by_a_layer_that_did_not_hear_them(given):
    hidden, labels = clips(6, shift=1.2, seed=13)
    found = adaptation.left_out(hidden, labels, **given)
    assert found.sum(axis=1) == pytest.approx(1.0)
    part = np.arange(len(labels)) % adaptation.PARTS == 3
    fitted = adaptation.fit(hidden[~part], labels[~part], **given)
    assert found[part] == pytest.approx(adaptation.softmax(fitted.logits(hidden[part])))
    heard = adaptation.softmax(adaptation.fit(hidden, labels, **given).logits(hidden))
    clip = np.arange(len(labels))
    assert found[clip, labels].mean() < heard[clip, labels].mean()


def test_what_belongs_together_is_left_out_together(given):
    hidden, labels = clips(6, shift=1.2, seed=13)
    sentences = np.array(["one", "two"])[np.arange(len(labels)) % 2]
    found = adaptation.left_out(hidden, labels, groups=sentences, **given)
    one = sentences == "one"
    fitted = adaptation.fit(hidden[~one], labels[~one], **given)
    assert found[one] == pytest.approx(adaptation.softmax(fitted.logits(hidden[one])))


def test_a_single_clip_is_left_to_the_old_layer(given):
    hidden, labels = clips(1, seed=14)
    found = adaptation.left_out(hidden[:1], labels[:1], **given)
    assert found == pytest.approx(adaptation.softmax(given["layer"].logits(hidden[:1])))


def test_the_threshold_rises_until_the_answers_are_right_and_never_falls():
    sure = np.array([0.9, 0.8, 0.7, 0.6])
    probabilities = np.stack([sure, 1 - sure], axis=1)
    of = {"target_accuracy": 0.85}
    wrong_when_unsure = np.array([0, 0, 1, 1])
    assert adaptation.threshold(probabilities, wrong_when_unsure, least=0.5, **of) == 0.8
    assert adaptation.threshold(probabilities, np.zeros(4, int), least=0.65, **of) == 0.65
    assert adaptation.threshold(probabilities, np.ones(4, int), least=0.5, **of) == 0.9
    assert adaptation.threshold(probabilities, np.ones(4, int), least=0.95, **of) == 0.95


def test_a_model_with_an_adapted_layer_hears_a_person_better():
    old = small.release()
    inputs = small_model.clips()[:60]
    hidden = adaptation.hidden_values(old.tflite, inputs)
    labels = np.arange(60) % 3
    from ser_tinyml.tflite import answer_layer
    from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

    layer = adaptation.fit(
        hidden,
        labels,
        layer=answer_layer.read(old.tflite),
        statistics=HiddenStatistics.of(hidden, labels),
        config=AdaptationConfig(pull=0.01),
    )
    changed = adaptation.apply(old.tflite, layer, hidden)
    before, after = (
        (TfliteMicroRuntime(one).predict(inputs).argmax(axis=1) == labels).mean()
        for one in (old.tflite, changed)
    )
    assert after > before + 0.2


def test_statistics_are_of_training_clips_as_they_are():
    old = small.release()
    features = small_model.clips()[:8]
    rows = pd.DataFrame(
        {
            "row": [0, 1, 2, 3, 4, 5],
            "key": ["a", "a", "b", "b", "c", "d"],  # the second of each is a changed copy
            "split": ["train"] * 4 + ["test", "train"],
            "label_id": [0, 0, 1, 1, 0, -1],
        }
    )
    unit = Normalisation.identity(small_model.N_INPUTS)
    found = adaptation.statistics(old.tflite, features, rows, unit)
    hidden = adaptation.hidden_values(old.tflite, features[[0, 2]])
    assert found.mean == pytest.approx(hidden.mean(axis=0), abs=1e-6)
    assert adaptation.statistics(small_model.tflite("float32"), features, rows, unit) is None


def test_what_does_not_fit_is_refused(given):
    hidden, labels = clips(2)
    for wrong, message in (
        ((hidden[:, :5], labels), r"\[clips, 6\], found shape \(6, 5\)"),
        ((hidden[:0], labels[:0]), r"found shape \(0, 6\)"),
        ((hidden, labels + 1), "integers from 0 to 2"),
        ((hidden, labels[:-1]), r"6 integers .* shape \(5,\)"),
        ((hidden, labels * 1.0), "float64"),
    ):
        with pytest.raises(DataError, match=message):
            adaptation.fit(*wrong, **given)
    for name, value in (("pull", 0.0), ("bias_pull", -1.0), ("correlated", 1.5)):
        with pytest.raises(DataError, match=f"{name}: expected"):
            AdaptationConfig(**{name: value})
