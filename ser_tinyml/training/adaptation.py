"""From a few labelled clips of one person to that person's last layer. Needs no TensorFlow.

The body of the net is kept to the bit. Its last Dense layer becomes the most probable one, given
the clips and a Gaussian prior around the old layer (maximum a posteriori). The prior is narrow
where the layer's change would move the answers to many people's clips, and the clips count by
their number: one clip a class moves the layer a little, ten move it further.

References
----------
J.-L. Gauvain, C.-H. Lee, Maximum a posteriori estimation for multivariate Gaussian mixture
observations of Markov chains, IEEE Transactions on Speech and Audio Processing 2(2), 1994.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ser_tinyml.data import splits
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.files import DataError
from ser_tinyml.tflite import answer_layer
from ser_tinyml.tflite.answer_layer import AnswerLayer, HiddenStatistics
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

if TYPE_CHECKING:
    import pandas as pd

_STEPS = 50  # of Newton's method; it takes about eight
_ENOUGH = 1e-9  # by which a step improves the loss at most, relative to it, when it has arrived
CLIPS = 2000  # of the training that are looked at: enough for 64 hidden values
PARTS = 10  # that clips are dealt to, to be answered by a layer that did not hear them


@dataclass(frozen=True, kw_only=True)
class AdaptationConfig:
    """How far the layer may move. Chosen on folds 0 and 1.

    Attributes
    ----------
    pull
        Precision of the prior: what it costs to move the logits of people's clips by a deviation
        of 1, against the log-likelihood of one clip.
    correlated
        How much of the covariance of people's hidden values the prior knows, 0 to 1; the rest
        counts each hidden value by itself.
    bias_pull
        Precision of the prior of the biases.
    """

    pull: float = 0.15
    correlated: float = 0.9
    bias_pull: float = 10.0

    def __post_init__(self) -> None:
        for name in ("pull", "bias_pull"):
            if not getattr(self, name) > 0:
                raise DataError(f"{name}: expected above 0, found {getattr(self, name)}")
        if not 0 <= self.correlated <= 1:
            raise DataError(f"correlated: expected from 0 to 1, found {self.correlated}")


def hidden_values(tflite: bytes, inputs: np.ndarray) -> np.ndarray:
    """What the last layer of an int8 model reads of each clip, on TFLite Micro.

    Parameters
    ----------
    inputs [shape=(n, n_frames, n_inputs)]
        Normalised features.

    Returns
    -------
    hidden [shape=(n, n_hidden)]
        float32.
    """
    return TfliteMicroRuntime(answer_layer.hidden_model(tflite)).predict(inputs)


def statistics(
    tflite: bytes,
    features: np.ndarray,
    rows: pd.DataFrame,
    normalisation: Normalisation,
    *,
    seed: int = 0,
) -> HiddenStatistics | None:
    """What the last layer reads of training clips as they are: what the prior is made of.

    None, if the net does not end in a Dense layer and softmax: then it cannot be adapted.

    Parameters
    ----------
    features [shape=(n, n_frames, n_inputs)]
        Not normalised; may be memory-mapped.
    rows
        From `rows.plan_rows`.
    seed
        Of the choice of `CLIPS` clips, where there are more.
    """
    clips = rows[(rows["split"] == splits.TRAIN) & (rows["label_id"] >= 0)]
    clips = clips.drop_duplicates("key")  # the clip itself stands before its changed copies
    if len(clips) > CLIPS:
        clips = clips.sample(CLIPS, random_state=seed).sort_values("row")
    inputs = normalisation.apply(features[clips["row"].to_numpy()])
    try:
        hidden = hidden_values(tflite, inputs)
    except ConversionError:
        return None
    return HiddenStatistics.of(hidden, clips["label_id"].to_numpy())


def fit(
    hidden: np.ndarray,
    label_ids: np.ndarray,
    *,
    layer: AnswerLayer,
    statistics: HiddenStatistics,
    config: AdaptationConfig | None = None,
) -> AnswerLayer:
    """The most probable last layer, given a person's clips.

    Classes weigh alike, however many clips each has; all together weigh as their number.

    Parameters
    ----------
    hidden [shape=(n, n_hidden)]
        What the layer reads of each clip; see `answer_layer.hidden_model`.
    label_ids [shape=(n,)]
        Class of each clip.
    layer
        The old layer, around which the prior lies.
    statistics
        Of the hidden values of many people's clips.
    config
        Default: `AdaptationConfig()`.

    Raises
    ------
    DataError
        If there is no clip, or shapes or classes do not fit.
    """
    hidden, labels = _checked(hidden, label_ids, layer)
    config = config or AdaptationConfig()
    whitening = statistics.whitening(config.correlated)
    values = np.hstack([(hidden - statistics.mean) @ whitening, np.ones((len(hidden), 1))])
    pulls = np.append(np.full(len(whitening), config.pull), config.bias_pull)
    change = _most_probable(values, labels, before=layer.logits(hidden), pulls=pulls)
    kernel = whitening @ change[:-1]
    return AnswerLayer(
        kernel=layer.kernel + kernel,
        bias=layer.bias + change[-1] - statistics.mean @ kernel,
    )


def _most_probable(
    values: np.ndarray, labels: np.ndarray, *, before: np.ndarray, pulls: np.ndarray
) -> np.ndarray:
    """Newton's method for softmax(before + values @ change) with a prior around no change.

    Parameters
    ----------
    values [shape=(n, n_values)]
    before [shape=(n, n_classes)]
        Logits without any change.
    pulls [shape=(n_values,)]
        Precision of the prior of each row of the change.

    Returns
    -------
    change [shape=(n_values, n_classes)]
    """
    n_classes, n_values = before.shape[1], values.shape[1]
    counts = np.bincount(labels, minlength=n_classes)
    weights = len(labels) / (np.count_nonzero(counts) * counts[labels])
    right = np.eye(n_classes)[labels]
    precision = np.repeat(pulls, n_classes)

    def loss(change: np.ndarray) -> tuple[float, np.ndarray]:
        logits = before + values @ change
        logits = logits - logits.max(axis=1, keepdims=True)
        logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        likelihood = weights @ (right * logarithms).sum(axis=1)
        return 0.5 * float(pulls @ (change**2).sum(axis=1)) - float(likelihood), np.exp(logarithms)

    change = np.zeros((n_values, n_classes))
    now, answers = loss(change)
    for _ in range(_STEPS):
        slope = values.T @ ((answers - right) * weights[:, None]) + pulls[:, None] * change
        # Of the likelihood: diag(p) - p p' for the classes, times the outer product of the values.
        spread = answers[:, :, None] * (np.eye(n_classes) - answers[:, None, :])
        curvature = np.einsum("n,nij,na,nb->aibj", weights, spread, values, values, optimize=True)
        curvature = curvature.reshape(n_values * n_classes, -1) + np.diag(precision)
        step = np.linalg.solve(curvature, slope.ravel()).reshape(change.shape)
        size = 1.0
        while (found := loss(change - size * step))[0] > now and size > 1e-6:
            size /= 2
        improved = now - found[0]
        if improved <= 0:
            break
        change, (now, answers) = change - size * step, found
        if improved < _ENOUGH * max(abs(now), 1.0):
            break
    return change


def left_out(
    hidden: np.ndarray,
    label_ids: np.ndarray,
    *,
    layer: AnswerLayer,
    statistics: HiddenStatistics,
    groups: np.ndarray | None = None,
    config: AdaptationConfig | None = None,
) -> np.ndarray:
    """Every clip answered by a layer that was fitted without it (cross-validation).

    Parameters
    ----------
    hidden, label_ids, layer, statistics, config
        As for `fit`.
    groups [shape=(n,)]
        What belongs together, such as the sentence that is spoken: it is left out together. None:
        each clip is by itself.

    Returns
    -------
    probabilities [shape=(n, n_classes)]
        Of a clip without which nothing is left: those of the old layer.
    """
    hidden, labels = _checked(hidden, label_ids, layer)
    names = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    parts = names % min(PARTS, names.max() + 1)
    logits = layer.logits(hidden)
    for part in np.unique(parts):
        out = parts == part
        if not out.all():
            fitted = fit(
                hidden[~out], labels[~out], layer=layer, statistics=statistics, config=config
            )
            logits[out] = fitted.logits(hidden[out])
    return softmax(logits)


def apply(tflite: bytes, layer: AnswerLayer, hidden: np.ndarray) -> bytes:
    """The int8 model with an adapted last layer, which has room for the logits of some clips.

    Parameters
    ----------
    hidden [shape=(n, n_hidden)]
        Of the person's clips.
    """
    logits = layer.logits(hidden)
    return answer_layer.replaced(tflite, layer, logits=(float(logits.min()), float(logits.max())))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities [shape=(n, n_classes)] of logits [shape=(n, n_classes)]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _checked(
    hidden: np.ndarray, label_ids: np.ndarray, layer: AnswerLayer
) -> tuple[np.ndarray, np.ndarray]:
    hidden, labels = np.asarray(hidden, float), np.asarray(label_ids)
    n_hidden, n_classes = layer.kernel.shape
    if hidden.ndim != 2 or hidden.shape[1] != n_hidden or not len(hidden):
        raise DataError(f"hidden: expected [clips, {n_hidden}], found shape {hidden.shape}")
    whole = np.issubdtype(labels.dtype, np.integer) and labels.shape == (len(hidden),)
    if not whole or labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(
            f"label_ids: expected {len(hidden)} integers from 0 to {n_classes - 1}, "
            f"found {labels.dtype} of shape {labels.shape}"
        )
    return hidden, labels


def threshold(
    probabilities: np.ndarray, label_ids: np.ndarray, *, least: float, target_accuracy: float
) -> float:
    """Below which a person's answers are "unsure", from answers to clips that were left out.

    So few clips cannot show that a lower threshold would do, only that the old one does not.

    Parameters
    ----------
    probabilities [shape=(n, n_classes)]
        From `left_out`.
    label_ids [shape=(n,)]
    least
        The old threshold.
    target_accuracy
        Share of the answered clips that is to be right.

    Returns
    -------
    The lowest from the old one on at which it is; the old one, where nothing is answered.
    """
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == label_ids
    candidates = [least, *np.unique(top[top > least])]
    for one in candidates:
        answered = top >= one
        if not answered.any() or right[answered].mean() >= target_accuracy:
            return float(one)
    return float(candidates[-1])
