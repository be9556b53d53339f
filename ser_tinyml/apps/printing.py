"""Answers in words, in a table and in JSON (``docs/predict.schema.json`` describes the last)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ser_tinyml.apps.answering import NO_VOICE, SILENT, STEADY, Answer
from ser_tinyml.device.listener import Step, Utterance
from ser_tinyml.sound.reading import Sound, channel_note

_SAID_OF = {
    SILENT: "the recording is silent",
    STEADY: "nothing rises above a steady sound",
    NO_VOICE: "nothing in it sounds like somebody who speaks",
}
_BAR = 30  # characters of a bar for 100 %


def as_json(
    file: str, answer: Answer, sound: Sound, *, labels: Sequence[str], steps: bool
) -> dict[str, Any]:
    """The object that ``--json`` prints for a recording."""

    def probabilities(values: Iterable[float]) -> dict[str, float]:
        # eight digits hold a 256th, so that what was answered can be checked against the threshold
        return {label: round(float(p), 8) for label, p in zip(labels, values, strict=True)}

    utterances = []
    for heard in answer.utterances:
        utterance = {
            "start_s": round(heard.start_s, 3),
            "end_s": round(_end_s(heard, answer), 3),
            "label": heard.label if heard.answered else None,
            "guess": heard.label,
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
        "guess": answer.guess,
        "answered": answer.answered,
        "reason": answer.reason,
        "probabilities": probabilities(answer.probabilities.values()),
        "duration_s": round(answer.duration_s, 3),
        "channel": sound.channel,
        "truncated": sound.missing or None,
        "utterances": utterances,
    }


def as_text(file: str, answer: Answer, sound: Sound, *, labels: Sequence[str], steps: bool) -> str:
    """One recording for people: the answer, every probability, and what is said when."""
    lines = [f"{printable(file)}: {verdict(answer)}{_how_it_was_read(sound)}"]
    if answer.guess is not None:
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


def table_row(
    file: str, answer: Answer, sound: Sound, *, names: Sequence[str], labels: Sequence[str]
) -> str:
    """The line of a recording in the table."""
    head, tail = f"{printable(file):{_name_width(names)}}  ", _how_it_was_read(sound)
    if answer.reason is not None:
        return f"{head}no speech ({answer.reason}){tail}"
    said = answer.label or f"unsure ({answer.guess})"
    columns = "  ".join(f"{p:{_column(label)}.0%}" for label, p in answer.probabilities.items())
    return f"{head}{said:{_answer_width(labels)}}  {columns}{tail}"


def _how_it_was_read(sound: Sound) -> str:
    """What there is to say of it, in brackets: which channel, and what is missing."""
    missing = f"cut off: {sound.missing}" if sound.missing else ""
    notes = [note for note in (channel_note(sound.channel, sound.channels), missing) if note]
    return f"  [{'; '.join(notes)}]" if notes else ""


def _column(label: str) -> int:
    return max(len(label), len("100%"))


def _name_width(names: Sequence[str]) -> int:
    return max(len(printable(name)) for name in names)


def _answer_width(labels: Sequence[str]) -> int:
    return max(len(f"unsure ({label})") for label in labels)


def printable(name: str) -> str:
    """A file name that may hold bytes which are no text."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def verdict(answer: Answer) -> str:
    """An answer in a few words.

    Examples
    --------
    >>> answer = Answer(
    ...     duration_s=2.0, probabilities={"calm": 0.3, "angry": 0.7}, guess="angry",
    ...     answered=False, reason=None, utterances=[],
    ... )
    >>> verdict(answer)
    'unsure (leaning to angry), 70%'
    """
    if answer.guess is None:
        return f"no speech heard: {_SAID_OF[answer.reason]}"
    said = answer.label or f"unsure (leaning to {answer.guess})"
    return f"{said}, {answer.probabilities[answer.guess]:.0%}"


def _said(heard: Utterance | Step, labels: Sequence[str]) -> str:
    label = labels[int(heard.probabilities.argmax())]
    said = label if heard.answered else f"unsure ({label})"
    return f"{said} {heard.probabilities.max():.0%}"


def _end_s(heard: Utterance, answer: Answer) -> float:
    """The silence that was put behind the recording is not part of it."""
    return min(heard.end_s, answer.duration_s)
