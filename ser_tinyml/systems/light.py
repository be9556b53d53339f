"""Acoustic features and light models as C: the way of "embedded-audio-emotion", and an honest twin.

The published system has 45 numbers a clip, some of which are not what they are called, and a forest
of 100 trees that does not fit the memory that is named for it. Beside it stand numbers that are
what they are called and that the board computes itself, with models that are grown within a budget
of bytes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ser_tinyml.systems.exports import light as exports
from ser_tinyml.systems.face import (
    MODEL,
    PUBLISHED,
    SPEAKERS,
    Export,
    System,
    Test,
    whole,
)
from ser_tinyml.systems.parts import light_features, light_models, light_published
from ser_tinyml.systems.parts.light_models import Settings

FLASH_BYTES = 200_000  # of a model, so that all of it keeps within 256 KiB of flash
SMALL_BYTES = 60_000  # of a model, so that it keeps within 64 KiB
TITLES = {
    "logistic": "logistic regression",
    "bayes": "naive Bayes",
    "tree": "decision tree",
    "forest": "random forest",
    "extra": "extra trees",
    "boosting": "histogram boosting",
    "mlp": "MLP",
    "svm": "SVM",
}
BUDGETS = {"tree": SMALL_BYTES, "forest": FLASH_BYTES, "extra": FLASH_BYTES}
IN_C = ("logistic", "tree", "forest", "extra", "mlp")  # what emlearn makes C of as it answers here
QUOTED_BY = "embedded-audio-emotion, its best model and its own features"

TESTS = {
    PUBLISHED: Test(
        rows={"protocol": "clip_random", "class_set": "seven", "test_fraction": 0.3},
        quoted={"weighted_f1": 0.612},
        source=QUOTED_BY,
    ),
    SPEAKERS: Test(rows={"protocol": "speaker", "class_set": "seven"}),
}
C = Export(
    about="C by emlearn and the features in C++, counted on an emulated board",
    make=exports.as_c,
    modules=exports.MODULES,
    tools=exports.TOOLS,
    same=0.995,
)


def _true(kind: str, *, name: str = "", title: str = "", **settings: Any) -> System:
    """A model over the features that the board computes."""
    given = {"kind": kind, "most_bytes": BUDGETS.get(kind, 0), **settings}
    return System(
        name=f"light_{name or kind}",
        title=f"{title or TITLES[kind]} over {len(light_features.NAMES)} acoustic features",
        extra="light",
        sample_rate=light_features.RATE,
        least_s=0.25,
        prepare=light_features.prepare,
        features=light_features.features,
        train=light_models.train,
        load=light_models.load,
        settings=Settings(**given),
        quick=Settings(**{**given, "trees": 5, "most_bytes": 0, "hidden": 8, "epochs": 20}),
        tests=TESTS,
        exports={"c": C} if kind in IN_C else {},
        shipped="c" if kind in IN_C else MODEL,
    )


def _published(kind: str) -> System:
    """A model over the features as published, grown to the end as published."""
    return replace(
        _true(kind, most_bytes=0, least_in_leaf=1, balanced=False, byte_shares=False),
        name=f"light_published_{kind}",
        title=f"{TITLES[kind]} over {len(light_published.NAMES)} features as published",
        sample_rate=light_published.RATE,
        prepare=whole,
        features=light_published.features,
        exports={},
        shipped=MODEL,
    )


SYSTEMS = (
    *(_true(kind) for kind in TITLES),
    _true("extra", name="small", title="extra trees of 60 kB", most_bytes=SMALL_BYTES, trees=40),
    *(_published(kind) for kind in TITLES),
)
# The best one, the best in C, the smallest forest, and the best over the features as published.
IN_TABLES = ("light_svm", "light_mlp", "light_small", "light_published_svm")
