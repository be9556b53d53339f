"""The colour in which the LED shows each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

from ser_tinyml.files import DataError

BITS = {"red": 1, "green": 2, "yellow": 3, "blue": 4, "magenta": 5, "cyan": 6, "white": 7}
KNOWN = {
    "neutral": "white",
    "calm": "white",
    "happy": "yellow",
    "surprise": "cyan",
    "unpleasant": "red",
    "angry": "red",
    "sad": "blue",
    "fear": "magenta",
    "disgust": "green",
}
# For labels of one's own, in turn; red is the last, because a fault is red too.
_OTHERS = ("yellow", "blue", "green", "magenta", "cyan", "white", "red")


def check(chosen: Mapping[str, str]) -> None:
    """Check the colours that a user chose for labels.

    Raises
    ------
    DataError
        If one is no colour of the LED.
    """
    for label, colour in chosen.items():
        if colour not in BITS:
            raise DataError(
                f"led_colours.{label}: expected one of {', '.join(BITS)}, found {colour!r}"
            )


def of(labels: Sequence[str], chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """A colour for each label: the one that was chosen, the one that is known, or a free one.

    With more labels than colours some share one.

    Parameters
    ----------
    chosen
        Label to the name of a colour.

    Raises
    ------
    DataError
        If a label is none of the model's, or a colour none of the LED's.

    Examples
    --------
    >>> of(["happy", "bored", "keen"], {"keen": "red"})
    {'happy': 'yellow', 'bored': 'blue', 'keen': 'red'}
    """
    chosen = chosen or {}
    check(chosen)
    if unknown := [label for label in chosen if label not in labels]:
        raise DataError(
            f"led_colours: expected labels of {', '.join(labels)}, found {unknown[0]!r}"
        )
    wanted = {**KNOWN, **chosen}
    used = {wanted[label] for label in labels if label in wanted}
    free = cycle([colour for colour in _OTHERS if colour not in used] or _OTHERS)
    return {label: wanted.get(label) or next(free) for label in labels}
