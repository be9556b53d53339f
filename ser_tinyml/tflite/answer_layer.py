"""The last Dense layer of an int8 model: taken off, read, and put back with other weights.

Everything below it stays to the bit, so what the layer reads is the same before and after.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import flatbuffers
import numpy as np

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.schema import schema

_IDENTIFIER = b"TFL3"
_ROOM = 1 << 18  # bytes that a flatbuffer is built in at first; it grows


@dataclass(frozen=True)
class AnswerLayer:
    """Weights from hidden values to logits, in real numbers.

    Attributes
    ----------
    kernel [shape=(n_hidden, n_classes)]
        float64.
    bias [shape=(n_classes,)]
        float64.
    """

    kernel: np.ndarray
    bias: np.ndarray

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        """Logits [shape=(n, n_classes)] of hidden values [shape=(n, n_hidden)]."""
        return hidden @ self.kernel + self.bias

    @property
    def scale(self) -> float:
        """Of the kernel in int8: one for the whole layer, as the converter gives it."""
        return max(float(np.abs(self.kernel).max()), 1e-6) / 127

    def rounded(self) -> AnswerLayer:
        """The layer as int8 holds it; the bias has 32 bits, and hardly changes."""
        return AnswerLayer(convert.quantise(self.kernel, self.scale, 0) * self.scale, self.bias)


@dataclass(frozen=True)
class HiddenStatistics:
    """What the answer layer reads of many people's clips, all classes weighing alike.

    Attributes
    ----------
    mean [shape=(n_hidden,)]
        float32.
    covariance [shape=(n_hidden, n_hidden)]
        float32.
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, hidden: np.ndarray, label_ids: np.ndarray) -> Self:
        """Of hidden values [shape=(n, n_hidden)] of clips with classes [shape=(n,)]."""
        counts = np.bincount(label_ids)
        weights = 1 / (np.count_nonzero(counts) * counts[label_ids])
        mean = weights @ hidden
        centred = hidden - mean
        covariance = (centred * weights[:, None]).T @ centred
        return cls(mean.astype(np.float32), covariance.astype(np.float32))

    def whitening(self, correlated: float) -> np.ndarray:
        """The symmetric matrix that makes hidden values alike in all directions.

        Parameters
        ----------
        correlated
            Share of the covariance between two hidden values that counts; 0: each by itself.

        Returns
        -------
        whitening [shape=(n_hidden, n_hidden)]
            float64. The mean square of a whitened vector is 1.
        """
        size = len(self.mean)
        covariance = self.covariance.astype(float)
        alone = np.diag(np.diag(covariance))
        # A unit that no clip ever woke has no variance: it may not be moved by dividing by it.
        floor = 1e-6 * np.trace(covariance) / size * np.eye(size)
        power, directions = np.linalg.eigh(
            correlated * covariance + (1 - correlated) * alone + floor
        )
        return directions / np.sqrt(power * size) @ directions.T

    def save(self, path: str | Path) -> Path:
        """Write as .npz."""
        return files.write_arrays(path, {"mean": self.mean, "covariance": self.covariance})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If it is missing or broken.
        """
        arrays = files.read_arrays(path)
        mean, covariance = arrays.get("mean"), arrays.get("covariance")
        if mean is None or covariance is None or covariance.shape != (len(mean), len(mean)):
            raise DataError(f"{path}: expected a mean and a covariance, found {sorted(arrays)}")
        return cls(mean, covariance)


def hidden_model(tflite: bytes) -> bytes:
    """The same int8 model without its answer: its output is what the last Dense layer reads.

    Raises
    ------
    ConversionError
        If the model does not end in a Dense layer and softmax, all of it in int8.
    """
    model = convert.parse(tflite)
    dense = _answer(model)
    graph = model.subgraphs[0]
    graph.operators = graph.operators[: graph.operators.index(dense)]
    graph.outputs = [dense.inputs[0]]
    model.signatureDefs = None  # they name the output that is gone
    return _packed(model)


def read(tflite: bytes) -> AnswerLayer:
    """The last Dense layer of an int8 model.

    Raises
    ------
    ConversionError
        As `hidden_model`.
    """
    model = convert.parse(tflite)
    source, weights, constant, _ = _tensors(model, _answer(model))
    integers = _data(model, weights, np.int8).reshape(weights.shape)
    bias = _data(model, constant, np.int32)
    return AnswerLayer(
        kernel=integers.T * float(weights.quantization.scale[0]),
        bias=bias * float(source.quantization.scale[0]) * float(weights.quantization.scale[0]),
    )


def replaced(tflite: bytes, layer: AnswerLayer, *, logits: tuple[float, float]) -> bytes:
    """The model with another last Dense layer, quantised as the converter does: a scale a layer.

    Parameters
    ----------
    tflite
        An int8 model.
    layer
        Of the shape of its own.
    logits
        The lowest and the highest that the layer is to give without being clipped; 0 is taken
        into the range. The model's own range stays in it too.

    Raises
    ------
    ConversionError
        As `hidden_model`; or if the weights are of another shape or not finite.
    """
    model = convert.parse(tflite)
    source, weights, constant, target = _tensors(model, _answer(model))
    shape = (layer.kernel.shape[1], layer.kernel.shape[0])
    finite = np.isfinite(layer.kernel).all() and np.isfinite(layer.bias).all()
    expected = tuple(map(int, weights.shape))
    if shape != expected or not finite:
        raise ConversionError(
            f"answer layer: expected finite weights of shape {expected}, found {shape}"
        )
    sums = float(source.quantization.scale[0]) * layer.scale
    integers = convert.quantise(layer.kernel.T, layer.scale, 0)
    whole = np.round(layer.bias / sums).clip(-(2**31), 2**31 - 1).astype(np.int32)
    for tensor, step, values in ((weights, layer.scale, integers), (constant, sums, whole)):
        tensor.quantization.scale = [step]
        tensor.quantization.zeroPoint = [0]
        model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    low, high = _range(target)
    low, high = min(low, logits[0], 0.0), max(high, logits[1], 0.0)
    target.quantization.scale = [(high - low) / 255]
    target.quantization.zeroPoint = [round(-128 - low * 255 / (high - low))]
    return _packed(model)


def _range(tensor: schema.TensorT) -> tuple[float, float]:
    """The real numbers that -128 and 127 stand for."""
    scale, zero_point = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    return (-128 - zero_point) * scale, (127 - zero_point) * scale


def _answer(model: schema.ModelT) -> schema.OperatorT:
    """The Dense layer under the softmax at a model's end."""
    graph = model.subgraphs[0]
    codes = [model.operatorCodes[operator.opcodeIndex] for operator in graph.operators]
    numbers = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in codes]
    kinds = schema.BuiltinOperator
    dense, softmax = graph.operators[-2:] if len(graph.operators) > 1 else (None, None)
    if (
        numbers[-2:] != [kinds.FULLY_CONNECTED, kinds.SOFTMAX]
        or softmax.inputs[0] != dense.outputs[0]
        or softmax.outputs[0] != graph.outputs[0]
        or len(dense.inputs) != 3
        or graph.tensors[dense.inputs[1]].type != schema.TensorType.INT8
    ):
        raise ConversionError(
            "expected an int8 model that ends in a Dense layer with a bias and softmax, found "
            + ", ".join(convert.operators(_packed(model)))
        )
    return dense


def _tensors(model: schema.ModelT, dense: schema.OperatorT) -> list[schema.TensorT]:
    """Input, weights, bias and output."""
    return [model.subgraphs[0].tensors[i] for i in (*dense.inputs, dense.outputs[0])]


def _data(model: schema.ModelT, tensor: schema.TensorT, dtype: type) -> np.ndarray:
    return np.asarray(model.buffers[tensor.buffer].data, np.uint8).view(dtype)


def _packed(model: schema.ModelT) -> bytes:
    builder = flatbuffers.Builder(_ROOM)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())
