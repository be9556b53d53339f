"""The board's speech gate: speech or not, and whether it sounds like a voice.

The same steps and numbers as ``src/ser/gate.cpp``, in float32, so that both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ser_tinyml.device.listening import LISTENING, GateSettings
from ser_tinyml.features import level_db


class GateEvent(IntEnum):
    """What a frame means to the gate."""

    QUIET = 0
    ONSET = 1
    SPEECH = 2
    END = 3


class Gate:
    """Loud against a floor of noise that follows the room.

    Parameters
    ----------
    settings
        Of `ser_tinyml.device.listening`, or others.

    Attributes
    ----------
    floor_db
        Under the last frame.
    loud
        Whether the last frame was over the floor by more than onset_db.
    speech
        Whether the gate is open.

    Examples
    --------
    A quiet room, then somebody speaks:

    >>> from ser_tinyml.features import preset
    >>> gate = Gate(LISTENING.gate(preset("default")))
    >>> [gate.push(level).name for level in (-60, -60, -30, -30, -30)]
    ['QUIET', 'QUIET', 'QUIET', 'ONSET', 'SPEECH']
    >>> float(gate.floor_db), gate.speech
    (-60.0, True)
    """

    def __init__(self, settings: GateSettings) -> None:
        self.settings = settings
        self._onset_db = np.float32(settings.onset_db)
        self._release_db = np.float32(settings.release_db)
        self._rise_db = np.float32(settings.rise_db)
        self.floor_db = np.float32(0)
        self.loud = False
        self.speech = False
        self._floor_age = -1  # frames since a frame was the quietest; -1: no frame yet
        self._run = 0  # loud frames in a row, or quiet ones in speech

    def push(self, level_db: float) -> GateEvent:
        """Take the level of the next frame; ONSET and END come once each."""
        level, settings = np.float32(level_db), self.settings
        if self._floor_age < 0 or level <= self.floor_db:
            self.floor_db = level
            self._floor_age = 0
        elif self._floor_age < settings.hold_frames:
            self._floor_age += 1
        else:
            self.floor_db = self.floor_db + self._rise_db
        self.loud = bool(level > self.floor_db + self._onset_db)
        if self.speech:
            self._run = 0 if level > self.floor_db + self._release_db else self._run + 1
            if self._run < settings.hangover_frames:
                return GateEvent.SPEECH
            self._run, self.speech = 0, False
            return GateEvent.END
        self._run = self._run + 1 if self.loud else 0
        if self._run < settings.onset_frames:
            return GateEvent.QUIET
        self._run, self.speech = 0, True
        return GateEvent.ONSET


@dataclass(frozen=True)
class Gated:
    """What the gate made of a sound.

    Attributes
    ----------
    level_db, floor_db [shape=(frames,)]
        Power of each frame and the floor of noise under it, float32.
    events [shape=(frames,)]
        `GateEvent` as uint8.
    voice [shape=(frames,)]
        Whether a frame is loud and one band of it stands out as in a vowel, and, where the model
        has a pitch, whether it is voiced. Splashing water, clatter and hiss have power in all
        bands; ticks have no pitch.
    """

    level_db: np.ndarray
    floor_db: np.ndarray
    events: np.ndarray
    voice: np.ndarray

    @property
    def speech(self) -> np.ndarray:
        """Whether each frame is speech, the hangover with it [shape=(frames,)]."""
        return (self.events == GateEvent.ONSET) | (self.events == GateEvent.SPEECH)


def peak_db(bands: np.ndarray) -> np.ndarray:
    """The loudest band of frames [shape=(frames, n_mels)] in dB over the mean of all."""
    return bands.max(axis=1) - bands.mean(axis=1)


def run(bands: np.ndarray, settings: GateSettings, track: np.ndarray | None = None) -> Gated:
    """Run a fresh gate over a sound.

    Parameters
    ----------
    bands [shape=(frames, n_mels)]
        In dB, from `features.log_mel`.
    track [shape=(frames, 2)]
        From `features.pitch_track`; None: the model has no pitch.
    """
    gate, levels = Gate(settings), level_db(bands)
    floors = np.empty(len(bands), np.float32)
    events = np.empty(len(bands), np.uint8)
    loud = np.empty(len(bands), bool)
    for frame, level in enumerate(levels):
        events[frame] = gate.push(level)
        floors[frame] = gate.floor_db
        loud[frame] = gate.loud
    voice = loud & (peak_db(bands) >= LISTENING.voice_db)
    if track is not None:
        voice &= track[:, 1] >= np.float32(LISTENING.min_voicing)
    return Gated(levels, floors, events, voice)
