"""Fitting a net: deterministic, a line an epoch, best weights kept, and resumable at any epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml import metrics
from ser_tinyml.features.normalisation import Normalisation, Selected, blocks
from ser_tinyml.files import DataError
from ser_tinyml.nets.keras import keras, make_deterministic
from ser_tinyml.training.batches import Batches, Frames
from ser_tinyml.training.checkpoint import Checkpoint
from ser_tinyml.training.config import TrainingConfig
from ser_tinyml.training.net import TrainedNet


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


def fit(
    features: np.ndarray,
    rows: pd.DataFrame,
    *,
    classes: Sequence[str],
    config: TrainingConfig,
    folder: Path,
    frames: Frames | None = None,
    teachers: Sequence[keras.Model] = (),
    outside: np.ndarray | None = None,
    say: Callable[[str], None] = print,
) -> Fitted:
    """Fit a net on the training rows; config.keep says which epoch counts.

    After every epoch the whole state goes to folder/checkpoint: the same call takes up a training
    and ends at the same weights, to the bit. Test rows are not looked at.

    Parameters
    ----------
    features [shape=(rows, n_frames, n_inputs)]
        float32, not normalised; may be memory-mapped.
    rows
        Table with columns label_id and split, in the order of the features; key, speaker and
        emotion, and variant beside key, where the configuration needs them. A training row whose
        label_id is -1 belongs to no class and serves the auxiliary answer only.
    classes
        Names of the classes.
    frames
        Train on these bands, changed anew each epoch, instead of on the features as they are.
    teachers
        For distillation: fitted models, whose mean logit after each step is learned. They hear what
        the net hears, and in place of a loud copy the clip itself, changed alike.
    outside [shape=(rows, n_classes)]
        For distillation too: answers of a teacher from outside (`outside.answers`).
    say
        Gets one line an epoch.

    Raises
    ------
    DataError
        If features and rows differ in number, or something that the configuration needs is missing.
    """
    lessons = {"outside": outside, "taught": bool(teachers)}
    if bool(teachers or outside is not None) != (config.distillation > 0):
        raise DataError("training: expected teachers where distillation is over 0, and only there")
    count = len(classes)
    data = Batches.gather(features, rows, n_classes=count, config=config, frames=frames, **lessons)
    make_deterministic(config.seed)
    net = TrainedNet(data, n_classes=count, config=config, teachers=teachers)
    state = Checkpoint(folder / "checkpoint", net, data.identity(config, teachers))
    _say_history(state, config, say)
    while len(state.history) < config.epochs and not _stopped(state.history, config):
        state.add(line := _epoch(net, data, state.history, classes=classes))
        say(_said(line, config.epochs))
        sys.stdout.flush()
    return _fitted(net, data, state, config)


def _fitted(net: TrainedNet, data: Batches, state: Checkpoint, config: TrainingConfig) -> Fitted:
    """The net with the weights that count."""
    if config.keep == "best":
        net.model.set_weights(state.best_weights())
        kept = state.best_epoch
    else:
        net.use_average()
        kept = len(state.history)
    return Fitted(net.model, data.normalisation, pd.DataFrame(state.history), kept)


def _say_history(state: Checkpoint, config: TrainingConfig, say: Callable[[str], None]) -> None:
    """The epochs of a training that is taken up."""
    for line in state.history:
        say(_said(line, config.epochs))
    if state.history:
        say(f"taken up after epoch {len(state.history)}")


def _epoch(
    net: TrainedNet,
    data: Batches,
    history: Sequence[Mapping[str, Any]],
    *,
    classes: Sequence[str],
) -> dict[str, Any]:
    """Train for the epoch after those of the history, and say how it went."""
    config, epoch, start = data.config, len(history), time.perf_counter()
    rng = np.random.default_rng([config.seed, epoch])
    order = data.epoch(rng)
    loss = 0.0
    for first in range(0, len(order), config.batch_size):
        batch = order[first : first + config.batch_size]
        loss += len(batch) * net.step(data.batch(batch, rng))
    net.use_average()
    probabilities = predict(net.model, data.validation_x)
    found = metrics.score(data.validation_y, probabilities.argmax(axis=1), classes=classes)
    right = probabilities[np.arange(len(data.validation_y)), data.validation_y]
    return {
        "epoch": epoch + 1,
        "loss": float(loss / len(order)),
        "validation_loss": float(-np.log(np.maximum(right, 1e-7)).mean()),
        "validation_uar": found["uar"],
        "validation_accuracy": found["accuracy"],
        "seconds": time.perf_counter() - start,
        "best": found["uar"] > max((old["validation_uar"] for old in history), default=-1.0),
    }


def predict(model: keras.Model, features: np.ndarray | Selected) -> np.ndarray:
    """Probabilities of normalised features [shape=(n, n_frames, n_inputs)].

    Returns
    -------
    probabilities [shape=(n, n_classes)]
        float32.
    """
    return np.concatenate([model.predict_on_batch(some) for some in blocks(features, 512)])


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
