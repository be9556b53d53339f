"""One question for all systems: four classes, the same clips, speakers never heard.

Systems of the field tell seven or eight emotions apart, and their scores are no score of four. So
the answers of each are read as answers to the question that the board is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml.data import labels
from ser_tinyml.device.emulation import energy
from ser_tinyml.evaluation import trials as evaluated
from ser_tinyml.evaluation.cross_validation import finished
from ser_tinyml.files import DataError
from ser_tinyml.systems import registry, scores
from ser_tinyml.systems.face import CLIP_S, SPEAKERS
from ser_tinyml.systems.trials import Trial, facts

QUESTION = labels.CLASS_SETS["four"]
COSTS = ("flash_bytes", "ram_bytes", "milliseconds", "share")


def asked(answers: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Answers of a system as answers to `QUESTION`.

    A class gets the probabilities of all the system's classes that share an emotion with it; the
    system's other classes are left out, and so are the clips of other emotions. What is left of
    the probabilities is brought to 1.

    Parameters
    ----------
    answers
        As `evaluation.trials.answers`.
    classes
        The system's, each with its emotions.

    Returns
    -------
    answers
        In the same form, of the classes of `QUESTION`.

    Raises
    ------
    DataError
        If a class of the system gathers what the question tells apart.
    """
    found = np.zeros((len(answers), len(QUESTION)))
    for name, emotions in classes.items():
        meant = [n for n, own in enumerate(QUESTION.values()) if set(own) & set(emotions)]
        if len(meant) > 1:
            both = " and ".join([*QUESTION][n] for n in meant)
            raise DataError(f"class {name!r}: expected one of the four classes, found {both}")
        for place in meant:
            found[:, place] += answers[f"p_{name}"]
    total = found.sum(axis=1, keepdims=True)
    found = np.where(total > 0, found / np.where(total > 0, total, 1), 1 / len(QUESTION))
    of_emotion = {emotion: name for name, own in QUESTION.items() for emotion in own}
    label = answers["emotion"].map(of_emotion)
    table = answers[["key", "corpus", "speaker", "emotion"]].assign(
        label=label, label_id=label.map([*QUESTION].index, na_action="ignore"),
        **{f"p_{name}": found[:, place] for place, name in enumerate(QUESTION)},
    )  # fmt: skip
    return table[label.notna()].astype({"label_id": int}).reset_index(drop=True)


def of_trials(trials: Sequence[Trial]) -> pd.DataFrame:
    """Scores of systems on speakers never heard, asked the question of all.

    Returns
    -------
    scores
        A line a trial and part: system, title, fold, seed, trial, part, n, uar; cost columns
        `COSTS`, and emulated: whether features and model were counted on the emulated board.
    """
    lines = []
    for trial in trials:
        if trial.test == SPEAKERS:
            system = registry.find(trial.system)
            classes = labels.emotions_of_classes(system.tests[SPEAKERS].rows["class_set"])
            answers = evaluated.answers(trial.folder, kind=scores.shipped_kind(trial))
            about = {"system": trial.system, "title": system.title}
            where = {"fold": trial.fold, "seed": trial.seed}
            known = facts(trial).get(system.shipped, {})
            found = _lines(asked(answers, classes), {**about, **where}, known)
            # What counts corpora of its own has another pool, such as one of speech and song.
            own = system.tests[SPEAKERS].counted
            lines += [line for line in found if not (own and line["part"] == evaluated.POOL)]
    return pd.DataFrame(lines)


def of_nets(
    folders: Sequence[Path], *, name: str, title: str, known: Mapping[str, Any]
) -> pd.DataFrame:
    """The same of trials of the project's own net.

    Parameters
    ----------
    folders
        Of finished trials, see `evaluation.trials.run`.
    known
        What such a net costs, by the names of `COSTS`; empty: that was not counted.
    """
    lines = []
    for trial in finished(folders):
        classes = {label: QUESTION.get(label, (label,)) for label in trial.classes}
        about = {"system": name, "title": title, **trial.where}
        lines += _lines(asked(trial.answers(), classes), about, known)
    return pd.DataFrame(lines)


def _lines(
    answers: pd.DataFrame, about: Mapping[str, Any], known: Mapping[str, Any]
) -> list[dict[str, Any]]:
    costs = {name: known.get(name, np.nan) for name in COSTS}
    emulated = not np.isnan(costs["share"])  # the features were counted too
    return [
        {
            **about,
            "trial": f"{about['fold']} {about['seed']}",
            "part": part,
            "n": len(table),
            "uar": evaluated.score(table, [*QUESTION])["uar"],
            **costs,
            "emulated": emulated,
        }
        for part, table in evaluated.parts(answers).items()
    ]


def table(lines: pd.DataFrame) -> pd.DataFrame:
    """A line a system: mean and deviation over folds and seeds, and what an answer costs.

    Parameters
    ----------
    lines
        From `of_trials`, `of_nets`.

    Returns
    -------
    table
        Index: system. Columns: title, trials, n (clips of the pool); <part> and <part>_sd for
        the pool and each corpus, NaN where the system does not take that corpus; `COSTS`,
        millijoules (of the processor, by the project's power model, for a clip of `CLIP_S`
        seconds from its first sample to the answer), emulated.
    """
    grouped = lines.groupby(["system", "part"], sort=False)["uar"]
    means, spread = grouped.mean().unstack(), grouped.std().unstack()
    found = lines.groupby("system", sort=False).agg(
        title=("title", "first"),
        trials=("trial", "nunique"),
        **{name: (name, "mean") for name in COSTS},
        emulated=("emulated", "any"),  # costs are counted with the first seed alone
    )
    pool = lines[lines["part"] == evaluated.POOL].groupby("system")
    found["n"] = (pool["n"].sum() / pool["seed"].nunique()).reindex(found.index)
    for part in means:
        found[part], found[f"{part}_sd"] = means[part], spread[part]
    awake_s = found["share"] * CLIP_S + found["milliseconds"] / 1e3
    found["millijoules"] = 1e3 * energy.SUPPLY_VOLTS * energy.PROCESSOR.amperes * awake_s
    return found


def together(table: pd.DataFrame, earlier: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A table, and of an earlier one the systems that it does not have; the best ones first.

    Parameters
    ----------
    table
        From `table`.
    earlier
        Lines of such a table, with the name of the system in each.
    """
    others = pd.DataFrame(earlier, columns=None if earlier else ["system", *table.columns])
    others = others.set_index("system")
    others = others[~others.index.isin(table.index)]
    titles = {name: registry.find(name).title for name in registry.names()}
    others["title"] = [titles.get(name, title) for name, title in others["title"].items()]
    for name in others.columns.difference(["title", "emulated"]):
        others[name] = pd.to_numeric(others[name])  # what is not known is None
    both = pd.concat([table, others]) if len(others) else table
    order = [name for name in (evaluated.POOL, "RAVDESS") if name in both]
    return both.sort_values(order, ascending=False, kind="stable").astype({"emulated": bool})


def against(lines: pd.DataFrame, *, part: str, default: str) -> pd.DataFrame:
    """How many points of UAR each system has over one of them, trained on the same clips.

    Parameters
    ----------
    lines
        From `of_nets`.
    part
        The pool, or a corpus.

    Returns
    -------
    points
        Index: title. Columns: mean and std over folds and seeds, count of the comparisons.
    """
    of_part = lines[lines["part"] == part]
    titles = dict(zip(of_part["system"], of_part["title"], strict=True))
    uars = of_part.pivot_table(index=["fold", "seed"], columns="system", values="uar")
    others = [name for name in titles if name != default and default in titles]
    points = {titles[name]: 100 * (uars[name] - uars[default]) for name in others}
    return pd.DataFrame(points).agg(["mean", "std", "count"]).T if points else pd.DataFrame()
