"""CONTRIBUTING and the guides that add something: what they point to is there."""

from __future__ import annotations

import re

import pytest

from ser_tinyml.provenance import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
GUIDES = sorted((ROOT / "docs").glob("new_*.md"))
TEXTS = [TEXT, *(guide.read_text("utf-8") for guide in GUIDES)]
POINTED_TO = re.findall(r"`((?:ser_tinyml|tests|firmware|training)/[\w./]+)`", "\n".join(TEXTS))


def test_what_the_house_says_of_itself_is_what_is_tested():
    tests = (ROOT / "tests" / "test_house.py").read_text("utf-8")
    for name, number in re.findall(r"^([A-Z_]+) = (\d+)", tests, re.M):
        assert re.search(rf"\b{number}\b", TEXT), name
    wings = re.search(r"data travels: (.*?)\. A wing", TEXT)[1].split(", ")
    listed = re.search(r"^WINGS = \((.*?)^\)", tests, re.M | re.S)[1]
    assert re.findall(r'"(\w+)"', listed) == [*wings, "__main__"]


@pytest.mark.parametrize("path", POINTED_TO)
def test_what_it_points_to_is_there(path):
    assert (ROOT / path).exists() or (ROOT / "ser_tinyml" / path).exists()
