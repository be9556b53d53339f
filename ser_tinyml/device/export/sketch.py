"""A whole sketch with a model in it, to be opened, compiled and flashed where it lies."""

from __future__ import annotations

from pathlib import Path

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import shipped

SKETCH = shipped("firmware/arduino_nano33")
# All but the model and its clips.
PARTS = ("*.ino", "sketch.yaml", "src/lstm/*", "src/ser/*", "src/board/*")


def write_sketch(folder: str | Path, model: str | Path) -> list[Path]:
    """Write the sketch with a model.

    Parameters
    ----------
    folder
        Gets the folder ``arduino_nano33``: the Arduino tools want it to be called as the sketch is.
    model
        Folder with the C++ of the model, from `sources.write_sources`.

    Returns
    -------
    The files that were written.

    Raises
    ------
    DataError
        If there is no sketch to copy, or no C++ of a model.
    """
    place = Path(folder) / SKETCH.name
    code = {path.relative_to(SKETCH): path for part in PARTS for path in sorted(SKETCH.glob(part))}
    generated = {Path("src/model") / path.name: path for path in sorted(Path(model).glob("*.*"))}
    wanted = [*(SKETCH / part for part in PARTS), Path(model) / "*.*"]
    for pattern in wanted:
        if not any(pattern.parent.glob(pattern.name)):
            raise DataError(f"{pattern}: expected the parts of a sketch, found none")
    return [
        files.write_bytes(place / name, files.read_bytes(path))
        for name, path in {**code, **generated}.items()
    ]
