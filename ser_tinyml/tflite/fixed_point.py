"""Arithmetic of TFLite Micro's kernels in whole numbers, to the bit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import flatbuffers
import numpy as np

from ser_tinyml.output import captured_output
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.schema import schema

SIGMOID_STEPS = 256  # entries of TFLite Micro's table: sigmoid(i / 24) in 16 bits
GATE_SCALE = 2.0**-12  # of what goes into sigmoid and tanh
UNIT_SCALE = 2.0**-15  # of what comes out of them


@dataclass(frozen=True)
class Scaling:
    """A real factor in whole numbers: value * 2**left * multiplier / 2**31 / 2**right."""

    multiplier: int
    left: int
    right: int


def scaling(factor: float) -> Scaling:
    """Split a factor as TFLite Micro does: 31 bits and a power of two.

    Raises
    ------
    ConversionError
        If the factor is not positive or out of reach.
    """
    if not 2.0**-30 <= factor < 2.0**31:
        raise ConversionError(f"scale: expected 2**-30 to 2**31, found {factor}")
    fraction, exponent = math.frexp(factor)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, exponent = 2**30, exponent + 1
    return Scaling(multiplier, max(exponent, 0), max(-exponent, 0))


@lru_cache(maxsize=1)
def sigmoid_table() -> np.ndarray:
    """Read TFLite Micro's table of the sigmoid out of its own operators.

    It is not the rounded sigmoid: some 40 of its 256 entries are one off. A tanh of int16 whose
    scale makes each input twice a step of the table gives the entries, all but the last. All
    inputs of a logistic and of a tanh, which interpolate between them, settle that one.

    Returns
    -------
    array of uint16 [shape=(256,)]
        65536 * sigmoid(i / 24), nearly.

    Raises
    ------
    ConversionError
        If no table explains what the operators answer: then they have changed.
    """
    operator = schema.BuiltinOperator
    # A little more than 2**-11 / 3, whose float32 is a little less.
    double_step = np.nextafter(np.float32(2.0**-11 / 3), np.float32(1))
    entries = _probe(operator.TANH, float(double_step))[32768::128][: SIGMOID_STEPS - 1]
    inputs = np.arange(-32768, 32768)
    sigmoids = _probe(operator.LOGISTIC, GATE_SCALE)
    tanhs = _probe(operator.TANH, GATE_SCALE)
    for last in range(65535, 65500, -1):
        table = np.append(entries.astype(np.int64) + 32768, last)
        same_sigmoid = np.array_equal(table_sigmoid(table, inputs), sigmoids)
        if same_sigmoid and np.array_equal(table_tanh(table, inputs), tanhs):
            return table.astype(np.uint16)
    raise ConversionError(
        "TFLite Micro's int16 LOGISTIC and TANH: expected interpolation in a table of 256 entries, "
        "found something else"
    )


def table_sigmoid(table: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """The engine's sigmoid: int16 of scale 2**-12 to int16 of scale 2**-15."""
    table = np.append(table, 0).astype(np.int64)
    place = 3 * np.abs(inputs.astype(np.int64))
    index, part = place >> 9, place & 511
    value = ((table[index] << 9) + part * (table[index + 1] - table[index]) + 512) >> 10
    return np.where(inputs < 0, 32768 - value, value)


def table_tanh(table: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """The engine's tanh: int16 of scale 2**-12 to int16 of scale 2**-15."""
    table = np.append(table, 0).astype(np.int64)
    place = 3 * np.abs(inputs.astype(np.int64))
    index, part = np.minimum(place >> 8, SIGMOID_STEPS - 1), place & 255
    value = (table[index] << 8) + part * (table[index + 1] - table[index])
    value = np.where(index == SIGMOID_STEPS - 1, 0xFFFF << 8, value) - (1 << 23)
    value = (value + 128) >> 8
    return np.where(inputs < 0, -value, value)


def doubling_high_product(a: int, b: int) -> int:
    """2 * a * b / 2**32, rounded, halves up."""
    return (a * b + (1 << 30)) >> 31


def rounded_shift(value: int, bits: int) -> int:
    """value / 2**bits, rounded, halves away from zero."""
    half = (1 << bits) >> 1
    return (value + half - (value < 0 and bits > 0)) >> bits


def exp_of_negative(value: int) -> int:
    """exp(value / 2**26) in 1 / 2**31, for value <= 0.

    The part below a quarter is a polynomial of fourth order around -1/8; each further bit is a
    factor exp(-2**bit).
    """
    if value == 0:
        return 2**31 - 1
    quarter = 1 << 24
    rest = (value & (quarter - 1)) - quarter  # -1/4 to 0
    x = (rest << 5) + (1 << 28)
    x2 = doubling_high_product(x, x)
    x3 = doubling_high_product(x2, x)
    x4 = rounded_shift(doubling_high_product(x2, x2), 2)
    third = round(2**31 / 3)
    series = rounded_shift(doubling_high_product(x4 + x3, third) + x2, 1)
    middle = round(math.exp(-1 / 8) * 2**31)
    result = middle + doubling_high_product(middle, x + series)
    remainder = rest - value
    for bit in range(24, 31):
        if remainder & (1 << bit):
            factor = round(math.exp(-(2.0 ** (bit - 26))) * 2**31)
            result = doubling_high_product(result, factor)
    return result


def _probe(operator: int, scale: float) -> np.ndarray:
    """Answers of an int16 operator to every int16, through TFLite Micro."""
    from tflite_micro import runtime

    values = np.arange(-32768, 32768, dtype=np.int16)
    builder = flatbuffers.Builder(1024)
    builder.Finish(_probe_model(operator, scale, len(values)).Pack(builder), b"TFL3")
    with captured_output():
        interpreter = runtime.Interpreter.from_bytes(bytes(builder.Output()), arena_size=1 << 20)
        interpreter.set_input(values[np.newaxis], 0)
        interpreter.invoke()
    return np.asarray(interpreter.get_output(0)[0], np.int64)


def _probe_model(operator: int, scale: float, size: int) -> Any:
    def tensor(name: str, step: float) -> schema.TensorT:
        made = schema.TensorT()
        made.name, made.shape, made.type = name, [1, size], schema.TensorType.INT16
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [step], [0]
        return made

    model, graph, node = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    node.inputs, node.outputs = [0], [1]
    graph.tensors = [tensor("in", scale), tensor("out", UNIT_SCALE)]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [node]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    return model
