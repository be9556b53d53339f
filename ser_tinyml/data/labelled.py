"""Recordings of one's own: folders that are named after labels, and tables called ``labels.csv``.

What a table names is what the table says. What a corpus names its files is that corpus'. Of the
rest, folders are taken for labels only where that cannot be a stray file: where two of them or more
have the names of emotions, or where there is nothing else.
"""

from __future__ import annotations

import csv
import io
import os
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import corpora, splits
from ser_tinyml.data.corpora import ClipName, Corpus, Refusal
from ser_tinyml.data.corpus import NOT_UNDERSTOOD, OWN, label_problem, plain_label
from ser_tinyml.files import DataError

TABLE = "labels.csv"
NEEDED, OPTIONAL = ("file", "label"), ("speaker", "session", "split", "corpus")
NOBODY = "unknown"  # speaker of clips that say nothing of who speaks

NOT_LISTED = "not in labels.csv"
NOT_USABLE = "row not usable"
CONTRADICTION = "listed with two labels"
NO_TABLE = "labels.csv not understood"

_SHARED = 0.9  # of the clips: so many have a first part that occurs under another label too
_TOO_LONG = "\0"  # heads what is beyond the columns of a row


@dataclass(kw_only=True)
class Naming:
    """What recordings are, by their names, tables and folders.

    Attributes
    ----------
    named
        Path, corpus and clip of those that can be used.
    left_out
        Path, corpus, reason and detail of those that cannot, and of rows of tables.
    taken
        What was taken for what, a sentence for each table and each folder of labels.
    """

    named: list[tuple[str, Corpus, ClipName]] = field(default_factory=list)
    left_out: list[tuple[str, str, str, str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Own:
    """A recording of one's own and what is said of it."""

    path: str
    label: str
    speaker: str = ""
    session: str = ""
    split: str = ""
    corpus: str = OWN
    note: str = ""

    @property
    def clip(self) -> ClipName:
        """The clip; its path is its name, for it has no other."""
        return ClipName(
            stem=self.path,
            speaker=self.speaker or NOBODY,
            emotion=self.label,
            session=self.session,
            given_split=self.split,
            note=self.note,
        )


def name(folder: Path | None, paths: Sequence[str]) -> Naming:
    """Say of every recording what it is.

    Parameters
    ----------
    folder
        Of the recordings; None: there are no tables.
    paths
        Of the recordings, relative to it.
    """
    found = Naming()
    listed, governed = _from_tables(folder, paths, found) if folder else ([], set())
    done = {row.path for row in listed} | {path for path, *_ in found.left_out}
    unknown = _identified([path for path in paths if path not in done], governed, found)
    in_folders = _from_folders(unknown, alone=not found.named, found=found)
    used = {row.path for row in in_folders} | {path for path, *_ in found.left_out}
    nobody = "no corpus names a file so, and no labels.csv names it"
    found.left_out += [(path, "", NOT_UNDERSTOOD, nobody) for path in unknown if path not in used]
    for row in _spelled_alike([*listed, *in_folders]):
        found.named.append((row.path, corpora.named(row.corpus), row.clip))
    return found


def _identified(paths: Iterable[str], governed: set[PurePosixPath], found: Naming) -> list[str]:
    """Take what corpora name so; the paths that nobody knows are returned.

    Parameters
    ----------
    governed
        Folders for which a table speaks: what nobody knows there is left out.
    """
    unknown = []
    for path in paths:
        match corpora.identify(PurePosixPath(path)):
            case None if governed.intersection(PurePosixPath(path).parents):
                found.left_out.append((path, "", NOT_LISTED, f"the {TABLE} above does not name it"))
            case None:
                unknown.append(path)
            case corpus, Refusal() as refusal:
                found.left_out.append((path, corpus.name, refusal.reason, refusal.detail))
            case corpus, ClipName() as clip:
                found.named.append((path, corpus, clip))
    return unknown


def read(path: str | Path) -> pd.DataFrame:
    """Read a table of labels as spreadsheets and people write it.

    Commas, semicolons or tabs; UTF-8 with or without a mark, UTF-16 or Windows-1252; any case and
    order of the columns. Empty lines are passed over.

    Returns
    -------
    table
        Text, stripped. Columns in lower case, file and label among them, and ``beyond``: what a row
        has more than the header. The index is the number of the line, where no text breaks lines.

    Raises
    ------
    DataError
        If it is no table, or lacks the column file or label.
    """
    text = _decoded(files.read_bytes(path)).lstrip("\r\n")
    first = text.splitlines()[0] if text else ""
    separator = max(",;\t", key=first.count)
    header = next(csv.reader([first], delimiter=separator, skipinitialspace=True), [])
    columns = [column.strip().casefold() for column in header]
    while columns and not columns[-1]:
        columns.pop()
    if not set(NEEDED) <= set(columns) or len(set(columns)) < len(columns):
        raise DataError(
            f"{path}: expected a header with {' and '.join(NEEDED)}, each column once, "
            f"found {', '.join(columns) or 'nothing'}"
        )
    width = len(columns)
    try:
        table = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=None,
            skiprows=1,
            names=[*columns, "beyond"],
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            skip_blank_lines=False,
            engine="python",
            on_bad_lines=lambda row: [*row[:width], separator.join(row[width:])],
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise DataError(f"{path}: expected a table, found: {error}") from error
    table = table.fillna("").apply(lambda column: column.str.strip())
    table.index = pd.RangeIndex(2, len(table) + 2)
    return table[(table != "").any(axis=1)]


def append(folder: str | Path, rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Add rows to a folder's table of labels; what is in it stays, other columns too.

    Parameters
    ----------
    rows
        With file and label, and speaker and session, each.

    Returns
    -------
    table
        All rows.
    """
    path = Path(folder) / TABLE
    before = read(path).drop(columns="beyond") if path.is_file() else pd.DataFrame()
    table = pd.concat([before, pd.DataFrame(rows, dtype=str)], ignore_index=True)
    wanted = [column for column in (*NEEDED, "speaker", "session") if column not in before]
    table = table.reindex(columns=[*before.columns, *wanted], fill_value="").fillna("")
    if rows:
        files.write_table(path, table)
    return table


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _from_tables(
    folder: Path, paths: Sequence[str], found: Naming
) -> tuple[list[_Own], set[PurePosixPath]]:
    """The rows of all tables below a folder, and the folders that tables speak for."""
    known = {_alike(path): path for path in paths} | {path: path for path in paths}
    rows: list[tuple[str, _Own]] = []
    governed = set()
    for place, *_ in files.listing(folder):
        if PurePosixPath(place).name.casefold() != TABLE:
            continue
        try:
            table = read(folder / place)
        except DataError as error:
            said = str(error).removeprefix(f"{folder / place}: ")
            found.left_out.append((place, "", NO_TABLE, said))
            continue
        governed.add(PurePosixPath(place).parent)
        mine = []
        for line, row in table.iterrows():
            own = _row({**dict.fromkeys(OPTIONAL, ""), **row}, place, folder, known)
            if isinstance(own, _Own):
                mine.append(own)
            else:
                detail = f"{place}, line {line}: {own}"
                found.left_out.append((row["file"] or place, "", NOT_USABLE, detail))
        mine, whose = _with_speakers(mine)
        rows += [(place, own) for own in mine]
        found.taken.append(_said(f"{place} names", mine, whose))
    return _once_each(rows, found), governed


def _row(row: Mapping[str, str], place: str, folder: Path, known: Mapping[str, str]) -> _Own | str:
    """A row of a table; or why it cannot be used."""
    label, corpus, split = plain_label(row["label"]), row["corpus"] or OWN, row["split"].casefold()
    path, note = _find(row["file"], place, folder, known)
    for good, why in (
        (row["file"], "no file is named"),
        (not row["beyond"], f"more fields than the header has: {row['beyond']}"),
        (label, "no label"),
        (not label_problem(label), f"label {label!r}: {label_problem(label)}"),
        (split in ("", *splits.SIDES), f"split: expected {', '.join(splits.SIDES)}, found {split}"),
        (corpora.is_free(corpus), f"corpus: expected a name of one's own, found {corpus!r}"),
        (path, note),
    ):
        if not good:
            return why
    return _Own(
        path=path,
        label=label,
        speaker=plain_label(row["speaker"]),
        session=plain_label(row["session"]),
        split=split,
        corpus=corpus,
        note=note,
    )


def _find(text: str, place: str, folder: Path, known: Mapping[str, str]) -> tuple[str, str]:
    """The recording that a table names: its path and a note, or no path and why there is none."""
    where = posixpath.dirname(place)
    if Path(text).is_absolute():
        text, where = Path(os.path.relpath(text, folder.resolve())).as_posix(), ""
    wanted = [posixpath.normpath(posixpath.join(where, t)) for t in (text, text.replace("\\", "/"))]
    for path in wanted:
        if path in known:
            return path, ""
    for path in wanted:
        if _alike(path) in known:
            return known[_alike(path)], f"written {PurePosixPath(path).name} in {TABLE}"
    path = wanted[1]
    if path == ".." or path.startswith("../"):
        return "", f"{text} is outside the folder of recordings"
    if (folder / path).is_dir():
        return "", f"{text} is a folder"
    if (folder / path).exists():
        return "", f"{text} is no recording that is read here"
    return "", f"there is no file {text}"


def _alike(path: str) -> str:
    """A path as systems compare it that know neither case nor how an accent is written."""
    return unicodedata.normalize("NFC", path).casefold()


def _once_each(rows: Sequence[tuple[str, _Own]], found: Naming) -> list[_Own]:
    """One row a recording; none of one that is named with two labels, or two of anything."""
    of_path: dict[str, list[tuple[str, _Own]]] = {}
    for place, row in rows:
        of_path.setdefault(row.path, []).append((place, row))
    kept = []
    for path, all_rows in of_path.items():
        first = all_rows[0][1]
        if len({replace(row, note="") for _, row in all_rows}) == 1:
            twice = f"listed {len(all_rows)} times" if len(all_rows) > 1 else ""
            kept.append(replace(first, note="; ".join(filter(None, [first.note, twice]))))
            continue
        said = " and ".join(
            ", ".join(filter(None, [f"{row.label!r}", row.speaker, row.session, row.split]))
            + f" ({place})"
            for place, row in all_rows
        )
        found.left_out.append((path, first.corpus, CONTRADICTION, said))
    return kept


def _from_folders(unknown: Sequence[str], *, alone: bool, found: Naming) -> list[_Own]:
    """Recordings whose folders are their labels: <label>/[<speaker>/[<session>/]]<name>."""
    roots = _roots(unknown, alone=alone)
    rows = []
    for root in roots:
        mine = []
        for path in unknown:
            if PurePosixPath(root) not in PurePosixPath(path).parents[1:]:
                continue
            label, *below = PurePosixPath(path).relative_to(root).parts[:-1]
            label = plain_label(label)
            if why := label_problem(label):
                found.left_out.append((path, "", NOT_USABLE, f"folder {label!r}: {why}"))
                continue
            speaker, session = (*below[:2], "", "")[:2]
            mine.append(_Own(path=path, label=label, speaker=speaker, session=session))
        above = PurePosixPath(root).name if len(roots) > 1 else ""
        mine, whose = _with_speakers(mine, above=above)
        rows += mine
        found.taken.append(_said(f"the folders in {root}/ are taken for labels:", mine, whose))
    return rows


def _roots(unknown: Iterable[str], *, alone: bool) -> list[str]:
    """Folders whose folders are labels: two or more are named after emotions, or all there is."""
    inside: dict[str, set[str]] = {}
    for path in unknown:
        parts = PurePosixPath(path).parts[:-1]
        for depth, part in enumerate(parts):
            inside.setdefault("/".join(parts[:depth]) or ".", set()).add(part)
    emotions = set(corpora.emotions())
    roots: list[str] = []
    for root in sorted(inside, key=lambda one: (one != ".", one.count("/"), one)):
        names = {plain_label(part).casefold() for part in inside[root]}
        within = any(PurePosixPath(other) in PurePosixPath(root).parents for other in roots)
        if len(names & emotions) > 1 and not within:
            roots.append(root)
    if not roots and alone and len(inside.get(".", ())) > 1:
        return ["."]
    return roots


def _with_speakers(rows: list[_Own], *, above: str = "") -> tuple[list[_Own], str]:
    """Rows that say who speaks, as far as their files' names tell; and how that is known."""
    silent = [row for row in rows if not row.speaker]
    if not silent:
        return rows, "each says who speaks"
    if above:
        parts, whose = {row.path: above for row in silent}, f"the speaker is {above}"
    elif parts := _first_parts(silent):
        names = ", ".join(sorted({*parts.values()})[:6])
        whose = f"who speaks is the first part of a file's name: {names}"
    else:
        whose = "nothing says who speaks, so all are taken for one speaker"
    return [replace(row, speaker=row.speaker or parts.get(row.path, "")) for row in rows], whose


def _first_parts(rows: Sequence[_Own]) -> dict[str, str]:
    """Path -> first part of the file's name, where these are speakers; otherwise nothing.

    Speakers say more than one label, and more than one thing. A number or a date is none, nor is
    the label itself.
    """
    parts = {}
    for row in rows:
        stem = PurePosixPath(row.path).stem
        part, *more = re.split(r"[\s_.-]+", stem, maxsplit=1)
        if not more:  # anna1
            part = re.sub(r"\d+$", "", stem) if stem[-1:].isdigit() else ""
        part = part.casefold()
        if not re.search(r"[^\W\d_]", part) or part == row.label.casefold():
            return {}
        parts[row.path] = part
    of_part: dict[str, set[str]] = {}
    for row in rows:
        of_part.setdefault(parts[row.path], set()).add(row.label)
    shared = sum(len(of_part[part]) > 1 for part in parts.values())
    return parts if shared >= _SHARED * len(rows) and 2 * len(of_part) <= len(rows) else {}


def _spelled_alike(rows: Sequence[_Own]) -> list[_Own]:
    """Rows whose labels differ in more than case: emotions as all spell them, others as most do."""
    spellings = Counter(row.label for row in rows)
    of_label = {emotion: emotion for emotion in corpora.emotions()}
    for label, _ in sorted(spellings.items(), key=lambda item: (-item[1], item[0])):
        of_label.setdefault(label.casefold(), label)
    changed = []
    for row in rows:
        label = of_label[row.label.casefold()]
        said = "" if label == row.label else f"label {row.label} read as {label}"
        note = "; ".join(filter(None, [row.note, said]))
        changed.append(replace(row, label=label, note=note))
    return changed


def _said(what: str, rows: Sequence[_Own], whose: str) -> str:
    names = sorted({row.label for row in rows})
    speakers = len({row.speaker for row in rows})
    return (
        f"{what} {len(rows)} clips of {len(names)} labels ({', '.join(names[:12])}"
        f"{', …' if len(names) > 12 else ''}) by {speakers} speaker{'s' * (speakers != 1)}; {whose}"
    )
