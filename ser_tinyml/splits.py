"""Who is in train, validation and test.

Three protocols. `speaker`: nobody heard in training is heard in the test; this is the honest one
and the default. `clip_random`: clips are dealt at random, so that every speaker is on both sides.
`leaky_random`: augmented rows are dealt at random, so that two versions of one clip fall on both
sides; it exists to repeat published figures.
"""

from __future__ import annotations

import pandas as pd
from sklearn.model_selection import train_test_split

from ser_tinyml.files import DataError

PROTOCOLS = ("speaker", "clip_random", "leaky_random")
N_FOLDS = 5
TRAIN, VALIDATION, TEST = "train", "validation", "test"


def speaker_folds(clips: pd.DataFrame, *, n_folds: int = N_FOLDS) -> pd.Series:
    """Deal speakers to folds, balanced by corpus and sex, without chance.

    Within a corpus and sex, speakers in the order of their names go to folds 0, 1, 2, … in turn.
    Fewer speakers than folds are spread over them, so that a corpus of two, tested on one speaker,
    is trained on the other.

    Parameters
    ----------
    clips
        Table with columns corpus, sex, speaker.

    Returns
    -------
    folds
        Index: speaker; value: fold, 0 to n_folds - 1.
    """
    folds = {}
    speakers = clips[["corpus", "sex", "speaker"]].drop_duplicates()
    for _, group in speakers.groupby(["corpus", "sex"]):
        names = sorted(group["speaker"])
        for index, name in enumerate(names):
            few = len(names) < n_folds
            folds[name] = index * n_folds // len(names) if few else index % n_folds
    return pd.Series(folds, name="fold").sort_index()


def split_speakers(clips: pd.DataFrame, *, test_fold: int = 0) -> pd.Series:
    """Split by speaker: one fold is the test, the next one validation, the others train.

    Returns
    -------
    split
        Index of clips; train, validation or test.

    Raises
    ------
    DataError
        If test_fold is no fold, or one of the three gets no clip.
    """
    if test_fold not in range(N_FOLDS):
        raise DataError(f"test_fold: expected 0 to {N_FOLDS - 1}, found {test_fold}")
    fold = clips["speaker"].map(speaker_folds(clips))
    split = pd.Series(TRAIN, index=clips.index, name="split")
    split[fold == test_fold] = TEST
    split[fold == (test_fold + 1) % N_FOLDS] = VALIDATION
    for part in (TRAIN, VALIDATION, TEST):
        if not (split == part).any():
            raise DataError(
                f"split by speaker: expected clips in {part} for test_fold {test_fold}, "
                f"found none among {clips['speaker'].nunique()} speakers: "
                "take another fold or protocol, or more recordings"
            )
    return split


def split_random(
    rows: pd.DataFrame, *, test_fraction: float, validation_fraction: float, seed: int
) -> pd.Series:
    """Deal rows at random, by class alike.

    Parameters
    ----------
    rows
        Table with a column label_id; one row a clip, or (leaky) one row a version of a clip.
    test_fraction
        Share of all rows.
    validation_fraction
        Share of the rows that are not test.
    """
    rest, test = train_test_split(
        rows.index, test_size=test_fraction, random_state=seed, stratify=rows["label_id"]
    )
    _, validation = train_test_split(
        rest,
        test_size=validation_fraction,
        random_state=seed + 1,
        stratify=rows.loc[rest, "label_id"],
    )
    split = pd.Series(TRAIN, index=rows.index, name="split")
    split[test] = TEST
    split[validation] = VALIDATION
    return split
