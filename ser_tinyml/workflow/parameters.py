"""Parameters of a run: what the notebooks know, what is given, and who checks it."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import stages
from ser_tinyml.workflow.notebooks import PARAMETERS, code_cells
from ser_tinyml.workflow.paths import Paths

EXPERIMENTS = ROOT / "notebooks" / "experiments"
RUN_DIR = "run_dir"  # is set by who runs, not by who gives parameters
BASE = "base"  # of an experiment: another one, which it changes
FOLDER = "_dir"  # names that end so are folders
NAME_OR_MAPPING = ("class_set",)  # the name of one that is known, or one of the user's own
TYPES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as everywhere else; YAML 1.1 wants 1.0e-3."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def experiment(name: str, *, folder: str | Path = EXPERIMENTS) -> dict[str, Any]:
    """Read the parameters of a named experiment.

    A ``stages`` among them names those that it is for, where that is not all. A ``base`` names the
    experiment of which it changes some parameters, or some fields of a parameter that is a mapping.
    Folders are relative to the repository.

    Raises
    ------
    DataError
        If there is no such experiment, or it is no mapping of names to values.

    Examples
    --------
    >>> experiment("quick")["epochs"]
    25
    """
    parameters = _written(name, Path(folder))
    if BASE not in parameters:
        return parameters
    changed = _written(str(parameters.pop(BASE)), Path(folder))
    if BASE in changed:
        raise DataError(f"experiment {name!r}: expected a base that has none, found another's")
    for key, value in parameters.items():
        fields = isinstance(value, dict) and isinstance(changed.get(key), dict)
        changed[key] = changed[key] | value if fields else value
    return changed


def _written(name: str, folder: Path) -> dict[str, Any]:
    """What stands in the file of an experiment."""
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise DataError(
            f"experiment {name!r}: expected one of {', '.join(known)} in {Paths.short(folder)}"
        )
    path = folder / f"{name}.yaml"
    text = files.read_bytes(path)
    try:
        parameters = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{Paths.short(path)}: expected YAML, found: {error}") from error
    if not isinstance(parameters, dict) or not all(isinstance(n, str) for n in parameters):
        raise DataError(f"{Paths.short(path)}: expected names and values, found {parameters!r}")
    folders = {n: v for n, v in parameters.items() if n.endswith(FOLDER) and isinstance(v, str)}
    return parameters | {n: Paths.short(ROOT / value) for n, value in folders.items() if value}


def defaults_of(notebook: nbformat.NotebookNode, name: str) -> dict[str, Any]:
    """Names and values in a notebook's parameters cell.

    Raises
    ------
    DataError
        If there is not just one such cell, or it does more than to assign plain literals.
    """
    cells = [c for c in code_cells(notebook) if PARAMETERS in c.metadata.get("tags", [])]
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


def given(
    parameters: Mapping[str, Any], defaults: Mapping[str, dict[str, Any]], *, paths: Paths
) -> dict[str, dict[str, Any]]:
    """Give each stage the parameters that it knows, and check them all.

    Parameters
    ----------
    parameters
        Values by name. A field of a parameter that is a dictionary has a dotted name
        (``training.units``), or is in a mapping. Text is read as the type of the default.
    defaults
        Names and values of each stage's parameters cell.

    Returns
    -------
    given
        Names and values for each stage.

    Raises
    ------
    DataError
        If a name is unknown, or a value of the wrong type or not possible.
    """
    found: dict[str, dict[str, Any]] = {stage: {} for stage in defaults}
    for full, value in parameters.items():
        name = full.split(".")[0]
        knowing = [stage for stage, known in defaults.items() if name in known]
        if not knowing or name == RUN_DIR:
            raise DataError(_unknown(name, defaults))
        for stage in knowing:
            before = found[stage].get(name, defaults[stage][name])
            found[stage][name] = _read(full, value, before)
            if name.endswith(FOLDER) and found[stage][name]:
                found[stage][name] = paths.seen(found[stage][name])
    for stage, known in defaults.items():
        stages.check(stage, {**known, **found[stage]})
    return found


def _read(full: str, value: Any, before: Any) -> Any:
    """The new value of a parameter.

    Parameters
    ----------
    full
        Its name, or the dotted name of one of its fields.
    before
        What it was, which says of what type it is.
    """
    name, *inner = full.split(".")
    if isinstance(before, dict) and name not in NAME_OR_MAPPING:
        return _merged(before, _nested(full, value))
    if inner:
        raise DataError(f"{full}: expected {name} alone, which has no fields")
    return _as(before, name, value)


def _unknown(name: str, defaults: Mapping[str, dict[str, Any]]) -> str:
    in_use = {parameter for known in defaults.values() for parameter in known}
    field = stages.dotted(name)
    if field and field.split(".")[0] in in_use:
        return f"{name}: expected a parameter of a stage; this one is given as {field}"
    lines = [
        f"  {stage}: {', '.join(known)}"
        for stage, known in (
            (stage, [n for n in known if n != RUN_DIR]) for stage, known in defaults.items()
        )
        if known
    ]
    return "\n".join([f"{name}: expected a parameter of a stage:", *lines])


def _nested(full: str, value: Any) -> dict[str, Any]:
    """A value under its dotted name, as mappings in each other."""
    name, *inner = full.split(".")
    if isinstance(value, str):
        value = _yaml(full, value)
    _check_plain(full, value)
    for part in reversed(inner):
        value = {part: value}
    if not isinstance(value, dict):
        raise DataError(f"{name}: expected fields, as in {name}.field=value, found {value!r}")
    return value


def _merged(before: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(before)
    for name, value in more.items():
        old = both.get(name)
        both[name] = (
            _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return both


def _yaml(name: str, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        found = str(error).replace("\n", " ")
        raise DataError(f"{name}: expected a value as in YAML, found {text!r}: {found}") from error


def _check_plain(name: str, value: Any) -> None:
    """Check that JSON can hold a value, which leaves out dates and what is no number."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise DataError(f"{name}: expected numbers, text, true or false, found {value!r}") from None


def _as(like: Any, name: str, value: Any) -> Any:
    """Read a value as the type of its default."""
    if name in NAME_OR_MAPPING and (isinstance(value, dict) or str(value).startswith("{")):
        value = value if isinstance(value, dict) else _yaml(name, value)
        _check_plain(name, value)
        return value
    for read in _readings(like, value):
        if type(read) is type(like) and not (isinstance(read, float) and not math.isfinite(read)):
            return read
    expected = TYPES.get(type(like), type(like).__name__)
    raise DataError(f"{name}: expected {expected}, found {value!r}")


def _readings(like: Any, value: Any) -> Iterator[Any]:
    """What a value may be read as, the best first."""
    if isinstance(like, str) and type(value) is not bool and isinstance(value, (int, float, Path)):
        yield str(value)
    if isinstance(like, float) and type(value) is int:
        yield float(value)
    yield value
    if not isinstance(value, str) or isinstance(like, str):
        return
    kind = type(like)
    try:
        yield kind(value) if kind in (int, float) else _yaml("", value)
    except (ValueError, DataError):
        return
