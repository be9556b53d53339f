"""The examples of CONTRIBUTING.md, so that they are what the tests run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def example(heading: str, language: str) -> str:
    """The first code block of a language below a heading of the second level."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text)
    return re.search(rf"(?ms)^```{language}\n(.*?)^```$", section)[1]
