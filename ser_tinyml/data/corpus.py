"""What every corpus says about itself, in one form, and where it is registered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from ser_tinyml.files import DataError

N_FOLDS = 5  # of speakers; each fold is the test once

NOT_UNDERSTOOD = "name not understood"
MISLABELLED = "mislabelled"
TWO_CORPORA = "name of two corpora"
SONG = "song"
VIDEO = "sound of a video"


@dataclass(frozen=True, kw_only=True)
class ClipName:
    """What a file's name and folder say about the clip.

    Attributes
    ----------
    stem
        The published name, whatever the file was called: unique within the corpus.
    sex
        "female", "male", or empty where it is not known. Figures and folds are balanced by it.
    note
        What was read with a correction; empty if nothing was.
    """

    stem: str
    speaker: str
    emotion: str
    sex: str = ""
    sentence: str = ""
    intensity: str = ""
    repetition: int = 1
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a file is left out: a reason that can be counted, and the detail of this file."""

    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A zip file on a server, with the checksum that its publisher states."""

    url: str
    checksum: str  # "md5:…" or "sha256:…"


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """One corpus: all that the package knows of it.

    Attributes
    ----------
    name
        Begins every key (``name/stem``) and speaker (``name-speaker``) of its clips.
    parse
        Reads a path relative to the recordings. None if the file is not this corpus' at all.
    published_emotions
        Emotion to the number of clips in the complete corpus, 0 where it is not known; a copy is
        checked against it, and `parse` may give no other emotion.
    speakers
        Of the complete corpus, in order; empty if they are not known.
    folds
        Speaker to test fold, for speakers who are not in the committed manifest. Speakers who are
        in neither are trained on and never scored.
    pooled
        Whether its clips count in the line over all corpora.
    colour
        In figures, as "#rrggbb"; empty: one is taken from a palette.
    rank
        Place in tables and figures, the lowest first; after that the name counts.
    archive, kaggle
        Where `download` finds it: a zip file, and a Kaggle handle ("owner/data set").
    quirks
        What surprises in the published files, and what the index does about it.
    """

    name: str
    parse: Callable[[PurePath], ClipName | Refusal | None]
    published_emotions: Mapping[str, int]
    licence: str
    title: str = ""
    citation: str = ""
    homepage: str = ""
    speakers: tuple[str, ...] = ()
    folds: Mapping[str, int] = field(default_factory=dict)
    pooled: bool = True
    colour: str = ""
    rank: int = 1_000
    archive: Archive | None = None
    kaggle: str = ""
    quirks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        def check(good: object, expected: str) -> None:
            if not good:
                raise DataError(f"corpus {self.name!r}: expected {expected}")

        check(
            re.fullmatch(r"[^\s/\\,]+", self.name),
            "a name without spaces, commas and slashes",
        )
        check(callable(self.parse), f"parse to be a function, found {self.parse!r}")
        check(self.published_emotions, "published_emotions with an emotion or more, found none")
        check(self.licence, "a licence, found none")
        known = set(self.folds) <= set(self.speakers)
        check(
            known and set(self.folds.values()) <= set(range(N_FOLDS)),
            f"folds from 0 to {N_FOLDS - 1} of its own speakers, found {dict(self.folds)}",
        )
        check(
            not self.colour or re.fullmatch(r"#[0-9a-fA-F]{6}", self.colour),
            f"a colour such as #3b6fa0, found {self.colour!r}",
        )

    @property
    def published_clips(self) -> int:
        """Clips of the complete corpus; 0 if that is not known."""
        return sum(self.published_emotions.values())


REGISTERED: dict[str, Corpus] = {}


def register(corpus: Corpus) -> Corpus:
    """Make a corpus known to the index, the figures, the scores and the download.

    Parameters
    ----------
    corpus
        Its name must be new.

    Returns
    -------
    The corpus.

    Raises
    ------
    DataError
        If there is a corpus of this name.
    """
    if corpus.name in REGISTERED:
        raise DataError(f"corpus {corpus.name!r}: expected a new name, found it registered")
    REGISTERED[corpus.name] = corpus
    return corpus
