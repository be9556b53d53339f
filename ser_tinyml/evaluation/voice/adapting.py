"""What adapting to one voice is worth: speakers of the folds give clips, and are tested on others.

Each is answered by the nets of its fold, which never heard it. That the person's clips and the
tested ones are of one session and one microphone flatters the result.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ser_tinyml import metrics
from ser_tinyml.data import corpora
from ser_tinyml.evaluation import cross_validation
from ser_tinyml.evaluation.cross_validation import Finished
from ser_tinyml.evaluation.trials import Material, Settings
from ser_tinyml.files import DataError
from ser_tinyml.tflite import answer_layer
from ser_tinyml.tflite.answer_layer import AnswerLayer, HiddenStatistics
from ser_tinyml.tflite.release import Release
from ser_tinyml.training import adaptation
from ser_tinyml.training.adaptation import AdaptationConfig

CLIPS_A_CLASS = (1, 3, 5, 10)
DRAWS = 3
LEFT = 2  # clips of each class that are kept for the test at least
COLUMNS = ["corpus", "speaker", "sentence", "label_id"]
SPEAKERS, CORPORA = "mean of speakers", "mean of corpora"


@dataclass(frozen=True)
class Fold:
    """The test clips of a trial, as its last layer reads them.

    Attributes
    ----------
    trial
        What was trained.
    clips
        Columns COLUMNS, a line a clip, indexed from 0.
    hidden [shape=(n, n_hidden)]
        From `adaptation.hidden_values`.
    tflite
        The int8 model.
    statistics
        Of the hidden values of its training clips.
    """

    trial: Finished
    clips: pd.DataFrame
    hidden: np.ndarray
    tflite: bytes
    statistics: HiddenStatistics


def folds_of(
    material: Material, settings: Sequence[Settings], trial_folders: Sequence[Path]
) -> Iterator[Fold]:
    """The test clips of finished trials, heard on TFLite Micro.

    Parameters
    ----------
    material, settings, trial_folders
        What `trials.run` was given, and what it returned.

    Raises
    ------
    DataError
        If a model was made without what adapting goes by.
    """
    sentences = material.clips.set_index("key")["sentence"]
    for trial, one in zip(cross_validation.finished(trial_folders), settings, strict=True):
        rows = trial.answers()
        release = Release.load(trial.folder)
        features = cross_validation.clean_features(material, one, rows["key"])
        yield Fold(
            trial,
            rows.assign(sentence=rows["key"].map(sentences))[COLUMNS],
            adaptation.hidden_values(release.tflite, release.normalisation.apply(features)),
            release.tflite,
            release.hidden,
        )


def draw(
    clips: pd.DataFrame, clips_a_class: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose what a person gives, and what is tested.

    Where each class has enough clips of some sentences and others besides, the test is on other
    sentences than those given. Where not, on other clips; and of a class that has too few, all
    but `LEFT` are given, or all but one where there are no more than `LEFT`.

    Parameters
    ----------
    clips
        Of one speaker: columns sentence and label_id.

    Returns
    -------
    given, tested
        Places in the table.
    """
    labels, sentences = clips["label_id"].to_numpy(), clips["sentence"].astype(str).to_numpy()
    classes, heard = np.unique(labels), np.zeros(len(labels), bool)

    def each_class(chosen: np.ndarray, least: int) -> bool:
        return all(np.count_nonzero(chosen & (labels == one)) >= least for one in classes)

    for sentence in rng.permutation(np.unique(sentences)):
        heard |= sentences == sentence
        if each_class(heard, clips_a_class):
            break
    if each_class(heard, clips_a_class) and each_class(~heard, 1):
        of_class = [np.flatnonzero(heard & (labels == one)) for one in classes]
        given = [rng.permutation(places)[:clips_a_class] for places in of_class]
        return np.sort(np.concatenate(given)), np.flatnonzero(~heard)
    given = []
    for one in classes:
        places = rng.permutation(np.flatnonzero(labels == one))
        most = len(places) - LEFT if len(places) > LEFT else len(places) - 1
        given.append(places[: min(clips_a_class, most)])
    places = np.sort(np.concatenate(given))
    return places, np.setdiff1d(np.arange(len(labels)), places)


def scores(
    fold: Fold,
    *,
    clips_a_class: Sequence[int] = CLIPS_A_CLASS,
    draws: int = DRAWS,
    config: AdaptationConfig | None = None,
) -> pd.DataFrame:
    """Every speaker of a fold, before and after adapting to some of their clips.

    The adapted layer is scored as the int8 model holds it.

    Returns
    -------
    table
        A line a speaker, number of clips and draw: fold, seed, corpus, speaker, clips_a_class,
        draw, given, tested, before and after (UAR of the tested clips), and others: by how much
        the UAR of the other speakers in the pool changes.

    Raises
    ------
    DataError
        If no speaker has two clips of a class.
    """
    before = answer_layer.read(fold.tflite)
    pool = corpora.pool(fold.clips)
    lines = []
    for (corpus, speaker), clips in fold.clips.groupby(["corpus", "speaker"]):
        others = pool.index[pool["speaker"] != speaker]
        for count, number, given, tested in _draws(clips, clips_a_class, draws):
            after = _adapted(fold, given, before=before, config=config)
            lines.append(
                {
                    **fold.trial.where,
                    "corpus": corpus,
                    "speaker": speaker,
                    "clips_a_class": count,
                    "draw": number,
                    "given": len(given),
                    "tested": len(tested),
                    "before": _uar(fold, tested, before),
                    "after": _uar(fold, tested, after),
                    "others": _uar(fold, others, after) - _uar(fold, others, before),
                }
            )
    if not lines:
        raise DataError("speakers: expected two clips of a class of one of them, found none")
    return pd.DataFrame(lines)


def ceiling(fold: Fold) -> pd.DataFrame:
    """Every speaker, adapted to all clips and tested on the very same: no score, but a limit.

    Returns
    -------
    table
        A line a speaker: fold, seed, corpus, speaker, before and after (UAR of all clips).
    """
    before = answer_layer.read(fold.tflite)
    lines = []
    for (corpus, speaker), clips in fold.clips.groupby(["corpus", "speaker"]):
        places = clips.index.to_numpy()
        after = _adapted(fold, places, before=before, config=None)
        found = {"before": _uar(fold, places, before), "after": _uar(fold, places, after)}
        lines.append({**fold.trial.where, "corpus": corpus, "speaker": speaker, **found})
    return pd.DataFrame(lines)


def _draws(
    clips: pd.DataFrame, counts: Sequence[int], draws: int
) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Clips a class, number of the draw, index of what is given and of what is tested.

    Of a speaker who has no two clips of any class there is nothing to give.
    """
    speaker = zlib.crc32(str(clips["speaker"].iloc[0]).encode())
    for count in counts:
        for number in range(draws):
            given, tested = draw(clips, count, np.random.default_rng([speaker, count, number]))
            if len(given):
                yield count, number, clips.index[given].to_numpy(), clips.index[tested].to_numpy()


def _adapted(
    fold: Fold, given: np.ndarray, *, before: AnswerLayer, config: AdaptationConfig | None
) -> AnswerLayer:
    """The layer that a person's clips make, as int8 holds it."""
    labels = fold.clips["label_id"].to_numpy()[given]
    after = adaptation.fit(
        fold.hidden[given], labels, layer=before, statistics=fold.statistics, config=config
    )
    return after.rounded()


def _uar(fold: Fold, places: np.ndarray, layer: AnswerLayer) -> float:
    labels = fold.clips["label_id"].to_numpy()[places]
    answers = layer.logits(fold.hidden[places]).argmax(axis=1)
    return metrics.uar(labels, answers)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """What is gained, by corpus: mean over speakers, in points of UAR.

    Parameters
    ----------
    table
        From `scores`, of one fold or several.

    Returns
    -------
    summary
        Index: clips a class; columns: each corpus, `SPEAKERS` and `CORPORA` (of those in the
        pool), "worst tenth" (10th percentile of the gain over speakers in the pool) and "other
        speakers" (what they gain or lose).
    """
    points = table.assign(
        gain=100 * (table["after"] - table["before"]), others=100 * table["others"]
    )
    keys = ["clips_a_class", "corpus", "speaker"]
    of_speaker = points.groupby(keys, as_index=False)[["gain", "others"]].mean()
    found = of_speaker.pivot_table(index="clips_a_class", columns="corpus", values="gain")
    found = found[corpora.order(found.columns)]
    pool = corpora.pool(of_speaker).groupby("clips_a_class")
    found[SPEAKERS] = pool["gain"].mean()
    found[CORPORA] = found[corpora.pooled(table["corpus"])].mean(axis=1)
    found["worst tenth"] = pool["gain"].quantile(0.1)
    found["other speakers"] = of_speaker.groupby("clips_a_class")["others"].mean()
    return found
