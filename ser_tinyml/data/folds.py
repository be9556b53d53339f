"""Five folds of speakers, the same for everyone, dealt once and committed as `data/folds.csv`.

The manifest names clips and folds and holds no audio. Who has other copies of the corpora keeps its
folds. A speaker it does not know is in no fold, unless the corpus itself says in which: such
speakers are trained on and never scored, so that more recordings leave the test as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import corpora
from ser_tinyml.data.corpus import N_FOLDS
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT

NO_FOLD = -1
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
        Table with columns key, corpus, sex, speaker.

    Returns
    -------
    folds
        A manifest, as `read` returns it: index key; value fold, 0 to N_FOLDS - 1.
    """
    folds = {}
    speakers = clips[["corpus", "sex", "speaker"]].drop_duplicates()
    for _, group in speakers.groupby(["corpus", "sex"]):
        names = sorted(group["speaker"])
        for index, name in enumerate(names):
            few = len(names) < N_FOLDS
            folds[name] = index * N_FOLDS // len(names) if few else index % N_FOLDS
    return clips.set_index("key")["speaker"].map(folds).rename("fold").sort_index()


def read(path: Path | None = None) -> pd.Series:
    """Read a manifest.

    Parameters
    ----------
    path
        By default the committed one.

    Returns
    -------
    folds
        Index: key; value: fold.

    Raises
    ------
    DataError
        If it is missing, a clip is named twice, or a fold is not 0 to N_FOLDS - 1.
    """
    path = MANIFEST if path is None else path
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

    A speaker whom the manifest knows by any clip is in that clip's fold, with all clips. Others are
    in the fold that their corpus gives (`Corpus.folds`), or in none.

    Parameters
    ----------
    clips
        Table with columns key, corpus, speaker.
    manifest
        From `read`; default: the committed one.

    Returns
    -------
    folds
        Index of clips; 0 to N_FOLDS - 1, or NO_FOLD.

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
    of_corpus = {
        f"{name}-{speaker}": fold
        for name in corpora.order(clips["corpus"])
        for speaker, fold in corpora.named(name).folds.items()
    }
    folds = of_corpus | of_speaker["min"].astype(int).to_dict()
    return clips["speaker"].map(folds).fillna(NO_FOLD).astype(int).rename("fold")


def without(clips: pd.DataFrame, manifest: pd.Series | None = None) -> dict[str, list[str]]:
    """Speakers in no fold, who are trained on and never scored.

    Returns
    -------
    speakers
        Corpus to its speakers in no fold, in order; corpora that have none are left out.
    """
    fold = assign(clips, manifest)
    of_corpus = clips[fold == NO_FOLD].groupby("corpus")["speaker"].unique()
    return {name: sorted(of_corpus[name]) for name in corpora.order(of_corpus.index)}


def about_those_without(speakers: Mapping[str, Sequence[str]]) -> str:
    """Say what becomes of the speakers that `without` found; empty if there are none.

    Examples
    --------
    >>> about_those_without({"SAVEE": ["SAVEE-KL"]})
    'In no fold, so trained on and never scored: 1 speaker of SAVEE.'
    """
    if not speakers:
        return ""
    counts = [
        f"{len(names)} speaker{'s' if len(names) > 1 else ''} of {corpus}"
        for corpus, names in speakers.items()
    ]
    return f"In no fold, so trained on and never scored: {', '.join(counts)}."
