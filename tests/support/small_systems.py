"""A system that is trained at once: the nearest mean of band levels. And clips for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from make_audio import record

from ser_tinyml import files
from ser_tinyml.systems import registry
from ser_tinyml.systems.face import (
    PUBLISHED,
    SPEAKERS,
    Export,
    Exported,
    Lesson,
    Side,
    System,
    Test,
)
from ser_tinyml.systems.trials import SystemMaterial

RATE = 8_000
BANDS = 6
CLASSES = {"low": ["sad", "calm"], "high": ["happy", "angry"]}
TONES_HZ = {"sad": 300, "calm": 500, "happy": 1_500, "angry": 2_500}
SPEAKERS_OF = {"RAVDESS": 10, "SAVEE": 5}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How sharp the answers are."""

    sharpness: float = 1.0


class NearestMean:
    """The class whose mean is nearest."""

    def __init__(self, classes: Sequence[str], means: np.ndarray, sharpness: float) -> None:
        self.classes = list(classes)
        self.means = means
        self.sharpness = sharpness

    def predict(self, features: np.ndarray) -> np.ndarray:
        distance = ((features[:, None] - self.means) ** 2).mean(axis=2)
        odds = np.exp(-self.sharpness * (distance - distance.min(axis=1, keepdims=True)))
        return odds / odds.sum(axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        files.write_arrays(folder / "means.npz", {"means": self.means, "s": self.sharpness})

    def size(self) -> Mapping[str, float]:
        return {"parameters": self.means.size, "macs": self.means.size}


def features(samples: np.ndarray) -> np.ndarray:
    power = np.abs(np.fft.rfft(samples)) ** 2
    parts = np.array_split(power, BANDS)
    return np.log10(np.array([part.mean() for part in parts]) + 1e-9).astype(np.float32)


def noisy(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return samples + 0.001 * rng.normal(size=len(samples))


def train(lesson: Lesson, settings: Settings) -> NearestMean:
    side = lesson.train
    lesson.say(f"{len(side.rows)} rows")
    means = [side.features[side.labels == n].mean(axis=0) for n in range(len(lesson.classes))]
    return NearestMean(lesson.classes, np.stack(means), settings.sharpness)


def load(folder: Path) -> NearestMean:
    stored = files.read_arrays(folder / "means.npz")
    classes = files.read_json(folder / "labels.json")
    return NearestMean(classes, stored["means"], float(stored["s"]))


def as_text(model: NearestMean, folder: Path, training: Side) -> Exported:
    files.write_json(folder / "means.json", model.means.round(3).tolist())
    rounded = NearestMean(model.classes, model.means.round(3), model.sharpness)
    return Exported(rounded.predict, {"bytes": (folder / "means.json").stat().st_size})


SYSTEM = System(
    name="small",
    title="Nearest mean",
    extra="small",
    sample_rate=RATE,
    least_s=0.2,
    versions={"noisy": noisy},
    features=features,
    train=train,
    load=load,
    settings=Settings(),
    quick=Settings(sharpness=0.5),
    tests={
        PUBLISHED: Test(
            rows={"protocol": "clip_random", "class_set": CLASSES},
            quoted={"accuracy": 0.9},
            source="somebody",
        ),
        SPEAKERS: Test(rows={"protocol": "speaker", "class_set": CLASSES}),
    },
    exports={
        "text": Export(about="as JSON", make=as_text, difference=0.05),
        "else": Export(about="needs what is not there", make=as_text, modules=("no_such_module",)),
    },
)


@contextmanager
def registered(system: System = SYSTEM) -> Iterator[System]:
    """A system that is known for a while."""
    registry.register(system)
    try:
        yield system
    finally:
        del registry._ADDED[system.name]


def clips() -> pd.DataFrame:
    """Of each speaker a clip of each emotion, in two repetitions."""
    return pd.DataFrame(
        {
            "key": f"{corpus}/{number}-{emotion}-{repetition}",
            "corpus": corpus,
            "speaker": f"{corpus}-{number}",
            "sex": "female",
            "emotion": emotion,
            "path": f"{corpus}/{number}-{emotion}-{repetition}.wav",
            "sha256": f"{corpus} {number} {emotion} {repetition}",
        }
        for corpus, count in SPEAKERS_OF.items()
        for number in range(count)
        for emotion in TONES_HZ
        for repetition in range(2)
    )


def material(folder: Path) -> SystemMaterial:
    """Recordings of all clips: a tone, and noise that is another for each."""
    table = clips()
    time = np.arange(RATE // 2) / RATE
    for number, (path, emotion) in enumerate(zip(table["path"], table["emotion"], strict=True)):
        noise = np.random.default_rng(number).normal(size=len(time))
        tone = np.sin(2 * np.pi * TONES_HZ[emotion] * time)
        record(folder / path, (0.1 * tone + 0.1 * noise).astype(np.float32), sample_rate=RATE)
    return SystemMaterial(table, folder, folder / "made")
