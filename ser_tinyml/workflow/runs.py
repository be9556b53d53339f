"""One run, one folder: where each stage reads what the one before it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ser_tinyml import files

STAGES = (
    "01_index",
    "02_features",
    "03_train",
    "04_convert",
    "05_export",
    "06_listen_live",
)
RESEARCH = ("07_evaluate", "08_ablations")  # what the settings are worth; not needed for a model
FOLLOWS = dict(zip(STAGES[1:], STAGES, strict=False)) | dict.fromkeys(RESEARCH, STAGES[0])
DONE = "done.json"


class Run:
    """The folder of one run.

    Parameters
    ----------
    folder
        For example ``runs/demo``; made when the first stage writes.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    def input(self, stage: str, file: str) -> Path:
        """A file that an earlier stage wrote.

        Raises
        ------
        DataError
            If it is not there.
        """
        path = self.folder / stage / file
        if not path.is_file():
            raise files.DataError(
                f"{path}: expected what {stage} writes, found nothing: "
                f"run notebooks/{stage}.ipynb with the same run_dir first"
            )
        return path

    def output(self, stage: str) -> Path:
        """The folder a stage writes to; its mark of completion goes, since it is being redone."""
        folder = self.folder / stage
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DONE).unlink(missing_ok=True)
        return folder

    def write_metrics(self, stage: str, metrics: dict[str, Any]) -> Path:
        """Write a stage's numbers as its metrics.json, rounded to six significant digits."""
        return files.write_json(self.folder / stage / "metrics.json", files.plain_numbers(metrics))

    def metrics(self, stage: str) -> dict[str, Any]:
        """The numbers that a stage wrote."""
        return files.read_json(self.input(stage, "metrics.json"))
