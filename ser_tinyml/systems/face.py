"""The one face of the field's systems: what each hears, how it learns, and what becomes of it.

What a system's authors did, and nobody else, is in its own module. Recordings, splits, folds,
training runs, scores and files are the same for all, in `arrays`, `trials` and `scores`.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ser_tinyml import files
from ser_tinyml.files import DataError

CLEAN = "clean"  # the version of a clip that is the clip itself
MODEL = "float"  # the kind of answers that a model gives as it was trained
PUBLISHED, SPEAKERS = "published", "speakers"  # names of the two tests that every system takes
LABELS = "labels.json"
CLIP_S = 2.0  # of the clip whose time and energy are counted: about a sentence

Waveform = np.ndarray
Version = Callable[[Waveform, np.random.Generator], Waveform]


class Model(Protocol):
    """A trained model."""

    classes: Sequence[str]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Probabilities [shape=(n, n_classes)] of features [shape=(n, …)]; a row sums to 1."""

    def save(self, folder: Path) -> None:
        """Write all that `System.load` needs; `save` of this module adds the classes."""

    def size(self) -> Mapping[str, float]:
        """What is known of its size: "parameters", "macs" (multiply-accumulates an answer)."""


@dataclass(frozen=True)
class Side:
    """Clips on one side of a split, and changed copies of them.

    Attributes
    ----------
    rows
        A line a copy: key, corpus, speaker, emotion, label, label_id, variant, split.
    features [shape=(rows, …)]
    """

    rows: pd.DataFrame
    features: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Index of the class of every row."""
        return self.rows["label_id"].to_numpy()


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a training is given. It never sees the test.

    Attributes
    ----------
    train
        With changed copies.
    validation
        Clips as they are, to stop early by and to choose by.
    classes
        Names, in the order of the answers.
    seed
        Of all that is drawn: the same gives the same model.
    folder
        For a state from which an interrupted training goes on.
    say
        Gets lines for the log.
    before
        Folder of a model that has learned from other corpora, see `Pretraining`; None: there is
        none, or this is its own lesson.
    """

    train: Side
    validation: Side
    classes: list[str]
    seed: int
    folder: Path
    say: Callable[[str], None]
    before: Path | None = None


@dataclass(frozen=True)
class Exported:
    """What became of a model in another form.

    Attributes
    ----------
    predict
        As `Model.predict`, by what was exported.
    facts
        What was measured of it. Names that tables and pictures know: bytes (of the file),
        flash_bytes, ram_bytes, milliseconds and millijoules (an answer on the board's processor),
        and on ("emulated Cortex-M4F"): where that was.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Export:
    """Another form of a model.

    Attributes
    ----------
    about
        What it is, in a few words.
    make
        Takes the model, a folder to write to and the training side (for calibration).
    modules, tools
        What has to be installed for it: names that Python imports, and programs.
    difference
        A probability that differs from the model's by no more than this is as good as the same.
    same
        Share of clips with the model's answer that is good enough where probabilities differ by
        more; None: then nothing is.
    """

    about: str
    make: Callable[[Model, Path, Side], Exported]
    modules: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    difference: float = 1e-4
    same: float | None = None

    def missing(self) -> list[str]:
        """Modules and programs that are not there."""
        modules = [name for name in self.modules if importlib.util.find_spec(name) is None]
        return modules + [name for name in self.tools if shutil.which(name) is None]

    def kept(self, same: float, difference: float) -> bool:
        """Whether an export is as good as it has to be."""
        return difference <= self.difference or (self.same is not None and same >= self.same)


def likeness(answers: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """How like two sets of probabilities are [shape=(n, n_classes)].

    Returns
    -------
    same, difference
        Share of equal answers; the largest difference of a probability.
    """
    return {
        "same": float((answers.argmax(axis=1) == reference.argmax(axis=1)).mean()),
        "difference": float(np.abs(answers - reference).max()),
    }


@dataclass(frozen=True, kw_only=True)
class Test:
    """How a system is tested.

    Attributes
    ----------
    rows
        Parameters of `features.rows.RowPlan`: protocol, class_set, corpora, test_fraction, ….
        With protocol "speaker" it is done on each of the five folds.
    quoted
        Scores that its authors, or others with the same recipe, give: name of the score to share.
    source
        Whose figures those are.
    counted
        Corpora whose clips count in the line over all of a test by speaker; none: those that count
        in it everywhere. The others have lines of their own.
    settings
        Of the trainings for this test, where they are others than the system's.
    pretrained
        Whether these trainings begin from the system's pretraining, if it has one.
    """

    __test__ = False  # pytest takes classes of this name for its own

    rows: Mapping[str, Any]
    quoted: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    counted: tuple[str, ...] = ()
    settings: Any = None
    pretrained: bool = True


def as_they_are(clips: pd.DataFrame, song: Path | None) -> pd.DataFrame:
    """The clips of stage 01, and no others."""
    return clips


def whole(samples: Waveform) -> Waveform:
    """A recording as it is, from its first sample to its last."""
    return samples


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """What a model learns from other corpora, before the clips of its own: once for all trials.

    Attributes
    ----------
    clips
        Takes the table of stage 01; gives clips of speakers who are in no test of the system.
    class_set
        Name of each class to its emotions.
    train
        Makes a model from a lesson and the settings of the system.
    """

    clips: Callable[[pd.DataFrame], pd.DataFrame]
    class_set: Mapping[str, Sequence[str]]
    train: Callable[[Lesson, Any], Model]


@dataclass(frozen=True, kw_only=True)
class System:
    """A system of the field. Functions are plain ones at the top of a module.

    Attributes
    ----------
    name
        By which it is chosen and kept.
    title
        What tables call it.
    extra
        Of pyproject.toml, that installs what it needs; empty: nothing more than the notebooks.
    sample_rate
        Of the waveforms that it takes, in Hz.
    least_s
        Seconds that a recording must have.
    clips
        Takes the table of stage 01 and a folder of sung recordings, or None; gives the table of
        the clips that it uses. A path that is absolute is taken as it is.
    prepare
        What is taken of a waveform before anything else, such as a crop.
    versions
        Changed copies of each training clip, by name: takes samples and a generator.
    features
        Takes samples, gives finite float32 numbers whose shape is always the same.
    read_picture, write_picture
        Of features that people look at as a picture: read such a file as features, and draw it.
        None: there is no such picture.
    pretraining
        What a model learns before; None: nothing.
    train, load
        Make a model from a lesson and settings; read one that `Model.save` wrote to a folder.
    settings
        A frozen dataclass of numbers: all that decides a training but the data.
    quick
        Settings for a training of seconds, to see whether all works.
    tests
        `PUBLISHED` and `SPEAKERS`.
    exports
        Name, which is also the kind of the answers, to export.
    shipped
        The kind of answers that its scores are of: `MODEL` or an export's name.
    """

    name: str
    title: str
    extra: str = ""
    sample_rate: int
    least_s: float
    clips: Callable[[pd.DataFrame, Path | None], pd.DataFrame] = as_they_are
    prepare: Callable[[Waveform], Waveform] = whole
    versions: Mapping[str, Version] = field(default_factory=dict)
    features: Callable[[Waveform], np.ndarray]
    read_picture: Callable[[Path], np.ndarray] | None = None
    write_picture: Callable[[np.ndarray, Path], Path] | None = None
    pretraining: Pretraining | None = None
    train: Callable[[Lesson, Any], Model]
    load: Callable[[Path], Model]
    settings: Any
    quick: Any
    tests: Mapping[str, Test]
    exports: Mapping[str, Export] = field(default_factory=dict)
    shipped: str = MODEL

    @property
    def variants(self) -> list[str]:
        """All versions of a training clip, the clip itself first."""
        return [CLEAN, *self.versions]


def prepared(system: System, samples: Waveform, *, name: str) -> Waveform:
    """What a system takes of a waveform.

    Parameters
    ----------
    samples [shape=(n,)]
        At the system's rate.
    name
        Of the recording, for the error.

    Raises
    ------
    DataError
        If it is too short.
    """
    seconds = len(samples) / system.sample_rate
    if seconds < system.least_s:
        raise DataError(
            f"{name}: expected {system.least_s:g} s or more for {system.name}, "
            f"found {seconds:.2f} s"
        )
    return system.prepare(samples)


def features_of(system: System, samples: Waveform, *, name: str) -> np.ndarray:
    """Features of a recording as it is; see `prepared`."""
    return system.features(prepared(system, samples, name=name))


def save(model: Model, folder: Path) -> None:
    """Write a model and the names of its classes."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / LABELS, list(model.classes))
    model.save(folder)


def load(system: System, folder: Path, *, classes: Sequence[str] | None = None) -> Model:
    """Read a model that `save` wrote.

    Parameters
    ----------
    classes
        That it should have; None: those it has.

    Raises
    ------
    DataError
        If there is none, or it is of other classes.
    """
    found = files.read_json(folder / LABELS)
    if classes is not None and list(classes) != found:
        raise DataError(
            f"{folder}: expected a model of {', '.join(classes)}, found one of {', '.join(found)}"
        )
    return system.load(folder)
