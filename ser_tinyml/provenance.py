"""Where the code lies, what a result was made from, and whether it still is up to date.

A result depends on the modules that made it and on all that those import. `module_hashes` follows
the imports, so that no list of modules has to be kept by hand. A `Stamp` beside the result keeps
what it was made from.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser_tinyml import files, plugins
from ser_tinyml.files import DataError, sha256_bytes

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent  # of the repository, in a checkout
CACHE = Path.home() / ".cache" / "ser-tinyml"  # for what is compiled, where there is no checkout


def in_checkout() -> bool:
    """Whether the package lies in its repository; it does not if it was installed as a wheel."""
    return (ROOT / "pyproject.toml").is_file()


def shipped(place: str) -> Path:
    """A file or folder of the repository that a wheel carries too (see setup.py).

    Parameters
    ----------
    place
        In the repository, for example "models".

    Returns
    -------
    path
        In a checkout the repository's own, otherwise the copy inside the package.
    """
    return (ROOT if in_checkout() else PACKAGE / "shipped") / place


@dataclass(frozen=True)
class Stamp:
    """A file beside a result that says what it was made from; it is written last.

    It speaks for all files in its folder and below, but hidden ones: a result without a stamp is
    half made, and so is one that has lost a file since, or has one of another size.

    Attributes
    ----------
    path
        Of the stamp itself.
    leave_out
        Names of files in the folder that are no part of the result, such as a log.
    """

    path: Path
    leave_out: tuple[str, ...] = ()

    def write(self, made_from: Any, **facts: Any) -> str:
        """Write the stamp.

        Parameters
        ----------
        made_from
            All that the result depends on, as JSON can hold it.
        facts
            What else is to be known of the result.

        Returns
        -------
        key
            Hash of what it was made from; results that are made from this one name it in theirs.
        """
        key = files.sha256_json(made_from)
        files.write_json(self.path, {**facts, "key": key, "files": self.sizes()})
        return key

    def read(self) -> dict[str, Any]:
        """The facts, and under ``key`` and ``files`` what `write` added.

        Raises
        ------
        DataError
            If there is none.
        """
        if not self.path.is_file():
            raise DataError(f"{self.path}: expected a finished result, found none")
        return files.read_json(self.path)

    def matches(self, made_from: Any) -> dict[str, Any] | None:
        """What `read` gives, if the result is whole and was made from just this; or None."""
        if not self.path.is_file():
            return None
        found = self.read()
        same = isinstance(found, dict) and found.get("key") == files.sha256_json(made_from)
        return found if same and not self.missing() else None

    def missing(self) -> list[str]:
        """Files of the result that are gone or have another size now."""
        there = self.sizes()
        return [name for name, size in self.read()["files"].items() if there.get(name) != size]

    def sizes(self) -> dict[str, int]:
        """Sizes in bytes of the files that are there now."""
        passed_over = {self.path.name, *self.leave_out}
        listing = files.listing(self.path.parent)
        return {name: size for name, size, _ in listing if name not in passed_over}


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
        Name of a module, for example "ser_tinyml.files", to its `code_hash`; sorted by name. Where
        plugins may take part, "plugin <file name>" of each comes after them.
    """
    found = _closure(sources, root)
    hashes = {name: code_hash(source) for name, source in sorted(found.items())}
    if plugins.__name__ in found and root == ROOT:
        hashes |= {f"plugin {name}": code_hash(text) for name, text in plugins.sources().items()}
    return hashes


def _closure(sources: Iterable[str], root: Path) -> dict[str, str]:
    """Code of the package's modules that some code imports, and of those that they import."""
    found: dict[str, str] = {}
    waiting = [name for source in sources for name in _imports(source)]
    while waiting:
        name = waiting.pop()
        path = root.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in found or not path.is_file():
            continue
        found[name] = path.read_text(encoding="utf-8")
        waiting += _imports(found[name])
        if "iter_modules(__path__)" in found[name]:  # it imports what lies in its folder
            waiting += [f"{name}.{file.stem}" for file in path.parent.glob("[!_]*.py")]
    return found


def _imports(source: str) -> Iterator[str]:
    """Names that may be modules of the package, and the packages above them."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for name in (name for node in ast.walk(tree) for name in _imported_by(node)):
        parts = name.split(".")
        if parts[0] == PACKAGE.name:
            yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))


def _imported_by(node: ast.AST) -> list[str]:
    """Full names that a statement imports; nothing for other statements."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []
