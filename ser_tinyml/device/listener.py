"""What the board hears in a waveform: ``src/ser/listener.cpp`` and ``decision.cpp`` in Python.

Samples are rounded to 16 bits, the gate opens and closes windows, and the one-step model runs in
TFLite Micro with its state kept. Needs neither TensorFlow nor a compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ser_tinyml import features
from ser_tinyml.device import gate
from ser_tinyml.device.gate import Gated, GateEvent
from ser_tinyml.device.listening import LISTENING
from ser_tinyml.features import Beginning, FeatureConfig, Levels, pitch
from ser_tinyml.files import DataError
from ser_tinyml.sound import audio
from ser_tinyml.tflite import convert, portable
from ser_tinyml.tflite.portable import PortableRuntime
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

_PIECE = 1 << 20  # samples whose spectra are taken at once


@dataclass(frozen=True)
class Step:
    """The model's answer after a step.

    Attributes
    ----------
    frame
        The last that went into it.
    time_s
        End of that frame.
    probabilities [shape=(n_classes,)]
        float32. In live mode the mean of the last steps, as the board has it.
    answered
        Whether the board would show a label at this point.
    """

    frame: int
    time_s: float
    probabilities: np.ndarray
    answered: bool


@dataclass(frozen=True)
class Utterance:
    """A window of speech and what it came to.

    Attributes
    ----------
    start_s, end_s
        Beginning of its first frame, end of its last.
    decided_s
        When the final decision is made.
    steps
        Of the model.
    voice_frames
        Frames that sounded like a voice; 0 where the level was steady, as no voice's is.
    probabilities [shape=(n_classes,)]
        float32.
    label
        The most probable.
    answered
        Whether the decision is that label; otherwise it is "unsure".
    timeline
        Every step.
    """

    start_s: float
    end_s: float
    decided_s: float
    steps: int
    voice_frames: int
    probabilities: np.ndarray
    label: str
    answered: bool
    timeline: list[Step]


class Window(NamedTuple):
    """Frames of a window: the first, that at which this was known, the last; whether it closed."""

    first: int
    opened: int
    last: int
    closed: bool


@dataclass(frozen=True)
class Heard:
    """All that the board hears in a waveform.

    Attributes
    ----------
    gated
        What the gate made of it.
    windows
        Every window, those too short for a decision too.
    utterances
        Those with a decision.
    """

    gated: Gated
    windows: list[Window]
    utterances: list[Utterance]


def windows(gated: Gated, config: FeatureConfig) -> list[Window]:
    """The windows that the board opens and closes in live mode.

    A window opens with the loud frames and the preroll before an onset and may begin later, as a
    clip's features do (`features.Beginning`). It ends with the speech or when it is full, and the
    next one follows at once while there is speech.

    Parameters
    ----------
    gated
        From `gate.run`.
    config
        Features that begin at an onset.
    """
    back = config.onset_frames + config.preroll_frames - 1
    length = config.feature_shape[0] * config.stack
    levels = Levels(gated.level_db, config)
    found: list[Window] = []
    beginning: Beginning | None = None
    opened = -1
    for frame, event in enumerate(gated.events):
        if beginning is None:
            if event not in (GateEvent.ONSET, GateEvent.SPEECH):
                continue
            first = max(frame - back, 0) if event == GateEvent.ONSET else frame
            beginning, opened = Beginning(levels, first, waits=False), frame
            for past in range(first, frame + 1):
                beginning.push(past)
        elif beginning.push(frame):
            opened = frame
        if frame - beginning.start + 1 >= length or event == GateEvent.END:
            found.append(Window(beginning.start, opened, frame, True))
            beginning = None
    if beginning is not None:
        found.append(Window(beginning.start, opened, len(gated.events) - 1, False))
    return found


def _as_heard(samples: np.ndarray) -> np.ndarray:
    """What the microphone would hand on: rounded to 16 bits, full scale 1."""
    return audio.to_int16(samples) / np.float32(32768)


def long_bands(
    samples: np.ndarray,
    config: FeatureConfig,
    *,
    silence: int = 0,
    change: Callable[[np.ndarray], np.ndarray] = np.asarray,
    dtype: type = np.float64,
) -> np.ndarray:
    """The bands of `features.log_mel`, a minute at a time, so that an hour fits into memory.

    Parameters
    ----------
    samples [shape=(n,)]
        At config.sample_rate.
    silence
        Samples of silence that come after them.
    change
        What is done to each piece before.
    """
    pieces = [
        features.log_mel(change(piece), config).astype(dtype, copy=False)
        for piece in _pieces(samples, len(samples) + silence, config)
    ]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def long_track(
    samples: np.ndarray,
    config: FeatureConfig,
    *,
    silence: int = 0,
    change: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> np.ndarray | None:
    """The pitch of the same frames, from `features.pitch_track`; None where the model has none."""
    if not config.pitch:
        return None
    pieces = _pieces(samples, len(samples) + silence, config)
    return pitch.followed(
        pitch.Peaks.joined([pitch.sound_peaks(change(piece), config) for piece in pieces])
    )


def _pieces(samples: np.ndarray, length: int, config: FeatureConfig) -> Iterator[np.ndarray]:
    """The sound, filled up with silence, in parts of which each has the frames after the last."""
    window, hop = config.window_length, config.hop_length
    if config.center or length <= _PIECE:
        yield audio.fix_length(samples, length)
        return
    frames, at_once = 1 + (length - window) // hop, _PIECE // hop
    for first in range(0, frames, at_once):
        size = (min(at_once, frames - first) - 1) * hop + window
        yield audio.fix_length(samples[first * hop : first * hop + size], size)


class Listener:
    """Hears with a released model as the board does.

    Parameters
    ----------
    release
        Its features must begin at an onset.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        if release.config.onset_db is None:
            raise DataError(
                f"feature configuration {release.config.name!r}: expected one with an onset"
            )
        self.gate_settings = LISTENING.gate(release.config)
        self.settings = LISTENING.decider(release.config)
        self._runtime = (
            PortableRuntime(release)
            if portable.needed()
            else _Steps(convert.one_step(release.tflite))
        )

    def hear(self, samples: np.ndarray, *, rate: int) -> list[Utterance]:
        """The decisions of a waveform, in live mode.

        Speech that goes on at the end of the waveform has none: the board decides when a window
        is full or half a second is quiet.

        Parameters
        ----------
        samples [shape=(n,)]
            Full scale is 1; or int16.
        rate
            In Hz.

        Raises
        ------
        DataError
            If it is no waveform.
        """
        return self.listen(samples, rate=rate).utterances

    def listen(self, samples: np.ndarray, *, rate: int, silence: int = 0) -> Heard:
        """Do what `hear` does, and give what the gate said and all windows too.

        Parameters
        ----------
        silence
            Samples of silence that come after it, at the rate of the features.
        """
        config = self.release.config
        sound = self._prepared(samples, rate)
        bands, track = self._bands(sound, silence), self._track(sound, silence)
        gated = gate.run(bands, self.gate_settings, track)
        found = windows(gated, config)
        utterances = [
            self._utterance(bands, track, gated, window)
            for window in found
            if window.closed and self._steps(window) >= self.settings.min_steps
        ]
        return Heard(gated, found, utterances)

    def clip(self, samples: np.ndarray, *, rate: int) -> Utterance:
        """The answer to a neat clip, as models are scored: one window, filled up with silence.

        It begins at the first onset, or with the clip if there is none; the last step is the
        answer, and how much of it sounds like a voice does not matter. Takes what `hear` takes,
        but refuses an empty waveform.
        """
        config = self.release.config
        sound = _as_heard(self._prepared(samples, rate))
        if not len(sound):
            raise DataError("listener: expected at least one sample, found none")
        bands = features.log_mel(sound, config)
        first = features.onset(bands, config)
        track = long_track(sound, config)
        outputs = self.outputs(features.from_bands(bands, first, config, track))
        timeline = [
            self._step(first + (step + 1) * config.stack - 1, probabilities, ground=True)
            for step, probabilities in enumerate(outputs)
        ]
        gated = gate.run(bands, self.gate_settings, track)
        voice_frames = int(self._voice(gated, first, timeline[-1].frame)[-1])
        return self._decided(first, voice_frames, timeline, timeline[-1])

    def outputs(self, steps: np.ndarray) -> np.ndarray:
        """Probabilities after every step of a window, float32 [shape=(steps, n_classes)].

        Parameters
        ----------
        steps [shape=(steps, n_inputs)]
            Features, not normalised.
        """
        outputs = self._runtime.stream(self.release.inputs(steps))
        return convert.dequantise(outputs, *self._runtime.quantisation[2:])

    def _prepared(self, samples: np.ndarray, rate: int) -> np.ndarray:
        """At the rate of the features, full scale 1."""
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise DataError(
                f"listener: expected finite samples of one channel, found {samples.dtype} "
                f"of shape {samples.shape}"
            )
        if samples.dtype == np.int16:
            samples = samples / np.float32(32768)
        elif not np.issubdtype(samples.dtype, np.floating):
            raise DataError(f"listener: expected floats or int16, found {samples.dtype}")
        return features.prepare(samples, rate=rate, config=self.release.config)

    def _bands(self, sound: np.ndarray, silence: int = 0) -> np.ndarray:
        """Bands of all whole frames, float32 [shape=(frames, n_mels)]."""
        config = self.release.config
        if len(sound) + silence < config.window_length:
            return np.empty((0, config.n_mels), np.float32)
        return long_bands(sound, config, silence=silence, change=_as_heard, dtype=np.float32)

    def _track(self, sound: np.ndarray, silence: int = 0) -> np.ndarray | None:
        """Pitch of all whole frames, float32 [shape=(frames, 2)], if the model has it."""
        config = self.release.config
        if len(sound) + silence < config.window_length:
            return np.empty((0, 2), np.float32) if config.pitch else None
        return long_track(sound, config, silence=silence, change=_as_heard)

    def _steps(self, window: Window) -> int:
        return (window.last - window.first + 1) // self.release.config.stack

    def _voice(self, gated: Gated, first: int, last: int) -> np.ndarray:
        """Frames of a voice up to each frame of a window [shape=(last - first + 1,)]."""
        level = gated.level_db[first : last + 1]
        fallen = level <= np.maximum.accumulate(level) - np.float32(self.settings.fall_db)
        steady = np.cumsum(fallen) < self.settings.min_fallen_frames
        return np.where(steady, 0, np.cumsum(gated.voice[first : last + 1]))

    def _utterance(
        self, bands: np.ndarray, track: np.ndarray | None, gated: Gated, window: Window
    ) -> Utterance:
        config, count = self.release.config, self._steps(window)
        taken = slice(window.first, window.first + count * config.stack)
        own = None if track is None else track[taken]
        values = features.frame_values(bands[taken], own, config)
        if config.whole_numbers:
            values = np.trunc(values)
        outputs = self.outputs(values.reshape(count, -1))
        voice = self._voice(gated, window.opened, window.last)
        enough = voice >= self.settings.min_voice_frames
        timeline = []
        for step in range(count):
            frame = window.first + (step + 1) * config.stack - 1
            ground = step + 1 >= self.settings.min_steps and enough[max(frame - window.opened, 0)]
            probabilities = smoothed(outputs[: step + 1], self.settings.smoothing_steps)
            timeline.append(self._step(frame, probabilities, ground=bool(ground)))
        # Frames after the last whole step count for the decision too.
        final = self._step(window.last, timeline[-1].probabilities, ground=bool(enough[-1]))
        return self._decided(window.first, int(voice[-1]), timeline, final)

    def _decided(
        self, first: int, voice_frames: int, timeline: list[Step], final: Step
    ) -> Utterance:
        config = self.release.config
        return Utterance(
            start_s=first * config.hop_length / config.sample_rate,
            end_s=final.time_s,
            decided_s=final.time_s,
            steps=len(timeline),
            voice_frames=voice_frames,
            probabilities=final.probabilities,
            label=self.release.labels[int(final.probabilities.argmax())],
            answered=final.answered,
            timeline=timeline,
        )

    def _step(self, frame: int, probabilities: np.ndarray, *, ground: bool) -> Step:
        sure = probabilities.max() >= np.float32(self.release.threshold)
        return Step(frame, self._end_s(frame), probabilities, ground and bool(sure))

    def _end_s(self, frame: int) -> float:
        config = self.release.config
        return (frame * config.hop_length + config.window_length) / config.sample_rate


def smoothed(probabilities: np.ndarray, steps: int) -> np.ndarray:
    """Mean of the last steps, float32 [shape=(n_classes,)], added up in the order of the board.

    Parameters
    ----------
    probabilities [shape=(n, n_classes)]
        float32, of a window so far.
    steps
        How many count; fewer if there are fewer.
    """
    count = min(len(probabilities), steps)
    total = np.zeros(probabilities.shape[1], np.float32)
    for place in range(count):  # the board keeps step n in place n % steps
        newest = len(probabilities) - 1
        total += probabilities[newest - (newest - place) % steps]
    return total / np.float32(count)


class _Steps(TfliteMicroRuntime):
    """A one-step model whose state is kept from step to step."""

    def stream(self, inputs: np.ndarray) -> np.ndarray:
        """Answers after each step [shape=(steps, n_classes)] to inputs [shape=(steps, n_inputs)].

        Both int8; the first step finds a fresh state.
        """
        self._interpreter.reset()
        outputs = np.empty((len(inputs), self._classes), np.int8)
        for step, values in enumerate(inputs):
            self._interpreter.set_input(values[np.newaxis, np.newaxis], 0)
            self._interpreter.invoke()
            outputs[step] = self._interpreter.get_output(0)[0]
        return outputs
