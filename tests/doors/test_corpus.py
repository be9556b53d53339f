"""A corpus from outside: one file, and the package is as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import contributing
from make_audio import record

from ser_tinyml import files
from ser_tinyml.data import demo

PLUGIN = contributing.example("new_corpus", "python")
WALK = """
import json, sys

from ser_tinyml.data import corpora, dataset, folds, report
from ser_tinyml.features.rows import RowPlan, plan_rows
from ser_tinyml.plots import clips as plots

found = dataset.scan("recordings", progress=False)
rows = plan_rows(found.clips, RowPlan.of(json.loads(sys.argv[1])))
plots.counts(found.clips).savefig("counts.png")
plots.durations(found.clips).savefig("durations.png")
names = sorted(set(found.clips["corpus"]))
sides = rows.groupby("speaker")["split"].unique().map(list)
print(json.dumps({
    "state": found.completeness.set_index("corpus")["state"].to_dict(),
    "report": report.report(found),
    "order": corpora.order(names),
    "pooled": corpora.pooled(names),
    "colour": corpora.colour("STREET"),
    "emotions": corpora.emotions(),
    "labels": rows.groupby("emotion")["label"].unique().map(list).to_dict(),
    "sides": sides.to_dict(),
    "said": folds.about_those_without(folds.without(rows)),
}))
"""
FOUR = ("f01", "f02", "m01", "m02")


def speak(folder: Path) -> None:
    """All clips of the corpus, noise each."""
    clips = [(s, e, t) for s in FOUR for e in ("happy", "angry", "bored") for t in (1, 2)]
    for seed, (speaker, emotion, take) in enumerate(clips):
        record(folder / "recordings" / f"street_{speaker}_{emotion}_{take}.wav", seed=seed)


def walk(folder: Path, plugin: str = PLUGIN, **parameters: Any) -> subprocess.CompletedProcess[str]:
    """From recordings to rows and figures, in a process of its own."""
    (folder / "street.py").write_text(plugin)
    return subprocess.run(
        [sys.executable, "-c", WALK, json.dumps(parameters)],
        cwd=folder,
        env={**os.environ, "SER_PLUGINS": "street.py", "PYTHONPATH": str(contributing.ROOT)},
        capture_output=True,
        text=True,
    )


def found(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


OWN_CLASSES = {"pleasant": ["happy"], "unpleasant": ["angry", "bored"]}


def test_a_corpus_alone_goes_from_index_to_figures(tmp_path) -> None:
    speak(tmp_path)
    answer = found(walk(tmp_path, class_set=OWN_CLASSES))
    assert answer["state"]["STREET"] == "complete"
    assert answer["order"] == answer["pooled"] == ["STREET"]
    assert answer["colour"] == "#2a7f62"
    assert answer["emotions"][-1] == "bored"
    assert answer["labels"]["bored"] == ["unpleasant"]
    sides = ["test", "train", "validation", "train"]
    assert answer["sides"] == {
        f"STREET-{who}": [side] for who, side in zip(FOUR, sides, strict=True)
    }
    assert answer["said"] == "In no fold, so trained on and never scored: 2 speakers of STREET."
    assert (tmp_path / "counts.png").stat().st_size > 1000


def test_beside_other_corpora_it_changes_nothing_of_theirs(tmp_path) -> None:
    """The synthetic corpora's names, with noise in them."""
    for seed, clip in enumerate(demo.clips(scale=0.01)):
        record(tmp_path / "recordings" / clip.path, seed=1000 + seed)
    files.write_json(tmp_path / "recordings" / demo.MARKER, {})
    before = found(walk(tmp_path))
    assert not any(name.startswith("STREET") for name in before["sides"])
    assert {side for sides in before["sides"].values() for side in sides} == {
        *("train", "validation", "test")
    }
    speak(tmp_path)
    after = found(walk(tmp_path, PLUGIN.replace('"f01": 0, "m01": 1', "")))
    assert "STREET: complete" in after["report"] and "synthetic" in after["report"]
    assert after["order"] == ["RAVDESS", "SAVEE", "CREMA-D", "TESS", "STREET"]
    assert after["pooled"] == ["RAVDESS", "SAVEE", "CREMA-D", "STREET"]
    assert after["sides"] == before["sides"] | {f"STREET-{who}": ["train"] for who in FOUR}
    assert "4 speakers of STREET" in after["said"]


def test_without_a_fold_and_alone_its_speakers_are_dealt(tmp_path) -> None:
    speak(tmp_path)
    alone = found(walk(tmp_path, PLUGIN.replace('"f01": 0, "m01": 1', ""), class_set=OWN_CLASSES))
    sides = ["test", "validation", "train", "train"]
    assert alone["sides"] == {
        f"STREET-{who}": [side] for who, side in zip(FOUR, sides, strict=True)
    }


def test_a_mistake_in_the_file_is_named(tmp_path) -> None:
    speak(tmp_path)
    broken = walk(tmp_path, PLUGIN.replace("#2a7f62", "green"))
    assert (
        "DataError: street.py, line 24: expected a plugin that imports, found corpus 'STREET': "
        "expected a colour such as #3b6fa0, found 'green'"
    ) in broken.stderr
    taken = walk(tmp_path, PLUGIN.replace("STREET", "TESS"))
    assert "corpus 'TESS': expected a new name, found it registered" in taken.stderr
    other = walk(tmp_path, PLUGIN.replace("emotion=found[2]", 'emotion="cross"'))
    assert "expected an emotion that corpus STREET declares (happy, angry, bored)" in other.stderr
