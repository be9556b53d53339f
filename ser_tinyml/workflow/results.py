"""Runs side by side, in tables and one file of numbers; and pictures of what is published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ser_tinyml import files, metrics
from ser_tinyml.data import corpora, splits
from ser_tinyml.evaluation import ablations
from ser_tinyml.evaluation.trials import POOL
from ser_tinyml.files import DataError, plain_numbers
from ser_tinyml.plots import diagrams, style
from ser_tinyml.plots import results as plots
from ser_tinyml.plots import scores as score_plots
from ser_tinyml.provenance import ROOT
from ser_tinyml.sound import degrade
from ser_tinyml.systems import registry
from ser_tinyml.tflite.release import Release
from ser_tinyml.workflow import readme
from ser_tinyml.workflow.parameters import EXPERIMENTS
from ser_tinyml.workflow.runs import Run
from ser_tinyml.workflow.stages import COMPARE, RESEARCH

IMAGES, METRICS, RESULTS = "images", "models/metrics.json", "models/results.json"
EVALUATION, ABLATIONS = RESEARCH[:2]
RUNS = ("published", "clip_random", "seven_random", "release")  # in the order of the tables
SCORES = (  # of a part of an evaluation
    *("uar", "uar_std", "float_uar", "accuracy", "macro_f1"),
    *("majority_accuracy", "majority_uar"),
)

PROTOCOLS = {
    "speaker": "speakers never heard",
    "clip_random": "random clips, speakers heard",
    "leaky_random": "random rows, sentences heard",
}
# Figures as their authors give them, in their READMEs.
QUOTED = [
    {
        "name": "Speech-Emotion-Recognition-TinyML",
        "protocol": "leaky_random",
        "corpora": ["RAVDESS", "SAVEE", "TESS"],
        "classes": 4,
        "parameters": 126_532,
        "float_kb": 515.0,
        "int8_kb": 150.0,
        "float_accuracy": 0.7288,
        "dynamic_range_accuracy": 0.7306,
        "runs_on_tflm": False,
        "quoted": True,
    },
    {
        "name": "embedded-audio-emotion",
        "protocol": "clip_random",
        "corpora": ["CREMA-D", "RAVDESS", "SAVEE", "TESS"],
        "classes": 7,
        "weighted_f1": 0.612,
        "quoted": True,
    },
]


MEAN_OF_CORPORA = "the mean of these corpora, each counting the same"


def collect(run_dir: str | Path) -> list[dict[str, Any]]:
    """The numbers of one run with a random split, or of an evaluation on speakers never heard.

    Scores are those of int8 on TFLite Micro; Keras' begin with ``float_``.

    Returns
    -------
    results
        One line; of an evaluation one for each part: the pool, and each corpus by itself.

    Raises
    ------
    DataError
        If it lacks a stage, or its recordings are synthetic: that is no result.
    """
    run = Run(run_dir)
    if (run.folder / EVALUATION / "metrics.json").is_file():
        return _evaluated(run)
    index, rows, training, conversion = (
        run.metrics(stage) for stage in ("01_index", "02_features", "03_train", "04_convert")
    )
    if index["synthetic"]:
        raise DataError(f"{run.folder}: expected a run on real recordings, found synthetic ones")
    if rows["protocol"] in splits.BY_SPEAKER:
        raise DataError(
            f"{run.folder}: expected a random split or stage {EVALUATION}, "
            f"found protocol {rows['protocol']} alone: one fold is no result"
        )
    experiment = f" EXPERIMENT={run.name}" if (EXPERIMENTS / f"{run.name}.yaml").is_file() else ""
    return [
        {
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
            **_scores(run),
        }
    ]


def _evaluated(run: Run) -> list[dict[str, Any]]:
    """The parts of stage 07: means over folds and seeds."""
    if run.metrics("01_index")["synthetic"]:
        raise DataError(f"{run.folder}: expected a run on real recordings, found synthetic ones")
    found = run.metrics(EVALUATION)
    pool = sorted(corpora.pooled(set(found["summary"]) - {POOL}))
    return [
        {
            "name": run.name,
            "command": "make evaluate DATA=…",
            "protocol": "speaker",
            "corpora": pool if part == POOL else [part],
            "test_rows": line["n"],
            "quoted": False,
            **{name: line[name] for name in ("folds", *SCORES)},
            "trials": len(found["seeds"].split()) * line["folds"],
        }
        for part, line in _parts(found)
    ]


def _parts(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The lines of a summary, the pool first: a file of JSON is sorted by name."""
    return sorted(found["summary"].items(), key=lambda item: item[0] != POOL)


def _scores(run: Run) -> dict[str, Any]:
    """Scores of the test rows."""
    table = files.read_table(run.input("02_features", "rows.csv"))
    table = table[table["split"] == splits.TEST].reset_index(drop=True)
    answers = np.load(run.input("04_convert", "int8_test_answers.npy")).argmax(axis=1)
    board = metrics.score(
        table["label_id"],
        answers,
        classes=files.read_json(run.input("02_features", "labels.json")),
    )
    keras = run.metrics("03_train")["scores"]["all"]
    return {
        "corpora": sorted(set(table["corpus"])),
        "classes": len(board["recall"]),
        "test_rows": board["n"],
        "float_accuracy": keras["accuracy"],
        "float_uar": keras["uar"],
        **{name: board[name] for name in ("accuracy", "uar", "weighted_f1", "majority_accuracy")},
    }


def evaluation_markdown(results: Sequence[dict[str, Any]]) -> str:
    """The README's table of speakers never heard."""
    lines = [
        "| speakers never heard | clips | UAR, int8 on TFLite Micro | its accuracy | its macro-F1 "
        "| UAR, float | always the most frequent: UAR, accuracy |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        if result["protocol"] != "speaker":
            continue
        std = result["uar_std"]
        spread = "" if std is None else f" ± {100 * std:.1f}"
        lines.append(
            f"| {', '.join(result['corpora'])} ({result['folds']} folds) | {result['test_rows']} "
            f"| **{100 * result['uar']:.1f} %**{spread} | {100 * result['accuracy']:.1f} % "
            f"| {100 * result['macro_f1']:.1f} % | {100 * result['float_uar']:.1f} % "
            f"| {100 * result['majority_uar']:.1f} %, {100 * result['majority_accuracy']:.1f} % |"
        )
        if len(result["corpora"]) > 1:
            lines += _mean_of_corpora(result["corpora"], results)
    return "\n".join(lines)


def _mean_of_corpora(names: Sequence[str], results: Sequence[dict[str, Any]]) -> list[str]:
    """A line in which each corpus of the pool counts the same, where all of them have a line."""
    alone = {
        line["corpora"][0]: line
        for line in results
        if line["protocol"] == "speaker" and len(line["corpora"]) == 1
    }
    if not set(names) <= set(alone):
        return []
    score, accuracy, macro, in_float = (
        np.mean([100 * alone[name][key] for name in names])
        for key in ("uar", "accuracy", "macro_f1", "float_uar")
    )
    return [
        f"| {MEAN_OF_CORPORA} | | **{score:.1f} %** | {accuracy:.1f} % | {macro:.1f} % "
        f"| {in_float:.1f} % | |"
    ]


def card_section(found: dict[str, Any]) -> str:
    """What stage 07 found, for the model card.

    Parameters
    ----------
    found
        Its metrics.json.
    """
    classes = [name.removeprefix("recall_") for name in found["summary"][POOL] if "recall" in name]
    lines = [
        "## Speakers never heard",
        "",
        "The same recipe, trained anew on each of five folds of speakers and scored on the fold "
        "left out: int8 on TFLite Micro, mean ± standard deviation over folds and seeds. The model "
        "of this card is another one: it has heard more speakers. `pooled` counts the clips of "
        f"{', '.join(sorted(corpora.pooled(set(found['summary']) - {POOL})))}.",
        "",
        f"| | folds | UAR | accuracy | macro-F1 | {' | '.join(f'recall {c}' for c in classes)} |",
        f"|---|---|---|---|---|{'---|' * len(classes)}",
    ]
    for part, line in _parts(found):
        spread = "" if line["uar_std"] is None else f" ± {line['uar_std']:.3f}"
        recalls = (line[f"recall_{name}"] for name in classes)
        cells = [_number(value, 3) for value in recalls]
        lines.append(
            f"| {part} | {line['folds']} | {line['uar']:.3f}{spread} | {line['accuracy']:.3f} "
            f"| {line['macro_f1']:.3f} | {' | '.join(cells)} |"
        )
        if part == POOL:
            lines += _mean_on_the_card(found["summary"], classes)
    unsure, live = found["unsure"]["all"], found["streaming"]
    alarms = found["false_alarms"][metrics.POOLED]["answered_per_hour"]
    return "\n".join(
        [
            *lines,
            "",
            f"- Calibration: the probabilities of a net are off by {_off(found['unsure']):.1f} "
            f"points on average ({100 * unsure['ece']:.1f}, all nets counted together). With the "
            f"threshold, {_percent(unsure['coverage'])} are answered, and "
            f"{_percent(unsure['answered_accuracy'])} of the answers are right.",
            f"- Streaming, as on the board: UAR {live['uar']:.3f}, "
            f"{_percent(live['answered'])} answered, of these "
            f"{_percent(live['answered_accuracy'])} right; "
            f"{_number(live['delay_median_s'], 2)} s from the end of speech to the decision "
            "(median).",
            f"- False alarms: {alarms:.1f} in an hour of {_sounds(found['false_alarms'])}."
            + _on_unmet_sounds(found.get("nobody_speaks", {})),
            "- Degraded sound, change of UAR, in points (+ is better):",
            *(
                f"  - {name}: {round(-line['points lost'], 1) + 0.0:+.1f}"
                for name, line in sorted(found["robustness"].items(), key=_place)
                if name != "clean"
            ),
            "",
        ]
    )


def _off(unsure: dict[str, Any]) -> float:
    """The calibration error of a net of the folds, in points, the mean of all of them."""
    return 100 * float(np.mean([line["ece"] for name, line in unsure.items() if name != "all"]))


def _sounds(kinds: Iterable[str]) -> str:
    return ", ".join(sorted(kind for kind in kinds if kind != metrics.POOLED))


def _on_unmet_sounds(kinds: dict[str, Any]) -> str:
    """How many recordings of sounds that the net had never met got an emotion."""
    if not kinds:
        return ""
    share = sum(kind["sum"] for kind in kinds.values()) / sum(k["size"] for k in kinds.values())
    named = _sounds(kind.replace("_", " ") for kind in kinds)
    return (
        f" Of recordings of kinds that the net had never met ({named}), {100 * share:.1f} % get an "
        "emotion."
    )


def _mean_on_the_card(summary: dict[str, Any], classes: Sequence[str]) -> list[str]:
    """The line of the model card in which each corpus counts the same."""
    alone = [summary[name] for name in sorted(corpora.pooled(set(summary) - {POOL}))]
    if len(alone) < 2:
        return []
    means = (np.mean([line[key] for line in alone]) for key in ("uar", "accuracy", "macro_f1"))
    cells = " | ".join(f"{mean:.3f}" for mean in means)
    return [f"| mean of its corpora | | {cells} |{' |' * len(classes)}"]


def _order(line: dict[str, Any]) -> int:
    """Where a run's lines stand: those of `RUNS` first."""
    return [*RUNS, line["name"]].index(line["name"])


def _place(item: tuple[str, Any]) -> int:
    """Where a condition stands in `degrade.CONDITIONS`; recorded noise comes after them."""
    return [*degrade.CONDITIONS, item[0]].index(item[0])


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(results: Sequence[dict[str, Any]]) -> str:
    """The README's table of random splits: the quoted systems first."""
    lines = [
        "| model | classes, test rows | int8 on TFLite Micro: UAR, accuracy, weighted F1 "
        "| accuracy, float | float / int8 file | how |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        if result["protocol"] != "speaker":
            cells = _quoted(result) if result["quoted"] else _measured(result)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _test(result: dict[str, Any]) -> str:
    """Classes, protocol and corpora of a line."""
    return f"{result['classes']}; {PROTOCOLS[result['protocol']]}: {', '.join(result['corpora'])}"


def _quoted(result: dict[str, Any]) -> list[str]:
    """Cells of a system as its authors describe it."""
    board, accuracy, sizes = "does not run on it", "not given", "–"
    if "weighted_f1" in result:
        board = f"no net; weighted F1 {100 * result['weighted_f1']:.1f} %"
    if "float_accuracy" in result:
        accuracy = f"{100 * result['float_accuracy']:.2f} %"
    if "float_kb" in result:
        sizes = f"{result['float_kb']:.0f} / {result['int8_kb']:.0f} kB"
    return [result["name"], _test(result), board, accuracy, sizes, "quoted"]


def _measured(result: dict[str, Any]) -> list[str]:
    """Cells of a run."""
    steps, inputs = result["feature_shape"]
    board = (result[name] for name in ("uar", "accuracy", "weighted_f1"))
    return [
        f"{result['name']}, {steps} x {inputs} inputs",
        f"{_test(result)}, n = {result['test_rows']}",
        ", ".join(f"{100 * value:.1f} %" for value in board),
        f"{100 * result['float_accuracy']:.2f} %",
        f"{result['float_kb']:.0f} / {result['int8_kb']:.0f} kB",
        f"measured: `{result['command']}`",
    ]


def four_classes(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The measured lines that one picture can hold; evaluations are of four classes."""
    return [line for line in results if not line["quoted"] and line.get("classes", 4) == 4]


def publish(run_dirs: Sequence[str | Path], *, root: Path = ROOT) -> pd.DataFrame:
    """Write models/results.json, images/results.png and the tables of README and docs from runs.

    The lines of other runs stay as they are.

    Returns
    -------
    table
        The lines of all runs.
    """
    lines = plain_numbers([line for run_dir in run_dirs for line in collect(run_dir)])
    place = root / RESULTS
    before = files.read_json(place) if place.is_file() else []
    renewed = {line["name"] for line in [*QUOTED, *lines]}
    others = [line for line in before if line["name"] not in renewed]
    results = [*QUOTED, *sorted([*others, *lines], key=_order)]
    files.write_json(place, results)
    style.use()
    style.save(plots.by_test(four_classes(results)), root / IMAGES / "results.png")
    readme.put(markdown(results), name="results", root=root)
    readme.put(evaluation_markdown(results), name="evaluation", root=root)
    return pd.DataFrame(results)


def pictures(root: Path = ROOT) -> dict[str, Figure]:
    """Pictures of tables, by the names of their files in images/.

    Their numbers stand in models/results.json and models/metrics.json; no run and no recordings are
    needed. Notebooks 08 and 14 draw the same from a run.
    """
    known = files.read_json(root / METRICS)
    table = pd.DataFrame(known[COMPARE]["systems"]).set_index("system")
    nets = [name for name in table.index if name.startswith("lstm")]
    shown = table[table.index.isin([*nets, *registry.in_tables()])]
    changed = pd.DataFrame(known[ABLATIONS]["ablations"])
    return {
        "results": plots.by_test(four_classes(files.read_json(root / RESULTS))),
        "ablations": score_plots.ablations(changed, base=ablations.BASE),
        "compare": plots.costs(shown, part=POOL, named=list(shown.index)),
    }


def draw(root: Path = ROOT) -> list[Path]:
    """Draw the diagrams of the released model and the pictures of tables into images/.

    Returns
    -------
    paths
        Of the pictures, and of the note that names the model of the diagrams.
    """
    style.use()
    paths = diagrams.write(root / IMAGES, Release.load(root / "models"))
    for name, figure in pictures(root).items():
        paths.append(style.save(figure, root / IMAGES / f"{name}.png"))
        plt.close(figure)
    return paths
