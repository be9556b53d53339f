"""The project's own net in several sizes: what has the board left to give?"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ser_tinyml import files
from ser_tinyml.device.emulation import report, toolchain
from ser_tinyml.device.export import sources, tables
from ser_tinyml.device.export.golden import golden_clips
from ser_tinyml.device.export.model import Export
from ser_tinyml.evaluation import cross_validation, trials
from ser_tinyml.evaluation.trials import Material, Settings
from ser_tinyml.files import DataError
from ser_tinyml.systems import arrays

COUNTED = "emulated.json"
DEFAULT = "lstm_128_64"  # the size that is released
TOOLS = (f"{toolchain.PREFIX}g++", toolchain.QEMU)
CLIPS = 2  # golden clips that the emulated board answers, so that it is known to be right
SHARE_LEFT = 0.6  # of the processor, at most


@dataclass(frozen=True)
class Size:
    """Units of each LSTM layer."""

    units: tuple[int, ...]

    @property
    def name(self) -> str:
        """By which tables know it."""
        return "lstm_" + "_".join(map(str, self.units))

    @property
    def title(self) -> str:
        """What pictures call it."""
        return f"LSTM {'/'.join(map(str, self.units))}"


def sizes(text: str) -> list[Size]:
    """Sizes such as "64/32 128/64", with spaces between.

    Raises
    ------
    DataError
        If it is something else.
    """
    words = text.split()
    for word in words:
        if not re.fullmatch(r"[1-9]\d*(/[1-9]\d*)*", word):
            raise DataError(f"sizes: expected units such as 128/64, found {word!r}")
    return [Size(tuple(map(int, word.split("/")))) for word in words]


def run(
    material: Material,
    base: Settings,
    chosen: Sequence[Size],
    *,
    test_folds: Sequence[int],
    seeds: Sequence[int],
    jobs: int | None = None,
) -> dict[Size, list[Path]]:
    """Train and test the same recipe at several sizes on speakers never heard.

    Returns
    -------
    folders
        Of the finished trials of each size. What is on disk is not done again.
    """
    wanted = {
        size: cross_validation.fold_settings(
            _sized(base, size.units), seeds=seeds, test_folds=test_folds
        )
        for size in chosen
    }
    every = [one for settings in wanted.values() for one in settings]
    folders = iter(trials.run(material, every, jobs=jobs))
    return {size: [next(folders) for _ in settings] for size, settings in wanted.items()}


def _sized(base: Settings, units: tuple[int, ...]) -> Settings:
    training = replace(base.recipe.training, units=units)
    return replace(base, recipe=replace(base.recipe, training=training))


def counted(folder: Path) -> dict[str, Any]:
    """What a trial's net costs on the emulated board, with the features; empty without its tools.

    Returns
    -------
    facts
        milliseconds (from a clip's last sample to its answer), share (of the processor while a
        voice is heard), step_ms, frame_ms, flash_bytes, ram_bytes, fits (the board), on.

    Raises
    ------
    DataError
        If the emulated board answers a golden clip otherwise than TFLite Micro.
    """
    path, code = folder / COUNTED, arrays.hash_of([__name__])
    if path.is_file() and (known := files.read_json(path)).pop("code") == code:
        return known
    if any(shutil.which(tool) is None for tool in TOOLS):
        return {}
    facts = counted_of(Export.load(folder), name=str(folder))
    files.write_json(path, {**facts, "code": code})
    return facts


def counted_of(export: Export, *, name: str) -> dict[str, Any]:
    """As `counted`, of a model; `name` is what an error calls it."""
    clips = golden_clips(export).clips[:CLIPS]
    with tempfile.TemporaryDirectory() as made:
        sources.write_sources(Path(made) / "model", export)
        facts = report.costs_of(Path(made) / "built", Path(made) / "model", clips)
    if facts.pop("identical") != len(clips):
        raise DataError(f"{name}: expected TFLite Micro's answers, found others when emulated")
    facts["fits"] = facts["flash_bytes"] <= tables.FLASH_BYTES and facts["share"] <= SHARE_LEFT
    return {**facts, "on": f"emulated {toolchain.CORTEX_M4F.name}"}
