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
NET, SCALE, SHAPE = "net.npz", "scale.npz", "shape.json"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training is made of.

    Attributes
    ----------
    filters
        Of the first two convolutions, of the next four, and of the last two.
    limit
        Normalised features are limited to this many standard deviations, so that a few loud clips
        do not take all of int8; 0: they are not limited.
    fit
        How it learns.
    """

    filters: tuple[int, int, int] = PUBLISHED_FILTERS
    limit: float = 0.0
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


class ConvNet:
    """A trained net, with what its features are normalised by.

    Parameters
    ----------
    net
        Of `build`.
    mean, std [shape=(count,)]
        Of the training rows.
    settings
        It was trained with.
    """

    def __init__(
        self,
        net: keras.Model,
        mean: np.ndarray,
        std: np.ndarray,
        *,
        classes: Sequence[str],
        settings: Settings,
    ) -> None:
        self.net, self.mean, self.std = net, mean, std
        self.classes = list(classes)
        self.settings = settings

    def normalised(self, features: np.ndarray) -> np.ndarray:
        """What the net takes, float32 [shape=(n, count, 1)]."""
        values = (features - self.mean) / self.std
        if self.settings.limit:
            values = np.clip(values, -self.settings.limit, self.settings.limit)
        return values.astype(np.float32)[..., np.newaxis]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Probabilities [shape=(n, n_classes)] of features [shape=(n, count)]."""
        return keras_fit.predict(self.net, self.normalised(features))

    def size(self) -> dict[str, float]:
        """Parameters and multiply-accumulates."""
        return keras_fit.size(self.net)

    def save(self, folder: Path) -> None:
        """Write weights, scale and shape."""
        keras_fit.save_weights(self.net, folder / NET)
        files.write_arrays(folder / SCALE, {"mean": self.mean, "std": self.std})
        files.write_json(folder / SHAPE, {"filters": self.settings.filters,
                                          "limit": self.settings.limit})  # fmt: skip


def load(folder: Path) -> ConvNet:
    """Read what `ConvNet.save` wrote; how it was fitted is not kept."""
    shape, classes = files.read_json(folder / SHAPE), files.read_json(folder / LABELS)
    settings = Settings(filters=tuple(shape["filters"]), limit=shape["limit"])
    scale = files.read_arrays(folder / SCALE)
    net = build(settings.filters, len(classes), count=len(scale["mean"]))
    keras_fit.load_weights(net, folder / NET)
    return ConvNet(net, scale["mean"], scale["std"], classes=classes, settings=settings)


def train(lesson: Lesson, settings: Settings) -> ConvNet:
    """Fit the net to a lesson."""
    keras_fit.begin(lesson.seed)
    features = np.asarray(lesson.train.features, np.float64)
    mean, std = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
    net = build(settings.filters, len(lesson.classes), count=len(mean))
    model = ConvNet(
        net,
        mean.astype(np.float32),
        std.astype(np.float32),
        classes=lesson.classes,
        settings=settings,
    )
    keras_fit.fit(
        net,
        Rows(model.normalised(lesson.train.features), lesson.train.labels),
        Rows(model.normalised(lesson.validation.features), lesson.validation.labels),
        settings=settings.fit,
        seed=lesson.seed,
        folder=lesson.folder,
        say=lesson.say,
    )
    return model
