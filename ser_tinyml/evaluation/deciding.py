"""Which steps of an utterance should decide: the last, the last few, or all of them.

The net answers after every step. Its state carries what came before, so the last answer has heard
everything; a mean over more steps is steadier, but a part of it has heard less.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ser_tinyml.data import corpora
from ser_tinyml.device.listener import Listener
from ser_tinyml.evaluation import cross_validation, trials
from ser_tinyml.evaluation.trials import Material, Settings
from ser_tinyml.tflite.release import Release
from ser_tinyml.training import calibration

Rule = Callable[[np.ndarray], np.ndarray]  # [clips, steps, classes] to [clips, classes]


def _last(count: int) -> Rule:
    return lambda steps: steps[:, -count:].mean(axis=1)


def _surest(steps: np.ndarray) -> np.ndarray:
    """The step whose top probability is the highest."""
    at = steps.max(axis=2).argmax(axis=1)
    return steps[np.arange(len(steps)), at]


def _later_counts_more(steps: np.ndarray) -> np.ndarray:
    """Each step weighted by its number."""
    return np.average(steps, axis=1, weights=np.arange(1, steps.shape[1] + 1))


LAST = "the last step"
RULES: Mapping[str, Rule] = {
    LAST: _last(1),
    "mean of the last 4": _last(4),
    "mean of the last 8": _last(8),
    "mean of the second half": lambda steps: _last(steps.shape[1] // 2)(steps),
    "mean of all, later ones count more": _later_counts_more,
    "mean of all": lambda steps: steps.mean(axis=1),
    "the surest step": _surest,
}


def compare(
    material: Material,
    settings: Sequence[Settings],
    trial_folders: Sequence[Path],
    *,
    jobs: int | None = None,
) -> pd.DataFrame:
    """The scored clips of trials, answered after every step by int8 as on the board.

    The speakers of the pooled corpora are dealt to two halves. Each rule gets a temperature and a
    threshold from one half and is scored on the other, and the other way round.

    Parameters
    ----------
    material, settings, trial_folders
        What `trials.run` was given, and what it returned.

    Returns
    -------
    table
        Index: rule; the mean over trials and halves of uar, ece, coverage (share answered) and
        answered_accuracy (of the answered).
    """
    tables = Parallel(n_jobs=jobs or os.cpu_count())(
        delayed(_of_trial)(material, one, folder)
        for one, folder in zip(settings, trial_folders, strict=True)
    )
    lines = [line for table in tables for line in table]
    return pd.DataFrame(lines).groupby("rule", sort=False).mean()


def _of_trial(material: Material, settings: Settings, folder: Path) -> list[dict[str, float | str]]:
    release = Release.load(folder)
    listener = Listener(release)
    rows = corpora.pool(trials.answers(folder)).reset_index(drop=True)
    clips = cross_validation.clean_features(material, settings, rows["key"])
    steps = np.stack([listener.outputs(clip) for clip in clips])
    half = halves(rows)
    return [
        {"rule": name, **_scored(rule(steps), rows, fitted=half == side, release=release)}
        for name, rule in RULES.items()
        for side in (0, 1)
    ]


def halves(rows: pd.DataFrame) -> np.ndarray:
    """0 or 1 for each row: the speakers of each corpus, in order, in turn.

    Parameters
    ----------
    rows
        Columns corpus, speaker.
    """
    place = rows.groupby("corpus")["speaker"].transform(lambda names: pd.factorize(names, True)[0])
    return place.to_numpy() % 2


def _scored(
    probabilities: np.ndarray, rows: pd.DataFrame, *, fitted: np.ndarray, release: Release
) -> dict[str, float]:
    """The rows that are not fitted, with temperature and threshold of those that are."""
    truth = rows["label_id"].to_numpy()
    temperature = calibration.best_temperature(probabilities[fitted], truth[fitted])
    tempered = calibration.apply_temperature(probabilities, temperature)
    decision = calibration.decide(tempered[fitted], truth[fitted])
    scored = rows[~fitted].assign(fold=0, seed=0, threshold=decision["threshold"])
    scored[[f"p_{label}" for label in release.labels]] = tempered[~fitted]
    found = cross_validation.unsure(scored).loc["all"]
    uar = trials.score(scored, release.labels)["uar"]
    return {"uar": uar, **found[["ece", "coverage", "answered_accuracy"]]}
