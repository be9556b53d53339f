"""Finished trials as a board would hear: rooms and microphones, streams, and nobody speaking.

Works on folders of finished trials (`trials.run`). What a trial answers is kept in its folder, and
only what is missing is computed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from ser_tinyml import features, files
from ser_tinyml.data import corpora
from ser_tinyml.device.listener import Listener
from ser_tinyml.evaluation import streaming, trials
from ser_tinyml.evaluation.cross_validation import finished
from ser_tinyml.evaluation.trials import Material, Settings
from ser_tinyml.files import DataError
from ser_tinyml.provenance import module_hashes
from ser_tinyml.sound import augment, degrade, reading
from ser_tinyml.sound.degrade import Condition
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

NUMBERS = ("probability", "decided_s", "delay_s")  # of a stream; none where nothing was decided


@cache
def _code() -> str:
    """Of all that decides what is kept of a trial here; other code answers anew."""
    return files.sha256_json(module_hashes([f"import {__name__}"]))[:12]


def _streamed_file(folder: Path) -> Path:
    return folder / f"streaming_{_code()}.csv"


def robustness(
    material: Material,
    trial_folders: Sequence[Path],
    *,
    conditions: Mapping[str, Condition],
    jobs: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """The test clips of every trial under every condition, answered by int8 on TFLite Micro.

    Corpora outside the pool are left out.

    Returns
    -------
    scores
        A line for each fold, seed, condition and part: uar, accuracy, and the columns of
        `degrade.table`.
    """
    _answer_what_is_missing(material, trial_folders, conditions, jobs=jobs, progress=progress)
    lines = []
    for trial in finished(trial_folders):
        table = corpora.pool(trial.answers()).reset_index(drop=True)
        for name in conditions:
            found = np.load(_robustness_file(trial.folder, name))
            table[[f"p_{label}" for label in trial.classes]] = found
            for part, chosen in trials.parts(table).items():
                score = trials.score(chosen, trial.classes)
                scores = {"uar": score["uar"], "accuracy": score["accuracy"]}
                lines.append({**trial.where, "condition": name, "part": part, **scores})
    columns = ["fold", "seed", "condition", "part", "uar", "accuracy"]  # also of no trial at all
    return pd.DataFrame(lines, columns=columns).merge(degrade.table(conditions), on="condition")


def streaming_scores(
    material: Material, trial_folders: Sequence[Path], *, jobs: int | None = None
) -> pd.DataFrame:
    """The test recordings of every trial, played to its model as the board hears them.

    Corpora outside the pool are left out.

    Returns
    -------
    table
        As `streaming.evaluate`, and fold, seed, corpus.
    """
    missing = [folder for folder in trial_folders if not _streamed_file(folder).is_file()]
    Parallel(n_jobs=jobs or os.cpu_count())(
        delayed(_stream)(material, folder) for folder in missing
    )
    tables = [
        files.read_table(_streamed_file(trial.folder)).assign(**trial.where)
        for trial in finished(trial_folders)
    ]
    told = pd.concat(tables, ignore_index=True)
    return told.assign(**{name: pd.to_numeric(told[name]) for name in NUMBERS})


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


def nobody_speaks(
    material: Material,
    settings: Sequence[Settings],
    trial_folders: Sequence[Path],
    *,
    jobs: int | None = None,
) -> pd.DataFrame:
    """Recordings in which nobody speaks, of kinds that a trial did not train on, as a board hears.

    Returns
    -------
    sounds
        A line for each trial and recording: fold, seed, kind, path, and answered, whether a board
        would show an emotion at its end. Empty where there are no such recordings.
    """
    tasks = []
    for one, trial in zip(settings, finished(trial_folders), strict=True):
        table = material.sounds(one)
        if table is not None:
            met = table.loc[~table["trained"], ["kind", "path"]]
            tasks.append((trial.folder, met.assign(**trial.where)))
    tables = Parallel(n_jobs=jobs or os.cpu_count())(
        delayed(_answered)(folder, table) for folder, table in tasks
    )
    columns = ["kind", "path", "fold", "seed", "answered"]
    return pd.concat([pd.DataFrame(columns=columns), *tables], ignore_index=True)


def noises(folder: str | Path) -> dict[str, np.ndarray]:
    """Recorded noise at degrade.RATE, by file name; nothing where no folder is given."""
    if not str(folder):
        return {}
    recorded = augment.read_backgrounds(folder, sample_rate=degrade.RATE)
    return {f"recorded {name}": samples for name, samples in recorded.items()}


def recordings_of(material: Material, table: pd.DataFrame) -> list[tuple[str, np.ndarray]]:
    """Key and waveform, at degrade.RATE, of the clips of some answers."""
    paths = material.clips.set_index("key")["path"]
    return [
        (key, reading.read_audio(material.recordings / paths[key], sample_rate=degrade.RATE)[0])
        for key in table["key"]
    ]


def _stream(material: Material, folder: Path) -> None:
    table = corpora.pool(trials.answers(folder))
    recordings = [
        streaming.Recording(key, samples, degrade.RATE, label)
        for (key, samples), label in zip(
            recordings_of(material, table), table["label"], strict=True
        )
    ]
    found = streaming.evaluate(Release.load(folder), recordings)
    found = found.merge(table[["key", "corpus", "speaker"]], on="key")
    files.write_table(_streamed_file(folder), found)


def _answered(folder: Path, table: pd.DataFrame) -> pd.DataFrame:
    listener = Listener(Release.load(folder))
    answered = []
    for path in table["path"]:
        samples, rate = reading.read_audio(path, sample_rate=degrade.RATE)
        silence = listener.gate_settings.hangover_frames * listener.release.config.hop_length
        heard = listener.listen(samples, rate=rate, silence=silence + degrade.RATE)
        answered.append(any(utterance.answered for utterance in heard.utterances))
    return table.assign(answered=answered, path=[Path(path).name for path in table["path"]])


def _alarms(folder: Path, noises: Mapping[str, np.ndarray], hours: float) -> pd.DataFrame:
    sounds = streaming.non_speech(noises, rate=degrade.RATE, hours=hours)
    return streaming.false_alarms(Release.load(folder), sounds)


def _robustness_file(folder: Path, condition: str) -> Path:
    return folder / f"robustness_{_code()}" / f"{condition.replace(' ', '_')}.npy"


def _answer_what_is_missing(
    material: Material,
    trial_folders: Sequence[Path],
    conditions: Mapping[str, Condition],
    *,
    jobs: int | None,
    progress: bool,
) -> None:
    """Let trials answer under the conditions under which they have not."""
    tasks = [
        (missing, name)
        for folders in _of_the_same_clips(trial_folders)
        for name in conditions
        if (missing := [one for one in folders if not _robustness_file(one, name).is_file()])
    ]
    work = Parallel(n_jobs=jobs or os.cpu_count(), return_as="generator_unordered")(
        delayed(_answer_degraded)(material, folders, name, conditions) for folders, name in tasks
    )
    shown = progress and len(tasks) > 0
    for _ in tqdm(work, total=len(tasks), desc="robustness", unit="condition", disable=not shown):
        pass


def _of_the_same_clips(trial_folders: Sequence[Path]) -> list[list[Path]]:
    """Trials that hear the same of the same test clips, such as the seeds of a fold."""
    alike: dict[tuple[str, ...], list[Path]] = {}
    for folder in trial_folders:
        heard = (Release.load(folder).config.hash, *trials.answers(folder)["key"])
        alike.setdefault(heard, []).append(folder)
    return list(alike.values())


def _answer_degraded(
    material: Material, folders: Sequence[Path], name: str, conditions: Mapping[str, Condition]
) -> None:
    """Let trials of the same clips answer them under a condition."""
    releases = [Release.load(folder) for folder in folders]
    config = releases[0].config
    if config.sample_rate != degrade.RATE:
        raise DataError(
            f"{folders[0]}: expected features at {degrade.RATE} Hz, found {config.sample_rate} Hz"
        )
    clips = recordings_of(material, corpora.pool(trials.answers(folders[0])))
    found = np.stack(
        [
            features.waveform_features(
                degrade.degrade(
                    samples, name, rate=degrade.RATE, seed=0, key=key, conditions=conditions
                ),
                config,
            )
            for key, samples in clips
        ]
    )
    for folder, release in zip(folders, releases, strict=True):
        answers = TfliteMicroRuntime(release.tflite).predict(release.normalisation.apply(found))
        files.write_array(_robustness_file(folder, name), answers)
