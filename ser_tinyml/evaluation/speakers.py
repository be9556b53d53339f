"""How far a score would move with other speakers: the bootstrap over speakers.

Clips of one speaker are right or wrong together, so speakers are drawn, with all their clips, and
not clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

RESAMPLES = 2000


@dataclass(frozen=True)
class Counts:
    """Clips of each speaker and class, and how many of them were answered right.

    Attributes
    ----------
    n, right [shape=(speakers, classes)]
    """

    n: np.ndarray
    right: np.ndarray

    @classmethod
    def of(
        cls, table: pd.DataFrame, *, classes: Sequence[str], speakers: Sequence[str] | None = None
    ) -> Counts:
        """Count.

        Parameters
        ----------
        table
            From `metrics.predictions`: columns speaker, truth and answer. Answers of several nets
            to the same clips may stand below each other.
        speakers
            Order of the lines; by default alphabetical.
        """
        speakers = sorted(set(table["speaker"])) if speakers is None else speakers
        right = table[table["truth"] == table["answer"]]
        n, right = (
            pd.crosstab(part["speaker"], part["truth"])
            .reindex(index=speakers, columns=classes, fill_value=0)
            .to_numpy()
            for part in (table, right)
        )
        return cls(n, right)

    def uar(self, speakers: np.ndarray) -> np.ndarray:
        """Unweighted average recall over some speakers, each as often as it is drawn.

        Parameters
        ----------
        speakers [shape=(…, drawn)]
            Indices of lines.

        Returns
        -------
        uar [shape=(…)]
            Over the classes that the speakers drawn have.
        """
        n, right = (counts[speakers].sum(axis=-2) for counts in (self.n, self.right))
        recall = np.divide(right, n, out=np.zeros(n.shape), where=n > 0)
        return recall.sum(axis=-1) / (n > 0).sum(axis=-1)


def standard_error(table: pd.DataFrame, *, classes: Sequence[str], seed: int = 0) -> float:
    """Standard error of the UAR over speakers; NaN for a single speaker.

    Parameters
    ----------
    table, classes
        As in `Counts.of`.
    seed
        Of the draws.

    Examples
    --------
    >>> answers = pd.DataFrame(
    ...     {
    ...         "speaker": ["anna", "anna", "bob", "bob"],
    ...         "truth": ["calm", "angry", "calm", "angry"],
    ...         "answer": ["calm", "angry", "calm", "calm"],
    ...     }
    ... )
    >>> 0 < standard_error(answers, classes=["calm", "angry"]) < 0.25
    True
    """
    counts = Counts.of(table, classes=classes)
    found = _bootstrap(counts.uar, len(counts.n), seed=seed)
    return float("nan") if found is None else float(found.standard_error)


def difference_interval(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    classes: Sequence[str],
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of how much higher the second UAR is, over the same speakers (paired).

    Parameters
    ----------
    first, second
        Answers to the same clips, as in `Counts.of`.
    seed
        Of the draws.

    Returns
    -------
    low, high
        NaN for a single speaker.
    """
    speakers = sorted(set(first["speaker"]))
    one, two = (Counts.of(t, classes=classes, speakers=speakers) for t in (first, second))
    found = _bootstrap(lambda drawn: two.uar(drawn) - one.uar(drawn), len(speakers), seed=seed)
    if found is None:
        return float("nan"), float("nan")
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _bootstrap(statistic: Callable[[np.ndarray], np.ndarray], count: int, *, seed: int):
    """Draw speakers with replacement and compute a statistic of each draw.

    Parameters
    ----------
    statistic
        Of the indices of the speakers that were drawn.
    count
        Number of speakers; for fewer than two the result is None.
    """
    if count < 2:
        return None
    return stats.bootstrap(
        (np.arange(count),),
        lambda drawn, axis: statistic(drawn),  # which scipy puts last
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
