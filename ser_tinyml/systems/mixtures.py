"""Gaussian mixtures over frames: what the field did before nets."""

from __future__ import annotations

from ser_tinyml.systems.face import PUBLISHED, SPEAKERS, System, Test
from ser_tinyml.systems.parts import light_features, mixture_models
from ser_tinyml.systems.parts.mixture_models import Settings

MIXTURES = System(
    name="mixtures",
    title="Gaussian mixtures over the MFCC of frames, one a class",
    sample_rate=light_features.RATE,
    least_s=0.25,
    prepare=light_features.prepare,
    features=mixture_models.features,
    train=mixture_models.train,
    load=mixture_models.load,
    settings=Settings(),
    quick=Settings(components=2, rounds=5),
    tests={
        PUBLISHED: Test(
            rows={"protocol": "clip_random", "class_set": "seven", "test_fraction": 0.3}
        ),
        SPEAKERS: Test(rows={"protocol": "speaker", "class_set": "seven"}),
    },
)
SYSTEMS = (MIXTURES,)
