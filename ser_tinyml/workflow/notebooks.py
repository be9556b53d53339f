"""Notebooks: reading them, and putting a run's outputs into them as they may be published."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import code_hash

PARAMETERS = "parameters"  # tag of the cell with the parameters
INJECTED = "injected-parameters"  # the tag that papermill gives the cell it adds
PUBLISHED = "published-run"  # tag of the cell that names the run whose outputs are shown
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


def without_note(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook without the cell that says which run its outputs are from."""
    book = nbformat.from_dict(notebook)
    book.cells = [cell for cell in book.cells if PUBLISHED not in cell.metadata.get("tags", [])]
    return book


def published(
    source: nbformat.NotebookNode,
    executed: nbformat.NotebookNode,
    *,
    stage: str,
    run_name: str,
    given: dict[str, Any],
    players: bool,
) -> bytes:
    """The repository's notebook with a run's outputs, and a cell that names the run.

    Parameters
    ----------
    given
        Parameters that the run set; they are named in a cell of their own.
    players
        Keep audio players: only where all sound is synthetic.

    Raises
    ------
    DataError
        As `with_outputs`.
    """
    recordings = given.get("recordings_dir")
    book = with_outputs(source, executed, stage=stage, players=players, recordings=recordings)
    position = 1 + next(
        i for i, cell in enumerate(book.cells) if PARAMETERS in cell.metadata.get("tags", [])
    )
    book.cells.insert(position, _note(run_name, given))
    return as_bytes(book)


def with_outputs(
    source: nbformat.NotebookNode,
    executed: nbformat.NotebookNode,
    *,
    stage: str,
    players: bool,
    recordings: str | None = None,
) -> nbformat.NotebookNode:
    """A notebook with the outputs of its execution, without what changes from run to run.

    Parameters
    ----------
    stage
        Name of the notebook, for messages.
    players
        Keep audio players: only where all sound is synthetic.
    recordings
        Folder whose name must not show.

    Raises
    ------
    DataError
        If the executed notebook's code is not the repository's, or an output shows a path of the
        machine it was made on.
    """
    book = without_note(source)
    book.metadata = nbformat.from_dict(KERNEL)
    cells, made = code_cells(book), code_cells(executed)
    _check_code(cells, made, stage=stage)
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
    return book


def as_bytes(book: nbformat.NotebookNode) -> bytes:
    """A notebook as its file holds it."""
    return (nbformat.writes(book, version=4).rstrip("\n") + "\n").encode("utf-8")


def _check_code(
    cells: list[nbformat.NotebookNode], made: list[nbformat.NotebookNode], *, stage: str
) -> None:
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


def _note(run_name: str, given: dict[str, Any]) -> nbformat.NotebookNode:
    shown = {**given, "run_dir": f"../runs/{run_name}"}
    for name in shown:
        if name.endswith("_dir") and name != "run_dir" and shown[name]:
            shown[name] = "…"  # where they lie is nobody's business
    made_with = ", ".join(f"`{name} = {_literal(v)}`" for name, v in sorted(shown.items()))
    text = (
        f"The outputs that are published here are from the run `{run_name}`, made with: "
        f"{made_with}. Your own replace them when you run this notebook."
    )
    cell = nbformat.v4.new_markdown_cell(text, id=PUBLISHED)
    cell.metadata["tags"] = [PUBLISHED]
    return cell


def _literal(value: Any) -> str:
    """A value as a cell of parameters has it: Python, with double quotes."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(key)}: {_literal(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


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
