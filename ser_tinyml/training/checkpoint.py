"""The state of a training on disk, so that an interrupted one goes on to the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import files
from ser_tinyml.nets.keras import tf
from ser_tinyml.training.net import TrainedNet


class Checkpoint:
    """All that training needs to go on: weights, optimiser, dropout's generators, history.

    Parameters
    ----------
    folder
        Where it is kept; what is there of the same identity is taken up.
    net
        Gets the weights that are taken up.
    identity
        Fingerprint of all that the training depends on.
    """

    def __init__(self, folder: Path, net: TrainedNet, identity: str) -> None:
        self.folder = folder
        self.net = net
        self.identity = identity
        self.history: list[dict[str, Any]] = []
        # tf_keras does not put a layer's generator into checkpoints by itself
        generators = {
            layer.name: layer._random_generator._generator
            for layer in net.trained.layers
            if getattr(getattr(layer, "_random_generator", None), "_generator", None)
        }
        self.checkpoint = tf.train.Checkpoint(
            model=net.trained, optimizer=net.optimizer, average=net.average, **generators
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
            weights = self.net.model.get_weights()
            named = {f"{n:03d}": value for n, value in enumerate(weights)}
            files.write_arrays(self.folder / "best.npz", named)
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
        self.checkpoint.read(str(self.folder / state["checkpoint"])).assert_consumed()
        self.history = state["history"]
