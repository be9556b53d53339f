"""Say what a scan found, in tables, in words and in numbers, and show examples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import corpora
from ser_tinyml.data.dataset import Scan
from ser_tinyml.sound import reading


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
    lines += scan.taken
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
    present = set(scan.clips["corpus"])
    published = present & {corpus.name for corpus in corpora.all()}
    said = "These are published recordings of people, each corpus under its own licence."
    own = "These are recordings of your own: who speaks in them decides what becomes of them."
    return " ".join([said] * bool(published) + [own] * (present != published))


def taken(scan: Scan) -> str:
    """Say what was taken for labels of one's own, as a list for a notebook."""
    if not scan.taken:
        return "No folder and no `labels.csv` was taken for labels: names of corpora say all."
    return "\n".join(f"- {sentence}" for sentence in scan.taken)


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
        "taken": scan.taken,
        "left_out": len(scan.left_out),
        "left_out_by_reason": dict(Counter(scan.left_out["reason"])),
        "completeness": scan.completeness.set_index("corpus").to_dict(orient="index"),
        "headline": [
            f"{len(clips)} clips of {speakers} speakers, {len(scan.left_out)} left out",
            *scan.taken,
        ],
    }


def examples(clips: pd.DataFrame, *, speaker: str | None = None) -> pd.DataFrame:
    """One clip an emotion of one speaker, in the order of `corpora.order_emotions`.

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
    rank = first["emotion"].map(corpora.order_emotions(first["emotion"]).index)
    return first.iloc[np.argsort(rank.to_numpy(), kind="stable")].reset_index(drop=True)


def read_example(clip: Any, folder: str | Path) -> np.ndarray:
    """Read one clip of the table at 16 kHz, to look at and listen to [shape=(n,)]."""
    return reading.read_audio(Path(folder) / clip.path, sample_rate=16_000)[0]
