"""The last layer comes off, is read, and goes back on; all below it stays to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import small_model

from ser_tinyml.files import DataError
from ser_tinyml.tflite import answer_layer, convert, direct
from ser_tinyml.tflite.answer_layer import AnswerLayer, HiddenStatistics
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime


@pytest.fixture(scope="module")
def tflite() -> bytes:
    return small_model.tflite("int8")


@pytest.fixture(scope="module")
def hidden(tflite) -> np.ndarray:
    return TfliteMicroRuntime(answer_layer.hidden_model(tflite)).predict(small_model.clips())


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_hidden_values_and_layer_make_the_answers(tflite, hidden):
    assert hidden.shape == (len(small_model.clips()), 40) and hidden.min() == 0  # behind a relu
    answers = TfliteMicroRuntime(tflite).predict(small_model.clips())
    assert np.ptp(answers, axis=0).min() > 0.3
    # int8 rounds each logit and each probability
    found = softmax(answer_layer.read(tflite).logits(hidden))
    assert np.abs(found - answers).max() < 0.06


def test_its_own_layer_put_back_changes_no_answer(tflite):
    same = answer_layer.replaced(tflite, answer_layer.read(tflite), logits=(0.0, 0.0))
    before, after = (TfliteMicroRuntime(one).predict(small_model.clips()) for one in (tflite, same))
    assert np.array_equal(before, after)


def test_another_layer_answers_as_it_should_and_the_board_can_run_it(tflite, hidden):
    rng = np.random.default_rng(0)
    old = answer_layer.read(tflite)
    layer = AnswerLayer(rng.normal(0, 1.0, old.kernel.shape), rng.normal(0, 1.0, old.bias.shape))
    logits = layer.logits(hidden)
    changed = answer_layer.replaced(tflite, layer, logits=(logits.min(), logits.max()))
    answers = TfliteMicroRuntime(changed).predict(small_model.clips())
    assert (answers.argmax(axis=1) == logits.argmax(axis=1)).mean() > 0.97
    assert np.abs(softmax(logits) - answers).max() < 0.1
    back, rounded = answer_layer.read(changed), layer.rounded()
    assert back.kernel == pytest.approx(rounded.kernel, abs=1e-6)
    assert back.bias == pytest.approx(rounded.bias, abs=1e-3)
    assert rounded.kernel == pytest.approx(layer.kernel, abs=0.02)
    below = answer_layer.hidden_model(changed)
    assert np.array_equal(TfliteMicroRuntime(below).predict(small_model.clips()), hidden)
    assert convert.check_operators(changed) == convert.check_operators(tflite)
    direct.network_tables(changed)
    convert.one_step(changed)


def test_logits_beyond_the_old_range_are_not_clipped(tflite, hidden):
    old = answer_layer.read(tflite)
    layer = AnswerLayer(old.kernel * 4, old.bias * 4)
    logits = layer.logits(hidden)
    wide = answer_layer.replaced(tflite, layer, logits=(logits.min(), logits.max()))
    narrow = answer_layer.replaced(tflite, layer, logits=(0.0, 0.0))
    off = [
        np.abs(TfliteMicroRuntime(one).predict(small_model.clips()) - softmax(logits)).mean()
        for one in (wide, narrow)
    ]
    assert off[0] < 0.02 < off[1]


def test_what_is_no_int8_model_with_a_dense_answer_is_refused(tflite):
    for wrong in (small_model.tflite("float32"), small_model.tflite("dynamic_range")):
        with pytest.raises(ConversionError, match="expected an int8 model that ends in a Dense"):
            answer_layer.hidden_model(wrong)
    with pytest.raises(ConversionError, match="ends in a Dense layer .* found .*FULLY_CONNECTED"):
        answer_layer.read(answer_layer.hidden_model(tflite))
    with pytest.raises(ConversionError, match=r"shape \(3, 40\), found \(2, 40\)"):
        two = AnswerLayer(np.zeros((40, 2)), np.zeros(2))
        answer_layer.replaced(tflite, two, logits=(0.0, 0.0))
    with pytest.raises(ConversionError, match="finite"):
        broken = AnswerLayer(np.full((40, 3), np.nan), np.zeros(3))
        answer_layer.replaced(tflite, broken, logits=(0.0, 0.0))


def test_whitened_values_are_alike_in_all_directions():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4000, 6)) @ rng.normal(size=(6, 6)) + 3
    found = HiddenStatistics.of(values, np.zeros(4000, int))
    white = (values - found.mean) @ found.whitening(1.0)
    assert np.cov(white.T) == pytest.approx(np.eye(6) / 6, abs=1e-3)
    alone = (values - found.mean) @ found.whitening(0.0)
    assert alone.var(axis=0) == pytest.approx(np.full(6, 1 / 6), abs=1e-3)


def test_classes_weigh_alike_and_a_unit_that_never_woke_stays_finite():
    values = np.zeros((101, 2))
    values[100, 0] = 1.0
    found = HiddenStatistics.of(values, np.array([0] * 100 + [1]))
    assert found.mean.tolist() == [0.5, 0.0]
    assert np.isfinite(found.whitening(0.9)).all()


def test_statistics_survive_the_way_to_disk_and_broken_ones_are_named(tmp_path):
    found = HiddenStatistics.of(np.random.default_rng(2).normal(size=(9, 3)), np.zeros(9, int))
    back = HiddenStatistics.load(found.save(tmp_path / "hidden.npz"))
    assert np.array_equal(back.mean, found.mean)
    assert np.array_equal(back.covariance, found.covariance)
    np.savez(tmp_path / "other.npz", mean=np.zeros(3))
    with pytest.raises(DataError, match="other.npz: expected a mean and a covariance"):
        HiddenStatistics.load(tmp_path / "other.npz")
    (tmp_path / "hidden.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"hidden.npz: expected an .npz file"):
        HiddenStatistics.load(tmp_path / "hidden.npz")
