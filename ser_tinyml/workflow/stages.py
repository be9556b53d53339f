"""The stages: their order, what each follows, and what checks its parameters."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ser_tinyml.data.corpus import label_problem
from ser_tinyml.files import DataError

STAGES = (
    "01_index",
    "02_features",
    "03_train",
    "04_convert",
    "05_export",
    "06_listen_live",
)
# What the settings are worth, what a few clips of a voice are, how the corpora sound, and what
# teachers say; no model needs them.
RESEARCH = ("07_evaluate", "08_ablations", "09_your_voice", "10_corpora", "15_teachers")
# What the field's systems score; each is named after a module of `ser_tinyml.systems`. Then all of
# them side by side.
COMPARE = "14_compare"
FIELD = ("11_conv162", "12_spectrogram", "13_light", COMPARE)
ALL = tuple(sorted((*STAGES, *RESEARCH, *FIELD)))
FOLLOWS = dict(zip(STAGES[1:], STAGES, strict=False)) | dict.fromkeys(
    (*RESEARCH, *FIELD), STAGES[0]
)

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

MASTER = re.compile(r"local(\[.+\])?|local-cluster\[.+\]|(spark|k8s)://.+|yarn")
# What no configuration checks, by name: in words, and as a test.
LITERALS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "demo_scale": ("a share above 0, at most 1", lambda share: 0 < share <= 1),
    "threshold": ("a probability from 0 to 1", lambda share: 0 <= share <= 1),
    "seconds": ("above 0", lambda value: value > 0),
    "alarm_hours": ("above 0", lambda value: value > 0),
    "clips_a_class": ("whole numbers from 1 on with spaces between", lambda text: _counts(text)),
    "draws": ("1 or more", lambda count: count >= 1),
    "latency_inferences": ("1 or more", lambda count: count >= 1),
    "epochs": ("1 or more", lambda count: count >= 1),
    "teacher_epochs": ("1 or more", lambda count: count >= 1),
    "demo_seed": ("0 or more", lambda seed: seed >= 0),
    "seed": ("0 or more", lambda seed: seed >= 0),
    "jobs": ("0 or more", lambda count: count >= 0),
    "resamples": ("10 or more", lambda count: count >= 10),
    "engine": ("joblib or spark", lambda name: name in ("joblib", "spark")),
    "master": (
        "a Spark master such as local[2], spark://host:7077 or yarn",
        lambda text: bool(MASTER.fullmatch(text)),
    ),
    "label": (
        "nothing, or a word that a board can tell",
        lambda text: not label_problem(text or "-"),
    ),
    "speed": ("0 or more", lambda speed: speed >= 0),
    "seeds": ("whole numbers with spaces between", lambda text: _numbers(text)),
    "net_seeds": (
        "nothing, or whole numbers with spaces between",
        lambda text: not text or _numbers(text),
    ),
    "test_folds": ("some of 0 to 4 with spaces between", lambda text: _numbers(text, below=5)),
}
# What a function checks that raises DataError, by parameter.
CHECKS = {
    "led_colours": "ser_tinyml.device.export.colours:check",
    "net_sizes": "ser_tinyml.systems.sizes:sizes",
    "systems_shown": "ser_tinyml.systems.registry:listed",
}
# Names out of a table, by parameter: how they are separated, where the table is. "all" is all.
NAMES = {
    "conditions": (", ", "ser_tinyml.sound.degrade:CONDITIONS"),
    "names": (" | ", "ser_tinyml.evaluation.ablations:names"),
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
    for name in parameters.keys() & LITERALS:
        expected, good = LITERALS[name]
        if not good(parameters[name]):
            raise DataError(f"{name}: expected {expected}, found {parameters[name]!r}")
    for name in parameters.keys() & CHECKS:
        pkgutil.resolve_name(CHECKS[name])(parameters[name])
    for name in parameters.keys() & NAMES:
        separator, place = NAMES[name]
        if parameters[name] != "all":
            known = pkgutil.resolve_name(place)
            known = known() if callable(known) else known
            _check_names(name, parameters[name].split(separator), list(known))


def check_recordings(
    stage: str, parameters: Mapping[str, Any], recordings: str | Path | None
) -> None:
    """Check a stage's parameters against what the recordings are called, before anything runs.

    Parameters
    ----------
    recordings
        Their folder; None: those of the synthetic corpus.

    Raises
    ------
    DataError
        If a class has no clip, or too few; recordings of which none can be used are for stage 01.
    """
    if "class_set" not in parameters:
        return
    plan = pkgutil.resolve_name(CONFIGURATIONS[stage][0]).of(parameters)
    clips = pkgutil.resolve_name("ser_tinyml.data.dataset:names")(recordings)
    if len(clips):
        plan.settled(clips)


def _numbers(text: str, *, below: int | None = None) -> bool:
    """Whether a text is whole numbers with spaces between, one at least."""
    words = text.split()
    return bool(words) and all(
        word.isdecimal() and (below is None or int(word) < below) for word in words
    )


def _counts(text: str) -> bool:
    """Whether a text is whole numbers from 1 on with spaces between, one at least."""
    return _numbers(text) and "0" not in text.split()


def _check_names(name: str, wanted: Iterable[str], known: Sequence[str]) -> None:
    for one in wanted:
        if one not in known:
            raise DataError(f"{name}: expected 'all' or some of {known}, found {one!r}")


def dotted(name: str) -> str | None:
    """The name under which a field of a configuration is given: "units" is "training.units"."""
    for parameter, place in FIELDS_OF.items():
        if name in {field.name for field in fields(pkgutil.resolve_name(place))}:
            return f"{parameter}.{name}"
    return None
