"""How well the board does as a listener: decisions on recordings, delay, and false alarms an hour.

Recordings are played into a quiet room, whose noise goes on through them, and heard in live mode
(`listener.Listener`). Nobody tells the gate where speech begins or ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.signal

from ser_tinyml import files, metrics
from ser_tinyml.device.gate import GateEvent
from ser_tinyml.device.listener import Heard, Listener, Utterance
from ser_tinyml.files import DataError
from ser_tinyml.sound import audio, augment, degrade
from ser_tinyml.tflite.release import Release

ROOM_DB = -70.0  # RMS of the room, dB of full scale
BEFORE_S, AFTER_S = 1.5, 2.0
SPEECH_RANGE_DB = 30.0  # speech is what is at most so far below the loudest frame
SPEECH_FRAME_S, SPEECH_HOP_S = 0.032, 0.008
GAINS_DB = (0.0, -12.0, -24.0)  # of recorded noise
LEVELS_DB = (-20.0, -40.0, -60.0)  # RMS of noise of our own making, dB of full scale
SILENCE, HUM = "digital silence", "mains hum"
ALL = metrics.POOLED
NO_DECISION = "no decision"

RECORDING_COLUMNS = (
    *("key", "label", "windows", "decisions", "predicted", "answered", "probability"),
    *("voice_frames", "speech_end_s", "decided_s", "delay_s"),
)
ALARM_COLUMNS = (
    *("kind", "hours", "onsets", "windows", "decisions", "shown", "answered"),
    *("onsets_per_hour", "windows_per_hour", "shown_per_hour", "answered_per_hour"),
)


class Recording(NamedTuple):
    """A neat clip: its key, samples [shape=(n,)] with full scale 1, rate in Hz, and label."""

    key: str
    samples: np.ndarray
    rate: int
    label: str


class Sound(NamedTuple):
    """What is no speech: its kind, samples [shape=(n,)] with full scale 1, and rate in Hz."""

    kind: str
    samples: np.ndarray
    rate: int


def play(
    samples: np.ndarray,
    *,
    rate: int,
    seed: int | Sequence[int],
    room_db: float | None = ROOM_DB,
    before_s: float = BEFORE_S,
    after_s: float = AFTER_S,
) -> np.ndarray:
    """A recording as a microphone hears it, with a quiet room before, under and after it.

    Parameters
    ----------
    samples [shape=(n,)]
        Full scale is 1.
    rate
        In Hz.
    seed
        Of the room's noise.
    room_db
        RMS of the room's white noise in dB of full scale; None: digital silence.
    before_s, after_s
        Seconds of room.

    Returns
    -------
    samples [shape=(m,)]
        float32.
    """
    padded = np.pad(samples, (round(before_s * rate), round(after_s * rate)))
    if room_db is not None:
        noise = np.random.default_rng(seed).normal(size=len(padded))
        padded = padded + noise * 10 ** (room_db / 20)
    return padded.astype(np.float32)


def speech_span(samples: np.ndarray, *, rate: int) -> tuple[float, float]:
    """Seconds at which the speech of a clean recording begins and ends.

    It is from the first to the last frame of 32 ms, taken every 8 ms, whose power is at most 30 dB
    below that of the loudest one.

    Parameters
    ----------
    samples [shape=(n,)]
    rate
        In Hz.
    """
    length, hop = round(SPEECH_FRAME_S * rate), round(SPEECH_HOP_S * rate)
    whole = audio.fix_length(samples, max(len(samples), length))
    power = np.square(audio.frames(whole, frame_length=length, hop_length=hop), dtype=np.float64)
    power = power.mean(axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-SPEECH_RANGE_DB / 10))
    return int(loud[0]) * hop / rate, (int(loud[-1]) * hop + length) / rate


def speech_end(samples: np.ndarray, *, rate: int) -> float:
    """Second at which the speech of a clean recording ends, see `speech_span`."""
    return speech_span(samples, rate=rate)[1]


def evaluate(
    release: Release,
    recordings: Iterable[Recording],
    *,
    room_db: float | None = ROOM_DB,
    seed: int = 0,
) -> pd.DataFrame:
    """Play recordings to a released model.

    Parameters
    ----------
    recordings
        Clean, with labels of the model.
    room_db
        See `play`.
    seed
        With a recording's key, of the room's noise.

    Returns
    -------
    table
        A line a recording: ``key``, ``label``; ``windows`` (of speech that were opened) and
        ``decisions`` (final ones); of all decisions together, see `combined`: ``predicted`` (the
        most probable label, or ""), ``answered`` (or else "unsure"), ``probability``,
        ``voice_frames``; ``speech_end_s`` (see `speech_end`) and ``decided_s`` (of the last
        decision) on the time axis of what was played, and ``delay_s`` between them. Numbers of a
        recording without a decision are NaN.

    Raises
    ------
    DataError
        If there is no recording, or a label is not one of the model.
    """
    listener = Listener(release)
    rows = []
    for recording in recordings:
        if recording.label not in release.labels:
            raise DataError(
                f"{recording.key}: expected one of {release.labels}, found {recording.label!r}"
            )
        rows.append(_hear(listener, release, recording, room_db=room_db, seed=seed))
    if not rows:
        raise DataError("streaming: expected recordings, found none")
    return pd.DataFrame(rows, columns=list(RECORDING_COLUMNS))


def _hear(
    listener: Listener, release: Release, recording: Recording, *, room_db: float | None, seed: int
) -> dict[str, Any]:
    """A line of `evaluate`."""
    key, samples, rate, label = recording
    own = int(files.sha256_bytes(key.encode())[:16], 16)
    played = play(samples, rate=rate, seed=[seed, own], room_db=room_db)
    heard = listener.listen(played, rate=rate)
    end_s = BEFORE_S + speech_end(samples, rate=rate)
    row: dict[str, Any] = {
        "key": key,
        "label": label,
        "windows": len(heard.windows),
        "decisions": len(heard.utterances),
        "predicted": "",
        "answered": False,
        "speech_end_s": end_s,
    }
    if heard.utterances:
        probabilities, voice_frames = combined(heard.utterances)
        enough = voice_frames >= listener.settings.min_voice_frames
        decided_s = heard.utterances[-1].decided_s
        row |= {
            "predicted": release.labels[int(probabilities.argmax())],
            "answered": bool(enough and probabilities.max() >= release.threshold),
            "probability": float(probabilities.max()),
            "voice_frames": voice_frames,
            "decided_s": decided_s,
            "delay_s": decided_s - end_s,
        }
    return row


def combined(utterances: Sequence[Utterance]) -> tuple[np.ndarray, int]:
    """Several decisions as one: the mean of their probabilities, weighted by their steps.

    On recordings with more than one window this is right more often than the first, the last,
    the longest or the surest of them.

    Returns
    -------
    probabilities [shape=(n_classes,)]
    voice_frames
        Of the decision that has most.
    """
    steps = np.array([utterance.steps for utterance in utterances])
    probabilities = np.stack([utterance.probabilities for utterance in utterances])
    voice_frames = max(utterance.voice_frames for utterance in utterances)
    return steps @ probabilities / steps.sum(), voice_frames


def scores(table: pd.DataFrame, *, classes: Sequence[str]) -> dict[str, Any]:
    """What a table of `evaluate` comes to.

    Parameters
    ----------
    classes
        Labels of the model.

    Returns
    -------
    dict
        ``recordings``; ``decided`` and ``answered``, shares of them; ``uar`` and ``accuracy`` over
        all recordings, where the most probable label counts even if it was not said and no
        decision is wrong; ``answered_uar`` and ``answered_accuracy`` over the answered (None if
        there are none); ``delay_median_s`` and ``delay_90_s`` (None likewise) of the decided;
        ``windows`` and ``decisions``, means a recording.
    """
    found: dict[str, Any] = {
        "recordings": len(table),
        "decided": float((table["decisions"] > 0).mean()),
        "answered": float(table["answered"].mean()),
    }
    for prefix, lines in (("", table), ("answered_", table[table["answered"]])):
        score = _score(lines, classes)
        found |= {f"{prefix}{name}": score[name] for name in ("uar", "accuracy")}
    delays = table["delay_s"].dropna()
    for name, share in (("delay_median_s", 0.5), ("delay_90_s", 0.9)):
        found[name] = float(delays.quantile(share)) if len(delays) else None
    return found | {name: float(table[name].mean()) for name in ("windows", "decisions")}


def _score(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    if not len(table):
        return {"uar": None, "accuracy": None}
    names = [*classes, NO_DECISION]  # which nobody is labelled
    said = table["predicted"].replace("", NO_DECISION)
    return metrics.score(
        [names.index(label) for label in table["label"]],
        [names.index(label) for label in said],
        classes=names,
    )


def false_alarms(
    release: Release,
    sounds: Iterable[Sound],
    *,
    room_db: float | None = ROOM_DB,
    seed: int = 0,
) -> pd.DataFrame:
    """What a released model makes of sounds without speech.

    Parameters
    ----------
    sounds
        For example from `non_speech`. A quiet room is heard before each, so that it is switched
        on; digital silence stays one.
    room_db
        See `play`.
    seed
        Of the room's noise.

    Returns
    -------
    table
        A line a kind, and last the line "all": ``kind``; ``hours`` of sound; ``onsets`` of the
        gate; ``windows`` that were opened; ``decisions`` (final ones, "unsure" too); ``shown``,
        windows in which a label was shown at any time; ``answered``, final decisions with a label:
        these are the false alarms. ``onsets_per_hour``, ``windows_per_hour``, ``shown_per_hour``
        and ``answered_per_hour``.

    Raises
    ------
    DataError
        If there is no sound.
    """
    listener = Listener(release)
    rows = []
    for number, (kind, samples, rate) in enumerate(sounds):
        played = play(
            samples,
            rate=rate,
            seed=[seed, number],
            room_db=None if kind == SILENCE else room_db,
            after_s=0.0,
        )
        heard = listener.listen(played, rate=rate)
        rows.append({"kind": kind, "hours": len(samples) / rate / 3600, **_alarms(heard)})
    if not rows:
        raise DataError("false alarms: expected sounds, found none")
    table = pd.DataFrame(rows).groupby("kind", sort=False, as_index=False).sum()
    total = table.drop(columns="kind").sum().to_frame().T.assign(kind=ALL)
    table = pd.concat([table, total.astype(table.dtypes)], ignore_index=True)
    for name in ("onsets", "windows", "shown", "answered"):
        table[f"{name}_per_hour"] = table[name] / table["hours"]
    return table[list(ALARM_COLUMNS)]


def _alarms(heard: Heard) -> dict[str, int]:
    """What was made of one sound."""
    said = heard.utterances
    return {
        "onsets": int((heard.gated.events == GateEvent.ONSET).sum()),
        "windows": len(heard.windows),
        "decisions": len(said),
        "shown": sum(any(step.answered for step in utterance.timeline) for utterance in said),
        "answered": sum(utterance.answered for utterance in said),
    }


def non_speech(
    recordings: Mapping[str, np.ndarray], *, rate: int, hours: float = 1.0, seed: int = 0
) -> Iterator[Sound]:
    """Sounds without speech: each kind takes the same time, each of its levels too.

    Parameters
    ----------
    recordings
        Name to noise [shape=(n,)] at the rate, repeated as often as need be, at `GAINS_DB`.
    rate
        In Hz.
    hours
        Of all kinds together.
    seed
        Of what is made here.

    Yields
    ------
    Sound
        The recordings; white, pink and brown noise and mains hum at `LEVELS_DB`; digital silence.

    Raises
    ------
    DataError
        If a recording has the name of one of those.
    """
    rng = np.random.default_rng(seed)
    colours = {f"{colour} noise": exponent for colour, exponent in augment.COLOURS.items()}
    made = [*colours, HUM, SILENCE]
    if taken := sorted(set(made) & set(recordings)):
        raise DataError(f"recordings: expected names of their own, found {taken}")
    seconds = hours * 3600 / (len(recordings) + len(made))
    for name, recording in recordings.items():
        for gain_db in GAINS_DB:
            piece = np.resize(recording, round(seconds / len(GAINS_DB) * rate))
            yield Sound(name, augment.gain(piece, decibel=gain_db), rate)
    length = round(seconds / len(LEVELS_DB) * rate)
    sections = scipy.signal.butter(2, degrade.LOWEST_HZ, "highpass", fs=rate, output="sos")
    for name, exponent in colours.items():
        for level_db in LEVELS_DB:
            noise = augment.coloured_noise(length, rng, exponent=exponent)
            noise = scipy.signal.sosfilt(sections, noise)  # most of brown noise is below hearing
            yield Sound(name, noise / augment.rms(noise) * 10 ** (level_db / 20), rate)
    for level_db in LEVELS_DB:
        hum = augment.mains_hum(length, rng, sample_rate=rate)
        yield Sound(HUM, hum * 10 ** (level_db / 20), rate)
    yield Sound(SILENCE, np.zeros(round(seconds * rate)), rate)
