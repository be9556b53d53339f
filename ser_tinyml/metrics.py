"""What we report of a set of answers: UAR before all, and the majority baseline beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

POOLED = "all"


def score(
    labels: Sequence[int] | np.ndarray,
    predictions: Sequence[int] | np.ndarray,
    *,
    classes: Sequence[str],
    present: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Score answers against labels.

    Parameters
    ----------
    labels : array of int [shape=(n,)]
        Index into ``classes`` of the right answer.
    predictions : array of int [shape=(n,)]
        Index into ``classes`` of the given answer.
    classes
        Names of the classes.
    present
        Classes that count in UAR and macro-F1; by default those that occur in ``labels``
        (CREMA-D, for one, has no surprise).

    Returns
    -------
    dict
        ``n``; ``uar`` (unweighted average recall), ``accuracy``, ``macro_f1``, ``weighted_f1``
        (0 to 1); ``recall`` by class name (None where no clip has the class); ``confusion``
        [shape=(classes, classes)], a row a true class; ``majority_accuracy`` and
        ``majority_uar``, those of always saying the most frequent class.

    Raises
    ------
    ValueError
        If there are no labels, the lengths differ, or a number is not the index of a class.
    """
    truth = _indices(labels, "labels", len(classes))
    answer = _indices(predictions, "predictions", len(classes))
    if len(truth) != len(answer):
        raise ValueError(f"expected as many predictions as labels, {len(truth)}: {len(answer)}")
    if not len(truth):
        raise ValueError("expected at least one label, found none")
    counted = _counted(truth, present, classes)
    from sklearn.metrics import confusion_matrix  # takes a second to load, and `uar` does without

    confusion = confusion_matrix(truth, answer, labels=np.arange(len(classes)))
    support = confusion.sum(axis=1)
    recall = confusion.diagonal() / np.maximum(support, 1)
    return {
        "n": int(len(truth)),
        "uar": float(recall[counted].mean()),
        "accuracy": float((truth == answer).mean()),
        "macro_f1": _f1(truth, answer, counted, "macro"),
        "weighted_f1": _f1(truth, answer, counted, "weighted"),
        "recall": {
            name: float(recall[i]) if support[i] else None for i, name in enumerate(classes)
        },
        "confusion": confusion.tolist(),
        "majority_accuracy": float(support.max() / len(truth)),
        "majority_uar": 1.0 / len(counted),
    }


def uar(truth: np.ndarray, answers: np.ndarray) -> float:
    """Unweighted average recall over the classes that occur.

    Parameters
    ----------
    truth, answers [shape=(n,)]
        Class of each clip, from 0.

    Examples
    --------
    Three of four answers are right, but of the rare class none:

    >>> uar(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.5
    """
    counts = np.bincount(truth)
    right = np.bincount(truth[truth == answers], minlength=len(counts))
    return float(np.mean(right[counts > 0] / counts[counts > 0]))


def score_table(
    rows: pd.DataFrame,
    predictions: Sequence[int] | np.ndarray,
    *,
    classes: Sequence[str],
    by: str = "corpus",
) -> pd.DataFrame:
    """Score each group of rows, and all of them together.

    Parameters
    ----------
    rows : DataFrame [n lines]
        With a column ``label_id`` and the column ``by``.
    predictions : array of int [shape=(n,)]
        In the order of ``rows``.
    classes
        Names of the classes.
    by
        Column to group by, for example ``corpus`` or ``speaker``.

    Returns
    -------
    DataFrame
        A line a group, in alphabetical order, and last the line ``all``. Columns: ``by``, ``n``,
        ``uar``, ``accuracy``, ``macro_f1``, ``weighted_f1``, ``majority_accuracy``,
        ``majority_uar``, and ``recall_<class>`` (NaN where a group lacks the class).

    Raises
    ------
    ValueError
        As :func:`score`, or if a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"corpus": ["TESS", "TESS", "SAVEE"], "label_id": [0, 1, 1]})
    >>> table = score_table(rows, [0, 1, 0], classes=["calm", "angry"])
    >>> table[["corpus", "n", "uar"]].to_dict("list")
    {'corpus': ['SAVEE', 'TESS', 'all'], 'n': [1, 2, 3], 'uar': [0.0, 1.0, 0.75]}
    """
    for column in ("label_id", by):
        if column not in rows:
            raise ValueError(f"expected a column {column!r}, found {list(rows.columns)}")
    if len(rows) != len(predictions):
        raise ValueError(f"expected a prediction a row, {len(rows)}: {len(predictions)}")
    labels, answer = rows["label_id"].to_numpy(), np.asarray(predictions)
    groups = rows[by].to_numpy()
    parts = [(str(name), groups == name) for name in sorted(set(groups))]
    parts.append((POOLED, np.ones(len(rows), bool)))
    lines = []
    for name, chosen in parts:
        scores = score(labels[chosen], answer[chosen], classes=classes)
        recall = {f"recall_{label}": value for label, value in scores.pop("recall").items()}
        del scores["confusion"]
        lines.append({by: name, **scores, **recall})
    import pandas as pd  # which those who answer recordings do not have

    table = pd.DataFrame(lines)
    recalls = [f"recall_{label}" for label in classes]
    return table.astype(dict.fromkeys(recalls, float))


def predictions(
    rows: pd.DataFrame,
    probabilities: np.ndarray,
    *,
    classes: Sequence[str],
    threshold: float | np.ndarray,
) -> pd.DataFrame:
    """Every clip, what it was, what was answered and how surely: the table predictions.csv.

    Parameters
    ----------
    rows : DataFrame [n lines]
        Columns key, corpus, speaker and label.
    probabilities : array [shape=(n, classes)]
        In the order of ``rows``.
    classes
        Names of the classes.
    threshold
        An answer is given where the top probability is this or more; a number for all clips, or
        one for each [shape=(n,)].

    Returns
    -------
    DataFrame
        A line a clip: clip, corpus, speaker, truth, answer (the most probable label, also where
        it is not said), p_<label> for each label, and answered: said, or else kept back as
        "unsure".

    Raises
    ------
    ValueError
        If the probabilities have another shape.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame(
    ...     {"key": ["a", "b"], "corpus": "own", "speaker": "anna", "label": ["calm", "angry"]}
    ... )
    >>> said = predictions(rows, [[0.9, 0.1], [0.6, 0.4]], classes=["calm", "angry"], threshold=0.8)
    >>> said[["truth", "answer", "answered"]].to_dict("list")
    {'truth': ['calm', 'angry'], 'answer': ['calm', 'calm'], 'answered': [True, False]}
    """
    probabilities = np.asarray(probabilities)
    if probabilities.shape != (len(rows), len(classes)):
        raise ValueError(
            f"expected probabilities of {len(rows)} rows and {len(classes)} classes, "
            f"found shape {probabilities.shape}"
        )
    names = {"key": "clip", "corpus": "corpus", "speaker": "speaker", "label": "truth"}
    table = rows[[*names]].rename(columns=names).reset_index(drop=True)
    table["answer"] = np.asarray(classes, object)[probabilities.argmax(axis=1)]
    table[[f"p_{name}" for name in classes]] = probabilities
    return table.assign(answered=probabilities.max(axis=1) >= threshold)


def _indices(values: Sequence[int] | np.ndarray, name: str, count: int) -> np.ndarray:
    """Check that values are indices of classes."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected one index a clip, found shape {array.shape}")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name}: expected integers, found {array.dtype}")
    unknown = array[(array < 0) | (array >= count)]
    if unknown.size:
        raise ValueError(
            f"{name}: expected indices of {count} classes, found {sorted(set(unknown.tolist()))}"
        )
    return array.astype(np.int64)


def _counted(
    truth: np.ndarray, present: Sequence[int] | None, classes: Sequence[str]
) -> np.ndarray:
    """Classes that count in a mean over classes: those that occur, or some of them."""
    occurring = np.unique(truth)
    if present is None:
        return occurring
    counted = np.unique(_indices(present, "present", len(classes)))
    if missing := [classes[i] for i in counted if i not in occurring]:
        raise ValueError(f"present: expected classes that occur in labels, found {missing}")
    return counted


def _f1(truth: np.ndarray, answer: np.ndarray, counted: np.ndarray, average: str) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(truth, answer, labels=counted, average=average, zero_division=0))
