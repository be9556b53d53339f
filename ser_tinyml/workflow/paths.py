"""Paths as a notebook sees them, from its own folder, and as the user typed them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path


class Paths:
    """Remembers how the user typed what a notebook sees under another name.

    Parameters
    ----------
    notebooks_dir
        Folder of the notebooks, in which they run.
    """

    def __init__(self, notebooks_dir: str | Path) -> None:
        self.notebooks_dir = Path(notebooks_dir).resolve()
        self._typed: dict[str, str] = {}

    def seen(self, path: str | Path) -> str:
        """A path, typed by the user, as a notebook sees it; absolute only if on another drive."""
        try:
            found = Path(os.path.relpath(Path(path).resolve(), self.notebooks_dir)).as_posix()
        except ValueError:
            found = Path(path).resolve().as_posix()
        self._typed[found] = str(path)
        return found

    def defaults(self, folders: Iterable[str]) -> None:
        """Remember folders that the notebooks name themselves."""
        for seen in folders:
            if not os.path.isabs(seen):
                self._typed.setdefault(seen, self.short(self.notebooks_dir / seen))

    def as_typed(self, text: str) -> str:
        """A text in which paths of a notebook are named as the user typed them."""
        for seen in sorted(self._typed, key=len, reverse=True):
            whole = rf"(?<![\w./\\-]){re.escape(seen)}(?![\w-]|\.\w)"
            text = re.sub(whole, lambda _, typed=self._typed[seen]: typed, text)
        return text

    @staticmethod
    def short(path: str | Path) -> str:
        """A path as the user would type it: relative to the folder they are in, where below it."""
        path, here = Path(os.path.abspath(path)), Path.cwd()
        return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)
