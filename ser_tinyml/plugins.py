"""Code from outside the package: corpora and nets of a user's own.

A plugin is a Python file that registers something, for example with `corpora.register`. It is found
through the environment variable `SER_PLUGINS` (files and folders, separated as in PATH) or, where
it is an installed package, through an entry point of the group `ser_tinyml.plugins`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from ser_tinyml.files import DataError, read_bytes

VARIABLE = "SER_PLUGINS"
GROUP = "ser_tinyml.plugins"

_sources: dict[str, str] = {}  # of every plugin that was imported whole
_files: dict[str, Path] = {}  # a plugin's file name, and where it lies
_installed_loaded = False
_value_loaded: str | None = None


def load() -> None:
    """Import all plugins, each once a process.

    Relative paths in `SER_PLUGINS` become absolute in the environment, so that processes started
    from another folder find the same files.

    Raises
    ------
    DataError
        If a plugin is missing or its code fails; the message names the file and the line.
    """
    _load_installed()
    _load_named()


def sources() -> dict[str, str]:
    """The code of all plugins, as it was when they were imported.

    Returns
    -------
    sources
        File name (of an installed package: its dotted name) to Python code, sorted by name.
    """
    load()
    return dict(sorted(_sources.items()))


def _load_installed() -> None:
    global _installed_loaded
    if _installed_loaded:
        return
    _installed_loaded = True  # before the imports: a plugin may look something up itself
    try:
        for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
            _import_installed(point)
    except BaseException:
        _installed_loaded = False  # the next look-up fails as this one did
        raise


def _load_named() -> None:
    global _value_loaded
    value, before = os.environ.get(VARIABLE, ""), _value_loaded
    if value == before:
        return
    typed = [entry for entry in value.split(os.pathsep) if entry]
    _value_loaded = os.pathsep.join(str(Path(entry).expanduser().resolve()) for entry in typed)
    try:
        for path in [file for entry in typed for file in _files_of(entry)]:
            _import_file(path)
    except BaseException:
        _value_loaded = before
        raise
    if typed:
        os.environ[VARIABLE] = _value_loaded


def _files_of(entry: str) -> list[Path]:
    """The Python files that an entry of `SER_PLUGINS` stands for."""
    path = Path(entry).expanduser()
    if path.is_dir():
        return sorted(file for file in path.glob("*.py") if not file.name.startswith((".", "_")))
    if path.suffix == ".py" and path.is_file():
        return [path]
    found = "another file" if path.exists() else "nothing"
    raise DataError(f"{entry} (in {VARIABLE}): expected a Python file or a folder, found {found}")


def _import_file(path: Path) -> None:
    place = path.resolve()
    other = _files.get(path.name)
    if other == place:
        return
    if other is not None:
        raise DataError(f"{path}: expected a file name of its own, found the same at {other}")
    source = read_bytes(path)
    name = f"ser_tinyml_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise DataError(
            f"{path}{_line(error, place)}: expected a plugin that imports, found {_about(error)}"
        ) from error
    _files[path.name] = place
    _sources[path.name] = source.decode("utf-8")


def _import_installed(point: EntryPoint) -> None:
    try:
        point.load()
    except Exception as error:
        raise DataError(
            f"installed plugin {point.name} ({point.value}): expected one that imports, "
            f"found {_about(error)}"
        ) from error
    _sources.update(_module_sources(sys.modules[point.module]))


def _module_sources(module: ModuleType) -> dict[str, str]:
    """The code of a module; of a package, all that lies in its folder."""
    if module.__file__ is None:
        return {}
    path = Path(module.__file__)
    if path.name != "__init__.py":
        return {module.__name__: read_bytes(path).decode("utf-8")}
    return {
        ".".join([module.__name__, *file.relative_to(path.parent).with_suffix("").parts]): (
            read_bytes(file).decode("utf-8")
        )
        for file in sorted(path.parent.rglob("*.py"))
    }


def _line(error: Exception, place: Path) -> str:
    """Where in a plugin's file it failed: ", line 3"; empty if not in this file."""
    if isinstance(error, SyntaxError) and error.filename == str(place):
        return f", line {error.lineno}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(place)
    ]
    return f", line {lines[-1]}" if lines else ""


def _about(error: Exception) -> str:
    """An error in one line; one of ours says all itself."""
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return f"{type(error).__name__}: {error}"
