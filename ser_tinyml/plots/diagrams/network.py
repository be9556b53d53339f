"""Layers and tensors of an int8 model, as the diagrams show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ser_tinyml.tflite import convert, direct
from ser_tinyml.tflite.fixed_point import GATE_SCALE, Scaling, scaling
from ser_tinyml.tflite.schema import schema

LSTM_KERNELS, LSTM_RECURRENT, LSTM_BIASES = (1, 2, 3, 4), (5, 6, 7, 8), (12, 13, 14, 15)
HIDDEN, CELL = 18, 19  # of an LSTM's inputs
_BITS = {schema.TensorType.INT8: 8, schema.TensorType.INT16: 16}


@dataclass(frozen=True)
class Layer:
    """One layer with weights.

    Attributes
    ----------
    name
        As "LSTM 1".
    inputs, units
        Values that go in and come out, a step.
    parameters
        Weights and biases.
    """

    name: str
    inputs: int
    units: int
    parameters: int


@dataclass(frozen=True)
class Tensor:
    """Whole numbers that flow through the net, and the real numbers that they stand for.

    Attributes
    ----------
    name
        What it is.
    bits
        8 or 16.
    scale, zero_point
        real = (whole number - zero_point) * scale.
    lowest, highest
        The real numbers at the ends.
    """

    name: str
    bits: int
    scale: float
    zero_point: int

    @property
    def lowest(self) -> float:
        return (-(2 ** (self.bits - 1)) - self.zero_point) * self.scale

    @property
    def highest(self) -> float:
        return (2 ** (self.bits - 1) - 1 - self.zero_point) * self.scale


@dataclass(frozen=True)
class Product:
    """One input times one weight of the first LSTM's input gate, in whole numbers.

    Attributes
    ----------
    real, whole
        The input, and the int8 that stands for it.
    weight, weight_whole
        The largest weight of the gate, and its int8.
    weight_scale
        Of the gate's weights; their zero point is 0.
    product
        (whole - zero point) * weight_whole: one of the products that int32 adds up.
    product_scale
        What 1 of it is worth.
    rescaling
        From the sum to the gate's int16.
    gate
        The int16 that the product alone would give.
    """

    real: float
    whole: int
    weight: float
    weight_whole: int
    weight_scale: float
    product: int
    product_scale: float
    rescaling: Scaling
    gate: int


def layers(tflite: bytes) -> list[Layer]:
    """The layers with weights, first to last."""
    found: list[Layer] = []
    for kind, _, tensors in _operators(tflite):
        if kind == convert.FUSED_LSTM:
            units, inputs = map(int, tensors[LSTM_KERNELS[0]].shape)
            own = (*LSTM_KERNELS, *LSTM_RECURRENT, *LSTM_BIASES)
        elif kind == "FULLY_CONNECTED":
            units, inputs = map(int, tensors[1].shape)
            own = (1, 2)
        else:
            continue
        word = "LSTM" if kind == convert.FUSED_LSTM else "Dense"
        number = 1 + sum(layer.name.startswith(word) for layer in found)
        parameters = sum(int(np.prod(tensors[place].shape)) for place in own)
        found.append(Layer(f"{word} {number}", inputs, units, parameters))
    return found


def tensors(tflite: bytes) -> list[Tensor]:
    """What flows through the net, first to last: input, states, hidden layers, answer."""
    graph = convert.parse(tflite).subgraphs[0]
    found = [_tensor("input of the net", graph.tensors[graph.inputs[0]])]
    lstms = denses = 0
    kinds = [kind for kind, _, _ in _operators(tflite)]
    for kind, operator, inputs in _operators(tflite):
        if kind == convert.FUSED_LSTM:
            lstms += 1
            found.append(_tensor(f"LSTM {lstms}: output h", inputs[HIDDEN]))
            found.append(_tensor(f"LSTM {lstms}: cell state c", inputs[CELL]))
        elif kind == "FULLY_CONNECTED":
            denses += 1
            last = denses == kinds.count("FULLY_CONNECTED")
            name = "logits" if last else f"Dense {denses}: output"
            found.append(_tensor(name, graph.tensors[operator.outputs[0]]))
    return [*found, _tensor("probabilities", graph.tensors[graph.outputs[0]])]


def product(tflite: bytes, *, real: float) -> Product:
    """Follow one input, given as a normalised real number, to the first LSTM's input gate."""
    model = convert.parse(tflite)
    _, _, inputs = next(one for one in _operators(tflite) if one[0] == convert.FUSED_LSTM)
    source, kernel = inputs[0], inputs[LSTM_KERNELS[0]]
    scale, zero = direct.scale_of(source), direct.zero_point_of(source)
    whole = int(convert.quantise(np.array([real]), scale, zero)[0])
    weight_whole = int(direct.data_of(model, kernel, np.int8).max())
    weight_scale = direct.scale_of(kernel)
    rescaling = scaling(scale * weight_scale / GATE_SCALE)
    times = (whole - zero) * weight_whole
    return Product(
        real=real,
        whole=whole,
        weight=weight_whole * weight_scale,
        weight_whole=weight_whole,
        weight_scale=weight_scale,
        product=times,
        product_scale=scale * weight_scale,
        rescaling=rescaling,
        gate=round(times * rescaling.multiplier * 2.0 ** (rescaling.left - rescaling.right - 31)),
    )


def _operators(tflite: bytes) -> list[tuple[str, Any, list[Any]]]:
    """Name, operator and its input tensors, None where it has none, in the order they run."""
    graph = convert.parse(tflite).subgraphs[0]
    return [
        (kind, operator, [graph.tensors[i] if i >= 0 else None for i in operator.inputs])
        for kind, operator in zip(convert.operators(tflite), graph.operators, strict=True)
    ]


def _tensor(name: str, tensor: Any) -> Tensor:
    return Tensor(name, _BITS[tensor.type], direct.scale_of(tensor), direct.zero_point_of(tensor))
