"""How a net is fitted, as numbers; it needs no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from ser_tinyml.files import DataError

CLASS_WEIGHTS = ("none", "sqrt", "balanced")
TAUGHT_WEIGHTS = ("none", "balanced")
SCHEDULES = ("constant", "cosine")
KEEP = ("best", "last")
VERSIONS = ("all", "one")
STEPS = ("last", "all")
FIRST_GENERATION = 100  # seed of the first net that learns from the labels alone, to teach


def teacher_seeds(generation: int, *, teachers: int) -> range:
    """Seeds of the nets of a generation of teachers; 0 learns from the labels alone."""
    first = (generation - 1) * teachers if generation else FIRST_GENERATION
    return range(first, first + teachers)


def own_seed(seed: int, *, teachers: int, generations: int) -> int:
    """Seed of the net that comes after so many generations: none of theirs."""
    return seed + max(generations - 1, 0) * teachers


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a net is fitted.

    Attributes
    ----------
    epochs
        At most so many passes over the training rows.
    batch_size
        Rows a step.
    learning_rate
        Adam's, at the start.
    schedule
        "constant", or "cosine": down to zero over all epochs.
    patience
        Stop after so many epochs without a better validation UAR; 0: never.
    keep
        "best": the weights of the epoch with the best validation UAR; "last": those of the last.
    averaging
        The weights that count are a running average with this decay a step; 0: no average.
    class_weights
        "balanced": each class weighs the same in the loss; "sqrt": half-way there; "none".
    versions
        "all": every row in every epoch; "one": of each clip one version, drawn anew.
    speaker_clips
        At most so many clips of one speaker an epoch, drawn anew; 0: all. TESS has 1,400 of each
        of two speakers, who would outweigh everyone else.
    label_smoothing
        Share of each target that is spread evenly over the classes, 0 to 1 (excluded).
    steps
        Which answers of the net are trained: that after the "last" step, or those after "all",
        the late ones more.
    auxiliary
        Weight in the loss of a second answer, the emotion as the corpus names it. It is trained
        beside the classes, on clips of every emotion, and is not part of the model.
    distillation
        Weight, 0 to 1, of the teachers' answers against the labels; 0: without teachers.
    taught_weights
        "balanced": in what the teachers' answers teach, too, a row weighs as `class_weights` says
        of its class, or 1 where it has none; "none": all rows weigh the same, and frequent classes
        have most of the lesson.
    loud
        Share of the rows of an epoch, 0 to 1, for which the loud copy of their clip is taken
        (`rows.plan_rows`). Teachers hear the clip itself: they say what there was before the
        microphone clipped it.
    mixing
        Share of the rows of a batch to which another one is added, as at most half of the sum.
        What is to be answered is mixed alike, and teachers hear the mixture.
    units
        Width of each LSTM layer.
    nonspeech
        To each batch, so many times its rows of `frame_augment.nonspeech` are added, for which
        every class is as right as any other. Without frames there is none.
    input_noise
        Deviation of the normal noise that is added to normalised features in training, drawn anew
        every epoch.
    normalise
        Whether features are brought to zero mean and unit deviation, as fitted on training rows.
    dropout
        Of the hidden Dense layer.
    between_dropout
        Of what an LSTM layer hands on, the same for all steps of a clip.
    int8_weights
        Train with weights rounded as int8 will round them.
    seed
        For weights, order of rows, augmentation and dropout.
    """

    epochs: int = 60
    batch_size: int = 128
    learning_rate: float = 2.5e-3
    schedule: str = "cosine"
    patience: int = 0
    keep: str = "last"
    averaging: float = 0.998
    class_weights: str = "balanced"
    versions: str = "one"
    speaker_clips: int = 280
    label_smoothing: float = 0.1
    steps: str = "all"
    auxiliary: float = 0.5
    distillation: float = 1.0
    taught_weights: str = "balanced"
    loud: float = 0.125
    mixing: float = 0.0
    units: tuple[int, ...] = (128, 64)
    nonspeech: float = 0.0
    input_noise: float = 0.2
    normalise: bool = True
    dropout: float = 0.3
    between_dropout: float = 0.1
    int8_weights: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("schedule", self.schedule, SCHEDULES),
            ("keep", self.keep, KEEP),
            ("class_weights", self.class_weights, CLASS_WEIGHTS),
            ("taught_weights", self.taught_weights, TAUGHT_WEIGHTS),
            ("versions", self.versions, VERSIONS),
            ("steps", self.steps, STEPS),
        ):
            if value not in known:
                raise DataError(f"training: expected {name} one of {known}, found {value!r}")
        for name, least in (
            *(("epochs", 1), ("batch_size", 1), ("patience", 0), ("seed", 0)),
            *(("speaker_clips", 0), ("auxiliary", 0), ("input_noise", 0), ("nonspeech", 0)),
        ):
            if getattr(self, name) < least:
                raise DataError(
                    f"training: expected {name} >= {least}, found {getattr(self, name)}"
                )
        for name in ("label_smoothing", "averaging", "dropout", "between_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"training: expected 0 <= {name} < 1, found {getattr(self, name)}")
        for name in ("distillation", "loud", "mixing"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"training: expected 0 <= {name} <= 1, found {getattr(self, name)}")


# Of nets that teach; the labels teach them too, and keep the rare classes up.
TEACHER = TrainingConfig(epochs=40, distillation=0.7, taught_weights="none", loud=0.0)
