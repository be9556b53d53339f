"""`systems`: the field's systems on one set of recordings, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ser_tinyml import files
from ser_tinyml.evaluation import people
from ser_tinyml.evaluation.trials import POOL
from ser_tinyml.files import DataError, plain_numbers
from ser_tinyml.metrics import POOLED
from ser_tinyml.provenance import ROOT
from ser_tinyml.systems import registry, scores, trials
from ser_tinyml.systems.face import System
from ser_tinyml.systems.trials import SystemMaterial
from ser_tinyml.workflow import pipeline, readme
from ser_tinyml.workflow.results import EVALUATION, PROTOCOLS
from ser_tinyml.workflow.runs import Run, held
from ser_tinyml.workflow.stages import COMPARE, FIELD, STAGES

TABLE = "systems.csv"
SIDE_BY_SIDE = "compare"  # the name that asks for all systems side by side, and no other training
SAID = ("system", "test", "part", "kind", "n", "uar", "uar_sd", "accuracy", "weighted_f1")


def run(
    folder: str | Path,
    *,
    recordings: str | Path,
    song: str | Path | None = None,
    name: str = "",
    seeds: Sequence[int] = (0,),
    quick: bool = False,
    beside: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Train, test and export systems, show them in their notebooks, and write the table.

    What is done is not done again, so that a run that was stopped goes on where it was.

    Parameters
    ----------
    folder
        Of the run.
    recordings
        Folder of the corpora.
    song
        Folder of sung recordings, for systems that take such.
    name
        Of a system, or of a module with several; `SIDE_BY_SIDE`: none; empty: all.
    quick
        Train each for a moment only: shows that all works, and says nothing of its scores.
    beside
        Parameters of the notebook that, at the end, shows all that were trained side by side with
        the project's own net; None: it is left out.

    Returns
    -------
    table
        That of `scores.summary`, and `recordings_of`; also in ``systems.csv``, where other systems
        keep their lines of the same recordings.

    Raises
    ------
    DataError
        If there is no such system, or the recordings do not allow its tests.
    """
    chosen = registry.chosen(name) if name != SIDE_BY_SIDE else []
    pipeline.run(folder, recordings=recordings, stages=STAGES[:1])
    _check_earlier(Run(folder), beside or {})  # before hours of training
    material = material_of(folder, recordings=recordings, song=song)
    known = recordings_of(material.clips)
    with held(folder):
        found = [_scored(system, material, seeds=seeds, quick=quick) for system in chosen]
        found = [lines.assign(recordings=known) for lines in found]
        table = _written(Path(folder) / TABLE, found, recordings=known)
    given = {"seeds": " ".join(map(str, seeds)), "quick": quick}
    given |= {"song_dir": song} if song else {}
    stages = notebooks_of(chosen)
    if beside is not None:
        stages.append(COMPARE)
        given |= {**beside, "systems_shown": " ".join(table["system"].unique())}
    if stages:  # always: an export that could not be made before may be there now
        pipeline.run(folder, recordings=recordings, stages=stages, parameters=given, force=True)
    return table


def _scored(
    system: System, material: SystemMaterial, *, seeds: Sequence[int], quick: bool
) -> pd.DataFrame:
    for line in left_out(system):
        print(line)
    return scores.summary(trials.run(system, material, seeds=seeds, quick=quick))


def _check_earlier(run: Run, beside: Mapping[str, Any]) -> None:
    if "earlier" in beside:  # it is relative to the notebook
        earlier(ROOT / "notebooks" / beside["earlier"], run)


def material_of(
    folder: str | Path, *, recordings: str | Path, song: str | Path | None = None
) -> SystemMaterial:
    """What the trials of a run are made of, after its stage 01."""
    clips = files.read_table(Run(folder).input(STAGES[0], "clips.csv"))
    place = Path(song) if song else None
    if place is not None and not place.is_dir():
        raise DataError(f"{place}: expected a folder of sung recordings, found none")
    return SystemMaterial(clips, Path(recordings), Path(folder) / "systems", place)


def recordings_of(clips: pd.DataFrame) -> str:
    """A short name of a set of clips: the same recordings have the same one."""
    return files.sha256_json(sorted(zip(clips["key"], clips["sha256"], strict=True)))[:12]


def earlier(path: str | Path, run: Run) -> dict[str, Any]:
    """What stood side by side in an earlier run on the same recordings.

    Parameters
    ----------
    path
        metrics.json of all its stages, such as that of the released model.
    run
        Whose recordings have to be the same.

    Returns
    -------
    found
        systems, sizes, diarisation: as notebook 14 wrote them; listener: UAR of a single one on
        CREMA-D, None where it is not known.

    Raises
    ------
    DataError
        If there is none, or it is of other recordings.
    """
    if not path:
        raise DataError(
            "earlier: expected metrics.json of an earlier run, for net_sizes is empty and this run "
            "trains no net of its own; found nothing"
        )
    known = files.read_json(path)
    if COMPARE not in known:
        raise DataError(f"{path}: expected scores of {COMPARE}, found those of {', '.join(known)}")
    if known.get(STAGES[0]) != run.metrics(STAGES[0]):
        raise DataError(
            f"{path}: expected scores on the recordings of {run.folder}, found other recordings"
        )
    listeners = known.get(EVALUATION, {}).get("people", {})
    return {**known[COMPARE], "listener": listeners.get(people.ONE, {}).get("uar")}


def notebooks_of(systems: Sequence[System]) -> list[str]:
    """Stages that show these systems and no others: a notebook shows all of a module."""
    names = {system.name for system in systems}
    modules = {registry.module_of(name) for name in names} - {""}
    whole = {one for one in modules if {s.name for s in registry.chosen(one)} <= names}
    return [stage for stage in FIELD if stage.partition("_")[2] in whole]


def left_out(system: System) -> list[str]:
    """A line for each export that cannot be made here."""
    return [
        f"{system.name}: {name} is left out: expected {', '.join(missing)} to be installed"
        + (f': pip install "ser-tinyml[{system.extra}]"' if export.modules else "")
        for name, export in system.exports.items()
        if (missing := export.missing())
    ]


def _written(path: Path, found: Sequence[pd.DataFrame], *, recordings: str) -> pd.DataFrame:
    """Write tables as one; lines of systems that are not in them stay, if they are of these clips.

    The others are dropped, and it is said which: their trials are still on disk.
    """
    before = files.read_table(path) if path.is_file() else pd.DataFrame({"system": []})
    same = _recordings(before) == recordings
    if len(others := before.loc[~same, "system"].unique()):
        print(f"{path}: of other recordings, and left out: {', '.join(others)}")
    before = [before[same]] if same.any() else []
    if not before and not found:
        raise DataError(f"{path}: expected systems that were trained, found none: train one first")
    table = _together(found, *before)
    files.write_table(path, table)
    return table


def _recordings(lines: pd.DataFrame) -> pd.Series:
    """What recordings the lines of a table are of; tables of old do not say."""
    return lines.reindex(columns=["recordings"])["recordings"].astype(object).fillna("unknown")


def _together(found: Sequence[pd.DataFrame], *before: pd.DataFrame) -> pd.DataFrame:
    """Tables as one, in the order of `registry.names`; of earlier ones what is not in the new."""
    new = {name for table in found for name in table["system"]}
    tables = list(found)
    for table in before:
        others = table[~table["system"].isin(new)].copy()
        for name in scores.NUMBERS & set(others):  # what was not measured is empty text or None
            others[name] = pd.to_numeric(others[name], errors="coerce")
        tables += [others] if len(others) else []
    order = {name: place for place, name in enumerate(registry.names())}
    table = pd.concat(tables, ignore_index=True)
    table = table.sort_values("system", key=lambda names: names.map(order), kind="stable")
    return table.reset_index(drop=True)


def text(table: pd.DataFrame) -> str:
    """The table, to be read."""
    return table[list(SAID)].to_string(index=False, na_rep="–", float_format="{:.3f}".format)


def publish(table: pd.DataFrame, *, root: Path = ROOT) -> None:
    """Write models/systems.json and the table of the docs; systems not in the table stay there.

    So a run that trains one system adds it to those of earlier runs.

    Raises
    ------
    DataError
        If the lines that are there are of other recordings.
    """
    path = root / "models" / "systems.json"
    if path.is_file():
        before = pd.DataFrame(files.read_json(path))
        found, expected = ({*_recordings(lines)} for lines in (before, table))
        if found != expected:
            raise DataError(
                f"{path}: expected lines of the recordings {', '.join(expected)}, found those of "
                f"{', '.join(found)}: a table has one set; delete this one to begin anew"
            )
        table = _together([table], before)
    files.write_json(path, plain_numbers(table.to_dict("records")))
    readme.put(markdown(table), name="systems", root=root)


def markdown(table: pd.DataFrame) -> str:
    """The table of the docs: two lines a system, its own test and speakers never heard.

    Of modules with very many systems it has some, see `registry.in_tables`.
    """
    lines = [
        "| system | test, clips | UAR | accuracy | weighted F1 | quoted | an answer |",
        "|---|---|---|---|---|---|---|",
    ]
    table = table[table["system"].isin(registry.in_tables())]
    shown = table[table["shipped"] & table["part"].isin([POOL, POOLED])]
    for line in shown.to_dict("records"):
        cells = [
            line["title"],
            f"{PROTOCOLS[line['protocol']]}, {line['n']}",
            *(_score(line, name) for name in ("uar", "accuracy", "weighted_f1")),
            _quoted(line),
            _cost(line),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _score(line: dict[str, Any], name: str) -> str:
    spread = line[f"{name}_sd"]
    return f"{100 * line[name]:.1f} %" + ("" if pd.isna(spread) else f" ± {100 * spread:.1f}")


def _quoted(line: dict[str, Any]) -> str:
    names = {"uar": "UAR", "accuracy": "accuracy", "weighted_f1": "weighted F1"}
    found = [
        f"{word} {100 * line[f'quoted_{name}']:.1f} %"
        for name, word in names.items()
        if not pd.isna(line[f"quoted_{name}"])
    ]
    return f"{', '.join(found)} ({line['source']})" if found else "–"


def _cost(line: dict[str, Any]) -> str:
    """Flash, memory and time, as far as they were measured."""
    units = {"flash_bytes": ("kB flash", 1e3), "ram_bytes": ("kB RAM", 1e3),
             "milliseconds": ("ms", 1.0)}  # fmt: skip
    found = [
        f"{line[name] / scale:,.0f} {unit}"
        for name, (unit, scale) in units.items()
        if not pd.isna(line[name])
    ]
    return f"{', '.join(found)} ({line['on']})" if found else "–"
