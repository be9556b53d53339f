"""Nets as files: built by name from a few numbers, saved as those numbers and their weights.

A saved model is ``architecture.json`` and ``float.weights.npz``. Both are the same bytes for the
same model, and neither needs Keras to be read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ser_tinyml import files
from ser_tinyml.nets import registry
from ser_tinyml.nets.keras import keras

ARCHITECTURE = "architecture.json"
WEIGHTS = "float.weights.npz"
ANSWER = "probabilities"  # name of every net's last layer


@dataclass(frozen=True)
class _Architecture:
    """What a model was built from; Keras would track a plain dictionary as a part of the model."""

    values: tuple[tuple[str, Any], ...]


def build(
    net: str,
    *,
    n_frames: int,
    n_inputs: int,
    n_classes: int,
    batch_size: int | None = None,
    **options: Any,
) -> keras.Model:
    """Build a net of `registry` by its name.

    Parameters
    ----------
    net
        For example "lstm".
    n_frames, n_inputs
        Steps of a clip and inputs a step.
    n_classes
        At least 2.
    batch_size
        None leaves it open, for training; conversion needs 1.
    options
        Of the net, for example ``units`` of `lstm.build_lstm`.

    Returns
    -------
    keras.Model
        Normalised features [shape=(batch, n_frames, n_inputs)] to probabilities
        [shape=(batch, n_classes)]. Not compiled.

    Raises
    ------
    DataError
        If there is no such net or option, a number is out of range, or the net is not as
        `registry.Net` asks.
    """
    kind = registry.find(net)
    options = kind.options(options)
    shape = {"n_frames": n_frames, "n_inputs": n_inputs, "n_classes": n_classes}
    try:
        # a net that says how it is trained names its layers and their generators itself
        with contextlib.nullcontext() if kind.for_training else _names_and_generators():
            model = kind.build(**shape, batch_size=batch_size, **options)
    except (TypeError, ValueError) as error:
        raise files.DataError(f"net {net!r} with {options}: {error}") from error
    last = model.layers[-1]
    softmax = getattr(last, "activation", None) is keras.activations.softmax
    if last.name != ANSWER or not isinstance(last, keras.layers.Dense) or not softmax:
        raise files.DataError(
            f"net {net!r}: expected a last layer Dense, softmax, named {ANSWER!r}, "
            f"found {type(last).__name__} named {last.name!r}"
        )
    if model.output_shape[1:] != (n_classes,):
        raise files.DataError(
            f"net {net!r}: expected {n_classes} probabilities a clip, found {model.output_shape}"
        )
    plain = {name: _plain(value) for name, value in options.items()}
    model.architecture = _Architecture(tuple({"net": net, **shape, **plain}.items()))
    return model


@contextlib.contextmanager
def _names_and_generators() -> Iterator[None]:
    """Layers without a name get the same in every model, and layers that draw their generators.

    By the names a net for training finds its layers and a file its weights. Of a generator of its
    own a checkpoint keeps the state, so that a training that was interrupted goes on the same.
    """
    random = keras.backend.experimental
    before = random.is_tf_random_generator_enabled()
    keras.backend.reset_uids()
    random.enable_tf_random_generator()
    try:
        yield
    finally:
        if not before:
            random.disable_tf_random_generator()


def describe(model: keras.Model) -> dict[str, Any]:
    """What `build` needs to build this model again.

    Returns
    -------
    dict
        ``net, n_frames, n_inputs, n_classes`` and the net's options.

    Raises
    ------
    ValueError
        If the model is not one of `build`.
    """
    known = getattr(model, "architecture", None)
    if not isinstance(known, _Architecture):
        raise ValueError(f"expected a model of nets.models.build, found {model.name!r}")
    return dict(known.values)


def for_training(
    model: keras.Model, *, between_dropout: float = 0.0, auxiliary: int = 0
) -> keras.Model:
    """A net for training, with the layers of a model by name and a copy of their weights.

    Parameters
    ----------
    model
        One of `build`.
    between_dropout
        Share that is dropped between layers, where the net knows how.
    auxiliary
        Width of a second answer from the same hidden layer; 0: none.

    Returns
    -------
    keras.Model
        Normalised features to logits [shape=(batch, steps, n_classes)], of one step where the net
        answers at the end alone; with auxiliary, to a list of those and of
        [shape=(batch, steps, auxiliary)].
    """
    make = registry.find(describe(model)["net"]).for_training or answers_at_the_end
    return make(model, between_dropout=between_dropout, auxiliary=auxiliary)


def answers_at_the_end(
    model: keras.Model, *, between_dropout: float = 0.0, auxiliary: int = 0
) -> keras.Model:
    """`for_training` of any net: one answer a clip. There is no dropout but the net's own."""
    copy = build(**describe(model))
    copy.set_weights(model.get_weights())
    hidden = copy.get_layer(ANSWER).input
    classes = model.output_shape[1]
    answers = [keras.layers.Dense(classes, name=ANSWER)(hidden)]
    if auxiliary:
        answers.append(keras.layers.Dense(auxiliary, name="auxiliary")(hidden))
    as_steps = [keras.layers.Reshape((1, answer.shape[-1]))(answer) for answer in answers]
    net = keras.Model(copy.input, as_steps if auxiliary else as_steps[0])
    net.get_layer(ANSWER).set_weights(model.get_layer(ANSWER).get_weights())
    return net


def sharpen(model: keras.Model, temperature: float) -> None:
    """Divide the logits of a model by a temperature, in the weights of its last layer."""
    layer = model.get_layer(ANSWER)
    layer.set_weights([weight / temperature for weight in layer.get_weights()])


def parameters_and_macs(model: keras.Model) -> dict[str, int]:
    """Count what a model stores and what it multiplies.

    Returns
    -------
    dict
        ``parameters``; ``macs``, the multiply-accumulates of LSTM, Dense and convolution layers for
        a clip; ``macs_per_frame``, those of the layers that work on every step, for one step.
    """
    steps = model.input_shape[1]
    every, once = 0, 0
    for layer in model.layers:
        macs, at_every_step = _macs(layer)
        if at_every_step:
            every += macs
        else:
            once += macs
    return {
        "parameters": int(model.count_params()),
        "macs_per_frame": every // steps,
        "macs": every + once,
    }


def _macs(layer: keras.layers.Layer) -> tuple[int, bool]:
    """Multiply-accumulates of a layer for a clip, and whether it works on every step."""
    layers = keras.layers
    if isinstance(layer, (layers.LSTM, layers.GRU)):
        steps, width = layer.input_shape[1:]
        gates = 4 if isinstance(layer, layers.LSTM) else 3
        return steps * gates * layer.units * (width + layer.units), True
    if isinstance(layer, (layers.Dense, layers.Conv1D, layers.Conv2D)):
        kernel = prod(layer.kernel.shape)  # the filters' outputs are in it
        places = prod(layer.output_shape[1:-1])
        return kernel * places, len(layer.output_shape) > 2
    if isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)):
        return prod(layer.depthwise_kernel.shape) * prod(layer.output_shape[1:-1]), True
    if isinstance(layer, (layers.SeparableConv1D, layers.SeparableConv2D)):
        kernels = prod(layer.depthwise_kernel.shape) + prod(layer.pointwise_kernel.shape)
        return kernels * prod(layer.output_shape[1:-1]), True
    return 0, False


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
    folder = Path(folder)
    return (
        files.write_json(folder / ARCHITECTURE, describe(model)),
        files.write_arrays(folder / WEIGHTS, arrays),
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
    model = _from_architecture(path, files.read_json(path), batch_size)
    weights = list(files.read_arrays(weights_path).values())
    expected = [tuple(weight.shape) for weight in model.weights]
    found = [weight.shape for weight in weights]
    if expected != found:
        raise files.DataError(
            f"{weights_path}: expected the shapes that {ARCHITECTURE} gives, {expected}, "
            f"found {found}"
        )
    model.set_weights(weights)
    return model


def _from_architecture(
    path: Path, architecture: Mapping[str, Any], batch_size: int | None
) -> keras.Model:
    try:
        return build(**architecture, batch_size=batch_size)
    except (TypeError, ValueError) as error:
        raise files.DataError(f"{path}: expected the numbers of a net: {error}") from error


def _plain(value: Any) -> Any:
    """An option as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value
