"""The net that looks at a spectrogram as at a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser_tinyml import files
from ser_tinyml.systems.face import LABELS, Lesson
from ser_tinyml.systems.parts import keras_fit
from ser_tinyml.systems.parts.keras_fit import FitSettings, Rows
from ser_tinyml.systems.parts.spectrogram_changes import STRONG, WEAK, Changes, Changing
from ser_tinyml.systems.parts.spectrogram_features import SHAPE

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras

MOMENTUM = 0.9  # of the normalisations: an epoch is a few dozen steps
NET, BUILD = "net.npz", "build.json"


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How a net learns from some clips.

    Attributes
    ----------
    changes
        Of the clips.
    fit
        How long and how fast.
    """

    changes: Changes
    fit: FitSettings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training is made of.

    Attributes
    ----------
    filters
        Of each convolution. The first looks at every other band and frame; after each of the
        others but the last, the picture is half as wide and half as high.
    dropout
        Share of what the last layer sees that is left out in training.
    before
        Learning from other corpora, which are larger: from clips that are changed much.
    own
        Learning from the clips of the task.
    """

    filters: tuple[int, ...] = (16, 32, 64, 128, 128)
    dropout: float = 0.3
    before: Learning = field(
        default_factory=lambda: Learning(
            changes=STRONG,
            fit=FitSettings(
                epochs=16, patience=16, batch_size=64, learning_rate=2e-3, smoothing=0.1
            ),
        )
    )
    own: Learning = field(
        default_factory=lambda: Learning(
            changes=WEAK,
            fit=FitSettings(
                epochs=32, patience=16, batch_size=16, learning_rate=1.5e-3, smoothing=0.1
            ),
        )
    )


def build(filters: Sequence[int], n_classes: int, *, dropout: float = 0.0) -> keras.Model:
    """The net: spectrograms [shape=(batch, 64, 192, 1)] to probabilities."""
    from ser_tinyml.nets.keras import keras

    layers = keras.layers
    spectrogram = keras.Input((*SHAPE, 1))
    hidden = layers.BatchNormalization(momentum=MOMENTUM)(spectrogram)  # the scale of its input
    hidden = _convolution(hidden, filters[0], kernel=5, stride=2)
    for number in filters[1:-1]:
        hidden = layers.MaxPooling2D(2)(_convolution(hidden, number))
    hidden = _convolution(hidden, filters[-1])
    mean, most = layers.GlobalAveragePooling2D()(hidden), layers.GlobalMaxPooling2D()(hidden)
    # centred, or each value that dropout leaves out would move all answers by a large constant
    seen = layers.BatchNormalization(momentum=MOMENTUM)(layers.Concatenate()([mean, most]))
    seen = layers.Dropout(dropout)(seen)
    answer = layers.Dense(n_classes, activation="softmax", name="probabilities")
    return keras.Model(spectrogram, answer(seen))


def _convolution(
    hidden: keras.KerasTensor, filters: int, *, kernel: int = 3, stride: int = 1
) -> keras.KerasTensor:
    from ser_tinyml.nets.keras import keras

    layers = keras.layers
    hidden = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(hidden)
    return layers.Activation("relu")(layers.BatchNormalization(momentum=MOMENTUM)(hidden))


class SpectrogramNet:
    """A trained net.

    Parameters
    ----------
    net
        Of `build`.
    filters
        It was built with.
    """

    def __init__(self, net: keras.Model, *, classes: Sequence[str], filters: Sequence[int]) -> None:
        self.net, self.classes, self.filters = net, list(classes), list(filters)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Probabilities [shape=(n, n_classes)] of spectrograms [shape=(n, 64, 192)]."""
        return keras_fit.predict(self.net, features[..., np.newaxis])

    def size(self) -> dict[str, float]:
        """Parameters and multiply-accumulates."""
        return keras_fit.size(self.net)

    def save(self, folder: Path) -> None:
        """Write weights, and what the net is built of."""
        keras_fit.save_weights(self.net, folder / NET)
        files.write_json(folder / BUILD, {"filters": self.filters})


def load(folder: Path) -> SpectrogramNet:
    """Read what `SpectrogramNet.save` wrote."""
    filters = files.read_json(folder / BUILD)["filters"]
    classes = files.read_json(folder / LABELS)
    net = build(filters, len(classes))
    keras_fit.load_weights(net, folder / NET)
    return SpectrogramNet(net, classes=classes, filters=filters)


def train(lesson: Lesson, settings: Settings) -> SpectrogramNet:
    """Fit the net to a lesson, from where an earlier one left it if there was any."""
    return _fitted(lesson, settings, settings.own)


def pretrain(lesson: Lesson, settings: Settings) -> SpectrogramNet:
    """Fit the net to other corpora."""
    return _fitted(lesson, settings, settings.before)


def _fitted(lesson: Lesson, settings: Settings, how: Learning) -> SpectrogramNet:
    keras_fit.begin(lesson.seed)
    net = build(settings.filters, len(lesson.classes), dropout=settings.dropout)
    if lesson.before is not None:
        known = load(lesson.before).net.get_weights()
        net.set_weights(known[:-2] + net.get_weights()[-2:])  # the last layer has other classes
    model = SpectrogramNet(net, classes=lesson.classes, filters=settings.filters)
    changing = Changing(np.asarray(lesson.train.features), how.changes, seed=lesson.seed)
    keras_fit.fit(
        net,
        Rows(changing, lesson.train.labels),
        Rows(lesson.validation.features[..., np.newaxis], lesson.validation.labels),
        settings=how.fit,
        seed=lesson.seed,
        folder=lesson.folder,
        say=lesson.say,
    )
    return model
