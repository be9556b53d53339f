"""The LSTM: layers that read frame after frame, and a small Dense layer that answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras


def build_lstm(
    *,
    n_frames: int,
    n_inputs: int,
    n_classes: int,
    batch_size: int | None = None,
    units: Sequence[int] = (128, 64),
    dense_units: int = 64,
    dropout: float = 0.3,
) -> keras.Model:
    """LSTM layers, a hidden Dense layer, and one probability a class.

    There is no masking layer and no backward layer: either would break the fused LSTM operator.

    Parameters
    ----------
    n_frames, n_inputs
        Frames of a clip and features of a frame.
    n_classes
        Number of classes, at least 2.
    batch_size
        None leaves it open, for training; conversion needs 1.
    units
        Width of each LSTM layer, first to last.
    dense_units
        Width of the hidden Dense layer.
    dropout
        Share of hidden Dense outputs dropped in training, 0 to 1 (excluded).

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
    from ser_tinyml.nets.keras import keras

    _check({"n_frames": n_frames, "n_inputs": n_inputs, "dense_units": dense_units}, least=1)
    _check({"n_classes": n_classes}, least=2)
    _check({f"units[{number}]": width for number, width in enumerate(units)}, least=1)
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


def _check(numbers: Mapping[str, int], *, least: int) -> None:
    for name, value in numbers.items():
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, found {value}")


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
    from ser_tinyml.nets.keras import keras

    dense, dropout = model.get_layer("dense"), model.get_layer("dropout")
    features = keras.Input(model.input_shape[1:])
    hidden = features
    lstms = [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]
    for number, layer in enumerate(lstms, start=1):
        hidden = keras.layers.LSTM(layer.units, return_sequences=True, name=layer.name)(hidden)
        if between_dropout:
            hidden = keras.layers.Dropout(
                between_dropout,
                noise_shape=(None, 1, layer.units),
                force_generator=True,
                name=f"dropout_{number}",
            )(hidden)
    hidden = keras.layers.Dense(dense.units, activation="relu", name="dense")(hidden)
    hidden = keras.layers.Dropout(dropout.rate, force_generator=True, name="dropout")(hidden)
    answers = [keras.layers.Dense(model.output_shape[1], name="probabilities")(hidden)]
    if auxiliary:
        answers.append(keras.layers.Dense(auxiliary, name="auxiliary")(hidden))
    net = keras.Model(features, answers, name="answers_at_every_step")
    for layer in model.layers:
        if layer.weights:
            net.get_layer(layer.name).set_weights(layer.get_weights())
    return net
