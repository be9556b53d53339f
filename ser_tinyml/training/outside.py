"""A teacher from outside: what a large speech model hears, turned into answers for training rows.

The model knows nothing of the classes. A small net on top of its frozen embeddings learns them from
the training rows. It must answer about a training clip as it would about a stranger's, so each
speaker's rows are answered by a net that never heard that speaker (out of fold).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

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
    found = np.full((len(rows), len(classes)), np.nan, np.float32)
    for number in range(GROUPS):
        asked = training & (group == number) & _many(rows, training)
        learnt = labelled & (group != number)
        if not asked.any() or not learnt.any():
            continue
        net = _fit(embeddings, rows, np.flatnonzero(learnt), n_classes=len(classes), seed=seed)
        found[asked] = net(embeddings[asked])
        say(f"teacher from outside, {number + 1}/{GROUPS}: {_right(found, rows, asked)}")
    return found


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
    target = np.eye(n_classes, dtype=np.float32)[label]
    net = keras.Sequential(
        [
            keras.Input(known.shape[1:]),
            keras.layers.Dense(_HIDDEN, activation="relu"),
            keras.layers.Dropout(_DROPOUT),
            keras.layers.Dense(n_classes),
        ]
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=_SMOOTHING)
    net.compile(keras.optimizers.AdamW(_RATE, weight_decay=_DECAY), loss)
    for _ in range(_EPOCHS):
        order = rng.permutation(len(learnt))
        _, first = np.unique(clip[order], return_index=True)
        order = order[np.sort(first)]
        for at in range(0, len(order), _BATCH):
            batch = order[at : at + _BATCH]
            net.train_on_batch(known[batch], target[batch], sample_weight=weight[batch])

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
