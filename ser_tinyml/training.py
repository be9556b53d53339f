"""Fitting a net: deterministic, a line an epoch, best weights kept, and resumable at any epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml import files, metrics, models, splits
from ser_tinyml.files import DataError
from ser_tinyml.keras import keras, make_deterministic, tf

CLASS_WEIGHTS = ("none", "sqrt", "balanced")
SCHEDULES = ("constant", "cosine")
KEEP = ("best", "last")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a net is fitted.

    Attributes
    ----------
    epochs
        At most so many passes over the training rows.
    batch_size
        Rows a step.
    learning_rate
        Adam's, at the start.
    schedule
        "constant", or "cosine": down to zero over all epochs.
    patience
        Stop after so many epochs without a better validation UAR; 0: never.
    keep
        "best": the weights of the epoch with the best validation UAR; "last": those of the last.
    class_weights
        "balanced": each class weighs the same in the loss; "sqrt": half-way there; "none".
    label_smoothing
        Share of each target that is spread evenly over the classes, 0 to 1 (excluded).
    input_noise
        Deviation of the normal noise that is added to normalised features in training, drawn anew
        every epoch.
    normalise
        Whether features are brought to zero mean and unit deviation, as fitted on training rows.
    dropout
        Of the hidden Dense layer.
    seed
        For weights, order of rows and dropout.
    """

    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    patience: int = 10
    keep: str = "best"
    class_weights: str = "sqrt"
    label_smoothing: float = 0.1
    input_noise: float = 0.3
    normalise: bool = True
    dropout: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("schedule", self.schedule, SCHEDULES),
            ("keep", self.keep, KEEP),
            ("class_weights", self.class_weights, CLASS_WEIGHTS),
        ):
            if value not in known:
                raise DataError(f"training: expected {name} one of {known}, found {value!r}")
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise DataError(
                    f"training: expected {name} >= {least}, found {getattr(self, name)}"
                )
        if not 0 <= self.label_smoothing < 1 or self.input_noise < 0:
            raise DataError(
                "training: expected 0 <= label_smoothing < 1 and input_noise >= 0, "
                f"found {self.label_smoothing} and {self.input_noise}"
            )


@dataclass(frozen=True)
class Normalisation:
    """Mean and deviation of each input, fitted on training rows.

    Attributes
    ----------
    mean, std [shape=(n_inputs,)]
        float32.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray) -> Normalisation:
        """Fit on features [shape=(rows, n_frames, n_inputs)]."""
        mean = features.mean(axis=(0, 1), dtype=np.float64)
        std = features.std(axis=(0, 1), dtype=np.float64)
        return cls(mean.astype(np.float32), np.maximum(std, 1e-6).astype(np.float32))

    @classmethod
    def identity(cls, n_inputs: int) -> Normalisation:
        """Leaves features as they are."""
        return cls(np.zeros(n_inputs, np.float32), np.ones(n_inputs, np.float32))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Normalise features [shape=(…, n_inputs)] to float32."""
        return (np.asarray(features, np.float32) - self.mean) / self.std

    def save(self, path: str | Path) -> Path:
        """Write as JSON; float32 values survive the way there and back."""
        return files.write_json(
            path, {"mean": self.mean.astype(float).tolist(), "std": self.std.astype(float).tolist()}
        )

    @classmethod
    def load(cls, path: str | Path) -> Normalisation:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file has no mean and std of one length.
        """
        values = files.read_json(path)
        try:
            mean, std = (np.asarray(values[name], np.float32) for name in ("mean", "std"))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: expected lists mean and std, found {values}") from error
        if mean.shape != std.shape or mean.ndim != 1:
            raise DataError(f"{path}: expected one mean and std an input, found {values}")
        return cls(mean, std)


@dataclass(frozen=True)
class Fitted:
    """What training gives.

    Attributes
    ----------
    model
        With the weights that were kept.
    normalisation
        To apply to features before the model.
    history
        A line an epoch: epoch, loss, validation_loss, validation_uar, validation_accuracy,
        seconds, best (so far).
    kept_epoch
        The epoch whose weights the model has.
    """

    model: keras.Model
    normalisation: Normalisation
    history: pd.DataFrame
    kept_epoch: int


def class_weights(label_ids: np.ndarray, *, n_classes: int, kind: str) -> np.ndarray:
    """Weight of each class in the loss; the average over the rows is 1.

    Returns
    -------
    weights [shape=(n_classes,)]
    """
    count = np.bincount(label_ids, minlength=n_classes).astype(np.float64)
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[kind]
    weights = np.where(count > 0, np.maximum(count, 1) ** -power, 0)
    return weights * len(label_ids) / (weights * count).sum()


def fit(
    features: np.ndarray,
    rows: pd.DataFrame,
    *,
    classes: Sequence[str],
    config: TrainingConfig,
    folder: Path,
    say: Callable[[str], None] = print,
) -> Fitted:
    """Fit the LSTM 128/64 on the training rows; validation rows choose the epoch.

    After every epoch the whole state goes to folder/checkpoint, so that the same call takes up an
    interrupted training and ends at the same weights, to the bit. A finished training is not
    repeated. Test rows are not looked at.

    Parameters
    ----------
    features [shape=(rows, n_frames, n_inputs)]
        float32, not normalised; may be memory-mapped.
    rows
        Table with columns label_id and split, in the order of the features.
    classes
        Names of the classes.
    say
        Gets one line an epoch.

    Raises
    ------
    DataError
        If features and rows differ in number, or training or validation has no rows.
    """
    if len(features) != len(rows):
        raise DataError(f"training: expected {len(rows)} rows of features, found {len(features)}")
    part = {
        name: np.flatnonzero(rows["split"] == name) for name in (splits.TRAIN, splits.VALIDATION)
    }
    for name, index in part.items():
        if not len(index):
            raise DataError(f"training: expected rows in {name}, found none")
    label_ids = rows["label_id"].to_numpy()
    train_x = np.asarray(features[part[splits.TRAIN]])
    normalisation = (
        Normalisation.fit(train_x)
        if config.normalise
        else Normalisation.identity(features.shape[2])
    )
    train_x = normalisation.apply(train_x)
    train_y = label_ids[part[splits.TRAIN]]
    validation_x = normalisation.apply(features[part[splits.VALIDATION]])
    validation_y = label_ids[part[splits.VALIDATION]]
    weight = class_weights(train_y, n_classes=len(classes), kind=config.class_weights)

    make_deterministic(config.seed)
    model = models.build_lstm(
        n_frames=features.shape[1],
        n_inputs=features.shape[2],
        n_classes=len(classes),
        dropout=config.dropout,
    )
    steps = config.epochs * -(-len(train_x) // config.batch_size)
    rate = (
        keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
        if config.schedule == "cosine"
        else config.learning_rate
    )
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
    )
    targets = np.eye(len(classes), dtype=np.float32)[train_y]
    identity = files.sha256_json(
        [
            asdict(config),
            models.describe(model),
            files.sha256_bytes(train_x.tobytes()),
            files.sha256_bytes(train_y.tobytes()),
            files.sha256_bytes(validation_x.tobytes()),
            files.sha256_bytes(validation_y.tobytes()),
        ]
    )
    state = _State(folder / "checkpoint", model, identity)
    for line in state.history:
        say(_said(line, config.epochs))
    if state.history:
        say(f"taken up after epoch {len(state.history)}")

    for epoch in range(len(state.history), config.epochs):
        if _stopped(state.history, config):
            break
        start = time.perf_counter()
        rng = np.random.default_rng([config.seed, epoch])
        order = rng.permutation(len(train_x))
        loss = 0.0
        for first in range(0, len(order), config.batch_size):
            batch = order[first : first + config.batch_size]
            inputs = train_x[batch]
            if config.input_noise:
                noise = rng.standard_normal(inputs.shape, dtype=np.float32)
                inputs = inputs + config.input_noise * noise
            loss += len(batch) * model.train_on_batch(
                inputs, targets[batch], sample_weight=weight[train_y[batch]]
            )
        probabilities = predict(model, validation_x)
        found = metrics.score(validation_y, probabilities.argmax(axis=1), classes=classes)
        right = probabilities[np.arange(len(validation_y)), validation_y]
        line = {
            "epoch": epoch + 1,
            "loss": float(loss / len(order)),
            "validation_loss": float(-np.log(np.maximum(right, 1e-7)).mean()),
            "validation_uar": found["uar"],
            "validation_accuracy": found["accuracy"],
            "seconds": time.perf_counter() - start,
        }
        best = max((old["validation_uar"] for old in state.history), default=-1.0)
        line["best"] = found["uar"] > best
        state.add(line)
        say(_said(line, config.epochs))
        sys.stdout.flush()
    kept = state.best_epoch if config.keep == "best" else len(state.history)
    if config.keep == "best":
        model.set_weights(state.best_weights())
    return Fitted(model, normalisation, pd.DataFrame(state.history), kept)


def predict(model: keras.Model, features: np.ndarray) -> np.ndarray:
    """Probabilities of normalised features [shape=(n, n_frames, n_inputs)].

    Returns
    -------
    probabilities [shape=(n, n_classes)]
        float32.
    """
    return np.concatenate(
        [model.predict_on_batch(features[at : at + 512]) for at in range(0, len(features), 512)]
    )


def _said(line: dict[str, Any], epochs: int) -> str:
    return (
        f"epoch {line['epoch']:3d}/{epochs}  loss {line['loss']:.3f}  "
        f"validation loss {line['validation_loss']:.3f}  UAR {line['validation_uar']:.3f}"
        f"{' *' if line['best'] else '  '}  {line['seconds']:.1f} s"
    )


def _stopped(history: list[dict[str, Any]], config: TrainingConfig) -> bool:
    if not config.patience or not history:
        return False
    best = int(np.argmax([line["validation_uar"] for line in history]))
    return len(history) - 1 - best >= config.patience


class _State:
    """All that training needs to go on: weights, optimiser, dropout's generator, history."""

    def __init__(self, folder: Path, model: keras.Model, identity: str) -> None:
        self.folder = folder
        self.model = model
        self.identity = identity
        self.history: list[dict[str, Any]] = []
        self.checkpoint = tf.train.Checkpoint(
            model=model,
            optimizer=model.optimizer,
            # tf_keras does not put a layer's generator into checkpoints by itself
            dropout=model.get_layer("dropout")._random_generator._generator,
        )
        self._restore()

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best validation UAR, from 1."""
        return 1 + int(np.argmax([line["validation_uar"] for line in self.history]))

    def best_weights(self) -> list[np.ndarray]:
        """Weights of the best epoch."""
        with np.load(self.folder / "best.npz") as stored:
            return [stored[name] for name in stored.files]

    def add(self, line: dict[str, Any]) -> None:
        """Write the state after an epoch; state.json comes last and names a whole checkpoint."""
        self.history.append(line)
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.best_epoch == line["epoch"]:
            np.savez(self.folder / "best.partial.npz", *self.model.get_weights())
            (self.folder / "best.partial.npz").replace(self.folder / "best.npz")
        name = f"epoch_{line['epoch']}"
        self.checkpoint.write(str(self.folder / name))
        files.write_json(
            self.folder / "state.json",
            {"identity": self.identity, "history": self.history, "checkpoint": name},
        )
        for old in self.folder.glob("epoch_*"):
            if not old.name.startswith(f"{name}."):
                old.unlink()

    def _restore(self) -> None:
        path = self.folder / "state.json"
        if not path.is_file():
            return
        state = files.read_json(path)
        if state["identity"] != self.identity:
            return  # other data or settings: start anew, the old state is overwritten
        self.model.optimizer.build(self.model.trainable_variables)
        self.checkpoint.read(str(self.folder / state["checkpoint"])).assert_consumed()
        self.history = state["history"]
