"""The systems that there are, by name. A module of this folder has them in its ``SYSTEMS``.

A plugin adds one with `register`.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from ser_tinyml import plugins
from ser_tinyml.files import DataError
from ser_tinyml.systems.face import System

_ADDED: dict[str, System] = {}


@cache
def _built_in() -> dict[str, dict[str, System]]:
    """Module, in alphabetical order, to its systems by name."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"{__package__}.{path.stem}")
        if hasattr(module, "SYSTEMS"):
            found[path.stem] = {system.name: system for system in module.SYSTEMS}
    return found


def register(system: System) -> None:
    """Add a system from outside.

    Raises
    ------
    DataError
        If the name is taken by another one.
    """
    taken = {*_built_in(), *(name for systems in _built_in().values() for name in systems)}
    if system.name in taken or _ADDED.get(system.name, system) is not system:
        raise DataError(f"system {system.name!r}: expected a new name, found it taken")
    _ADDED[system.name] = system


def names() -> list[str]:
    """Names of all systems."""
    plugins.load()
    return [name for systems in _built_in().values() for name in systems] + sorted(_ADDED)


def find(name: str) -> System:
    """The system of a name.

    Raises
    ------
    DataError
        If there is none.
    """
    plugins.load()
    for systems in (*_built_in().values(), _ADDED):
        if name in systems:
            return systems[name]
    raise DataError(f"system: expected one of {', '.join(names())}, found {name!r}")


def module_of(name: str) -> str:
    """The module of this folder that has a system; empty: a plugin has it."""
    found = [module for module, systems in _built_in().items() if name in systems]
    return found[0] if found else ""


def chosen(name: str = "") -> list[System]:
    """One system, or all those of a module; without a name, all there are."""
    if not name:
        return [find(one) for one in names()]
    return list(_built_in()[name].values()) if name in _built_in() else [find(name)]


def in_tables() -> list[str]:
    """Names of the systems that the table of all shows; notebooks show all.

    A module with very many says which in its ``IN_TABLES``.
    """
    found = []
    for module, systems in _built_in().items():
        told = importlib.import_module(f"{__package__}.{module}")
        found += getattr(told, "IN_TABLES", list(systems))
    return found + sorted(_ADDED)


def listed(text: str) -> list[System]:
    """The systems of a list of names, or of modules, with spaces between; "all" is all.

    What is the name of both is that of the system.

    Raises
    ------
    DataError
        If there is none of a name.
    """
    known, wanted = set(names()), [""] if text == "all" else text.split()
    parts = [[find(name)] if name in known else chosen(name) for name in wanted]
    return list({system.name: system for part in parts for system in part}.values())
