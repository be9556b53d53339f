"""Nets of awkward sizes, and TFLite Micro fed a step at a time."""

from __future__ import annotations

from functools import cache

import numpy as np
from tflite_micro import runtime

from ser_tinyml.nets import models
from ser_tinyml.tflite import convert

ODD = {"n_frames": 6, "n_inputs": 3, "n_classes": 5, "units": (10, 7), "dense_units": 9}


@cache
def odd_tflite() -> bytes:
    """Two LSTM layers, and no width a multiple of four."""
    net = models.build("lstm", **ODD)
    rng = np.random.default_rng(1)
    net.set_weights([rng.normal(0, 0.6, w.shape).astype(np.float32) for w in net.get_weights()])
    clips = rng.normal(size=(32, ODD["n_frames"], ODD["n_inputs"])).astype(np.float32)
    return convert.to_tflite(net, variant="int8", calibration=clips)


def random_inputs(tflite: bytes, count: int, *, seed: int = 0) -> np.ndarray:
    """Inputs of all int8 [shape=(count, n_frames, n_inputs)], the last ones at the limits."""
    rng = np.random.default_rng(seed)
    (_, *shape), _ = convert.io_shape(tflite)
    inputs = rng.integers(-128, 128, (count, *shape)).astype(np.int8)
    inputs[-8:] = rng.choice(np.array([-128, 127], np.int8), (8, *shape))
    inputs[-2:] = np.array([-128, 127], np.int8)[:, None, None]
    return inputs


def stream(tflite: bytes, inputs: np.ndarray) -> np.ndarray:
    """Answers of the one-step model after every step [shape=(clips, n_frames, n_classes)]."""
    interpreter = runtime.Interpreter.from_bytes(convert.one_step(tflite), arena_size=1 << 20)
    answers = []
    for clip in inputs:
        interpreter.reset()
        for step in clip:
            interpreter.set_input(step[None, None], 0)
            interpreter.invoke()
            answers.append(interpreter.get_output(0)[0])
    return np.reshape(answers, (*inputs.shape[:2], -1))
