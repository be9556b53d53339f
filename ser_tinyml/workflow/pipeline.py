"""Run the notebooks, stage by stage, through papermill; what is up to date is not done again."""

from __future__ import annotations

import ast
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import nbformat
import papermill
import psutil
import yaml
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient.exceptions import DeadKernelError
from tqdm import tqdm
from traitlets import default

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import PACKAGE, ROOT, code_hash, module_hashes
from ser_tinyml.workflow.runs import DONE, FOLLOWS, RESEARCH, STAGES

NOTEBOOKS = ROOT / "notebooks"
EXPERIMENTS = NOTEBOOKS / "experiments"
EXECUTED = "notebook.ipynb"
FAILED = "notebook.failed.ipynb"
PARTIAL = "notebook.partial.ipynb"
INJECTED = "injected-parameters"  # the tag that papermill gives the cell it adds
POLL_S = 0.25
LOG_INTERVAL_S = 10
ALL = (*STAGES, *RESEARCH)
GRACE_S = 3  # for what a kernel started to end after it, and to clean up behind itself
LONGEST_MESSAGE = 8  # lines of an exception; TensorFlow's can be hundreds


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
        Values by name, for every stage whose parameters cell has that name; text is read as the
        type of the default. Names that end in ``_dir`` are folders, relative to where you are.
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
        If a parameter is unknown or of the wrong type, a folder is missing, or a cell fails.
    """
    run_dir, notebooks_dir = Path(run_dir).resolve(), Path(notebooks_dir).resolve()
    if recordings is not None and not Path(recordings).is_dir():
        raise DataError(f"{recordings}: expected a folder of recordings, found none")
    unknown = [stage for stage in stages if stage not in ALL]
    if unknown:
        raise DataError(f"{unknown[0]}: expected a stage of {', '.join(ALL)}")
    names = [stage for stage in ALL if stage in STAGES or stage in stages]
    notebooks = {stage: read_notebook(notebooks_dir / f"{stage}.ipynb") for stage in names}
    defaults = {stage: parameter_defaults(book, stage) for stage, book in notebooks.items()}
    given = _given(parameters or {}, defaults, notebooks_dir=notebooks_dir)
    for stage, known in defaults.items():
        settings = {"run_dir": _relative(run_dir, notebooks_dir)}
        if recordings is not None:
            settings["recordings_dir"] = _relative(Path(recordings), notebooks_dir)
            settings["speak_demo"] = False
        given[stage] |= {name: value for name, value in settings.items() if name in known}

    began, ran, keys = time.monotonic(), [], {}
    for stage in sorted(stages, key=ALL.index):
        folder = run_dir / stage
        before = FOLLOWS.get(stage)
        if before and before not in keys:
            keys[before] = done(run_dir, before)["key"]
        recipe = _recipe(
            notebooks[stage],
            {**defaults[stage], **given[stage]},
            previous=keys.get(before, ""),
            notebooks_dir=notebooks_dir,
        )
        earlier = _up_to_date(run_dir, stage, recipe)
        if earlier and not force:
            print(f"{stage} is up to date ({_time(earlier['seconds'])} when it was made)")
            keys[stage] = earlier["key"]
            continue
        print(f"{stage}: notebook {names.index(stage) + 1} of {len(names)}")
        seconds, peak_rss_mb = _execute(
            stage, folder, given[stage], notebooks_dir=notebooks_dir, progress=progress
        )
        if recordings is None and "speak_demo" in defaults[stage]:
            recipe["folders"] = _folders({**defaults[stage], **given[stage]}, notebooks_dir)
        keys[stage] = files.sha256_json(recipe)
        files.write_json(
            folder / DONE,
            {
                "key": keys[stage],
                **recipe,
                "given": given[stage],
                "files": stage_files(run_dir, stage),
                "seconds": round(seconds, 1),
                "peak_rss_mb": round(peak_rss_mb),
            },
        )
        ran.append(stage)
        print(f"{stage} took {_time(seconds)}, peak memory {peak_rss_mb:,.0f} MB")
    if progress:
        _summary(run_dir, stages, seconds=time.monotonic() - began)
    return ran


def experiment(name: str, *, folder: str | Path = EXPERIMENTS) -> dict[str, Any]:
    """Read the parameters of a named experiment.

    A ``stages`` among them names those that it is for, where that is not all.

    Raises
    ------
    DataError
        If there is no such experiment.
    """
    path = Path(folder) / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in Path(folder).glob("*.yaml")))
        raise DataError(f"{path}: expected an experiment of {known}, found none")
    try:
        parameters = yaml.safe_load(files.read_bytes(path))
    except yaml.YAMLError as error:
        raise DataError(f"{path}: expected YAML, found: {error}") from error
    if not isinstance(parameters, dict):
        raise DataError(f"{path}: expected names and values, found {parameters!r}")
    return parameters


def read_notebook(path: str | Path) -> nbformat.NotebookNode:
    """Read a notebook.

    Raises
    ------
    DataError
        If it is missing or no notebook.
    """
    try:
        return nbformat.reads(files.read_bytes(path).decode("utf-8"), as_version=4)
    except (nbformat.reader.NotJSONError, UnicodeDecodeError, AttributeError) as error:
        raise DataError(f"{path}: expected a notebook, found: {error}") from error


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The code cells, without the one that papermill adds."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and INJECTED not in cell.metadata.get("tags", [])
    ]


def parameter_defaults(notebook: nbformat.NotebookNode, name: str) -> dict[str, Any]:
    """Names and values in a notebook's parameters cell.

    Raises
    ------
    DataError
        If there is not just one such cell, or it does more than to assign plain literals.
    """
    cells = [c for c in code_cells(notebook) if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise DataError(f"{name}: expected one cell tagged parameters, found {len(cells)}")
    defaults = {}
    for statement in ast.parse(cells[0].source).body:
        try:
            (target,) = statement.targets
            defaults[target.id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError) as error:
            raise DataError(
                f"{name}, parameters cell: expected plain literals, found: {ast.unparse(statement)}"
            ) from error
    return defaults


def done(run_dir: str | Path, stage: str) -> dict[str, Any]:
    """What is known of a finished stage.

    Raises
    ------
    DataError
        If it has not finished.
    """
    path = Path(run_dir) / stage / DONE
    if not path.is_file():
        raise DataError(f"{path}: expected {stage} to be done, found it is not: run it first")
    return files.read_json(path)


def _given(
    parameters: Mapping[str, Any], defaults: Mapping[str, dict[str, Any]], *, notebooks_dir: Path
) -> dict[str, dict[str, Any]]:
    """Give each stage the parameters that it knows."""
    given: dict[str, dict[str, Any]] = {stage: {} for stage in defaults}
    for name, value in parameters.items():
        knowing = [stage for stage, known in defaults.items() if name in known]
        if not knowing or name == "run_dir":
            known = [
                f"  {stage}: {', '.join(n for n in names if n != 'run_dir')}"
                for stage, names in defaults.items()
            ]
            raise DataError("\n".join([f"{name}: expected a parameter of a stage:", *known]))
        for stage in knowing:
            given[stage][name] = _as(defaults[stage][name], name, value)
            if name.endswith("_dir") and value:
                given[stage][name] = _relative(Path(value), notebooks_dir)
    return given


def _as(like: Any, name: str, value: Any) -> Any:
    """Read a value as the type of its default."""
    if isinstance(like, str):
        return str(value)
    read = value
    if isinstance(value, str):
        try:
            read = ast.literal_eval(value.capitalize() if isinstance(like, bool) else value)
        except (ValueError, SyntaxError):
            read = value
    if isinstance(like, float) and type(read) is int:
        read = float(read)
    if type(read) is not type(like):
        raise DataError(f"{name}: expected {type(like).__name__}, found {value!r}")
    return read


def _relative(path: Path, notebooks_dir: Path) -> str:
    """A path as a notebook sees it; absolute only if it is on another drive."""
    try:
        return Path(os.path.relpath(path.resolve(), notebooks_dir)).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _recipe(
    notebook: nbformat.NotebookNode,
    parameters: Mapping[str, Any],
    *,
    previous: str,
    notebooks_dir: Path,
) -> dict[str, Any]:
    """All that a stage's outcome depends on. A folder counts by what is in it, not by its name."""
    modules = module_hashes([cell.source for cell in code_cells(notebook)])
    if f"{PACKAGE.name}.device.board" in modules:  # it builds the virtual board from these
        modules |= _firmware_hashes()
    return {
        "notebook": files.sha256_json([code_hash(cell.source) for cell in code_cells(notebook)]),
        "modules": modules,
        "parameters": {n: v for n, v in parameters.items() if not n.endswith("_dir")},
        "folders": _folders(parameters, notebooks_dir),
        "previous": previous,
    }


def _firmware_hashes() -> dict[str, str]:
    sources = [
        *(ROOT / "firmware" / "arduino_nano33" / "src" / "ser").glob("*"),
        *(ROOT / "firmware" / "virtual_board").glob("*.cpp"),
    ]
    return {
        path.relative_to(ROOT).as_posix(): files.sha256_bytes(path.read_bytes())
        for path in sorted(sources)
    }


def _folders(parameters: Mapping[str, Any], notebooks_dir: Path) -> dict[str, str]:
    names = [name for name in parameters if name.endswith("_dir") and name != "run_dir"]
    return {
        name: files.sha256_json(list(_listing(notebooks_dir / parameters[name])))
        for name in names
        if parameters[name]
    }


def _listing(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Relative path, size and time of change of all files but hidden ones, in order."""
    seen = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and real not in seen)
        seen.add(real)
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(here, name)
            try:
                stat = path.stat()
            except OSError:  # a link that leads nowhere
                continue
            yield path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns


def stage_files(run_dir: str | Path, stage: str) -> dict[str, int]:
    """Sizes of what a stage wrote; the executed notebook is the reader's to open and save."""
    listing = _listing(Path(run_dir) / stage)
    return {path: size for path, size, _ in listing if path not in (EXECUTED, FAILED, DONE)}


def _up_to_date(run_dir: Path, stage: str, recipe: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is known of a stage, if doing it again would change nothing."""
    if not all((run_dir / stage / file).is_file() for file in (DONE, EXECUTED)):
        return None
    before = done(run_dir, stage)
    same = before["key"] == files.sha256_json(recipe)
    there = stage_files(run_dir, stage)
    return before if same and before["files"].items() <= there.items() else None


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the Python that is running, whatever kernels the user has installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        return KernelSpec(
            # it warns of talking without encryption, which it does with this machine alone
            argv=[
                *(sys.executable, "-m", "ipykernel_launcher"),
                *("-f", "{connection_file}", "--log-level=ERROR"),
            ],
            display_name="Python 3",
            language="python",
            env={
                "MPLBACKEND": "module://matplotlib_inline.backend_inline",
                "PYTHONPATH": os.pathsep.join(paths),
                "TF_CPP_MIN_LOG_LEVEL": "2",
                "TF_USE_LEGACY_KERAS": "1",
            },
        )


class _KernelManager(AsyncKernelManager):
    @default("kernel_spec_manager")
    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return _ThisInterpreter(parent=self)


def _execute(
    stage: str,
    folder: Path,
    parameters: Mapping[str, Any],
    *,
    notebooks_dir: Path,
    progress: bool,
) -> tuple[float, float]:
    """Execute one notebook.

    Returns
    -------
    seconds, peak resident memory in MB of the kernel and all its processes
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DONE).unlink(missing_ok=True)
    for picture in folder.rglob("*.png"):  # all are drawn anew; one that is not must not stay
        picture.unlink()
    bar: dict[str, Any] = {"desc": stage, "leave": False}
    if not sys.stderr.isatty():
        bar |= {"file": _BarInLog(sys.stderr), "mininterval": LOG_INTERVAL_S}
    out, err = _Lines(sys.stdout), _Lines(sys.stderr)
    began = time.monotonic()
    try:
        with _PeakMemory() as memory:
            papermill.execute_notebook(
                notebooks_dir / f"{stage}.ipynb",
                folder / PARTIAL,
                parameters=dict(parameters),
                cwd=notebooks_dir,
                kernel_name="python3",
                kernel_manager_class=_KernelManager,
                shutdown_kernel="immediate",  # "graceful" prints its traceback when interrupted
                progress_bar=bar if progress else False,
                stdout_file=out if progress else None,
                stderr_file=err if progress else None,
            )
    except papermill.PapermillExecutionError as error:
        os.replace(folder / PARTIAL, folder / FAILED)
        raise DataError(_failure(stage, error, folder / FAILED)) from error
    except DeadKernelError as error:
        os.replace(folder / PARTIAL, folder / FAILED)
        raise DataError(
            f"{stage}: expected the notebook to run to its end, found that its process died, "
            f"after {_time(time.monotonic() - began)} with up to {memory.peak_mb:,.0f} MB: "
            f"was the memory used up? See {_short(folder / FAILED)}"
        ) from error
    except KeyboardInterrupt:
        (folder / PARTIAL).unlink(missing_ok=True)
        # nbclient leaves a task behind that says at exit that its kernel died
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        raise KeyboardInterrupt(
            f"stopped in {stage}; the same command takes up where it stopped"
        ) from None
    finally:
        out.flush_rest()
        err.flush_rest()
    os.replace(folder / PARTIAL, folder / EXECUTED)
    (folder / FAILED).unlink(missing_ok=True)
    return time.monotonic() - began, memory.peak_mb


def _failure(stage: str, error: papermill.PapermillExecutionError, path: Path) -> str:
    source = error.source.strip().splitlines()
    said = f"{error.ename}: {error.evalue}".strip().splitlines()[:LONGEST_MESSAGE]
    return (
        f"{stage} stopped in its cell [{error.exec_count}], which begins with: "
        f"{source[0] if source else ''}\n"
        + "".join(f"  {line}\n" for line in said)
        + f"  the notebook up to there: {_short(path)}"
    )


class _Lines:
    """Prints what a kernel prints, live and above the progress bar.

    A kernel's own progress bars rewrite their line: on a terminal that shows as it happens, in a
    log only their last state does.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rest = ""

    def write(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            tqdm.write(line.rstrip("\r").rsplit("\r", 1)[-1], file=self._stream)
        if self._rest and "\r" in self._rest:
            self._rest = "\r" + self._rest.rstrip("\r").rsplit("\r", 1)[-1]
            if self._stream.isatty():
                width = os.get_terminal_size(self._stream.fileno()).columns - 1
                self._stream.write(self._rest[: width + 1] + "\x1b[K")
                self._stream.flush()

    def flush(self) -> None:
        self._stream.flush()

    def flush_rest(self) -> None:
        """Print a last line that had no end."""
        if self._rest.strip():
            self.write("\n")


class _BarInLog:
    """Where a progress bar goes that cannot rewrite its line: it gets a new one each time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None)

    def write(self, text: str) -> None:
        if text.strip():
            self._stream.write(text.strip() + "\n")

    def flush(self) -> None:
        self._stream.flush()


class _PeakMemory:
    """Watches the memory of all processes that this one starts; at the end none is left over.

    Pages that processes share count once for each: the true peak is at most this.
    """

    def __enter__(self) -> _PeakMemory:
        self.peak_mb = 0.0
        self._me = psutil.Process()
        self._before = set(self._me.children(recursive=True))
        self._seen: set[psutil.Process] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        _, left = psutil.wait_procs(self._seen, timeout=GRACE_S)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            total = 0
            for process in set(self._me.children(recursive=True)) - self._before:
                self._seen.add(process)
                try:
                    total += process.memory_info().rss
                except psutil.Error:  # it has just ended
                    continue
            self.peak_mb = max(self.peak_mb, total / 1e6)


def _summary(run_dir: Path, stages: Iterable[str], *, seconds: float) -> None:
    print(f"\n{_short(run_dir)}: all done in {_time(seconds)}")
    for stage in stages:
        path = run_dir / stage / "metrics.json"
        metrics = files.read_json(path) if path.is_file() else {}
        for line in metrics.get("headline", []):
            print(f"  {stage}: {line}")
    print(f"The executed notebooks: {_short(run_dir)}/<stage>/{EXECUTED}; pictures beside them")


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


def _short(path: Path) -> str:
    """A path as the user would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
