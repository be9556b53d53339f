"""The nets: built from a few numbers, saved as those numbers and their weights.

A saved model is ``architecture.json`` and ``float.weights.npz``. Both are the same bytes for the
same model, and neither needs Keras to be read.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import files
from ser_tinyml.nets.keras import keras

ARCHITECTURE = "architecture.json"
WEIGHTS = "float.weights.npz"


def build_lstm(
    *,
    n_frames: int,
    n_inputs: int,
    n_classes: int,
    units: Sequence[int] = (128, 64),
    dense_units: int = 64,
    dropout: float = 0.3,
    batch_size: int | None = None,
) -> keras.Model:
    """LSTM layers, a hidden Dense layer, and one probability a class.

    There is no masking layer and no backward layer: either would break the fused LSTM operator.

    Parameters
    ----------
    n_frames, n_inputs
        Frames of a clip and features of a frame.
    n_classes
        Number of classes, at least 2.
    units
        Width of each LSTM layer, first to last.
    dense_units
        Width of the hidden Dense layer.
    dropout
        Share of hidden Dense outputs dropped in training, 0 to 1 (excluded).
    batch_size
        None leaves it open, for training; conversion needs 1.

    Returns
    -------
    keras.Model
        Normalised features [shape=(batch, n_frames, n_inputs)] to probabilities
        [shape=(batch, n_classes)]. Not compiled.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    for name, value, least in (
        ("n_frames", n_frames, 1),
        ("n_inputs", n_inputs, 1),
        ("n_classes", n_classes, 2),
        ("dense_units", dense_units, 1),
        *((f"units[{i}]", width, 1) for i, width in enumerate(units)),
    ):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, found {value}")
    if not units:
        raise ValueError("units: expected at least one LSTM layer, found none")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout: expected 0 <= dropout < 1, found {dropout}")

    features = keras.Input((n_frames, n_inputs), batch_size=batch_size, name="features")
    hidden = features
    for number, width in enumerate(units, start=1):
        more = number < len(units)
        hidden = keras.layers.LSTM(width, return_sequences=more, name=f"lstm_{number}")(hidden)
    hidden = keras.layers.Dense(dense_units, activation="relu", name="dense")(hidden)
    # Its own generator is part of a checkpoint: training that was interrupted goes on the same.
    hidden = keras.layers.Dropout(dropout, force_generator=True, name="dropout")(hidden)
    answer = keras.layers.Dense(n_classes, activation="softmax", name="probabilities")(hidden)
    return keras.Model(features, answer, name="lstm")


def answers_at_every_step(
    model: keras.Model, *, between_dropout: float = 0.0, auxiliary: int = 0
) -> keras.Model:
    """A net for training: the layers of a model, by name, with an answer after every step.

    Parameters
    ----------
    model
        One of :func:`build_lstm`. The net gets a copy of its weights.
    between_dropout
        Share of an LSTM layer's outputs that is dropped, the same ones at all steps of a clip.
    auxiliary
        Width of a second answer from the same hidden layer; 0: none.

    Returns
    -------
    keras.Model
        Normalised features [shape=(batch, n_frames, n_inputs)] to logits
        [shape=(batch, n_frames, n_classes)]; with auxiliary, to a list of those and of
        [shape=(batch, n_frames, auxiliary)].
    """
    about = describe(model)
    features = keras.Input((about["n_frames"], about["n_inputs"]))
    hidden = features
    for number, width in enumerate(about["units"], start=1):
        hidden = keras.layers.LSTM(width, return_sequences=True, name=f"lstm_{number}")(hidden)
        if between_dropout:
            hidden = keras.layers.Dropout(
                between_dropout,
                noise_shape=(None, 1, width),
                force_generator=True,
                name=f"dropout_{number}",
            )(hidden)
    hidden = keras.layers.Dense(about["dense_units"], activation="relu", name="dense")(hidden)
    hidden = keras.layers.Dropout(about["dropout"], force_generator=True, name="dropout")(hidden)
    answers = [keras.layers.Dense(about["n_classes"], name="probabilities")(hidden)]
    if auxiliary:
        answers.append(keras.layers.Dense(auxiliary, name="auxiliary")(hidden))
    net = keras.Model(features, answers, name="answers_at_every_step")
    for layer in model.layers:
        if layer.weights:
            net.get_layer(layer.name).set_weights(layer.get_weights())
    return net


def sharpen(model: keras.Model, temperature: float) -> None:
    """Divide the logits of a model by a temperature, in the weights of its last layer."""
    layer = model.get_layer("probabilities")
    layer.set_weights([weight / temperature for weight in layer.get_weights()])


def describe(model: keras.Model) -> dict[str, Any]:
    """The numbers that :func:`build_lstm` needs to build this model again.

    Returns
    -------
    dict
        ``n_frames, n_inputs, n_classes, units, dense_units, dropout``.

    Raises
    ------
    ValueError
        If the model is not one of :func:`build_lstm`.
    """
    lstms = [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]
    denses = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    drops = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    if not lstms or len(denses) != 2 or len(drops) != 1:
        found = ", ".join(type(layer).__name__ for layer in model.layers)
        raise ValueError(f"expected a model of build_lstm (LSTM, Dense, Dropout, Dense): {found}")
    return {
        "n_frames": int(model.input_shape[1]),
        "n_inputs": int(model.input_shape[2]),
        "n_classes": int(model.output_shape[1]),
        "units": [int(layer.units) for layer in lstms],
        "dense_units": int(denses[0].units),
        "dropout": float(drops[0].rate),
    }


def parameters_and_macs(architecture: Mapping[str, Any] | keras.Model) -> dict[str, int]:
    """Count what a model stores and what it multiplies.

    Parameters
    ----------
    architecture
        A model, or what :func:`describe` says of it.

    Returns
    -------
    dict
        ``parameters``; ``macs_per_frame``, the multiply-accumulates of the LSTM layers for one
        frame; ``macs``, those of a whole clip, Dense layers included.
    """
    if isinstance(architecture, keras.Model):
        architecture = describe(architecture)
    parameters = frame_macs = 0
    width = architecture["n_inputs"]
    for units in architecture["units"]:
        products = 4 * units * (width + units)  # four gates, each sees the input and the state
        parameters += products + 4 * units
        frame_macs += products
        width = units
    dense_macs = 0
    for units in (architecture["dense_units"], architecture["n_classes"]):
        parameters += width * units + units
        dense_macs += width * units
        width = units
    return {
        "parameters": parameters,
        "macs_per_frame": frame_macs,
        "macs": architecture["n_frames"] * frame_macs + dense_macs,
    }


def save_model(folder: str | Path, model: keras.Model) -> tuple[Path, Path]:
    """Write a model's architecture and weights.

    Returns
    -------
    tuple of Path
        The two files.
    """
    arrays = {
        f"{number:02d} {weight.name.split(':')[0]}": value
        for number, (weight, value) in enumerate(
            zip(model.weights, model.get_weights(), strict=True)
        )
    }
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    folder = Path(folder)
    return (
        files.write_json(folder / ARCHITECTURE, describe(model)),
        files.write_bytes(folder / WEIGHTS, stream.getvalue()),
    )


def load_model(folder: str | Path, batch_size: int | None = None) -> keras.Model:
    """Read a model that :func:`save_model` wrote.

    Parameters
    ----------
    folder
        Where its two files are.
    batch_size
        None leaves it open.

    Raises
    ------
    DataError
        If a file is missing, or the two do not belong together.
    """
    path, weights_path = Path(folder) / ARCHITECTURE, Path(folder) / WEIGHTS
    architecture = files.read_json(path)
    try:
        model = build_lstm(**architecture, batch_size=batch_size)
    except (TypeError, ValueError) as error:
        raise files.DataError(f"{path}: expected the numbers of build_lstm: {error}") from error
    try:
        with np.load(io.BytesIO(files.read_bytes(weights_path)), allow_pickle=False) as stored:
            weights = [stored[name] for name in sorted(stored.files)]
    except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, files.DataError):
            raise
        raise files.DataError(f"{weights_path}: expected an .npz file, found: {error}") from error
    expected = [tuple(weight.shape) for weight in model.weights]
    found = [weight.shape for weight in weights]
    if expected != found:
        raise files.DataError(
            f"{weights_path}: expected the shapes that {ARCHITECTURE} gives, {expected}, "
            f"found {found}"
        )
    model.set_weights(weights)
    return model
