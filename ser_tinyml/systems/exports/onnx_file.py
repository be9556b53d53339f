"""ONNX out of a Keras net, for whatever runs ONNX or makes other code of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.output import captured_output

MODULES = ("onnx", "tf2onnx")
OPSET = 17
INPUT, OUTPUT = "features", "probabilities"


def write(answer: Callable[[Any], Any], path: Path, *, shape: Sequence[int | None]) -> Path:
    """Convert a net, with whatever comes before it.

    Parameters
    ----------
    answer
        Features as a tensor to probabilities, in TensorFlow's operators.
    shape
        Of its argument, the batch first; None: any.

    Returns
    -------
    path
        A file with one input, ``features``, and one output, ``probabilities``.

    Raises
    ------
    DataError
        If it cannot be converted.
    """
    import onnx
    import tf2onnx

    from ser_tinyml.nets.keras import tf

    signature = (tf.TensorSpec(shape, tf.float32, name=INPUT),)
    try:
        with captured_output() as said:
            made, _ = tf2onnx.convert.from_function(
                tf.function(lambda values: tf.identity(answer(values), name=OUTPUT)),
                input_signature=signature,
                opset=OPSET,
            )
            made = _renamed(made)
            onnx.checker.check_model(made, full_check=True)
    except (ValueError, RuntimeError, onnx.checker.ValidationError) as error:
        raise DataError(
            f"{path}: expected a net that becomes ONNX, found: {error} {said.text}"
        ) from error
    return files.write_bytes(path, made.SerializeToString(deterministic=True))


def _renamed(model: object) -> object:
    """Give input and output the names that they have here, whatever TensorFlow called them."""
    graph = model.graph
    names = {graph.input[0].name: INPUT, graph.output[0].name: OUTPUT}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    graph.input[0].name, graph.output[0].name = INPUT, OUTPUT
    return model
