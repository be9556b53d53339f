"""Enrolment: how high a person ordinarily speaks, taken off what the net hears.

A net hears F0, and a low voice that is cheerful can be as high as a high one that is calm. Some
sentences in an ordinary voice, of which nobody has to say what they are, tell how high this
person's voice lies. The net stays as it is: F0 is moved towards where an ordinary voice would lie,
before the net hears it. One number is all that is kept of a person. In C++ it is
``src/ser/enrolment.cpp``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from ser_tinyml.device.listening import LISTENING
from ser_tinyml.features import FeatureConfig
from ser_tinyml.features.pitch import HIGHEST_HZ, LOWEST_HZ, REFERENCE_HZ, VOICED
from ser_tinyml.files import DataError

FROM_F0 = 3  # the pitch ends a frame's values: log2 of F0, voicing, log2 of F0 over its mean


def ordinary_octaves() -> np.float32:
    """Where an ordinary voice lies: log2 of its F0 over REFERENCE_HZ."""
    return np.float32(np.log2(LISTENING.ordinary_hz / REFERENCE_HZ))


@dataclass(frozen=True)
class Enrolment:
    """How high a person ordinarily speaks.

    Attributes
    ----------
    octaves
        Mean log2 of F0 over REFERENCE_HZ, of the voiced frames; float32.
    """

    octaves: np.float32

    @classmethod
    def of_tracks(cls, tracks: Iterable[np.ndarray]) -> Self:
        """From the pitch of some sentences, each [shape=(frames, 2)] as `features.pitch_track`.

        Raises
        ------
        DataError
            If fewer than ``LISTENING.enrolment_voiced_frames`` frames of them are voiced.
        """
        total, frames = np.float32(0), 0
        for track in tracks:
            voiced = track[track[:, 1] >= VOICED, 0].astype(np.float32)
            if len(voiced):  # one after the other, as the board adds
                total += np.cumsum(voiced, dtype=np.float32)[-1]
                frames += len(voiced)
        if frames < LISTENING.enrolment_voiced_frames:
            raise DataError(
                f"enrolment: expected {LISTENING.enrolment_voiced_frames} frames of a voice or "
                f"more, found {frames}"
            )
        return cls(total / np.float32(frames))

    @classmethod
    def of_hertz(cls, hertz: float) -> Self:
        """From an F0.

        Raises
        ------
        DataError
            If no voice is so low or so high.
        """
        if not LOWEST_HZ <= hertz <= HIGHEST_HZ:
            raise DataError(
                f"enrolment: expected an F0 from {LOWEST_HZ} to {HIGHEST_HZ} Hz, found {hertz}"
            )
        return cls(np.float32(np.log2(hertz / REFERENCE_HZ)))

    @property
    def hertz(self) -> float:
        """The F0."""
        return REFERENCE_HZ * 2.0 ** float(self.octaves)

    @property
    def shift(self) -> np.float32:
        """What is taken off the log2 of F0, in octaves."""
        strength = np.float32(LISTENING.enrolment_strength)
        return strength * (np.float32(self.octaves) - ordinary_octaves())

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
