"""Five folds of speakers, the same for everyone: dealt once, and committed as `data/folds.csv`.

The manifest names clips and folds and holds no audio. Who has other copies of the corpora, or more
speakers, keeps its folds: speakers it does not know are dealt to the emptiest folds.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT

N_FOLDS = 5
MANIFEST = ROOT / "data" / "folds.csv"
DEVELOPMENT = (0, 1)  # settings were chosen on these folds, trained on the others


def deal(clips: pd.DataFrame) -> pd.Series:
    """Deal speakers to folds, balanced by corpus and sex, without chance.

    Within a corpus and sex, speakers in the order of their names go to folds 0, 1, 2, … in turn.
    Fewer speakers than folds are spread over them, so that a corpus of two, tested on one speaker,
    is trained on the other.

    Parameters
    ----------
    clips
        Table with columns corpus, sex, speaker.

    Returns
    -------
    folds
        Index: speaker; value: fold, 0 to N_FOLDS - 1.
    """
    folds = {}
    for _, group in _speakers(clips).groupby(["corpus", "sex"]):
        names = sorted(group["speaker"])
        for index, name in enumerate(names):
            few = len(names) < N_FOLDS
            folds[name] = index * N_FOLDS // len(names) if few else index % N_FOLDS
    return pd.Series(folds, name="fold", dtype=int).sort_index()


def write(clips: pd.DataFrame, path: Path = MANIFEST) -> Path:
    """Write the fold of every clip, as `deal` gives it: columns key, fold."""
    fold = clips["speaker"].map(deal(clips))
    table = pd.DataFrame({"key": clips["key"], "fold": fold}).sort_values("key")
    return files.write_table(path, table)


def read(path: Path = MANIFEST) -> pd.Series:
    """Read a manifest.

    Returns
    -------
    folds
        Index: key; value: fold.

    Raises
    ------
    DataError
        If it is missing, a clip is named twice, or a fold is not 0 to N_FOLDS - 1.
    """
    table = files.read_table(path)
    if [*table.columns] != ["key", "fold"]:
        raise DataError(f"{path}: expected the columns key and fold, found {[*table.columns]}")
    twice = table["key"][table["key"].duplicated()]
    wrong = table[~table["fold"].isin(range(N_FOLDS))]
    if len(twice) or len(wrong):
        found = f"{twice.iloc[0]} twice" if len(twice) else f"fold {wrong['fold'].iloc[0]}"
        raise DataError(
            f"{path}: expected each clip once, in a fold from 0 to {N_FOLDS - 1}, found {found}"
        )
    return table.set_index("key")["fold"]


def assign(clips: pd.DataFrame, manifest: pd.Series | None = None) -> pd.Series:
    """The fold of every clip.

    A speaker whom the manifest knows by any clip is in that clip's fold, with all clips. In a
    corpus that it knows, other speakers go, in the order of their names, to the fold with the
    fewest of their corpus and sex. Corpora that it does not know are dealt as by `deal`.

    Parameters
    ----------
    clips
        Table with columns key, corpus, sex, speaker.
    manifest
        From `read`; default: the committed one.

    Returns
    -------
    folds
        Index of clips.

    Raises
    ------
    DataError
        If the manifest has one speaker in two folds.
    """
    manifest = read() if manifest is None else manifest
    known = clips["key"].map(manifest)
    of_speaker = known.groupby(clips["speaker"]).agg(["min", "max"]).dropna()
    torn = of_speaker[of_speaker["min"] != of_speaker["max"]]
    if len(torn):
        raise DataError(
            f"folds: expected each speaker in one fold, found {torn.index[0]} in "
            f"{torn['min'].iloc[0]:.0f} and {torn['max'].iloc[0]:.0f}"
        )
    folds = of_speaker["min"].astype(int).to_dict()
    for _, corpus in _speakers(clips).groupby("corpus"):
        if not corpus["speaker"].isin(list(folds)).any():
            folds |= deal(corpus).to_dict()
            continue
        for _, group in corpus.groupby("sex"):
            for name in sorted(set(group["speaker"]) - set(folds)):
                taken = [folds[other] for other in group["speaker"] if other in folds]
                folds[name] = min(range(N_FOLDS), key=lambda fold, taken=taken: taken.count(fold))
    return clips["speaker"].map(folds).rename("fold")


def _speakers(clips: pd.DataFrame) -> pd.DataFrame:
    return clips[["corpus", "sex", "speaker"]].drop_duplicates()
