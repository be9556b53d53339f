"""Pages that are made from the code: the API, and every command with its help."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

from docs.pages import REFERENCE, ROOT
from ser_tinyml import files

PACKAGE = ROOT / "ser_tinyml"
GROUND = "ground"  # what every room stands on, and what lies in no folder
# In the order in which the data travels.
ROOMS = (
    *(GROUND, "sound", "data", "features", "nets", "tflite", "training", "device", "evaluation"),
    *("plots", "systems", "apps", "workflow", "commands"),
)
_ABOUT_GROUND = "What everything else stands on: files, scores, parameters, plugins."
_BEGIN = """# API reference

The package `ser_tinyml`, room by room, in the order in which the data travels. Most people need \
four of these: {answering} answers recordings, {board} talks to a board, {recipe} trains, and \
{config} says what a net hears. Examples are run by the tests.

| room | what is in it |
|---|---|
"""


@cache
def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Name -> path of every public module, packages among them."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = list(path.relative_to(package.parent).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        if not any(part.startswith("_") for part in parts):
            found[".".join(parts)] = path
    return found


def page_of(name: str) -> str:
    """The page that a module stands on: one a folder, and one for what lies in no folder."""
    folder = name if modules()[name].stem == "__init__" else name.rpartition(".")[0]
    return _short(folder) if folder != PACKAGE.name else GROUND


def places() -> dict[str, str]:
    """Name of a module -> its page and its heading there."""
    return {name: f"{REFERENCE}/{page_of(name)}.md#{_slug(name)}" for name in modules()}


def _slug(name: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    return _short(name).replace(".", "").lower()


def summary(path: Path) -> str:
    """The first sentence of a module's docstring, as Markdown."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return re.sub(r"`+", "`", " ".join(text.split("\n\n")[0].split()))


def pages() -> dict[str, str]:
    """File -> Markdown of the reference: an overview, and a page a folder of the package."""
    names = [name for name in modules() if name != PACKAGE.name]
    on_page: dict[str, list[str]] = {}
    for name in names:
        on_page.setdefault(page_of(name), []).append(name)
    order = sorted(on_page, key=lambda page: (ROOMS.index(page.split(".")[0]), page))
    made = {f"{REFERENCE}/{page}.md": _page(page, on_page[page]) for page in order}
    return {f"{REFERENCE}/index.md": _index(order)} | made


def _index(order: list[str]) -> str:
    named = ("apps.answering", "device.board", "training.recipe", "features.config")
    links = {name.split(".")[1]: _link(f"ser_tinyml.{name}") for name in named}
    rows = []
    for page in order:
        about = summary(modules()[f"ser_tinyml.{page}"]) if page != GROUND else _ABOUT_GROUND
        rows.append(f"| [{page}]({page}.md) | {about} |\n")
    listed = "".join(f"{page}\n" for page in order)
    toctree = f"\n```{{toctree}}\n:hidden:\n\n{listed}```\n"
    return "".join([_BEGIN.format(**links), *rows, toctree])


def _page(page: str, names: list[str]) -> str:
    """A folder: its own docstring, a table of its modules, and these one after the other."""
    inside = [name for name in names if _short(name) != page]
    top = _automodule(f"ser_tinyml.{page}") if page != GROUND else _ABOUT_GROUND + "\n"
    rows = "".join(f"| {_link(name)} | {summary(modules()[name])} |\n" for name in inside)
    table = f"\n| module | what it does |\n|---|---|\n{rows}" if rows else ""
    parts = [f"\n## {_short(name)}\n\n{_automodule(name)}" for name in inside]
    return "".join([f"# {page}\n\n", top, table, *parts])


def _link(name: str) -> str:
    return f"[{_short(name)}]({page_of(name)}.md#{_slug(name)})"


def _automodule(name: str) -> str:
    options = "   :members:\n   :ignore-module-all:\n"
    return f"```{{eval-rst}}\n.. automodule:: {name}\n{options}```\n"


def _short(name: str) -> str:
    return name.removeprefix("ser_tinyml.")


def fields(schema: Path = ROOT / "docs" / "predict.schema.json") -> str:
    """Markdown table: every field of the JSON of ``predict``, from its schema."""
    kinds = files.read_json(schema)["$defs"]
    utterance = kinds["utterance"]["properties"]
    parts = [
        ("", kinds["answer"]["properties"]),
        ("utterances[].", utterance),
        ("utterances[].steps[].", utterance["steps"]["items"]["properties"]),
        ("", {"error": kinds["error"]["properties"]["error"]}),
    ]
    rows = [
        f"| `{above}{name}` | {_kind(field)} | {field.get('description', '')} |"
        for above, properties in parts
        for name, field in properties.items()
    ]
    return "\n".join(["| field | type | what it is |", "|---|---|---|", *rows])


def _kind(field: dict[str, Any]) -> str:
    """The type of a field, in words."""
    if "$ref" in field:
        return "object: label → number"
    if "enum" in field:
        return " or ".join("null" if value is None else f"`{value}`" for value in field["enum"])
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return " or ".join(kinds)


def commands() -> str:
    """Markdown: every command of ``ser-tinyml`` with what its ``--help`` prints."""
    from ser_tinyml.__main__ import GROUPS
    from ser_tinyml.commands import command

    parser = command.parser(GROUPS)
    (below,) = (action for action in parser._actions if isinstance(action.choices, dict))
    lines = [
        "# Commands\n\nWhat `ser-tinyml COMMAND --help` prints. ",
        "In a checkout the command is `.venv/bin/ser-tinyml`.\n",
    ]
    for heading, group in GROUPS.items():
        lines.append(f"\n## To {heading}\n")
        for one in group:
            told = below.choices[one.name].format_help().rstrip()
            lines.append(f"\n### {one.name}\n\n{one.summary[0].upper()}{one.summary[1:]}.\n\n")
            lines.append(f"```text\n{told}\n```\n")
    return "".join(lines)
