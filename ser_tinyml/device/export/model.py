"""A released model, and what the board's C++ has to know of it beyond that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

from ser_tinyml.files import DataError
from ser_tinyml.tflite import convert, direct
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

# Added to the measured bytes. An older library for boards (Chirale_TensorFLowLite 2.0.0) needed
# 12,288 bytes to start where 6,016 were measured, and one with too little crashes.
ARENA_MARGIN = 8192
LABELS_ROOM = 400  # bytes of JSON: the rest of a status takes up to 600 of the line's 1024
ARENA_STEP = 1024  # bytes that the arena's size is rounded up to


@dataclass(frozen=True, kw_only=True)
class Export(Release):
    """A released model on its way to the board; `Export.load` reads and checks it as such.

    Examples
    --------
    >>> Export.load().model_id
    'f3fabba6ee3ed080'
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        room = sum(len(json.dumps(label)) + 1 for label in self.labels)
        if room > LABELS_ROOM:
            raise DataError(
                f"{self.folder / 'labels.json'}: expected names that take {LABELS_ROOM} bytes in a "
                f"line of the board's status, found {room}: fewer or shorter ones"
            )

    @cached_property
    def runtime(self) -> TfliteMicroRuntime:
        """What the board must equal."""
        return TfliteMicroRuntime(self.tflite)

    @cached_property
    def board_tflite(self) -> bytes:
        """What the board runs: the model for one step at a time, with the same answers."""
        return convert.one_step(self.tflite)

    @cached_property
    def arena_measured(self) -> int:
        """Bytes that the arena of `board_tflite` takes on this computer."""
        return TfliteMicroRuntime(self.board_tflite).arena_bytes

    @property
    def arena_size(self) -> int:
        """Bytes that the board reserves: the measured ones, a margin, and rounded up."""
        return -(-(self.arena_measured + ARENA_MARGIN) // ARENA_STEP) * ARENA_STEP

    @cached_property
    def network(self) -> direct.NetworkTables:
        """The network as the engine without an interpreter takes it."""
        return direct.network_tables(self.tflite)
