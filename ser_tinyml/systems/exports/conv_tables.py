"""An int8 net of convolutions along one dimension as plain tables, as `tflite.direct` has LSTMs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ser_tinyml.tflite import convert, direct
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.fixed_point import Scaling, scaling
from ser_tinyml.tflite.schema import schema

EXPECTED = "expected convolutions, a Dense layer and softmax"
PASSED_OVER = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")  # memory stays as it is


@dataclass(frozen=True)
class ConvTables:
    """One convolution, and the largest of each few positions after it.

    Attributes
    ----------
    positions, inputs, outputs
        Positions before the pooling; channels of the input and of the output.
    kernel, before
        Positions that are looked at, and of these the ones before the output's own.
    pool
        Positions of which the largest is taken; 1: all stay.
    weights : array of int8 [shape=(outputs, kernel * inputs)]
    bias : array of int32 [shape=(outputs,)]
        The zero point is folded in.
    scaling
        Of each output, from a sum to the output.
    input_zero_point
        What a position beyond the ends counts as.
    zero_point, smallest, largest
        Of the output.
    """

    positions: int
    inputs: int
    outputs: int
    kernel: int
    before: int
    pool: int
    weights: np.ndarray
    bias: np.ndarray
    scaling: tuple[Scaling, ...]
    input_zero_point: int
    zero_point: int
    smallest: int
    largest: int

    @property
    def values(self) -> int:
        """Numbers that it gives."""
        return self.positions // self.pool * self.outputs


@dataclass(frozen=True)
class ConvNetwork:
    """The whole network: convolutions, one Dense layer, softmax."""

    convs: tuple[ConvTables, ...]
    head: direct.NetworkTables

    @property
    def buffers(self) -> tuple[int, int]:
        """Bytes of the two buffers between which the layers go back and forth."""
        values = [self.convs[0].positions * self.convs[0].inputs, *(c.values for c in self.convs)]
        return max(values[0::2]), max(values[1::2])

    @property
    def window(self) -> int:
        """Numbers that an output is computed from, at most; a multiple of four."""
        most = max(conv.kernel * conv.inputs for conv in self.convs)
        return -(-most // direct.ROWS) * direct.ROWS


def conv_network(tflite: bytes) -> ConvNetwork:
    """Take an int8 model apart.

    Raises
    ------
    ConversionError
        If it is another network, or its numbers do not fit the arithmetic.
    """
    convert.check_operators(tflite)
    model = convert.parse(tflite)
    steps = list(_chain(model, convert.operators(tflite)))
    if [name for name, _ in steps[-2:]] != ["FULLY_CONNECTED", "SOFTMAX"]:
        raise ConversionError(f"{EXPECTED}, found {[name for name, _ in steps]}")
    convs: list[ConvTables] = []
    for name, operator in steps[:-2]:
        if name == "CONV_2D":
            convs.append(_conv(model, operator))
        elif name == "MAX_POOL_2D" and convs and convs[-1].pool == 1:
            convs[-1] = _pooled(convs[-1], operator)
        else:
            raise ConversionError(f"{EXPECTED}, found {name}")
    if not convs:
        raise ConversionError(f"{EXPECTED}, found no convolution")
    _, (_, n_classes) = convert.io_shape(tflite)
    (_, dense), (_, softmax) = steps[-2:]
    head = direct.NetworkTables(
        n_inputs=convs[-1].values,
        n_classes=n_classes,
        lstms=(),
        denses=(direct.dense_tables(model, dense),),
        exponentials=direct.exponentials_of(model, softmax),
    )
    return ConvNetwork(tuple(convs), head)


def _chain(model: schema.ModelT, names: Sequence[str]) -> Iterator[tuple[str, schema.OperatorT]]:
    """Operators in order, each of which takes what the one before gives; reshapes left out."""
    graph = model.subgraphs[0]
    flowing = int(graph.inputs[0])
    for operator, name in zip(graph.operators, names, strict=True):
        if int(operator.inputs[0]) != flowing:
            raise ConversionError(f"{name}: expected a chain of operators, found a branch")
        flowing = int(operator.outputs[0])
        if name not in PASSED_OVER:
            yield name, operator


def _conv(model: schema.ModelT, operator: schema.OperatorT) -> ConvTables:
    graph, options = model.subgraphs[0], operator.builtinOptions
    source, kernel, constant = (graph.tensors[i] for i in operator.inputs)
    target = graph.tensors[operator.outputs[0]]
    outputs, height, width, inputs = map(int, kernel.shape)
    activation = schema.ActivationFunctionType
    relu = options.fusedActivationFunction
    steps = (options.strideW, options.strideH, options.dilationWFactor, options.dilationHFactor)
    if height != 1 or set(steps) != {1} or options.padding != schema.Padding.SAME:
        raise ConversionError("CONV_2D: expected one dimension, steps of one and padding SAME")
    if relu not in (activation.NONE, activation.RELU):
        raise ConversionError(f"CONV_2D: expected no activation or relu, found {relu}")
    weights = direct.data_of(model, kernel, np.int8).reshape(outputs, width * inputs)
    bias = direct.data_of(model, constant, np.int32).astype(np.int64)
    scale = direct.scale_of(source) / direct.scale_of(target)
    scalings = [scaling(scale * float(np.float32(one))) for one in kernel.quantization.scale]
    zero_point = direct.zero_point_of(target)
    folded = bias - direct.zero_point_of(source) * weights.astype(np.int64).sum(axis=1)
    largest = np.abs(folded) + 128 * np.abs(weights.astype(np.int64)).sum(axis=1)
    if max(int(most) << one.left for most, one in zip(largest, scalings, strict=True)) >= 2**30:
        raise ConversionError(f"sums: expected less than 2**30, found {largest.max()}")
    return ConvTables(
        positions=int(target.shape[2]),
        inputs=inputs,
        outputs=outputs,
        kernel=width,
        before=(width - 1) // 2,
        pool=1,
        weights=weights,
        bias=folded.astype(np.int32),
        scaling=tuple(scalings),
        input_zero_point=direct.zero_point_of(source),
        zero_point=zero_point,
        smallest=zero_point if relu == activation.RELU else -128,
        largest=127,
    )


def _pooled(conv: ConvTables, operator: schema.OperatorT) -> ConvTables:
    options: Any = operator.builtinOptions
    if options.padding != schema.Padding.VALID or options.filterHeight != options.strideH:
        raise ConversionError("MAX_POOL_2D: expected positions side by side and padding VALID")
    return replace(conv, pool=int(options.filterHeight))
