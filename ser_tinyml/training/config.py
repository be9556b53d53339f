"""How a net is fitted, as numbers; it needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ser_tinyml.files import DataError
from ser_tinyml.nets import registry
from ser_tinyml.parameters import typed

FIRST_GENERATION = 100  # seed of the first net that learns from the labels alone, to teach
FEWEST_STEPS = 4  # in an epoch
SMALLEST_BATCH = 4
_CHOICES = {
    "schedule": ("constant", "cosine"),
    "keep": ("best", "last"),
    "class_weights": ("none", "sqrt", "balanced"),
    "taught_weights": ("none", "balanced"),
    "versions": ("all", "one"),
    "steps": ("last", "all"),
}
_LEAST = {
    **{"epochs": 1, "batch_size": 1, "patience": 0, "seed": 0, "unlabelled": 0},
    **{"speaker_clips": 0, "auxiliary": 0, "input_noise": 0, "nonspeech": 0},
}
_BELOW_ONE = ("label_smoothing", "averaging", "dropout", "between_dropout")
_SHARES = ("distillation", "outside", "loud", "mixing")


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
    net
        Which, of `nets.registry`.
    units, dropout
        Of the net, where it has such options: width of each LSTM layer; share of the hidden Dense
        layer's outputs that is dropped.
    net_options
        Its other options, by name.
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
        The weights that count are an exponential moving average with this decay a step; 0: no
        average.
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
    outside
        How much the answers of a teacher from outside (`training.outside`) count in what is taught,
        0 to 1, where it has one; the rest is the other teachers' mean or, without them, the label.
    unlabelled
        Weight of a row of no class in what is taught, 0 or more. What teachers say of fear and
        disgust is mostly one class, which would outweigh the others.
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
    nonspeech
        To each batch, sounds of `frame_augment.nonspeech` are added, this share of its rows, for
        which every class is as right as any other. Without frames there are none.
    input_noise
        Deviation of the normal noise that is added to normalised features in training, drawn anew
        every epoch.
    normalise
        Whether features are brought to zero mean and unit deviation, as fitted on training rows.
    between_dropout
        Share of what an LSTM layer hands on that is dropped, the same for all steps of a clip.
    int8_weights
        Train with weights rounded as int8 will round them.
    seed
        For weights, order of rows, augmentation and dropout.
    """

    net: str = "lstm"
    units: tuple[int, ...] = (128, 64)
    dropout: float = 0.3
    net_options: Mapping[str, Any] = field(default_factory=dict)
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
    outside: float = 0.0
    unlabelled: float = 1.0
    taught_weights: str = "balanced"
    loud: float = 0.125
    mixing: float = 0.0
    nonspeech: float = 0.0
    input_noise: float = 0.2
    normalise: bool = True
    between_dropout: float = 0.1
    int8_weights: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                _refuse(name, f"one of {', '.join(known)}", getattr(self, name))
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                _refuse(name, f"{least} or more", getattr(self, name))
        for name in _BELOW_ONE:
            if not 0 <= getattr(self, name) < 1:
                _refuse(name, "0 or more and below 1", getattr(self, name))
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                _refuse(name, "a share from 0 to 1", getattr(self, name))
        if not self.learning_rate > 0:
            _refuse("learning_rate", "above 0", self.learning_rate)
        if not self.units or min(self.units) < 1:
            _refuse("units", "one width or more, each 1 or more", list(self.units))

    @property
    def options(self) -> dict[str, Any]:
        """All options of the net.

        Raises
        ------
        DataError
            If there is no such net, or it has no such option.
        """
        kind = registry.find(self.net)
        known = kind.options({})
        own = {name: getattr(self, name) for name in ("units", "dropout") if name in known}
        return kind.options({**own, **self.net_options})

    def for_few(self, clips: int) -> TrainingConfig:
        """The same, with steps so small that an epoch has FEWEST_STEPS where clips are few.

        Parameters
        ----------
        clips
            That are trained on.
        """
        least = max(SMALLEST_BATCH, clips // FEWEST_STEPS)
        return replace(self, batch_size=min(self.batch_size, least))

    def changed(self, changes: Mapping[str, Any], *, name: str = "training") -> TrainingConfig:
        """The same with some fields changed, as a parameter gives them.

        Parameters
        ----------
        changes
            Field to value; whole numbers will do for floats, lists for tuples.
        name
            Of the parameter, for messages.

        Raises
        ------
        DataError
            If there is no such field, or a value is of another type or out of range.
        """
        values = typed(changes, of=TrainingConfig, name=name)
        try:
            found = replace(self, **values)
            found.options  # noqa: B018 - an unknown net or option is said now
        except DataError as error:
            raise DataError(f"{name}.{error}") from error
        return found


# Of nets that teach; the labels teach them too, and keep the rare classes up.
TEACHER = TrainingConfig(epochs=40, distillation=0.7, taught_weights="none", loud=0.0)


def _refuse(name: str, expected: str, found: Any) -> None:
    raise DataError(f"{name}: expected {expected}, found {found!r}")
