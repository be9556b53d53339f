"""Trainings of a system on the project's splits: each a folder, done once, read by `evaluation`.

A trial has the answers of its model to validation and test clips, the model, and what became of the
model in other forms. `evaluation.trials.answers` reads it, with the name of an export as kind too.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ser_tinyml import files, metrics
from ser_tinyml.data import folds, splits
from ser_tinyml.evaluation import trials as evaluated
from ser_tinyml.features.rows import RowPlan, plan_rows
from ser_tinyml.files import DataError, plain_numbers
from ser_tinyml.systems import arrays, face, registry
from ser_tinyml.systems.face import CLEAN, MODEL, Lesson, Side, System

ANSWERS, TRIAL, FACTS = "answers.npz", "trial.json", "facts.json"
STATE = "state"  # of a training that is not finished
PRETRAINING = "pretraining"
LEAST_BEFORE = 20  # clips of other corpora, for a model to learn from them
BESIDE = {"augmentation": "random", "loud": 0.0, "other_emotions": False}  # of every plan


@dataclass(frozen=True)
class SystemMaterial:
    """Recordings that systems are tried on, and where what is made of them is kept.

    Attributes
    ----------
    clips
        The table of stage 01.
    recordings
        Folder that its paths are relative to.
    folder
        For features and trials.
    song
        Folder of sung recordings, for systems that take such.
    """

    clips: pd.DataFrame
    recordings: Path
    folder: Path
    song: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A training to be done, or done: all that another process needs to do it.

    Attributes
    ----------
    system
        Its name.
    quick
        Whether it is trained for a moment only.
    test
        Of the system's tests, by name.
    fold, seed
        What is the test, for tests by speaker; of the split at random, and of the training.
    classes
        In the order of the answers.
    rows
        Of all sides; the column `row` is the place in the features.
    features
        Path of an array.
    folder
        Its name says what the trial is made from.
    before
        Folder of the model that it begins from; None: it begins from nothing.
    """

    system: str
    quick: bool
    test: str
    fold: int
    seed: int
    classes: list[str]
    rows: pd.DataFrame
    features: Path
    folder: Path
    before: Path | None = None

    @property
    def done(self) -> bool:
        """Whether it is on disk."""
        return (self.folder / TRIAL).is_file()

    @property
    def settings(self) -> Any:
        """Of the training."""
        return _settings(registry.find(self.system), self.test, quick=self.quick)

    def side(self, name: str) -> Side:
        """One side of the split, with its features in memory."""
        rows = self.rows[self.rows["split"] == name].reset_index(drop=True)
        return Side(rows, files.open_array(self.features)[rows["row"].to_numpy()])

    def model(self) -> face.Model:
        """What was trained."""
        return face.load(registry.find(self.system), self.folder / "model", classes=self.classes)


def _settings(system: System, test: str, *, quick: bool) -> Any:
    own = system.tests[test].settings if test in system.tests else None  # not of a pretraining
    return system.quick if quick else own or system.settings


def run(
    system: System,
    material: SystemMaterial,
    *,
    tests: Sequence[str] = (),
    test_folds: Sequence[int] = range(folds.N_FOLDS),
    seeds: Sequence[int] = (0,),
    quick: bool = False,
    jobs: int | None = None,
    progress: bool = True,
) -> list[Trial]:
    """Train and test a system; what is on disk is not done again.

    Parameters
    ----------
    tests
        Names of its tests; none: all.
    test_folds
        For tests by speaker.
    seeds
        Of every fold. The models of the first are exported too, where that can be done here.
    quick
        Train for a moment only.
    jobs
        Processes, each of one core; None: one a core.

    Returns
    -------
    trials

    Raises
    ------
    DataError
        If recordings do not allow a test.
    """
    clips = system.clips(material.clips, material.song)
    features = arrays.compute(
        system,
        clips,
        recordings=material.recordings,
        folder=material.folder / "features",
        jobs=jobs,
        progress=progress,
    )
    before = _pretraining(system, material, quick=quick, jobs=jobs, progress=progress)
    where = {"folder": material.folder / "trials", "before": before and before.folder / "model"}
    planned = [
        _planned(system, clips, features, quick=quick, **where, **which)
        for which in _each(system, tests or list(system.tests), test_folds, seeds)
    ]
    after = [trial for trial in planned if trial.before]
    sooner = [before] if before and after else []
    _check_before(sooner, after)
    _side_by_side(run_pretraining, _missing(sooner), jobs=jobs, progress=progress)
    _side_by_side(run_trial, _missing(planned), jobs=jobs, progress=progress)
    first = [trial for trial in planned if trial.seed == seeds[0]]
    unlike = [trial for trial in first if missing_exports(trial)]
    _side_by_side(run_exports, unlike, jobs=jobs, progress=progress)
    return planned


def _each(
    system: System, tests: Sequence[str], test_folds: Sequence[int], seeds: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Test, fold and seed of every trial; a split at random has no folds."""
    for test in tests:
        if test not in system.tests:
            raise DataError(
                f"{system.name}: expected tests of {', '.join(system.tests)}, found {test!r}"
            )
        by_speaker = system.tests[test].rows["protocol"] == "speaker"
        for seed in seeds:
            for fold in test_folds if by_speaker else (0,):
                yield {"test": test, "fold": fold, "seed": seed}


def _planned(
    system: System,
    clips: pd.DataFrame,
    features: Path,
    *,
    folder: Path,
    before: Path | None,
    quick: bool,
    test: str,
    fold: int,
    seed: int,
) -> Trial:
    before = before if system.tests[test].pretrained else None
    count = len(system.versions)
    given = {**BESIDE, "augmented_rows": count, **system.tests[test].rows}
    row_plan = RowPlan.of({**given, "test_fold": fold, "seed": seed})
    rows = plan_rows(clips, row_plan)
    classes = row_plan.settled(clips).classes
    copies = [CLEAN, *(f"random_{number + 1}" for number in range(count))]
    rows["variant"] = rows["variant"].map(dict(zip(copies, system.variants, strict=True)))
    _check(rows, classes, about=f"{system.name}, {test}, fold {fold}", plan=row_plan)
    known = pd.MultiIndex.from_frame(arrays.table_of(system, clips))
    rows["row"] = known.get_indexer(pd.MultiIndex.from_frame(rows[["key", "variant"]]))
    modules = sorted({system.train.__module__, system.load.__module__})
    identity = [
        [system.name, asdict(_settings(system, test, quick=quick)), test, fold, seed, classes],
        features.name,
        arrays.hash_of(modules),
        files.sha256_bytes(rows.to_csv(index=False).encode()),
        before.parent.name if before else "",
    ]
    return Trial(
        system=system.name,
        quick=quick,
        test=test,
        fold=fold,
        seed=seed,
        classes=classes,
        rows=rows,
        features=features,
        folder=folder / f"{system.name}-{files.sha256_json(identity)[:16]}",
        before=before,
    )


def _pretraining(
    system: System, material: SystemMaterial, *, quick: bool, jobs: int | None, progress: bool
) -> Trial | None:
    """The training on other corpora that a system's trials begin from; None: there is none."""
    if system.pretraining is None:
        return None
    clips = system.pretraining.clips(material.clips)
    if len(clips) < LEAST_BEFORE:
        if progress:
            print(f"{system.name} begins from nothing: {len(clips)} clips of other corpora")
        return None
    place = {"recordings": material.recordings, "folder": material.folder / "features"}
    features = arrays.compute(system, clips, **place, jobs=jobs, progress=progress)
    classes = [*system.pretraining.class_set]
    rows = _rows_before(system, clips, classes)
    train = system.pretraining.train
    identity = [
        [asdict(_settings(system, PRETRAINING, quick=quick)), classes, features.name],
        [train.__qualname__, arrays.hash_of([train.__module__])],
        files.sha256_bytes(rows.to_csv(index=False).encode()),
    ]
    folder = material.folder / "trials" / f"{PRETRAINING}-{files.sha256_json(identity)[:16]}"
    which = {"system": system.name, "quick": quick, "test": PRETRAINING, "fold": 0, "seed": 0}
    return Trial(**which, classes=classes, rows=rows, features=features, folder=folder)


def _rows_before(system: System, clips: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Rows of clips of other corpora; every tenth clip validates, as it is."""
    class_of = {e: name for name, own in system.pretraining.class_set.items() for e in own}
    label = clips["emotion"].map(class_of)
    about = clips[["key", "corpus", "speaker", "emotion"]].assign(label=label)
    about["label_id"] = label.map(classes.index, na_action="ignore")
    about["split"] = np.where(clips.index % 10 == 0, splits.VALIDATION, splits.TRAIN)
    rows = arrays.table_of(system, clips).assign(row=range(len(clips) * len(system.variants)))
    rows = rows.merge(about[label.notna()], on="key").astype({"label_id": int})
    return rows[(rows["split"] == splits.TRAIN) | (rows["variant"] == CLEAN)]


def _check(rows: pd.DataFrame, classes: Sequence[str], *, about: str, plan: RowPlan) -> None:
    if plan.protocol in splits.BY_SPEAKER and (heard := splits.heard(rows)):
        raise DataError(
            f"{about}: expected a test on new voices, found {', '.join(heard)} on both sides"
        )
    for side in splits.SIDES:
        if not (rows["split"] == side).any():
            raise DataError(f"{about}: expected clips in {side}, found none")
    trained = set(rows.loc[rows["split"] == splits.TRAIN, "label"])
    if missing := [name for name in classes if name not in trained]:
        raise DataError(f"{about}: expected training clips of {missing[0]}, found none")


def _missing(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if not trial.done]


def _check_before(first: Sequence[Trial], planned: Sequence[Trial]) -> None:
    """Whoever is tested must not have been heard in the pretraining, either."""
    before = {speaker for trial in first for speaker in trial.rows["speaker"]}
    for trial in planned:
        tested = trial.rows.loc[trial.rows["split"] == splits.TEST, "speaker"]
        if heard := sorted(before & set(tested)):
            raise DataError(
                f"{trial.system}, {trial.test}, fold {trial.fold}: expected no speaker of the test "
                f"in the pretraining, found {', '.join(heard)}"
            )


def _side_by_side(
    task: Callable[[Trial], str], trials: Sequence[Trial], *, jobs: int | None, progress: bool
) -> None:
    """Do something for several trials, each on one core; a line for each."""
    lines = evaluated.side_by_side(task, trials, jobs=jobs)
    for number, line in enumerate(lines, start=1):
        if progress:
            print(f"{number}/{len(trials)}  {line}", flush=True)


def run_trial(trial: Trial) -> str:
    """Train a system and let it answer the test, once.

    Returns
    -------
    line
        What came out. The folder gets rows.csv, answers.npz, labels.json, the model and, last,
        trial.json.
    """
    start, folder = time.perf_counter(), trial.folder
    system = registry.find(trial.system)
    with _lesson(trial) as lesson:
        model = system.train(lesson, trial.settings)
        test = trial.side(splits.TEST)
        answered = {
            f"{MODEL}_{name}": model.predict(side.features)
            for name, side in ((splits.VALIDATION, lesson.validation), (splits.TEST, test))
        }
    face.save(model, folder / "model")
    files.write_json(folder / face.LABELS, trial.classes)
    files.write_table(folder / "rows.csv", pd.concat([lesson.validation.rows, test.rows]))
    files.write_arrays(folder / ANSWERS, answered)
    scores = {
        name: evaluated.score(part, trial.classes)["uar"]
        for name, part in evaluated.parts(evaluated.answers(folder, kind=MODEL)).items()
    }
    about = f"{trial.system}, {trial.test}, fold {trial.fold}, seed {trial.seed}"
    found = {
        "about": about,
        "system": trial.system,
        "settings": asdict(trial.settings),
        "test": trial.test,
        "fold": trial.fold,
        "seed": trial.seed,
        "uar": scores,
        "size": dict(model.size()),
        "seconds": time.perf_counter() - start,
    }
    files.write_json(folder / TRIAL, plain_numbers(found))
    shutil.rmtree(folder / STATE, ignore_errors=True)
    parts = "  ".join(f"{name} {score:.3f}" for name, score in scores.items())
    return f"{about}  {found['seconds']:.0f} s  UAR: {parts}"


def run_pretraining(trial: Trial) -> str:
    """Let a model learn from other corpora; give a line of what came out.

    The folder gets the model and, last, trial.json.
    """
    start, system = time.perf_counter(), registry.find(trial.system)
    with _lesson(trial) as lesson:
        model = system.pretraining.train(lesson, trial.settings)
        answers = model.predict(lesson.validation.features)
    face.save(model, trial.folder / "model")
    seconds = time.perf_counter() - start
    found = {
        "about": f"{trial.system}, {PRETRAINING} with {trial.rows['key'].nunique()} clips",
        "settings": asdict(trial.settings),
        "uar": metrics.uar(lesson.validation.labels, answers.argmax(axis=1)),
        "seconds": seconds,
    }
    files.write_json(trial.folder / TRIAL, plain_numbers(found))
    shutil.rmtree(trial.folder / STATE, ignore_errors=True)
    return f"{found['about']}  {seconds:.0f} s  UAR: validation {found['uar']:.3f}"


@contextlib.contextmanager
def _lesson(trial: Trial) -> Iterator[Lesson]:
    """What a trial's model learns from, on one core; meanwhile its lines go to log.txt."""
    trial.folder.mkdir(parents=True, exist_ok=True)
    with (trial.folder / "log.txt").open("a", encoding="utf-8") as log, threadpool_limits(1):
        yield Lesson(
            train=trial.side(splits.TRAIN),
            validation=trial.side(splits.VALIDATION),
            classes=trial.classes,
            seed=trial.seed,
            folder=trial.folder / STATE,
            say=lambda line: print(line, file=log, flush=True),
            before=trial.before,
        )


def missing_exports(trial: Trial) -> list[str]:
    """Exports that can be made here and are not there, or were made by other code."""
    found = []
    for name, export in registry.find(trial.system).exports.items():
        path = trial.folder / "exports" / name / FACTS
        made = files.read_json(path).get("code") if path.is_file() else None
        if not export.missing() and made != arrays.hash_of([export.make.__module__]):
            found.append(name)
    return found


def run_exports(trial: Trial) -> str:
    """Make the missing exports of a trial's model, and let each answer the test.

    Returns
    -------
    line
        How they differ from the model. answers.npz gets the answers of each as a kind of its own;
        exports/<name>/ gets its files and, last, facts.json.
    """
    exports, said = registry.find(trial.system).exports, []
    model, test = trial.model(), trial.side(splits.TEST)
    for name in missing_exports(trial):
        export, folder = exports[name], trial.folder / "exports" / name
        folder.mkdir(parents=True, exist_ok=True)
        made = export.make(model, folder, trial.side(splits.TRAIN))
        stored = files.read_arrays(trial.folder / ANSWERS)
        answers = made.predict(test.features)
        stored[f"{name}_{splits.TEST}"] = answers
        files.write_arrays(trial.folder / ANSWERS, stored)
        facts = {**made.facts, **face.likeness(answers, stored[f"{MODEL}_{splits.TEST}"])}
        facts["kept"] = export.kept(facts["same"], facts["difference"])
        facts["code"] = arrays.hash_of([export.make.__module__])
        files.write_json(folder / FACTS, plain_numbers(facts))
        said.append(f"{name}: {facts['same']:.1%} the same, differs by {facts['difference']:.1e}")
    return f"{trial.system}, {trial.test}, fold {trial.fold}  exports  {'; '.join(said)}"


def facts(trial: Trial) -> dict[str, dict[str, Any]]:
    """What is known of the exports of a trial's model, by name."""
    known = {n: trial.folder / "exports" / n / FACTS for n in registry.find(trial.system).exports}
    return {name: files.read_json(path) for name, path in known.items() if path.is_file()}
