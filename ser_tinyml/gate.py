"""The board's speech gate in Python: the same C++ (``src/ser/gate.cpp``), called through ctypes."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np

from ser_tinyml import board
from ser_tinyml.features import FeatureConfig
from ser_tinyml.files import DataError


class GateEvent(IntEnum):
    """What a frame means to the gate."""

    QUIET = 0
    ONSET = 1
    SPEECH = 2
    END = 3


class GateSettings(ctypes.Structure):
    """`ser::GateSettings`, field by field; described in ``gate.h``."""

    _fields_ = (
        ("onset_db", ctypes.c_float),
        ("onset_frames", ctypes.c_int),
        ("release_db", ctypes.c_float),
        ("hangover_frames", ctypes.c_int),
        ("hold_frames", ctypes.c_int),
        ("rise_db", ctypes.c_float),
    )


@dataclass(frozen=True)
class Gated:
    """What the gate made of a sound.

    Attributes
    ----------
    level_db, floor_db [shape=(frames,)]
        Power of each frame and the floor of noise under it, float32.
    events [shape=(frames,)]
        `GateEvent` as uint8.
    """

    level_db: np.ndarray
    floor_db: np.ndarray
    events: np.ndarray

    @property
    def speech(self) -> np.ndarray:
        """Whether each frame is speech, the hangover with it [shape=(frames,)]."""
        return (self.events == GateEvent.ONSET) | (self.events == GateEvent.SPEECH)

    def onsets(self, config: FeatureConfig) -> list[int]:
        """Frames at which features begin: each onset, less its loud frames and the preroll."""
        back = config.onset_frames + config.preroll_frames - 1
        return [max(int(at) - back, 0) for at in np.flatnonzero(self.events == GateEvent.ONSET)]


def settings(config: FeatureConfig) -> GateSettings:
    """What the device sets the gate to for a configuration.

    Raises
    ------
    DataError
        If its features have no onset.
    """
    if config.onset_db is None:
        raise DataError(f"feature configuration {config.name!r}: expected one with an onset")
    result = GateSettings()
    _library().GateDefaults(
        config.onset_db,
        config.onset_frames,
        config.sample_rate / config.hop_length,
        ctypes.byref(result),
    )
    return result


def run(bands: np.ndarray, settings: GateSettings) -> Gated:
    """Run a fresh gate over a sound.

    Parameters
    ----------
    bands [shape=(frames, n_mels)]
        In dB, from `features.log_mel`.
    """
    bands = np.ascontiguousarray(bands, np.float32)
    frames, count = bands.shape
    level, floor = np.empty((2, frames), np.float32)
    events = np.empty(frames, np.uint8)
    arrays = (level, floor, events)
    _library().GateRun(
        ctypes.byref(settings),
        bands.ctypes.data_as(ctypes.c_void_p),
        frames,
        count,
        *(array.ctypes.data_as(ctypes.c_void_p) for array in arrays),
    )
    return Gated(*arrays)


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(board.build_gate_library()))
    pointer = ctypes.c_void_p
    library.GateDefaults.argtypes = (ctypes.c_float, ctypes.c_int, ctypes.c_float, pointer)
    library.GateDefaults.restype = None
    library.GateRun.argtypes = (
        *(pointer, pointer, ctypes.c_size_t, ctypes.c_int),
        *(pointer, pointer, pointer),
    )
    library.GateRun.restype = None
    return library
