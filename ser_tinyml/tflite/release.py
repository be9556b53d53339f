"""A released model: the folder that holds it and all that belongs to it. Needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from ser_tinyml import files
from ser_tinyml.data.corpus import label_problem
from ser_tinyml.features import FeatureConfig
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.files import DataError
from ser_tinyml.provenance import shipped
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.answer_layer import HiddenStatistics
from ser_tinyml.tflite.convert import ConversionError

FOLDER = shipped("models")
STAGE = "04_convert"  # that leaves a released model in the folder of a run
MODEL, DECISION, HIDDEN = "int8.tflite", "decision.json", "hidden.npz"
FEATURES, NORMALISATION, LABELS = "features.json", "normalisation.json", "labels.json"
THRESHOLD = 0.5  # of a model that came without one
TARGET_ACCURACY = 0.85  # of the answers that are given: what a threshold is chosen for


@dataclass(frozen=True, kw_only=True)
class Release:
    """A model for the board and what it takes to use it.

    Attributes
    ----------
    folder
        Where it was read from.
    tflite
        The int8 model.
    config
        What its features are.
    normalisation
        Of its inputs.
    labels
        Names of its outputs, in order.
    threshold
        An answer less probable than this is "unsure".
    """

    folder: Path
    tflite: bytes
    config: FeatureConfig
    normalisation: Normalisation
    labels: list[str]
    threshold: float = THRESHOLD

    def __post_init__(self) -> None:
        model = self.folder / MODEL
        try:
            convert.check_operators(self.tflite)
            (_, *shape), (_, n_classes) = convert.io_shape(self.tflite)
        except ConversionError as error:
            raise DataError(f"{model}: {error}") from error
        for name, what, expected, found in (
            ("features.json", "steps and inputs", tuple(shape), self.config.feature_shape),
            ("normalisation.json", "means", (shape[1],), self.normalisation.mean.shape),
            ("labels.json", "names", n_classes, len(self.labels)),
        ):
            if expected != found:
                raise DataError(
                    f"{self.folder / name}: expected {expected} {what} as {model} has, "
                    f"found {found}"
                )
        if not self.config.causal:
            raise DataError(
                f"{self.folder / 'features.json'}: expected features that a board can compute, "
                "found some that look ahead or at the whole clip"
            )
        self._check_texts_and_numbers()

    def _check_texts_and_numbers(self) -> None:
        """Refuse what a board could not tell."""
        for label in self.labels:
            if why := label_problem(label):
                raise DataError(f"{self.folder / 'labels.json'}: {why}, found {label!r}")
        if len(set(self.labels)) < len(self.labels):
            raise DataError(
                f"{self.folder / 'labels.json'}: expected each name once, found {self.labels}"
            )
        mean, std = self.normalisation.mean, self.normalisation.std
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise DataError(
                f"{self.folder / 'normalisation.json'}: expected finite means, and finite "
                f"deviations over 0, found {mean.tolist()} and {std.tolist()}"
            )

    @classmethod
    def load(cls, folder: str | Path = FOLDER) -> Self:
        """Read a model folder, or what a run left.

        Parameters
        ----------
        folder
            With int8.tflite, features.json, normalisation.json and labels.json; where there is
            no decision.json, the threshold is `THRESHOLD`. The folder of a run, such as
            ``runs/demo``, holds all of them in its ``04_convert/``.

        Raises
        ------
        DataError
            If a file is missing or broken, or they are not of one model.

        Examples
        --------
        >>> Release.load().labels
        ['neutral', 'happy', 'surprise', 'unpleasant']
        """
        folder = cls._find(Path(folder))
        labels = files.read_json(folder / "labels.json")
        if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels):
            raise DataError(f"{folder / 'labels.json'}: expected a list of names, found {labels!r}")
        return cls(
            folder=folder,
            tflite=files.read_bytes(folder / MODEL),
            config=FeatureConfig.load(folder / "features.json"),
            normalisation=Normalisation.load(folder / "normalisation.json"),
            labels=labels,
            threshold=read_threshold(folder / DECISION),
        )

    @staticmethod
    def _find(folder: Path) -> Path:
        """The folder itself, or that of the stage that converts."""
        places = (folder, folder / STAGE)
        for place in places:
            if (place / MODEL).is_file():
                return place
        raise DataError(
            f"{folder}: expected a model folder or a finished run, found neither "
            + " nor ".join(str(place / MODEL) for place in places)
        )

    @cached_property
    def decision(self) -> dict[str, Any]:
        """When it answers: decision.json, or what stands for one."""
        path = self.folder / DECISION
        known = files.read_json(path) if path.is_file() else {}
        return {"target_accuracy": TARGET_ACCURACY, **known, "threshold": self.threshold}

    @cached_property
    def hidden(self) -> HiddenStatistics:
        """What the last layer reads of the training clips: what adapting to a voice goes by.

        Raises
        ------
        DataError
            If the model came without it.
        """
        if not (self.folder / HIDDEN).is_file():
            raise DataError(
                f"{self.folder / HIDDEN}: expected what adapting goes by, found no such file: "
                "the model was made without it"
            )
        return HiddenStatistics.load(self.folder / HIDDEN)

    @cached_property
    def quantisation(self) -> convert.Quantisation:
        """Scales and zero points of input and output."""
        return convert.io_quantisation(self.tflite)

    @cached_property
    def model_sha256(self) -> str:
        """SHA-256 of the .tflite file."""
        return files.sha256_bytes(self.tflite)

    @cached_property
    def model_id(self) -> str:
        """16 hexadecimal digits over model, features, labels and normalisation."""
        parts = [
            self.model_sha256,
            self.config.hash,
            list(self.labels),
            self.normalisation.mean.astype(float).tolist(),
            self.normalisation.std.astype(float).tolist(),
        ]
        return files.sha256_json(parts)[:16]

    def inputs(self, features: np.ndarray) -> np.ndarray:
        """Features [shape=(…, n_inputs)], normalised and quantised to the model's int8."""
        return convert.quantise(self.normalisation.apply(features), *self.quantisation[:2])


def write(
    folder: str | Path,
    *,
    tflite: bytes,
    config: FeatureConfig,
    normalisation: Normalisation,
    labels: Sequence[str],
    decision: Mapping[str, Any],
    hidden: HiddenStatistics | None,
) -> None:
    """Write a model folder that `Release.load` reads; also of features that no board can compute.

    Parameters
    ----------
    decision
        With ``threshold``, from `calibration.decide`.
    hidden
        Of the training clips, from `adaptation.statistics`; None: it cannot be adapted.
    """
    folder = Path(folder)
    files.write_bytes(folder / MODEL, tflite)
    config.save(folder / FEATURES)
    normalisation.save(folder / NORMALISATION)
    files.write_json(folder / LABELS, list(labels))
    files.write_json(folder / DECISION, dict(decision))
    if hidden is not None:
        hidden.save(folder / HIDDEN)


def read_threshold(path: str | Path) -> float:
    """The threshold that a decision.json states; `THRESHOLD` if there is no such file.

    Raises
    ------
    DataError
        If it states none from 0 to 1.
    """
    if not Path(path).exists():
        return THRESHOLD
    decision = files.read_json(path)
    threshold = decision.get("threshold") if isinstance(decision, dict) else None
    number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    if not number or not 0 <= threshold <= 1:
        raise DataError(f"{path}: expected a threshold from 0 to 1, found {threshold!r}")
    return float(threshold)
