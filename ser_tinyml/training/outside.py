"""A teacher from outside: what a large speech model hears, turned into answers for training rows.

The model knows nothing of the classes. A small net on top of its frozen embeddings learns them from
the training rows. It must answer about a training clip as it would about a stranger's, so each
speaker's rows are answered by a net that never heard that speaker (out of fold).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from ser_tinyml.data import splits
from ser_tinyml.features.extract import CLEAN
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.nets.keras import keras, make_deterministic, tf

GROUPS = 5  # of speakers; as many nets are trained
FEWEST_SPEAKERS = 8  # of a corpus: with fewer, an answer about a stranger is a guess
_HIDDEN, _DROPOUT, _SMOOTHING = 256, 0.3, 0.1
_EPOCHS, _BATCH, _RATE, _DECAY = 30, 128, 1e-3, 1e-3


def answers(
    embeddings: np.ndarray,
    rows: pd.DataFrame,
    *,
    classes: Sequence[str],
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> np.ndarray:
    """What the teacher answers about every training row.

    Parameters
    ----------
    embeddings [shape=(rows, width)]
        From `features.whisper`, a row each.
    rows
        Columns key, corpus, speaker, variant, split and label_id.
    classes
        Names of the classes.
    seed
        Of the nets, and of the version of a clip that each epoch takes.
    say
        Gets a line a net.

    Returns
    -------
    answers [shape=(rows, n_classes)]
        float32 probabilities; NaN where there is no answer: outside training, and in corpora of
        fewer than FEWEST_SPEAKERS training speakers.
    """
    training = (rows["split"] == splits.TRAIN).to_numpy()
    group = _groups(rows[training]).reindex(rows["speaker"]).to_numpy()
    labelled = training & (rows["label_id"] >= 0).to_numpy()
    found = np.full((len(rows), len(classes)), np.nan)
    for number in range(GROUPS):
        asked = training & (group == number) & _many(rows, training)
        learnt = labelled & (group != number)
        if not asked.any() or not learnt.any():
            continue
        net = _fit(embeddings, rows, np.flatnonzero(learnt), n_classes=len(classes), seed=seed)
        found[asked] = net(embeddings[asked])
        say(f"teacher from outside, {number + 1}/{GROUPS}: {_right(found, rows, asked)}")
    known = ~np.isnan(found[:, 0])
    if (judged := known & labelled).any():
        scaling = Scaling.fit(found[judged], rows["label_id"].to_numpy()[judged])
        found[known] = scaling.apply(found[known])
    return found.astype(np.float32)


@dataclass(frozen=True)
class Scaling:
    """What makes probabilities right where all classes are as frequent: vector scaling.

    Attributes
    ----------
    slope
        By which all logits are multiplied.
    bias [shape=(n_classes,)]
        Added to them.

    References
    ----------
    C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """

    slope: float
    bias: np.ndarray

    @classmethod
    def fit(cls, probabilities: np.ndarray, label_ids: np.ndarray) -> Scaling:
        """Make the right answers as likely as they can be, each class counting the same."""
        logits = np.log(np.maximum(probabilities, 1e-6))
        places = np.arange(len(label_ids)), label_ids
        count = np.bincount(label_ids, minlength=logits.shape[1])
        weight = (1 / np.maximum(count, 1))[label_ids]
        weight /= weight.sum()

        def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
            scaled = logits * numbers[0] + numbers[1:]
            normal = scaled - logsumexp(scaled, axis=1, keepdims=True)
            wrong = np.exp(normal)
            wrong[places] -= 1
            wrong *= weight[:, None]
            slope = (wrong * logits).sum()
            return -(weight * normal[places]).sum(), np.array([slope, *wrong.sum(axis=0)])

        start = np.array([1.0, *np.zeros(logits.shape[1])])
        found = minimize(loss, start, jac=True, method="L-BFGS-B").x
        return cls(float(found[0]), found[1:])

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities [shape=(n, n_classes)] made right."""
        return softmax(np.log(np.maximum(probabilities, 1e-6)) * self.slope + self.bias, axis=1)


def _groups(rows: pd.DataFrame) -> pd.Series:
    """A group for each speaker, every corpus spread over all of them."""
    speakers = rows[["corpus", "speaker"]].drop_duplicates().sort_values(["corpus", "speaker"])
    return pd.Series(np.arange(len(speakers)) % GROUPS, speakers["speaker"])


def _many(rows: pd.DataFrame, training: np.ndarray) -> np.ndarray:
    """Rows of corpora that have enough training speakers."""
    speakers = rows[training].groupby("corpus")["speaker"].nunique()
    return rows["corpus"].map(speakers >= FEWEST_SPEAKERS).eq(True).to_numpy()


def _fit(
    embeddings: np.ndarray, rows: pd.DataFrame, learnt: np.ndarray, *, n_classes: int, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Train a net of one hidden layer, an epoch of one version of each clip; gives its answers."""
    make_deterministic(seed)
    rng = np.random.default_rng(seed)
    label = rows["label_id"].to_numpy()[learnt]
    clip = pd.factorize(rows["key"].to_numpy()[learnt])[0]
    weight = (1 / np.maximum(np.bincount(label, minlength=n_classes), 1))[label]
    weight = (weight / weight.mean()).astype(np.float32)
    known = np.asarray(embeddings[learnt], np.float32)
    normalisation = Normalisation.fit(known[:, np.newaxis])
    known = normalisation.apply(known[:, np.newaxis])[:, 0]
    target = np.eye(n_classes, dtype=np.float32)[label] * (1 - _SMOOTHING) + _SMOOTHING / n_classes
    net = keras.Sequential(
        [
            keras.Input(known.shape[1:]),
            keras.layers.Dense(_HIDDEN, activation="relu"),
            keras.layers.Dropout(_DROPOUT),
            keras.layers.Dense(n_classes),
        ]
    )
    optimizer = keras.optimizers.AdamW(_RATE, weight_decay=_DECAY)

    @tf.function(reduce_retracing=True)
    def step(inputs, wanted, weight):
        with tf.GradientTape() as tape:
            entropy = tf.nn.softmax_cross_entropy_with_logits(wanted, net(inputs, training=True))
            loss = tf.reduce_mean(weight * entropy)
        variables = net.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for _ in range(_EPOCHS):
        order = rng.permutation(len(learnt))
        _, first = np.unique(clip[order], return_index=True)
        order = order[np.sort(first)]
        for at in range(0, len(order), _BATCH):
            batch = order[at : at + _BATCH]
            step(known[batch], target[batch].astype(np.float32), weight[batch])

    def answer(asked: np.ndarray) -> np.ndarray:
        inputs = normalisation.apply(np.asarray(asked, np.float32)[:, np.newaxis])[:, 0]
        parts = [net.predict_on_batch(inputs[at : at + 4096]) for at in range(0, len(inputs), 4096)]
        return tf.nn.softmax(np.concatenate(parts)).numpy()

    return answer


def _right(found: np.ndarray, rows: pd.DataFrame, asked: np.ndarray) -> str:
    """How often it is right about clips as they are, by corpus."""
    chosen = asked & ((rows["label_id"] >= 0) & (rows["variant"] == CLEAN)).to_numpy()
    right = rows["label_id"].to_numpy()[chosen] == found[chosen].argmax(axis=1)
    shares = pd.Series(right).groupby(rows["corpus"].to_numpy()[chosen]).mean()
    return ", ".join(f"{corpus} {share:.2f}" for corpus, share in shares.items()) + " right"
