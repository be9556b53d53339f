"""Speakers never heard: five folds, several seeds, and what rooms and microphones do to the score.

Works on folders of finished trials (`trials.run`), one a fold and seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from ser_tinyml import features, files, metrics
from ser_tinyml.data import corpora, folds
from ser_tinyml.evaluation import probe, streaming, trials
from ser_tinyml.evaluation.trials import POOL, Material, Settings
from ser_tinyml.features import extract
from ser_tinyml.files import DataError
from ser_tinyml.sound import audio, augment, degrade
from ser_tinyml.sound.degrade import Condition
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime
from ser_tinyml.training import calibration

KINDS = ("float", "int8")
_STREAMED = "streaming.csv"


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
        A line for each fold, seed, kind ("float", "int8") and part (a corpus, or all without
        TESS): n, uar, accuracy, macro_f1, weighted_f1, majority_accuracy, majority_uar and
        recall_<class>.
    """
    lines = []
    for folder in trial_folders:
        trial = files.read_json(folder / "trial.json")
        classes = files.read_json(folder / "labels.json")
        for kind in KINDS:
            for part, table in trials.parts(trials.answers(folder, kind=kind)).items():
                found = trials.score(table, classes)
                recall = {f"recall_{name}": value for name, value in found.pop("recall").items()}
                del found["confusion"]
                where = {"fold": trial["fold"], "seed": trial["seed"]}
                lines.append({**where, "kind": kind, "part": part, **found, **recall})
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
    tables = []
    for folder in trial_folders:
        table = trials.answers(folder, kind=kind)
        trial = files.read_json(folder / "trial.json")
        tables.append(
            corpora.pool(table).assign(
                fold=trial["fold"],
                seed=trial["seed"],
                threshold=Release.load(folder).threshold,
            )
        )
    return pd.concat(tables, ignore_index=True)


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
    for folder in trial_folders:
        fold = files.read_json(folder / "trial.json")["fold"]
        by_fold.setdefault(fold, []).append(trials.answers(folder, kind="float"))
    classes = files.read_json(trial_folders[0] / "labels.json")
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


def robustness(
    material: Material,
    trial_folders: Sequence[Path],
    *,
    conditions: Mapping[str, Condition],
    jobs: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """The test clips of every trial under every condition, answered by int8 on TFLite Micro.

    Each trial keeps its answers; only what is missing is computed. Corpora outside the pool are
    left out.

    Returns
    -------
    scores
        A line for each fold, seed, condition and part: uar, accuracy, and the columns of
        `degrade.table`.
    """
    tasks = [
        (folder, name)
        for folder in trial_folders
        for name in conditions
        if not _robustness_file(folder, name).is_file()
    ]
    work = Parallel(n_jobs=jobs or os.cpu_count(), return_as="generator_unordered")(
        delayed(_answer_degraded)(material, folder, name, conditions) for folder, name in tasks
    )
    shown = progress and len(tasks) > 0
    for _ in tqdm(work, total=len(tasks), desc="robustness", unit="condition", disable=not shown):
        pass
    lines = []
    for folder in trial_folders:
        trial = files.read_json(folder / "trial.json")
        classes = files.read_json(folder / "labels.json")
        table = trials.answers(folder)
        table = corpora.pool(table).reset_index(drop=True)
        for name in conditions:
            found = np.load(_robustness_file(folder, name))
            table[[f"p_{label}" for label in classes]] = found
            for part, chosen in trials.parts(table).items():
                score = trials.score(chosen, classes)
                where = {"fold": trial["fold"], "seed": trial["seed"]}
                where |= {"condition": name, "part": part}
                lines.append({**where, "uar": score["uar"], "accuracy": score["accuracy"]})
    columns = ["fold", "seed", "condition", "part", "uar", "accuracy"]  # also of no trial at all
    return pd.DataFrame(lines, columns=columns).merge(degrade.table(conditions), on="condition")


def streaming_scores(
    material: Material, trial_folders: Sequence[Path], *, jobs: int | None = None
) -> pd.DataFrame:
    """The test recordings of every trial, played to its model as the board hears them.

    Each trial keeps its table. Corpora outside the pool are left out.

    Returns
    -------
    table
        As `streaming.evaluate`, and fold, seed, corpus.
    """
    missing = [folder for folder in trial_folders if not (folder / _STREAMED).is_file()]
    Parallel(n_jobs=jobs or os.cpu_count())(
        delayed(_stream)(material, folder) for folder in missing
    )
    tables = []
    for folder in trial_folders:
        trial = files.read_json(folder / "trial.json")
        table = files.read_table(folder / _STREAMED)
        tables.append(table.assign(fold=trial["fold"], seed=trial["seed"]))
    return pd.concat(tables, ignore_index=True)


def false_alarms(
    trial_folders: Sequence[Path],
    noises: Mapping[str, np.ndarray],
    *,
    hours: float,
    jobs: int | None = None,
) -> pd.DataFrame:
    """`streaming.false_alarms` of `streaming.non_speech`, the mean over trials.

    Parameters
    ----------
    noises
        From `noises`.
    hours
        Of sound, for each trial.
    """
    tables = Parallel(n_jobs=jobs or os.cpu_count())(
        delayed(_alarms)(folder, noises, hours) for folder in trial_folders
    )
    return pd.concat(tables).groupby("kind", sort=False, as_index=False).mean()


def noises(folder: str | Path) -> dict[str, np.ndarray]:
    """Recorded noise at degrade.RATE, by file name; nothing where no folder is given."""
    if not str(folder):
        return {}
    recorded = augment.read_backgrounds(folder, sample_rate=degrade.RATE)
    return {f"recorded {name}": samples for name, samples in recorded.items()}


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


def bars(
    *,
    summary: pd.DataFrame,
    unsure: pd.DataFrame,
    robustness: pd.Series,
    alarms: pd.DataFrame,
) -> pd.DataFrame:
    """The measured beside what must be reached and what is aimed at.

    Parameters
    ----------
    summary, unsure
        From the functions of those names.
    robustness
        Points of UAR lost, by condition.
    alarms
        From `false_alarms`.
    """
    uar = summary["uar"]
    trial_ece = unsure.drop(index="all")["ece"]
    points = 100 * (summary["float_uar"] - uar)
    lines = [
        *(
            (f"UAR, {part}", uar[part], must, aim, True)
            for part, must, aim in (
                *((POOL, 0.70, 0.80), ("RAVDESS", 0.66, 0.78)),
                *(("SAVEE", 0.50, 0.68), ("TESS", None, 0.60)),
            )
            if part in uar
        ),
        *(
            (f"points lost, {name}", robustness[name], must, aim, False)
            for name, must, aim in (
                *(("gain -20 dB", 1, 0), ("gain +20 dB", 1, 0)),
                *(("white 10 dB", 8, 4), ("pink 10 dB", 8, 4)),
            )
            if name in robustness
        ),
        ("points lost by int8", points.iloc[0], 0.5, 0, False),
        ("ECE, mean of trials", trial_ece.mean(), 0.05, 0.03, False),
        (
            "false alarms an hour",
            alarms.set_index("kind")["answered_per_hour"][metrics.POOLED],
            *(6, 1, False),
        ),
    ]
    table = pd.DataFrame(lines, columns=["what", "measured", "must", "aim", "more is better"])
    better = table.pop("more is better")
    sign = np.where(better, 1, -1)
    for name in ("must", "aim"):
        table[name] = table[name].astype(float)
        reached = sign * table["measured"] >= sign * table[name] - 1e-9
        table[f"{name} reached"] = np.where(
            table[name].isna(), "", reached.map({True: "yes", False: "no"})
        )
    return table


def recordings_of(material: Material, table: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """Key and waveform, at degrade.RATE, of the clips of some answers."""
    paths = material.clips.set_index("key")["path"]
    return [
        (key, audio.read_audio(material.recordings / paths[key], sample_rate=degrade.RATE)[0])
        for key in table["key"]
    ]


def _stream(material: Material, folder: Path) -> None:
    table = trials.answers(folder)
    table = corpora.pool(table)
    recordings = [
        streaming.Recording(key, samples, degrade.RATE, label)
        for (key, samples), label in zip(
            recordings_of(material, table), table["label"], strict=True
        )
    ]
    found = streaming.evaluate(Release.load(folder), recordings)
    found = found.merge(table[["key", "corpus", "speaker"]], on="key")
    files.write_table(folder / _STREAMED, found)


def _alarms(folder: Path, noises: Mapping[str, np.ndarray], hours: float) -> pd.DataFrame:
    sounds = streaming.non_speech(noises, rate=degrade.RATE, hours=hours)
    return streaming.false_alarms(Release.load(folder), sounds)


def _robustness_file(folder: Path, condition: str) -> Path:
    return folder / "robustness" / f"{condition.replace(' ', '_')}.npy"


def _answer_degraded(
    material: Material, folder: Path, name: str, conditions: Mapping[str, Condition]
) -> None:
    release = Release.load(folder)
    if release.config.sample_rate != degrade.RATE:
        raise DataError(
            f"{folder}: expected features at {degrade.RATE} Hz, "
            f"found {release.config.sample_rate} Hz"
        )
    table = trials.answers(folder)
    clips = recordings_of(material, corpora.pool(table))
    found = np.stack(
        [
            features.waveform_features(
                degrade.degrade(
                    samples, name, rate=degrade.RATE, seed=0, key=key, conditions=conditions
                ),
                release.config,
            )
            for key, samples in clips
        ]
    )
    answers = TfliteMicroRuntime(release.tflite).predict(release.normalisation.apply(found))
    path = _robustness_file(folder, name)
    path.parent.mkdir(exist_ok=True)
    files.write_array(path, answers)


def _part_order(parts: Iterable[str]) -> list[str]:
    """Names of `trials.parts`, the pool first, then the corpora in their order."""
    names = set(parts)
    return [*names & {POOL}, *corpora.order(names - {POOL})]
