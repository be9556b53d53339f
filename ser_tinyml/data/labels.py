"""Which classes a model tells apart, and which emotions each of them gathers."""

from __future__ import annotations

import numpy as np
import pandas as pd

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


def class_names(class_set: str) -> list[str]:
    """Classes of a set, in the order of the model's outputs.

    Raises
    ------
    DataError
        If there is no such set.
    """
    if class_set not in CLASS_SETS:
        raise DataError(f"class set: expected one of {sorted(CLASS_SETS)}, found {class_set!r}")
    return list(CLASS_SETS[class_set])


def label_clips(
    clips: pd.DataFrame,
    *,
    class_set: str,
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
        A key of `CLASS_SETS`.
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
    names = class_names(class_set)
    if not 0 < sad_angry_fraction <= 1:
        raise DataError(f"sad_angry_fraction: expected 0 < value <= 1, found {sad_angry_fraction}")
    of_emotion = {
        emotion: name for name, emotions in CLASS_SETS[class_set].items() for emotion in emotions
    }
    table = clips[clips["emotion"].isin(of_emotion)].copy()
    rng = np.random.default_rng([seed, 1])
    for emotion in ("sad", "angry"):
        index = table.index[table["emotion"] == emotion]
        dropped = len(index) - round(sad_angry_fraction * len(index))
        table = table.drop(rng.choice(index, size=dropped, replace=False))
    table["label"] = table["emotion"].map(of_emotion)
    table["label_id"] = table["label"].map(names.index)
    empty = sorted(set(names) - set(table["label"]))
    if empty:
        raise DataError(
            f"class set {class_set!r}: expected clips of every class, found none of {empty}"
        )
    if others:
        rest = clips[~clips["emotion"].isin(of_emotion)].assign(label=OTHER, label_id=-1)
        table = pd.concat([table, rest]).sort_index()
    return table
