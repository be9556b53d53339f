"""Speakers never heard: scores over five folds and several seeds.

Works on folders of finished trials (`trials.run`), one a fold and seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ser_tinyml import files, metrics
from ser_tinyml.data import corpora, folds
from ser_tinyml.evaluation import probe, speakers, trials
from ser_tinyml.evaluation.trials import POOL, Material, Settings
from ser_tinyml.features import extract
from ser_tinyml.tflite.release import Release
from ser_tinyml.training import calibration

KINDS = ("float", "int8")


@dataclass(frozen=True)
class Finished:
    """A trial that is on disk.

    Attributes
    ----------
    folder
        Of the trial.
    fold, seed
        What it was tested on, and the seed of its rows.
    classes
        Names of its answers.
    """

    folder: Path
    fold: int
    seed: int
    classes: list[str]

    @property
    def where(self) -> dict[str, int]:
        """Columns fold and seed of a table."""
        return {"fold": self.fold, "seed": self.seed}

    def answers(self, *, kind: str = "int8") -> pd.DataFrame:
        """See `trials.answers`."""
        return trials.answers(self.folder, kind=kind)


def finished(trial_folders: Sequence[Path]) -> Iterator[Finished]:
    """The trials in some folders, in order."""
    for folder in trial_folders:
        trial = files.read_json(folder / "trial.json")
        classes = files.read_json(folder / "labels.json")
        yield Finished(folder, trial["fold"], trial["seed"], classes)


def fold_settings(
    base: Settings, *, seeds: Sequence[int], test_folds: Sequence[int] = range(folds.N_FOLDS)
) -> list[Settings]:
    """Settings of every fold and seed."""
    return [
        trials.seeded(
            replace(base, rows=replace(base.rows, protocol="speaker", test_fold=fold)), seed
        )
        for seed in seeds
        for fold in test_folds
    ]


def scores(trial_folders: Sequence[Path]) -> pd.DataFrame:
    """Every score of every trial.

    Returns
    -------
    scores
        A line for each fold, seed, kind ("float", "int8") and part (a corpus, or the pool): n,
        uar, accuracy, macro_f1, weighted_f1, majority_accuracy, majority_uar and recall_<class>.
    """
    lines = []
    for trial in finished(trial_folders):
        for kind in KINDS:
            for part, table in trials.parts(trial.answers(kind=kind)).items():
                found = trials.score(table, trial.classes)
                recall = {f"recall_{name}": value for name, value in found.pop("recall").items()}
                del found["confusion"]
                lines.append({**trial.where, "kind": kind, "part": part, **found, **recall})
    return pd.DataFrame(lines).astype({"uar": float})


def summary(table: pd.DataFrame, *, kind: str = "int8") -> pd.DataFrame:
    """Mean and deviation over folds and seeds, a line a part.

    Parameters
    ----------
    table
        From `scores`.

    Returns
    -------
    summary
        Index: part; columns: folds, n (clips a seed), uar, uar_std, float_uar, accuracy, macro_f1,
        majority_accuracy, majority_uar, recall_<class>.
    """
    chosen = table[table["kind"] == kind]
    grouped = chosen.groupby("part")
    means = ["uar", "accuracy", "macro_f1", "majority_accuracy", "majority_uar"]
    result = grouped[[*means, *chosen.filter(regex="^recall_").columns]].mean()
    result.insert(0, "folds", grouped["fold"].nunique())
    result.insert(1, "n", (grouped["n"].sum() / grouped["seed"].nunique()).astype(int))
    result.insert(3, "uar_std", grouped["uar"].std())
    result.insert(4, "float_uar", table[table["kind"] == "float"].groupby("part")["uar"].mean())
    return result.reindex(_part_order(result.index))


def pooled(trial_folders: Sequence[Path], *, kind: str = "int8") -> pd.DataFrame:
    """The test answers of all trials in one table, of the corpora in the pool.

    Returns
    -------
    answers
        As `trials.answers`, and fold, seed and threshold (that of the trial).
    """
    return pd.concat(
        [
            corpora.pool(trial.answers(kind=kind)).assign(
                **trial.where, threshold=Release.load(trial.folder).threshold
            )
            for trial in finished(trial_folders)
        ],
        ignore_index=True,
    )


def clean_features(material: Material, settings: Settings, keys: pd.Series) -> np.ndarray:
    """The features of some clips as they were recorded [shape=(n, steps, inputs)], not normalised.

    Parameters
    ----------
    material, settings
        Of a trial that was run.
    keys
        Of the clips.
    """
    table, folder = material.arrays(settings)
    clean = table[table["variant"] == extract.CLEAN]
    place = pd.Series(clean.index, index=clean["key"])
    return np.load(folder / "features.npy", mmap_mode="r")[place[keys].to_numpy()]


def predictions(trial_folders: Sequence[Path]) -> pd.DataFrame:
    """Every test clip of every trial as int8 on TFLite Micro answers it: predictions.csv.

    Returns
    -------
    table
        As `metrics.predictions`, and fold and seed.
    """
    tables = []
    for trial in finished(trial_folders):
        answers = trial.answers()
        found = metrics.predictions(
            answers,
            trials.probabilities(answers),
            classes=trial.classes,
            threshold=Release.load(trial.folder).threshold,
        )
        tables.append(found.assign(**trial.where))
    return pd.concat(tables, ignore_index=True)


def choices(table: pd.DataFrame) -> pd.DataFrame:
    """The folds that settings were chosen on beside the others: were the choices fitted to them?

    Parameters
    ----------
    table
        From `predictions`.

    Returns
    -------
    choices
        Index: part; columns: development folds and other folds (mean over folds of the UAR),
        difference (of the first from the second), standard error of that (bootstrap over the
        speakers of each fold; NaN where a fold has one speaker). Parts that only one kind of fold
        has are left out.
    """
    classes = [name.removeprefix("p_") for name in table.filter(regex="^p_")]
    lines = []
    for fold, of_fold in table.groupby("fold"):
        group = "development folds" if fold in folds.DEVELOPMENT else "other folds"
        for part, chosen in trials.parts(of_fold).items():
            counts = speakers.Counts.of(chosen, classes=classes)
            uar = float(counts.uar(np.arange(len(counts.n))))
            variance = speakers.standard_error(chosen, classes=classes) ** 2
            lines.append({"part": part, "group": group, "uar": uar, "variance": variance})
    grouped = pd.DataFrame(lines).groupby(["part", "group"])
    found = grouped["uar"].mean().unstack().reindex(columns=["development folds", "other folds"])
    # Folds have other speakers, so the variance of their mean is the mean one over their number.
    variance = grouped["variance"].agg(lambda one: one.sum(skipna=False) / len(one) ** 2).unstack()
    found["difference"] = found["development folds"] - found["other folds"]
    found["standard error"] = np.sqrt(variance.sum(axis=1, skipna=False))
    found = found.dropna(subset="difference")
    return found.reindex(_part_order(found.index))


def several_nets(trial_folders: Sequence[Path]) -> pd.DataFrame:
    """What the nets of one fold would reach together: the mean of their logits, in float.

    The board has room for one. How far the mean is above the single nets says how much of the
    error is chance in the training rather than a limit of the features or the size.

    Returns
    -------
    table
        Index: part; columns: one_net (mean over folds and seeds), together (mean over folds),
        between_seeds (deviation of one fold's nets from each other, mean over folds; NaN for one
        seed).
    """
    by_fold: dict[int, list[pd.DataFrame]] = {}
    for trial in finished(trial_folders):
        by_fold.setdefault(trial.fold, []).append(trial.answers(kind="float"))
        classes = trial.classes
    lines = []
    for fold, tables in by_fold.items():
        logits = np.mean(
            [np.log(np.maximum(trials.probabilities(table), 1e-7)) for table in tables], axis=0
        )
        columns = [f"p_{name}" for name in classes]
        mean = tables[0].assign(**dict(zip(columns, np.exp(logits).T, strict=True)))
        for part, table in trials.parts(mean).items():
            single = [trials.score(trials.parts(one)[part], classes)["uar"] for one in tables]
            lines.append(
                {
                    "fold": fold,
                    "part": part,
                    "one_net": np.mean(single),
                    "together": trials.score(table, classes)["uar"],
                    "between_seeds": np.std(single, ddof=1) if len(single) > 1 else np.nan,
                }
            )
    found = pd.DataFrame(lines).groupby("part")[["one_net", "together", "between_seeds"]].mean()
    return found.reindex(_part_order(found.index))


def unsure(table: pd.DataFrame) -> pd.DataFrame:
    """What each trial's threshold, chosen on validation speakers, does on the test speakers.

    Parameters
    ----------
    table
        From `pooled`.

    Returns
    -------
    unsure
        A line a fold and seed, and "all": ece, coverage (share answered), accuracy (of all) and
        answered_accuracy (of the answered).
    """
    groups = {f"fold {f}, seed {s}": part for (f, s), part in table.groupby(["fold", "seed"])}
    lines = {}
    for name, part in (groups | {"all": table}).items():
        probabilities, truth = trials.probabilities(part), part["label_id"].to_numpy()
        right = probabilities.argmax(axis=1) == truth
        answered = probabilities.max(axis=1) >= part["threshold"].to_numpy()
        lines[name] = {
            "ece": calibration.expected_calibration_error(probabilities, truth),
            "coverage": answered.mean(),
            "accuracy": right.mean(),
            "answered_accuracy": right[answered].mean() if answered.any() else np.nan,
        }
    return pd.DataFrame(lines).T.rename_axis("trial")


def corpus_probe(material: Material, settings: Settings) -> dict[str, float]:
    """How well a straight line tells the corpora apart from the features (`probe.corpus_probe`).

    Returns
    -------
    uar, majority_uar
    """
    table, folder = material.arrays(settings)
    clean = (table["variant"] == extract.CLEAN).to_numpy()
    of_clip = material.clips.set_index("key").loc[table.loc[clean, "key"]]
    found = probe.corpus_probe(
        np.load(folder / "features.npy", mmap_mode="r")[clean],
        of_clip["corpus"].to_numpy(),
        groups=of_clip["speaker"].to_numpy(),
    )
    return {name: found[name] for name in ("uar", "majority_uar")}


def _part_order(parts: Iterable[str]) -> list[str]:
    """Names of `trials.parts`, the pool first, then the corpora in their order."""
    names = set(parts)
    return [*names & {POOL}, *corpora.order(names - {POOL})]
