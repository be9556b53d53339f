"""One training step: the net with an answer at every step, its loss, and the average of weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ser_tinyml.nets import models
from ser_tinyml.nets.keras import keras, tf
from ser_tinyml.training.batches import Batches
from ser_tinyml.training.config import TrainingConfig

_CLIP_NORM = 1.0  # gradients of an LSTM leap now and then
_FIRST_STEP = 0.25  # of the steps: answers before it are not trained


class TrainedNet:
    """The model, and beside it the same weights with an answer at every step, for training.

    Parameters
    ----------
    data
        What is trained on.
    n_classes
        Number of classes.
    config
        How; its net is built anew.
    teachers
        Fitted models of the same inputs and classes.
    """

    def __init__(
        self,
        data: Batches,
        *,
        n_classes: int,
        config: TrainingConfig,
        teachers: Sequence[keras.Model] = (),
    ) -> None:
        steps, inputs = data.validation_x.shape[1:]
        self.model = models.build(
            config.net,
            n_frames=steps,
            n_inputs=inputs,
            n_classes=n_classes,
            **config.options,
        )
        self.trained = models.for_training(
            self.model,
            between_dropout=config.between_dropout,
            auxiliary=data.emotion.shape[1] if config.auxiliary else 0,
        )
        n_batches = -(-len(data.epoch(np.random.default_rng(0))) // config.batch_size)
        rate = _rate(config, config.epochs * n_batches)
        self.optimizer = keras.optimizers.Adam(rate, clipnorm=_CLIP_NORM)
        self.optimizer.build(self.trained.trainable_variables)
        # The model's own weights; those of the auxiliary answer come on top.
        self.own = [
            variable
            for layer in self.model.layers
            if layer.weights
            for variable in self.trained.get_layer(layer.name).weights
        ]
        self.average = [tf.Variable(variable) for variable in self.own]
        self.teachers = [models.for_training(teacher) for teacher in teachers]
        self.config = config
        self.step_weight = tf.constant(step_weight(self._answers(), config.steps))
        self._step = tf.function(self._train_step, reduce_retracing=True)

    def step(self, arrays: Sequence[np.ndarray]) -> float:
        """Take one step with what `Batches.batch` gives, and give the loss."""
        return float(self._step(*(tf.constant(array, tf.float32) for array in arrays)))

    def _answers(self) -> int:
        """Steps at which the net answers."""
        outputs = self.trained.outputs[0]
        return int(outputs.shape[1])

    def use_average(self) -> None:
        """Give the model the weights that count."""
        counting = self.average if self.config.averaging else self.own
        self.model.set_weights([weight.numpy() for weight in counting])

    def _train_step(self, inputs, heard, target, weight, emotion, emotion_weight, outside, share):
        variables = self.trained.trainable_variables
        exact = [variable.read_value() for variable in variables]
        if self.config.int8_weights:
            for variable in variables:
                variable.assign(rounded(variable))
        with tf.GradientTape() as tape:
            answers = self.trained(inputs, training=True)
            loss, label_loss = self._losses(
                answers, heard, target, weight, emotion, emotion_weight, outside, share
            )
        gradients = tape.gradient(loss, variables)
        if self.config.int8_weights:
            for variable, value in zip(variables, exact, strict=True):
                variable.assign(value)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self._follow()
        return label_loss

    def _losses(self, answers, heard, target, weight, emotion, emotion_weight, outside, share):
        """What is minimised, and the part of it that comes from the labels."""
        config = self.config
        answer = answers[0] if config.auxiliary else answers
        label_loss = self._loss(self._smooth(target), answer, weight)
        loss = (1 - config.distillation) * label_loss
        if config.distillation:
            lesson = self._lesson(heard, self._smooth(target), outside, share)
            loss += config.distillation * self._taught_loss(lesson, answer, weight, share)
        if config.auxiliary:
            loss += config.auxiliary * self._loss(self._smooth(emotion), answers[1], emotion_weight)
        return loss, label_loss

    def _follow(self):
        """Let the average (an exponential moving average of the weights) follow the weights."""
        if not self.config.averaging:
            return
        taken = tf.cast(self.optimizer.iterations, tf.float32)
        decay = tf.minimum(self.config.averaging, (1 + taken) / (10 + taken))
        for mean, variable in zip(self.average, self.own, strict=True):
            # a layer's own statistics (batch normalisation) are averages already
            mean.assign(decay * mean + (1 - decay) * variable if variable.trainable else variable)

    def _smooth(self, target):
        """What every step of a row is to answer [shape=(rows, 1, classes)]."""
        smoothing = self.config.label_smoothing
        return (target * (1 - smoothing) + smoothing / target.shape[1])[:, None]

    def _taught(self, inputs):
        """What the teachers answer together after every step [shape=(rows, steps, classes)]."""
        answers = [teacher(inputs, training=False) for teacher in self.teachers]
        logits = [self._at_own_steps(answer) for answer in answers]
        return tf.stop_gradient(tf.nn.softmax(tf.add_n(logits) / len(logits)))

    def _at_own_steps(self, logits):
        """Answers of another kind of net, which may have one a clip: its last, repeated."""
        steps = self._answers()
        return logits if logits.shape[1] == steps else tf.repeat(logits[:, -1:], steps, axis=1)

    def _lesson(self, heard, labels, outside, share):
        """What is taught: the teachers' answers, or the labels, and the answer from outside."""
        base = self._taught(heard) if self.teachers else labels
        share = share[:, None, None]
        return share * outside[:, None] + (1 - share) * base

    def _taught_loss(self, lesson, logits, weight, share):
        """Against what is taught; the weight of a row of no class is zero, there 1 if it is."""
        own = tf.where(weight > 0, weight if self._balanced else 1.0, self._unlabelled(share))
        return self._loss(lesson, logits, own)

    @property
    def _balanced(self) -> bool:
        return self.config.taught_weights == "balanced"

    def _unlabelled(self, share):
        """The weight of a row of no class: without teachers it may have no lesson."""
        lesson = 1.0 if self.teachers else tf.cast(share > 0, tf.float32)
        return self.config.unlabelled * lesson

    def _loss(self, wanted, logits, weight):
        """Weighted cross-entropy, over the steps that are trained, a row."""
        entropy = -tf.reduce_sum(wanted * tf.nn.log_softmax(logits), axis=2)
        return tf.reduce_mean(weight * tf.reduce_sum(entropy * self.step_weight, axis=1))


def _rate(config: TrainingConfig, steps: int):
    """The learning rate, over so many steps."""
    if config.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    return config.learning_rate


def step_weight(steps: int, kind: str) -> np.ndarray:
    """Weight of each step's answer in the loss; they add up to 1.

    Parameters
    ----------
    steps
        At which the net answers; 1 where it answers at the end alone.
    kind
        One of `config.STEPS`.
    """
    weight = np.zeros(steps, np.float32)
    if kind == "all" and steps > 1:
        first = int(_FIRST_STEP * steps)
        weight[first:] = np.linspace(0.3, 1, steps - first)
        weight[-1] = 3  # the answer that counts
    else:
        weight[-1] = 1
    return weight / weight.sum()


def rounded(variable):
    """A weight matrix as int8 holds it; a bias, which is held in 32 bits, as it is."""
    if len(variable.shape) < 2:
        return variable
    scale = tf.maximum(tf.reduce_max(tf.abs(variable)), 1e-9) / 127
    return tf.round(variable / scale) * scale
