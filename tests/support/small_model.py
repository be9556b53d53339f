"""A small LSTM and its converted files, made once for all the tests that need them."""

from __future__ import annotations

from functools import cache

import numpy as np

from ser_tinyml.nets import models
from ser_tinyml.nets.keras import keras
from ser_tinyml.tflite import convert

N_FRAMES, N_INPUTS, N_CLASSES = 12, 5, 3


@cache
def clips() -> np.ndarray:
    """Normalised features, no two alike."""
    return np.random.default_rng(5).normal(size=(150, N_FRAMES, N_INPUTS)).astype(np.float32)


@cache
def model() -> keras.Model:
    """Weights large enough for clear answers, and so many that dynamic range quantises them."""
    net = models.build(
        "lstm",
        n_frames=N_FRAMES,
        n_inputs=N_INPUTS,
        n_classes=N_CLASSES,
        units=(40,),
        dense_units=40,
    )
    rng = np.random.default_rng(10)
    net.set_weights([rng.normal(0, 0.3, w.shape).astype(np.float32) for w in net.get_weights()])
    return net


@cache
def tflite(variant: str) -> bytes:
    """The model, converted."""
    calibration = clips()[:64] if variant == "int8" else None
    return convert.to_tflite(model(), variant=variant, calibration=calibration)


@cache
def looping_tflite() -> bytes:
    """An LSTM that does not fuse, because its activation is not the usual one."""
    from ser_tinyml.nets.keras import tf

    features = keras.Input((N_FRAMES, N_INPUTS), batch_size=1)
    hidden = keras.layers.LSTM(4, activation="softsign")(features)
    answer = keras.layers.Dense(N_CLASSES, activation="softmax")(hidden)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(features, answer))
    return converter.convert()


@cache
def function_tflite(name: str) -> bytes:
    """A model that TFLite Micro cannot run: Select TensorFlow, or an operator it lacks."""
    from ser_tinyml.nets.keras import tf

    functions = {
        "matrix_inverse": lambda x: tf.linalg.inv(x[:, :N_INPUTS])[:, 0],
        "safe_quotient": lambda x: tf.math.xdivy(x, x)[:, 0],
    }

    class Net(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, N_FRAMES, N_INPUTS), tf.float32)])
        def __call__(self, features):
            return functions[name](features)

    net = Net()
    function = net.__call__.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], net)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    return converter.convert()
