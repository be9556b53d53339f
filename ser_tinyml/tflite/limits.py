"""What the board cannot do with a net, found before anybody trains it for an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ser_tinyml.files import DataError
from ser_tinyml.tflite import convert, direct
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.runtimes import RuntimeRefused, TfliteMicroRuntime

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras


def of(model: keras.Model, *, name: str) -> list[str]:
    """Convert a net, let TFLite Micro load it, and look at its operators.

    Parameters
    ----------
    model
        Of `nets.models.build`; its weights do not count, and are changed.
    name
        Of the net, for messages.

    Returns
    -------
    lines
        One for each engine of the sketch that cannot run it, and why.

    Raises
    ------
    DataError
        If it cannot be converted or TFLite Micro refuses it.
    """
    rng = np.random.default_rng(0)
    some = rng.normal(size=(8, *model.input_shape[1:])).astype(np.float32)
    # The converter leaves out what changes nothing: a batch normalisation that is not trained yet.
    model.set_weights([rng.uniform(0.1, 0.5, weight.shape) for weight in model.get_weights()])
    try:
        # First in float: TensorFlow's int8 converter crashes on a loop, without a word.
        convert.check_operators(convert.to_tflite(model, variant="float32"), board=False)
        tflite = convert.to_tflite(model, variant="int8", calibration=some)
        convert.check_operators(tflite)
        TfliteMicroRuntime(tflite)
    except (ConversionError, RuntimeRefused) as error:
        raise DataError(
            f"net {name!r}: expected one that TFLite Micro runs, found: {error}"
        ) from error
    lines = []
    names = dict.fromkeys(convert.operators(tflite))
    others = [operator for operator in names if operator not in convert.SKETCH_OPERATORS]
    if others:
        lines.append(
            f"net {name!r}: engine 1 of the sketch has no {', '.join(others)}: add them to it"
        )
    try:
        direct.network_tables(tflite)
    except ConversionError as error:
        lines.append(f"net {name!r}: engine 2 of the sketch cannot run it: {error}")
    return lines
