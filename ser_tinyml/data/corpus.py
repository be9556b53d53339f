"""What every corpus says about itself, in one form, and where it is registered."""

from __future__ import annotations

import re
import unicodedata
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

OWN = "own"  # the corpus of recordings of which nothing says another

OTHER = "no class"  # label of a clip of an emotion that is in no class
UNSURE = "unsure"  # what a board says in place of a label
LONGEST_LABEL = 20  # bytes of UTF-8: what Bluetooth tells at once


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
    session
        When or where it was recorded; empty where that is not known.
    given_split
        The side of the split that it was put on by hand; empty where it was not.
    """

    stem: str
    speaker: str
    emotion: str
    sex: str = ""
    sentence: str = ""
    intensity: str = ""
    repetition: int = 1
    note: str = ""
    session: str = ""
    given_split: str = ""


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


def plain_label(text: str) -> str:
    """A label as it is kept: composed Unicode, no space around it and one between words.

    Examples
    --------
    >>> plain_label("  very   happy ")
    'very happy'
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def label_problem(label: str) -> str:
    """Why a text cannot be a label; empty if it can.

    Examples
    --------
    >>> label_problem("wütend"), label_problem("unsure")
    ('', "expected another word, 'unsure' has a meaning of its own")
    """
    if not label or label != plain_label(label) or not label.isprintable():
        return "expected a word or some, without signs that cannot be seen"
    size = len(label.encode("utf-8", errors="replace"))
    if size > LONGEST_LABEL:
        return (
            f"expected at most {LONGEST_LABEL} bytes, which Bluetooth tells at once, found {size}"
        )
    if label.casefold() in (OTHER, UNSURE):
        return f"expected another word, {label!r} has a meaning of its own"
    return ""


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
