"""Emotion diarisation: who feels what when, in a stream of one speaker that changes.

Utterances of a test speaker are joined, with pauses and in random order, and played to a board that
never heard the speaker. What it says is held against what was acted, second by second.

References
----------
The error is that of speaker diarisation (NIST), with emotions in place of speakers: Y. Wang,
M. Ravanelli, A. Yacoubi, Speech Emotion Diarization: Which Emotion Appears When?, 2023,
arXiv:2306.12991.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ser_tinyml import files
from ser_tinyml.data import corpora
from ser_tinyml.device.listener import Listener, Utterance
from ser_tinyml.evaluation import listening, streaming
from ser_tinyml.evaluation.cross_validation import Finished, finished
from ser_tinyml.evaluation.trials import Material
from ser_tinyml.files import DataError
from ser_tinyml.sound import degrade
from ser_tinyml.tflite.release import Release

UTTERANCES = 8  # of a stream
PAUSE_S = (0.4, 1.5)  # between two utterances; drawn uniformly
FRAME_S = 0.01  # in which times are counted
NEAR_S = 0.5  # from a boundary: what is nearer has found it
GUESS, ANSWER = "guess", "answer"  # what counts as said: the most probable label, or answers alone
ERRORS = ("missed_s", "false_alarm_s", "confused_s")


class Segment(NamedTuple):
    """A stretch of one emotion."""

    start_s: float
    end_s: float
    label: str


def stream(
    recordings: Sequence[streaming.Recording], rng: np.random.Generator
) -> tuple[np.ndarray, list[Segment]]:
    """Join utterances, in the order given, with pauses between.

    Returns
    -------
    samples [shape=(n,)]
        With a quiet room before, between, under and after them, see `streaming.play`.
    segments
        When the speech of each begins and ends, and its label.

    Raises
    ------
    DataError
        If there are no recordings, or their rates differ.
    """
    rates = {recording.rate for recording in recordings}
    if len(rates) != 1:
        raise DataError(f"stream: expected recordings of one rate, found {sorted(rates)}")
    rate = rates.pop()
    pieces, segments, at = [], [], streaming.BEFORE_S
    for recording in recordings:
        begin, end = streaming.speech_span(recording.samples, rate=rate)
        segments.append(Segment(at + begin, at + end, recording.label))
        pause = np.zeros(round(rng.uniform(*PAUSE_S) * rate), np.float32)
        pieces += [recording.samples, pause]
        at += (len(recording.samples) + len(pause)) / rate
    seed = int(rng.integers(2**31))
    return streaming.play(np.concatenate(pieces), rate=rate, seed=seed), segments


def said(utterances: Sequence[Utterance], *, what: str, hangover_s: float) -> list[Segment]:
    """A board's decisions as segments.

    Parameters
    ----------
    what
        `GUESS`: the most probable label counts, also where the board says "unsure". `ANSWER`:
        "unsure" is no answer.
    hangover_s
        Seconds of quiet after which a window closes. They are taken off the end of each window but
        those that the next one follows at once, because somebody goes on speaking.
    """
    following = [one.start_s for one in utterances[1:]] + [float("inf")]
    return [
        Segment(
            one.start_s,
            one.end_s if next_s - one.end_s < FRAME_S else one.end_s - hangover_s,
            one.label,
        )
        for one, next_s in zip(utterances, following, strict=True)
        if what == GUESS or one.answered
    ]


def errors(reference: Sequence[Segment], found: Sequence[Segment]) -> dict[str, float]:
    """Seconds of a stream that are wrong.

    Returns
    -------
    seconds
        speech_s; missed_s (speech without a label), false_alarm_s (a label without speech) and
        confused_s (another label).
    """
    end_s = max(segment.end_s for segment in (*reference, *found))
    truth, guess = (_frames(segments, end_s) for segments in (reference, found))
    spoken, labelled = truth != "", guess != ""
    return {
        "speech_s": FRAME_S * float(spoken.sum()),
        "missed_s": FRAME_S * float((spoken & ~labelled).sum()),
        "false_alarm_s": FRAME_S * float((~spoken & labelled).sum()),
        "confused_s": FRAME_S * float((spoken & labelled & (truth != guess)).sum()),
    }


def _frames(segments: Sequence[Segment], end_s: float) -> np.ndarray:
    """The label of every `FRAME_S`; empty where there is none."""
    frames = np.full(round(end_s / FRAME_S), "", dtype=object)
    for start_s, stop_s, label in segments:
        frames[round(start_s / FRAME_S) : round(stop_s / FRAME_S)] = label
    return frames


def boundaries(reference: Sequence[Segment], found: Sequence[Segment]) -> list[float]:
    """Seconds from each beginning and end of speech to the nearest one that was found, or NaN."""
    edges = np.array([time for segment in found for time in segment[:2]])
    if not len(edges):
        return [float("nan")] * (2 * len(reference))
    return [float(np.abs(edges - time).min()) for one in reference for time in one[:2]]


def evaluate(
    material: Material, trial_folders: Sequence[Path], *, jobs: int | None = None
) -> pd.DataFrame:
    """Play a stream of every test speaker to the net of every trial.

    Corpora outside the pool are left out, and clips of a speaker beyond `UTTERANCES`, which are
    drawn at random.

    Returns
    -------
    table
        A line a trial, speaker and what counts as said: fold, seed, corpus, speaker, what,
        utterances, speech_s, `ERRORS`, same_label_s (confused_s if the label that is most frequent
        in the stream were given to all of it), boundary_s (median of `boundaries`), near (share
        of them within `NEAR_S`).
    """
    tables = Parallel(n_jobs=jobs or os.cpu_count())(
        delayed(_of_trial)(material, trial) for trial in finished(trial_folders)
    )
    return pd.concat([pd.DataFrame(lines) for lines in tables], ignore_index=True)


def _of_trial(material: Material, trial: Finished) -> list[dict[str, object]]:
    listener = Listener(Release.load(trial.folder))
    config = listener.release.config
    hangover_s = listener.gate_settings.hangover_frames * config.hop_length / config.sample_rate
    lines = []
    for (corpus, speaker), clips in corpora.pool(trial.answers()).groupby(["corpus", "speaker"]):
        rng = np.random.default_rng(int(files.sha256_bytes(speaker.encode())[:16], 16))
        chosen = clips.iloc[rng.permutation(len(clips))[:UTTERANCES]]
        read = listening.recordings_of(material, chosen)
        recordings = [
            streaming.Recording(key, samples, degrade.RATE, label)
            for (key, samples), label in zip(read, chosen["label"], strict=True)
        ]
        samples, reference = stream(recordings, rng)
        heard = listener.listen(samples, rate=degrade.RATE)
        about = {**trial.where, "corpus": corpus, "speaker": speaker, "utterances": len(chosen)}
        for what in (GUESS, ANSWER):
            found = said(heard.utterances, what=what, hangover_s=hangover_s)
            lines.append({**about, "what": what, **_scored(reference, found)})
    return lines


def _scored(reference: Sequence[Segment], found: Sequence[Segment]) -> dict[str, float]:
    seconds = pd.Series([s.end_s - s.start_s for s in reference])
    of_label = seconds.groupby([segment.label for segment in reference]).sum()
    apart = np.array(boundaries(reference, found))
    return {
        **errors(reference, found),
        "same_label_s": float(seconds.sum() - of_label.max()),
        "boundary_s": float(np.median(apart)),
        "near": float((apart <= NEAR_S).mean()),
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of all seconds of speech.

    Returns
    -------
    summary
        A line for each corpus and all, and what counts as said: streams, speech_s, error (the
        diarisation error rate: all `ERRORS`), missed, false_alarm, confused, same_label (the error
        of one label for all of a stream, with perfect times), boundary_s (median over streams),
        near (mean over streams).
    """
    lines = []
    every = table.assign(corpus=streaming.ALL)
    for (corpus, what), part in pd.concat([every, table]).groupby(["corpus", "what"], sort=False):
        speech = part["speech_s"].sum()
        shares = {name.removesuffix("_s"): part[name].sum() / speech for name in ERRORS}
        lines.append(
            {
                "corpus": corpus,
                "what": what,
                "streams": len(part),
                "speech_s": speech,
                "error": sum(shares.values()),
                **shares,
                "same_label": part["same_label_s"].sum() / speech,
                "boundary_s": part["boundary_s"].median(),
                "near": part["near"].mean(),
            }
        )
    return pd.DataFrame(lines)
