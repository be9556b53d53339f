"""Who is in train, validation and test.

`speaker`: nobody heard in training is heard in the test; this is the honest one and the default.
Speakers in no fold are trained on, in every protocol that splits by speaker. Only where a class has
no clip in any fold, as with labels of one's own, those in no fold are dealt to the sides too: whole
speakers if that is possible, otherwise whole sessions, otherwise clips. `meaning` says in words
what a score then means. A side that `labels.csv` gives a clip is kept in every protocol.
`release`: every speaker trains but a validation group, and there is no test; for the model that is
given out, after its settings have been scored by `speaker`. `development`: settings are compared on
the speakers of two folds, trained on the others. `clip_random`: clips are dealt at random, so that
every speaker is on both sides. `leaky_random`: augmented rows are dealt at random, so that two
versions of one clip fall on both sides; it exists to repeat published figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ser_tinyml.data import folds
from ser_tinyml.files import DataError

BY_SPEAKER = ("speaker", "release", "development")
PROTOCOLS = (*BY_SPEAKER, "clip_random", "leaky_random")
SIDES = TRAIN, VALIDATION, TEST = "train", "validation", "test"


def split_speakers(clips: pd.DataFrame, *, protocol: str, test_fold: int = 0) -> pd.Series:
    """Split by speaker, along the committed folds.

    Validation needs few speakers, training many: in `speaker` and `release` every second speaker
    of the fold after test_fold is validation, of the corpora that have several there.

    Parameters
    ----------
    clips
        Table with columns key, corpus, sex, speaker; label_id, emotion, session and given_split,
        where there are such.
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
    split = _sides(fold, folds.N_FOLDS, _wanted(protocol), protocol, test_fold)
    if protocol != "development":
        split[(split == VALIDATION) & ~_validation_group(clips, split == VALIDATION)] = TRAIN
    given, label = _text(clips, "given_split"), _label(clips)
    own = fold == folds.NO_FOLD
    if set(label[label >= 0]) - set(label[~own]):
        split[own] = _deal(clips[own], given[own], protocol=protocol, test_fold=test_fold)
    split[given != ""] = given[given != ""]
    for part in (TRAIN, VALIDATION, TEST)[: 3 if protocol == "speaker" else 2]:
        if not (split == part).any():
            about = folds.about_those_without(folds.without(clips))
            raise DataError(
                f"split by speaker: expected clips in {part} for test_fold {test_fold}, "
                f"found none among {clips['speaker'].nunique()} speakers: "
                f"take another fold or protocol, or more recordings. {about}".rstrip()
            )
    return split


def _wanted(protocol: str) -> list[str]:
    """The sides beside training that a protocol has."""
    return [VALIDATION, TEST] if protocol == "speaker" else [VALIDATION]


def _sides(
    part: pd.Series, parts: int, wanted: Sequence[str], protocol: str, test_fold: int
) -> pd.Series:
    """Train, validation or test, by the number of a part, 0 to parts - 1."""
    split = pd.Series(TRAIN, index=part.index, name="split")
    if VALIDATION in wanted and protocol == "development":
        split[part.isin(folds.DEVELOPMENT)] = VALIDATION
    elif VALIDATION in wanted:
        split[part == (test_fold + 1) % parts] = VALIDATION
    if TEST in wanted:
        split[part == test_fold % parts] = TEST
    return split


def _text(clips: pd.DataFrame, column: str) -> pd.Series:
    """A column of text; empty where there is none."""
    return clips[column] if column in clips else pd.Series("", index=clips.index)


def _label(clips: pd.DataFrame) -> pd.Series:
    """The number of each clip's class; all are of one where there are no classes."""
    return clips["label_id"] if "label_id" in clips else pd.Series(0, index=clips.index)


def _deal(clips: pd.DataFrame, given: pd.Series, *, protocol: str, test_fold: int) -> pd.Series:
    """Sides of clips in no fold; what nobody was put on by hand is taken from the others."""
    split = given.where(given != "", TRAIN)
    counted = _label(clips) >= 0
    wanted = [side for side in _wanted(protocol) if side not in set(split[counted])]
    pool = clips[split == TRAIN]
    if not wanted:
        return split
    least = 3 if protocol == "development" else 1 + len(wanted)
    for unit, (number, count) in _units(pool).items():
        if count < least:
            continue
        parts = min(count, folds.N_FOLDS)
        dealt = _sides(number % parts, parts, wanted, protocol, test_fold)
        if _fits(_label(pool), dealt, wanted, whole=unit == "session"):
            return split.where(split != TRAIN, dealt.reindex(split.index))
    counts = _label(pool)[_label(pool) >= 0].value_counts()
    raise DataError(
        f"split: expected {least} clips or more of each label that are not given a side by hand, "
        f"found {counts.min() if len(counts) else 0} of one"
    )


def _units(clips: pd.DataFrame) -> dict[str, tuple[pd.Series, int]]:
    """What can be dealt whole, the best first: the number of each clip's, and how many there are.

    Clips are numbered within their emotion, so that each is spread over all sides.
    """
    session = _text(clips, "session")
    names = {"speaker": clips["speaker"]}
    if (session != "").all():
        names["session"] = clips["speaker"] + "\n" + session
    found = {}
    for unit, name in names.items():
        number, known = pd.factorize(name, sort=True)
        found[unit] = pd.Series(number, index=clips.index), len(known)
    emotion = _text(clips, "emotion")
    order = clips.assign(emotion=emotion).sort_values(["speaker", "key"]).groupby("emotion")
    counts = _label(clips)[_label(clips) >= 0].value_counts()
    found["clip"] = order.cumcount().reindex(clips.index), int(counts.min()) if len(counts) else 0
    return found


def _fits(label: pd.Series, split: pd.Series, wanted: Sequence[str], *, whole: bool) -> bool:
    """Whether all classes are trained on, and each side has some; or all, if `whole`."""
    classes = set(label[label >= 0])
    of_side = {side: set(label[(split == side) & (label >= 0)]) for side in (TRAIN, *wanted)}
    enough = all(found == classes if whole else found for found in of_side.values())
    return bool(enough and of_side[TRAIN] == classes)


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


def heard(rows: pd.DataFrame) -> list[str]:
    """Speakers who are scored and trained on, in order; nobody where a score is of new voices."""
    trained = set(rows.loc[rows["split"] == TRAIN, "speaker"])
    return sorted(trained & set(held_out(rows)["speaker"]))


def meaning(rows: pd.DataFrame) -> str:
    """Say in a sentence what a score on the held-out rows means: whose voices they are.

    Parameters
    ----------
    rows
        From `rows.plan_rows`.
    """
    scored, train = held_out(rows), rows[rows["split"] == TRAIN]
    if set(scored["key"]) & set(train["key"]):
        return "Scored on other versions of clips that are trained on: it says nothing of new ones."
    scored, names = scored.drop_duplicates("key"), heard(rows)
    if not names:
        return "Scored on speakers who are not trained on."
    known = scored["speaker"].isin(names)
    if not known.all():
        return (
            f"{known.sum()} of {len(scored)} scored clips are of speakers who are trained on: it "
            "flatters as a score on new voices."
        )
    sessions = set(_text(scored, "session"))
    other = "clips" if sessions & {"", *_text(train, "session")} else "recording sessions"
    trained = train["speaker"].nunique()
    if trained == 1:
        return (
            f"Scored on other {other} of the one speaker who is trained on, {names[0]}: it says "
            "how well this voice is known, and nothing of other voices."
        )
    return (
        f"Scored on other {other} of {len(names)} of the {trained} speakers who are trained on: it "
        "says how well these voices are known, and little of other voices."
    )


def split_random(
    rows: pd.DataFrame, *, test_fraction: float, validation_fraction: float, seed: int
) -> pd.Series:
    """Deal rows at random, by class alike.

    Parameters
    ----------
    rows
        Table with a column label_id; one row a clip, or (leaky) one row a version of a clip. Rows
        with a given_split are on that side, and the others are dealt.
    test_fraction
        Share of all rows.
    validation_fraction
        Share of the rows that are not test.

    Raises
    ------
    DataError
        If there are too few of a class.
    """
    from sklearn.model_selection import train_test_split  # only a training has it

    split = _text(rows, "given_split").where(lambda given: given != "", TRAIN).rename("split")
    dealt = rows[_text(rows, "given_split") == ""]
    try:
        rest, test = train_test_split(
            dealt.index, test_size=test_fraction, random_state=seed, stratify=dealt["label_id"]
        )
        _, validation = train_test_split(
            rest,
            test_size=validation_fraction,
            random_state=seed + 1,
            stratify=dealt.loc[rest, "label_id"],
        )
    except ValueError as error:
        counts = dealt["label_id"].value_counts()
        raise DataError(
            f"split at random: expected clips enough to have every class on every side, found "
            f"{len(dealt)}, of one class {counts.min() if len(counts) else 0}: {error}"
        ) from error
    split[test] = TEST
    split[validation] = VALIDATION
    return split
