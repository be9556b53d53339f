"""A row a clip: measured and answered on all cores, in chunks that a second call finds again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from parselmouth import PraatError
from tqdm import tqdm

from ser_tinyml import files
from ser_tinyml.apps.answering import Answer, Predictor
from ser_tinyml.apps.tables import columns, voice
from ser_tinyml.files import DataError
from ser_tinyml.provenance import module_hashes
from ser_tinyml.sound import reading
from ser_tinyml.tflite.release import Release

RATE = 16_000  # Hz; all clips are measured at one rate, or no two centroids could be compared
CHUNK_CLIPS = 32
NOT_MEASURED = "not measured"  # why a file that could be indexed is left out
AS_INDEXED = {  # columns of the index that have another name here
    "key": "clip",
    "intensity": "acted_intensity",
    "sample_rate": "sample_rate_hz",
}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What became of the clips.

    Attributes
    ----------
    clips
        A row a clip, with the columns of the table `clips` of `columns.tables`.
    left_out
        A row a file that could not be measured: path, corpus, reason and detail.
    labels
        Of the model that answered.
    """

    clips: pd.DataFrame
    left_out: pd.DataFrame
    labels: list[str]


def build(
    clips: pd.DataFrame,
    *,
    recordings: str | Path,
    folder: str | Path,
    model: Release,
    jobs: int | None = None,
    progress: bool = True,
) -> Rows:
    """Measure and answer every clip.

    Parameters
    ----------
    clips
        Of `dataset.scan`, or as stage 01 wrote it.
    recordings
        Folder that the paths are relative to.
    folder
        Its ``chunks`` get what is done. Each is named after what it was made from, so that a
        repeated call computes only what is missing; in the end all others are removed.
    model
        That answers.
    jobs
        Processes; None: one a core.

    Raises
    ------
    DataError
        If no clip can be measured.
    """
    chunks = Path(folder) / "chunks"
    chunks.mkdir(parents=True, exist_ok=True)
    tasks = _tasks(clips, model, chunks)
    how = {"recordings": Path(recordings), "model": model.folder}
    found, faults = _measured(tasks, **how, jobs=jobs, progress=progress)
    if not found:
        first = f": {faults[0]['detail']}" if faults else ""
        raise DataError(f"{recordings}: expected clips that can be measured, found none{first}")
    for stale in {*chunks.iterdir()} - {task.path for task in tasks}:
        stale.unlink()
    return Rows(
        clips=_joined(clips, found, model.labels),
        left_out=_left_out(clips, faults),
        labels=model.labels,
    )


@dataclass(frozen=True)
class _Task:
    """Neighbouring clips, as key and path, and the file that what is found goes to."""

    path: Path
    clips: list[tuple[str, str]]


def _tasks(clips: pd.DataFrame, model: Release, chunks: Path) -> list[_Task]:
    made_by = {
        "model": [model.model_id, model.threshold],
        "code": module_hashes([f"import {__name__}"]),
    }
    tasks = []
    for start in range(0, len(clips), CHUNK_CLIPS):
        part = clips.iloc[start : start + CHUNK_CLIPS]
        identity = [[*part["key"]], [*part["sha256"]], made_by]
        name = f"{files.sha256_json(identity)[:32]}.json"
        tasks.append(_Task(chunks / name, [*zip(part["key"], part["path"], strict=True)]))
    return tasks


def _measured(
    tasks: Sequence[_Task], *, recordings: Path, model: Path, jobs: int | None, progress: bool
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The rows of all chunks, measured now or before, and the clips that could not be measured."""
    made, faults = {}, []
    missing = [task for task in tasks if not task.path.is_file()]
    clips = sum(len(task.clips) for task in tasks)
    bar = tqdm(total=clips, desc="measuring", unit="clip", mininterval=1, disable=not progress)
    bar.update(clips - sum(len(task.clips) for task in missing))
    work = Parallel(n_jobs=jobs or os.cpu_count(), return_as="generator_unordered")
    for path, rows, wrong in work(
        delayed(_measure_chunk)(task, recordings, model) for task in missing
    ):
        made[path] = rows
        faults += wrong
        bar.update(len(rows) + len(wrong))
    bar.close()
    for task in tasks:
        if task.path not in made:
            made[task.path] = files.read_json(task.path)
    return [row for task in tasks for row in made[task.path]], faults


def _measure_chunk(
    task: _Task, recordings: Path, model: Path
) -> tuple[Path, list[dict[str, Any]], list[dict[str, str]]]:
    """Where a chunk goes, its rows, and the clips that could not be measured."""
    rows, wrong = [], []
    for key, path in task.clips:
        try:
            rows.append({"key": key, **clip_row(recordings / path, model=model)})
        except (DataError, OSError, PraatError) as error:
            wrong.append({"path": path, "detail": str(error).replace(f"{recordings}/", "")})
    rows = files.plain_numbers(rows)
    if not wrong:  # what could not be read now may be there the next time
        files.write_json(task.path, rows)
    return task.path, rows, wrong


def clip_row(path: Path, *, model: Path) -> dict[str, Any]:
    """What is measured in one clip, and what a model answers.

    Parameters
    ----------
    model
        Folder of the model.

    Raises
    ------
    DataError
        If it cannot be read; the message names it.
    """
    predictor, sound = _predictor(model), reading.read(path)

    def at(rate: int) -> np.ndarray:
        same = sound.sample_rate == rate
        return sound.samples if same else reading.read(path, sample_rate=rate).samples

    return {
        "minimum": min(float(sound.samples.min()), 0.0),
        **voice.measure(at(RATE), rate=RATE),
        **_said(predictor.answer(at(predictor.release.config.sample_rate), utterances=False)),
    }


@cache
def _predictor(folder: Path) -> Predictor:
    """One a process: it cannot be sent to another."""
    return Predictor(Release.load(folder))


def _said(answer: Answer) -> dict[str, Any]:
    """An answer as columns."""
    heard = answer.guess is not None
    return {
        "answer": answer.label or (columns.UNSURE if heard else columns.NO_SPEECH),
        "guess": answer.guess or "",
        **{columns.probability(name): p for name, p in answer.probabilities.items()},
    }


def _joined(
    clips: pd.DataFrame, rows: Sequence[dict[str, Any]], labels: Sequence[str]
) -> pd.DataFrame:
    """What the index knows of the clips beside what was measured, in the order of the keys."""
    table = clips.merge(pd.DataFrame(rows), on="key", validate="one_to_one").sort_values("key")
    table = table.rename(columns=AS_INDEXED).reset_index(drop=True)
    (known, *_) = columns.tables(labels)
    kinds = {columns.TEXT: str, columns.WHOLE: np.int64, columns.NUMBER: np.float64}
    return table[[c.name for c in known.columns]].astype(
        {column.name: kinds[column.type] for column in known.columns}
    )


def _left_out(clips: pd.DataFrame, faults: Sequence[dict[str, str]]) -> pd.DataFrame:
    corpus = clips.set_index("path")["corpus"]
    lines = [{**fault, "corpus": corpus[fault["path"]], "reason": NOT_MEASURED} for fault in faults]
    return pd.DataFrame(lines, columns=["path", "corpus", "reason", "detail"])
