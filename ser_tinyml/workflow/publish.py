"""Put one run's model, pictures, arrays and executed notebooks where the repository keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT, code_hash
from ser_tinyml.workflow import pipeline, results
from ser_tinyml.workflow.runs import DONE, FOLLOWS, RESEARCH, STAGES, Run

TAG = "published-run"
FIRMWARE = "firmware/arduino_nano33"
CARD = "models/MODEL_CARD.md"
FILES = {  # stage, name in its folder: where it goes
    ("02_features", "features.json"): "models/features.json",
    ("02_features", "labels.json"): "models/labels.json",
    ("03_train", "normalisation.json"): "models/normalisation.json",
    ("04_convert", "float32.tflite"): "models/float32.tflite",
    ("04_convert", "dynamic_range.tflite"): "models/dynamic_range.tflite",
    ("04_convert", "int8.tflite"): "models/int8.tflite",
    ("04_convert", "decision.json"): "models/decision.json",
    ("05_export", "model_card.md"): CARD,
}
FOLDERS = {  # these become exactly what the run made
    ("05_export", "model"): f"{FIRMWARE}/src/model",
    ("05_export", "golden"): f"{FIRMWARE}/golden",
}
IMAGES = "images"
METRICS = "models/metrics.json"
NO_PLAYER = "(audio player left out: recordings are not published)"
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}")
# An absolute path of two or more names, but not the end of a URL, of a number or of an HTML tag.
ABSOLUTE = re.compile(r"(?<![\w.:/<*+\-)\]])(?:/[A-Za-z_][\w.\-]*){2,}|\b[A-Z]:\\[A-Za-z]")
TEXT = ("text/plain", "text/html", "text/markdown", "application/json")


def publish(run_dir: str | Path, *, root: str | Path = ROOT, synthetic: bool = False) -> list[Path]:
    """Publish a finished run. Nothing is written unless all of it can be.

    Parameters
    ----------
    run_dir
        Folder of the run.
    root
        The repository.
    synthetic
        Allow a run on synthetic speech, whose model recognises nothing.

    Returns
    -------
    The files that were written or are no longer there; none if all was published already.

    Raises
    ------
    DataError
        If a stage is missing, stages do not belong together, or a notebook's code has changed.
    """
    run, root = Run(run_dir), Path(root).resolve()
    finished = _finished(run)
    is_synthetic = run.metrics("01_index").get("synthetic", True)
    if is_synthetic and not synthetic:
        raise DataError(
            f"{run.folder}: expected a run on real recordings, found one on synthetic speech, "
            "which proves the machinery only; --synthetic publishes it all the same"
        )
    new = {place: files.read_bytes(run.input(*source)) for source, place in FILES.items()}
    for (stage, name), place in FOLDERS.items():
        new |= {f"{place}/{path}": data for path, data in _content(run.folder / stage / name)}
    pictures = _pictures(run, finished)
    new |= {f"{IMAGES}/{name}": path.read_bytes() for name, path in pictures.items()}
    if results.EVALUATION in finished:
        section = results.card_section(run.metrics(results.EVALUATION))
        new[CARD] = new[CARD] + b"\n" + section.encode()
    for stage in finished:
        new[f"notebooks/{stage}.ipynb"] = notebook_bytes(
            pipeline.read_notebook(root / "notebooks" / f"{stage}.ipynb"),
            pipeline.read_notebook(run.input(stage, pipeline.EXECUTED)),
            stage=stage,
            run_name=run.name,
            given=finished[stage]["given"],
            players=is_synthetic,
        )
    metrics = {stage: run.metrics(stage) for stage in finished}
    new[METRICS] = _json({**metrics, "run": _about(run, finished, pictures)})
    old = [path for place in FOLDERS.values() for path in (root / place).rglob("*")]
    if (root / METRICS).is_file():
        listed = files.read_json(root / METRICS).get("run", {}).get("images", [])
        old += [root / IMAGES / name for name in listed]

    changed = []
    for path in sorted(path for path in old if path.is_file()):
        if path.relative_to(root).as_posix() not in new:
            path.unlink()
            changed.append(path)
    for place, data in sorted(new.items()):
        path = root / place
        if not path.is_file() or path.read_bytes() != data:
            files.write_bytes(path, data)
            changed.append(path)
    return changed


def notebook_bytes(
    source: nbformat.NotebookNode,
    executed: nbformat.NotebookNode,
    *,
    stage: str,
    run_name: str,
    given: dict[str, Any],
    players: bool,
) -> bytes:
    """The repository's notebook with a run's outputs, without what changes from run to run.

    Parameters
    ----------
    given
        Parameters that the run set; they are named in a cell of their own.
    players
        Keep audio players: only where all sound is synthetic.

    Raises
    ------
    DataError
        If the executed notebook's code is not the repository's, or an output shows a path of the
        machine it was made on.
    """
    book = nbformat.from_dict(source)
    book.cells = [cell for cell in book.cells if TAG not in cell.metadata.get("tags", [])]
    book.metadata = nbformat.from_dict(KERNEL)
    cells, made = pipeline.code_cells(book), pipeline.code_cells(executed)
    for number, (cell, other) in enumerate(zip(cells, made, strict=False), start=1):
        if code_hash(cell.source) != code_hash(other.source):
            raise DataError(
                f"{stage}: expected the code that the run executed, found another code cell "
                f"{number} ({cell.get('id')}): run it again, then publish"
            )
    if len(cells) != len(made):
        raise DataError(
            f"{stage}: expected the {len(made)} code cells that the run executed, "
            f"found {len(cells)}: run it again, then publish"
        )
    recordings = given.get("recordings_dir")
    for number, (cell, other) in enumerate(zip(cells, made, strict=True), start=1):
        outputs = _merged(_clean(output, players=players) for output in other.outputs)
        cell.outputs = [_without_path(output, recordings) for output in outputs]
        cell.execution_count = number
        for output in cell.outputs:
            if "execution_count" in output:
                output["execution_count"] = number
        found = [path for output in cell.outputs for path in absolute_paths(output)]
        if found:
            raise DataError(
                f"{stage}, cell {cell.get('id')}: expected outputs without a path of this machine, "
                f"found {found[0]}"
            )
    position = 1 + next(
        i for i, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", [])
    )
    book.cells.insert(position, _note(run_name, given))
    return (nbformat.writes(book, version=4).rstrip("\n") + "\n").encode("utf-8")


def absolute_paths(output: dict[str, Any]) -> list[str]:
    """Paths of somebody's machine in an output's text."""
    texts = [output.get("text", ""), *output.get("traceback", [])]
    texts += [str(value) for mime, value in output.get("data", {}).items() if mime in TEXT]
    players = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=\s]+")
    return [match for text in texts for match in ABSOLUTE.findall(players.sub("", text))]


def has_player(output: dict[str, Any]) -> bool:
    """Whether an output holds sound."""
    data = output.get("data", {})
    return any(mime.startswith("audio/") for mime in data) or any(
        mark in str(data.get("text/html", "")) for mark in ("<audio", "data:audio")
    )


def _finished(run: Run) -> dict[str, dict[str, Any]]:
    """What is known of each stage, where every one was made from the one it follows.

    The stages of research are published where the run has them.
    """
    finished: dict[str, dict[str, Any]] = {}
    for stage in (*STAGES, *(name for name in RESEARCH if (run.folder / name / DONE).is_file())):
        finished[stage] = pipeline.done(run.folder, stage)
        before = finished[FOLLOWS[stage]]["key"] if stage in FOLLOWS else ""
        if finished[stage]["previous"] != before:
            raise DataError(
                f"{run.folder / stage}: expected what was made from the stage before it as that is "
                "now, found an older one: run it again, then publish"
            )
        missing = finished[stage]["files"].items() - pipeline.stage_files(run.folder, stage).items()
        if missing:
            raise DataError(
                f"{run.folder / stage / sorted(missing)[0][0]}: expected it as the run made it, "
                "found it gone or changed: run it again, then publish"
            )
    return finished


def _content(folder: Path) -> Iterator[tuple[str, bytes]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if not paths:
        raise DataError(f"{folder}: expected files, found none")
    for path in paths:
        yield path.relative_to(folder).as_posix(), path.read_bytes()


def _pictures(run: Run, finished: Iterable[str]) -> dict[str, Path]:
    """The PNG pictures of all finished stages, by name."""
    pictures: dict[str, Path] = {}
    for stage in finished:
        for path in sorted((run.folder / stage).rglob("*.png")):
            if path.name in pictures:
                raise DataError(
                    f"{path}: expected a picture with a name of its own, "
                    f"found another at {pictures[path.name]}"
                )
            pictures[path.name] = path
    return pictures


def _about(
    run: Run, finished: dict[str, dict[str, Any]], pictures: Iterable[str]
) -> dict[str, Any]:
    about: dict[str, Any] = {"name": run.name, "images": sorted(pictures)}
    for what in ("parameters", "seconds", "peak_rss_mb"):
        about[what] = {stage: known[what] for stage, known in finished.items()}
    return about


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _note(run_name: str, given: dict[str, Any]) -> nbformat.NotebookNode:
    shown = {**given, "run_dir": f"../runs/{run_name}"}
    for name in ("recordings_dir", "noise_dir"):
        if shown.get(name):
            shown[name] = "…"  # where they lie is nobody's business
    made_with = ", ".join(
        f"`{name} = {json.dumps(v, ensure_ascii=False)}`" for name, v in sorted(shown.items())
    )
    text = f"The outputs below are from the run `{run_name}`, made with: {made_with}"
    cell = nbformat.v4.new_markdown_cell(text, id=TAG)
    cell.metadata["tags"] = [TAG]
    return cell


def _clean(output: dict[str, Any], *, players: bool) -> dict[str, Any] | None:
    """An output without what is not for publishing; None if nothing is left."""
    output = nbformat.from_dict(output)
    if output.output_type == "error":
        raise DataError(f"expected a cell without an error, found {output.ename}: {output.evalue}")
    if output.output_type == "stream":
        if output.name == "stderr":  # progress bars
            return None
        output.text = ADDRESS.sub("", output.text)
        return output
    if WIDGET in output.data:
        return None
    if has_player(output) and not players:
        output.data = nbformat.from_dict({"text/plain": NO_PLAYER})
    for mime in TEXT:
        if isinstance(output.data.get(mime), str):
            output.data[mime] = ADDRESS.sub("", output.data[mime])
    output.metadata = nbformat.from_dict(
        {mime: value for mime, value in output.metadata.items() if mime in output.data}
    )
    return output


def _merged(outputs: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Outputs, with prints that followed each other as one."""
    merged: list[dict[str, Any]] = []
    for output in outputs:
        if output is None:
            continue
        if merged and output.output_type == merged[-1].output_type == "stream":
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def _without_path(output: dict[str, Any], path: str | None) -> dict[str, Any]:
    """An output that does not say where the recordings lie."""
    if path is None or "/" not in path:
        return output
    text = json.dumps(output, ensure_ascii=False)
    path = json.dumps(path, ensure_ascii=False)[1:-1]
    return nbformat.from_dict(json.loads(text.replace(path, "recordings")))
