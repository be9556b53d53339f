"""Fitting a Keras net with one answer a clip: deterministic, stopped early, taken up after a stop.

For the systems that are rebuilt here; the project's own net has `training.recipe`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_tinyml import files, metrics

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras

AT_ONCE = 256  # rows that are answered together


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How long and how fast a net learns.

    Attributes
    ----------
    epochs
        At most.
    patience
        It is stopped after so many epochs in which the validation did not improve.
    batch_size
    learning_rate
        Of Adam in the first epoch; it falls to nothing along half a cosine.
    smoothing
        Share of each target that is spread evenly over the classes (label smoothing).
    """

    epochs: int = 50
    patience: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3
    smoothing: float = 0.0


@dataclass(frozen=True)
class Rows:
    """Inputs of a net, and the class of each.

    Attributes
    ----------
    inputs [shape=(n, …)]
        Normalised.
    labels [shape=(n,)]
    """

    inputs: np.ndarray
    labels: np.ndarray


def begin(seed: int) -> None:
    """One core, and the same numbers each time; before a net is built."""
    from ser_tinyml.nets.keras import make_deterministic, one_thread

    one_thread()  # trials run side by side
    make_deterministic(seed)


def fit(
    net: keras.Model,
    train: Rows,
    validation: Rows,
    *,
    settings: FitSettings,
    seed: int,
    folder: Path,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Fit a net on training rows; it ends with the weights of its best epoch.

    The best epoch is the one with the least cross-entropy of the validation rows. After each
    epoch all that the training needs goes to a folder, so that the same call takes it up.

    Parameters
    ----------
    net
        Inputs to probabilities, built after `begin`.
    seed
        Of the order of rows. Dropout draws from the generators of the net.
    say
        Gets a line an epoch.

    Returns
    -------
    history
        A line an epoch: epoch, loss, validation_loss, validation_uar, seconds.
    """
    state = _State(net, folder, settings=settings, seed=seed, rows=len(train.labels))
    step = _step_of(net, state.optimizer, smoothing=settings.smoothing)
    while len(state.history) < settings.epochs and not state.stopped(settings.patience):
        epoch, start = len(state.history), time.perf_counter()
        rate = settings.learning_rate * (1 + np.cos(np.pi * epoch / settings.epochs)) / 2
        state.optimizer.learning_rate.assign(rate)
        order = np.random.default_rng([seed, epoch]).permutation(len(train.labels))
        batches = [
            order[at : at + settings.batch_size] for at in range(0, len(order), settings.batch_size)
        ]
        loss = sum(
            len(batch) * float(step(train.inputs[batch], train.labels[batch])) for batch in batches
        )
        line = {"epoch": epoch + 1, "loss": loss / len(order), **_validated(net, validation)}
        state.add({**line, "seconds": time.perf_counter() - start})
        say("  ".join(f"{name} {value:.4g}" for name, value in state.history[-1].items()))
    net.set_weights(state.best_weights())
    return state.history


def predict(net: keras.Model, inputs: np.ndarray) -> np.ndarray:
    """Probabilities of normalised inputs [shape=(n, n_classes)]."""
    # not `predict_on_batch`, which warns where several nets answer in one process
    starts = range(0, len(inputs), AT_ONCE)
    parts = [net(inputs[at : at + AT_ONCE], training=False).numpy() for at in starts]
    return np.concatenate(parts)


def size(net: keras.Model) -> dict[str, float]:
    """Parameters, and multiply-accumulates of an answer in convolutions and Dense layers."""
    macs = 0
    for layer in net.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            positions = np.prod(layer.output_shape[1:-1], dtype=int)
            macs += int(positions * np.prod(kernel.shape))
    return {"parameters": net.count_params(), "macs": macs}


def save_weights(net: keras.Model, path: Path) -> None:
    """Write all weights in order."""
    files.write_arrays(path, {f"{n:03d}": value for n, value in enumerate(net.get_weights())})


def load_weights(net: keras.Model, path: Path) -> None:
    """Read what `save_weights` wrote into a net of the same build."""
    net.set_weights(list(files.read_arrays(path).values()))


def _step_of(net: keras.Model, optimizer: Any, *, smoothing: float) -> Callable[..., Any]:
    from ser_tinyml.nets.keras import keras, tf

    losses = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    n_classes = net.output_shape[-1]

    @tf.function(reduce_retracing=True)
    def step(inputs: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = losses(tf.one_hot(labels, n_classes), net(inputs, training=True))
        gradients = tape.gradient(loss, net.trainable_weights)
        optimizer.apply_gradients(zip(gradients, net.trainable_weights, strict=True))
        return loss

    return step


def _validated(net: keras.Model, validation: Rows) -> dict[str, float]:
    found = predict(net, validation.inputs)
    right = found[np.arange(len(found)), validation.labels]
    return {
        "validation_loss": float(-np.log(np.maximum(right, 1e-7)).mean()),
        "validation_uar": metrics.uar(validation.labels, found.argmax(axis=1)),
    }


class _State:
    """Weights, optimiser, generators and history on disk; what is there already is taken up."""

    def __init__(
        self, net: keras.Model, folder: Path, *, settings: FitSettings, seed: int, rows: int
    ) -> None:
        from ser_tinyml.nets.keras import keras, tf

        self.net, self.folder = net, folder
        self.optimizer = keras.optimizers.Adam(settings.learning_rate)
        self.optimizer.build(net.trainable_weights)
        self.history: list[dict[str, Any]] = []
        self._identity = files.sha256_json([asdict(settings), seed, rows, net.count_params()])
        # tf_keras does not put a layer's generator into checkpoints by itself
        generators = {
            layer.name: layer._random_generator._generator
            for layer in net.layers
            if getattr(getattr(layer, "_random_generator", None), "_generator", None)
        }
        self._checkpoint = tf.train.Checkpoint(net=net, optimizer=self.optimizer, **generators)
        path = folder / "state.json"
        known = files.read_json(path) if path.is_file() else {}
        if known.get("identity") == self._identity:
            self._checkpoint.read(str(folder / known["checkpoint"])).assert_consumed()
            self.history = known["history"]

    def _best(self) -> int:
        return int(np.argmin([line["validation_loss"] for line in self.history]))

    def stopped(self, patience: int) -> bool:
        """Whether the last epochs brought nothing."""
        return bool(self.history) and len(self.history) - 1 - self._best() >= patience

    def best_weights(self) -> Sequence[np.ndarray]:
        """Weights of the best epoch."""
        return list(files.read_arrays(self.folder / "best.npz").values())

    def add(self, line: dict[str, Any]) -> None:
        """Keep the state after an epoch; state.json comes last and names a whole checkpoint."""
        self.history.append(line)
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._best() == len(self.history) - 1:
            save_weights(self.net, self.folder / "best.npz")
        name = f"epoch_{len(self.history)}"
        self._checkpoint.write(str(self.folder / name))
        known = {"identity": self._identity, "history": self.history, "checkpoint": name}
        files.write_json(self.folder / "state.json", known)
        for old in self.folder.glob("epoch_*"):
            if not old.name.startswith(f"{name}."):
                old.unlink()
