"""From the table of clips to the table of rows.

A row is one version of one clip, the clip itself or a changed copy of it, on one side of the split.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ser_tinyml.data import labels, splits
from ser_tinyml.features.extract import CLEAN, LOUD, ORIGINAL_VARIANTS
from ser_tinyml.files import DataError

AUGMENTATIONS = ("random", "original", "none")
COLUMNS = ["row", "key", "corpus", "speaker", "emotion", "label", "label_id", "variant", "split"]


def plan_rows(
    clips: pd.DataFrame,
    *,
    class_set: str,
    protocol: str,
    augmentation: str,
    augmented_rows: int,
    loud: bool,
    sad_angry_fraction: float,
    other_emotions: bool = False,
    test_fold: int,
    test_fraction: float,
    validation_fraction: float,
    seed: int,
) -> pd.DataFrame:
    """Decide every row: its clip, its class, its version and its side of the split.

    The split comes first: only training clips get changed copies, unless the protocol is
    `leaky_random`, which deals the copies themselves.

    Parameters
    ----------
    clips
        The table that stage 01 writes.
    class_set
        "four" or "seven".
    protocol
        One of `splits.PROTOCOLS`.
    augmentation
        "random": each training clip as it is, and `augmented_rows` random versions. "original":
        the published recipe, a noisy version and that one stretched and pitched, no clean row.
        "none": clean rows only.
    loud
        One more copy of each training clip, far over full scale and clipped there.
    sad_angry_fraction
        Share of the sad and of the angry clips that is kept.
    other_emotions
        Keep training clips of emotions outside the class set, for an auxiliary answer.
    test_fold
        For protocol `speaker`, and `release`.
    test_fraction, validation_fraction
        For the random protocols; the second is a share of what the first left.
    seed
        For everything drawn at random.

    Returns
    -------
    rows
        Columns row, key, corpus, speaker, emotion, label, label_id, variant, split; the rows of
        one clip are neighbours.

    Raises
    ------
    DataError
        If an option is unknown or the clips do not allow the split.
    """
    for name, value, known in (
        ("protocol", protocol, splits.PROTOCOLS),
        ("augmentation", augmentation, AUGMENTATIONS),
    ):
        if value not in known:
            raise DataError(f"{name}: expected one of {known}, found {value!r}")
    if augmented_rows < 0:
        raise DataError(f"augmented_rows: expected 0 or more, found {augmented_rows}")
    if loud and (augmentation == "original" or protocol == "leaky_random"):
        raise DataError(
            "loud copies: expected none where versions are dealt at random or the clip itself is "
            f"none of them, found them with {augmentation!r} and {protocol!r}"
        )
    table = labels.label_clips(
        clips,
        class_set=class_set,
        sad_angry_fraction=sad_angry_fraction,
        others=other_emotions,
        seed=seed,
    )
    fractions = {"test_fraction": test_fraction, "validation_fraction": validation_fraction}
    copies = {
        "random": [CLEAN, *(f"random_{number}" for number in range(1, augmented_rows + 1))],
        "original": list(ORIGINAL_VARIANTS),
        "none": [CLEAN],
    }[augmentation] + [LOUD] * loud
    if protocol == "leaky_random":
        table = table[table["label_id"] >= 0]
        rows = _repeat(table, [copies] * len(table))
        rows["split"] = splits.split_random(rows, seed=seed, **fractions)
    else:
        if protocol in splits.BY_SPEAKER:
            table["split"] = splits.split_speakers(table, protocol=protocol, test_fold=test_fold)
        else:
            table["split"] = splits.split_random(table, seed=seed, **fractions)
        table = table[(table["label_id"] >= 0) | (table["split"] == splits.TRAIN)]
        rows = _repeat(
            table, [copies if split == splits.TRAIN else [CLEAN] for split in table["split"]]
        )
    rows["row"] = np.arange(len(rows))
    return rows[COLUMNS]


def _repeat(table: pd.DataFrame, variants: list[list[str]]) -> pd.DataFrame:
    rows = table.loc[table.index.repeat([len(names) for names in variants])].reset_index(drop=True)
    rows["variant"] = [name for names in variants for name in names]
    return rows
