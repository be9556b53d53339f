"""How the device listens: every number of its gate and of its decisions, defined once.

Python takes them from here (`gate`, `listener`), and ``src/model/listening.h`` is generated from
them for C++. What is a time here is a number of frames there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ser_tinyml.features import FeatureConfig


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """What makes speech, for frames of a rate: ``ser::GateSettings``.

    Attributes
    ----------
    onset_db
        Over the floor of noise is loud.
    onset_frames
        Loud frames in a row begin speech.
    release_db
        Over the floor goes on being speech.
    hangover_frames
        Quiet frames in a row end speech.
    hold_frames
        The floor stays so long where its quietest frame put it.
    rise_db
        Then it rises by this, a frame.
    """

    onset_db: float
    onset_frames: int
    release_db: float
    hangover_frames: int
    hold_frames: int
    rise_db: float


@dataclass(frozen=True, kw_only=True)
class DeciderSettings:
    """What makes a decision, for frames of a rate: ``ser::DeciderSettings``.

    Attributes
    ----------
    smoothing_steps
        The mean of so many steps counts.
    min_steps
        Fewer are no ground for a decision.
    min_voice_frames
        Fewer frames that sound like a voice are no ground for a label.
    fall_db
        A frame has fallen if it is so far below the loudest of its window.
    min_fallen_frames
        Fewer: the level is steady, as that of a fan is and of no voice.
    """

    smoothing_steps: int
    min_steps: int
    min_voice_frames: int
    fall_db: float
    min_fallen_frames: int


@dataclass(frozen=True, kw_only=True)
class ListeningConfig:
    """The numbers, whatever the rate of frames; what is loud comes with the features.

    Attributes
    ----------
    onset_db
        Over the floor is loud, for a model whose features begin at the first sample: the board
        needs an onset all the same.
    release_db
        Over the floor goes on being speech, or the onset's level if that is less: words fade.
    hangover_s
        So long a quiet ends speech: longer than a pause between words.
    hold_s
        So long the floor stays where its quietest frame put it: longer than a sentence.
    rise_db_a_second
        Then it rises, or a fan that was switched on would be speech for ever.
    voice_db
        In a vowel some band stands out by so much over the mean of all. Clatter, splashing water
        and hiss have power in all bands.
    min_voicing
        Of a vowel's frames, where the model has a pitch: ticks and rustling have less.
    smoothing_steps
        The mean of so many steps counts.
    min_heard_s
        On the recordings, answers within the first second are much worse than later ones.
    min_voice_s
        What was said in that second has so much of vowels; most noise has not.
    fall_db
        A frame has fallen if it is so far below the loudest of its window.
    min_fallen_s
        The level of a voice falls for so long between vowels; that of a fan is steady.
    """

    onset_db: float = 9.0
    release_db: float = 6.0
    hangover_s: float = 0.5
    hold_s: float = 8.0
    rise_db_a_second: float = 3.0
    voice_db: float = 19.0
    min_voicing: float = 0.5
    smoothing_steps: int = 4
    min_heard_s: float = 1.0
    min_voice_s: float = 0.25
    fall_db: float = 10.0
    min_fallen_s: float = 0.1

    def gate(self, config: FeatureConfig) -> GateSettings:
        """The gate's settings for the frames of some features."""
        rate = frame_rate(config)
        onset_db = self.onset_db if config.onset_db is None else config.onset_db
        return GateSettings(
            onset_db=onset_db,
            onset_frames=config.onset_frames,
            release_db=min(onset_db, self.release_db),
            hangover_frames=_frames(self.hangover_s, rate),
            hold_frames=_frames(self.hold_s, rate),
            rise_db=float(np.float32(self.rise_db_a_second) / rate),
        )

    def decider(self, config: FeatureConfig) -> DeciderSettings:
        """The settings of decisions for the frames and steps of some features."""
        rate, (window_steps, _) = frame_rate(config), config.feature_shape
        least = int(np.float32(self.min_heard_s) * rate / np.float32(config.stack))
        return DeciderSettings(
            smoothing_steps=self.smoothing_steps,
            min_steps=min(least, window_steps),
            min_voice_frames=_frames(self.min_voice_s, rate),
            fall_db=self.fall_db,
            min_fallen_frames=_frames(self.min_fallen_s, rate),
        )


LISTENING = ListeningConfig()


def frame_rate(config: FeatureConfig) -> np.float32:
    """Frames a second, in the precision of the board."""
    return np.float32(config.sample_rate) / np.float32(config.hop_length)


def _frames(seconds: float, rate: np.float32) -> int:
    """The first frame that is over some seconds."""
    return int(np.float32(seconds) * rate) + 1
