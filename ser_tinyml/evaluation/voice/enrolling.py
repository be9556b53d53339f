"""What enrolment would be worth: speakers of the folds say how high they speak, and are tested.

Each is answered by the nets of its fold, which never heard it. That the sentences given and the
tested ones are of one session and one microphone flatters the result, so the sentences alone are
also heard through other microphones, rooms and noise. Notebook 09 shows what came of it: too little
for a board to ask anybody.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ser_tinyml import features
from ser_tinyml.evaluation import cross_validation, listening, trials
from ser_tinyml.evaluation.cross_validation import Finished
from ser_tinyml.evaluation.trials import Material, Settings
from ser_tinyml.features import FeatureConfig
from ser_tinyml.features.pitch import REFERENCE_HZ, VOICED
from ser_tinyml.files import DataError
from ser_tinyml.sound import degrade
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

STRENGTH = 0.75  # of a person's distance from an ordinary voice is taken off
# An ordinary voice: the geometric mean of what is typical of men, 120 Hz, and of women, 210 Hz
# (H. Traunmüller, A. Eriksson, The frequency range of the voice fundamental in the speech of male
# and female adults, 1995).
ORDINARY_HZ = 158.7
SENTENCES = 5  # that a person gives
VOICED_FRAMES = 20  # fewer of all sentences together say too little
FROM_F0 = 3  # the pitch ends a frame's values: log2 of F0, voicing, log2 of F0 over its mean
ORDINARY = "neutral"  # the emotion of the sentences that are given
CLEAN = "clean"  # the condition under which the sentences are as they were recorded
THROUGH = (CLEAN, "pink 10 dB", "band 4 kHz", "room 0.5 s", "pdm 60 dB SPL")
LEFT = 2  # sentences in an ordinary voice that are kept for the test at least


@dataclass(frozen=True)
class Enrolment:
    """How high a person ordinarily speaks.

    Attributes
    ----------
    octaves
        Mean log2 of F0 over REFERENCE_HZ, of the voiced frames.
    """

    octaves: float

    @classmethod
    def of_tracks(cls, tracks: Iterable[np.ndarray]) -> Self:
        """Take the mean pitch of some sentences.

        Parameters
        ----------
        tracks
            Of each sentence, what `features.pitch_track` gives [shape=(frames, 2)].

        Raises
        ------
        DataError
            If fewer than `VOICED_FRAMES` frames of them are voiced.
        """
        voiced = [track[track[:, 1] >= VOICED, 0] for track in tracks]
        octaves = np.concatenate([np.empty(0, np.float32), *voiced])
        if len(octaves) < VOICED_FRAMES:
            raise DataError(
                f"enrolment: expected {VOICED_FRAMES} frames of a voice or more, "
                f"found {len(octaves)}"
            )
        return cls(float(octaves.mean()))

    @property
    def hertz(self) -> float:
        """The F0."""
        return REFERENCE_HZ * 2.0**self.octaves

    @property
    def shift(self) -> float:
        """What is taken off the log2 of F0, in octaves."""
        return STRENGTH * float(np.log2(self.hertz / ORDINARY_HZ))

    def applied(self, features: np.ndarray, config: FeatureConfig) -> np.ndarray:
        """Features [shape=(…, n_inputs)] of this person, as the net is to hear them.

        Raises
        ------
        DataError
            If the features have no pitch.
        """
        if not config.pitch:
            raise DataError("enrolment: expected a model that hears the pitch, found one without")
        taken = np.zeros(config.n_values, np.float32)
        taken[-FROM_F0] = self.shift
        return features - np.tile(taken, config.stack)


def scores(
    material: Material,
    settings: Sequence[Settings],
    trial_folders: Sequence[Path],
    *,
    conditions: Sequence[str] = THROUGH,
    sentences: int = SENTENCES,
    draws: int = 3,
    jobs: int | None = None,
) -> pd.DataFrame:
    """The test clips of finished trials, before and after their speakers are enrolled.

    Speakers without `LEFT` and one more clips of the emotion `ORDINARY` are left out, and so are
    the clips that are given.

    Parameters
    ----------
    material, settings, trial_folders
        What `trials.run` was given, and what it returned.
    conditions
        Of `degrade.CONDITIONS`, under which the sentences that are given are heard; the tested
        clips are as they were recorded.
    sentences
        Of each speaker, at most.
    draws
        Choices of these sentences.

    Returns
    -------
    table
        A line for each fold, seed, condition, draw and part (a corpus, or
        the pool): n, before and after (UAR, int8).

    Raises
    ------
    DataError
        If the nets do not hear the pitch, or nobody speaks in an ordinary voice.
    """
    tables = Parallel(n_jobs=jobs or os.cpu_count())(
        delayed(_of_trial)(material, one, trial, conditions, sentences, draws)
        for one, trial in zip(settings, cross_validation.finished(trial_folders), strict=True)
    )
    found = pd.concat(tables, ignore_index=True)
    if found.empty:
        raise DataError(
            f"speakers: expected {LEFT + 1} clips or more of the emotion {ORDINARY!r} of one of "
            "them, found none"
        )
    return found


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """What enrolment gains, in points of UAR: the mean over folds, seeds and draws.

    Parameters
    ----------
    table
        From `scores`.

    Returns
    -------
    summary
        Index: condition; columns: each part.
    """
    points = table.assign(gain=100 * (table["after"] - table["before"]))
    means = points.groupby(["condition", "part"], sort=False)["gain"].mean().unstack()
    return means[table["part"].drop_duplicates()]


def levels(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Condition, part: before and after, the mean over folds, seeds and draws; for metrics.json.

    Parameters
    ----------
    table
        From `scores`.
    """
    means = table.groupby(["condition", "part"], sort=False)[["before", "after"]].mean()
    return {
        condition: lines.droplevel("condition").to_dict("index")
        for condition, lines in means.groupby("condition", sort=False)
    }


def _of_trial(
    material: Material,
    settings: Settings,
    trial: Finished,
    conditions: Sequence[str],
    sentences: int,
    draws: int,
) -> pd.DataFrame:
    release = Release.load(trial.folder)
    emotions = material.clips.set_index("key")["emotion"]
    rows = trial.answers().assign(emotion=lambda table: table["key"].map(emotions))
    ordinary = rows[rows["emotion"] == ORDINARY]
    known = ordinary.groupby("speaker")["key"].agg(list)
    known = known[known.map(len) > LEFT]
    if known.empty:
        return pd.DataFrame()
    rows = rows[rows["speaker"].isin(known.index)].reset_index(drop=True)
    inputs = cross_validation.clean_features(material, settings, rows["key"])
    runtime = TfliteMicroRuntime(release.tflite)
    columns = [f"p_{name}" for name in release.labels]
    lines = []
    for draw in range(draws):
        given = {name: _drawn(name, keys, sentences, draw) for name, keys in known.items()}
        chosen = {key for keys in given.values() for key in keys}
        tested = ~rows["key"].isin(chosen)
        before = rows[tested]
        for condition in conditions:
            voices = _voices(material, given, condition, release)
            moved = np.stack(
                [
                    voices[speaker].applied(clip, release.config)
                    for speaker, clip in zip(before["speaker"], inputs[tested], strict=True)
                ]
            )
            after = before.copy()
            after[columns] = runtime.predict(release.normalisation.apply(moved))
            where = {**trial.where, "condition": condition, "draw": draw}
            lines += _scored(before, after, release.labels, where)
    return pd.DataFrame(lines)


def _drawn(speaker: str, keys: Sequence[str], sentences: int, draw: int) -> list[str]:
    """Some clips of a speaker, the same whatever else is drawn."""
    rng = np.random.default_rng([zlib.crc32(speaker.encode()), draw])
    return list(rng.permutation(sorted(keys))[: min(sentences, len(keys) - LEFT)])


def _voices(
    material: Material, given: Mapping[str, Sequence[str]], condition: str, release: Release
) -> dict[str, Enrolment]:
    """Speaker to enrolment, from clips heard under a condition."""

    def spoken(keys: Sequence[str]) -> Iterator[np.ndarray]:
        for key, samples in listening.recordings_of(material, pd.DataFrame({"key": keys})):
            heard = degrade.degrade(samples, condition, rate=degrade.RATE, seed=0, key=key)
            yield _spoken(heard, release.config)

    return {speaker: Enrolment.of_tracks(spoken(keys)) for speaker, keys in given.items()}


def _spoken(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """The pitch of a clip, from where its features begin, as long as the model listens."""
    sound = features.prepare(samples, rate=degrade.RATE, config=config)
    start = features.onset(features.log_mel(sound, config), config)
    return features.pitch_track(sound, config)[start : start + config.n_frames]


def _scored(
    before: pd.DataFrame, after: pd.DataFrame, classes: Sequence[str], where: Mapping[str, object]
) -> list[dict[str, object]]:
    """A line a part."""
    parts = trials.parts(before)
    return [
        {
            **where,
            "part": part,
            "n": len(table),
            "before": trials.score(table, classes)["uar"],
            "after": trials.score(after.loc[table.index], classes)["uar"],
        }
        for part, table in parts.items()
    ]
