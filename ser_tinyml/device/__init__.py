"""The board: what it is given, how it is spoken to, and all that it does once more in Python."""

from __future__ import annotations

from pathlib import Path

from ser_tinyml.files import DataError
from ser_tinyml.provenance import shipped

SKETCH = shipped("firmware/arduino_nano33")
PORTABLE = {name: SKETCH / "src" / name for name in ("lstm", "ser")}  # C++ that knows no board
MODEL = SKETCH / "src" / "model"  # the generated sources of the released model
GOLDEN = SKETCH / "golden"
STAGE = "05_export"  # that leaves both in the folder of a run


def sources_of(model: str | Path) -> tuple[Path, Path]:
    """Where the C++ of a model and its golden clips lie.

    Parameters
    ----------
    model
        Folder of a released model or of a run.

    Returns
    -------
    sources, golden
        Folders.

    Raises
    ------
    DataError
        If there is no C++.
    """
    if Path(model).resolve() == shipped("models").resolve():
        return MODEL, GOLDEN
    for place in (Path(model), Path(model) / STAGE):
        if (place / MODEL.name).is_dir():
            return place / MODEL.name, place / GOLDEN.name
    raise DataError(
        f"{model}: expected a model with its C++, in {MODEL.name}/ or {STAGE}/{MODEL.name}/, "
        "found neither: notebook 05 writes it"
    )
