"""OpenVINO out of an ONNX file: fp32, fp16 and int8, what its optimiser does, and how fast it is.

The precision of the arithmetic is always set. Left alone, the runtime takes bf16 where the
processor has it, and answers some clips differently without a word.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ser_tinyml.files import DataError, naming
from ser_tinyml.output import captured_output

if TYPE_CHECKING:
    import openvino

MODULES = ("openvino",)
INT8_MODULES = (*MODULES, "nncf")
_IN_FLOAT = ["Add", "Concat", "MatMul", "Multiply", "ReduceMax", "ReduceMean"]
DEVICE = "CPU"
EXACT, BRAIN = "f32", "bf16"  # what the arithmetic may be done in
AT_ONCE = 64  # rows that are answered together

Predict = Callable[[np.ndarray], np.ndarray]


def from_onnx(path: Path, *, shape: Sequence[int], classes: int) -> openvino.Model:
    """Read an ONNX file, whoever made it, and make sure that it is of this task.

    Parameters
    ----------
    shape
        Of the features of a clip. The file's input has the batch before it, and may have an axis
        of length 1 anywhere, as a channel.
    classes
        Number of its answers.

    Returns
    -------
    model
        Of any batch; input [shape=(batch, *shape)], output [shape=(batch, classes)], rows that
        sum to 1.

    Raises
    ------
    DataError
        If it is no ONNX file, or one of other inputs or answers.
    """
    import openvino

    with naming(path):
        path.stat()
    try:
        with captured_output():
            model = openvino.convert_model(path)
    except Exception as error:  # its own kinds are several, and not all public
        said = str(error).strip().splitlines()
        raise DataError(f"{path}: expected an ONNX file, found: {said[-1] if said else error!r}") \
            from error  # fmt: skip
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise DataError(
            f"{path}: expected a net with one input and one output, "
            f"found {len(model.inputs)} and {len(model.outputs)}"
        )
    own = _sizes(model.inputs[0].partial_shape)
    if [size for size in own[1:] if size != 1] != list(shape):
        raise DataError(
            f"{path}: expected an input of {' x '.join(map(str, shape))} for each clip, "
            f"found {_text(own)}"
        )
    answers = _sizes(model.outputs[0].partial_shape)
    if len(answers) != 2 or answers[1] != classes:
        raise DataError(f"{path}: expected {classes} answers a clip, found {_text(answers)}")
    return _wrapped(model, own, shape)


def _sizes(shape: Any) -> list[int]:
    """Sizes of axes; -1: any."""
    if shape.rank.is_dynamic:
        return []
    return [-1 if size.is_dynamic else size.get_length() for size in shape]


def _text(sizes: Sequence[int]) -> str:
    return " x ".join("any" if size < 0 else str(size) for size in sizes) or "any shape"


def _wrapped(model: openvino.Model, own: Sequence[int], shape: Sequence[int]) -> openvino.Model:
    """The same net with the input of this project; an axis for the channel is added inside."""
    from openvino import Model, Type, opset13

    model.reshape([-1, *own[1:]])
    features = opset13.parameter([-1, *shape], Type.f32, name="features")
    inner = opset13.reshape(features, np.array([-1, *own[1:]], np.int64), special_zero=False)
    model.inputs[0].get_node().output(0).replace(inner.output(0))
    answer = model.outputs[0].get_node().input_value(0)
    if answer.get_node().get_type_name() != "Softmax":  # logits, as PyTorch's nets give them
        answer = opset13.softmax(answer, 1).output(0)
    return Model([opset13.result(answer)], [features], "net")


def save(model: openvino.Model, path: Path, *, half: bool = False) -> Path:
    """Write IR: the graph as .xml, the weights beside it as .bin; in fp16 if they are halved."""
    import openvino

    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, path, compress_to_fp16=half)
    return path


def size(path: Path) -> int:
    """Bytes of graph and weights."""
    return sum(part.stat().st_size for part in (path, path.with_suffix(".bin")))


def to_int8(model: openvino.Model, calibration: np.ndarray) -> openvino.Model:
    """Quantise the convolutions of a net after its training, by NNCF.

    The few steps after them stay in float: they cost nothing, and their values differ in scale.

    Parameters
    ----------
    calibration [shape=(n, …)]
        Features of training clips: they set the scales.
    """
    # its bars of progress go to Python's own output
    with captured_output(), contextlib.redirect_stdout(io.StringIO()):
        import nncf
        from nncf.quantization import advanced_parameters, range_estimator

        clips = [clip[np.newaxis] for clip in np.asarray(calibration, np.float32)]
        return nncf.quantize(
            model,
            nncf.Dataset(clips),
            preset=nncf.QuantizationPreset.MIXED,  # signed and unsigned activations
            subset_size=len(clips),
            fast_bias_correction=False,
            ignored_scope=nncf.IgnoredScope(types=_IN_FLOAT, validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # A processor without VNNI adds products of int8 in 16 bits. With all 8 bits of the
                # weights they overflow: 5 to 10 clips in 100 got another answer.
                overflow_fix=advanced_parameters.OverflowFix.ENABLE,
                # the largest values are what tells a loud voice from others: none is cut off
                activations_range_estimator_params=range_estimator.RangeEstimatorParametersSet.MINMAX,
            ),
        )


def compiled(model: openvino.Model | Path, *, precision: str = EXACT) -> openvino.CompiledModel:
    """A net or an IR file, made ready for one core of this processor.

    Parameters
    ----------
    precision
        Of the arithmetic of what is not quantised: `EXACT` or `BRAIN`.
    """
    import openvino

    return openvino.Core().compile_model(
        model,
        DEVICE,
        {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        },
    )


def predictor(net: openvino.CompiledModel) -> Predict:
    """Answers of a net, as `face.Model.predict` gives them."""

    def predict(features: np.ndarray) -> np.ndarray:
        values = np.ascontiguousarray(features, np.float32)
        parts = [values[at : at + AT_ONCE] for at in range(0, len(values), AT_ONCE)]
        return np.concatenate([np.array(net(part)[0]) for part in parts])

    return predict


def has_brain() -> bool:
    """Whether this processor has bf16, which is what the runtime takes unless it is told."""
    import openvino

    return "BF16" in openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def operators(model: openvino.Model) -> dict[str, int]:
    """How often each operator is in a graph, without its constants, inputs and outputs."""
    names = Counter(node.get_type_name() for node in model.get_ordered_ops())
    for name in ("Constant", "Parameter", "Result"):
        names.pop(name, None)
    return dict(names.most_common())


def fused(net: openvino.CompiledModel) -> pd.DataFrame:
    """What really runs: a line a step, with the operators of the graph that went into it.

    Returns
    -------
    steps
        step (its kind), of (names in the graph), parts (how many), precision, kernel.
    """
    lines = []
    for node in net.get_runtime_model().get_ordered_ops():
        info = {name: str(value.astype(str)) for name, value in node.get_rt_info().items()
                if hasattr(value, "astype")}  # fmt: skip
        kind = info.get("layerType", node.get_type_name())
        if kind in ("Constant", "Const", "Input", "Output"):
            continue
        of = [name for name in info.get("originalLayersNames", "").split(",") if name]
        lines.append(
            {
                **{"step": kind, "of": ", ".join(of), "parts": len(of)},
                "precision": info.get("runtimePrecision", ""),
                "kernel": info.get("primitiveType", ""),
            }
        )
    return pd.DataFrame(lines)
