"""Fitting a net: deterministic, a line an epoch, best weights kept, and resumable at any epoch."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml import files, metrics
from ser_tinyml.data import splits
from ser_tinyml.features import FeatureConfig, cepstra, frame_augment
from ser_tinyml.features.extract import CLEAN, LOUD
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.files import DataError
from ser_tinyml.nets import models
from ser_tinyml.nets.keras import keras, make_deterministic, tf
from ser_tinyml.training.config import TrainingConfig

_CLIP_NORM = 1.0  # gradients of an LSTM leap now and then
_FIRST_STEP = 0.25  # of the steps: before that a net has heard too little to be blamed


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


@dataclass(frozen=True)
class Frames:
    """Mel bands of the training rows, to be changed anew in every epoch.

    Attributes
    ----------
    windows [shape=(rows, n_frames + 2 margin, n_mels)]
        From `frame_augment.window`, a row of bands for each row of features; may be memory-mapped.
    config
        The configuration of the features.
    augmentation
        How they are changed.
    """

    windows: np.ndarray
    config: FeatureConfig
    augmentation: FrameAugmentConfig


def class_weights(
    label_ids: np.ndarray, *, n_classes: int, kind: str, share: np.ndarray | None = None
) -> np.ndarray:
    """Weight of each class in the loss; the average over the rows is 1.

    Parameters
    ----------
    label_ids [shape=(rows,)]
    kind
        One of `CLASS_WEIGHTS`.
    share [shape=(rows,)]
        How often a row is seen in an epoch; default: once.

    Returns
    -------
    weights [shape=(n_classes,)]
    """
    count = np.bincount(label_ids, weights=share, minlength=n_classes).astype(np.float64)
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[kind]
    weights = np.where(count > 0, np.maximum(count, 1e-9) ** -power, 0)
    return weights * count.sum() / (weights * count).sum()


def fit(
    features: np.ndarray,
    rows: pd.DataFrame,
    *,
    classes: Sequence[str],
    config: TrainingConfig,
    folder: Path,
    frames: Frames | None = None,
    teachers: Sequence[keras.Model] = (),
    say: Callable[[str], None] = print,
) -> Fitted:
    """Fit the LSTM 128/64 on the training rows; config.keep says which epoch counts.

    After every epoch the whole state goes to folder/checkpoint, so that the same call takes up an
    interrupted training and ends at the same weights, to the bit. A finished training is not
    repeated. Test rows are not looked at.

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
        For distillation: fitted models of the same inputs and classes. They hear each clip as it
        was changed for this step, and in place of a loud copy the clip itself, changed alike; their
        mean logit after each step is what is learned.
    say
        Gets one line an epoch.

    Raises
    ------
    DataError
        If features and rows differ in number, training or validation has no rows, or something
        that the configuration needs is missing.
    """
    data = _Data.gather(features, rows, n_classes=len(classes), config=config, frames=frames)
    if bool(teachers) != (config.distillation > 0):
        raise DataError("training: expected teachers where distillation is over 0, and only there")
    make_deterministic(config.seed)
    net = _Net(data, n_classes=len(classes), config=config, teachers=teachers)
    state = _State(folder / "checkpoint", net, data.identity(config, teachers))
    for line in state.history:
        say(_said(line, config.epochs))
    if state.history:
        say(f"taken up after epoch {len(state.history)}")

    for epoch in range(len(state.history), config.epochs):
        if _stopped(state.history, config):
            break
        start = time.perf_counter()
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
        net.model.set_weights(state.best_weights())
    else:
        net.use_average()
    return Fitted(net.model, data.normalisation, pd.DataFrame(state.history), kept)


@dataclass(frozen=True)
class _Data:
    """What training reads: the training rows, by their number among themselves, and validation.

    Attributes
    ----------
    train [shape=(n,)]
        Rows of the features.
    heard [shape=(n,)], loud [shape=(n,)]
        The row that teachers hear in place of each, which for a loud copy is the clip itself; and
        the loud copy of each row's clip. Without such copies, each row itself.
    target [shape=(n, n_classes)], weight [shape=(n,)]
        One-hot class and its weight; both zero where a row belongs to no class.
    emotion [shape=(n, emotions)], emotion_weight [shape=(n,)]
        Of the auxiliary answer.
    clip, speaker [shape=(n,)]
        Numbers of each row's clip and speaker.
    """

    train: np.ndarray
    heard: np.ndarray
    loud: np.ndarray
    features: np.ndarray
    frames: Frames | None
    normalisation: Normalisation
    target: np.ndarray
    weight: np.ndarray
    emotion: np.ndarray
    emotion_weight: np.ndarray
    clip: np.ndarray
    speaker: np.ndarray
    validation_x: np.ndarray
    validation_y: np.ndarray
    config: TrainingConfig

    @classmethod
    def gather(
        cls,
        features: np.ndarray,
        rows: pd.DataFrame,
        *,
        n_classes: int,
        config: TrainingConfig,
        frames: Frames | None,
    ) -> _Data:
        for name, array in (("features", features), ("frames", frames and frames.windows)):
            if array is not None and len(array) != len(rows):
                raise DataError(
                    f"training: expected {len(rows)} rows of {name}, found {len(array)}"
                )
        used = rows["split"]
        if not config.loud and "variant" in rows:
            used = used.mask(rows["variant"] == LOUD)
        parts = [np.flatnonzero(used == name) for name in (splits.TRAIN, splits.VALIDATION)]
        for name, index in zip((splits.TRAIN, splits.VALIDATION), parts, strict=True):
            if not len(index):
                raise DataError(f"training: expected rows in {name}, found none")
        train, validation = parts
        table = rows.iloc[train]
        heard = loud = np.arange(len(table))
        if config.loud:
            loud = _version(table, LOUD)
            heard = np.where(table["variant"] == LOUD, _version(table, CLEAN), heard)
        normalisation = (
            Normalisation.fit(np.asarray(features[np.unique(train[heard])]))
            if config.normalise
            else Normalisation.identity(features.shape[2])
        )

        def numbers(column: str, needed: bool) -> np.ndarray:
            if column in table or needed:
                return pd.factorize(_column(table, column))[0]
            return np.arange(len(table))

        clip = numbers("key", config.versions == "one" or config.speaker_clips > 0)
        speaker = numbers("speaker", config.speaker_clips > 0)
        share = _share(clip, speaker, config)
        label = table["label_id"].to_numpy()
        of_class = label >= 0
        weight = class_weights(
            label[of_class], n_classes=n_classes, kind=config.class_weights, share=share[of_class]
        )
        emotion = numbers("emotion", config.auxiliary > 0) if config.auxiliary else label * 0
        emotion_weight = class_weights(
            emotion, n_classes=emotion.max() + 1, kind="sqrt", share=share
        )
        return cls(
            train=train,
            heard=heard,
            loud=loud,
            features=features if frames else normalisation.apply(features[train]),
            frames=frames,
            normalisation=normalisation,
            target=np.where(of_class[:, None], np.eye(n_classes)[label], 0).astype(np.float32),
            weight=np.where(of_class, weight[label], 0).astype(np.float32),
            emotion=np.eye(emotion.max() + 1, dtype=np.float32)[emotion],
            emotion_weight=emotion_weight[emotion].astype(np.float32),
            clip=clip,
            speaker=speaker,
            validation_x=normalisation.apply(features[validation]),
            validation_y=rows["label_id"].to_numpy()[validation],
            config=config,
        )

    def identity(self, config: TrainingConfig, teachers: Sequence[keras.Model] = ()) -> str:
        """Fingerprint of all that a training depends on."""
        arrays = [self.train, self.heard, self.target, self.emotion, self.clip, self.speaker]
        arrays += [self.validation_x, self.validation_y, self.normalisation.mean]
        arrays += [self.frames.windows if self.frames else self.features]
        arrays += [weight for teacher in teachers for weight in teacher.get_weights()]
        augmentation = self.frames and [self.frames.config.hash, self.frames.augmentation.to_dict()]
        digests = [files.sha256_bytes(np.ascontiguousarray(array).data) for array in arrays]
        return files.sha256_json([asdict(config), augmentation, digests])

    def epoch(self, rng: np.random.Generator) -> np.ndarray:
        """Training rows of an epoch, in the order they are seen."""
        order = rng.permutation(np.flatnonzero(self.heard == np.arange(len(self.train))))
        if self.config.versions == "one":
            _, first = np.unique(self.clip[order], return_index=True)
            order = order[np.sort(first)]
        if self.config.speaker_clips:
            number = pd.Series(self.speaker[order]).groupby(self.speaker[order]).cumcount()
            order = order[(number < self.config.speaker_clips).to_numpy()]
        if self.config.loud:
            chosen = rng.random(len(order)) < self.config.loud
            order[chosen] = self.loud[order[chosen]]
        return order

    def batch(self, batch: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """What a step takes: normalised inputs, changed as training wants them, and answers.

        Returns
        -------
        arrays
            Inputs, what teachers hear of them, target, weight, emotion and its weight; a row each.
        """
        heard = self.heard[batch]
        if np.array_equal(heard, batch):
            inputs = taught = self._inputs(batch, rng)
        else:  # changed alike
            inputs, taught = self._inputs(batch, copy.deepcopy(rng)), self._inputs(heard, rng)
        more = len(inputs) - len(batch)  # sounds without speech
        any_class = np.full((more, self.target.shape[1]), 1 / self.target.shape[1])
        arrays = [
            inputs,
            taught,
            np.concatenate([self.target[batch], any_class]),
            np.concatenate([self.weight[batch], np.ones(more)]),
            np.concatenate([self.emotion[batch], np.zeros((more, self.emotion.shape[1]))]),
            np.concatenate([self.emotion_weight[batch], np.zeros(more)]),
        ]
        return _mixed(arrays, rng, share=self.config.mixing) if self.config.mixing else arrays

    def _inputs(self, batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Normalised inputs of some training rows, and after them sounds without speech."""
        if self.frames is None:
            inputs = self.features[batch]
        else:
            config = self.frames.config
            bands = frame_augment.augment_frames(
                np.asarray(self.frames.windows[self.train[batch]], np.float32),
                rng,
                augmentation=self.frames.augmentation,
                config=config,
            )
            more = round(self.config.nonspeech * len(batch))
            bands = np.concatenate([bands, frame_augment.nonspeech(more, rng, config)])
            values = cepstra(bands, config).reshape(len(bands), *config.feature_shape)
            inputs = self.normalisation.apply(values)
        if self.config.input_noise:
            noise = rng.standard_normal(inputs.shape, dtype=np.float32)
            inputs = inputs + self.config.input_noise * noise
        return inputs


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        raise DataError(f"training: expected a column {name!r}, found {[*table.columns]}")
    return table[name]


def _version(table: pd.DataFrame, variant: str) -> np.ndarray:
    """The place in the table of one version of each row's clip.

    Raises
    ------
    DataError
        If a clip has none, or the column key or variant is missing.
    """
    clip, mine = _column(table, "key"), (_column(table, "variant") == variant).to_numpy()
    places = pd.Series(np.flatnonzero(mine), clip[mine]).reindex(clip)
    if places.isna().any():
        lacking = places.index[places.isna()][0]
        raise DataError(f"training: expected the version {variant!r} of {lacking} too, found none")
    return places.to_numpy(np.intp)


def _mixed(
    arrays: Sequence[np.ndarray], rng: np.random.Generator, *, share: float
) -> list[np.ndarray]:
    """A share of the rows as a weighted mean of themselves, at least half, and another row."""
    rows = len(arrays[0])
    other = rng.permutation(rows)
    own = np.where(rng.random(rows) < share, rng.uniform(0.5, 1, rows), 1).astype(np.float32)
    found = []
    for array in arrays:
        factor = own.reshape(-1, *[1] * (array.ndim - 1))
        found.append(factor * array + (1 - factor) * array[other])
    return found


def _share(clip: np.ndarray, speaker: np.ndarray, config: TrainingConfig) -> np.ndarray:
    """How often each training row is seen in an epoch, on average."""
    share = np.ones(len(clip))
    if config.versions == "one":
        share /= np.bincount(clip)[clip]
    if config.speaker_clips:
        of_speaker = np.bincount(speaker, weights=share)[speaker]
        share *= np.minimum(1, config.speaker_clips / of_speaker)
    return share


class _Net:
    """The model, and beside it the same weights with an answer at every step, for training."""

    def __init__(
        self,
        data: _Data,
        *,
        n_classes: int,
        config: TrainingConfig,
        teachers: Sequence[keras.Model] = (),
    ) -> None:
        steps, inputs = data.validation_x.shape[1:]
        self.model = models.build_lstm(
            n_frames=steps,
            n_inputs=inputs,
            n_classes=n_classes,
            units=config.units,
            dropout=config.dropout,
        )
        self.trained = models.answers_at_every_step(
            self.model,
            between_dropout=config.between_dropout,
            auxiliary=data.emotion.shape[1] if config.auxiliary else 0,
        )
        n_steps = config.epochs * -(-len(data.epoch(np.random.default_rng(0))) // config.batch_size)
        rate = (
            keras.optimizers.schedules.CosineDecay(config.learning_rate, n_steps)
            if config.schedule == "cosine"
            else config.learning_rate
        )
        self.optimizer = keras.optimizers.Adam(rate, clipnorm=_CLIP_NORM)
        self.optimizer.build(self.trained.trainable_variables)
        # The model's own weights; those of the auxiliary answer come on top.
        self.own = [
            variable
            for layer in self.model.layers
            if layer.weights
            for variable in self.trained.get_layer(layer.name).trainable_variables
        ]
        self.average = [tf.Variable(variable) for variable in self.own]
        self.teachers = [models.answers_at_every_step(teacher) for teacher in teachers]
        self.config = config
        self.step_weight = tf.constant(_step_weight(steps, config.steps))
        self._step = tf.function(self._train_step, reduce_retracing=True)

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        """Take one step with what `_Data.batch` gives, and give the loss."""
        return float(self._step(*(tf.constant(array, tf.float32) for array in arrays)))

    def use_average(self) -> None:
        """Give the model the weights that count."""
        counting = self.average if self.config.averaging else self.own
        self.model.set_weights([weight.numpy() for weight in counting])

    def _train_step(self, inputs, heard, target, weight, emotion, emotion_weight):
        config = self.config
        variables = self.trained.trainable_variables
        exact = [variable.read_value() for variable in variables]
        if config.int8_weights:
            for variable in variables:
                variable.assign(_rounded(variable))
        with tf.GradientTape() as tape:
            answers = self.trained(inputs, training=True)
            answer = answers[0] if config.auxiliary else answers
            label_loss = self._loss(self._smooth(target), answer, weight)
            loss = (1 - config.distillation) * label_loss
            if config.distillation:
                loss += config.distillation * self._taught_loss(heard, answer, weight)
            if config.auxiliary:
                loss += config.auxiliary * self._loss(
                    self._smooth(emotion), answers[1], emotion_weight
                )
        gradients = tape.gradient(loss, variables)
        if config.int8_weights:
            for variable, value in zip(variables, exact, strict=True):
                variable.assign(value)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        if config.averaging:
            taken = tf.cast(self.optimizer.iterations, tf.float32)
            decay = tf.minimum(config.averaging, (1 + taken) / (10 + taken))
            for mean, variable in zip(self.average, self.own, strict=True):
                mean.assign(decay * mean + (1 - decay) * variable)
        return label_loss

    def _smooth(self, target):
        """What every step of a row is to answer [shape=(rows, 1, classes)]."""
        smoothing = self.config.label_smoothing
        return (target * (1 - smoothing) + smoothing / target.shape[1])[:, None]

    def _taught(self, inputs):
        """What the teachers answer together after every step [shape=(rows, steps, classes)]."""
        logits = [teacher(inputs, training=False) for teacher in self.teachers]
        return tf.stop_gradient(tf.nn.softmax(tf.add_n(logits) / len(logits)))

    def _taught_loss(self, inputs, logits, weight):
        """Against what the teachers answer; the weight of a row of no class is zero, there 1."""
        balanced = self.config.taught_weights == "balanced"
        own = tf.where(weight > 0, weight, 1.0) if balanced else 1.0
        return self._loss(self._taught(inputs), logits, own)

    def _loss(self, wanted, logits, weight):
        """Weighted cross-entropy, over the steps that are trained, a row."""
        entropy = -tf.reduce_sum(wanted * tf.nn.log_softmax(logits), axis=2)
        return tf.reduce_mean(weight * tf.reduce_sum(entropy * self.step_weight, axis=1))


def _step_weight(steps: int, kind: str) -> np.ndarray:
    """Weight of each step's answer in the loss; they add up to 1."""
    weight = np.zeros(steps, np.float32)
    if kind == "all":
        first = int(_FIRST_STEP * steps)
        weight[first:] = np.linspace(0.3, 1, steps - first)
        weight[-1] = 3  # the answer that counts
    else:
        weight[-1] = 1
    return weight / weight.sum()


def _rounded(variable):
    """A weight matrix as int8 holds it; a bias, which is held in 32 bits, as it is."""
    if len(variable.shape) < 2:
        return variable
    scale = tf.maximum(tf.reduce_max(tf.abs(variable)), 1e-9) / 127
    return tf.round(variable / scale) * scale


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
    """All that training needs to go on: weights, optimiser, dropout's generators, history."""

    def __init__(self, folder: Path, net: _Net, identity: str) -> None:
        self.folder = folder
        self.net = net
        self.identity = identity
        self.history: list[dict[str, Any]] = []
        # tf_keras does not put a layer's generator into checkpoints by itself
        generators = {
            layer.name: layer._random_generator._generator
            for layer in net.trained.layers
            if isinstance(layer, keras.layers.Dropout)
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
            np.savez(self.folder / "best.partial.npz", *self.net.model.get_weights())
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
        self.checkpoint.read(str(self.folder / state["checkpoint"])).assert_consumed()
        self.history = state["history"]
