"""What people hear in the same clips: listeners' votes beside the answers of a net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import labels
from ser_tinyml.data.labels import ClassSet
from ser_tinyml.evaluation import trials
from ser_tinyml.files import DataError

FILE = "crema_d_voice_votes.csv"
VOTES = {  # column of the table of votes: emotion of the corpora
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
}
AGREED = (0.5, 0.8)  # share of the listeners who heard what was meant
ONE, MANY, NET = "one listener", "all listeners, by majority", "the net"


def read_votes(folder: str | Path) -> pd.DataFrame:
    """Votes of listeners who heard the voice alone: a line a clip, a column an emotion.

    Parameters
    ----------
    folder
        With `FILE`, which has a column clip and a column of votes for each of `VOTES`: what
        CREMA-D's tabulatedVotes.csv says of the voice alone.

    Returns
    -------
    votes
        Index: clip; columns: the emotions of the corpora.

    Raises
    ------
    DataError
        If a column is missing, or a vote is no number from 0 on.
    """
    path = Path(folder) / FILE
    table = files.read_table(path)
    missing = [name for name in ("clip", *VOTES) if name not in table]
    if missing:
        raise DataError(f"{path}: expected columns clip, {', '.join(VOTES)}, found no {missing[0]}")
    given = table.set_index("clip")[list(VOTES)].rename(columns=VOTES)
    votes = given.apply(pd.to_numeric, errors="coerce")  # NaN is not from 0 on
    if not (votes >= 0).all(axis=None):
        raise DataError(f"{path}: expected numbers of votes from 0 on, found others")
    return votes


def compare(answers: pd.DataFrame, votes: pd.DataFrame, *, class_set: ClassSet) -> pd.DataFrame:
    """Listeners and a net against what the actors meant, on the same clips.

    Votes for emotions of no class are dropped, as the net has no such answer. Of clips whose
    votes are then tied, the majority is right as often as one of the tied would be by chance.

    Parameters
    ----------
    answers
        From `trials.answers`, of one net or several below each other.
    votes
        From `read_votes`.
    class_set
        A name of `labels.CLASS_SETS`, or class to emotions.

    Returns
    -------
    compared
        Index: `ONE`, `MANY`, `NET`; columns: clips, uar, and uar_agreed_<percent> for each share
        in AGREED: on the clips where so many of the listeners heard what was meant.
    """
    classes = labels.emotions_of_classes(class_set)
    of_class = pd.DataFrame(
        {name: votes.reindex(columns=list(group)).sum(axis=1) for name, group in classes.items()}
    )
    clip = answers["key"].map(lambda key: Path(key).name)
    known = of_class.reindex(clip)
    total = known.sum(axis=1).to_numpy()
    used = np.flatnonzero(total > 0)
    if not len(used):
        return pd.DataFrame()
    truth = answers["label_id"].to_numpy()[used]
    share = known.to_numpy()[used] / total[used, None]
    most = share == share.max(axis=1, keepdims=True)
    right = {
        ONE: share[np.arange(len(used)), truth],
        MANY: most[np.arange(len(used)), truth] / most.sum(axis=1),
        NET: trials.probabilities(answers)[used].argmax(axis=1) == truth,
    }
    agreed = {f"uar_agreed_{100 * least:.0f}": right[ONE] >= least for least in AGREED}
    return pd.DataFrame(
        {
            name: {
                "clips": answers["key"].iloc[used].nunique(),
                "uar": _uar(found, truth, len(classes)),
                **{
                    column: _uar(found[chosen], truth[chosen], len(classes))
                    for column, chosen in agreed.items()
                },
            }
            for name, found in right.items()
        }
    ).T


def _uar(right: np.ndarray, truth: np.ndarray, classes: int) -> float:
    """Unweighted average recall where being right may be a share."""
    recalls = [right[truth == one].mean() for one in range(classes) if (truth == one).any()]
    return float(np.mean(recalls)) if recalls else float("nan")
