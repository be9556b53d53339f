"""A trial: settings, trained once and scored on clips that the training never saw.

Trials are what folds, seeds and ablations are made of. Each is a folder with a whole model in it
(`release.Release` reads it) and the answers it gave; a trial that is on disk is not repeated.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from ser_tinyml import files, metrics
from ser_tinyml.data import corpora, folds, splits
from ser_tinyml.evaluation.material import Material, Settings
from ser_tinyml.features import whisper
from ser_tinyml.features.rows import plan_rows
from ser_tinyml.files import DataError, plain_numbers
from ser_tinyml.provenance import module_hashes
from ser_tinyml.tflite.release import DECISION
from ser_tinyml.training import recipe as one_recipe
from ser_tinyml.training.config import own_seed, teacher_seeds
from ser_tinyml.training.recipe import TrainingData

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras

POOL = "pooled"  # the answers of all corpora with `Corpus.pooled`, in one line


def run(material: Material, settings: Sequence[Settings], *, jobs: int | None = None) -> list[Path]:
    """Run trials, several at a time, each on one core.

    Parameters
    ----------
    jobs
        Processes; None: one a core.

    Returns
    -------
    folders
        Of the trials, in the order given.
    """
    _prepare(material, settings)
    folders = [trial_folder(material, one) for one in settings]
    missing = [
        one for path, one in dict(zip(folders, settings, strict=True)).items() if not _done(path)
    ]
    if not missing:
        return folders
    for generation in range(max(one.recipe.generations for one in missing)):
        before = [
            t for one in missing for t in teachers_of(one) if t.recipe.generations == generation
        ]
        run(material, before, jobs=jobs)
    _run_side_by_side(material, missing, jobs=jobs)
    return folders


def _prepare(material: Material, settings: Sequence[Settings]) -> None:
    """Compute what trials read, before several processes want it."""
    for one in {_arrays_of(one): one for one in settings}.values():
        material.arrays(one)
    for one in settings:
        material.sounds_to_train(one)


def _run_side_by_side(
    material: Material, settings: Sequence[Settings], *, jobs: int | None
) -> None:
    """Run trials whose teachers and features are there, a line of scores each."""
    print(f"trials to run: {len(settings)}", flush=True)
    done = side_by_side(partial(run_trial, material), settings, jobs=jobs)
    for number, path in enumerate(done, start=1):
        found = files.read_json(path / "trial.json")
        print(
            f"{number}/{len(settings)}  {found['about']}  {found['seconds']:.0f} s  UAR, int8: "
            + "  ".join(f"{name} {score:.3f}" for name, score in found["uar"].items()),
            flush=True,
        )


def side_by_side(
    task: Callable[[Any], Any], given: Sequence[Any], *, jobs: int | None
) -> Iterator[Any]:
    """Do something for each of several, in processes of one core; results as they come.

    Parameters
    ----------
    jobs
        Processes; None: one a core.
    """
    found = Parallel(n_jobs=jobs or os.cpu_count(), return_as="generator_unordered")(
        delayed(task)(one) for one in given
    )
    with warnings.catch_warnings():
        # joblib takes TensorFlow for a memory leak, replaces the process, and says so
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        yield from found
    if given and jobs != 1:
        get_reusable_executor().shutdown()  # each of its processes would keep a gigabyte


def teachers_of(settings: Settings) -> list[Settings]:
    """The trials whose nets teach. Where the split is by speaker, all seeds share them."""
    recipe = settings.recipe
    shared = 0 if settings.rows.protocol in splits.BY_SPEAKER else settings.rows.seed
    found = []
    for generation in range(recipe.generations):
        for seed in teacher_seeds(generation, teachers=recipe.teachers):
            training = replace(recipe.teacher_training, seed=seed)
            one = replace(
                settings,
                rows=replace(settings.rows, seed=shared, loud=training.loud),
                recipe=replace(recipe, training=training, generations=generation or 1, seed=shared),
            )
            found.append(one if generation else without_teachers(one))
    return found


def without_teachers(settings: Settings) -> Settings:
    """The same, learned from the labels alone."""
    own = settings.recipe.training
    training = replace(own, distillation=own.distillation if own.outside else 0.0)
    return replace(
        settings,
        recipe=replace(settings.recipe, teachers=0, generations=0, training=training),
    )


def seeded(settings: Settings, seed: int) -> Settings:
    """The same with another seed, for the rows and for the net."""
    recipe = settings.recipe
    own = own_seed(seed, teachers=recipe.teachers, generations=recipe.generations)
    return replace(
        settings,
        rows=replace(settings.rows, seed=seed),
        recipe=replace(recipe, seed=seed, training=replace(recipe.training, seed=own)),
    )


def trial_folder(material: Material, settings: Settings) -> Path:
    """Where a trial is kept: its name says what it was made from."""
    clips = material.clips.assign(fold=folds.assign(material.clips))
    columns = ["key", "sha256", "corpus", "speaker", "sex", "emotion", "fold"]
    columns += ["session", "given_split"]
    known = clips.reindex(columns=columns, fill_value="").astype(str).to_numpy().tolist()
    teacher = material.listener(settings)
    sounds = material.sounds(settings)
    identity = [
        settings.to_dict(),
        _code(),
        known,
        teacher and whisper.fingerprint(teacher),
        None if sounds is None else sounds[["kind", "trained", "sha256"]].to_numpy().tolist(),
    ]
    return material.folder / "trials" / files.sha256_json(identity)[:20]


def run_trial(material: Material, settings: Settings) -> Path:
    """Make the net and let it answer, in float and as int8 on TFLite Micro.

    The folder gets the model (int8.tflite and what belongs to it), answers.npz (see `answers`),
    history.csv and, last, trial.json.
    """
    from ser_tinyml.nets import models
    from ser_tinyml.nets.keras import one_thread
    from ser_tinyml.training import fitting

    one_thread()  # trials run side by side
    start = time.perf_counter()
    folder = trial_folder(material, settings)
    folder.mkdir(parents=True, exist_ok=True)
    data = _data(material, settings)
    teachers = [_teacher(material, one) for one in teachers_of(settings)]
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        trained, runtime = one_recipe.run(
            data,
            settings.recipe,
            folder=folder,
            teachers=teachers,
            say=lambda line: print(line, file=log, flush=True),
        )
    parts, answered = [], {}
    for name in (splits.VALIDATION, splits.TEST):
        rows, inputs = data.part(name, trained.normalisation)
        if len(rows):
            parts.append(rows)
            answered[f"float_{name}"] = fitting.predict(trained.model, inputs)
            answered[f"int8_{name}"] = runtime.predict(inputs)
    files.write_table(folder / "rows.csv", pd.concat(parts))
    files.write_arrays(folder / "answers.npz", answered)
    size = models.parameters_and_macs(trained.model)
    features = settings.rows.features
    steps_per_s = features.sample_rate / (features.hop_length * features.stack)
    _write_trial(
        folder,
        settings,
        seconds=time.perf_counter() - start,
        size={
            "bytes": (folder / "int8.tflite").stat().st_size,
            "parameters": size["parameters"],
            "macs_per_s": size["macs_per_frame"] * steps_per_s,
        },
    )
    return folder


def _teacher(material: Material, settings: Settings) -> keras.Model:
    """The net of a trial as it was trained, before the temperature."""
    from ser_tinyml.nets import models

    folder = trial_folder(material, settings)
    if not _done(folder):
        run_trial(material, settings)
    model = models.load_model(folder)
    models.sharpen(model, 1 / files.read_json(folder / DECISION)["temperature"])
    return model


def answers(folder: Path, *, kind: str = "int8", part: str | None = None) -> pd.DataFrame:
    """What a trial answered.

    Parameters
    ----------
    kind
        "int8" (on TFLite Micro) or "float" (Keras).
    part
        "validation" or "test"; default: the test, or validation where there is no test.

    Returns
    -------
    rows
        key, corpus, speaker, emotion, label, label_id, and a column p_<class> a class.
    """
    rows = files.read_table(folder / "rows.csv")
    rows = splits.held_out(rows) if part is None else rows[rows["split"] == part]
    with np.load(folder / "answers.npz") as stored:
        found = stored[f"{kind}_{rows['split'].iloc[0]}"]
    classes = files.read_json(folder / "labels.json")
    columns = ["key", "corpus", "speaker", "emotion", "label", "label_id"]
    probabilities = pd.DataFrame(found, columns=[f"p_{name}" for name in classes])
    return rows[columns].reset_index(drop=True).join(probabilities)


def probabilities(table: pd.DataFrame) -> np.ndarray:
    """The columns p_<class> of `answers` [shape=(n, n_classes)]."""
    return table.filter(regex="^p_").to_numpy()


def parts(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Answers of each corpus, and before them the pool, where that is more than one corpus."""
    parts = {name: table[table["corpus"] == name] for name in corpora.order(table["corpus"])}
    pool = corpora.pool(table)
    return ({POOL: pool} if pool["corpus"].nunique() > 1 else {}) | parts


def score(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """`metrics.score` of some answers."""
    return metrics.score(table["label_id"], probabilities(table).argmax(axis=1), classes=classes)


def _write_trial(folder: Path, settings: Settings, **facts: Any) -> None:
    """What is known of a trial: its settings, and its scores in short."""
    classes = files.read_json(folder / "labels.json")
    rows, seed = settings.rows, settings.recipe.training.seed
    about = f"fold {rows.test_fold}" if rows.protocol == "speaker" else rows.protocol
    uar = {name: score(part, classes)["uar"] for name, part in parts(answers(folder)).items()}
    found = {"fold": rows.test_fold, "seed": rows.seed, "settings": settings.to_dict(), **facts}
    files.write_json(
        folder / "trial.json",
        plain_numbers({"about": f"{about}, seed {seed}", "uar": uar, **found}),
    )


def _data(material: Material, settings: Settings) -> TrainingData:
    """The rows of a trial, with the features and bands of each."""
    plan = plan_rows(material.clips, settings.rows)
    if settings.rows.protocol in splits.BY_SPEAKER and (heard := splits.heard(plan)):
        raise DataError(
            f"trial: expected a test on new voices, found {', '.join(heard)} on both sides: "
            "recordings of few speakers are scored by a run of their own"
        )
    table, folder = material.arrays(settings)
    index = pd.MultiIndex.from_frame(table).get_indexer(
        pd.MultiIndex.from_frame(plan[["key", "variant"]])
    )
    windows = settings.recipe.frame_augmentation is not None
    tracks = windows and settings.rows.features.pitch
    return TrainingData(
        rows=plan,
        features=files.open_array(folder / "features.npy")[index],
        windows=files.open_array(folder / "windows.npy")[index] if windows else None,
        embeddings=(
            files.open_array(folder / "embeddings.npy")[index]
            if settings.recipe.training.outside
            else None
        ),
        config=settings.rows.features,
        classes=settings.rows.settled(material.clips).classes,
        nonspeech=material.sounds_to_train(settings),
        tracks=files.open_array(folder / "tracks.npy")[index] if tracks else None,
    )


def _arrays_of(settings: Settings) -> tuple[Any, ...]:
    """What decides the arrays of a trial."""
    plan = settings.rows
    outside = settings.recipe.training.outside > 0
    return plan.features.hash, plan.augmented_rows, settings.waveform_augmentation, outside


def _done(folder: Path) -> bool:
    return (folder / "trial.json").is_file()


@cache
def _code() -> str:
    """What the modules do that a trial is made by; comments and layout do not count."""
    return files.sha256_json(module_hashes([f"import {__name__}"]))
