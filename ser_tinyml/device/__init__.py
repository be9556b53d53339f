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
        Folder of a released model, of a run or of a model for one voice.

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
    model = Path(model)
    adapted = model / "sketch" / SKETCH.name / "src"  # of `apps.adapt`
    for sources, golden in ((model, model), (model / STAGE, model / STAGE), (adapted, model)):
        if (sources / MODEL.name).is_dir():
            return sources / MODEL.name, golden / GOLDEN.name
    raise DataError(
        f"{model}: expected a model with its C++, in {MODEL.name}/, {STAGE}/{MODEL.name}/ or "
        f"sketch/{SKETCH.name}/src/{MODEL.name}/, found none: notebook 05 and adapt write it"
    )
