"""The nets that there are: each a function from shape and options to a Keras model, by a name.

A plugin adds one with `register`; parameter ``training.net`` chooses it. Needs no TensorFlow until
a net is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ser_tinyml import plugins
from ser_tinyml.files import DataError
from ser_tinyml.nets import lstm

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras

SHAPE = ("n_frames", "n_inputs", "n_classes", "batch_size")  # what every net is told


@dataclass(frozen=True)
class Net:
    """A kind of net.

    Attributes
    ----------
    name
        By which it is chosen.
    build
        Takes `SHAPE` and its own options by keyword and gives a model that is not compiled:
        normalised features [shape=(batch, n_frames, n_inputs)] to probabilities
        [shape=(batch, n_classes)]. Its last layer is a Dense layer with softmax, named
        "probabilities".
    for_training
        Takes the model and ``between_dropout`` and ``auxiliary`` and gives a net that shares no
        weight with it, has its layers by name, and gives logits
        [shape=(batch, steps, n_classes)]; None: one answer a clip, see
        `models.answers_at_the_end`.
    """

    name: str
    build: Callable[..., keras.Model]
    for_training: Callable[..., keras.Model] | None = None

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All options of the net: those given, and the defaults of the others.

        Raises
        ------
        DataError
            If it has no such option.
        """
        known = {name: one.default for name, one in _options(self.build).items()}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise DataError(
                f"net_options: expected options of net {self.name!r}, {', '.join(sorted(known))}, "
                f"found {unknown[0]!r}"
            )
        return {**known, **given}


def _options(build: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a function that are not `SHAPE`, by name."""
    parameters = inspect.signature(build).parameters
    return {name: one for name, one in parameters.items() if name not in SHAPE}


_NETS = {"lstm": Net("lstm", lstm.build_lstm, lstm.answers_at_every_step)}


def register(
    name: str,
    build: Callable[..., keras.Model],
    *,
    for_training: Callable[..., keras.Model] | None = None,
) -> None:
    """Add a kind of net; see `Net` for what the functions have to do.

    Raises
    ------
    DataError
        If the name is taken by another function, the function does not take `SHAPE`, or an option
        of it has no default.
    """
    if name in _NETS and _NETS[name].build is not build:
        raise DataError(f"net {name!r}: expected a new name, found one of {sorted(_NETS)}")
    missing = [word for word in SHAPE if word not in inspect.signature(build).parameters]
    if missing:
        raise DataError(
            f"net {name!r}: expected a function of {', '.join(SHAPE)}, found none for {missing[0]}"
        )
    for option, parameter in _options(build).items():
        if parameter.default is parameter.empty:
            raise DataError(
                f"net {name!r}: expected a default for each option, found none for {option!r}"
            )
    _NETS[name] = Net(name, build, for_training)


def find(name: str) -> Net:
    """The net of a name.

    Raises
    ------
    DataError
        If there is none.
    """
    plugins.load()
    if name not in _NETS:
        raise DataError(f"net: expected one of {sorted(_NETS)}, found {name!r}")
    return _NETS[name]
