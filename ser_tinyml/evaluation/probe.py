"""Does the model hear the emotion, or the corpus it comes from?

Corpora differ in microphone, room and sentences, and in which emotions they have. A net that
recognises the corpus can rule classes out without hearing any emotion, and score over the pool
what it would not score on a stranger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ser_tinyml import metrics
from ser_tinyml.files import DataError

FOLDS = 5


def corpus_probe(
    features: np.ndarray, corpus: Sequence[str] | np.ndarray, *, groups: Sequence[str] | np.ndarray
) -> dict[str, Any]:
    """How well a straight line tells the corpora apart, on speakers it was not fitted to.

    Shows what is there to be heard: at the majority's share the features do not give the corpus
    away; near 1, a net could answer by corpus. It does not show that a net does so, which is what
    `within_corpus` and `surprise_on` are for.

    Parameters
    ----------
    features [shape=(n, steps, inputs)]
        What goes into the net, or comes out of a layer; the line sees mean and deviation over time.
    corpus [shape=(n,)]
    groups [shape=(n,)]
        The speaker of each clip.

    Returns
    -------
    scores
        What `metrics.score` gives, with the names of the corpora in ``classes``. The line weighs
        all corpora alike, so UAR is what it is after.

    Raises
    ------
    DataError
        If the lengths differ, there are not two corpora, or one has a single speaker.
    """
    features, corpus, groups = np.asarray(features), np.asarray(corpus), np.asarray(groups)
    if features.ndim != 3 or not len(features) == len(corpus) == len(groups):
        raise DataError(
            "probe: expected features [n, steps, inputs], a corpus and a speaker each, found shape "
            f"{features.shape}, {len(corpus)} and {len(groups)}"
        )
    speakers = pd.Series(groups).groupby(corpus).nunique()
    if len(speakers) < 2 or speakers.min() < 2:
        raise DataError(
            "probe: expected two corpora or more, of two speakers or more each, found "
            f"{speakers.to_dict()}"
        )
    summary = np.concatenate([features.mean(axis=1), features.std(axis=1)], axis=1)
    names, labels = np.unique(corpus, return_inverse=True)
    line = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000)
    )
    # Stratified, so that a corpus of two speakers has one on either side.
    folds = StratifiedGroupKFold(min(FOLDS, int(speakers.sum())))
    answers = cross_val_predict(line, summary, labels, groups=groups, cv=folds)
    classes = [str(name) for name in names]
    return {"classes": classes, **metrics.score(labels, answers, classes=classes)}


def within_corpus(
    rows: pd.DataFrame, predictions: Sequence[int] | np.ndarray, *, classes: Sequence[str]
) -> pd.DataFrame:
    """UAR within each corpus, and what hearing nothing but the corpus would give.

    Within one corpus, its sound tells nothing: there a corpus detector gets 1 / k over the k
    classes that the corpus has, however well it does on the pool.

    Parameters
    ----------
    rows
        Columns corpus and label_id.
    predictions [shape=(n,)]
        Index into ``classes``, in the order of ``rows``.

    Returns
    -------
    table
        A line a corpus, and last the line ``all``: corpus, n, classes (k), uar, and
        corpus_detector_uar, that of the best answer for each corpus.
    """
    table = metrics.score_table(rows, predictions, classes=classes)
    counts = pd.crosstab(rows["corpus"].to_numpy(), rows["label_id"].to_numpy())
    has = (counts > 0).sum(axis=1).reindex(table["corpus"][:-1])
    # Each corpus adds to the pool's recalls the share of a class that it answers with.
    pooled = (counts / counts.sum()).max(axis=1).sum() / counts.shape[1]
    return pd.DataFrame(
        {
            "corpus": table["corpus"],
            "n": table["n"],
            "classes": [*has, counts.shape[1]],
            "uar": table["uar"],
            "corpus_detector_uar": [*(1 / has), pooled],
        }
    )


def surprise_on(
    rows: pd.DataFrame,
    predictions: Sequence[int] | np.ndarray,
    *,
    classes: Sequence[str],
    label: str = "surprise",
) -> pd.DataFrame:
    """How often a class is answered where it is wrong, by corpus: is it ruled out by the corpus?

    CREMA-D has no surprise. A net that hears emotions takes its clips for surprised about as often
    as other corpora's clips that are not; one that hears the corpus hardly ever does.

    Parameters
    ----------
    rows
        Columns corpus and label_id.
    predictions [shape=(n,)]
        Index into ``classes``, in the order of ``rows``.
    label
        The class that some corpora lack.

    Returns
    -------
    table
        A line a corpus, those without the class first: corpus, has_class, n (clips of other
        classes), answered (how many of them as this class), false_positive_rate, and recall of the
        class, NaN where a corpus lacks it.

    Raises
    ------
    DataError
        If there is no such class, or no prediction a row.
    """
    if label not in classes:
        raise DataError(f"class: expected one of {list(classes)}, found {label!r}")
    if len(rows) != len(predictions):
        raise DataError(f"expected a prediction a row, {len(rows)}, found {len(predictions)}")
    index = list(classes).index(label)
    clips = pd.DataFrame(
        {
            "corpus": rows["corpus"].to_numpy(),
            "is_class": rows["label_id"].to_numpy() == index,
            "said": np.asarray(predictions) == index,
        }
    )
    lines = []
    for corpus, part in clips.groupby("corpus"):
        others, own = (part.loc[part["is_class"] == is_class, "said"] for is_class in (False, True))
        lines.append(
            {
                "corpus": corpus,
                "has_class": bool(len(own)),
                "n": len(others),
                "answered": int(others.sum()),
                "false_positive_rate": others.mean(),
                "recall": own.mean(),
            }
        )
    return pd.DataFrame(lines).sort_values("has_class", kind="stable", ignore_index=True)
