"""The one way from rows to a trained, calibrated, converted net.

Notebooks 03 and 04 call its steps one after the other and show what happens; trials, ablations and
whoever else trains a net call `run`. Nothing else in the project trains, calibrates or converts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import splits
from ser_tinyml.features import frame_augment
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.features.normalisation import Normalisation, blocks
from ser_tinyml.files import DataError
from ser_tinyml.parameters import typed
from ser_tinyml.tflite import convert, limits, release
from ser_tinyml.training import adaptation, calibration
from ser_tinyml.training.config import TEACHER, TrainingConfig, own_seed
from ser_tinyml.training.data import TrainingData

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras
    from ser_tinyml.tflite.runtimes import TfliteMicroRuntime
    from ser_tinyml.training.batches import Frames
    from ser_tinyml.training.fitting import Fitted

FACTS, HISTORY = "trained.json", "history.csv"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a net is made of rows.

    Attributes
    ----------
    training
        How the net that counts is fitted.
    frame_augmentation
        How training bands are changed in every epoch; None: not at all.
    teachers, generations, teacher_training
        So many nets in so many generations are trained first, on the same rows, and teach
        (knowledge distillation). The first generation learns from the labels alone, each other
        one, and last the net itself, from all before it. All 0, and no distillation: without.
    calibration_clips
        Training rows that set the int8 scales.
    seed
        Of the choice of calibration rows.
    """

    training: TrainingConfig = TrainingConfig()
    frame_augmentation: FrameAugmentConfig | None = FrameAugmentConfig()
    teachers: int = 2
    generations: int = 2
    teacher_training: TrainingConfig = TEACHER
    calibration_clips: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("teachers", "generations", "calibration_clips", "seed"):
            if getattr(self, name) < (least := int(name == "calibration_clips")):
                raise DataError(f"{name}: expected {least} or more, found {getattr(self, name)}")
        counts = (self.teachers, self.generations)
        wanted = counts if self.training.outside else (*counts, self.training.distillation)
        if len({value > 0 for value in wanted}) > 1:
            raise DataError(
                "teachers: expected teachers, generations and training.distillation, or none of "
                f"them, found {self.teachers}, {self.generations} and {self.training.distillation}"
            )

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Recipe:
        """Read the parameters of notebooks 03 and 04; those of other things are passed over.

        Without teachers or without generations there are neither, and no distillation unless
        ``training.distillation`` asks for it.

        Raises
        ------
        DataError
            If a name or value is wrong; the message begins with the parameter's name.
        """
        given = _Numbers(**typed(_known(parameters, _Numbers), of=_Numbers, name=""))
        taught = given.teachers > 0 and given.generations > 0
        counts = {
            "teachers": given.teachers if taught else 0,
            "generations": given.generations if taught else 0,
        }
        training = TrainingConfig(
            epochs=given.epochs,
            loud=given.loud,
            distillation=TrainingConfig.distillation if taught or _outside(parameters) else 0.0,
            seed=own_seed(given.seed, **counts),
        ).changed(parameters.get("training", {}))
        teacher_training = replace(
            training,
            epochs=min(given.epochs, given.teacher_epochs),
            distillation=TEACHER.distillation,
            taught_weights=TEACHER.taught_weights,
            loud=TEACHER.loud,
            seed=TEACHER.seed,
        ).changed(parameters.get("teacher_training", {}), name="teacher_training")
        return cls(
            training=training,
            frame_augmentation=_frame_augmentation(parameters.get("frame_augmentation", {})),
            teacher_training=teacher_training,
            calibration_clips=given.calibration_clips,
            seed=given.seed,
            **counts,
        )

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON can hold it."""
        return files.plain_numbers(asdict(self))


@dataclass(frozen=True)
class _Numbers:
    """Parameters of notebooks 03 and 04 that are a number each."""

    epochs: int = TrainingConfig.epochs
    teacher_epochs: int = TEACHER.epochs
    loud: float = TrainingConfig.loud
    teachers: int = Recipe.teachers
    generations: int = Recipe.generations
    calibration_clips: int = Recipe.calibration_clips
    seed: int = Recipe.seed

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = int(name in ("epochs", "teacher_epochs", "calibration_clips"))
            if value < least:
                raise DataError(f"{name}: expected {least} or more, found {value}")


def _outside(parameters: Mapping[str, Any]) -> bool:
    """Whether a teacher from outside is asked for."""
    return bool(parameters.get("training", {}).get("outside", TrainingConfig.outside))


def _known(parameters: Mapping[str, Any], of: type) -> dict[str, Any]:
    """Those parameters that are fields of a dataclass."""
    names = {field.name for field in fields(of)}
    return {name: value for name, value in parameters.items() if name in names}


def _frame_augmentation(changes: Mapping[str, Any]) -> FrameAugmentConfig | None:
    name = "frame_augmentation"
    changed = replace(FrameAugmentConfig(), **typed(changes, of=FrameAugmentConfig, name=name))
    return None if changed == frame_augment.NONE else changed


@dataclass(frozen=True)
class Trained:
    """A net that was trained and calibrated.

    Attributes
    ----------
    model
        Its temperature is folded into the weights of the last layer.
    normalisation
        To apply to features before the model.
    history
        A line an epoch, see `fitting.Fitted`.
    kept_epoch
        The epoch whose weights the model has.
    temperature
        By which its logits were divided.
    """

    model: keras.Model
    normalisation: Normalisation
    history: pd.DataFrame
    kept_epoch: int
    temperature: float

    def save(self, folder: str | Path) -> None:
        """Write the model and what belongs to it."""
        from ser_tinyml.nets import models

        models.save_model(folder, self.model)
        self.normalisation.save(Path(folder) / release.NORMALISATION)
        files.write_table(Path(folder) / HISTORY, self.history)
        facts = {"kept_epoch": self.kept_epoch, "temperature": self.temperature}
        files.write_json(Path(folder) / FACTS, facts)

    @classmethod
    def load(cls, folder: str | Path) -> Trained:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If a file is missing or broken.
        """
        from ser_tinyml.nets import models

        folder = Path(folder)
        facts = files.read_json(folder / FACTS)
        return cls(
            model=models.load_model(folder),
            normalisation=Normalisation.load(folder / release.NORMALISATION),
            history=files.read_table(folder / HISTORY),
            kept_epoch=facts["kept_epoch"],
            temperature=facts["temperature"],
        )


def train(
    data: TrainingData,
    recipe: Recipe,
    *,
    folder: Path,
    teachers: Sequence[keras.Model] | None = None,
    jobs: int | None = None,
    say: Callable[[str], None] = print,
) -> Trained:
    """Train teachers and net, and set the temperature on the validation rows.

    Parameters
    ----------
    folder
        For checkpoints, and for the teachers' folders: an interrupted call goes on there.
    teachers
        Fitted models that teach; None: they are trained first, as the recipe says.
    jobs
        Processes for the teachers; None: one a core.
    say
        Gets a line an epoch.

    Raises
    ------
    DataError
        If rows or arrays are missing, or the net cannot be converted.
    """
    from ser_tinyml.training import fitting
    from ser_tinyml.training import teachers as teaching

    clips = data.rows.loc[data.rows["split"] == splits.TRAIN, "key"].nunique()
    training = recipe.training.for_few(clips)
    for line in what_the_board_cannot(recipe, data):
        say(line)
    if training != recipe.training:
        say(f"few clips to train on, {clips}: steps of {training.batch_size} rows")
    options: dict[str, Any] = {"classes": data.classes, "folder": folder, "say": say}
    options["frames"] = _frames(data, recipe)
    options["outside"] = _answers_from_outside(data, recipe, say=say)
    if teachers is None:
        teachers = teaching.train(
            data.features,
            data.rows,
            config=recipe.teacher_training.for_few(clips),
            teachers=recipe.teachers,
            generations=recipe.generations,
            jobs=jobs,
            **options,
        )
    fitted = fitting.fit(data.features, data.rows, config=training, teachers=teachers, **options)
    return _calibrated(fitted, data)


def _answers_from_outside(
    data: TrainingData, recipe: Recipe, *, say: Callable[[str], None]
) -> np.ndarray | None:
    """What the teacher from outside answers about every training row; None: there is none."""
    if not recipe.training.outside:
        return None
    if data.embeddings is None:
        raise DataError(
            "training.outside: expected what a large speech model hears (embeddings.npy), found "
            "none: notebook 02 writes it where the parameter teacher_dir names one"
        )
    from ser_tinyml.training import outside

    return outside.answers(data.embeddings, data.rows, classes=data.classes, say=say)


def _calibrated(fitted: Fitted, data: TrainingData) -> Trained:
    """The net with the temperature that makes the validation rows' answers most likely."""
    from ser_tinyml.nets import models
    from ser_tinyml.training import fitting

    validation, inputs = data.selected(splits.VALIDATION, fitted.normalisation)
    temperature = calibration.best_temperature(
        fitting.predict(fitted.model, inputs), validation["label_id"].to_numpy()
    )
    models.sharpen(fitted.model, temperature)
    return Trained(
        model=fitted.model,
        normalisation=fitted.normalisation,
        history=fitted.history,
        kept_epoch=fitted.kept_epoch,
        temperature=temperature,
    )


def _frames(data: TrainingData, recipe: Recipe) -> Frames | None:
    """The bands of the rows, to be changed in every epoch; None: they are not."""
    from ser_tinyml.training.batches import Frames

    if recipe.frame_augmentation is None:
        return None
    if data.windows is None:
        raise DataError(
            "frame_augmentation: expected bands of every row (windows.npy), found none: notebook "
            "02 writes them for features that a board can compute"
        )
    if data.config.pitch and data.tracks is None:
        raise DataError(
            "frame_augmentation: expected the pitch of every row (tracks.npy) beside its bands, "
            "found none"
        )
    return Frames(
        data.windows,
        data.config,
        recipe.frame_augmentation,
        nonspeech=data.nonspeech,
        tracks=data.tracks,
    )


def what_the_board_cannot(recipe: Recipe, data: TrainingData) -> list[str]:
    """What the sketch cannot do with the recipe's net, in words; nothing of the LSTM.

    Raises
    ------
    DataError
        If the net cannot be built or converted, or TFLite Micro refuses it.
    """
    if recipe.training.net == "lstm":
        return []
    from ser_tinyml.nets import models

    steps, inputs = data.features.shape[1:]
    net = models.build(
        recipe.training.net,
        n_frames=steps,
        n_inputs=inputs,
        n_classes=len(data.classes),
        **recipe.training.options,
    )
    return limits.of(net, name=recipe.training.net)


@dataclass(frozen=True)
class Converted:
    """A net for the board.

    Attributes
    ----------
    tflite
        The int8 file.
    calibration_rows
        The rows that set its scales, in order.
    """

    tflite: bytes
    calibration_rows: np.ndarray


def convert_int8(trained: Trained, data: TrainingData, recipe: Recipe) -> Converted:
    """Convert a net to int8, with scales from some of the training rows."""
    chosen = convert.choose_calibration(data.rows, count=recipe.calibration_clips, seed=recipe.seed)
    tflite = convert.to_tflite(
        trained.model,
        variant="int8",
        calibration=trained.normalisation.apply(data.features[chosen]),
    )
    return Converted(tflite, chosen)


def decide(
    runtime: TfliteMicroRuntime, data: TrainingData, trained: Trained, **options: Any
) -> dict[str, Any]:
    """When to answer: decision.json, from what int8 answers of the validation rows.

    Parameters
    ----------
    options
        For the runtime's ``predict``.
    """
    validation, inputs = data.selected(splits.VALIDATION, trained.normalisation)
    answers = np.concatenate([runtime.predict(some, **options) for some in blocks(inputs, 4096)])
    decision = calibration.decide(answers, validation["label_id"].to_numpy())
    return {**decision, "temperature": trained.temperature}


def run(
    data: TrainingData,
    recipe: Recipe,
    *,
    folder: Path,
    teachers: Sequence[keras.Model] | None = None,
    jobs: int | None = None,
    say: Callable[[str], None] = print,
) -> tuple[Trained, TfliteMicroRuntime]:
    """Train, calibrate, convert and decide; the folder gets a model that `Release.load` reads.

    Parameters
    ----------
    folder
        Gets the float model, history and temperature too.
    teachers, jobs, say
        As for `train`.

    Returns
    -------
    trained, runtime
        The float net, and the int8 one in TFLite Micro.
    """
    from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

    trained = train(data, recipe, folder=folder, teachers=teachers, jobs=jobs, say=say)
    converted = convert_int8(trained, data, recipe)
    runtime = TfliteMicroRuntime(converted.tflite)
    trained.save(folder)
    release.write(
        folder,
        tflite=converted.tflite,
        config=data.config,
        normalisation=trained.normalisation,
        labels=data.classes,
        decision=decide(runtime, data, trained),
        hidden=adaptation.statistics(
            converted.tflite, data.features, data.rows, trained.normalisation
        ),
    )
    return trained, runtime
