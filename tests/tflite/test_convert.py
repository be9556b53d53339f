from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import small_model

from ser_tinyml.nets import models
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
FUSED = [LSTM, "STRIDED_SLICE", "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]


@pytest.mark.parametrize("variant", convert.VARIANTS)
def test_every_variant_goes_through_the_fused_lstm(variant: str) -> None:
    tflite = small_model.tflite(variant)
    assert convert.operators(tflite) == FUSED
    assert convert.check_operators(tflite, board=variant == "int8") == FUSED
    assert convert.io_shape(tflite) == ((1, 12, 5), (1, 3))


@pytest.mark.parametrize("variant", ["float32", "dynamic_range"])
def test_float_input_is_not_for_the_board(variant: str) -> None:
    with pytest.raises(ConversionError, match="input: expected INT8, found FLOAT32"):
        convert.check_operators(small_model.tflite(variant))
    with pytest.raises(ConversionError, match="expected INT8"):
        convert.io_quantisation(small_model.tflite(variant))


def test_the_full_net_fits() -> None:
    net = models.build("lstm", n_frames=47, n_inputs=13, n_classes=4)
    clips = np.random.default_rng(2).normal(size=(8, 47, 13)).astype(np.float32)
    tflite = convert.to_tflite(net, variant="int8", calibration=clips)
    assert convert.check_operators(tflite) == [LSTM, *FUSED]
    assert len(tflite) <= 150_000
    assert TfliteMicroRuntime(tflite).arena_bytes <= 32_000


def test_again_the_same_bytes_and_not_a_word(capfd: pytest.CaptureFixture) -> None:
    model, clips, before = small_model.model(), small_model.clips(), small_model.tflite("int8")
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = convert.to_tflite(model, variant="int8", calibration=clips[:64])
    assert again == before
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


def test_dense_layers_have_one_scale() -> None:
    scales = list(convert._dense_scales(convert.parse(small_model.tflite("int8"))))
    assert [len(scale) for scale in scales] == [1, 1]


def test_one_scale_an_output_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "_dense_scales", lambda model: iter([np.ones(1), np.ones(8)]))
    with pytest.raises(ConversionError, match="FULLY_CONNECTED: expected one scale"):
        convert.check_operators(small_model.tflite("int8"))


def test_loops_are_refused_by_name() -> None:
    with pytest.raises(ConversionError, match="WHILE: expected the operator of an LSTM"):
        convert.check_operators(small_model.looping_tflite(), board=False)


def test_select_tensorflow_is_refused_by_name() -> None:
    with pytest.raises(ConversionError, match="CUSTOM:FlexMatrixInverse"):
        convert.check_operators(small_model.function_tflite("matrix_inverse"), board=False)


def test_a_failing_converter_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    from ser_tinyml.nets.keras import tf

    def fail(self):
        os.write(2, b"printed from below\n")
        raise RuntimeError("said aloud")

    failing = type("Failing", (), {"convert": fail})()
    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_keras_model", lambda model: failing)
    with pytest.raises(ConversionError, match="float32: said aloud\nprinted from below"):
        convert.to_tflite(small_model.model(), variant="float32")


@pytest.mark.parametrize(
    ("variant", "calibration", "named"),
    [
        ("int4", None, "int4"),
        ("int8", None, "calibration"),
        ("float32", np.zeros((2, 12, 5), np.float32), "calibration"),
        ("int8", np.zeros((2, 12, 6), np.float32), r"\(2, 12, 6\)"),
        ("int8", np.zeros((0, 12, 5), np.float32), r"\(0, 12, 5\)"),
        ("int8", np.full((2, 12, 5), np.nan, np.float32), "120 not finite"),
    ],
)
def test_wrong_requests_are_named(variant: str, calibration: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        convert.to_tflite(small_model.model(), variant=variant, calibration=calibration)


@pytest.mark.parametrize("data", [b"", b"TFL3", b"x" * 100])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(ConversionError, match=f"found {len(data)} bytes"):
        convert.operators(data)


def test_input_and_output_quantisation() -> None:
    quantisation = convert.io_quantisation(small_model.tflite("int8"))
    assert quantisation.output_scale == 1 / 256  # softmax: 0 to 255/256
    assert quantisation.output_zero_point == -128
    span = small_model.clips()[:64]
    assert quantisation.input_scale == pytest.approx((span.max() - span.min()) / 255, rel=1e-5)


def test_quantise_rounds_clips_and_casts() -> None:
    values = np.array([-1e9, -200.0, -0.5, -0.49, 0, 0.49, 0.5, 1.5, 2.5, 126.4, 1e9])
    expected = [-128, -128, -1, 0, 0, 0, 1, 2, 3, 126, 127]
    answer = convert.quantise(values, 1.0, 0)
    assert answer.dtype == np.int8
    assert answer.tolist() == expected
    assert convert.quantise(np.array([0.0, 1.0, 300.0]), 0.5, -100).tolist() == [-100, -98, 127]
    below_half = np.nextafter(np.float32(0.5), np.float32(0))  # adding 0.5 in float32 makes 1
    assert convert.quantise(np.array([below_half]), 1.0, 0).tolist() == [0]
    with pytest.raises(ValueError, match="finite"):
        convert.quantise(np.array([np.nan, 1.0]), 1.0, 0)


def test_dequantise_undoes_quantise() -> None:
    every = np.arange(-128, 128, dtype=np.int8)
    real = convert.dequantise(every, 0.03, 7)
    assert real.dtype == np.float32
    assert real[0] == pytest.approx(-135 * 0.03)
    np.testing.assert_array_equal(convert.quantise(real, 0.03, 7), every)


def _rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 1000
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "corpus": rng.choice(["A", "B"], n, p=[0.8, 0.2]),
            "label_id": rng.choice(3, n, p=[0.7, 0.2, 0.1]),
            "split": rng.choice(["train", "validation", "test"], n, p=[0.6, 0.2, 0.2]),
        }
    )


def test_calibration_is_training_rows_balanced_and_mixed() -> None:
    rows = _rows()
    chosen = convert.choose_calibration(rows, count=24, seed=1)
    assert len(set(chosen)) == 24
    picked = rows.set_index("row").loc[chosen]
    assert set(picked["split"]) == {"train"}
    strata = picked.groupby(["corpus", "label_id"]).size()
    assert len(strata) == 6
    available = rows[rows["split"] == "train"].groupby(["corpus", "label_id"]).size()
    assert ((strata >= 4) | (strata == available)).all()
    assert (picked["label_id"].to_numpy()[:6] == [0, 0, 1, 1, 2, 2]).all()


def test_calibration_depends_on_the_seed_and_nothing_else() -> None:
    rows = _rows()
    chosen = convert.choose_calibration(rows, count=50, seed=1)
    shuffled = rows.sample(frac=1, random_state=0)
    assert (convert.choose_calibration(shuffled, count=50, seed=1) == chosen).all()
    assert (convert.choose_calibration(rows, count=20, seed=1) == chosen[:20]).all()
    assert (convert.choose_calibration(rows, count=50, seed=2) != chosen).any()


def test_calibration_limits() -> None:
    rows = _rows()
    training = set(rows.loc[rows["split"] == "train", "row"])
    assert set(convert.choose_calibration(rows, count=10_000, seed=1)) == training
    with pytest.raises(ValueError, match="count"):
        convert.choose_calibration(rows, count=0, seed=1)
    with pytest.raises(ValueError, match="training rows"):
        convert.choose_calibration(rows[rows["split"] == "test"], count=5, seed=1)
    with pytest.raises(ValueError, match="split"):
        convert.choose_calibration(rows.drop(columns="split"), count=5, seed=1)


def test_reading_a_model_needs_no_tensorflow() -> None:
    code = "import ser_tinyml.tflite.runtimes, sys; assert 'tensorflow' not in sys.modules"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
