"""Finished runs side by side: one table for the README, one picture, one file of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.pipeline import EXPERIMENTS, ROOT
from ser_tinyml.plots import results as plots
from ser_tinyml.plots import style
from ser_tinyml.runs import Run, plain_numbers

BEGIN, END = "<!-- results -->", "<!-- /results -->"

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


def collect(run_dir: str | Path) -> dict[str, Any]:
    """The numbers of one run.

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
    scores = training["scores"]
    return {
        "name": run.name,
        "command": f"make run DATA=…{experiment}",
        "protocol": rows["protocol"],
        "corpora": rows["corpora"],
        "clips": rows["clips"],
        "test_rows": scores["all"]["n"],
        "feature_shape": rows["feature_shape"],
        "parameters": training["parameters"],
        "float_kb": conversion["sizes"]["float32"] / 1000,
        "int8_kb": conversion["sizes"]["int8"] / 1000,
        "arena_kb": conversion["arena_bytes"]["int8"] / 1000,
        "accuracy": scores["all"]["accuracy"],
        "uar": scores["all"]["uar"],
        "majority_accuracy": scores["all"]["majority_accuracy"],
        "uar_by_corpus": {name: score["uar"] for name, score in scores.items() if name != "all"},
        "int8_accuracy": conversion["int8_tflm"]["accuracy"],
        "int8_uar": conversion["int8_tflm"]["uar"],
        "runs_on_tflm": True,
        "quoted": False,
    }


def markdown(results: Sequence[dict[str, Any]]) -> str:
    """The table of the README: a line a run, the quoted system first."""
    lines = [
        "| model | test | accuracy | UAR | int8 on TFLite Micro: accuracy, UAR "
        "| float / int8 file | arena | how |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        name = result["name"]
        uar = f"{100 * result['uar']:.1f} %" if "uar" in result else "not given"
        board = "does not run"
        arena = "–"
        how = "quoted"
        if not result["quoted"]:
            board = f"{100 * result['int8_accuracy']:.1f} %, {100 * result['int8_uar']:.1f} %"
            arena = f"{result['arena_kb']:.1f} KB"
            how = f"measured: `{result['command']}`"
            steps, inputs = result["feature_shape"]
            name = f"{name}: {steps} steps of {inputs} inputs"
        lines.append(
            f"| {name} | {PROTOCOLS[result['protocol']]} | {100 * result['accuracy']:.2f} % "
            f"| {uar} | {board} | {result['float_kb']:.0f} / {result['int8_kb']:.0f} KB "
            f"| {arena} | {how} |"
        )
    return "\n".join(lines)


def into_readme(readme: str, table: str) -> str:
    """Put the table between its two marks.

    Raises
    ------
    DataError
        If the marks are not there once each, in order.
    """
    marks = [readme.count(BEGIN), readme.count(END)]
    if marks != [1, 1] or readme.index(BEGIN) > readme.index(END):
        raise DataError(f"README.md: expected {BEGIN} and after it {END}, once each")
    head, rest = readme.split(BEGIN)
    return f"{head}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


def publish(run_dirs: Sequence[str | Path], *, root: Path = ROOT) -> pd.DataFrame:
    """Write models/results.json, images/results.png and the README's table from finished runs.

    Returns
    -------
    table
        A line a run.
    """
    results = [QUOTED, *(plain_numbers(collect(run_dir)) for run_dir in run_dirs)]
    files.write_json(root / "models" / "results.json", results)
    style.use()
    style.save(plots.accuracy_by_protocol(results[1:], quoted=QUOTED), root / "images/results.png")
    readme = files.read_bytes(root / "README.md").decode()
    files.write_text(root / "README.md", into_readme(readme, markdown(results)))
    return pd.DataFrame(results)
