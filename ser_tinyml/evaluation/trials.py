"""A trial: settings, trained once and scored on clips that the training never saw.

Trials are what folds, seeds and ablations are made of. Each is a folder with a whole model in it
(`release.Release` reads it) and the answers it gave; a trial that is on disk is not repeated.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from ser_tinyml import files, metrics
from ser_tinyml.data import corpora, folds, labels, splits
from ser_tinyml.features import FeatureConfig, extract, preset, rows
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.files import DataError, plain_numbers
from ser_tinyml.provenance import module_hashes
from ser_tinyml.sound.augment import AugmentConfig
from ser_tinyml.tflite.release import DECISION
from ser_tinyml.training import calibration
from ser_tinyml.training.config import TEACHER, TrainingConfig, own_seed, teacher_seeds

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras
    from ser_tinyml.training import fitting

CALIBRATION_CLIPS = 256  # that set the int8 scales
POOL = "pooled"  # the answers of all corpora with `Corpus.pooled`, in one line


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides a trial but the recordings.

    Attributes
    ----------
    features, training
        What the net sees, and how it is fitted.
    frame_augmentation
        How training bands are changed in every epoch; None: not at all.
    waveform_augmentation
        How the changed copies of training clips are made.
    copies
        Changed copies of each training clip, beside the clip itself and its loud copy
        (`TrainingConfig.loud`); 0: the clip alone.
    corpora
        That are used; empty: all.
    class_set, protocol, test_fold, seed
        As in `rows.plan_rows`; the seed is the training's too.
    other_emotions
        Clips of emotions outside the class set train the auxiliary answer.
    speaker_share
        Share of the training speakers of each corpus that train, over 0 to 1.
    test_fraction, validation_fraction
        Of the random protocols.
    teachers, generations, teacher_training
        So many nets in so many generations are trained first, on the same rows, and teach
        (`fitting.fit`). The first generation learns from the labels alone, each other one, and
        last the net itself, from all before it. All 0, and no distillation: without.
    """

    features: FeatureConfig = field(default_factory=lambda: preset("default"))
    training: TrainingConfig = TrainingConfig()
    frame_augmentation: FrameAugmentConfig | None = FrameAugmentConfig()
    waveform_augmentation: AugmentConfig = AugmentConfig()
    copies: int = 2
    corpora: tuple[str, ...] = ()
    class_set: str = "four"
    protocol: str = "speaker"
    test_fold: int = 0
    seed: int = 0
    other_emotions: bool = True
    speaker_share: float = 1.0
    test_fraction: float = 0.3
    validation_fraction: float = 0.1
    teachers: int = 2
    generations: int = 2
    teacher_training: TrainingConfig = TEACHER

    def __post_init__(self) -> None:
        if not 0 < self.speaker_share <= 1:
            raise DataError(
                f"settings: expected speaker_share over 0 to 1, found {self.speaker_share}"
            )
        if self.training.loud and not self.copies:
            raise DataError("settings: expected copies where loud is over 0, found none")
        wanted = (self.teachers, self.generations, self.training.distillation)
        if len({value > 0 for value in wanted}) > 1:
            raise DataError(
                "settings: expected teachers, generations and distillation, or none of them, found "
                f"{self.teachers}, {self.generations} and {self.training.distillation}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON can hold it."""
        return plain_numbers(asdict(self))


@dataclass(frozen=True)
class Material:
    """Recordings that trials are made of, and where what is computed from them is kept.

    Attributes
    ----------
    clips
        The table of stage 01.
    recordings
        Folder that its paths are relative to.
    folder
        For features and trials.
    """

    clips: pd.DataFrame
    recordings: Path
    folder: Path

    def arrays(self, settings: Settings) -> tuple[pd.DataFrame, Path]:
        """Features and bands of every clip and its copies, computed once.

        Returns
        -------
        table
            Columns key, variant: what each row of the arrays is.
        folder
            With features.npy and windows.npy.
        """
        variants = [extract.CLEAN, *(f"random_{n}" for n in range(1, settings.copies + 1))]
        variants += [extract.LOUD] * (settings.copies > 0)
        table = pd.DataFrame(
            {
                "key": self.clips["key"].repeat(len(variants)),
                "variant": variants * len(self.clips),
            }
        ).reset_index(drop=True)
        copies = asdict(settings.waveform_augmentation) if settings.copies else None
        name = files.sha256_json([settings.features.hash, settings.copies, copies])[:16]
        folder = self.folder / "features" / name
        identity = files.sha256_json([_code(), list(self.clips["sha256"])])
        if not (folder / "done.json").is_file() or (
            files.read_json(folder / "done.json") != identity
        ):
            extract.compute_features(
                table,
                self.clips,
                recordings=self.recordings,
                folder=folder,
                config=settings.features,
                augmentation=settings.waveform_augmentation,
                windows=True,
                seed=0,
            )
            files.write_json(folder / "done.json", identity)
        return table, folder


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
    sets = {(one.features.hash, one.copies, one.waveform_augmentation): one for one in settings}
    for one in sets.values():
        material.arrays(one)
    folders = [trial_folder(material, one) for one in settings]
    missing = [
        one for path, one in dict(zip(folders, settings, strict=True)).items() if not _done(path)
    ]
    if not missing:
        return folders
    for generation in range(max(one.generations for one in missing)):
        before = [t for one in missing for t in teachers_of(one) if t.generations == generation]
        run(material, before, jobs=jobs)
    print(f"trials to run: {len(missing)}", flush=True)
    tasks = Parallel(n_jobs=jobs or os.cpu_count(), return_as="generator_unordered")(
        delayed(run_trial)(material, one) for one in missing
    )
    with warnings.catch_warnings():
        # joblib takes TensorFlow for a memory leak, replaces the process, and says so
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        for number, path in enumerate(tasks, start=1):
            found = files.read_json(path / "trial.json")
            print(
                f"{number}/{len(missing)}  {found['about']}  {found['seconds']:.0f} s  UAR, int8: "
                + "  ".join(f"{name} {score:.3f}" for name, score in found["uar"].items()),
                flush=True,
            )
    get_reusable_executor().shutdown()  # each of its processes would keep a gigabyte
    return folders


def teachers_of(settings: Settings) -> list[Settings]:
    """The trials whose nets teach. Where the split is by speaker, all seeds share them."""
    shared = 0 if settings.protocol in splits.BY_SPEAKER else settings.seed
    found = []
    for generation in range(settings.generations):
        one = replace(settings, training=settings.teacher_training)
        one = replace(one, generations=generation) if generation else without_teachers(one)
        for seed in teacher_seeds(generation, teachers=settings.teachers):
            found.append(replace(one, seed=shared, training=replace(one.training, seed=seed)))
    return found


def without_teachers(settings: Settings) -> Settings:
    """The same, learned from the labels alone."""
    training = replace(settings.training, distillation=0.0)
    return replace(settings, teachers=0, generations=0, training=training)


def seeded(settings: Settings, seed: int) -> Settings:
    """The same with another seed, for the rows and for the net."""
    own = own_seed(seed, teachers=settings.teachers, generations=settings.generations)
    return replace(settings, seed=seed, training=replace(settings.training, seed=own))


def trial_folder(material: Material, settings: Settings) -> Path:
    """Where a trial is kept: its name says what it was made from."""
    clips = material.clips.assign(fold=folds.assign(material.clips))
    columns = ["key", "sha256", "corpus", "speaker", "sex", "emotion", "fold"]
    identity = [settings.to_dict(), _code(), clips[columns].astype(str).to_numpy().tolist()]
    return material.folder / "trials" / files.sha256_json(identity)[:20]


def run_trial(material: Material, settings: Settings) -> Path:
    """Train, calibrate, convert and let TFLite Micro answer.

    The folder gets the model (int8.tflite and what belongs to it), answers.npz (see `answers`),
    history.csv and, last, trial.json.
    """
    from ser_tinyml.nets import models
    from ser_tinyml.nets.keras import one_thread
    from ser_tinyml.tflite import convert
    from ser_tinyml.tflite.runtimes import TfliteMicroRuntime
    from ser_tinyml.training import fitting

    one_thread()  # trials run side by side
    start = time.perf_counter()
    folder = trial_folder(material, settings)
    folder.mkdir(parents=True, exist_ok=True)
    plan, features, frames = _rows(material, settings)
    classes = labels.class_names(settings.class_set)
    nets = [_teacher(material, one) for one in teachers_of(settings)]
    with (folder / "log.txt").open("a") as log:
        fitted = fitting.fit(
            features,
            plan,
            classes=classes,
            config=settings.training,
            folder=folder,
            frames=frames,
            teachers=nets,
            say=lambda line: print(line, file=log, flush=True),
        )
    parts = {name: plan[plan["split"] == name] for name in (splits.VALIDATION, splits.TEST)}
    inputs = {
        name: fitted.normalisation.apply(features[part["row"].to_numpy()])
        for name, part in parts.items()
        if len(part)
    }
    truth = {name: part["label_id"].to_numpy() for name, part in parts.items()}
    temperature = calibration.best_temperature(
        fitting.predict(fitted.model, inputs[splits.VALIDATION]), truth[splits.VALIDATION]
    )
    models.sharpen(fitted.model, temperature)
    chosen = convert.choose_calibration(plan, count=CALIBRATION_CLIPS, seed=settings.seed)
    tflite = convert.to_tflite(
        fitted.model, variant="int8", calibration=fitted.normalisation.apply(features[chosen])
    )
    runtime = TfliteMicroRuntime(tflite)
    answer = {
        f"{kind}_{name}": predict(part)
        for name, part in inputs.items()
        for kind, predict in (
            ("float", lambda part: fitting.predict(fitted.model, part)),
            ("int8", runtime.predict),
        )
    }
    models.save_model(folder, fitted.model)
    files.write_bytes(folder / "int8.tflite", tflite)
    settings.features.save(folder / "features.json")
    fitted.normalisation.save(folder / "normalisation.json")
    files.write_json(folder / "labels.json", classes)
    files.write_table(folder / "history.csv", fitted.history)
    files.write_table(folder / "rows.csv", pd.concat(parts.values()))
    np.savez(folder / "answers.partial.npz", **answer)
    (folder / "answers.partial.npz").replace(folder / "answers.npz")
    size = models.parameters_and_macs(fitted.model)
    steps_per_s = settings.features.sample_rate / (
        settings.features.hop_length * settings.features.stack
    )
    facts = {
        "seconds": time.perf_counter() - start,
        "size": {
            "bytes": len(tflite),
            "parameters": size["parameters"],
            "macs_per_s": size["macs_per_frame"] * steps_per_s,
        },
    }
    _write_trial(folder, settings, temperature=temperature, facts=facts)
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


def _write_trial(
    folder: Path, settings: Settings, *, temperature: float, facts: dict[str, Any]
) -> None:
    """The threshold, from validation, and the scores in short."""
    classes = files.read_json(folder / "labels.json")
    validation = answers(folder, part=splits.VALIDATION)
    decision = calibration.decide(probabilities(validation), validation["label_id"].to_numpy())
    files.write_json(folder / DECISION, {**decision, "temperature": temperature})
    held_out = answers(folder)
    about = f"fold {settings.test_fold}" if settings.protocol == "speaker" else settings.protocol
    files.write_json(
        folder / "trial.json",
        plain_numbers(
            {
                "about": f"{about}, seed {settings.training.seed}",
                "settings": settings.to_dict(),
                **facts,
                "uar": {k: score(v, classes)["uar"] for k, v in parts(held_out).items()},
            }
        ),
    )


def _rows(
    material: Material, settings: Settings
) -> tuple[pd.DataFrame, np.ndarray, fitting.Frames | None]:
    """The rows of a trial, with the features and bands of each."""
    from ser_tinyml.training import fitting

    plan = rows.plan_rows(
        corpora.select(material.clips, settings.corpora),
        class_set=settings.class_set,
        protocol=settings.protocol,
        augmentation="random",
        augmented_rows=settings.copies,
        loud=settings.training.loud > 0,
        sad_angry_fraction=1.0,
        other_emotions=settings.other_emotions,
        test_fold=settings.test_fold,
        test_fraction=settings.test_fraction,
        validation_fraction=settings.validation_fraction,
        seed=settings.seed,
    )
    plan = _fewer_speakers(plan, settings.speaker_share, seed=settings.seed)
    table, folder = material.arrays(settings)
    index = pd.MultiIndex.from_frame(table).get_indexer(
        pd.MultiIndex.from_frame(plan[["key", "variant"]])
    )
    features = np.load(folder / "features.npy", mmap_mode="r")[index]
    if settings.frame_augmentation is None:
        return plan, features, None
    windows = np.load(folder / "windows.npy", mmap_mode="r")[index]
    return plan, features, fitting.Frames(windows, settings.features, settings.frame_augmentation)


def _fewer_speakers(plan: pd.DataFrame, share: float, *, seed: int) -> pd.DataFrame:
    """The rows without some training speakers; who is in a small share is in every larger one."""
    speakers = plan.loc[plan["split"] == splits.TRAIN, ["corpus", "speaker"]].drop_duplicates()
    drawn = speakers.sort_values(["corpus", "speaker"]).sample(frac=1, random_state=seed)
    number = drawn.groupby("corpus").cumcount()
    wanted = np.ceil(share * drawn.groupby("corpus")["speaker"].transform("size"))
    left_out = drawn.loc[number >= wanted, "speaker"]
    kept = plan[~((plan["split"] == splits.TRAIN) & plan["speaker"].isin(left_out))]
    return kept.reset_index(drop=True).assign(row=range(len(kept)))


def _done(folder: Path) -> bool:
    return (folder / "trial.json").is_file()


@cache
def _code() -> str:
    """What the modules do that a trial is made by; comments and layout do not count."""
    return files.sha256_json(module_hashes([f"import {__name__}"]))
