"""The stages: their order, what each follows, and what checks its parameters."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

STAGES = (
    "01_index",
    "02_features",
    "03_train",
    "04_convert",
    "05_export",
    "06_listen_live",
)
RESEARCH = ("07_evaluate", "08_ablations")  # what the settings are worth; not needed for a model
ALL = (*STAGES, *RESEARCH)
FOLLOWS = dict(zip(STAGES[1:], STAGES, strict=False)) | dict.fromkeys(RESEARCH, STAGES[0])

# Configurations whose `of(parameters)` takes what it knows of a stage's parameters and raises
# DataError where a value is wrong. The notebook's own config cell calls the very same.
CONFIGURATIONS = {
    "02_features": ("ser_tinyml.features.rows:RowPlan",),
    "03_train": ("ser_tinyml.training.recipe:Recipe",),
    "04_convert": ("ser_tinyml.training.recipe:Recipe",),
}
# Parameters that hold fields of a configuration, by name.
FIELDS_OF = {
    "features": "ser_tinyml.features:FeatureConfig",
    "training": "ser_tinyml.training.config:TrainingConfig",
    "frame_augmentation": "ser_tinyml.features.frame_augment:FrameAugmentConfig",
}


def check(stage: str, parameters: Mapping[str, Any]) -> None:
    """Check the values of a stage's parameters, before anything runs.

    Raises
    ------
    DataError
        If a value is not possible; the message names the parameter.
    """
    for place in CONFIGURATIONS.get(stage, ()):
        pkgutil.resolve_name(place).of(parameters)


def dotted(name: str) -> str | None:
    """The name under which a field of a configuration is given: "units" is "training.units"."""
    for parameter, place in FIELDS_OF.items():
        if name in {field.name for field in fields(pkgutil.resolve_name(place))}:
            return f"{parameter}.{name}"
    return None
