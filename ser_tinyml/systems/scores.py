"""Systems side by side: what each scores, what its authors say it does, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import corpora
from ser_tinyml.evaluation import trials as evaluated
from ser_tinyml.metrics import POOLED
from ser_tinyml.systems import registry
from ser_tinyml.systems.face import MODEL, SPEAKERS
from ser_tinyml.systems.trials import ANSWERS, TRIAL, Trial, facts

SCORES = ("uar", "accuracy", "weighted_f1", "macro_f1")
BASELINE = ("majority_accuracy", "majority_uar")
# Of an export, as `face.Exported` names it.
COSTS = ("bytes", "flash_bytes", "ram_bytes", "milliseconds", "millijoules", "on", "same")
NUMBERS = {  # columns of `summary`
    *("n", "trials", "parameters", "macs", *SCORES, *BASELINE, *(set(COSTS) - {"on"})),
    *(f"{score}_sd" for score in SCORES),
    *(f"quoted_{score}" for score in SCORES),
}


def of_trials(trials: Sequence[Trial]) -> pd.DataFrame:
    """Every score of every trial.

    Returns
    -------
    scores
        A line for each system, test, fold, seed, kind of answers and part: n, `SCORES`, `BASELINE`
        and recall_<class>. Parts of the test by speaker are the pool and each corpus; any other
        test has one, "all".
    """
    lines = []
    for trial in trials:
        about = {"system": trial.system, "test": trial.test, "fold": trial.fold, "seed": trial.seed}
        for kind in kinds(trial):
            answers = evaluated.answers(trial.folder, kind=kind)
            parts = {POOLED: answers} if trial.test != SPEAKERS else _parts(trial, answers)
            for part, table in parts.items():
                found = evaluated.score(table, trial.classes)
                recall = {f"recall_{name}": value for name, value in found["recall"].items()}
                numbers = {name: found[name] for name in ("n", *SCORES, *BASELINE)}
                lines.append({**about, "kind": kind, "part": part, **numbers, **recall})
    return pd.DataFrame(lines)


def _parts(trial: Trial, answers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The pool, also where it is one corpus, and each corpus."""
    counted = registry.find(trial.system).tests[trial.test].counted
    pool = answers[answers["corpus"].isin(counted)] if counted else corpora.pool(answers)
    return {evaluated.POOL: pool} | {
        name: part for name, part in evaluated.parts(answers).items() if name != evaluated.POOL
    }


def kinds(trial: Trial) -> list[str]:
    """Kinds of answers that a trial has to its test: its model's, and those of its exports."""
    with np.load(trial.folder / ANSWERS) as stored:
        names = [name.removesuffix("_test") for name in stored.files if name.endswith("_test")]
    return sorted(names, key=lambda name: (name != MODEL, name))


def shipped_kind(trial: Trial) -> str:
    """The kind of answers that a trial's system is known by; its model's, where it has no such."""
    shipped = registry.find(trial.system).shipped
    return shipped if shipped in kinds(trial) else MODEL


def summary(trials: Sequence[Trial]) -> pd.DataFrame:
    """A line for each system, test, part and kind of answers: mean and deviation over its trials.

    Returns
    -------
    table
        system, title, test, protocol, part, kind, shipped (whether this kind is the one that the
        system is known by), n (clips, over all folds), trials, `SCORES` and their deviations
        (<score>_sd), `BASELINE`, quoted_<score>, source, parameters, macs, `COSTS`.
    """
    table = of_trials(trials)
    lines = []
    for (name, test, part, kind), group in table.groupby(
        ["system", "test", "part", "kind"], sort=False
    ):
        system = registry.find(name)
        of_test = [trial for trial in trials if (trial.system, trial.test) == (name, test)]
        means = group[[*SCORES, *BASELINE]].mean()
        spread = group[list(SCORES)].std().add_suffix("_sd")
        whole = part == (evaluated.POOL if test == SPEAKERS else POOLED)
        quoted = system.tests[test].quoted if whole else {}  # figures are of all corpora together
        lines.append(
            {
                **{"system": name, "title": system.title, "test": test},
                **{"protocol": system.tests[test].rows["protocol"], "part": part},
                **{"kind": kind, "shipped": kind == system.shipped},
                "n": int(group["n"].sum() / group["seed"].nunique()),
                "trials": len(group),
                **means,
                **spread,
                **{f"quoted_{score}": quoted.get(score, np.nan) for score in SCORES},
                "source": system.tests[test].source if quoted else "",
                **_size(of_test),
                **_costs(of_test, kind),
            }
        )
    return pd.DataFrame(lines)


def of_exports(trials: Sequence[Trial]) -> pd.DataFrame:
    """What is known of the exports: a line each, with system, test, fold and seed."""
    lines = [
        {
            **{"system": trial.system, "test": trial.test, "fold": trial.fold, "seed": trial.seed},
            **{"export": name, **known},
        }
        for trial in trials
        for name, known in facts(trial).items()
    ]
    return pd.DataFrame(lines).drop(columns="code", errors="ignore")


def _size(trials: Sequence[Trial]) -> dict[str, Any]:
    found = [files.read_json(trial.folder / TRIAL)["size"] for trial in trials]
    return {name: _mean([size.get(name) for size in found]) for name in ("parameters", "macs")}


def _costs(trials: Sequence[Trial], kind: str) -> dict[str, Any]:
    """What an answer of an export costs: the mean over the trials that have it."""
    found: list[Mapping[str, Any]] = [known[kind] for t in trials if kind in (known := facts(t))]
    costs = {name: [one.get(name) for one in found] for name in COSTS}
    places = [place for place in costs.pop("on") if place]
    return {**{name: _mean(values) for name, values in costs.items()}, "on": "".join(places[:1])}


def _mean(values: Sequence[float | None]) -> float:
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else float("nan")
