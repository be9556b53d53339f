"""Which classes a model tells apart, and which emotions each of them gathers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ser_tinyml.data import corpora
from ser_tinyml.files import DataError

# Class -> emotions; the order is that of the model's outputs.
CLASS_SETS: dict[str, dict[str, tuple[str, ...]]] = {
    "four": {
        "neutral": ("neutral", "calm"),
        "happy": ("happy",),
        "surprise": ("surprise",),
        "unpleasant": ("sad", "angry"),
    },
    "seven": {
        "neutral": ("neutral", "calm"),
        "happy": ("happy",),
        "surprise": ("surprise",),
        "sad": ("sad",),
        "angry": ("angry",),
        "fear": ("fear",),
        "disgust": ("disgust",),
    },
}

OTHER = "other"  # a clip of an emotion that is in no class


ClassSet = str | Mapping[str, Sequence[str]]


def emotions_of_classes(class_set: ClassSet) -> dict[str, tuple[str, ...]]:
    """Classes in the order of the model's outputs, each with the emotions that it gathers.

    Parameters
    ----------
    class_set
        A key of `CLASS_SETS`, or a class set of one's own: class to emotions.

    Raises
    ------
    DataError
        If there is no such set; or if one's own has fewer than two classes, a class without an
        emotion, or an emotion that no corpus has or that is in two classes.

    Examples
    --------
    >>> emotions_of_classes({"low": ["sad", "calm"], "high": ["angry", "happy"]})
    {'low': ('sad', 'calm'), 'high': ('angry', 'happy')}
    """
    if isinstance(class_set, Mapping):
        _check(class_set)
        return {name: tuple(emotions) for name, emotions in class_set.items()}
    if not isinstance(class_set, str) or class_set not in CLASS_SETS:
        known = ", ".join(CLASS_SETS)
        raise DataError(
            f"class_set: expected one of {known}, or classes with their emotions, "
            f"found {class_set!r}"
        )
    return dict(CLASS_SETS[class_set])


def class_names(class_set: ClassSet) -> list[str]:
    """Classes of a set, in the order of the model's outputs.

    Raises
    ------
    DataError
        As `emotions_of_classes`.
    """
    return list(emotions_of_classes(class_set))


def _check(class_set: Mapping[str, Sequence[str]]) -> None:
    if len(class_set) < 2:
        raise DataError(f"class_set: expected two classes or more, found {[*class_set]}")
    known, of_emotion = corpora.emotions(), {}
    for name, emotions in class_set.items():
        if not isinstance(name, str) or not name or name == OTHER:
            raise DataError(f"class_set: expected a name other than {OTHER!r}, found {name!r}")
        if isinstance(emotions, str) or not isinstance(emotions, Sequence) or not emotions:
            raise DataError(f"class_set.{name}: expected a list of emotions, found {emotions!r}")
        for emotion in emotions:
            if emotion not in known:
                raise DataError(
                    f"class_set.{name}: expected emotions of {', '.join(known)}, found {emotion!r}"
                )
            if emotion in of_emotion:
                raise DataError(
                    f"class_set.{name}: expected each emotion once, "
                    f"found {emotion!r} in {of_emotion[emotion]!r} too"
                )
            of_emotion[emotion] = name


def label_clips(
    clips: pd.DataFrame,
    *,
    class_set: ClassSet,
    sad_angry_fraction: float = 1.0,
    others: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Give every clip its class; clips of other emotions are dropped or labelled `OTHER`.

    Parameters
    ----------
    clips
        Table with a column `emotion`.
    class_set
        As in `emotions_of_classes`.
    sad_angry_fraction
        Share of the sad and of the angry clips that is kept, drawn at random: the original recipe
        keeps 0.6 so that "unpleasant" does not outweigh the others.
    others
        Keep clips of other emotions: label `OTHER`, label_id -1.

    Returns
    -------
    clips
        A copy with columns `label` and `label_id`, in the order given.

    Raises
    ------
    DataError
        If the fraction is not in (0, 1], or a class is left without a clip.
    """
    classes = emotions_of_classes(class_set)
    if not 0 < sad_angry_fraction <= 1:
        raise DataError(f"sad_angry_fraction: expected 0 < value <= 1, found {sad_angry_fraction}")
    of_emotion = {emotion: name for name, emotions in classes.items() for emotion in emotions}
    table = clips[clips["emotion"].isin(of_emotion)].copy()
    rng = np.random.default_rng([seed, 1])
    for emotion in ("sad", "angry"):
        index = table.index[table["emotion"] == emotion]
        dropped = len(index) - round(sad_angry_fraction * len(index))
        table = table.drop(rng.choice(index, size=dropped, replace=False))
    table["label"] = table["emotion"].map(of_emotion)
    table["label_id"] = table["label"].map([*classes].index)
    empty = sorted(set(classes) - set(table["label"]))
    if empty:
        raise DataError(
            f"class_set {class_set!r}: expected clips of every class, found none of {empty}"
        )
    if others:
        rest = clips[~clips["emotion"].isin(of_emotion)].assign(label=OTHER, label_id=-1)
        table = pd.concat([table, rest]).sort_index()
    return table
