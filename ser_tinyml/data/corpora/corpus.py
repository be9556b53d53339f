"""What every corpus module says about its corpus, in one form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")

NOT_UNDERSTOOD = "name not understood"
MISLABELLED = "mislabelled"
SONG = "song"
VIDEO = "sound of a video"


@dataclass(frozen=True, kw_only=True)
class ClipName:
    """What a file's name and folder say about the clip.

    Attributes
    ----------
    stem
        The published name, whatever the file was called: unique within the corpus.
    note
        What was read with a correction; empty if nothing was.
    """

    stem: str
    speaker: str
    sex: str
    emotion: str
    sentence: str
    intensity: str = ""
    repetition: int = 1
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a file is left out: a reason that can be counted, and the detail of this file."""

    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """One corpus.

    Attributes
    ----------
    published_clips, published_emotions, speakers
        What the complete corpus holds; a copy is checked against it.
    parse
        Reads a path relative to the recordings. None if the file is not this corpus' at all.
    quirks
        What surprises in the published files, and what the index does about it.
    """

    name: str
    title: str
    licence: str
    citation: str
    homepage: str
    published_clips: int
    published_emotions: Mapping[str, int]
    speakers: tuple[str, ...]
    parse: Callable[[PurePath], ClipName | Refusal | None]
    quirks: tuple[str, ...]
