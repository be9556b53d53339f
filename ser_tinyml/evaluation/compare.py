"""Finished runs held against each other: scores, settings, and whether a difference is chance.

Two nets differ on a set of clips for three reasons: they are different, other speakers would have
been drawn, or another seed would have trained other weights. The interval over speakers and the
test of McNemar speak of the second; runs of several seeds, or that differ by their seed alone, of
the third.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ser_tinyml import files, metrics
from ser_tinyml.evaluation import speakers, trials
from ser_tinyml.files import DataError

PREDICTIONS = "predictions.csv"
NEEDED = ("clip", "corpus", "speaker", "truth", "answer", "answered")
SEEDS = ("seed", "seeds")  # settings that only change what is drawn
ALPHA = 0.05


@dataclass(frozen=True)
class Contender:
    """A finished run.

    Attributes
    ----------
    name
        Of the run.
    protocol
        How its test clips were chosen.
    predictions
        From `metrics.predictions`, and seed where there are several.
    settings
        By dotted name; empty if they are not known.
    """

    name: str
    protocol: str
    predictions: pd.DataFrame
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """Names of the answers."""
        columns = self.predictions.filter(regex="^p_").columns
        return [name.removeprefix("p_") for name in columns]

    @property
    def part(self) -> pd.DataFrame:
        """The answers that are compared: of the pool, or of all where that is not several corpora.

        They lie below each other, seed by seed.
        """
        return trials.parts(self.predictions).get(trials.POOL, self.predictions)

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings but for the seeds."""
        return {n: v for n, v in self.settings.items() if n.rpartition(".")[2] not in SEEDS}

    def uars(self) -> list[float]:
        """UAR of each seed."""
        return [_score(one, self.classes)["uar"] for _, one in _by_seed(self.part)]


def read_predictions(path: str | Path) -> pd.DataFrame:
    """Read what `metrics.predictions` made.

    Raises
    ------
    DataError
        If it is missing, or not such a table.
    """
    table = files.read_table(path)
    classes = [name.removeprefix("p_") for name in table.filter(regex="^p_")]
    missing = [name for name in NEEDED if name not in table]
    if missing or not classes or not len(table):
        raise DataError(
            f"{path}: expected columns {', '.join(NEEDED)} and p_<label>, and a line a clip, found "
            f"{len(table)} lines of {', '.join(table.columns)}"
        )
    if unknown := sorted({*table["truth"], *table["answer"]} - set(classes)):
        raise DataError(f"{path}: expected truths and answers of {classes}, found {unknown}")
    return table


def scores(contenders: Sequence[Contender]) -> pd.DataFrame:
    """The scores of every run, pooled and for each corpus; the mean over seeds.

    Returns
    -------
    table
        A line a run and part: run, part, protocol, n (clips), seeds, uar, uar_error (standard
        error over speakers), uar_std (deviation over seeds, NaN for one), accuracy, macro_f1,
        answered (share), recall_<class>. Over all clips together, not the mean of folds.
    """
    lines = []
    for one in contenders:
        for part, table in trials.parts(one.predictions).items():
            found = [_score(of_seed, one.classes) for _, of_seed in _by_seed(table)]
            uars = [score["uar"] for score in found]
            recalls = pd.DataFrame([score["recall"] for score in found], dtype=float).mean()
            lines.append(
                {
                    "run": one.name,
                    "part": part,
                    "protocol": one.protocol,
                    "n": found[0]["n"],
                    "seeds": len(found),
                    "uar": np.mean(uars),
                    "uar_error": speakers.standard_error(table, classes=one.classes),
                    "uar_std": np.std(uars, ddof=1) if len(uars) > 1 else np.nan,
                    "accuracy": np.mean([score["accuracy"] for score in found]),
                    "macro_f1": np.mean([score["macro_f1"] for score in found]),
                    "answered": table["answered"].mean(),
                    **recalls.add_prefix("recall_"),
                }
            )
    return pd.DataFrame(lines)


def settings_that_differ(contenders: Sequence[Contender]) -> pd.DataFrame:
    """The settings that are not the same in all runs: a line a setting, a column a run.

    A setting that a run does not have is "–".
    """
    names = dict.fromkeys(name for one in contenders for name in one.settings)
    values = {name: [one.settings.get(name, "–") for one in contenders] for name in names}
    differ = {name: row for name, row in values.items() if any(v != row[0] for v in row)}
    columns = [one.name for one in contenders]
    return pd.DataFrame.from_dict(differ, orient="index", columns=columns).rename_axis("setting")


def differences(contenders: Sequence[Contender], *, seed: int = 0) -> pd.DataFrame:
    """Every two runs: how far apart, and whether that is more than chance.

    Parameters
    ----------
    seed
        Of the bootstrap.

    Returns
    -------
    table
        A line a pair: first, second; points (of UAR, the second above the first), low and high
        (95 % interval over speakers, paired), speakers; only_first_right and only_second_right
        (clips, mean over seeds) and mcnemar_p (exact, two-sided; of several seeds the largest);
        seed_noise (standard deviation in points that seeds alone give such a difference; NaN
        where no setting was trained twice); conclusion. Where the test clips differ, the runs are
        not paired, and the numbers are NaN.

    References
    ----------
    Q. McNemar, Note on the sampling error of the difference between correlated proportions or
    percentages, Psychometrika 12, 1947.
    """
    lines = []
    for first, second in combinations(contenders, 2):
        line: dict[str, Any] = {"first": first.name, "second": second.name}
        reason = _unlike(first, second)
        if not reason:
            line |= _paired(first, second, contenders, seed=seed)
        conclusion = f"not paired: {reason}" if reason else _conclusion(line)
        lines.append({**line, "conclusion": conclusion})
    numbers = ("points", "low", "high", "speakers", "only_first_right", "only_second_right")
    numbers += ("mcnemar_p", "seed_noise")
    return pd.DataFrame(lines, columns=["first", "second", *numbers, "conclusion"])


def _unlike(first: Contender, second: Contender) -> str:
    """Why two runs cannot be compared clip by clip; empty if they can."""
    if first.classes != second.classes:
        return f"answers are {', '.join(first.classes)} and {', '.join(second.classes)}"
    tables = [[one for _, one in _by_seed(run.part)] for run in (first, second)]
    flat = [one for several in tables for one in several]
    if any(one["clip"].duplicated().any() for one in flat):
        return "clips occur more than once in the test"
    truths = [one.set_index("clip")["truth"].sort_index() for one in flat]
    if not all(one.equals(truths[0]) for one in truths):
        here, there = (set(several[0]["clip"]) for several in tables)
        return f"tests of {len(here)} and {len(there)} clips, {len(here & there)} of them in both"
    return ""


def _paired(
    first: Contender, second: Contender, contenders: Sequence[Contender], *, seed: int
) -> dict[str, Any]:
    """The numbers of two runs on the same clips."""
    low, high = speakers.difference_interval(
        first.part, second.part, classes=first.classes, seed=seed
    )
    right = [
        [one.set_index("clip").sort_index() for _, one in _by_seed(run.part)]
        for run in (first, second)
    ]
    tests = [
        mcnemar(*(one["truth"] == one["answer"] for one in pair))
        for pair in zip(*right, strict=False)  # one may have more seeds
    ]
    return {
        "points": 100 * (np.mean(second.uars()) - np.mean(first.uars())),
        "low": 100 * low,
        "high": 100 * high,
        "speakers": first.part["speaker"].nunique(),
        "only_first_right": np.mean([test[0] for test in tests]),
        "only_second_right": np.mean([test[1] for test in tests]),
        "mcnemar_p": max(test[2] for test in tests),
        "seed_noise": 100 * np.hypot(*(_seed_error(run, contenders) for run in (first, second))),
    }


def mcnemar(first: Iterable[bool], second: Iterable[bool]) -> tuple[int, int, float]:
    """The exact test of McNemar: are two nets right equally often?

    Parameters
    ----------
    first, second
        Whether each is right, clip by clip.

    Returns
    -------
    only_first, only_second
        Clips that only one of them gets right.
    p
        Two-sided: how likely so uneven a count is where both are equally good.

    Examples
    --------
    >>> mcnemar([True] * 9 + [False], [False] * 9 + [True])
    (9, 1, 0.021484375)
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    apart = only_first + only_second
    p = float(stats.binomtest(only_first, apart).pvalue) if apart else 1.0
    return only_first, only_second, p


def _seed_error(run: Contender, contenders: Sequence[Contender]) -> float:
    """Standard error of a run's UAR over seeds, from its own or from runs like it; NaN if one."""
    own = run.uars()
    alike = [one for one in contenders if one is run or (run.recipe and one.recipe == run.recipe)]
    several = own if len(own) > 1 else [uar for one in alike for uar in one.uars()]
    return np.std(several, ddof=1) / np.sqrt(len(own)) if len(several) > 1 else np.nan


def _conclusion(line: Mapping[str, float]) -> str:
    """Say in words whether the difference of a pair of runs may be chance."""
    if np.isnan(line["low"]):
        return "one speaker: nothing can be said of others"
    if line["low"] <= 0 <= line["high"] or line["mcnemar_p"] > ALPHA:
        return "may be chance"
    if np.isnan(line["seed_noise"]):
        return "more than chance over speakers; what another seed would change is not known"
    if abs(line["points"]) < 2 * line["seed_noise"]:
        return "may be chance: no more than seeds alone give"
    return "more than chance"


def _by_seed(table: pd.DataFrame) -> list[tuple[Any, pd.DataFrame]]:
    """The answers of each net that answered the clips, in order."""
    return list(table.groupby("seed")) if "seed" in table else [(None, table)]


def _score(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    number = {name: index for index, name in enumerate(classes)}
    truth, answer = (table[column].map(number).to_numpy() for column in ("truth", "answer"))
    return metrics.score(truth, answer, classes=classes)
