"""Keras to ``.tflite``, through the fused LSTM operator; and what such a file says of itself.

TensorFlow is imported only when something is converted: reading a file needs no more than the
schema that comes with a runtime.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ser_tinyml.output import captured_output
from ser_tinyml.tflite.schema import schema

if TYPE_CHECKING:
    import pandas as pd

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras

VARIANTS = ("float32", "dynamic_range", "int8")
FUSED_LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
# What the sketch's TFLite Micro engine is built with (firmware/arduino_nano33/src/ser/tflm_engine).
SKETCH_OPERATORS = (FUSED_LSTM, "STRIDED_SLICE", "FULLY_CONNECTED", "SOFTMAX")
_OPERATORS = {
    number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()
}
_TYPES = {number: name for name, number in vars(schema.TensorType).items() if name.isupper()}


class ConversionError(ValueError):
    """A model could not be converted, or the file is not one that the board can run."""


class Quantisation(NamedTuple):
    """How int8 stands for a real number: ``real = (int8 - zero_point) * scale``."""

    input_scale: float
    input_zero_point: int
    output_scale: float
    output_zero_point: int


def to_tflite(model: keras.Model, *, variant: str, calibration: np.ndarray | None = None) -> bytes:
    """Convert a model of :func:`ser_tinyml.nets.models.build`.

    The batch is fixed to 1: left open, the LSTM becomes loops over tensor lists, which TFLite
    Micro cannot run. The state of the LSTM is not reset between calibration clips, so their
    order is part of the result.

    Parameters
    ----------
    model
        With any batch size.
    variant
        ``float32``; ``dynamic_range`` (int8 weights, float activations); ``int8`` (all of it,
        input and output too).
    calibration : array of float32 [shape=(n, n_frames, n_inputs)]
        Normalised features of training clips, in the order to be used; for ``int8`` only.

    Returns
    -------
    bytes
        The file. The same weights and clips give the same bytes.

    Raises
    ------
    ConversionError
        If the converter fails; the message ends with what it printed.
    ValueError
        If the variant is unknown, or calibration clips are missing, uncalled for, or not of the
        model's shape.
    """
    from ser_tinyml.nets.keras import tf
    from ser_tinyml.nets.models import build, describe

    if variant not in VARIANTS:
        raise ValueError(f"variant: expected one of {VARIANTS}, found {variant!r}")
    if (calibration is not None) != (variant == "int8"):
        raise ValueError("calibration: expected clips for int8, and for int8 only")
    architecture = describe(model)
    fixed = build(**architecture, batch_size=1)
    fixed.set_weights(model.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if calibration is not None:
        shape = (architecture["n_frames"], architecture["n_inputs"])
        clips = _calibration_clips(calibration, shape)
        converter.representative_dataset = lambda: ([clip[np.newaxis]] for clip in clips)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        # TensorFlow 2.21 would give each Dense output a scale of its own. The TFLite Micro of
        # every Arduino library is older than that and silently uses the first scale for all:
        # more than a third of the clips came out wrong, without a word.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    try:
        with captured_output() as output, quiet_converter():
            tflite = converter.convert()
    except Exception as error:
        raise ConversionError(f"{variant}: {error}\n{output.text}".rstrip()) from error
    return _without_leftovers(tflite)


def _calibration_clips(calibration: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The clips in float32, if there are any and all are finite and of a shape."""
    clips = np.asarray(calibration, np.float32)
    if clips.shape[1:] != shape or not len(clips) or not np.isfinite(clips).all():
        raise ValueError(
            f"calibration: expected finite clips of shape (n, {shape[0]}, {shape[1]}), "
            f"found shape {clips.shape}, {np.count_nonzero(~np.isfinite(clips))} not finite"
        )
    return clips


def operators(tflite: bytes) -> list[str]:
    """Names of a model's operators, in the order they run, loop bodies last.

    A custom operator, such as one of Select TensorFlow, is named ``CUSTOM:<its name>``.
    """
    model = parse(tflite)
    names = []
    for code in model.operatorCodes:
        number = max(code.builtinCode, code.deprecatedBuiltinCode)  # files before 2020 have one
        custom = (code.customCode or b"").decode()
        names.append(f"CUSTOM:{custom}" if custom else _OPERATORS.get(number, f"number {number}"))
    return [
        names[operator.opcodeIndex]
        for graph in model.subgraphs
        for operator in graph.operators or ()
    ]


def check_operators(tflite: bytes, *, board: bool = True) -> list[str]:
    """Make sure that a model has no loop in place of an LSTM, and nothing else that it must not.

    Parameters
    ----------
    tflite
        The file.
    board
        Whether it is meant for the board: then input and output must be int8, and the weights
        of each Dense layer must share one scale.

    Returns
    -------
    list of str
        Its :func:`operators`.

    Raises
    ------
    ConversionError
        Naming all that is wrong.
    """
    model = parse(tflite)
    names = operators(tflite)
    wrong = [
        f"{name}: TFLite Micro has no such operator"
        for name in dict.fromkeys(names)
        if name.startswith("CUSTOM:")
    ]
    if "WHILE" in names:
        wrong.append("WHILE: expected the operator of an LSTM, found a layer that became a loop")
    if board:
        graph = model.subgraphs[0]
        for name, tensor in (
            ("input", graph.tensors[graph.inputs[0]]),
            ("output", graph.tensors[graph.outputs[0]]),
        ):
            if tensor.type != schema.TensorType.INT8:
                wrong.append(f"{name}: expected INT8, found {_TYPES[tensor.type]}")
        if any(len(scales) > 1 for scales in _dense_scales(model)):
            wrong.append("FULLY_CONNECTED: expected one scale a layer, found one an output")
    if wrong:
        raise ConversionError("not a model for the board: " + "; ".join(wrong))
    return names


def io_quantisation(tflite: bytes) -> Quantisation:
    """Scale and zero point of an int8 model's input and output.

    Raises
    ------
    ConversionError
        If its input or output is not int8.
    """
    graph = parse(tflite).subgraphs[0]
    numbers: list[Any] = []
    for tensor in (graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]):
        if tensor.type != schema.TensorType.INT8:
            raise ConversionError(
                f"{tensor.name.decode()}: expected INT8, found {_TYPES[tensor.type]}"
            )
        numbers += [float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])]
    return Quantisation(*numbers)


def io_shape(tflite: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of a model's input, (1, n_frames, n_inputs), and of its output, (1, n_classes)."""
    graph = parse(tflite).subgraphs[0]
    first, last = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    return tuple(map(int, first.shape)), tuple(map(int, last.shape))


def one_step(tflite: bytes) -> bytes:
    """The same int8 network for one step at a time, its state kept from step to step.

    The time dimension becomes 1. Weights and scales stay, so n_frames steps from a fresh state
    give what the whole clip gives, bit for bit. (Converting a second, shorter model would
    calibrate it anew.)

    Parameters
    ----------
    tflite
        A model whose input is (1, n_frames, n_inputs).

    Raises
    ------
    ConversionError
        If it has no fused LSTM, or is not for the board.
    """
    check_operators(tflite)
    (_, steps, _), _ = io_shape(tflite)
    data = bytearray(tflite)
    graph = schema.Model.GetRootAsModel(data, 0).Subgraphs(0)
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        if tensor.ShapeLength() == 3:
            if tensor.Shape(1) != steps:
                raise ConversionError(
                    f"{tensor.Name().decode()}: expected {steps} steps, found {tensor.Shape(1)}"
                )
            tensor.ShapeAsNumpy()[1] = 1
    return bytes(data)


def quantise(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Turn real numbers into int8: divide in float32, round, add the zero point, clip, cast.

    Halves are rounded away from zero, as C's ``round`` and TFLite Micro do; NumPy's own rounding
    takes them to the even neighbour.

    Parameters
    ----------
    values : array [any shape]
        Finite.
    scale, zero_point
        From :func:`io_quantisation`.

    Returns
    -------
    array of int8 [same shape]

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    units = np.asarray(values, np.float32) / np.float32(scale)
    if not np.isfinite(units).all():
        raise ValueError(f"expected finite values, found {np.count_nonzero(~np.isfinite(units))}")
    wide = units.astype(np.float64)  # here the added half is exact
    rounded = np.trunc(wide + np.copysign(0.5, wide))
    return np.clip(rounded + zero_point, -128, 127).astype(np.int8)


def dequantise(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Turn int8 back into real numbers, float32 [same shape]."""
    return (np.asarray(values, np.int32) - zero_point).astype(np.float32) * np.float32(scale)


def choose_calibration(rows: pd.DataFrame, *, count: int, seed: int) -> np.ndarray:
    """Choose the clips that set the int8 scales.

    Corpora and classes take turns, so that each weighs the same and the state that the converter
    carries from clip to clip meets them mixed.

    Parameters
    ----------
    rows : DataFrame
        With the columns ``row``, ``corpus``, ``label_id``, ``split``.
    count
        How many; fewer if the training rows are fewer.
    seed
        Of the choice within a corpus and class.

    Returns
    -------
    array of int [shape=(min(count, training rows),)]
        Values of ``row``, training rows only, in the order to be used.

    Raises
    ------
    ValueError
        If ``count`` is not positive, a column is missing, or there is no training row.
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1, found {count}")
    missing = {"row", "corpus", "label_id", "split"} - set(rows.columns)
    if missing:
        raise ValueError(f"rows: expected the columns {sorted(missing)}, found {[*rows.columns]}")
    training = rows[rows["split"] == "train"].sort_values("row")
    if training.empty:
        raise ValueError("rows: expected training rows, found none")
    rng = np.random.default_rng(seed)
    shuffled = training.iloc[rng.permutation(len(training))]
    turn = shuffled.groupby(["corpus", "label_id"]).cumcount()
    shuffled = shuffled.assign(turn=turn).sort_values(["turn", "label_id", "corpus"], kind="stable")
    return shuffled["row"].to_numpy(np.int64)[:count]


@contextlib.contextmanager
def quiet_converter() -> Iterator[None]:
    """Keep TensorFlow's progress notes and one groundless warning from the reader."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "absl")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            # said of every int8 model, whose statistics come from the calibration clips
            warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def parse(tflite: bytes) -> schema.ModelT:
    """Read a flatbuffer.

    Raises
    ------
    ConversionError
        If it is no TFLite model.
    """
    if tflite[4:8] != b"TFL3":
        raise ConversionError(
            f"expected a TFLite model (TFL3 at byte 4), found {len(tflite)} bytes "
            f"with {bytes(tflite[4:8])!r}"
        )
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(tflite, 0))


def _dense_scales(model: schema.ModelT) -> Iterator[np.ndarray]:
    """Scales of the weights of each quantised Dense layer."""
    dense = schema.BuiltinOperator.FULLY_CONNECTED
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            code = model.operatorCodes[operator.opcodeIndex]
            if max(code.builtinCode, code.deprecatedBuiltinCode) != dense:
                continue
            quantisation = graph.tensors[operator.inputs[1]].quantization
            if quantisation is not None and quantisation.scale is not None:
                yield quantisation.scale


def _without_leftovers(tflite: bytes) -> bytes:
    """Zero the buffers that nothing refers to.

    The converter leaves there the first values of LSTM state, which it has since made variable,
    and their bytes differ from one conversion to the next.
    """
    data = bytearray(tflite)
    model = schema.Model.GetRootAsModel(data, 0)
    used = {model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    for i in range(model.SubgraphsLength()):
        graph = model.Subgraphs(i)
        used |= {graph.Tensors(j).Buffer() for j in range(graph.TensorsLength())}
    for i in range(model.BuffersLength()):
        if i not in used and model.Buffers(i).DataLength():
            model.Buffers(i).DataAsNumpy()[:] = 0
    return bytes(data)
