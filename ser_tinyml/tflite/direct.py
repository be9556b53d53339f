"""The int8 network as plain tables, for the board's engine that needs no interpreter.

Everything that TFLite Micro works out from scales when it starts is worked out here, in the same
precision, so that the engine gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ser_tinyml.tflite import convert
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.fixed_point import (
    GATE_SCALE,
    UNIT_SCALE,
    Scaling,
    doubling_high_product,
    exp_of_negative,
    scaling,
)
from ser_tinyml.tflite.schema import schema

ROWS = 4  # rows of a weight matrix that are multiplied together; an LSTM has as many gates
GATES = ("input", "forget", "cell", "output")
_EXP_BITS = 5  # integer bits of what softmax takes the exponential of


@dataclass(frozen=True)
class LstmTables:
    """One LSTM layer.

    Attributes
    ----------
    inputs, width
        Values of the input and of the state, filled up to a multiple of `ROWS`; what was added
        has zero weights.
    units
        Of the layer.
    weights : array of int16 [shape=(units, (inputs + width) / 4, 8)]
        Of a unit's gates in the order of `GATES`: see `interleave`.
    bias : array of int32 [shape=(units, 8)]
        Four gates of the input, four of the state; zero points are folded in.
    input_scaling, state_scaling
        From a sum to the gate's input.
    forget_scaling, update_scaling, hidden_scaling
        Of forget gate * cell, of input gate * cell gate, of output gate * tanh(cell).
    cell_clip
        In units of the cell.
    tanh_multiplier, tanh_shift
        Bring the cell to the table: (cell * multiplier + half) >> shift.
    hidden_zero_point
        Of the hidden state, which starts there.
    """

    inputs: int
    width: int
    units: int
    weights: np.ndarray
    bias: np.ndarray
    input_scaling: tuple[Scaling, ...]
    state_scaling: tuple[Scaling, ...]
    forget_scaling: Scaling
    update_scaling: Scaling
    hidden_scaling: Scaling
    cell_clip: int
    tanh_multiplier: int
    tanh_shift: int
    hidden_zero_point: int


@dataclass(frozen=True)
class DenseTables:
    """One Dense layer.

    Attributes
    ----------
    inputs, outputs
        Filled up to a multiple of `ROWS`.
    weights : array of int16 [shape=(outputs / 4, inputs / 4, 8)]
        See `interleave`.
    bias : array of int32 [shape=(outputs,)]
        The zero point is folded in.
    """

    inputs: int
    outputs: int
    weights: np.ndarray
    bias: np.ndarray
    scaling: Scaling
    zero_point: int
    smallest: int
    largest: int


@dataclass(frozen=True)
class NetworkTables:
    """The whole network.

    Attributes
    ----------
    exponentials : array of int32 [shape=(256,)]
        exp of the i-th step below the largest logit, in 1 / 2**31; 0 where it does not count.
    """

    n_inputs: int
    n_classes: int
    lstms: tuple[LstmTables, ...]
    denses: tuple[DenseTables, ...]
    exponentials: np.ndarray


def network_tables(tflite: bytes) -> NetworkTables:
    """Take an int8 model apart.

    Parameters
    ----------
    tflite
        LSTM layers, the last step's state, Dense layers, softmax: what `nets.models` builds.

    Raises
    ------
    ConversionError
        If it is another network, or its numbers do not fit the engine's arithmetic.
    """
    convert.check_operators(tflite)
    model = convert.parse(tflite)
    graph = model.subgraphs[0]
    expected = [convert.FUSED_LSTM, "STRIDED_SLICE", "FULLY_CONNECTED", "SOFTMAX"]
    found = convert.operators(tflite)
    if list(dict.fromkeys(found)) != expected or found != sorted(found, key=expected.index):
        raise ConversionError(f"expected {', '.join(expected)} in this order, found {found}")
    lstms, denses, exponentials = [], [], None
    flowing = int(graph.inputs[0])  # the tensor that the next operator has to take
    for operator, name in zip(graph.operators, found, strict=True):
        if int(operator.inputs[0]) != flowing:
            raise ConversionError(f"{name}: expected a chain of operators, found a branch")
        flowing = int(operator.outputs[0])
        if name == convert.FUSED_LSTM:
            lstms.append(_lstm(model, operator))
        elif name == "FULLY_CONNECTED":
            denses.append(dense_tables(model, operator))
        elif name == "SOFTMAX":
            exponentials = exponentials_of(model, operator)
    (_, _, n_inputs), (_, n_classes) = convert.io_shape(tflite)
    assert exponentials is not None
    return NetworkTables(
        n_inputs=n_inputs,
        n_classes=n_classes,
        lstms=tuple(lstms),
        denses=tuple(denses),
        exponentials=exponentials,
    )


def interleave(rows: np.ndarray) -> np.ndarray:
    """Put the weights of four rows where the board multiplies two pairs at a time.

    A 16-bit word holds 256 * a + b, with a of one row and b of the next. Multiplying it by an
    input gives both products at once: with the sum of b * x known (the low bytes, taken out by
    one instruction for two words), the sum of a * x is what is left, divided by 256. Three
    instructions make four multiply-accumulates where unpacking both takes four.

    Parameters
    ----------
    rows : array of int8 [shape=(4, k)]
        k a multiple of 4. No value is -128, and a row's products fit into 24 bits.

    Returns
    -------
    array of int16 [shape=(k / 4, 8)]
        For each four inputs: rows 0 and 1 of the first two, rows 2 and 3 of them, then the same
        for the other two.
    """
    wide = rows.astype(np.int32)
    if wide.min(initial=0) < -127 or np.abs(wide).sum(axis=1).max() * 128 >= 2**23:
        raise ConversionError(
            "weights: expected -127 to 127 and rows whose sums stay below 2**23, found "
            f"{wide.min()} and {np.abs(wide).sum(axis=1).max() * 128}"
        )
    pairs = np.stack([256 * wide[0] + wide[1], 256 * wide[2] + wide[3]])  # (2, k)
    return pairs.reshape(2, -1, 2, 2).transpose(1, 2, 0, 3).reshape(-1, 8).astype(np.int16)


def _lstm(model: schema.ModelT, operator: schema.OperatorT) -> LstmTables:
    options = operator.builtinOptions
    tensors = [model.subgraphs[0].tensors[i] if i >= 0 else None for i in operator.inputs]
    _check_lstm(options, tensors)
    source, hidden, cell = tensors[0], tensors[18], tensors[19]
    input_weights = [data_of(model, tensors[i], np.int8) for i in (1, 2, 3, 4)]
    state_weights = [data_of(model, tensors[i], np.int8) for i in (5, 6, 7, 8)]
    bias = [data_of(model, tensors[i], np.int32) for i in (12, 13, 14, 15)]
    units, inputs = input_weights[0].shape
    input_scaling = tuple(_sum_scaling(source, tensors[i], GATE_SCALE) for i in (1, 2, 3, 4))
    state_scaling = tuple(_sum_scaling(hidden, tensors[i], GATE_SCALE) for i in (5, 6, 7, 8))
    sums = [
        *map(_bias, bias, input_weights, [source] * ROWS, input_scaling),
        *map(_bias, [np.zeros(units)] * ROWS, state_weights, [hidden] * ROWS, state_scaling),
    ]

    by_unit = np.stack([_filled(w) for w in input_weights], axis=1)  # (units, 4, inputs)
    states = np.stack([_filled(w) for w in state_weights], axis=1)
    weights = [
        np.concatenate([interleave(a), interleave(b)]) for a, b in zip(by_unit, states, strict=True)
    ]
    cell_scale = scale_of(cell)
    finer = 12 + _power_of_two(cell_scale)  # bits that the cell is coarser than the table takes
    return LstmTables(
        inputs=by_unit.shape[2],
        width=states.shape[2],
        units=units,
        weights=np.stack(weights),
        bias=np.stack(sums, axis=1),
        input_scaling=input_scaling,
        state_scaling=state_scaling,
        forget_scaling=scaling(UNIT_SCALE * cell_scale / cell_scale),
        update_scaling=scaling(UNIT_SCALE * UNIT_SCALE / cell_scale),
        hidden_scaling=scaling(UNIT_SCALE * UNIT_SCALE / scale_of(hidden)),
        # without a clip: all that int16 holds
        cell_clip=min(int(options.cellClip / cell_scale), 32767) if options.cellClip > 0 else 32768,
        tanh_multiplier=3 << max(finer, 0),
        tanh_shift=max(-finer, 0),
        hidden_zero_point=zero_point_of(hidden),
    )


def _check_lstm(options: Any, tensors: list[schema.TensorT | None]) -> None:
    """Refuse an LSTM that the engine does not know."""
    tanh = schema.ActivationFunctionType.TANH
    if options.timeMajor or options.projClip or options.fusedActivationFunction != tanh:
        raise ConversionError("LSTM: expected batch first, tanh and no clipped projection")
    if any(tensors[i] is not None for i in (9, 10, 11, 16, 17, *range(20, len(tensors)))):
        raise ConversionError("LSTM: expected neither peepholes, projection nor normalised layers")
    if tensors[19].type != schema.TensorType.INT16:
        raise ConversionError("LSTM: expected a cell state of int16")


def _power_of_two(scale: float) -> int:
    power = round(math.log2(scale))
    if abs(math.log2(scale) - power) > 1e-3:
        raise ConversionError(f"LSTM: expected a power of two, found cell scale {scale}")
    return power


def dense_tables(model: schema.ModelT, operator: schema.OperatorT) -> DenseTables:
    graph = model.subgraphs[0]
    source, kernel, constant = (graph.tensors[i] for i in operator.inputs)
    target = graph.tensors[operator.outputs[0]]
    activation = schema.ActivationFunctionType
    relu = operator.builtinOptions.fusedActivationFunction
    if relu not in (activation.NONE, activation.RELU):
        raise ConversionError(f"FULLY_CONNECTED: expected no activation or relu, found {relu}")
    rows = data_of(model, kernel, np.int8)
    weights = _filled(rows, square=True)
    bias = np.zeros(len(weights), np.int32)
    factor = _sum_scaling(source, kernel, scale_of(target))
    bias[: len(rows)] = _bias(data_of(model, constant, np.int32), rows, source, factor)
    fours = weights.reshape(-1, ROWS, weights.shape[1])
    return DenseTables(
        inputs=weights.shape[1],
        outputs=len(weights),
        weights=np.stack([interleave(four) for four in fours]),
        bias=bias,
        scaling=factor,
        zero_point=zero_point_of(target),
        smallest=zero_point_of(target) if relu == activation.RELU else -128,
        largest=127,
    )


def _sum_scaling(source: schema.TensorT, kernel: schema.TensorT, target: float) -> Scaling:
    """From a sum of products to the next tensor.

    Older versions of TFLite Micro round the product of two scales to float32, which now and then
    moves a sum to the next number.
    """
    return scaling(scale_of(source) * scale_of(kernel) / target)


def _bias(
    bias: np.ndarray, weights: np.ndarray, source: schema.TensorT, factor: Scaling
) -> np.ndarray:
    """Fold the zero point of what is multiplied into what is added."""
    wide = weights.astype(np.int64)
    folded = bias.astype(np.int64) - zero_point_of(source) * wide.sum(axis=1)
    largest = int((np.abs(folded) + 128 * np.abs(wide).sum(axis=1)).max()) << factor.left
    if largest >= 2**30:
        raise ConversionError(f"sums: expected less than 2**30, found {largest}")
    return folded.astype(np.int32)


def _filled(weights: np.ndarray, *, square: bool = False) -> np.ndarray:
    """Add zero columns, and rows if square, up to a multiple of four."""
    more = [-size % ROWS for size in weights.shape]
    return np.pad(weights, ((0, more[0] if square else 0), (0, more[1])))


def data_of(model: schema.ModelT, tensor: schema.TensorT, dtype: type) -> np.ndarray:
    kinds = {np.int8: schema.TensorType.INT8, np.int32: schema.TensorType.INT32}
    data = model.buffers[tensor.buffer].data
    if tensor.type != kinds[dtype] or data is None:
        raise ConversionError(f"{tensor.name}: expected constant {np.dtype(dtype)}")
    return np.asarray(data, np.uint8).view(np.dtype(dtype).newbyteorder("<")).reshape(tensor.shape)


def scale_of(tensor: schema.TensorT) -> float:
    return float(np.float32(tensor.quantization.scale[0]))


def zero_point_of(tensor: schema.TensorT) -> int:
    return int(tensor.quantization.zeroPoint[0])


def exponentials_of(model: schema.ModelT, operator: schema.OperatorT) -> np.ndarray:
    """exp of every difference of two logits, in the fixed-point steps of TFLite Micro's softmax."""
    logits = model.subgraphs[0].tensors[operator.inputs[0]]
    beta = operator.builtinOptions.beta
    factor = min(beta * scale_of(logits) * 2.0 ** (31 - _EXP_BITS), 2.0**31 - 1)
    step = scaling(factor)
    reach = ((1 << _EXP_BITS) - 1) * (1 << (31 - _EXP_BITS)) >> step.left
    return np.array(
        [
            exp_of_negative(doubling_high_product(-i << step.left, step.multiplier))
            if i <= reach
            else 0
            for i in range(256)
        ],
        np.int32,
    )
