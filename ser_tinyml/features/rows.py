"""From the table of clips to the table of rows.

A row is one version of one clip, the clip itself or a changed copy of it, on one side of the split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml.data import corpora, folds, labels, splits
from ser_tinyml.features import FeatureConfig, preset
from ser_tinyml.features.extract import CLEAN, LOUD, ORIGINAL_VARIANTS
from ser_tinyml.files import DataError
from ser_tinyml.parameters import typed

AUGMENTATIONS = ("random", "original", "none")
COLUMNS = [
    *("row", "key", "corpus", "speaker", "session", "emotion", "label", "label_id"),
    *("variant", "split"),
]


@dataclass(frozen=True, kw_only=True)
class RowPlan:
    """What a net is trained and tested on: which clips, which classes, which versions, which split.

    Attributes
    ----------
    features
        What the net sees of each row.
    corpora
        Names of those that are used; none: all that are there.
    class_set
        A name of `labels.CLASS_SETS`, class to emotions, or "auto": it comes from the clips, see
        `labels.settled`.
    protocol
        One of `splits.PROTOCOLS`.
    augmentation
        "random": each training clip as it is, and `augmented_rows` random versions. "original":
        the published recipe, a noisy version and that one stretched and pitched, no clean row.
        "none": clean rows only.
    augmented_rows
        Changed copies of each training clip, for "random".
    loud
        Above 0: one more copy of each training clip, far over full scale and clipped there.
    sad_angry_fraction
        Share of the sad and of the angry clips that is kept, above 0 to 1.
    other_emotions
        Keep training clips of emotions outside the class set, for an auxiliary answer.
    speaker_share
        Share of the training speakers of each corpus that train, above 0 to 1.
    test_fold
        For protocol "speaker", and "release".
    test_fraction, validation_fraction
        For the random protocols; the second is a share of what the first left.
    seed
        For everything drawn at random.
    """

    features: FeatureConfig = field(default_factory=lambda: preset("default"))
    corpora: tuple[str, ...] = ()
    class_set: str | Mapping[str, Any] = labels.AUTO
    protocol: str = "speaker"
    augmentation: str = "random"
    augmented_rows: int = 2
    loud: float = 0.125
    sad_angry_fraction: float = 1.0
    other_emotions: bool = True
    speaker_share: float = 1.0
    test_fold: int = 0
    test_fraction: float = 0.1
    validation_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        labels.check(self.class_set)
        _check_choices(self)
        _check_ranges(self)
        originals = self.augmentation == "original" or self.protocol == "leaky_random"
        if self.loud and originals:
            raise DataError(
                "loud: expected 0 where versions are dealt at random or the clip itself is none of "
                f"them, found {self.loud} with augmentation {self.augmentation!r} and protocol "
                f"{self.protocol!r}"
            )

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> RowPlan:
        """Read the parameters of notebook 02; those of other things are passed over.

        Raises
        ------
        DataError
            If a value is of another type or out of range; the message begins with the parameter's
            name.
        """
        known = set(cls.__dataclass_fields__) - {"features", "corpora"}
        own = {name: value for name, value in parameters.items() if name in known}
        names = parameters.get("corpora", "")
        names = names.split() if isinstance(names, str) else names
        return cls(
            features=FeatureConfig.of(
                parameters.get("feature_preset", "default"), parameters.get("features", {})
            ),
            **typed({"corpora": names, **own}, of=cls, name=""),
        )

    def settled(self, clips: pd.DataFrame) -> RowPlan:
        """The plan for some clips: its class set has names and emotions.

        Raises
        ------
        DataError
            If a corpus, or a class of the set, has no clip.
        """
        chosen = corpora.select(clips, self.corpora)
        return replace(self, class_set=labels.settled(self.class_set, chosen))

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the model's outputs; of a plan that is settled."""
        return labels.class_names(self.class_set)

    @property
    def copies(self) -> list[str]:
        """The versions of a training clip."""
        return {
            "random": [CLEAN, *(f"random_{number + 1}" for number in range(self.augmented_rows))],
            "original": list(ORIGINAL_VARIANTS),
            "none": [CLEAN],
        }[self.augmentation] + [LOUD] * (self.loud > 0)


def _check_choices(plan: RowPlan) -> None:
    for name, known in (("protocol", splits.PROTOCOLS), ("augmentation", AUGMENTATIONS)):
        if getattr(plan, name) not in known:
            raise DataError(
                f"{name}: expected one of {', '.join(known)}, found {getattr(plan, name)!r}"
            )


def _check_ranges(plan: RowPlan) -> None:
    last = folds.N_FOLDS - 1
    for name, good, expected in (
        ("augmented_rows", plan.augmented_rows >= 0, "0 or more"),
        ("seed", plan.seed >= 0, "0 or more"),
        ("test_fold", 0 <= plan.test_fold <= last, f"0 to {last}"),
        ("loud", 0 <= plan.loud <= 1, "a share from 0 to 1"),
        ("sad_angry_fraction", 0 < plan.sad_angry_fraction <= 1, "above 0 and at most 1"),
        ("speaker_share", 0 < plan.speaker_share <= 1, "above 0 and at most 1"),
        ("test_fraction", 0 < plan.test_fraction < 1, "above 0 and below 1"),
        ("validation_fraction", 0 < plan.validation_fraction < 1, "above 0 and below 1"),
    ):
        if not good:
            raise DataError(f"{name}: expected {expected}, found {getattr(plan, name)}")


def plan_rows(clips: pd.DataFrame, plan: RowPlan) -> pd.DataFrame:
    """Decide every row: its clip, its class, its version and its side of the split.

    The split comes first: only training clips get changed copies, unless the protocol is
    `leaky_random`, which deals the copies themselves.

    Parameters
    ----------
    clips
        The table that stage 01 writes; corpora that the plan does not name are left out.

    Returns
    -------
    rows
        Columns COLUMNS; the rows of one clip are neighbours.

    Raises
    ------
    DataError
        If a corpus is not there, or the clips do not allow the split.
    """
    clips = corpora.select(clips, plan.corpora)
    table = labels.label_clips(
        clips,
        class_set=plan.class_set,
        sad_angry_fraction=plan.sad_angry_fraction,
        others=plan.other_emotions,
        seed=plan.seed,
    )
    fractions = {
        "test_fraction": plan.test_fraction,
        "validation_fraction": plan.validation_fraction,
    }
    if plan.protocol == "leaky_random":
        table = table[table["label_id"] >= 0]
        rows = _repeat(table, [plan.copies] * len(table))
        rows["split"] = splits.split_random(rows, seed=plan.seed, **fractions)
    else:
        if plan.protocol in splits.BY_SPEAKER:
            table["split"] = splits.split_speakers(
                table, protocol=plan.protocol, test_fold=plan.test_fold
            )
        else:
            table["split"] = splits.split_random(table, seed=plan.seed, **fractions)
        table = table[(table["label_id"] >= 0) | (table["split"] == splits.TRAIN)]
        rows = _repeat(
            table, [plan.copies if split == splits.TRAIN else [CLEAN] for split in table["split"]]
        )
    rows = _fewer_speakers(rows, plan.speaker_share, seed=plan.seed)
    return rows.assign(row=np.arange(len(rows))).reindex(columns=COLUMNS, fill_value="")


def _fewer_speakers(rows: pd.DataFrame, share: float, *, seed: int) -> pd.DataFrame:
    """The rows without some training speakers; who is in a small share is in every larger one."""
    speakers = rows.loc[rows["split"] == splits.TRAIN, ["corpus", "speaker"]].drop_duplicates()
    drawn = speakers.sort_values(["corpus", "speaker"]).sample(frac=1, random_state=seed)
    number = drawn.groupby("corpus").cumcount()
    wanted = np.ceil(share * drawn.groupby("corpus")["speaker"].transform("size"))
    left_out = drawn.loc[number >= wanted, "speaker"]
    kept = rows[~((rows["split"] == splits.TRAIN) & rows["speaker"].isin(left_out))]
    return kept.reset_index(drop=True)


def _repeat(table: pd.DataFrame, variants: list[list[str]]) -> pd.DataFrame:
    rows = table.loc[table.index.repeat([len(names) for names in variants])].reset_index(drop=True)
    rows["variant"] = [name for names in variants for name in names]
    return rows
