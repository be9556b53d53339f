"""`compare RUN RUN…`: finished runs side by side, and whether a difference is more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ser_tinyml import files
from ser_tinyml.evaluation import compare
from ser_tinyml.evaluation.compare import PREDICTIONS, Contender
from ser_tinyml.files import DataError
from ser_tinyml.plots import results as plots
from ser_tinyml.plots import style
from ser_tinyml.workflow.runs import DONE, Run

# What is compared, the better first, and the stages whose settings decide it.
COMPARED = {
    "07_evaluate": ("01_index", "07_evaluate"),
    "04_convert": ("01_index", "02_features", "03_train", "04_convert"),
}
PASSED_OVER = ("jobs", "speak_demo")  # parameters that change no answer
CODE, RECORDINGS = "code", "recordings"  # settings of a stage beside its parameters


def run_compare(folders: Sequence[str | Path], out: str | Path) -> int:
    """Hold runs against each other, and print and write what is found.

    All answer as int8 on TFLite Micro: stage 07 where all runs have it, or else stage 04.

    Parameters
    ----------
    folders
        Of two runs or more.
    out
        Folder for scores.csv, settings.csv, differences.csv and compare.png.

    Returns
    -------
    0

    Raises
    ------
    DataError
        If there are not two runs, two have one name, or one lacks its predictions.
    """
    contenders = collect(folders)
    out = Path(out)
    scores = compare.scores(contenders)
    settings = compare.settings_that_differ(contenders)
    differences = compare.differences(contenders)
    files.write_table(out / "scores.csv", scores)
    files.write_table(out / "settings.csv", settings.reset_index())
    files.write_table(out / "differences.csv", differences)
    style.use()
    style.save(plots.compared(scores, differences), out / "compare.png")
    print(text(scores, settings, differences))
    print(f"\nwritten to {out}")
    return 0


def collect(folders: Sequence[str | Path]) -> list[Contender]:
    """Read the runs that are compared; see `run_compare`."""
    runs = [Run(folder) for folder in folders]
    names = [run.name for run in runs]
    if len(names) < 2 or len(set(names)) < len(names):
        raise DataError(
            f"compare: expected two runs or more, of different names, found {', '.join(names)}"
        )
    evaluated = all((run.folder / "07_evaluate" / PREDICTIONS).is_file() for run in runs)
    stage = "07_evaluate" if evaluated else "04_convert"
    tables = [compare.read_predictions(run.input(stage, PREDICTIONS)) for run in runs]
    return [
        Contender(run.name, _protocol(run, stage), table, _settings(run, stage))
        for run, table in zip(runs, tables, strict=True)
    ]


def text(scores: pd.DataFrame, settings: pd.DataFrame, differences: pd.DataFrame) -> str:
    """What is printed."""
    recalls = [name for name in scores if name.startswith("recall_")]
    per_class = scores[["run", "part", *recalls]]
    per_class = per_class.rename(columns=lambda name: name.removeprefix("recall_"))
    numbers = ["first", "second", "points", "low", "high", "mcnemar_p", "seed_noise"]
    p = differences["mcnemar_p"].map("{:.2g}".format, na_action="ignore")
    apart = differences[numbers].assign(mcnemar_p=p)
    blocks = {
        "int8 on TFLite Micro, all test clips together": _text(scores.drop(columns=recalls), 3),
        "recall of each class": _text(per_class, 3),
        "settings that differ": _text(settings.reset_index(), 3),
        "points of UAR that the second is above the first": _text(apart, 1),
    }
    conclusions = [
        f"{line['first']} and {line['second']}: {line['conclusion']}"
        for line in differences.to_dict("records")
    ]
    return "\n".join([*(f"{title}:\n{block}\n" for title, block in blocks.items()), *conclusions])


def _text(table: pd.DataFrame, digits: int) -> str:
    if table.empty:
        return "none"
    return table.to_string(index=False, na_rep="–", float_format=f"{{:.{digits}f}}".format)


def _protocol(run: Run, stage: str) -> str:
    if stage == "07_evaluate":
        return f"speaker, folds {run.metrics(stage)['test_folds']}"
    return str(run.metrics("02_features")["protocol"])


def _settings(run: Run, stage: str) -> dict[str, Any]:
    """All that decides the answers, by dotted name, as far as the stages say it."""
    found: dict[str, Any] = {}
    for name in COMPARED[stage]:
        path = run.folder / name / DONE
        done = files.read_json(path) if path.is_file() else {}
        parameters = {
            key: value
            for key, value in done.get("parameters", {}).items()
            if key not in PASSED_OVER
        }
        found |= dict(_flat(name, parameters))
        for what, key in ((CODE, "modules"), (RECORDINGS, "folders")):
            if done.get(key):
                found[f"{name}.{what}"] = files.sha256_json(done[key])[:8]
    return found


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Values inside mappings, by dotted name."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(f"{name}.{key}", inner)
