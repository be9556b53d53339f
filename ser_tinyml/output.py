"""What C++ code prints: caught, so that it can be read or kept from the reader."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import tempfile
from collections.abc import Iterator


@dataclasses.dataclass
class CapturedOutput:
    """What was printed while output was captured; filled in when capturing ends."""

    text: str = ""


@contextlib.contextmanager
def captured_output() -> Iterator[CapturedOutput]:
    """Catch what C++ code prints to standard output and error, beneath Python's own streams."""
    captured = CapturedOutput()
    with tempfile.TemporaryFile() as stream:
        sys.stdout.flush()
        sys.stderr.flush()
        before = {number: os.dup(number) for number in (1, 2)}
        try:
            for number in before:
                os.dup2(stream.fileno(), number)
            yield captured
        finally:
            for number, saved in before.items():
                os.dup2(saved, number)
                os.close(saved)
            stream.seek(0)
            captured.text = stream.read().decode("utf-8", "replace").strip()
