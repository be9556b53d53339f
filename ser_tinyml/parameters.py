"""Values that users give for the fields of a configuration, checked against the fields' types."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from ser_tinyml.files import DataError

_UNIONS = (Union, types.UnionType)


def typed(changes: Mapping[str, Any], *, of: type, name: str) -> dict[str, Any]:
    """Values for some fields of a configuration, each of its field's type.

    Whole numbers will do for floats, and lists for tuples.

    Parameters
    ----------
    changes
        Field to value.
    of
        The configuration, a dataclass.
    name
        Of the parameter, for messages: ``training.units`` is field ``units`` of ``training``; empty
        where each field is a parameter itself.

    Raises
    ------
    DataError
        If there is no such field, or a value is of another type.
    """
    if not isinstance(changes, Mapping):
        raise DataError(f"{name}: expected names and values, found {changes!r}")
    hints, before = get_type_hints(of), f"{name}." * bool(name)
    known = [field.name for field in fields(of)]
    found = {}
    for field, value in changes.items():
        if field not in known:
            raise DataError(f"{before}{field}: expected one of {', '.join(known)}")
        try:
            found[field] = _as(value, hints[field])
        except TypeError:
            raise DataError(
                f"{before}{field}: expected {_words(hints[field])}, found {value!r}"
            ) from None
    return found


def _as(value: Any, hint: Any) -> Any:
    """The value as a type; TypeError if it is of another."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        return _as_one_of(value, inner)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_as(item, inner[0]) for item in value)
    if hint is float and type(value) is int:
        return float(value)
    truth = isinstance(value, bool) and hint is not bool  # Python counts it as a whole number
    if truth or not isinstance(value, origin or hint):
        raise TypeError
    return value


def _as_one_of(value: Any, hints: tuple[Any, ...]) -> Any:
    for hint in hints:
        try:
            return _as(value, hint)
        except TypeError:
            continue
    raise TypeError


def _words(hint: Any) -> str:
    """A type in words."""
    names = {
        **{int: "a whole number", float: "a number", bool: "true or false", str: "a word"},
        **{type(None): "nothing (null)"},
    }
    origin, inner = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        return " or ".join(_words(one) for one in inner)
    if origin is tuple:
        return f"a list, each {_words(inner[0])}"
    return names.get(hint, "names and values")
