"""Values that users give: taken where they fit, refused by name where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ser_tinyml.files import DataError
from ser_tinyml.parameters import typed


@dataclass(frozen=True)
class Config:
    count: int = 1
    rate: float = 0.5
    word: str = "a"
    on: bool = True
    limit: float | None = None
    widths: tuple[int, ...] = (1,)
    more: Mapping[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    "value",
    [
        {"count": 3, "rate": 0.25, "word": "b", "on": False, "limit": 2.0, "widths": (2, 3)},
        {"limit": None, "more": {"depth": 3}},
        {},
    ],
)
def test_values_of_the_right_type_are_taken_as_they_are(value) -> None:
    assert typed(value, of=Config, name="config") == value


def test_whole_numbers_do_for_floats_and_lists_for_tuples() -> None:
    found = typed({"rate": 2, "limit": 3, "widths": [4, 5]}, of=Config, name="config")
    assert found == {"rate": 2.0, "limit": 3.0, "widths": (4, 5)}
    assert isinstance(found["rate"], float) and isinstance(found["widths"], tuple)


@pytest.mark.parametrize(
    ("field_name", "value", "expected"),
    [
        ("count", 1.5, "a whole number, found 1.5"),
        ("count", True, "a whole number, found True"),
        ("rate", "many", "a number, found 'many'"),
        ("word", 3, "a word, found 3"),
        ("on", 1, "true or false, found 1"),
        ("limit", "x", r"a number or nothing \(null\), found 'x'"),
        ("widths", [1, "b"], "a list, each a whole number"),
        ("widths", 7, "a list, each a whole number, found 7"),
        ("more", [1], "names and values"),
        ("other", 1, "one of count, rate, word"),
    ],
)
def test_others_are_refused_by_name(field_name, value, expected) -> None:
    with pytest.raises(DataError, match=rf"config\.{field_name}: expected {expected}"):
        typed({field_name: value}, of=Config, name="config")


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(DataError, match=r"config: expected names and values, found \[1\]"):
        typed([1], of=Config, name="config")
