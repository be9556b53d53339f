"""Put one run's model, pictures, arrays and executed notebooks where the repository keeps them."""

from __future__ import annotations

import base64
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from PIL import Image

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import notebooks, pipeline, results
from ser_tinyml.workflow.execution import EXECUTED, execute
from ser_tinyml.workflow.paths import Paths
from ser_tinyml.workflow.runs import DONE, Run
from ser_tinyml.workflow.stages import FIELD, FOLLOWS, RESEARCH, STAGES

FIRMWARE = "firmware/arduino_nano33"
MODELS = "models"
CARD = f"{MODELS}/MODEL_CARD.md"
RELEASE = (  # what stage 04 writes of a model, and `tflite.release.Release` reads
    "int8.tflite",
    "float32.tflite",
    "features.json",
    "normalisation.json",
    "labels.json",
    "decision.json",
    "hidden.npz",
)
FILES = {  # stage, name in its folder: where it goes
    **{("04_convert", name): f"{MODELS}/{name}" for name in RELEASE},
    ("05_export", "model_card.md"): CARD,
}
FOLDERS = {  # these become exactly what the run made
    ("05_export", "model"): f"{FIRMWARE}/src/model",
    ("05_export", "golden"): f"{FIRMWARE}/golden",
}
READMES = ("README.md", f"{FIRMWARE}/README.md", "models/README.md", "data/README.md")
DOCS = "docs"
IMAGES = results.IMAGES  # no picture but those that a text shows: README, docs, notebook, card
PICTURE = re.compile(rb"\bimages/([\w.-]+\.png)")
METRICS = results.METRICS
INDEX = STAGES[0]  # which the stages of research follow
BESIDE = (*RESEARCH, *FIELD)  # published where a run has them
FIRST_STEPS = "00_first_steps"  # the notebook of no run: it speaks all its sound itself
COLOURS = 128  # of a picture in it, which is to be read on a slow line too
NEARLY_WHITE = 248


def publish(
    run_dir: str | Path,
    *,
    root: str | Path = ROOT,
    synthetic: bool = False,
    research: bool = False,
    beside: bool = False,
) -> list[Path]:
    """Publish a finished run. Nothing is written unless all of it can be.

    Parameters
    ----------
    run_dir
        Folder of the run.
    root
        The repository.
    synthetic
        Allow a run on synthetic speech, whose model recognises nothing.
    research
        Only notebooks that follow stage 01, those of research and of the field's systems: the model
        stays that of an earlier run on the same recordings.
    beside
        Only the model, into ``models/`` and the run's name, with its C++ and its golden clips: the
        released model stays what is used where no other is asked for.

    Returns
    -------
    The files that were written or are no longer there; none if all was published already.

    Raises
    ------
    DataError
        If a stage is missing, stages do not belong together, or a notebook's code has changed.
    """
    run, root = Run(Paths.short(run_dir)), Path(root).resolve()
    if research:
        return _publish_research(run, root)
    finished = _finished(run, STAGES)
    is_synthetic = run.metrics("01_index").get("synthetic", True)
    if is_synthetic and not synthetic:
        raise DataError(
            f"{run.folder}: expected a run on real recordings, found one on synthetic speech, "
            "which proves the machinery only; --synthetic publishes it all the same"
        )
    if beside:
        return _publish_beside(run, root, finished)
    new = _model(run, finished)
    shown = _shown(root, new[CARD])
    pictures = _pictures(run, finished, shown)
    new |= {f"{IMAGES}/{name}": files.read_bytes(path) for name, path in pictures.items()}
    new |= _notebooks(run, root, finished, players=is_synthetic)
    new[METRICS] = _metrics(run, finished, pictures)
    kept = {root / IMAGES / name for name in shown}
    return _put(root, new, earlier=(path for path in _earlier(root) if path not in kept))


def _publish_beside(run: Run, root: Path, finished: dict[str, dict[str, Any]]) -> list[Path]:
    """Publish the model of a run beside the model that is there."""

    def place(released: str) -> str:
        return f"{MODELS}/{run.name}/{Path(released).name}"

    new = _model(run, finished, place)
    new[place(METRICS)] = _metrics(run, finished, [])
    folders = [root / place(released) for released in FOLDERS.values()]
    return _put(root, new, earlier=(path for folder in folders for path in folder.rglob("*")))


def _model(
    run: Run, finished: Iterable[str], place: Callable[[str], str] = str
) -> dict[str, bytes]:
    """The model, its card, C++ and golden clips; `place` says where what is released goes."""
    new = {place(target): files.read_bytes(run.input(*source)) for source, target in FILES.items()}
    for (stage, name), target in FOLDERS.items():
        content = _content(run.folder / stage / name)
        new |= {f"{place(target)}/{path}": data for path, data in content}
    new[place(CARD)] = _card(new[place(CARD)], run, finished)
    return new


def _publish_research(run: Run, root: Path) -> list[Path]:
    """Publish the stages of research of a run, beside the model that is there."""
    finished = _finished(run, [INDEX])
    known = files.read_json(root / METRICS)
    if finished.keys() == {INDEX}:
        raise DataError(f"{run.folder}: expected one of {', '.join(BESIDE)} to be done")
    if known[INDEX] != run.metrics(INDEX):
        raise DataError(
            f"{run.folder}: expected the recordings that the released model was made from, "
            f"found others: its {INDEX}/metrics.json is not that in {METRICS}"
        )
    del finished[INDEX]
    new = {CARD: _card(files.read_bytes(root / CARD), run, finished)}
    pictures = _pictures(run, finished, _shown(root, new[CARD]))
    new |= {f"{IMAGES}/{name}": files.read_bytes(path) for name, path in pictures.items()}
    new |= _notebooks(run, root, finished, players=False)
    about = _about(run, finished, {*known["run"]["images"], *pictures})
    for what, of_stages in known["run"].items():
        if isinstance(of_stages, dict):
            about[what] = {**of_stages, **about[what]}
    metrics = {stage: run.metrics(stage) for stage in finished}
    about["name"] = known["run"]["name"]
    new[METRICS] = _json({**known, **metrics, "run": about})
    return _put(root, new)


def publish_first_steps(*, root: str | Path = ROOT, progress: bool = True) -> list[Path]:
    """Execute the notebook that belongs to no run, and put its outputs into it.

    It reads no recording, so audio players stay. Pictures get few colours, or it would be three
    times as large.

    Parameters
    ----------
    root
        The repository.
    progress
        Show a progress bar and what the cells print.

    Returns
    -------
    The notebook; nothing if the same outputs were there already.

    Raises
    ------
    DataError
        If a cell fails, or an output shows a path of this machine.
    """
    folder = Path(root).resolve() / "notebooks"
    path = folder / f"{FIRST_STEPS}.ipynb"
    source = notebooks.read_notebook(path)
    with tempfile.TemporaryDirectory() as temporary:
        execute(*(source, FIRST_STEPS, Path(temporary), {}), paths=Paths(folder), progress=progress)
        executed = notebooks.read_notebook(Path(temporary) / EXECUTED)
    book = notebooks.with_outputs(source, executed, stage=FIRST_STEPS, players=True)
    for cell in notebooks.code_cells(book):
        for output in cell.outputs:
            _fewer_colours(output)
    data = notebooks.as_bytes(book)
    if data == path.read_bytes():
        return []
    return [files.write_bytes(path, data)]


def _fewer_colours(output: nbformat.NotebookNode) -> None:
    """Draw an output's picture with a palette of its own, which takes a third of the bytes."""
    kind = "image/png"
    if kind not in output.get("data", {}):
        return
    picture = Image.open(io.BytesIO(base64.b64decode(output.data[kind]))).convert("RGB")
    small = io.BytesIO()
    # this method keeps a thin coloured line; the others make it grey
    few = picture.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = np.array(few.getpalette()).reshape(-1, 3)
    palette[(palette >= NEARLY_WHITE).all(axis=1)] = 255  # which it rounds to a faint grey
    few.putpalette(palette.ravel().tolist())
    few.save(small, "png", optimize=True)
    output.data[kind] = base64.b64encode(small.getvalue()).decode("ascii")


def _card(card: bytes, run: Run, finished: Iterable[str]) -> bytes:
    """The model card with what stage 07 found, where the run has it."""
    if results.EVALUATION not in finished:
        return card
    section = results.card_section(run.metrics(results.EVALUATION)).encode()
    return card.partition(section.partition(b"\n")[0])[0].rstrip(b"\n") + b"\n\n" + section


def _put(root: Path, new: dict[str, bytes], *, earlier: Iterable[Path] = ()) -> list[Path]:
    """Write what is new or has changed.

    Parameters
    ----------
    earlier
        What goes where it is not new: files of an earlier run.

    Returns
    -------
    The files that were written or are no longer there.
    """
    places = {root / place for place in new}
    changed = sorted(path for path in earlier if path.is_file() and path not in places)
    for path in changed:
        path.unlink()
    for place, data in sorted(new.items()):
        path = root / place
        if not path.is_file() or path.read_bytes() != data:
            files.write_bytes(path, data)
            changed.append(path)
    return changed


def _earlier(root: Path) -> list[Path]:
    """Files of folders and pictures that an earlier run put there."""
    old = [path for place in FOLDERS.values() for path in (root / place).rglob("*")]
    if (root / METRICS).is_file():
        listed = files.read_json(root / METRICS).get("run", {}).get("images", [])
        old += [root / IMAGES / name for name in listed]
    return old


def _notebooks(
    run: Run, root: Path, finished: dict[str, dict[str, Any]], *, players: bool
) -> dict[str, bytes]:
    """The repository's notebooks with the run's outputs."""
    return {
        f"notebooks/{stage}.ipynb": notebooks.published(
            notebooks.read_notebook(root / "notebooks" / f"{stage}.ipynb"),
            notebooks.read_notebook(run.input(stage, EXECUTED)),
            stage=stage,
            run_name=run.name,
            given=known["given"],
            players=players,
        )
        for stage, known in finished.items()
    }


def _shown(root: Path, card: bytes) -> list[str]:
    """Names of the pictures in images/ that a README, the docs or the model card show."""
    places = [path for path in (root / name for name in READMES) if path.is_file()]
    places += [*(root / DOCS).glob("*.md"), *(root / "notebooks").glob("*.ipynb")]
    texts = [card, *(path.read_bytes() for path in places)]
    return sorted({name.decode() for text in texts for name in PICTURE.findall(text)})


def _finished(run: Run, stages: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is known of each stage, where every one was made from the one it follows.

    Those of `BESIDE` are published where the run has them.
    """
    finished: dict[str, dict[str, Any]] = {}
    for stage in (*stages, *(name for name in BESIDE if (run.folder / name / DONE).is_file())):
        finished[stage] = pipeline.done(run.folder, stage)
        before = finished[FOLLOWS[stage]]["key"] if stage in FOLLOWS else ""
        if finished[stage]["previous"] != before:
            raise DataError(
                f"{run.folder / stage}: expected what was made from the stage before it as that is "
                "now, found an older one: run it again, then publish"
            )
        missing = pipeline.stamp(run.folder, stage).missing()
        if missing:
            raise DataError(
                f"{run.folder / stage / missing[0]}: expected it as the run made it, "
                "found it gone or changed: run it again, then publish"
            )
    return finished


def _content(folder: Path) -> Iterator[tuple[str, bytes]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if not paths:
        raise DataError(f"{folder}: expected files, found none")
    for path in paths:
        yield path.relative_to(folder).as_posix(), path.read_bytes()


def _pictures(run: Run, finished: Iterable[str], shown: Iterable[str]) -> dict[str, Path]:
    """The PNG pictures of finished stages that a text shows, by name."""
    pictures: dict[str, Path] = {}
    for stage in finished:
        for path in sorted((run.folder / stage).rglob("*.png")):
            if path.name in pictures:
                raise DataError(
                    f"{path}: expected a picture with a name of its own, "
                    f"found another at {pictures[path.name]}"
                )
            pictures[path.name] = path
    return {name: pictures[name] for name in shown if name in pictures}


def _about(
    run: Run, finished: dict[str, dict[str, Any]], pictures: Iterable[str]
) -> dict[str, Any]:
    about: dict[str, Any] = {"name": run.name, "images": sorted(pictures)}
    for what in ("parameters", "seconds", "peak_rss_mb"):
        about[what] = {stage: known[what] for stage, known in finished.items()}
    return about


def _metrics(run: Run, finished: dict[str, dict[str, Any]], pictures: Iterable[str]) -> bytes:
    about = _about(run, finished, pictures)
    return _json({**{stage: run.metrics(stage) for stage in finished}, "run": about})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
