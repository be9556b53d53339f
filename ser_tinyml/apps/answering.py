"""What a model makes of a recording: one answer, and the decisions that a board would make."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import features
from ser_tinyml.device.listener import Heard, Listener, Utterance, long_bands, long_track
from ser_tinyml.device.listening import frame_rate
from ser_tinyml.features import Beginning, beginning
from ser_tinyml.files import DataError, naming
from ser_tinyml.output import captured_output
from ser_tinyml.sound import reading
from ser_tinyml.sound.reading import Sound
from ser_tinyml.tflite import portable
from ser_tinyml.tflite.portable import PortableRuntime
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import RuntimeRefused, TfliteMicroRuntime

SILENT, STEADY, NO_VOICE = "silent", "steady sound", "no voice"
# Of full scale, -74 dB or 6 units of 16 bits: 20 dB under the quietest clip of RAVDESS is heard.
SILENT_PEAK = 2e-4
# Between the 5th and the 95th percentile of the level, of frames in range of the loudest. On the
# recordings, half a second or more of speech cut out so tightly that no onset is in it spans at
# least 3.1 dB; white and pink noise of any length span at most 2.4 dB.
STEADY_DB = 3.0
EXTRA_S = 1.0  # beyond the window, that a recording of one sentence may go on


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a recording came to.

    Attributes
    ----------
    duration_s
        Of the recording.
    probabilities
        Label -> probability, of the whole recording; without speech all are equal.
    guess
        The most probable label; None: no speech heard.
    answered
        Whether its probability reaches the threshold of the model; otherwise it is "unsure".
    reason
        Why no speech was heard: `SILENT`, `STEADY` or `NO_VOICE`; None: it was.
    utterances
        The decisions that a board would make, in the order of time; none where nobody asked.
    """

    duration_s: float
    probabilities: dict[str, float]
    guess: str | None
    answered: bool
    reason: str | None
    utterances: list[Utterance]

    @property
    def label(self) -> str | None:
        """The guess, if it is an answer; None: unsure, or no speech heard."""
        return self.guess if self.answered else None


class Predictor:
    """A released model and what it takes to answer recordings with it.

    Parameters
    ----------
    release
        Its features must begin at an onset.

    Raises
    ------
    DataError
        If TFLite Micro, or the module that stands for it, does not run the model.

    Examples
    --------
    >>> predictor = Predictor(Release.load())
    >>> answer = predictor.answer(np.zeros(16_000, np.float32))
    >>> answer.guess, answer.reason, answer.duration_s
    (None, 'silent', 1.0)
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        try:
            self._runtime = (
                PortableRuntime(release)
                if portable.needed()
                else TfliteMicroRuntime(release.tflite)
            )
            self._listener = Listener(release)
        except RuntimeRefused as error:
            raise DataError(f"{release.folder}: {error}") from error

    def read(
        self, path: str | Path, *, pipes: bool = True, longest_s: float | None = None
    ) -> Sound:
        """Read a recording of any kind, rate, length and number of channels.

        Parameters
        ----------
        path
            Of a file or of a pipe.
        pipes
            Whether a pipe may be read: one in a folder might wait for ever.
        longest_s
            Seconds that it may last; None: three hours.

        Returns
        -------
        sound
            At the rate of the model's features.

        Raises
        ------
        DataError
            If it is no recording; the message names it.
        """
        path = Path(path)
        if path.is_dir():
            with naming(path):
                os.listdir(path)
            raise DataError(f"{path}: expected recordings in this folder, found none")
        if not path.exists():
            raise DataError(f"{path}: expected a recording, found no such file")
        with captured_output():  # the decoders' own remarks
            rate = self.release.config.sample_rate
            return reading.read(path, sample_rate=rate, pipes=pipes, longest_s=longest_s)

    def answer(self, samples: np.ndarray, *, utterances: bool = True) -> Answer:
        """Answer a recording.

        If its speech ends within the model's window and a second from the first onset, it is
        answered as the evaluation answers clips: one window from the onset on, filled up with
        silence. Otherwise each utterance is answered so, and the mean counts, weighted by their
        lengths.

        Parameters
        ----------
        samples [shape=(n,)]
            Of what `read` gives.
        utterances
            Whether a board's decisions are wanted: for a single sentence they take as long as all
            the rest, and its answer does not need them.
        """
        labels, rate = self.release.labels, self.release.config.sample_rate
        answers, weights, reason, decisions = [], [], SILENT, []
        if max(samples.max(), -samples.min()) >= SILENT_PEAK:

            @cache
            def heard() -> Heard:
                return self._listener.listen(samples, rate=rate, silence=self._silence())

            bands = long_bands(samples, self.release.config)
            found = beginning.find(bands, self.release.config)
            pieces, reason = self._pieces(bands, found, heard)
            neat = found.start, len(bands)
            answers = [
                self._window(samples, bands, first, stop, alone=(first, stop) != neat)
                for first, stop, _ in pieces
            ]
            weights = [weight for _, _, weight in pieces]
            decisions = heard().utterances if utterances else []
        if not answers:
            probabilities = np.full(len(labels), 1 / len(labels))
        else:
            probabilities = np.average(answers, axis=0, weights=weights)
        return Answer(
            duration_s=len(samples) / rate,
            probabilities=dict(zip(labels, probabilities.tolist(), strict=True)),
            guess=labels[int(probabilities.argmax())] if answers else None,
            answered=bool(answers) and bool(probabilities.max() >= self.release.threshold),
            reason=reason,
            utterances=decisions,
        )

    def _silence(self) -> int:
        """Samples after which a board makes its decision: it waits until half a second is quiet."""
        config = self.release.config
        frames = self._listener.gate_settings.hangover_frames
        return frames * config.hop_length + config.window_length

    def _pieces(
        self, bands: np.ndarray, found: Beginning, listen: Callable[[], Heard]
    ) -> tuple[list[tuple[int, int, int]], str | None]:
        """First frame, last frame + 1 and weight of what is answered; or why nothing is."""
        config, end = self.release.config, len(bands)
        fits = config.n_frames + int(EXTRA_S * frame_rate(config))
        start = found.start if found.risen or end <= fits else 0
        level = features.level_db(bands)
        low, high = np.percentile(level[level >= level.max() - config.onset_range_db], (5, 95))
        if high - low < STEADY_DB:
            return [], STEADY
        if end - start <= fits:
            return [(start, end, 1)], None
        heard = listen()
        if not heard.windows:  # speech without a pause or an onset
            least = self._listener.settings.min_steps * config.stack
            starts = range(0, end - least + 1, config.n_frames)
            return [(start, end, 1) for start in starts], None
        least = self._listener.settings.min_voice_frames
        spoken = []
        for utterance in heard.utterances:
            if utterance.voice_frames >= least:
                first = round(utterance.start_s * float(frame_rate(config)))
                spoken.append((first, first + utterance.steps * config.stack, utterance.steps))
        if not spoken:
            return [], NO_VOICE
        first, stop = spoken[0][0], spoken[-1][1]
        first = start if start < stop <= start + fits else first  # as if nothing came after it
        return ([(first, end, 1)] if stop - first <= fits else spoken), None

    def _window(
        self, samples: np.ndarray, bands: np.ndarray, first: int, stop: int, *, alone: bool
    ) -> np.ndarray:
        """Probabilities of one window of frames, as the evaluation takes them.

        What is cut out of a recording is `alone`: its pitch is followed from its own beginning on.
        """
        config = self.release.config
        if alone:
            end = (stop - 1) * config.hop_length + config.window_length
            samples = samples[first * config.hop_length : end]
            bands, first = bands[first:stop], 0
        values = features.from_bands(bands, first, config, long_track(samples, config))
        return self._runtime.predict(self.release.normalisation.apply(values)[np.newaxis])[0]


def measured_uar(evaluated: Mapping[str, Any]) -> float:
    """UAR on speakers never heard, in what notebook 07 wrote: of the pool, or of all there is."""
    parts = evaluated["summary"]
    return parts.get("pooled", next(iter(parts.values())))["uar"]
