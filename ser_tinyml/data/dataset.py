"""Scan a folder of recordings into a table, a row a clip, and a list of what was left out."""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from tqdm import tqdm

from ser_tinyml import files
from ser_tinyml.sound import audio
from ser_tinyml.data.corpora import CORPORA, EMOTIONS, ClipName, Corpus, Refusal, corpus, demo, identify

SUFFIXES = (".wav", ".flac", ".ogg")
SILENT_PEAK = 1e-3  # of full scale, -60 dB; the quietest clip of RAVDESS peaks at 4.5e-3
FULL_SCALE = 32767 / 32768
LONGEST = 600.0  # s; no clip is longer than 10 s, a header that claims this is broken

POINTER = "Git LFS pointer"
UNREADABLE = "unreadable"
TRUNCATED = "truncated"
EMPTY = "empty"
NOT_FINITE = "not finite"
SILENT = "silent"
SYNTHETIC = "synthetic"
SECOND_COPY = "second copy"
SAME_NAME = "same name, different sound"
SAME_SOUND = "same sound"
TWO_LABELS = "same sound, two labels"

CLIP_COLUMNS = (
    *("key", "corpus", "speaker", "sex", "emotion", "intensity", "sentence", "repetition", "path"),
    *("sample_rate", "channels", "duration_s", "rms", "peak", "sha256", "note"),
)
LEFT_OUT_COLUMNS = ("path", "corpus", "reason", "detail")

_POINTER_START = b"version https://git-lfs"
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
    """

    folder: Path
    clips: pd.DataFrame
    left_out: pd.DataFrame
    completeness: pd.DataFrame
    synthetic: bool


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file on its way through the scan; what it sounds like is filled in by `_listen`."""

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


def scan(folder: str | Path, *, progress: bool = True, jobs: int | None = None) -> Scan:
    """Read every recording below a folder, whatever the layout.

    A file that cannot be used is left out with a reason; it never stops the scan.

    Parameters
    ----------
    folder
        Holds .wav, .flac or .ogg files at any depth; links to folders are followed.
    progress
        Show a progress bar.
    jobs
        Files decoded at a time; by default one a core.

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
    named: list[tuple[str, Corpus, ClipName]] = []
    for path in paths:
        match identify(PurePosixPath(path)):
            case None:
                left_out.append(_row(path, "", corpus.NOT_UNDERSTOOD, "no corpus names a file so"))
            case found, Refusal() as refusal:
                left_out.append(_row(path, found.name, refusal.reason, refusal.detail))
            case found, ClipName() as name:
                named.append((path, found, name))

    heard: list[_File] = []
    with ThreadPoolExecutor(max_workers=jobs or os.cpu_count() or 1) as pool:
        sounds = pool.map(lambda entry: _listen(folder / entry[0]), named)
        bar = tqdm(
            sounds, "listening", len(named), unit=" clips", disable=not progress, mininterval=1
        )
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
    )


def left_out_by_reason(scan: Scan) -> pd.DataFrame:
    """Count what was left out: corpus, reason, files, and the first file as an example."""
    groups = scan.left_out.groupby(["corpus", "reason"], sort=True)
    return groups.agg(files=("path", "size"), example=("path", "first")).reset_index()


def notes(scan: Scan) -> pd.DataFrame:
    """Count what was kept with a note: corpus, note, clips, and the first clip as an example."""
    rows = [
        (row.corpus, note, row.path)
        for row in scan.clips.itertuples()
        for note in row.note.split("; ")
        if note
    ]
    table = pd.DataFrame(rows, columns=["corpus", "note", "path"])
    groups = table.groupby(["corpus", "note"], sort=True)
    return groups.agg(clips=("path", "size"), example=("path", "first")).reset_index()


def report(scan: Scan) -> str:
    """Say in a few lines how complete each corpus is, and what was left out and why."""
    lines = [f"{len(scan.clips)} clips in {scan.folder}"]
    if scan.synthetic:
        lines.append("synthetic: they prove the machinery, never accuracy")
    lines += [f"  {row.corpus}: {row.state}" for row in scan.completeness.itertuples()]
    lines.append(f"{len(scan.left_out)} files left out")
    lines += [
        f"  {row.corpus or 'no corpus'}: {row.files} {row.reason}, such as {row.example}"
        for row in left_out_by_reason(scan).itertuples()
    ]
    return "\n".join(lines)


def origin(scan: Scan) -> str:
    """Say plainly whether these are people's recordings, in a sentence for a notebook."""
    if scan.synthetic:
        return (
            "**These recordings are synthetic**, spoken by a computer. They prove that the "
            "machinery works, never how accurate a model is: no figure below is a result."
        )
    return "These are published recordings of people, each corpus under its own licence."


def summary(scan: Scan) -> dict[str, Any]:
    """The scan's numbers, for a metrics.json."""
    clips = scan.clips
    speakers = clips["speaker"].nunique()
    return {
        "synthetic": scan.synthetic,
        "clips": len(clips),
        "hours": clips["duration_s"].sum() / 3600,
        "speakers": speakers,
        "clips_by_corpus": dict(Counter(clips["corpus"])),
        "clips_by_emotion": dict(Counter(clips["emotion"])),
        "left_out": len(scan.left_out),
        "left_out_by_reason": dict(Counter(scan.left_out["reason"])),
        "completeness": scan.completeness.set_index("corpus").to_dict(orient="index"),
        "headline": [f"{len(clips)} clips of {speakers} speakers, {len(scan.left_out)} left out"],
    }


def examples(clips: pd.DataFrame, *, speaker: str | None = None) -> pd.DataFrame:
    """One clip an emotion of one speaker, in the order of EMOTIONS.

    Parameters
    ----------
    clips
        The table of a scan.
    speaker
        For example "RAVDESS-12"; by default the first of those with the most emotions.

    Raises
    ------
    DataError
        If the speaker has no clip.
    """
    if speaker is None:
        speaker = clips.groupby("speaker")["emotion"].nunique().idxmax()
    chosen = clips[clips["speaker"] == speaker]
    if chosen.empty:
        known = ", ".join(sorted(set(clips["speaker"]))[:6])
        raise files.DataError(f"{speaker}: expected a speaker of the table, such as {known}")
    # the same words and the strongest acting where the corpus has them
    order = ["sentence", "intensity", "key"]
    first = chosen.sort_values(order, ascending=[True, False, True]).groupby("emotion").head(1)
    rank = first["emotion"].map(EMOTIONS.index)
    return first.iloc[np.argsort(rank.to_numpy(), kind="stable")].reset_index(drop=True)


def read_example(clip: Any, folder: str | Path) -> np.ndarray:
    """Read one clip of the table at 16 kHz, to look at and listen to [shape=(n,)]."""
    return audio.read_audio(Path(folder) / clip.path, sample_rate=16_000)[0]


def _row(path: str, corpus_name: str, reason: str, detail: str) -> dict[str, str]:
    return dict(zip(LEFT_OUT_COLUMNS, (path, corpus_name, reason, detail), strict=True))


def _walk(folder: Path) -> tuple[list[str], list[dict[str, str]]]:
    """List the recordings below a folder, and the folders that are left out whole.

    Hidden folders, where downloads are under way, and the Mac's archive leftovers are passed by.
    """
    recordings: list[str] = []
    left_out: list[dict[str, str]] = []
    seen: set[str] = set()

    def relative(path: str | Path) -> str:
        return Path(path).relative_to(folder).as_posix()

    def closed(error: OSError) -> None:
        left_out.append(_row(relative(error.filename), "", UNREADABLE, str(error.strerror)))

    for here, folders, names in os.walk(folder, followlinks=True, onerror=closed):
        real = os.path.realpath(here)
        nested_demo = Path(here) != folder and demo.MARKER in names
        if nested_demo:
            detail = f"{demo.MARKER} in it: scan it alone, not among recordings"
            left_out.append(_row(relative(here), "", SYNTHETIC, detail))
        if nested_demo or real in seen:  # seen: a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(one for one in folders if one[0] != "." and one != "__MACOSX")
        recordings += [
            relative(Path(here, name)) for name in names if name.lower().endswith(SUFFIXES)
        ]
    return sorted(recordings), left_out


def _listen(path: Path) -> dict[str, Any] | Refusal:
    """Decode a file whole and measure it as the later stages hear it: its channels averaged."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            start = stream.read(len(_POINTER_START))
        if not size:
            return Refusal(reason=EMPTY, detail="0 bytes")
        if start == _POINTER_START:
            return Refusal(reason=POINTER, detail=f"{size} bytes of text: run git lfs pull")
        lost = _what_is_missing(path, size)
        if lost:
            return Refusal(reason=TRUNCATED, detail=lost)
        with soundfile.SoundFile(path) as file:
            rate, promised = file.samplerate, file.frames
            if promised > LONGEST * rate:
                return Refusal(reason=UNREADABLE, detail=f"claims to last {promised / rate:.0f} s")
            samples = file.read(dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        return Refusal(reason=UNREADABLE, detail=str(error).replace(str(path), path.name))
    if len(samples) < promised:
        detail = f"{promised} samples promised, {len(samples)} there"
        return Refusal(reason=TRUNCATED, detail=detail)
    if not len(samples):
        return Refusal(reason=EMPTY, detail="a header without samples")
    finite = np.isfinite(samples)
    if not finite.all():
        count = np.count_nonzero(~finite.all(axis=1))
        return Refusal(reason=NOT_FINITE, detail=f"{count} samples are NaN or infinite")
    return _measure(samples, rate)


def _measure(samples: np.ndarray, rate: int) -> dict[str, Any] | Refusal:
    """Level, length and fingerprint.

    The fingerprint is the SHA-256 of the averaged channels, rounded to 16-bit little-endian
    integers. A copy as .wav and one as .flac, in mono and in twice the same channel, share it.

    Parameters
    ----------
    samples [shape=(n, channels)]
    """
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    peak = float(np.abs(mono).max())
    if peak < SILENT_PEAK:
        return Refusal(reason=SILENT, detail=f"peak {peak:.2g}, expected at least {SILENT_PEAK}")
    integers = np.clip(np.rint(mono * 32768), -32768, 32767).astype("<i2")
    remarks = []
    if samples.shape[1] > 1:
        identical = (samples == samples[:, :1]).all()
        remarks.append("channels identical" if identical else "channels averaged")
    if np.abs(samples).max() >= FULL_SCALE:
        remarks.append("reaches full scale")
    return {
        "sample_rate": rate,
        "channels": samples.shape[1],
        "duration_s": round(len(samples) / rate, 6),
        "rms": float(f"{np.sqrt(np.mean(np.square(mono, dtype=np.float64))):.6g}"),
        "peak": float(f"{peak:.6g}"),
        "sha256": files.sha256_bytes(integers.tobytes()),
        "note": "; ".join(remarks),
    }


def _what_is_missing(path: Path, size: int) -> str:
    """Say what a cut-off .wav or .ogg lacks; libsndfile reads up to the cut and says nothing."""
    with open(path, "rb") as stream:
        start = stream.read(12)
        if start[:4] == b"RIFF" and start[8:] == b"WAVE":
            return _missing_from_wav(stream, size)
        if start[:4] == b"OggS":
            # a page is at most 65,307 bytes long, so the last one begins in here
            stream.seek(max(0, size - 65_307))
            return _missing_from_ogg(stream.read())
    return ""


def _missing_from_wav(stream: Any, size: int) -> str:
    block = 1
    while len(header := stream.read(8)) == 8:
        kind, length = struct.unpack("<4sI", header)
        here = stream.tell()
        if kind == b"fmt ":
            block = max(1, int.from_bytes(stream.read(14)[12:], "little"))
        if kind == b"data":
            # a program that writes into a pipe cannot know the length and leaves 0 or all ones
            unknown = length in (0, 0xFFFFFFFF)
            there, promised = (size - here) // block, length // block
            short = not unknown and there < promised
            return f"{promised} samples promised, {there} there" if short else ""
        stream.seek(here + length + length % 2)
    return ""


def _missing_from_ogg(tail: bytes) -> str:
    start = tail.rfind(b"OggS")
    if start < 0 or len(tail) < start + 27:
        return "no last page"
    flags, segments = tail[start + 5], tail[start + 26]
    lengths = tail[start + 27 : start + 27 + segments]
    end = start + 27 + segments + sum(lengths)
    if not flags & 4 or len(lengths) < segments or len(tail) < end:
        return "the last page does not end the stream"
    return ""


def _without_doubles(heard: Iterable[_File]) -> tuple[list[_File], list[dict[str, str]]]:
    """Keep one of each sound under one label, and none where the labels disagree."""
    left_out: list[dict[str, str]] = []

    def leave_out(file: _File, reason: str, detail: str) -> None:
        left_out.append(_row(file.path, file.corpus.name, reason, detail))

    unique = []
    for copies in _grouped(heard, lambda file: file.key):
        first, *others = copies
        if all(other.sound["sha256"] == first.sound["sha256"] for other in others):
            unique.append(first)
            for other in others:
                leave_out(other, SECOND_COPY, f"of {first.path}")
        else:
            for file in copies:
                rest = ", ".join(other.path for other in copies if other is not file)
                leave_out(file, SAME_NAME, f"as {rest}")

    kept = []
    for twins in _grouped(unique, lambda file: file.sound["sha256"]):
        first, *others = twins
        if all(other.label == first.label for other in others):
            kept.append(first)
            for other in others:
                leave_out(other, SAME_SOUND, f"as {first.path}")
        else:
            for file in twins:
                rest = ", ".join(other.path for other in twins if other is not file)
                leave_out(file, TWO_LABELS, f"as {rest}")
    return sorted(kept, key=lambda file: file.key), left_out


def _grouped(items: Iterable[_File], key: Any) -> list[list[_File]]:
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
    for one in CORPORA:
        names = [name for path, found, name in named if found is one and path not in not_heard]
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
                "speakers": f"{len(speakers)} of {len(one.speakers)}",
                "state": _state(found, one, absent),
            }
        )
    return pd.DataFrame(rows)


def _state(found: int, one: Corpus, absent: Sequence[str]) -> str:
    if not found:
        return "absent"
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
    wanted = "RAVDESS, TESS, SAVEE or CREMA-D"
    message = f"{folder}: expected recordings of {wanted} (.wav, .flac, .ogg), found "
    if not left_out:
        return message + "none at any depth"
    reasons = Counter(row["reason"] for row in left_out).most_common()
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons)
    first = ", ".join(row["path"] for row in left_out[:3])
    return message + f"{len(left_out)} that cannot be used ({counts}): {first}"
