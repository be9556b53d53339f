"""What a model hears in recordings: every one answered, those that cannot be read named.

Needs neither TensorFlow nor librosa, and imports Matplotlib for pictures only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ser_tinyml.apps import printing
from ser_tinyml.apps.answering import Answer, Predictor
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.sound.folder import is_sound, walk
from ser_tinyml.sound.reading import Sound
from ser_tinyml.tflite import release
from ser_tinyml.tflite.release import Release


def predict(
    given: Sequence[str],
    *,
    model: str | Path | None = None,
    steps: bool = False,
    in_json: bool = False,
    picture: str | Path | None = None,
) -> int:
    """Answer recordings, one after the other, and print each answer as soon as it is there.

    Parameters
    ----------
    given
        Recordings, and folders of them.
    model
        A model's folder, or that of a run or its name; None: the released model.
    steps
        Also print what is thought on the way.
    in_json
        Print a JSON object a line (``docs/predict.schema.json``) and nothing else.
    picture
        Also draw the recording: a ``.png``; for several a folder, which gets one of each.

    Returns
    -------
    status
        1 if a recording could not be read, otherwise 0.

    Raises
    ------
    DataError
        If there is no such model, or no place for the pictures.

    Examples
    --------
    >>> predict(["clip.wav"], model="runs/demo")  # doctest: +SKIP
    clip.wav: happy, 97%
    """
    names = list(expand(given))
    pictures = picture_paths(Path(picture), names) if picture else [None] * len(names)
    predictor = Predictor(Release.load(model_folder(model)))
    if len(names) > 1 and not in_json:
        print(printing.table_head(names, predictor.release.labels), flush=True)
    failed = False
    for name, path in zip(names, pictures, strict=True):
        try:
            sound = predictor.read(name, pipes=name in given)
            answer = predictor.answer(sound.samples)
            if path is not None:
                draw(path, sound.samples, answer, name=name, model=predictor.release)
        except DataError as error:
            failed = True
            if in_json:
                print(json.dumps({"file": name, "error": str(error)}), flush=True)
            print(f"error: {error}", file=sys.stderr)
        else:
            how = {"labels": predictor.release.labels, "steps": steps}
            print(_line(name, answer, sound, names=names, in_json=in_json, **how), flush=True)
    return int(failed)


def _line(
    name: str,
    answer: Answer,
    sound: Sound,
    *,
    names: Sequence[str],
    labels: Sequence[str],
    steps: bool,
    in_json: bool,
) -> str:
    if in_json:
        return json.dumps(printing.as_json(name, answer, sound, labels=labels, steps=steps))
    if len(names) > 1:
        return printing.table_row(name, answer, sound, names=names, labels=labels)
    return printing.as_text(name, answer, sound, labels=labels, steps=steps)


def model_folder(model: str | Path | None) -> Path:
    """The folder of a model: as it is, or by its name; None: the released model.

    A name is that of a model that is released beside the default, or of a run.
    """
    if model is None:
        return release.FOLDER
    if not Path(model).exists():
        for known in (release.FOLDER / model, ROOT / "runs" / model):
            if known.is_dir():
                return known
    return Path(model)


def expand(given: Iterable[str]) -> Iterator[str]:
    """Files as they are, folders as the recordings anywhere below them, sorted.

    Links are followed. Hidden files are passed by. A folder that cannot be opened, or has no
    recording, is given back itself, for `Predictor.read` to complain of.
    """
    for name in given:
        found: list[str] = []

        def closed(error: OSError, found: list[str] = found) -> None:
            found.append(error.filename)

        for here, _, names in walk(name, closed=closed) if Path(name).is_dir() else ():
            found += [str(here / one) for one in names if one[0] != "." and is_sound(here / one)]
        yield from sorted(found, key=Path) or [name]


def picture_paths(path: Path, names: Sequence[str]) -> list[Path]:
    """Where the picture of each recording goes.

    Raises
    ------
    DataError
        If there are several recordings and the path is that of one picture.
    """
    if path.suffix.lower() == ".png":
        if len(names) > 1:
            raise DataError(
                f"{path}: expected a folder for the pictures of {len(names)} recordings, "
                "found the name of one picture"
            )
        return [path]
    places: dict[Path, None] = {}  # in order, none twice
    for name in names:
        place, number = path / f"{Path(name).stem}.png", 1
        while place in places:
            number += 1
            place = path / f"{Path(name).stem}-{number}.png"
        places[place] = None
    return list(places)


def draw(path: Path, samples: np.ndarray, answer: Answer, *, name: str, model: Release) -> None:
    """Draw a recording and what was heard in it, as PNG.

    Parameters
    ----------
    samples [shape=(n,)]
        At the rate of the model's features.
    name
        Of the recording, for the title.
    """
    import matplotlib.pyplot as plt

    from ser_tinyml.plots import predict as plots
    from ser_tinyml.plots import style

    style.use()
    figure = plots.recording(
        samples,
        config=model.config,
        labels=model.labels,
        threshold=model.threshold,
        utterances=answer.utterances,
        title=f"{printing.printable(Path(name).name)}: {printing.verdict(answer)}",
    )
    try:
        style.save(figure, path)
    finally:
        plt.close(figure)
