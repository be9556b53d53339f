"""Which classes a model tells apart, and which emotions each of them gathers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ser_tinyml.data import corpora
from ser_tinyml.data.corpus import OTHER, label_problem
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

AUTO = "auto"  # the class set comes from the data
FEWEST = 3  # clips of a class: one to train on, one to choose on, one to test on


ClassSet = str | Mapping[str, Sequence[str]]


def emotions_of_classes(class_set: ClassSet) -> dict[str, tuple[str, ...]]:
    """Classes in the order of the model's outputs, each with the emotions that it gathers.

    Parameters
    ----------
    class_set
        A key of `CLASS_SETS`, or a class set of one's own: class to emotions. AUTO needs clips:
        `settled` makes one of these of it.

    Raises
    ------
    DataError
        If there is no such set; or if one's own has fewer than two classes, a class without an
        emotion, or an emotion that is in two classes.

    Examples
    --------
    >>> emotions_of_classes({"low": ["sad", "calm"], "high": ["angry", "happy"]})
    {'low': ('sad', 'calm'), 'high': ('angry', 'happy')}
    """
    if isinstance(class_set, Mapping):
        _check(class_set)
        return {name: tuple(emotions) for name, emotions in class_set.items()}
    if not isinstance(class_set, str) or class_set not in CLASS_SETS:
        known = ", ".join([AUTO, *CLASS_SETS])
        raise DataError(
            f"class_set: expected one of {known}, or classes with their emotions, "
            f"found {class_set!r}"
        )
    return dict(CLASS_SETS[class_set])


def classes_of(names: Sequence[str]) -> dict[str, str]:
    """What may be said of a clip, and the class of a model that it belongs to.

    Parameters
    ----------
    names
        Classes of a model. Where they are those of a built-in set, its emotions will do too.

    Examples
    --------
    >>> classes_of(["neutral", "happy", "surprise", "unpleasant"])["angry"]
    'unpleasant'
    """
    found = {name: name for name in names}
    for classes in CLASS_SETS.values():
        if list(classes) == list(names):
            of_set = {emotion: name for name, emotions in classes.items() for emotion in emotions}
            found = {**of_set, **found}
    return found


def check(class_set: ClassSet) -> None:
    """Check a class set as far as that can be done without clips.

    Raises
    ------
    DataError
        As `emotions_of_classes`.
    """
    if class_set != AUTO:
        emotions_of_classes(class_set)


def settled(class_set: ClassSet, clips: pd.DataFrame) -> ClassSet:
    """The class set for some clips.

    AUTO is "four" where nobody brought labels of one's own, or those are emotions of "four" and
    every class of it has a clip. Otherwise each label of one's own is a class, in alphabetical
    order.

    Parameters
    ----------
    clips
        Table with columns corpus and emotion.

    Raises
    ------
    DataError
        If a class has no clip, or no corpus and no clip has an emotion of it; or if a class of
        one's own labels has fewer than FEWEST clips, or there is one alone.
    """
    if class_set == AUTO:
        own = ~clips["corpus"].isin([corpus.name for corpus in corpora.all()])
        present, mine = set(clips["emotion"]), clips.loc[own, "emotion"]
        four = [set(emotions) for emotions in CLASS_SETS["four"].values()]
        if mine.empty or (
            set(mine) <= set().union(*four) and all(emotions & present for emotions in four)
        ):
            class_set = "four"
        else:
            _check_own(mine)
            class_set = {label: (label,) for label in sorted(set(mine))}
    _check_present(class_set, clips)
    return class_set


def _check_own(mine: pd.Series) -> None:
    counts = mine.value_counts().sort_index()
    if len(counts) < 2:
        raise DataError(f"labels: expected two or more, found {counts.index[0]!r} alone")
    if few := [f"{label!r} {count}" for label, count in counts.items() if count < FEWEST]:
        raise DataError(
            f"labels: expected {FEWEST} clips or more of each, to train, to choose and to test, "
            f"found of {', '.join(few)}"
        )


def _check_present(class_set: ClassSet, clips: pd.DataFrame) -> None:
    classes, present = emotions_of_classes(class_set), set(clips["emotion"])
    known = [*corpora.emotions(), *corpora.order_emotions(present)]
    for name, emotions in classes.items():
        for emotion in emotions:
            if emotion not in known:
                raise DataError(
                    f"class_set.{name}: expected emotions of {', '.join(dict.fromkeys(known))}, "
                    f"found {emotion!r}"
                )
    empty = sorted(name for name, emotions in classes.items() if not present & set(emotions))
    if empty:
        raise DataError(
            f"class_set {class_set!r}: expected clips of every class, found none of {empty}; the "
            f"clips are labelled {', '.join(corpora.order_emotions(present)) or 'nothing'}"
        )


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
    of_emotion: dict[str, str] = {}
    for name, emotions in class_set.items():
        if not isinstance(name, str) or label_problem(name):
            why = label_problem(name) if isinstance(name, str) else "expected a word"
            raise DataError(f"class_set: the name of a class: {why}, found {name!r}")
        if isinstance(emotions, str) or not isinstance(emotions, Sequence) or not emotions:
            raise DataError(f"class_set.{name}: expected a list of emotions, found {emotions!r}")
        for emotion in emotions:
            if not isinstance(emotion, str):
                raise DataError(f"class_set.{name}: expected names of emotions, found {emotion!r}")
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
        Table with columns corpus and emotion.
    class_set
        As in `settled`.
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
        If the fraction is not in (0, 1], or as `settled`.
    """
    classes = emotions_of_classes(settled(class_set, clips))
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
    if others:
        rest = clips[~clips["emotion"].isin(of_emotion)].assign(label=OTHER, label_id=-1)
        table = pd.concat([table, rest]).sort_index()
    return table
