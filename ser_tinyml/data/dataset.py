"""Scan a folder of recordings into a table, a row a clip, and a list of what was left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from ser_tinyml import files
from ser_tinyml.data import corpora, demo, labelled
from ser_tinyml.data.corpora import ClipName, Corpus, Refusal
from ser_tinyml.data.decoding import POINTER, TRUNCATED, listen
from ser_tinyml.sound.containers import SUFFIXES
from ser_tinyml.sound.folder import is_sound, walk
from ser_tinyml.sound.reading import EMPTY, UNREADABLE

SYNTHETIC = "synthetic"
SECOND_COPY = "second copy"
SAME_NAME = "same name, different sound"
SAME_SOUND = "same sound"
TWO_LABELS = "same sound, two labels"
NO_TEXT = "name is no text"

CLIP_COLUMNS = (
    *("key", "corpus", "speaker", "sex", "emotion", "intensity", "sentence", "repetition", "path"),
    *(
        "session",
        "given_split",
        "sample_rate",
        "channels",
        "duration_s",
        "rms",
        "peak",
        "sha256",
        "note",
    ),
)
LEFT_OUT_COLUMNS = ("path", "corpus", "reason", "detail")

Sound = dict[str, Any] | Refusal  # what `decoding.listen` says of a recording
Listening = Callable[[Path, Sequence[str]], Iterable[Sound]]

_LOSSY_S = 0.25  # by which a lossy copy may be longer or shorter than the sound it was made of
_NOT_HEARD = (POINTER, UNREADABLE, TRUNCATED, EMPTY)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a folder of recordings holds.

    Attributes
    ----------
    clips
        One row a usable clip, sorted by key.
    left_out
        One row a file that is not used, with the reason.
    completeness
        One row a corpus, held against what was published.
    synthetic
        True for the synthetic demo corpus, which proves the machinery, never accuracy.
    taken
        What was taken for labels of one's own, see `labelled`; a sentence each.
    """

    folder: Path
    clips: pd.DataFrame
    left_out: pd.DataFrame
    completeness: pd.DataFrame
    synthetic: bool
    taken: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file on its way through the scan; what it sounds like is filled in by `listen`."""

    path: str
    corpus: Corpus
    name: ClipName
    sound: dict[str, Any]

    @property
    def key(self) -> str:
        return f"{self.corpus.name}/{self.name.stem}"

    @property
    def label(self) -> tuple[str, str, str]:
        return self.corpus.name, self.name.speaker, self.name.emotion


def scan(
    folder: str | Path,
    *,
    progress: bool = True,
    jobs: int | None = None,
    listening: Listening | None = None,
) -> Scan:
    """Read every recording below a folder, whatever the layout.

    A file that cannot be used is left out with a reason; it never stops the scan.

    Parameters
    ----------
    folder
        Holds recordings of any kind at any depth; links to folders are followed.
    progress
        Show a progress bar.
    jobs
        Files decoded at a time; by default one a core.
    listening
        Instead: takes folder and paths, gives what `decoding.listen` says of each, in order.

    Raises
    ------
    DataError
        If the folder is missing or is no folder, or no clip in it can be used.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise files.DataError(f"{folder}: expected a folder of recordings, found {found}")
    paths, left_out = _walk(folder)
    naming = labelled.name(folder, paths)
    named = naming.named
    left_out += [_row(*entry) for entry in naming.left_out]

    heard: list[_File] = []
    listening = listening or partial(_in_threads, jobs=jobs)
    sounds = listening(folder, [path for path, *_ in named])
    bar = tqdm(sounds, "listening", len(named), unit=" clips", disable=not progress, mininterval=1)
    for (path, found, name), sound in zip(named, bar, strict=True):
        if isinstance(sound, Refusal):
            left_out.append(_row(path, found.name, sound.reason, sound.detail))
        else:
            heard.append(_File(path=path, corpus=found, name=name, sound=sound))

    kept, doubles = _without_doubles(heard)
    left_out += doubles
    if not kept:
        raise files.DataError(_nothing_usable(folder, left_out))
    clips = _clip_table(kept)
    table = pd.DataFrame(left_out, columns=LEFT_OUT_COLUMNS).sort_values("path", kind="stable")
    return Scan(
        folder=folder,
        clips=clips,
        left_out=table.reset_index(drop=True),
        completeness=_completeness(named, clips, table),
        synthetic=(folder / demo.MARKER).is_file(),
        taken=naming.taken,
    )


def _in_threads(folder: Path, paths: Sequence[str], *, jobs: int | None) -> Iterator[Sound]:
    with ThreadPoolExecutor(max_workers=jobs or os.cpu_count() or 1) as pool:
        yield from pool.map(lambda path: listen(folder / path), paths)


def names(folder: str | Path | None) -> pd.DataFrame:
    """What the recordings below a folder are called, without listening to any.

    Parameters
    ----------
    folder
        None: what those of the synthetic corpus will be called.

    Returns
    -------
    table
        Columns corpus, speaker, emotion; a line a recording.
    """
    paths = [clip.path for clip in demo.clips()] if folder is None else _walk(Path(folder))[0]
    naming = labelled.name(None if folder is None else Path(folder), paths)
    rows = [(corpus.name, clip.speaker, clip.emotion) for _, corpus, clip in naming.named]
    return pd.DataFrame(rows, columns=["corpus", "speaker", "emotion"])


def _row(path: str, corpus_name: str, reason: str, detail: str) -> dict[str, str]:
    return dict(zip(LEFT_OUT_COLUMNS, (path, corpus_name, reason, detail), strict=True))


def _walk(folder: Path) -> tuple[list[str], list[dict[str, str]]]:
    """List the recordings below a folder, and what is left out unheard.

    A recording is whatever the ending or the first bytes say is sound or video.
    """
    recordings: list[str] = []
    left_out: list[dict[str, str]] = []

    def relative(path: str | Path) -> str:
        return Path(path).relative_to(folder).as_posix()

    def closed(error: OSError) -> None:
        left_out.append(_row(relative(error.filename), "", UNREADABLE, str(error.strerror)))

    for here, folders, names in walk(folder, closed=closed):
        if here != folder and demo.MARKER in names:
            detail = f"{demo.MARKER} in it: scan it alone, not among recordings"
            left_out.append(_row(relative(here), "", SYNTHETIC, detail))
            folders.clear()
            continue
        recordings += [relative(here / name) for name in names if is_sound(here / name)]
    for path in filter(_is_no_text, recordings):  # no table could hold it
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        left_out.append(_row(shown, "", NO_TEXT, "the name is not UTF-8: rename it"))
    return sorted(path for path in recordings if not _is_no_text(path)), left_out


def _is_no_text(name: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in name)


def _without_doubles(heard: Iterable[_File]) -> tuple[list[_File], list[dict[str, str]]]:
    """Keep one of each sound under one label, and none where the labels disagree."""
    heard, lossy = _without_lossy_copies(heard)
    unique, left_out = _one_of_each(
        _grouped(heard, lambda file: file.key),
        same=lambda file: file.sound["sha256"],
        double=SECOND_COPY,
        contradiction=SAME_NAME,
    )
    kept, twins = _one_of_each(
        _grouped(unique, lambda file: file.sound["sha256"]),
        same=lambda file: file.label,
        double=SAME_SOUND,
        contradiction=TWO_LABELS,
    )
    return sorted(kept, key=lambda file: file.key), lossy + left_out + twins


def _without_lossy_copies(heard: Iterable[_File]) -> tuple[list[_File], list[dict[str, str]]]:
    """Leave out what lies there without loss too: CREMA-D comes as .wav, .mp3 and .flv."""
    kept, left_out = [], []
    for group in _grouped(heard, lambda file: file.key):
        best = [file for file in group if file.sound["lossless"]]
        for file in group:
            seconds = file.sound["duration_s"]
            if file in best or not best or abs(best[0].sound["duration_s"] - seconds) > _LOSSY_S:
                kept.append(file)
            else:
                detail = f"of {best[0].path}, which has no loss"
                left_out.append(_row(file.path, file.corpus.name, SECOND_COPY, detail))
    return kept, left_out


def _one_of_each(
    groups: Iterable[Sequence[_File]],
    *,
    same: Callable[[_File], Any],
    double: str,
    contradiction: str,
) -> tuple[list[_File], list[dict[str, str]]]:
    """The first file of each group whose files are all the same; the others are left out.

    Parameters
    ----------
    same
        What has to be equal within a group; where it is not, no file of it is kept.
    double, contradiction
        Reason why a file is left out: equal to the first, or in a group that is not equal.
    """
    kept, left_out = [], []
    for group in groups:
        first, *others = group
        if all(same(other) == same(first) for other in others):
            kept.append(first)
            reason, left = double, {file.path: first.path for file in others}
        else:
            reason = contradiction
            left = {
                file.path: ", ".join(other.path for other in group if other is not file)
                for file in group
            }
        word = "of" if reason == SECOND_COPY else "as"
        corpus = first.corpus.name
        left_out += [_row(path, corpus, reason, f"{word} {rest}") for path, rest in left.items()]
    return kept, left_out


def _grouped(items: Iterable[_File], key: Callable[[_File], Any]) -> list[list[_File]]:
    """Group files; in each group the shallowest comes first, then the first by path."""
    groups: dict[str, list[_File]] = {}
    for item in sorted(items, key=lambda file: (file.path.count("/"), file.path)):
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _clip_table(kept: Sequence[_File]) -> pd.DataFrame:
    rates: dict[str, Counter[int]] = {}
    for file in kept:
        rates.setdefault(file.corpus.name, Counter())[file.sound["sample_rate"]] += 1
    usual = {name: count.most_common(1)[0][0] for name, count in rates.items()}
    rows = []
    for file in kept:
        name, sound = file.name, dict(file.sound)
        rate, others = sound["sample_rate"], usual[file.corpus.name]
        remarks = [name.note, sound.pop("note")]
        if rate != others:
            remarks.append(f"{rate} Hz, the others {others} Hz")
        rows.append(
            {
                "key": file.key,
                "corpus": file.corpus.name,
                "speaker": f"{file.corpus.name}-{name.speaker}",
                "sex": name.sex,
                "emotion": name.emotion,
                "intensity": name.intensity,
                "sentence": name.sentence,
                "repetition": name.repetition,
                "path": file.path,
                "session": name.session,
                "given_split": name.given_split,
                "note": "; ".join(filter(None, remarks)),
                **sound,
            }
        )
    return pd.DataFrame(rows, columns=CLIP_COLUMNS)


def _completeness(
    named: Sequence[tuple[str, Corpus, ClipName]], clips: pd.DataFrame, left_out: pd.DataFrame
) -> pd.DataFrame:
    not_heard = set(left_out.loc[left_out["reason"].isin(_NOT_HEARD), "path"])
    rows = []
    known = [one.name for one in corpora.all()]
    for one in map(corpora.named, corpora.order([*known, *(found.name for _, found, _ in named)])):
        names = [
            name for path, found, name in named if found.name == one.name and path not in not_heard
        ]
        found = len({name.stem for name in names})
        speakers = {name.speaker for name in names}
        absent = [speaker for speaker in one.speakers if speaker not in speakers]
        rows.append(
            {
                "corpus": one.name,
                "published": one.published_clips,
                "found": found,
                "kept": int((clips["corpus"] == one.name).sum()),
                "left_out": int((left_out["corpus"] == one.name).sum()),
                "speakers": f"{len(speakers)} of {len(one.speakers) or len(speakers)}",
                "state": _state(found, one, absent),
            }
        )
    return pd.DataFrame(rows)


def _state(found: int, one: Corpus, absent: Sequence[str]) -> str:
    if not found:
        return "absent"
    if not one.published_clips:
        return f"{found} clips"
    if found == one.published_clips:
        return "complete"
    state = f"{found} of {one.published_clips} clips"
    runs = _runs(one.speakers, absent)
    if len(runs) > 3:
        return f"{state}; {len(absent)} speakers missing"
    return f"{state}; no speaker {', '.join(runs)}" if absent else state


def _runs(speakers: Sequence[str], absent: Sequence[str]) -> list[str]:
    """Write neighbours as first-last: 21-24."""
    runs: list[list[str]] = []
    for place, speaker in enumerate(speakers):
        if speaker not in absent:
            continue
        if runs and place and runs[-1][-1] == speakers[place - 1]:
            runs[-1].append(speaker)
        else:
            runs.append([speaker])
    return [run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]


def _nothing_usable(folder: Path, left_out: Sequence[dict[str, str]]) -> str:
    wanted = " or ".join(corpus.name for corpus in corpora.all())
    kinds = ", ".join(SUFFIXES[:10])
    message = f"{folder}: expected recordings of {wanted} ({kinds}, …), found "
    if not left_out:
        return message + "none at any depth"
    reasons = Counter(row["reason"] for row in left_out).most_common()
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons)
    first = ", ".join(f"{row['path']} ({row['detail']})" for row in left_out[:3])
    return (
        f"{message}{len(left_out)} that cannot be used ({counts}): {first}. Recordings of your own "
        "lie in two folders or more that are named after labels, or beside a labels.csv with the "
        "columns file and label"
    )
