"""Who is in train, validation and test.

`speaker`: nobody heard in training is heard in the test; this is the honest one and the default.
Speakers in no fold are trained on, in every protocol that splits by speaker.
`release`: every speaker trains but a validation group, and there is no test; for the model that is
given out, after its settings have been scored by `speaker`. `development`: settings are compared on
the speakers of two folds, trained on the others. `clip_random`: clips are dealt at random, so that
every speaker is on both sides. `leaky_random`: augmented rows are dealt at random, so that two
versions of one clip fall on both sides; it exists to repeat published figures.
"""

from __future__ import annotations

import pandas as pd
from sklearn.model_selection import train_test_split

from ser_tinyml.data import folds
from ser_tinyml.files import DataError

BY_SPEAKER = ("speaker", "release", "development")
PROTOCOLS = (*BY_SPEAKER, "clip_random", "leaky_random")
TRAIN, VALIDATION, TEST = "train", "validation", "test"


def split_speakers(clips: pd.DataFrame, *, protocol: str, test_fold: int = 0) -> pd.Series:
    """Split by speaker, along the committed folds.

    Validation needs few speakers, training many: in `speaker` and `release` every second speaker
    of the fold after test_fold is validation, of the corpora that have several there.

    Parameters
    ----------
    clips
        Table with columns key, corpus, sex, speaker.
    protocol
        One of BY_SPEAKER.
    test_fold
        The fold that is the test; for `release`, the fold before the validation group.

    Returns
    -------
    split
        Index of clips; train, validation or test.

    Raises
    ------
    DataError
        If test_fold is no fold, or one side gets no clip.
    """
    if test_fold not in range(folds.N_FOLDS):
        raise DataError(f"test_fold: expected 0 to {folds.N_FOLDS - 1}, found {test_fold}")
    fold = folds.assign(clips)
    split = pd.Series(TRAIN, index=clips.index, name="split")
    if protocol == "development":
        split[fold.isin(folds.DEVELOPMENT)] = VALIDATION
    else:
        split[_validation_group(clips, fold == (test_fold + 1) % folds.N_FOLDS)] = VALIDATION
    if protocol == "speaker":
        split[fold == test_fold] = TEST
    for part in (TRAIN, VALIDATION, TEST)[: 3 if protocol == "speaker" else 2]:
        if not (split == part).any():
            about = folds.about_those_without(folds.without(clips))
            raise DataError(
                f"split by speaker: expected clips in {part} for test_fold {test_fold}, "
                f"found none among {clips['speaker'].nunique()} speakers: "
                f"take another fold or protocol, or more recordings. {about}".rstrip()
            )
    return split


def _validation_group(clips: pd.DataFrame, candidate: pd.Series) -> pd.Series:
    """Every second speaker of each corpus and sex; all, where no corpus has two."""
    speakers = clips.loc[candidate, ["corpus", "sex", "speaker"]].drop_duplicates()
    speakers = speakers.sort_values("speaker")
    number = speakers.groupby(["corpus", "sex"]).cumcount()
    several = speakers.groupby("corpus")["speaker"].transform("size") > 1
    chosen = speakers["speaker"][several & (number % 2 == 0)]
    return candidate & clips["speaker"].isin(chosen if len(chosen) else speakers["speaker"])


def held_out(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows to score: those of the test, or of validation where nobody was kept for a test."""
    tested = rows["split"] == (TEST if (rows["split"] == TEST).any() else VALIDATION)
    return rows[tested].reset_index(drop=True)


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
