"""``python -m ser_tinyml predict FILE…``: what the released model hears in recordings.

Needs neither TensorFlow nor librosa, and imports Matplotlib for pictures only. With ``--json`` a
recording gives the object of `as_json`, and one that cannot be read gives its file and error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import features
from ser_tinyml.data import dataset
from ser_tinyml.device import gate
from ser_tinyml.device.listener import Heard, Listener, Step, Utterance
from ser_tinyml.files import DataError
from ser_tinyml.sound import audio
from ser_tinyml.tflite.release import FOLDER, Release
from ser_tinyml.tflite.runtimes import RuntimeRefused, TfliteMicroRuntime

SUFFIXES = (
    *dataset.SUFFIXES,
    *(".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64"),
)
SILENT, STEADY, NO_VOICE = "silent", "steady sound", "no voice"
_SAID_OF = {
    SILENT: "the recording is silent",
    STEADY: "nothing rises above a steady sound",
    NO_VOICE: "nothing in it sounds like somebody who speaks",
}
# Between the 5th and the 95th percentile of the level. On the recordings, half a second or more
# of speech cut out so tightly that no onset is in it spans at least 3.1 dB; white and pink noise
# of any length span at most 2.4 dB.
STEADY_DB = 3.0
_EXTRA_S = 1.0  # beyond the window, that a recording of one sentence may go on
_BAR = 30  # characters of a bar for 100 %


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a recording came to.

    Attributes
    ----------
    duration_s
        Of the recording.
    probabilities
        Label -> probability, of the whole recording; without speech all are equal.
    label
        The most probable; None: no speech heard.
    answered
        Whether its probability reaches the threshold of the model; otherwise it is "unsure".
    reason
        Why no speech was heard: `SILENT`, `STEADY` or `NO_VOICE`; None: it was.
    utterances
        The decisions that a board would make, in the order of time.
    """

    duration_s: float
    probabilities: dict[str, float]
    label: str | None
    answered: bool
    reason: str | None
    utterances: list[Utterance]


class Predictor:
    """A released model and what it takes to answer recordings with it.

    Parameters
    ----------
    release
        Its features must begin at an onset.

    Raises
    ------
    DataError
        If TFLite Micro does not run the model.
    """

    def __init__(self, release: Release) -> None:
        self.release = release
        try:
            self._runtime = TfliteMicroRuntime(release.tflite)
            self._listener = Listener(release)
        except RuntimeRefused as error:
            raise DataError(f"{release.folder}: {error}") from error

    def read(self, path: str | Path) -> np.ndarray:
        """Read a recording of any rate, length and number of channels.

        Returns
        -------
        samples [shape=(n,)]
            float32, full scale is 1, at the rate of the model's features.

        Raises
        ------
        DataError
            If it is no recording; the message names it.
        """
        path = Path(path)
        if path.is_dir():
            raise DataError(
                f"{path}: expected recordings in this folder ({', '.join(SUFFIXES)}), found none"
            )
        if not path.exists():
            raise DataError(f"{path}: expected a recording, found no such file")
        if path.is_file() and not path.stat().st_size:
            raise DataError(f"{path}: expected a recording, found an empty file")
        return audio.read_audio(path, sample_rate=self.release.config.sample_rate)[0]

    def answer(self, samples: np.ndarray) -> Answer:
        """Answer a recording.

        If its speech ends within the model's window and a second from the first onset, it is
        answered as the evaluation answers clips: one window from the onset on, filled up with
        silence. Otherwise each utterance is answered so, and the mean counts, weighted by their
        lengths.

        Parameters
        ----------
        samples [shape=(n,)]
            From `read`.
        """
        labels, rate = self.release.labels, self.release.config.sample_rate
        answers, weights, reason, utterances = [], [], SILENT, []
        if np.abs(samples).max() >= dataset.SILENT_PEAK:
            heard = self._listener.listen(self._followed_by_silence(samples), rate=rate)
            bands = features.log_mel(samples, self.release.config)
            pieces, reason = self._pieces(bands, heard)
            answers = [self._window(bands[:stop], start) for start, stop, _ in pieces]
            weights = [weight for _, _, weight in pieces]
            utterances = heard.utterances
        if not answers:
            probabilities = np.full(len(labels), 1 / len(labels))
        else:
            probabilities = np.average(answers, axis=0, weights=weights)
        return Answer(
            duration_s=len(samples) / rate,
            probabilities=dict(zip(labels, probabilities.tolist(), strict=True)),
            label=labels[int(probabilities.argmax())] if answers else None,
            answered=bool(answers) and bool(probabilities.max() >= self.release.threshold),
            reason=reason,
            utterances=utterances,
        )

    def _followed_by_silence(self, samples: np.ndarray) -> np.ndarray:
        """So that a board makes its decision: it waits until half a second was quiet."""
        config = self.release.config
        frames = self._listener.gate_settings.hangover_frames
        return np.pad(samples, (0, frames * config.hop_length + config.window_length))

    def _pieces(
        self, bands: np.ndarray, heard: Heard
    ) -> tuple[list[tuple[int, int, int]], str | None]:
        """First frame, last frame + 1 and weight of what is answered; or why nothing is."""
        config, end = self.release.config, len(bands)
        fits = config.n_frames + int(_EXTRA_S * gate.frame_rate(config))
        start = features.onset(bands, config)
        if not heard.windows and np.ptp(np.percentile(gate.level_db(bands), (5, 95))) < STEADY_DB:
            return [], STEADY
        if end - start <= fits:
            return [(start, end, 1)], None
        if not heard.windows:  # speech without a pause or an onset
            least = self._listener.settings.min_steps * config.stack
            starts = range(0, end - least + 1, config.n_frames)
            return [(start, end, 1) for start in starts], None
        least = self._listener.settings.min_voice_frames
        spoken = []
        for utterance in heard.utterances:
            if utterance.voice_frames >= least:
                first = round(utterance.start_s * float(gate.frame_rate(config)))
                spoken.append((first, first + utterance.steps * config.stack, utterance.steps))
        if not spoken:
            return [], NO_VOICE
        first, stop = spoken[0][0], spoken[-1][1]
        return ([(first, end, 1)] if stop - first <= fits else spoken), None

    def _window(self, bands: np.ndarray, start: int) -> np.ndarray:
        """Probabilities of one window from a frame on, as the evaluation takes them."""
        values = features.from_bands(bands, start, self.release.config)
        return self._runtime.predict(self.release.normalisation.apply(values)[np.newaxis])[0]


def expand(given: Iterable[str]) -> Iterator[str]:
    """Files as they are, folders as the recordings anywhere below them, sorted.

    A folder without any is given back itself, for `Predictor.read` to complain of.
    """
    for name in given:
        found = [
            str(path)
            for path in (sorted(Path(name).rglob("*")) if Path(name).is_dir() else ())
            if path.suffix.lower() in SUFFIXES and path.is_file() and path.name[0] != "."
        ]
        yield from found or [name]


def as_json(file: str, answer: Answer, *, labels: Sequence[str], steps: bool) -> dict[str, Any]:
    """The object that ``--json`` prints for a recording."""

    def probabilities(values: Iterable[float]) -> dict[str, float]:
        # eight digits hold a 256th, so that what was answered can be checked against the threshold
        return {label: round(float(p), 8) for label, p in zip(labels, values, strict=True)}

    utterances = []
    for heard in answer.utterances:
        utterance = {
            "start_s": round(heard.start_s, 3),
            "end_s": round(_end_s(heard, answer), 3),
            "label": heard.label,
            "answered": heard.answered,
            "probabilities": probabilities(heard.probabilities),
        }
        if steps:
            utterance["steps"] = [
                {
                    "time_s": round(step.time_s, 3),
                    "probabilities": probabilities(step.probabilities),
                }
                for step in heard.timeline
            ]
        utterances.append(utterance)
    return {
        "file": file,
        "label": answer.label,
        "answered": answer.answered,
        "reason": answer.reason,
        "probabilities": probabilities(answer.probabilities.values()),
        "duration_s": round(answer.duration_s, 3),
        "utterances": utterances,
    }


def as_text(file: str, answer: Answer, *, labels: Sequence[str], steps: bool) -> str:
    """One recording for people: the answer, every probability, and what is said when."""
    lines = [f"{_printable(file)}: {_verdict(answer)}"]
    if answer.label is not None:
        width = max(map(len, labels))
        lines.append("")
        for label, p in answer.probabilities.items():
            lines.append(f"  {label:{width}} {p:5.0%}  {'#' * round(_BAR * p)}".rstrip())
    if answer.utterances:
        lines += ["", "as a board hears it:"]
    for heard in answer.utterances:
        said = _said(heard, labels)
        lines.append(f"  {heard.start_s:7.2f} - {_end_s(heard, answer):7.2f} s  {said}")
        if steps:
            lines += [
                f"  {'':10}{step.time_s:7.2f} s  {_said(step, labels)}" for step in heard.timeline
            ]
    return "\n".join(lines)


def table_head(names: Sequence[str], labels: Sequence[str]) -> str:
    """The first line of the table of several recordings."""
    columns = "  ".join(f"{label:>{_column(label)}}" for label in labels)
    return f"{'file':{_name_width(names)}}  {'answer':{_answer_width(labels)}}  {columns}"


def table_row(file: str, answer: Answer, *, names: Sequence[str], labels: Sequence[str]) -> str:
    """The line of a recording in the table."""
    head = f"{_printable(file):{_name_width(names)}}  "
    if answer.reason is not None:
        return f"{head}no speech ({answer.reason})"
    said = answer.label if answer.answered else f"unsure ({answer.label})"
    columns = "  ".join(f"{p:{_column(label)}.0%}" for label, p in answer.probabilities.items())
    return f"{head}{said:{_answer_width(labels)}}  {columns}"


def _column(label: str) -> int:
    return max(len(label), len("100%"))


def _name_width(names: Sequence[str]) -> int:
    return max(len(_printable(name)) for name in names)


def _answer_width(labels: Sequence[str]) -> int:
    return max(len(f"unsure ({label})") for label in labels)


def _printable(name: str) -> str:
    """A file name that may hold bytes which are no text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _verdict(answer: Answer) -> str:
    if answer.label is None:
        return f"no speech heard: {_SAID_OF[answer.reason]}"
    said = answer.label if answer.answered else f"unsure (leaning to {answer.label})"
    return f"{said}, {answer.probabilities[answer.label]:.0%}"


def _said(heard: Utterance | Step, labels: Sequence[str]) -> str:
    label = labels[int(heard.probabilities.argmax())]
    said = label if heard.answered else f"unsure ({label})"
    return f"{said} {heard.probabilities.max():.0%}"


def _end_s(heard: Utterance, answer: Answer) -> float:
    """The silence that was put behind the recording is not part of it."""
    return min(heard.end_s, answer.duration_s)


def _pictures(path: Path, names: Sequence[str]) -> list[Path]:
    """Where the picture of each recording goes.

    Raises
    ------
    DataError
        If there are several recordings and the path is that of one picture.
    """
    if path.suffix.lower() == ".png":
        if len(names) > 1:
            raise DataError(
                f"{path}: expected a folder for the pictures of {len(names)} recordings, "
                "found the name of one picture"
            )
        return [path]
    count: dict[str, int] = {}
    places = []
    for name in names:
        stem = Path(name).stem
        count[stem] = count.get(stem, 0) + 1
        places.append(path / (f"{stem}.png" if count[stem] == 1 else f"{stem}-{count[stem]}.png"))
    return places


def _save_picture(
    path: Path, samples: np.ndarray, answer: Answer, *, title: str, model: Release
) -> None:
    import matplotlib.pyplot as plt

    from ser_tinyml.plots import predict as plots
    from ser_tinyml.plots import style

    style.use()
    figure = plots.recording(
        samples,
        config=model.config,
        labels=model.labels,
        threshold=model.threshold,
        utterances=answer.utterances,
        title=title,
    )
    try:
        style.save(figure, path)
    finally:
        plt.close(figure)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ser_tinyml predict",
        description="What the released model hears in recordings: label, probabilities, timeline.",
        epilog="The exit status is 1 if a recording could not be read; the others are answered.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="recordings (.wav, .flac, .ogg, .mp3, …) of any rate and length, or folders of them",
    )
    parser.add_argument(
        "--model", metavar="FOLDER", default=FOLDER, help="of the model (default: the released one)"
    )
    parser.add_argument("--steps", action="store_true", help="also what is thought on the way")
    parser.add_argument("--json", action="store_true", help="a JSON object a line, nothing else")
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="PATH",
        help="draw the recording: a .png; for several a folder, which gets one of each",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer every recording; those that cannot be read are named, and the status is 1."""
    options = _parser().parse_args(arguments)
    try:
        return _predict(options)
    except BrokenPipeError:  # whoever read our output has had enough: `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _predict(options: argparse.Namespace) -> int:
    names = list(expand(options.files))
    pictures = _pictures(options.picture, names) if options.picture else [None] * len(names)
    predictor = Predictor(Release.load(options.model))
    labels = predictor.release.labels
    failed = False
    if len(names) > 1 and not options.json:
        print(table_head(names, labels), flush=True)
    for name, picture in zip(names, pictures, strict=True):
        try:
            samples = predictor.read(name)
            answer = predictor.answer(samples)
            if picture is not None:
                title = f"{_printable(Path(name).name)}: {_verdict(answer)}"
                _save_picture(picture, samples, answer, title=title, model=predictor.release)
        except DataError as error:
            failed = True
            if options.json:
                print(json.dumps({"file": name, "error": str(error)}), flush=True)
            print(f"error: {error}", file=sys.stderr)
            continue
        if options.json:
            line = json.dumps(as_json(name, answer, labels=labels, steps=options.steps))
        elif len(names) > 1:
            line = table_row(name, answer, names=names, labels=labels)
        else:
            line = as_text(name, answer, labels=labels, steps=options.steps)
        print(line, flush=True)
    return int(failed)
