"""Random int8 LSTMs as TFLite Micro reads them, and our kernel on this computer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import small_firmware as small
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

INPUT, STATE, CELL = 0, 18, 19  # places in the operator's list of tensors
BIAS, WEIGHTS = 12, 1


@dataclass(frozen=True)
class Layer:
    """One LSTM layer with its state.

    Attributes
    ----------
    scales
        Of input, state and cell, the cell's clip, then of the weights of the four gates: those of
        the input, those of the state.
    zero_points
        Of input and state.
    weights
        Of the input [shape=(4, units, inputs)] and of the state [shape=(4, units, units)], int8.
    bias [shape=(4, units)]
        int32.
    """

    batches: int
    steps: int
    scales: np.ndarray
    zero_points: tuple[int, int]
    weights: tuple[np.ndarray, np.ndarray]
    bias: np.ndarray

    @property
    def inputs(self) -> int:
        return self.weights[0].shape[2]

    @property
    def units(self) -> int:
        return self.bias.shape[1]

    def header(self, runs: int) -> bytes:
        """What lstm_host reads before the inputs."""
        sizes = (self.batches, self.steps, self.inputs, self.units, *self.zero_points, runs)
        parts = (np.int32(sizes), np.float32(self.scales), self.bias, *self.weights)
        return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


def random_layer(
    rng: np.random.Generator, *, batches: int, steps: int, inputs: int, units: int
) -> Layer:
    """Weights and scales such as a converter makes, and some at the ends of what it could."""
    scales = np.empty(12, np.float32)
    scales[:2] = 2.0 ** rng.uniform(-9, -3, 2)
    scales[2] = 2.0 ** rng.integers(-15, -7)
    scales[3] = rng.choice([0.0, 0.0, 0.3, 2.0, 10.0, 300.0])
    scales[4:] = 2.0 ** rng.uniform(-12, -4, 8)
    spread = rng.choice([20, 60, 127])
    weights = tuple(
        rng.normal(0, spread, (4, units, n)).round().clip(-128, 127).astype(np.int8)
        for n in (inputs, units)
    )
    bias = rng.normal(0, 2.0 ** rng.uniform(2, 14), (4, units)).astype(np.int32)
    zero_points = tuple(int(z) for z in rng.integers(-128, 128, 2))
    return Layer(batches, steps, scales, zero_points, weights, bias)


def random_stack(seed: int) -> list[Layer]:
    """One to three layers, of which each hears the one before."""
    rng = np.random.default_rng(seed)
    batches, steps = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    width = int(rng.integers(1, 40))
    layers: list[Layer] = []
    for _ in range(int(rng.integers(1, 4))):
        units = int(rng.integers(1, 34))
        layer = random_layer(rng, batches=batches, steps=steps, inputs=width, units=units)
        if layers:
            layer.scales[0] = layers[-1].scales[1]
            points = (layers[-1].zero_points[1], layer.zero_points[1])
            layer = Layer(batches, steps, layer.scales, points, layer.weights, layer.bias)
        layers.append(layer)
        width = units
    return layers


class _Graph:
    """Tensors and buffers of a model in the making."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []
        self.buffers = [schema.BufferT()]

    def add(
        self,
        shape: Sequence[int],
        dtype: type,
        *,
        scale: float = 1.0,
        zero_point: int = 0,
        data: np.ndarray | None = None,
        variable: bool = False,
    ) -> int:
        kinds = {np.int8: "INT8", np.int16: "INT16", np.int32: "INT32", np.float32: "FLOAT32"}
        made = schema.TensorT()
        made.name, made.shape = f"tensor{len(self.tensors)}", list(shape)
        made.type = getattr(schema.TensorType, kinds[dtype])
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [float(scale)], [zero_point]
        made.isVariable, made.buffer = variable, 0
        if data is not None:
            made.buffer = len(self.buffers)
            self.buffers.append(schema.BufferT())
            self.buffers[-1].data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self.tensors.append(made)
        return len(self.tensors) - 1


def _operator(graph: _Graph, layer: Layer, source: int) -> Any:
    node = schema.OperatorT()
    node.inputs = [-1] * 24
    node.inputs[INPUT] = source
    for gate in range(4):
        for group, weights in enumerate(layer.weights):
            scale = layer.scales[4 + 4 * group + gate]
            place = WEIGHTS + 4 * group + gate
            matrix = weights[gate]
            node.inputs[place] = graph.add(matrix.shape, np.int8, scale=scale, data=matrix)
        row = layer.bias[gate]
        node.inputs[BIAS + gate] = graph.add(row.shape, np.int32, data=row)
    shape = (layer.batches, layer.units)
    state = {"scale": layer.scales[1], "zero_point": layer.zero_points[1]}
    node.inputs[STATE] = graph.add(shape, np.int8, variable=True, **state)
    node.inputs[CELL] = graph.add(shape, np.int16, scale=layer.scales[2], variable=True)
    node.outputs = [graph.add((layer.batches, layer.steps, layer.units), np.int8, **state)]
    node.opcodeIndex = 0
    options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    options.cellClip, options.timeMajor = float(layer.scales[3]), False
    node.builtinOptions = options
    node.builtinOptionsType = schema.BuiltinOptions.UnidirectionalSequenceLSTMOptions
    return node


def lstm_model(layers: Sequence[Layer]) -> bytes:
    """A .tflite of LSTM layers alone."""
    graph = _Graph()
    first = layers[0]
    shape = (first.batches, first.steps, first.inputs)
    flowing = graph.add(shape, np.int8, scale=first.scales[0], zero_point=first.zero_points[0])
    built, nodes = schema.SubGraphT(), []
    built.inputs = [flowing]
    for layer in layers:
        nodes.append(_operator(graph, layer, flowing))
        flowing = nodes[-1].outputs[0]
    built.outputs, built.operators, built.tensors = [flowing], nodes, graph.tensors
    code, model = schema.OperatorCodeT(), schema.ModelT()
    code.builtinCode = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
    code.deprecatedBuiltinCode = code.builtinCode
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [built]
    model.buffers = graph.buffers
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def reference(layers: Sequence[Layer], inputs: np.ndarray) -> np.ndarray:
    """Outputs of TFLite Micro, run after run, the state kept [shape=(runs, batches, steps, n)]."""
    interpreter = runtime.Interpreter.from_bytes(lstm_model(layers), arena_size=1 << 20)
    interpreter.reset()
    outputs = []
    for values in inputs:
        interpreter.set_input(values, 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).copy())
    return np.stack(outputs)


@dataclass(frozen=True)
class Ran:
    """What our kernel made of a layer: a refusal, or outputs and the last cell."""

    refusal: str
    outputs: np.ndarray | None = None
    cell: np.ndarray | None = None


def ours(jobs: Sequence[tuple[Layer, np.ndarray]]) -> list[Ran]:
    """Our kernel over layers and their inputs [shape=(runs, batches, steps, inputs)]."""
    sent = b"".join(layer.header(len(x)) + x.astype(np.int8).tobytes() for layer, x in jobs)
    said = small.run("lstm_host", stdin=sent)
    found, at = [], 0
    for layer, x in jobs:
        end = said.index(b"\n", at)
        word, at = said[at:end].decode(), end + 1
        if word != "ok":
            found.append(Ran(word))
            continue
        outputs = []
        shape = (layer.batches, layer.steps, layer.units)
        states = layer.batches * layer.units
        for _ in x:
            size = int(np.prod(shape))
            outputs.append(np.frombuffer(said, np.int8, size, at).reshape(shape))
            cell = np.frombuffer(said, np.int16, states, at + size + states)
            at += size + 3 * states
        found.append(Ran("", np.stack(outputs), cell))
    assert at == len(said)
    return found
