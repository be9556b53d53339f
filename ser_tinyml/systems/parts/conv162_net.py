"""The net over 162 features: eight convolutions along them, as if they were a signal.

Which of the many public notebooks with these features had this net first is not known. The platform
that published it as a use case gives 1,283,591 parameters, and this is the arrangement that has
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_tinyml import files
from ser_tinyml.systems.face import LABELS, Lesson
from ser_tinyml.systems.parts import keras_fit
from ser_tinyml.systems.parts.conv162_features import COUNT
from ser_tinyml.systems.parts.keras_fit import FitSettings, Rows

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras

PUBLISHED_FILTERS = (256, 128, 64)
PUBLISHED_PARAMETERS = 1_283_591
KERNEL = 8
POOL = 8
PLACES = 256  # of `Places`: the numbers of int8
NET, SCALE, SHAPE = "net.npz", "scale.npz", "shape.json"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training is made of.

    Attributes
    ----------
    filters
        Of the first two convolutions, of the next four, and of the last two.
    places
        The net takes each feature as its place among the training rows, see `Places`; else in
        standard deviations from its mean.
    fit
        How it learns.
    """

    filters: tuple[int, int, int] = PUBLISHED_FILTERS
    places: bool = False
    fit: FitSettings = field(default_factory=lambda: FitSettings(epochs=5, batch_size=32))


def build(
    filters: Sequence[int], n_classes: int, *, count: int = COUNT, batch_size: int | None = None
) -> keras.Model:
    """The net: normalised features [shape=(batch, count, 1)] to probabilities."""
    from ser_tinyml.nets.keras import keras

    layers = keras.layers
    wide, middle, narrow = filters
    features = keras.Input((count, 1), batch_size=batch_size)
    hidden = _convolution(features, wide)
    hidden = layers.Activation("relu")(hidden)
    hidden = _pooled(_convolution(hidden, wide))
    for _ in range(3):
        hidden = layers.Activation("relu")(_convolution(hidden, middle))
    hidden = _pooled(_convolution(hidden, middle))
    for _ in range(2):
        hidden = layers.Activation("relu")(_convolution(hidden, narrow))
    answer = layers.Dense(n_classes, activation="softmax", name="probabilities")
    return keras.Model(features, answer(layers.Flatten()(hidden)))


def _convolution(hidden: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    from ser_tinyml.nets.keras import keras

    return keras.layers.Conv1D(filters, KERNEL, padding="same")(hidden)


def _pooled(hidden: keras.KerasTensor) -> keras.KerasTensor:
    """Normalised over the batch, and of each eight the largest."""
    from ser_tinyml.nets.keras import keras

    layers = keras.layers
    hidden = layers.Activation("relu")(layers.BatchNormalization()(hidden))
    return layers.MaxPooling1D(POOL)(layers.Dropout(0.25)(hidden))


@dataclass(frozen=True)
class Deviations:
    """Features in standard deviations from their mean.

    Attributes
    ----------
    mean, std [shape=(count,)]
        float32, of the training rows.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Deviations:
        """From training rows [shape=(n, count)]."""
        values = np.asarray(features, np.float64)
        mean, std = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-12)
        return cls(mean.astype(np.float32), std.astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Normalised features [shape=(n, count)]."""
        return (features - self.mean) / self.std


@dataclass(frozen=True)
class Places:
    """Features as places among the training rows: -1 the least, just below 1 the largest.

    The powers in the mel bands differ by orders of magnitude from clip to clip. In standard
    deviations most of them lie within a few steps of int8, and to round them there changes
    several answers in a hundred. Places are whole 128ths, which int8 holds as they are.

    Attributes
    ----------
    marks [shape=(PLACES - 1, count)]
        float32, where the next place begins.
    """

    marks: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Places:
        """From training rows [shape=(n, count)]: as many of them in each place."""
        shares = np.arange(1, PLACES) / PLACES
        return cls(np.quantile(features, shares, axis=0).astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Normalised features [shape=(n, count)]."""
        values = np.asarray(features, np.float32)
        columns = zip(self.marks.T, values.T, strict=True)
        places = [np.searchsorted(marks, column) for marks, column in columns]
        return np.stack(places, axis=1) / (PLACES / 2) - 1


class ConvNet:
    """A trained net, with what its features are normalised by.

    Parameters
    ----------
    net
        Of `build`.
    scale
        Of the training rows.
    filters
        Of the net.
    """

    def __init__(
        self,
        net: keras.Model,
        scale: Deviations | Places,
        *,
        classes: Sequence[str],
        filters: Sequence[int],
    ) -> None:
        self.net, self.scale = net, scale
        self.classes, self.filters = list(classes), list(filters)

    def normalised(self, features: np.ndarray) -> np.ndarray:
        """What the net takes, float32 [shape=(n, count, 1)]."""
        return self.scale(features).astype(np.float32)[..., np.newaxis]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Probabilities [shape=(n, n_classes)] of features [shape=(n, count)]."""
        return keras_fit.predict(self.net, self.normalised(features))

    def size(self) -> dict[str, float]:
        """Parameters and multiply-accumulates."""
        return keras_fit.size(self.net)

    def save(self, folder: Path) -> None:
        """Write weights, scale and shape."""
        keras_fit.save_weights(self.net, folder / NET)
        files.write_arrays(folder / SCALE, vars(self.scale))
        files.write_json(folder / SHAPE, {"filters": self.filters})


def load(folder: Path) -> ConvNet:
    """Read what `ConvNet.save` wrote; how it was fitted is not kept."""
    filters = files.read_json(folder / SHAPE)["filters"]
    classes, arrays = files.read_json(folder / LABELS), files.read_arrays(folder / SCALE)
    scale = Places(**arrays) if "marks" in arrays else Deviations(**arrays)
    net = build(filters, len(classes), count=next(iter(arrays.values())).shape[-1])
    keras_fit.load_weights(net, folder / NET)
    return ConvNet(net, scale, classes=classes, filters=filters)


def train(lesson: Lesson, settings: Settings) -> ConvNet:
    """Fit the net to a lesson."""
    keras_fit.begin(lesson.seed)
    features = lesson.train.features
    scale = Places.of(features) if settings.places else Deviations.of(features)
    net = build(settings.filters, len(lesson.classes), count=features.shape[1])
    model = ConvNet(net, scale, classes=lesson.classes, filters=settings.filters)
    keras_fit.fit(
        net,
        Rows(model.normalised(features), lesson.train.labels),
        Rows(model.normalised(lesson.validation.features), lesson.validation.labels),
        settings=settings.fit,
        seed=lesson.seed,
        folder=lesson.folder,
        say=lesson.say,
    )
    return model
