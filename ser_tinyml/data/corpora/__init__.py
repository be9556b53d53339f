"""The corpora: a file each in this folder, and those that plugins add.

Nothing else in the package knows a corpus by its name. A file here, like a plugin's, calls
`register` with all that there is to know; it is found by lying here.

Examples
--------
>>> corpora.order(["TESS", "RAVDESS"])
['RAVDESS', 'TESS']
>>> corpora.pooled(["TESS", "RAVDESS"])
['RAVDESS']
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import zlib
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

from ser_tinyml import plugins
from ser_tinyml.data.corpus import (
    REGISTERED,
    TWO_CORPORA,
    Archive,
    ClipName,
    Corpus,
    Refusal,
    register,
)
from ser_tinyml.files import DataError
from ser_tinyml.metrics import POOLED

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Archive",
    "ClipName",
    "Corpus",
    "Refusal",
    "all",
    "by_name",
    "colour",
    "emotions",
    "identify",
    "is_free",
    "named",
    "order",
    "order_emotions",
    "pool",
    "pooled",
    "register",
    "select",
]

# Every model and figure knows these, in this order; a corpus may add others.
_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
_PALETTE = ("#6b8f3a", "#b05070", "#3a9a9a", "#8a6d3b", "#5b6fc0", "#a0a030", "#c05fb0", "#607080")

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def all() -> tuple[Corpus, ...]:
    """All corpora, the built-in ones first, then those of plugins by name."""
    plugins.load()
    return tuple(sorted(REGISTERED.values(), key=lambda corpus: (corpus.rank, corpus.name)))


def by_name(name: str) -> Corpus:
    """The registered corpus of a name.

    Raises
    ------
    DataError
        If there is none.
    """
    plugins.load()
    if name not in REGISTERED:
        known = ", ".join(corpus.name for corpus in all())
        raise DataError(
            f"corpus: expected one of {known}, found {name!r} "
            f"(is {plugins.VARIABLE} set, if a plugin knows it?)"
        )
    return REGISTERED[name]


def named(name: str) -> Corpus:
    """The corpus of a name in a table: a registered one, or the user's own recordings.

    One's own are in no fold, count in the pool, and have a colour of the palette.
    """
    plugins.load()
    return REGISTERED.get(name) or Corpus(
        name=name,
        parse=lambda path: None,
        published_emotions={"any": 0},
        licence="the makers' own",
        title="own recordings",
    )


def is_free(name: str) -> bool:
    """Whether recordings of one's own may be called so."""
    taken = {corpus.name.casefold() for corpus in all()} | {POOLED, "pooled"}
    return bool(re.fullmatch(r"[^\s/\\,]+", name)) and name.casefold() not in taken


def order(names: Iterable[str]) -> list[str]:
    """Names of corpora, each once, in the order of tables and figures."""
    known = [named(name) for name in set(names)]
    return [one.name for one in sorted(known, key=lambda corpus: (corpus.rank, corpus.name))]


def pooled(names: Iterable[str]) -> list[str]:
    """Those corpora that count in the line over all corpora, in order."""
    return [name for name in order(names) if named(name).pooled]


def pool(clips: pd.DataFrame) -> pd.DataFrame:
    """The clips, or rows, of those corpora that count in the line over all corpora."""
    return clips[clips["corpus"].isin(pooled(clips["corpus"]))]


def select(clips: pd.DataFrame, names: Iterable[str] = ()) -> pd.DataFrame:
    """The clips of some corpora; of all, where no name is given.

    Raises
    ------
    DataError
        If there is no such corpus, or none of its clips.
    """
    wanted, there = order(names), set(clips["corpus"])
    if missing := [name for name in wanted if name not in there]:
        raise DataError(
            f"corpora: expected clips of {', '.join(missing)}, found those of "
            f"{', '.join(order(there)) or 'none'}"
        )
    return clips[clips["corpus"].isin(wanted)] if wanted else clips


def colour(name: str) -> str:
    """A corpus's colour in figures, "#rrggbb"."""
    corpus = named(name)
    if corpus.colour:
        return corpus.colour
    without = [other.name for other in all() if not other.colour]
    # which others are one's own is not known here: the name alone decides
    place = without.index(name) if name in without else len(without) + zlib.crc32(name.encode())
    return _PALETTE[place % len(_PALETTE)]


def emotions() -> tuple[str, ...]:
    """All emotions of all corpora, in the order of tables and figures."""
    added = {emotion for corpus in all() for emotion in corpus.published_emotions}
    return (*_EMOTIONS, *sorted(added.difference(_EMOTIONS)))


def order_emotions(present: Iterable[str]) -> list[str]:
    """Emotions and labels of one's own, each once, in the order of tables and figures."""
    there, known = set(present), emotions()
    return [one for one in known if one in there] + sorted(there.difference(known))


def identify(path: str | PurePath) -> tuple[Corpus, ClipName | Refusal] | None:
    """Say which corpus a file belongs to and which clip it is.

    A corpus that reads the name goes before one that refuses it.

    Parameters
    ----------
    path
        Relative to the recordings folder; the folders above the file may contradict its name.

    Returns
    -------
    The corpus, with the clip or the reason why it is left out; None if no corpus has such names.

    Raises
    ------
    DataError
        If a corpus fails at a name or gives a clip an emotion that it does not have.
    """
    path = PurePath(path)
    answers = [(corpus, _parse(corpus, path)) for corpus in all()]
    read = [(corpus, name) for corpus, name in answers if isinstance(name, ClipName)]
    if len(read) > 1:
        detail = " and ".join(corpus.name for corpus, _ in read)
        return read[0][0], Refusal(reason=TWO_CORPORA, detail=detail)
    refused = ((corpus, name) for corpus, name in answers if isinstance(name, Refusal))
    return read[0] if read else next(refused, None)


def _parse(corpus: Corpus, path: PurePath) -> ClipName | Refusal | None:
    try:
        name = corpus.parse(path)
    except Exception as error:
        raise DataError(
            f"{path}: expected corpus {corpus.name} to read or pass over the name, found "
            f"{type(error).__name__}: {error}"
        ) from error
    if isinstance(name, ClipName) and name.emotion not in corpus.published_emotions:
        raise DataError(
            f"{path}: expected an emotion that corpus {corpus.name} declares "
            f"({', '.join(corpus.published_emotions)}), found {name.emotion!r}"
        )
    return name
