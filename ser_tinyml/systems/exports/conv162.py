"""What the nets over 162 features become: a C program, an int8 file, C++ for the board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.systems.exports import c_program, conv_board, micro, onnx_file
from ser_tinyml.systems.exports.conv_tables import conv_network
from ser_tinyml.systems.face import Exported, Side
from ser_tinyml.systems.parts.conv162_features import COUNT
from ser_tinyml.systems.parts.conv162_net import ConvNet, Deviations, build
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

NAME = "conv162"
ONNX, TFLITE = "model.onnx", "int8.tflite"
EMULATED_CLIPS = 4  # that the emulated processor answers too


def as_c(model: ConvNet, folder: Path, training: Side) -> Exported:
    """ONNX, plain C, and a program that reads 162 numbers and prints a probability a class."""
    onnx = onnx_file.write(_answer(model), folder / ONNX, shape=(1, COUNT))
    source = c_program.write(onnx, folder, name=NAME)
    program = c_program.build(source, inputs=COUNT, outputs=len(model.classes))
    facts = {"bytes": onnx.stat().st_size, "code_bytes": c_program.code_bytes(source)}
    return Exported(lambda features: c_program.answers(program, features), facts)


def _answer(model: ConvNet) -> Any:
    """Features to probabilities in TensorFlow's operators, the normalisation in front."""
    from ser_tinyml.nets.keras import tf

    scale = model.scale
    if not isinstance(scale, Deviations):
        raise DataError("the C program: expected features in standard deviations, found places")

    def answer(features: Any) -> Any:
        values = (features - scale.mean) / scale.std
        return model.net(tf.reshape(values, (-1, COUNT, 1)), training=False)

    return answer


def as_int8(model: ConvNet, folder: Path, training: Side) -> Exported:
    """An int8 file, answered by TFLite Micro's reference kernels."""
    fixed = build(model.filters, len(model.classes), batch_size=1)
    fixed.set_weights(model.net.get_weights())
    chosen = micro.calibration_of(training.rows)
    tflite = micro.to_int8(fixed, model.normalised(training.features[chosen]))
    files.write_bytes(folder / TFLITE, tflite)
    runtime = TfliteMicroRuntime(tflite)
    facts = {"bytes": len(tflite), "arena_bytes": runtime.arena_bytes}
    return Exported(lambda features: runtime.predict(model.normalised(features)), facts)


def as_board(model: ConvNet, folder: Path, training: Side) -> Exported:
    """The int8 file as C++ without an interpreter: here, and on the emulated processor.

    Raises
    ------
    DataError
        If the emulated processor or this computer answers other bits than TFLite Micro.
    """
    tflite = _int8_of(model, folder, training)
    network = conv_network(tflite)
    conv_board.write(folder / "cpp", network, name=NAME)
    host = conv_board.host_program(folder / "cpp")
    board = conv_board.emulated_program(folder / "cpp")
    io = convert.io_quantisation(tflite)
    count = len(model.classes)

    def quantised(features: np.ndarray) -> np.ndarray:
        return convert.quantise(model.normalised(features), io.input_scale, io.input_zero_point)

    some = quantised(training.features[:EMULATED_CLIPS])
    expected = TfliteMicroRuntime(tflite).predict_int8(some)
    for where, found in (
        ("this computer", conv_board.host_answers(host, some, n_classes=count)),
        ("the emulated processor", conv_board.emulated_answers(board, some, n_classes=count)),
    ):
        if not np.array_equal(found, expected):
            raise DataError(f"{folder}: expected the bits of TFLite Micro, found others on {where}")

    def predict(features: np.ndarray) -> np.ndarray:
        answers = conv_board.host_answers(host, quantised(features), n_classes=count)
        return convert.dequantise(answers, io.output_scale, io.output_zero_point)

    return Exported(predict, {"bytes": len(tflite), **conv_board.costs(board, network)})


def _int8_of(model: ConvNet, folder: Path, training: Side) -> bytes:
    """The file that `as_int8` wrote beside, or made here."""
    path = folder.parent / "int8" / TFLITE
    if not path.is_file():
        as_int8(model, path.parent, training)
    return files.read_bytes(path)
