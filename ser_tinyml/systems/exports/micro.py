"""int8 for TFLite Micro out of a Keras net without loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ser_tinyml.output import captured_output
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.convert import ConversionError

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras

CALIBRATION_CLIPS = 256


def to_int8(net: keras.Model, calibration: np.ndarray) -> bytes:
    """Convert a net whose batch is one: int8 weights, activations, input and output.

    Parameters
    ----------
    calibration [shape=(n, …)]
        Inputs of training clips, in the order to be used: they set the scales.

    Raises
    ------
    ConversionError
        If the converter fails.
    """
    from ser_tinyml.nets.keras import tf

    if net.input_shape[0] != 1:
        raise ConversionError(f"int8: expected a batch of 1, found {net.input_shape[0]}")
    clips = np.asarray(calibration, np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(net)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([clip[np.newaxis]] for clip in clips)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    # one scale a Dense layer, as in `convert.to_tflite`
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    try:
        with captured_output() as said, convert.quiet_converter():
            tflite = converter.convert()
    except Exception as error:
        raise ConversionError(f"int8: {error}\n{said.text}".rstrip()) from error
    convert.check_operators(tflite)
    return tflite


def calibration_of(rows: pd.DataFrame, *, seed: int = 0) -> np.ndarray:
    """Places of the clips that set the scales, among training rows: clips as they are.

    Parameters
    ----------
    rows
        Of `face.Side`.
    """
    numbered = rows.assign(row=np.arange(len(rows)))
    clean = numbered[numbered["variant"] == "clean"]
    return convert.choose_calibration(clean, count=CALIBRATION_CLIPS, seed=seed)
