"""The house keeps its shape: what imports what, and how large a thing may become.

All of it is read from the sources; nothing of the package is imported.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from radon.complexity import cc_visit
from radon.visitors import Class

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "ser_tinyml"
# From bottom to top, in the order in which the data travels. A wing imports from those below it.
WINGS = (
    *("sound", "data", "features", "nets", "tflite", "training", "device", "evaluation"),
    *("plots", "systems", "apps", "workflow", "commands", "__main__"),
)
GROUND = (
    "__init__",
    "files",
    "metrics",
    "output",
    "parameters",
    "plugins",
    "provenance",
)  # below all wings
MODULES_IN_A_FOLDER = 12  # __init__.py aside
LINES_OF_A_MODULE = 450
LINES_OF_A_FUNCTION = 60  # with its docstring
COMPLEXITY = 12  # cyclomatic, as radon counts it; what a test asserts does not count
A_CORPUS_THAT_SPEAKS = "ser_tinyml/data/demo.py"  # a synthesiser: as long as it has to be


def name_of(path: Path) -> str:
    """Of a module, with dots: of a package, its own."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """Every module of the package, by its name."""
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def python_files() -> list[Path]:
    """Of the package and of its tests."""
    return [*modules().values(), *sorted((ROOT / "tests").rglob("*.py"))]


def place(path: Path) -> str:
    """A path as one reads it."""
    return path.relative_to(ROOT).as_posix()


def imports(source: str, package: str) -> Iterator[str]:
    """Modules of the house that code imports, at its top or later.

    Parameters
    ----------
    source
        Of a module.
    package
        That the module lies in, for relative imports.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*(above if node.level else ()), *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else base for name in names]
        else:
            continue
        yield from (name for name in names if name in modules())


def names_in(source: str) -> set[str]:
    """What a module has at its top: what others may import from it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def missing(source: str) -> Iterator[str]:
    """What code imports from the house that is not there, which only shows when it runs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from lost(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            there = modules().get(node.module)
            names = names_in(there.read_text("utf-8")) if there else set()
            asked = [alias.name for alias in node.names if alias.name not in names]
            yield from lost(f"{node.module}.{name}" for name in asked)


def lost(names: Iterable[str]) -> Iterator[str]:
    """Those that belong to the house and are no module of it."""
    inside = (name for name in names if name.split(".")[0] == PACKAGE.name)
    return (name for name in inside if name not in modules())


@cache
def graph() -> dict[str, set[str]]:
    """Module -> modules that it imports."""
    found = {}
    for name, path in modules().items():
        package = name if path.stem == "__init__" else name.rpartition(".")[0]
        found[name] = set(imports(path.read_text("utf-8"), package)) - {name}
    return found


def floor(name: str) -> int:
    """How high a module lies; the ground is 0."""
    wing = (name.split(".") + ["__init__"])[1]
    assert wing in WINGS or wing in GROUND, f"{name}: expected a wing of {WINGS}"
    return 0 if wing in GROUND else 1 + WINGS.index(wing)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function and method, with those inside others."""

    def inside(node: ast.AST, above: str) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            name = f"{above}.{child.name}" if hasattr(child, "name") else above
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{place(path)}:{name.lstrip('.')}", child.end_lineno - child.lineno + 1
            yield from inside(child, name)

    yield from inside(ast.parse(path.read_text("utf-8")), "")


def complexities(path: Path) -> Iterator[tuple[str, int]]:
    """Name and cyclomatic complexity of every function and method."""
    for block in cc_visit(path.read_text("utf-8"), no_assert=place(path).startswith("tests/")):
        if not isinstance(block, Class):
            yield f"{place(path)}:{block.fullname}", block.complexity


def test_a_wing_imports_only_from_wings_below_it():
    wrong = {
        f"{name} -> {other}"
        for name, others in graph().items()
        for other in others
        if floor(other) > floor(name) and name != PACKAGE.name
    }
    assert wrong == set()


def test_what_is_imported_is_there():
    found = {place(path): [*missing(path.read_text("utf-8"))] for path in python_files()}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        found[place(path)] = [name for source in code for name in missing(source)]
    assert not {name: lost for name, lost in found.items() if lost}


def test_no_module_imports_itself_by_way_of_others():
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for other in graph()[name]:
                visit(other, (*way, name))
            done.add(name)

    for name in graph():
        visit(name, ())


def test_folders_modules_and_functions_stay_small():
    count = Counter(place(p.parent) for p in modules().values() if p.stem != "__init__")
    crowded = {folder: n for folder, n in count.items() if n > MODULES_IN_A_FOLDER}
    assert crowded == {}
    lengths = {place(p): len(p.read_text("utf-8").splitlines()) for p in python_files()}
    long = {name: n for name, n in lengths.items() if n > LINES_OF_A_MODULE}
    assert long.keys() == {A_CORPUS_THAT_SPEAKS}
    long = {n: k for p in python_files() for n, k in functions(p) if k > LINES_OF_A_FUNCTION}
    assert long == {}


def test_functions_stay_simple():
    found = {n: k for p in python_files() for n, k in complexities(p) if k > COMPLEXITY}
    assert found == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import ser_tinyml.files", ["ser_tinyml.files"]),
        ("from ser_tinyml import files, features", ["ser_tinyml.files", "ser_tinyml.features"]),
        ("from ser_tinyml.files import DataError", ["ser_tinyml.files"]),
        ("def f():\n    from ser_tinyml.apps import predict", ["ser_tinyml.apps.predict"]),
        ("from . import config", ["ser_tinyml.features.config"]),
        ("from ..sound.audio import resample", ["ser_tinyml.sound.audio"]),
        ("import numpy\nfrom os import path", []),
    ],
)
def test_imports_are_found_wherever_they_stand(source, found):
    assert list(imports(source, "ser_tinyml.features")) == found


@pytest.mark.parametrize(
    "source",
    [
        "import ser_tinyml.nonsense",
        "from ser_tinyml import nonsense",
        "def f():\n    from ser_tinyml.files import nonsense",
        "from ser_tinyml.nonsense import DataError",
    ],
)
def test_an_import_of_nothing_is_found(source):
    assert "nonsense" in "".join(missing(source))
    assert not [*missing("from ser_tinyml.files import DataError, read_json\nimport os")]
