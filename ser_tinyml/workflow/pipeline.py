"""Run the notebooks, stage by stage; what is up to date is not done again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from ser_tinyml import files
from ser_tinyml.apps.spark.session import LOG
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT, Stamp, code_hash, module_hashes
from ser_tinyml.workflow import parameters as of_parameters
from ser_tinyml.workflow.execution import EXECUTED, FAILED, PARTIAL, duration, execute
from ser_tinyml.workflow.notebooks import code_cells, read_notebook, without_note
from ser_tinyml.workflow.parameters import FOLDER, RUN_DIR
from ser_tinyml.workflow.paths import Paths
from ser_tinyml.workflow.runs import DONE, held
from ser_tinyml.workflow.stages import ALL, FOLLOWS, STAGES, check_recordings

NOTEBOOKS = ROOT / "notebooks"
WRITTEN = (RUN_DIR, "own_dir")  # folders that a stage writes to, so that it does not depend on them
UPLOAD = "--profile nano33 --upload --port /dev/ttyACM0"
READ_BY = {  # module: what it reads beside its own code
    "ser_tinyml.device.virtual": (
        "firmware/arduino_nano33/src/lstm/*",
        "firmware/arduino_nano33/src/ser/*",
        "firmware/virtual_board/*.cpp",
    ),
    "ser_tinyml.device.export.sketch": (
        "firmware/arduino_nano33/*.ino",
        "firmware/arduino_nano33/sketch.yaml",
        "firmware/arduino_nano33/src/lstm/*",
        "firmware/arduino_nano33/src/ser/*",
        "firmware/arduino_nano33/src/board/*",
    ),
    "ser_tinyml.device.export.sources": ("ser_tinyml/device/export/templates/*",),
}


def run(
    run_dir: str | Path,
    *,
    recordings: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    stages: Sequence[str] = STAGES,
    force: bool = False,
    notebooks_dir: str | Path = NOTEBOOKS,
    progress: bool = True,
) -> list[str]:
    """Run stages in order, each in a fresh kernel of this very interpreter.

    Parameters
    ----------
    run_dir
        Folder of the run; made if it is not there.
    recordings
        Folder of the corpora; None: the synthetic corpus is spoken.
    parameters
        Values by name, for every stage whose parameters cell has that name; see
        `parameters.given`. Names that end in ``_dir`` are folders, relative to where you are.
    stages
        Which to run, of `STAGES` and `RESEARCH`; the stages they follow must have run.
    force
        Also run what is up to date.
    progress
        Show a progress bar and what the cells print.

    Returns
    -------
    The stages that ran; those that were up to date are left out.

    Raises
    ------
    DataError
        If a parameter is unknown or not possible, a folder is missing or not to be written to,
        another run is at work in the same folder, or a cell fails.
    """
    run_dir = Path(Paths.short(run_dir))  # messages name it as it can be typed
    with files.naming(run_dir):
        if recordings is not None and not Path(recordings).is_dir():
            raise DataError(f"{recordings}: expected a folder of recordings, found none")
        paths = Paths(notebooks_dir)
        known = _prepared(_names(stages), parameters or {}, run_dir, recordings, paths=paths)
        _check_labels(known, stages, recordings)
        with held(run_dir):
            work = _Work(run_dir, paths=paths, force=force, progress=progress)
            for number, stage in enumerate(known, start=1):
                if stage.name in stages:
                    work.bring(stage, place=f"notebook {number} of {len(known)}")
        if progress:
            work.summary(stages)
    return work.ran


def stamp(run_dir: str | Path, stage: str) -> Stamp:
    """What says that a stage is finished. Its notebook is the reader's to open and save."""
    return Stamp(Path(run_dir) / stage / DONE, leave_out=(EXECUTED, FAILED, PARTIAL, LOG))


def done(run_dir: str | Path, stage: str) -> dict[str, Any]:
    """What is known of a finished stage.

    Raises
    ------
    DataError
        If it has not finished.
    """
    found = stamp(run_dir, stage)
    if not found.path.is_file():
        raise DataError(f"{found.path}: expected {stage} to be done, found it is not: run it first")
    return found.read()


@dataclass(frozen=True)
class _Stage:
    """A notebook and its parameters: those of its cell, and of these the ones that are set."""

    name: str
    notebook: nbformat.NotebookNode
    defaults: dict[str, Any]
    given: dict[str, Any]
    speaks: bool  # the synthetic corpus, into a folder that it also depends on

    @property
    def parameters(self) -> dict[str, Any]:
        return {**self.defaults, **self.given}

    def folders(self, paths: Paths) -> dict[str, str]:
        """Hashes of the folders that it reads. They count by what is in them, not by name."""
        return {
            name: files.sha256_json(list(files.listing(paths.notebooks_dir / path)))
            for name, path in _folders(self.parameters).items()
            if name not in WRITTEN
        }

    def recipe(self, paths: Paths, *, previous: str) -> dict[str, Any]:
        """All that its outcome depends on."""
        sources = [cell.source for cell in code_cells(self.notebook)]
        modules = module_hashes(sources)
        modules |= _read_by(modules)
        return {
            "notebook": files.sha256_json([code_hash(source) for source in sources]),
            "modules": modules,
            "parameters": {n: v for n, v in self.parameters.items() if not n.endswith(FOLDER)},
            "folders": self.folders(paths),
            "previous": previous,
        }


def _names(stages: Sequence[str]) -> list[str]:
    """All stages of a run in order, of those of research only what is asked for."""
    for stage in stages:
        if stage not in ALL:
            raise DataError(f"{stage}: expected a stage of {', '.join(ALL)}")
    return [stage for stage in ALL if stage in STAGES or stage in stages]


def _prepared(
    names: Sequence[str],
    parameters: Mapping[str, Any],
    run_dir: Path,
    recordings: str | Path | None,
    *,
    paths: Paths,
) -> list[_Stage]:
    """Read the notebooks and check all parameters, before anything runs."""
    notebooks = {
        name: without_note(read_notebook(paths.notebooks_dir / f"{name}.ipynb")) for name in names
    }
    defaults = {name: of_parameters.defaults_of(book, name) for name, book in notebooks.items()}
    paths.defaults(value for known in defaults.values() for value in _folders(known).values())
    given = of_parameters.given(parameters, defaults, paths=paths)
    settings: dict[str, Any] = {RUN_DIR: paths.seen(run_dir)}
    if recordings is not None:
        settings |= {"recordings_dir": paths.seen(recordings), "speak_demo": False}
    for name, known in defaults.items():
        given[name] |= {n: value for n, value in settings.items() if n in known}
    speaks = recordings is None
    return [
        _Stage(name, book, defaults[name], given[name], speaks and "speak_demo" in defaults[name])
        for name, book in notebooks.items()
    ]


def _check_labels(
    known: Sequence[_Stage], stages: Sequence[str], recordings: str | Path | None
) -> None:
    """Refuse a class set that finds no clip, by the names of the recordings alone."""
    if recordings is None and not any(stage.parameters.get("speak_demo") for stage in known):
        return  # they are somewhere that a parameter says, and stage 01 has read them
    for stage in known:
        if stage.name in stages:
            check_recordings(stage.name, stage.parameters, recordings)


def _folders(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Choose the parameters that name folders."""
    return {n: value for n, value in parameters.items() if n.endswith(FOLDER) and value}


def _read_by(modules: Iterable[str]) -> dict[str, str]:
    """Hashes of the files that some modules read beside their own code."""
    found = [
        path for name in modules for place in READ_BY.get(name, ()) for path in ROOT.glob(place)
    ]
    return {
        path.relative_to(ROOT).as_posix(): files.sha256_bytes(path.read_bytes())
        for path in sorted(found)
    }


@dataclass
class _Work:
    """Brings stages up to date, one after the other."""

    run_dir: Path
    paths: Paths
    force: bool
    progress: bool
    ran: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def bring(self, stage: _Stage, *, place: str) -> None:
        """Run a stage, unless that would change nothing."""
        before = FOLLOWS.get(stage.name)
        if before and before not in self.keys:
            self.keys[before] = done(self.run_dir, before)["key"]
        previous = self.keys[before] if before else ""
        recipe = stage.recipe(self.paths, previous=previous)
        mark = stamp(self.run_dir, stage.name)
        earlier = mark.matches(recipe)
        if earlier and not self.force and (mark.path.parent / EXECUTED).is_file():
            print(f"{stage.name} is up to date ({duration(earlier['seconds'])} when it was made)")
            self.keys[stage.name] = earlier["key"]
            return
        print(f"{stage.name}: {place}")
        _clear(mark)
        seconds, peak_rss_mb = execute(
            stage.notebook,
            stage.name,
            mark.path.parent,
            stage.given,
            paths=self.paths,
            progress=self.progress,
        )
        if stage.speaks:
            recipe["folders"] = stage.folders(self.paths)
        facts = {"given": stage.given, "seconds": round(seconds, 1)}
        self.keys[stage.name] = mark.write(
            recipe, **recipe, **facts, peak_rss_mb=round(peak_rss_mb)
        )
        self.ran.append(stage.name)
        print(f"{stage.name} took {duration(seconds)}, peak memory {peak_rss_mb:,.0f} MB")

    def summary(self, stages: Sequence[str]) -> None:
        """Say what came out."""
        folder = self.run_dir.as_posix()
        print(f"\n{folder}: all done in {duration(time.monotonic() - self.began)}")
        for stage in stages:
            path = self.run_dir / stage / "metrics.json"
            metrics = files.read_json(path) if path.is_file() else {}
            for line in metrics.get("headline", []):
                print(f"  {stage}: {line}")
        print(f"The executed notebooks: {folder}/<stage>/{EXECUTED}; pictures beside them")
        sketch = f"{folder}/05_export/arduino_nano33"
        if "05_export" in stages and Path(sketch).is_dir():
            print(f"The sketch, ready to flash: arduino-cli compile {UPLOAD} {sketch}")


def _clear(mark: Stamp) -> None:
    """Make a stage's folder ready: all pictures are drawn anew, and one that is not must go."""
    folder = mark.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    mark.path.unlink(missing_ok=True)
    for picture in folder.rglob("*.png"):
        picture.unlink()
