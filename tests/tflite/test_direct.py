"""The network taken apart: tables of the engine that needs no interpreter; the one-step model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import small_model
from odd_nets import odd_tflite, random_inputs, stream

from ser_tinyml.tflite import convert, direct, fixed_point
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime


@pytest.mark.parametrize("make", [lambda: small_model.tflite("int8"), odd_tflite])
def test_one_step_at_a_time_is_the_whole_clip(make: Any) -> None:
    tflite = make()
    inputs = random_inputs(tflite, 64)
    streamed = stream(tflite, inputs)
    expected = TfliteMicroRuntime(tflite).predict_int8(inputs)
    np.testing.assert_array_equal(streamed[:, -1], expected)
    assert len(np.unique(expected, axis=0)) > 8, "expected answers that differ"
    assert (streamed[:, 0] != expected).any()


def test_one_step_changes_the_time_dimension_alone() -> None:
    tflite = small_model.tflite("int8")
    one = convert.one_step(tflite)
    assert convert.io_shape(one) == ((1, 1, 5), (1, 3))
    assert convert.io_quantisation(one) == convert.io_quantisation(tflite)
    changed = [(a, b) for a, b in zip(tflite, one, strict=True) if a != b]
    assert changed == [(12, 1)] * 2, "expected those of the input and of the one LSTM"
    assert convert.one_step(one) == one


def test_one_step_of_another_model_is_refused() -> None:
    with pytest.raises(ConversionError, match="expected INT8"):
        convert.one_step(small_model.tflite("float32"))
    with pytest.raises(ConversionError, match="TFL3"):
        convert.one_step(b"no model at all")


def test_interleaved_weights_give_back_both_rows() -> None:
    rows = np.random.default_rng(0).integers(-127, 128, (4, 12)).astype(np.int8)
    rows[:, 0], rows[:, 1] = -127, 127
    packed = direct.interleave(rows)
    assert packed.shape == (3, 8)
    low = packed.astype(np.uint16).astype(np.uint8).view(np.int8).astype(int)
    high = (packed.astype(int) - low) // 256
    order = packed.reshape(3, 2, 2, 2)  # blocks, pairs of inputs, pairs of rows, inputs
    for row, values in ((0, high), (1, low), (2, high), (3, low)):
        found = values.reshape(order.shape)[:, :, row // 2].ravel()
        np.testing.assert_array_equal(found, rows[row])


def test_both_sums_come_out_of_wide_products() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(-127, 128, (4, 128)).astype(np.int8)
    x = rng.integers(-128, 128, 128)
    pairs = direct.interleave(rows).astype(np.int64).reshape(32, 2, 2, 2)[:, :, 0].ravel()
    wide = (pairs * x).sum()
    low = (rows[1].astype(int) * x).sum()
    assert (wide - low) >> 8 == (rows[0].astype(int) * x).sum()


def test_weights_out_of_range_are_refused() -> None:
    with pytest.raises(ConversionError, match="-128"):
        direct.interleave(np.full((4, 4), -128, np.int8))
    with pytest.raises(ConversionError, match="2\\*\\*23"):
        direct.interleave(np.full((4, 520), 127, np.int8))
    direct.interleave(np.full((4, 512), 127, np.int8))


@pytest.mark.parametrize("factor", [2.0**-15, 2.0**-19, 0.3, 0.5, 0.9999999999, 1.0, 3.7, 2.0**25])
def test_factor_is_kept_to_31_bits(factor: float) -> None:
    found = fixed_point.scaling(factor)
    value = found.multiplier / 2**31 * 2.0 ** (found.left - found.right)
    assert value == pytest.approx(factor, rel=2**-31)
    assert 2**30 <= found.multiplier < 2**31
    assert found.left == 0 or found.right == 0


@pytest.mark.parametrize("factor", [0.0, -1.0, 2.0**-31, 2.0**31, float("nan"), float("inf")])
def test_factor_out_of_reach_is_refused(factor: float) -> None:
    with pytest.raises(ConversionError, match="scale"):
        fixed_point.scaling(factor)


def test_sigmoid_table_is_read_out_of_the_kernels() -> None:
    table = fixed_point.sigmoid_table().astype(int)
    exact = 65536 / (1 + np.exp(-np.arange(256) / 24))
    assert (np.diff(table) >= 0).all()
    assert np.abs(table - exact).max() < 1.5
    off = np.count_nonzero(table != np.minimum(np.round(exact), 65535))
    assert 0 < off < 64, "expected the kernels' own table, not the rounded sigmoid"


def test_table_that_explains_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = fixed_point._probe

    def changed(operator: int, scale: float) -> np.ndarray:
        answers = honest(operator, scale)
        answers[40_000] += 1
        return answers

    monkeypatch.setattr(fixed_point, "_probe", changed)
    with pytest.raises(ConversionError, match="something else"):
        fixed_point.sigmoid_table.__wrapped__()


def test_exponentials_are_exponentials() -> None:
    steps = np.arange(0, -(2**31), -7_654_321)
    found = np.array([fixed_point.exp_of_negative(int(step)) for step in steps]) / 2**31
    np.testing.assert_allclose(found, np.exp(steps / 2**26), atol=3e-7)
    assert fixed_point.exp_of_negative(0) == 2**31 - 1


def test_tables_have_the_networks_shapes() -> None:
    network = direct.network_tables(odd_tflite())
    assert (network.n_inputs, network.n_classes) == (3, 5)
    first, second = network.lstms
    assert (first.inputs, first.width, first.units) == (4, 12, 10)
    assert (second.inputs, second.width, second.units) == (12, 8, 7)
    assert first.weights.shape == (10, 4, 8)
    assert first.bias.shape == (10, 8)
    assert [(layer.inputs, layer.outputs) for layer in network.denses] == [(8, 12), (12, 8)]
    assert network.denses[0].smallest == network.denses[0].zero_point, "relu"
    assert network.exponentials[0] == 2**31 - 1
    assert (np.diff(network.exponentials) <= 0).all()


def test_other_networks_are_refused() -> None:
    with pytest.raises(ConversionError, match="expected INT8"):
        direct.network_tables(small_model.tflite("float32"))
    with pytest.raises(ConversionError, match="not a model for the board"):
        direct.network_tables(small_model.function_tflite("matrix_inverse"))
