"""Finished runs side by side: one table for the README, one picture, one file of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml import files, metrics, splits
from ser_tinyml.files import DataError
from ser_tinyml.pipeline import EXPERIMENTS, ROOT
from ser_tinyml.plots import results as plots
from ser_tinyml.plots import style
from ser_tinyml.runs import Run, plain_numbers

POOL = "without TESS"  # as notebook 03 names it

PROTOCOLS = {
    "speaker": "speakers never heard",
    "clip_random": "random clips, speakers heard",
    "leaky_random": "random rows, sentences heard",
}
# Speech-Emotion-Recognition-TinyML, its README: figures as its authors give them.
QUOTED = {
    "name": "Speech-Emotion-Recognition-TinyML",
    "protocol": "leaky_random",
    "corpora": ["RAVDESS", "SAVEE", "TESS"],
    "parameters": 126_532,
    "float_kb": 515.0,
    "int8_kb": 150.0,
    "accuracy": 0.7288,
    "int8_accuracy": 0.7306,
    "runs_on_tflm": False,
    "quoted": True,
}


def collect(run_dir: str | Path) -> list[dict[str, Any]]:
    """The numbers of one run.

    TESS, two speakers who read word lists, has a line of its own where speakers are kept apart,
    so that it neither sweetens nor spoils the pool.

    Returns
    -------
    results
        One line, or the pool and TESS.

    Raises
    ------
    DataError
        If it lacks a stage, or its recordings are synthetic: that is no result.
    """
    run = Run(run_dir)
    index, rows, training, conversion = (
        run.metrics(stage) for stage in ("01_index", "02_features", "03_train", "04_convert")
    )
    if index["synthetic"]:
        raise DataError(f"{run.folder}: expected a run on real recordings, found synthetic ones")
    experiment = f" EXPERIMENT={run.name}" if (EXPERIMENTS / f"{run.name}.yaml").is_file() else ""
    common = {
        "name": run.name,
        "command": f"make run DATA=…{experiment}",
        "protocol": rows["protocol"],
        "feature_shape": rows["feature_shape"],
        "parameters": training["parameters"],
        "float_kb": conversion["sizes"]["float32"] / 1000,
        "int8_kb": conversion["sizes"]["int8"] / 1000,
        "arena_kb": conversion["arena_bytes"]["int8"] / 1000,
        "runs_on_tflm": True,
        "quoted": False,
    }
    apart = rows["protocol"] == "speaker" and POOL in training["scores"]
    return [{**common, **_scores(run, part)} for part in ((POOL, "TESS") if apart else ("all",))]


def _scores(run: Run, part: str) -> dict[str, Any]:
    """Scores of the test rows of one corpus, of all, or of all but TESS."""
    table = files.read_table(run.input("02_features", "rows.csv"))
    table = table[table["split"] == splits.TEST].reset_index(drop=True)
    answers = np.load(run.input("04_convert", "int8_test_answers.npy")).argmax(axis=1)
    corpus = table["corpus"]
    chosen = {"all": corpus != "", POOL: corpus != "TESS"}.get(part, corpus == part)
    board = metrics.score(
        table.loc[chosen, "label_id"],
        answers[chosen],
        classes=files.read_json(run.input("02_features", "labels.json")),
    )
    keras = run.metrics("03_train")["scores"][part]
    return {
        "corpora": sorted(set(corpus[chosen])),
        "test_rows": keras["n"],
        "accuracy": keras["accuracy"],
        "uar": keras["uar"],
        "majority_accuracy": keras["majority_accuracy"],
        "int8_accuracy": board["accuracy"],
        "int8_uar": board["uar"],
    }


def markdown(results: Sequence[dict[str, Any]]) -> str:
    """The table of the README: the quoted system first."""
    lines = [
        "| model | test rows | accuracy | UAR | int8 on TFLite Micro: accuracy, UAR "
        "| float / int8 file | arena | how |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        what = f"{PROTOCOLS[result['protocol']]}: {', '.join(result['corpora'])}"
        if result["quoted"]:
            lines.append(
                f"| {result['name']} | {what} | {100 * result['accuracy']:.2f} % | not given "
                f"| does not run on it | {result['float_kb']:.0f} / {result['int8_kb']:.0f} KB | – "
                "| quoted |"
            )
            continue
        steps, inputs = result["feature_shape"]
        lines.append(
            f"| {result['name']}, {steps} x {inputs} inputs | {what}, n = {result['test_rows']} "
            f"| {100 * result['accuracy']:.2f} % | {100 * result['uar']:.1f} % "
            f"| {100 * result['int8_accuracy']:.1f} %, {100 * result['int8_uar']:.1f} % "
            f"| {result['float_kb']:.0f} / {result['int8_kb']:.0f} KB "
            f"| {result['arena_kb']:.1f} KB | measured: `{result['command']}` |"
        )
    return "\n".join(lines)


def into_readme(readme: str, table: str, *, name: str = "results") -> str:
    """Put a table between its two marks, <!-- name --> and <!-- /name -->.

    Raises
    ------
    DataError
        If the marks are not there once each, in order.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if [readme.count(begin), readme.count(end)] != [1, 1] or (
        readme.index(begin) > readme.index(end)
    ):
        raise DataError(f"README.md: expected {begin} and after it {end}, once each")
    head, rest = readme.split(begin)
    return f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}"


def publish(run_dirs: Sequence[str | Path], *, root: Path = ROOT) -> pd.DataFrame:
    """Write models/results.json, images/results.png and the README's table from finished runs.

    Returns
    -------
    table
        The lines of all runs.
    """
    lines = [line for run_dir in run_dirs for line in collect(run_dir)]
    results = [QUOTED, *plain_numbers(lines)]
    files.write_json(root / "models" / "results.json", results)
    style.use()
    style.save(plots.accuracy_by_protocol(results[1:], quoted=QUOTED), root / "images/results.png")
    readme = files.read_bytes(root / "README.md").decode()
    files.write_text(root / "README.md", into_readme(readme, markdown(results)))
    return pd.DataFrame(results)
