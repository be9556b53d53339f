"""One uploaded recording, answered in a process of its own: a bad file ends that and nothing else.

    python -m ser_tinyml.apps.upload FILE NAME PICTURE [SYSTEM]

prints the object of ``predict --json``, or ``{"error": …}``. Of one of the field's systems it is
that of ``predict --json --system``.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser_tinyml.provenance import ROOT

LONGEST_S = 600  # of a recording
MOST_MB = 50  # of an upload
PATIENCE_S = 120  # for one answer
MEMORY = 4 << 30  # bytes that the process may have
OF_SYSTEMS = 32 << 30  # the same where TensorFlow is in it, which reserves much and uses little
ALONE = {"MPLBACKEND": "agg", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
BROKEN = "its decoding was stopped: it took too long, too much memory, or crashed"


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """What became of a recording.

    Attributes
    ----------
    answer
        The object of ``docs/predict.schema.json``.
    picture
        PNG; empty if it could not be read.
    """

    answer: dict[str, Any]
    picture: bytes

    @property
    def error(self) -> str | None:
        """Why it was not answered."""
        return self.answer.get("error")


def answer(data: bytes, *, name: str, system: str = "", patience_s: float = PATIENCE_S) -> Uploaded:
    """Answer a recording that somebody sent, or a picture where a system looks at such.

    Nothing of it stays on the disk.

    Parameters
    ----------
    data
        Bytes of the file.
    name
        What it was called; the content decides what it is.
    system
        Of the field, that answers; empty: the released model.
    patience_s
        Seconds after which it is given up.

    Returns
    -------
    uploaded
        With an error in place of an answer if it is no recording, or too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        place, picture = Path(folder, "recording"), Path(folder, "picture.png")
        place.write_bytes(data)
        command = (sys.executable, "-m", "ser_tinyml.apps.upload", place, name, picture, system)
        how = {"env": {**with_package(), **ALONE}, "capture_output": True}
        said = {"file": name, "error": f"{name}: {BROKEN}"}
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(command, timeout=patience_s, **how)
            if done.returncode:  # for who runs the page
                print(f"{name}: {done.stderr.decode(errors='replace')}", file=sys.stderr)
            else:
                said = json.loads(done.stdout)
        return Uploaded(answer=said, picture=picture.read_bytes() if picture.is_file() else b"")


def with_package() -> dict[str, str]:
    """The environment for a process that finds this package, wherever it starts."""
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), known]))}


def _limit(memory: int) -> None:
    """Bound the bytes of this process where the operating system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main(path: str, name: str, picture: str, system: str = "") -> dict[str, Any]:
    _limit(OF_SYSTEMS if system else MEMORY)
    if system:
        return _of_system(Path(path), name, Path(picture), system)
    from ser_tinyml.apps import predict, printing
    from ser_tinyml.apps.answering import Predictor
    from ser_tinyml.files import DataError
    from ser_tinyml.tflite.release import Release

    predictor = Predictor(Release.load())
    try:
        sound = predictor.read(path, pipes=False, longest_s=LONGEST_S)
        found = predictor.answer(sound.samples)
    except DataError as error:
        return {"file": name, "error": str(error).replace(path, name)}
    predict.draw(Path(picture), sound.samples, found, name=name, model=predictor.release)
    return printing.as_json(name, found, sound, labels=predictor.release.labels, steps=True)


def _of_system(path: Path, name: str, picture: Path, system: str) -> dict[str, Any]:
    from ser_tinyml.apps import field
    from ser_tinyml.files import DataError
    from ser_tinyml.systems import registry

    chosen = registry.find(system)
    try:
        features = field.features_of(chosen, path, longest_s=LONGEST_S)
        runner = field.runner_of(chosen, None, shape=features.shape)
    except DataError as error:
        return {"file": name, "error": str(error).replace(str(path), name)}
    if chosen.write_picture is not None:
        chosen.write_picture(features, picture)
    return field.answer(runner, features, name=name, system=system)


if __name__ == "__main__":
    print(json.dumps(_main(*sys.argv[1:])))
