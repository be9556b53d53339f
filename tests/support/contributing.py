"""The examples of the guides that add something, so that they are what the tests run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def example(guide: str, language: str) -> str:
    """The first code block of a language in a guide.

    Parameters
    ----------
    guide
        Its name in ``docs/``, for example "new_net".
    """
    text = (ROOT / "docs" / f"{guide}.md").read_text(encoding="utf-8")
    return re.search(rf"(?ms)^```{language}\n(.*?)^```$", text)[1]
