"""How far a probability can be believed, and below which one an answer is better kept back.

Everything here is chosen on validation speakers; test speakers only show whether it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import beta

from ser_tinyml.files import DataError
from ser_tinyml.tflite.release import TARGET_ACCURACY

CONFIDENCE = 0.9  # that they reach it; other speakers than those of validation are harder yet
FEWEST = 50  # answers; of fewer any share may be luck
TEMPERATURES = (0.05, 20.0)  # beyond them something else is wrong


@dataclass(frozen=True)
class Threshold:
    """A top probability below which the answer is "unsure", and what the choice rests on.

    Attributes
    ----------
    threshold
        An answer is given where the top probability is this or more.
    coverage
        Share of the clips that are answered.
    accuracy
        Share of the answered that are right.
    n_answered
        Clips that are answered.
    """

    threshold: float
    coverage: float
    accuracy: float
    n_answered: int


def fit_temperature(
    log_probabilities: np.ndarray, label_ids: np.ndarray, *, weights: np.ndarray | None = None
) -> float:
    """The one temperature that makes the right answers most likely: softmax(logits / T).

    Above 1 the net is too sure of itself, below 1 not sure enough. Which class is on top, and so
    every score, stays the same.

    Parameters
    ----------
    log_probabilities [shape=(n, classes)]
        Logits, or logarithms of probabilities: they differ by a constant a clip, which cancels.
    label_ids [shape=(n,)]
        Index of the right class.
    weights [shape=(n,)]
        How much each clip counts; None: all alike.

    Raises
    ------
    DataError
        If shapes do not fit, a value is not finite (int8 outputs have probabilities of 0: limit
        them before the logarithm), or no temperature is best: where every answer is right, the
        sharpest wins without end.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On calibration of modern neural networks, ICML
    2017.
    """
    scores, labels = _checked(log_probabilities, label_ids)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    if weights.shape != labels.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(
            f"weights: expected {len(labels)} numbers of 0 or more, found shape {weights.shape}"
        )
    if not weights.sum():
        raise DataError("weights: expected at least one above 0, found none")
    clips = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        likelihood = log_softmax(scores / np.exp(log_temperature), axis=1)[clips, labels]
        return -float(np.average(likelihood, weights=weights))

    low, high = np.log(TEMPERATURES)
    best = float(minimize_scalar(loss, bounds=(low, high), method="bounded").x)
    if loss(best) >= min(loss(low), loss(high)):
        raise DataError(
            f"temperature: expected one between {TEMPERATURES[0]} and {TEMPERATURES[1]}, found the "
            "best beyond: the answers are all right, or no better than chance"
        )
    return float(np.exp(best))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities as the same net would give them at a temperature.

    Parameters
    ----------
    probabilities [shape=(n, classes)]

    Returns
    -------
    probabilities [shape=(n, classes)]
        float64; a row adds up to 1.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise DataError(f"temperature: expected one above 0, found {temperature}")
    probabilities = _probabilities(probabilities)
    top = probabilities.max(axis=1, keepdims=True)  # keeps the powers away from 0
    powers = (probabilities / top) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def reliability(
    probabilities: np.ndarray, label_ids: np.ndarray, *, n_bins: int = 15
) -> pd.DataFrame:
    """How often the net is right, bin by bin of how sure it is: alike, if it is calibrated.

    Parameters
    ----------
    probabilities [shape=(n, classes)]
    label_ids [shape=(n,)]
    n_bins
        Equal parts of 0 to 1; each takes its upper edge in.

    Returns
    -------
    table
        A line a bin: low, high, n, confidence (mean top probability) and accuracy; the last two
        are NaN where n is 0.
    """
    if n_bins < 1:
        raise DataError(f"n_bins: expected 1 or more, found {n_bins}")
    confidence, right = _answers(probabilities, label_ids)
    edges = np.linspace(0, 1, n_bins + 1)
    at = np.digitize(confidence, edges[1:-1], right=True)
    n = np.bincount(at, minlength=n_bins)
    some = np.where(n, n, np.nan)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "n": n,
            "confidence": np.bincount(at, confidence, minlength=n_bins) / some,
            "accuracy": np.bincount(at, right, minlength=n_bins) / some,
        }
    )


def calibration_error(table: pd.DataFrame) -> float:
    """Mean distance between confidence and accuracy over the clips of a table of `reliability`."""
    distance = (table["confidence"] - table["accuracy"]).abs()
    return float((distance * table["n"]).sum() / table["n"].sum())


def expected_calibration_error(
    probabilities: np.ndarray, label_ids: np.ndarray, *, n_bins: int = 15
) -> float:
    """Expected calibration error of the top label, over equal bins (Guo et al. 2017).

    Parameters
    ----------
    probabilities [shape=(n, classes)]
    label_ids [shape=(n,)]
    """
    return calibration_error(reliability(probabilities, label_ids, n_bins=n_bins))


def risk_coverage(probabilities: np.ndarray, label_ids: np.ndarray) -> pd.DataFrame:
    """What keeping back the less sure answers buys.

    Parameters
    ----------
    probabilities [shape=(n, classes)]
    label_ids [shape=(n,)]

    Returns
    -------
    table
        A line for every top probability that occurs, the highest first: threshold, n_answered,
        coverage (share with that top probability or more) and accuracy of those answered.

    References
    ----------
    Y. Geifman, R. El-Yaniv, Selective classification for deep neural networks, NIPS 2017.
    """
    confidence, right = _answers(probabilities, label_ids)
    order = np.argsort(-confidence, kind="stable")
    confidence, right = confidence[order], np.cumsum(right[order])
    # Equal probabilities are answered together or not at all.
    last = np.append(np.flatnonzero(np.diff(confidence)), len(confidence) - 1)
    n = last + 1
    return pd.DataFrame(
        {
            "threshold": confidence[last],
            "n_answered": n,
            "coverage": n / len(confidence),
            "accuracy": right[last] / n,
        }
    )


def choose_threshold(
    probabilities: np.ndarray,
    label_ids: np.ndarray,
    *,
    target_accuracy: float = 0.85,
    confidence: float | None = 0.95,
    minimum_answered: int = FEWEST,
) -> Threshold:
    """The lowest threshold at which the answered are right often enough.

    Parameters
    ----------
    probabilities [shape=(n, classes)]
        Of validation speakers.
    label_ids [shape=(n,)]
    target_accuracy
        Share of the answered that is to be right.
    confidence
        One-sided level at which it is to be so: the lower bound of Clopper and Pearson has to
        reach the target, which asks more of few clips. It takes clips as independent; those of
        one speaker are not quite. None: the share itself has to.
    minimum_answered
        Fewer answered clips than this are luck, whatever their share.

    Raises
    ------
    DataError
        If no threshold reaches the target.

    References
    ----------
    C. J. Clopper, E. S. Pearson, The use of confidence or fiducial limits illustrated in the case
    of the binomial, Biometrika 26, 1934.
    """
    for name, value in (("target_accuracy", target_accuracy), ("confidence", confidence)):
        if value is not None and not 0 < value < 1:
            raise DataError(f"{name}: expected one between 0 and 1, found {value}")
    table = risk_coverage(probabilities, label_ids)
    enough = table.assign(reached=_sure_accuracy(table, confidence))
    enough = enough[enough["n_answered"] >= minimum_answered]
    good = enough[enough["reached"] >= target_accuracy]
    if good.empty:
        at_best, most = enough["reached"].max(), table["n_answered"].max()
        found = f"at best {at_best:.3f}" if len(enough) else f"{most} clips"
        level = "" if confidence is None else f" at a level of {confidence}"
        raise DataError(
            f"threshold: expected {target_accuracy} of at least {minimum_answered} answered clips "
            f"right{level}, found {found}"
        )
    chosen = good.iloc[-1]
    return Threshold(
        threshold=float(chosen["threshold"]),
        coverage=float(chosen["coverage"]),
        accuracy=float(chosen["accuracy"]),
        n_answered=int(chosen["n_answered"]),
    )


def _sure_accuracy(table: pd.DataFrame, confidence: float | None) -> pd.Series:
    """The accuracy of the answered, or its lower bound at a level of confidence."""
    if confidence is None:
        return table["accuracy"]
    right = (table["accuracy"] * table["n_answered"]).round()
    wrong = table["n_answered"] - right
    # With none right the bound is 0, where the quantile is not defined.
    return beta.ppf(1 - confidence, right.clip(lower=1), wrong + 1) * (right > 0)


def best_temperature(probabilities: np.ndarray, label_ids: np.ndarray) -> float:
    """`fit_temperature`; 1 where none is best, since all is right or all by chance."""
    try:
        return fit_temperature(np.log(np.maximum(probabilities, 1e-7)), label_ids)
    except DataError:
        return 1.0


def decide(probabilities: np.ndarray, label_ids: np.ndarray) -> dict[str, Any]:
    """When to answer and when to say "unsure": decision.json, but for the temperature.

    The threshold is the lowest at which validation answers are right TARGET_ACCURACY of the time,
    with that CONFIDENCE; where none is, the one at which a fifth is answered, and `reached` tells.
    With fewer than FEWEST answers nobody can be confident: their share alone decides, and `reached`
    is false.
    """
    few = len(label_ids) < FEWEST
    confidence, least = (None, 1) if few else (CONFIDENCE, FEWEST)
    try:
        chosen = choose_threshold(
            probabilities,
            label_ids,
            target_accuracy=TARGET_ACCURACY,
            confidence=confidence,
            minimum_answered=least,
        )
    except DataError:
        top = np.sort(probabilities.max(axis=1))
        threshold = float(top[int(0.8 * len(top))])
        return {"threshold": threshold, "target_accuracy": TARGET_ACCURACY, "reached": False}
    return {"threshold": chosen.threshold, "target_accuracy": TARGET_ACCURACY, "reached": not few}


def _answers(probabilities: np.ndarray, label_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Top probability of each clip, and whether its class is right."""
    probabilities, labels = _checked(_probabilities(probabilities), label_ids)
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def _probabilities(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    # 8-bit outputs add up to 1 within half a step a class.
    slack = 1e-3 + values.shape[-1] / 512 if values.ndim == 2 else 0
    if values.ndim != 2 or (values < 0).any() or not np.all(abs(values.sum(axis=1) - 1) < slack):
        raise DataError(
            "probabilities: expected a row a clip, none below 0, that adds up to 1, found shape "
            f"{values.shape}, values from {values.min(initial=np.inf):.3g} to "
            f"{values.max(initial=-np.inf):.3g}"
        )
    return values


def _checked(scores: np.ndarray, label_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = np.asarray(scores, float), np.asarray(label_ids)
    if scores.ndim != 2 or scores.shape[1] < 2 or not len(scores):
        raise DataError(f"scores: expected [clips, 2 or more classes], found shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise DataError("scores: expected finite numbers, found NaN or infinity")
    if labels.shape != scores.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"label_ids: expected {len(scores)} integers, found {labels.dtype} of shape "
            f"{labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise DataError(
            f"label_ids: expected 0 to {scores.shape[1] - 1}, found {labels.min()} to "
            f"{labels.max()}"
        )
    return scores, labels
