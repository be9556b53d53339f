"""Where the code lies, and what it does: hashes that change when a result would.

A result depends on the modules that made it and on all that those import. `module_hashes` follows
the imports, so that no list of modules has to be kept by hand.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from ser_tinyml.files import sha256_bytes

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent  # of the repository, in a checkout


def code_hash(source: str) -> str:
    """Hash what Python code does: comments, docstrings and layout do not count."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a notebook's magic
        return sha256_bytes(source.encode())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
    return sha256_bytes(ast.dump(tree).encode())


def module_hashes(sources: Iterable[str], *, root: Path = ROOT) -> dict[str, str]:
    """Hashes of the package's modules that some code imports, and of those that they import.

    Parameters
    ----------
    sources
        Python code, for example of a notebook's cells.
    root
        Folder that holds the package.

    Returns
    -------
    hashes
        Name of a module, for example "ser_tinyml.files", to its `code_hash`; sorted by name.
    """
    found: dict[str, str] = {}
    waiting = [name for source in sources for name in _imports(source)]
    while waiting:
        name = waiting.pop()
        path = root.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name not in found and path.is_file():
            found[name] = path.read_text(encoding="utf-8")
            waiting += _imports(found[name])
    return {name: code_hash(source) for name, source in sorted(found.items())}


def _imports(source: str) -> Iterator[str]:
    """Names that may be modules of the package, and the packages above them."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for parts in (name.split(".") for name in names):
            if parts[0] == PACKAGE.name:
                yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))
