"""Small notebooks in place of the real ones, for the tests of what runs and publishes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import nbformat

from ser_tinyml.workflow.stages import STAGES

IMPORTS = """\
import os, sys, time
from pathlib import Path

from ser_tinyml import files
from ser_tinyml.workflow.runs import Run"""


def part(uar: float, *, folds: int, n: int, std: float | None = 0.02) -> dict[str, object]:
    """A line of the summary of stage 07."""
    return {
        **{"folds": folds, "n": n, "uar": uar, "uar_std": std, "float_uar": uar + 0.01},
        **{"accuracy": uar + 0.05, "macro_f1": uar - 0.05, "majority_accuracy": 0.4},
        **{"majority_uar": 0.5, "recall_neutral": uar, "recall_happy": None},
    }


EVALUATION = {  # metrics of stage 07
    "summary": {
        **{"RAVDESS": part(0.73, folds=5, n=600), "SAVEE": part(0.66, folds=3, n=300)},
        **{"TESS": part(0.6, folds=1, n=80), "pooled": part(0.71, folds=5, n=900)},
    },
    "seeds": "0 1",
    "unsure": {
        "fold 0, seed 0": {"ece": 0.04, "coverage": 0.4, "answered_accuracy": 0.85},
        "fold 0, seed 1": {"ece": 0.06, "coverage": 0.6, "answered_accuracy": 0.83},
        "all": {"ece": 0.031, "coverage": 0.5, "answered_accuracy": 0.84},
    },
    "streaming": {
        **{"uar": 0.65, "answered": 0.4, "answered_accuracy": 0.8, "delay_median_s": 0.52},
    },
    "false_alarms": {"hum": {"answered_per_hour": 9.0}, "all": {"answered_per_hour": 3.0}},
    "robustness": {
        "tap 0 dB": {"points lost": 20.0},
        "pink 0 dB": {"points lost": 15.0},
        "clean": {"points lost": 0.0},
        "white 0 dB": {"points lost": 12.34},
    },
}

PARAMETERS = {
    "01_index": """\
recordings_dir = "../data/demo"
speak_demo = True""",
    "02_features": """\
recordings_dir = "../data/demo"
background_dir = ""
shift = 1.0  # s""",
    "03_train": """\
training = {"units": [8, 4]}  # fields of the training's configuration
epochs = 2
shift = 2.0  # s
keep = "best"
clean = True""",
    "04_convert": "mb = 1",
    "05_export": "",
    "06_listen_live": "",
    "07_evaluate": "",
    "08_ablations": "",
    "09_your_voice": "",
    "10_corpora": "",
    "15_teachers": "",
}

WORK = {
    "01_index": """\
if speak_demo:
    files.write_text(Path(recordings_dir) / "a.wav", "spoken")
names = sorted(path.name for path in Path(recordings_dir).iterdir())
files.write_json(out / "clips.json", names)
run.write_metrics("01_index", {"synthetic": speak_demo, "headline": [f"{len(names)} clips"]})
print(recordings_dir)""",
    "02_features": """\
files.write_json(out / "features.json", [shift, background_dir])
clips = files.read_json(run.input("01_index", "clips.json"))
run.write_metrics("02_features", {})
print("progress", file=sys.stderr)""",
    "03_train": """\
for epoch in range(epochs):
    print("epoch", epoch, flush=True)
files.write_json(out / "seen.json", [epochs, shift, keep, clean, training])
run.write_metrics("03_train", {})""",
    "04_convert": """\
held = bytearray(mb * 1_000_000)
time.sleep(0.6 if mb > 1 else 0)
for variant in ("float32", "dynamic_range", "int8"):
    files.write_text(out / f"{variant}.tflite", variant)
for name in ("features", "normalisation", "labels", "decision"):
    files.write_text(out / f"{name}.json", "{}")
files.write_text(out / "hidden.npz", "hidden")
run.write_metrics("04_convert", {})""",
    "05_export": """\
seen = {"python": sys.executable, "here": Path.cwd().name, **dict(os.environ)}
files.write_json(out / "kernel.json", seen)
files.write_text(out / "model_card.md", "card")
files.write_text(out / "model" / "model.cpp", "array")
files.write_text(out / "golden" / "golden.json", "{}")
run.write_metrics("05_export", {})""",
    "06_listen_live": """
files.write_text(out / "decisions.csv", "second")
run.write_metrics("06_listen_live", {})""",
    "07_evaluate": f"""\
run.write_metrics("07_evaluate", {EVALUATION!r})""",
    "08_ablations": """\
run.write_metrics("08_ablations", {"seeds": "0"})""",
    "09_your_voice": """\
run.write_metrics("09_your_voice", {})""",
    "10_corpora": """\
run.write_metrics("10_corpora", {})""",
    "15_teachers": """\
run.write_metrics("15_teachers", {})""",
}


def write(folder: Path, stage: str, *more: str, work: str | None = None) -> Path:
    """Write one notebook; `more` are code cells at its end."""
    cells = [nbformat.v4.new_markdown_cell("In, out, time.", id="head")]
    sources = [
        ("imports", IMPORTS),
        ("parameters", f'run_dir = "../runs/demo"\n{PARAMETERS[stage]}'.strip()),
        ("open", f'run = Run(run_dir)\nout = run.output("{stage}")'),
        ("work", WORK[stage] if work is None else work),
        *((f"more-{number}", source) for number, source in enumerate(more)),
    ]
    cells += [nbformat.v4.new_code_cell(source, id=name) for name, source in sources]
    cells[2].metadata["tags"] = ["parameters"]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"display_name": "x", "language": "python", "name": "x"}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage}.ipynb"
    nbformat.write(book, path)
    return path


def write_all(folder: Path, stages: Iterable[str] = STAGES) -> Path:
    """Write all of them."""
    for stage in stages:
        write(folder, stage)
    return folder
