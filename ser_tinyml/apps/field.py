"""Answers of one of the field's systems: to recordings, and to pictures where it looks at such."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import files
from ser_tinyml.apps.predict import expand, model_folder, picture_paths
from ser_tinyml.apps.printing import printable
from ser_tinyml.files import DataError
from ser_tinyml.output import captured_output
from ser_tinyml.provenance import ROOT
from ser_tinyml.sound import reading
from ser_tinyml.systems import face, registry
from ser_tinyml.systems.face import PUBLISHED, SPEAKERS, System
from ser_tinyml.systems.trials import TRIAL

RUN = ROOT / "runs" / "systems"
ONNX = ".onnx"


@dataclass(frozen=True)
class Runner:
    """A model that answers features.

    Attributes
    ----------
    classes
        In the order of its answers.
    predict
        As `face.Model.predict`.
    """

    classes: Sequence[str]
    predict: Callable[[np.ndarray], np.ndarray]


def predict(
    given: Sequence[str],
    *,
    system: str,
    model: str | Path | None = None,
    in_json: bool = False,
    picture: str | Path | None = None,
) -> int:
    """Answer recordings and pictures, one after the other, and print each answer.

    Parameters
    ----------
    given
        Recordings, folders of them, and pictures of spectrograms for a system that looks at such.
    system
        Its name.
    model
        Folder of a trial or of a run of `ser-tinyml systems`, its name, or an ONNX file; None:
        the run "systems".
    in_json
        Print a JSON object a line: file, system, label, probabilities; or file, error.
    picture
        Also write what the system sees of the recording: a ``.png``; for several a folder.

    Returns
    -------
    status
        1 if something could not be read, otherwise 0.

    Raises
    ------
    DataError
        If there is no such system or model, or it draws no pictures.
    """
    chosen = registry.find(system)
    if picture and chosen.write_picture is None:
        raise DataError(f"{system}: expected a system that looks at pictures, found one that hears")
    names = list(expand(given))
    pictures = picture_paths(Path(picture), names) if picture else [None] * len(names)
    runner, failed = None, False
    for name, path in zip(names, pictures, strict=True):
        try:
            features = features_of(chosen, Path(name))
        except DataError as error:
            failed = True
            if in_json:
                print(json.dumps({"file": name, "error": str(error)}), flush=True)
            print(f"error: {error}", file=sys.stderr)
            continue
        runner = runner or runner_of(chosen, model, shape=features.shape)
        if path is not None:
            chosen.write_picture(features, path)
        print(_line(answer(runner, features, name=name, system=system), in_json), flush=True)
    return int(failed)


def answer(runner: Runner, features: np.ndarray, *, name: str, system: str) -> dict[str, Any]:
    """What a model answers to the features of one clip: file, system, label, probabilities."""
    found = runner.predict(features[np.newaxis])[0].tolist()
    probabilities = dict(zip(runner.classes, found, strict=True))
    label = max(probabilities, key=probabilities.get)
    return {"file": name, "system": system, "label": label, "probabilities": probabilities}


def trained(folder: Path = RUN) -> list[System]:
    """Systems that a run has models of, of those that the table of all names."""
    return [
        system
        for system in map(registry.find, registry.in_tables())
        if any(folder.glob(f"systems/trials/{system.name}-*/{TRIAL}"))
    ]


def _line(found: dict[str, Any], in_json: bool) -> str:
    if in_json:
        return json.dumps(found)
    name, label, answer = (found[key] for key in ("file", "label", "probabilities"))
    rest = ", ".join(f"{one} {p:.0%}" for one, p in answer.items())
    return f"{printable(name)}: {label}, {answer[label]:.0%}  ({rest})"


def features_of(system: System, path: Path, *, longest_s: float | None = None) -> np.ndarray:
    """What a system takes of a recording, of so many seconds at most, or of a picture.

    Raises
    ------
    DataError
        If it is neither, or too short, or a picture that is none of a spectrogram.
    """
    if path.is_dir() or not path.exists():
        found = "a folder without any" if path.is_dir() else "no such file"
        raise DataError(f"{path}: expected a recording, found {found}")
    if _is_picture(path):
        if system.read_picture is None:
            raise DataError(f"{path}: expected a recording for {system.name}, found a picture")
        return system.read_picture(path)
    with captured_output():  # the decoders' own remarks
        sound = reading.read(
            path, sample_rate=system.sample_rate, pipes=longest_s is None, longest_s=longest_s
        )
    return face.features_of(system, sound.samples, name=str(path))


def _is_picture(path: Path) -> bool:
    from ser_tinyml.systems.parts.spectrogram_picture import is_picture

    return path.is_file() and is_picture(path)


def runner_of(system: System, model: str | Path | None, *, shape: Sequence[int]) -> Runner:
    """A trained model: a trial's, or one that comes as ONNX, whoever trained it.

    Parameters
    ----------
    model
        See `predict`. Beside an ONNX file ``labels.json`` may name its answers; without it they
        are those of the system, in their order.
    shape
        Of the features of a clip.
    """
    if model is not None and Path(model).suffix == ONNX:
        return _from_onnx(system, Path(model), shape)
    folder = _trial_of(system, RUN if model is None else model_folder(model))
    trained = face.load(system, folder / "model")
    return Runner(trained.classes, trained.predict)


def _from_onnx(system: System, path: Path, shape: Sequence[int]) -> Runner:
    from ser_tinyml.data import labels
    from ser_tinyml.systems.exports import openvino_ir

    if importlib.util.find_spec("openvino") is None:
        raise DataError(
            f"{path}: expected openvino to be installed, found it is not: "
            'pip install "ser-tinyml[spectrogram]"'
        )
    beside = path.with_name(face.LABELS)
    own = labels.class_names(system.tests[PUBLISHED].rows["class_set"])
    classes = files.read_json(beside) if beside.is_file() else own
    net = openvino_ir.from_onnx(path, shape=shape, classes=len(classes))
    return Runner(classes, openvino_ir.predictor(openvino_ir.compiled(net)))


def _trial_of(system: System, folder: Path) -> Path:
    """A finished trial in a run: of the first fold of speakers never heard, if it is there.

    Raises
    ------
    DataError
        If there is none.
    """
    if (folder / TRIAL).is_file():
        return folder
    found = []
    for path in sorted(folder.glob(f"systems/trials/{system.name}-*/{TRIAL}")):
        known = files.read_json(path)
        if known["system"] == system.name:
            place = (known["test"] != SPEAKERS, known["fold"], known["seed"])
            found.append((place, -path.stat().st_mtime, path.parent))
    if not found:
        raise DataError(
            f"{folder}: expected a trained model of {system.name}, found none: "
            f"make systems DATA=/path/to/corpora SYSTEM={system.name}"
        )
    return min(found)[2]
