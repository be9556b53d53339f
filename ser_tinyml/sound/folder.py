"""Folders of recordings, as the index and `predict` walk through them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ser_tinyml.sound import containers


def walk(
    folder: str | Path, *, closed: Callable[[OSError], None] | None = None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder at and below one, the folders and the files in it, sorted.

    Links are followed, each folder once. Hidden folders, where downloads are under way, and the
    Mac's archive leftovers are passed by. Whoever takes a folder out of the list keeps it closed.

    Parameters
    ----------
    closed
        Called with the error of a folder that cannot be opened.
    """
    seen: set[str] = set()
    for here, folders, names in os.walk(folder, followlinks=True, onerror=closed):
        real = os.path.realpath(here)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(one for one in folders if one[0] != "." and one != "__MACOSX")
        yield Path(here), folders, sorted(names)


def is_sound(path: Path) -> bool:
    """Whether a file's ending or its first bytes say sound or video."""
    if path.suffix.lower() in (*containers.SUFFIXES, *containers.OTHER_SUFFIXES):
        return not path.is_dir()
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with open(path, "rb") as stream:
            return containers.is_known(stream.read(16))
    except OSError:
        return False
