"""What each choice is worth: the settings, changed in one place at a time.

All are trained on three folds and scored on the speakers of the other two, the development folds
(`folds.DEVELOPMENT`), so that the rest of the test stays unheard while choices are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ser_tinyml import files
from ser_tinyml.evaluation import cross_validation, listening, trials
from ser_tinyml.evaluation.trials import POOL, Material, Settings
from ser_tinyml.features.config import FeatureConfig
from ser_tinyml.features.frame_augment import NONE, margin
from ser_tinyml.files import DataError
from ser_tinyml.sound import degrade
from ser_tinyml.sound.augment import AugmentConfig
from ser_tinyml.training.config import TEACHER, TrainingConfig

BASE = "default"
PITCH = {True: "no pitch", False: "pitch too"}  # whether the default hears it: the change
TWO_TEACHERS = "taught by two nets of its size"
FROM_OUTSIDE, OUTSIDE = "taught by a large speech model", 0.7
COPIES = (1, 2, 4)  # changed copies of a clip that are taught; each is in a longer training
TAUGHT = "long, taught, copies: "
MOST_TAUGHT = f"{TAUGHT}{COPIES[-1]}"
MIXED = {"training.mixing": 0.5}
SCORES = ("accuracy", "macro_f1", "majority_accuracy", "majority_uar")
DEGRADED = {"uar_noise": "pink 10 dB", "uar_loud": "gain +20 dB"}  # column: its condition


@dataclass(frozen=True)
class Ablation:
    """One change.

    Attributes
    ----------
    group
        What it is about.
    name
        What is changed, in a few words.
    changes
        Fields of `RowPlan` and `Recipe` by name, with a dot into their parts: ``features.n_mfcc``;
        or of `trials.Settings`.
    """

    group: str
    name: str
    changes: Mapping[str, Any]

    def apply(self, base: Settings) -> Settings:
        """The settings with the change made."""
        changed: dict[str, dict[str, Any]] = {"rows": {}, "recipe": {}, "": {}}
        for path, value in self.changes.items():
            part, dot, field = path.partition(".")
            owner = next(
                (name for name in ("rows", "recipe") if hasattr(getattr(base, name), part)), ""
            )
            if dot:
                before = changed[owner].get(part, getattr(getattr(base, owner), part))
                value = replace(before, **{field: value})
            changed[owner][part] = value
        return replace(
            base,
            rows=replace(base.rows, **changed["rows"]),
            recipe=replace(base.recipe, **changed["recipe"]),
            **changed[""],
        )


def _alone(**kept: Any) -> dict[str, Any]:
    return {"frame_augmentation": replace(NONE, **kept)}


# What `degrade.gain` does to each recording at +20 dB, and nothing else.
TOO_LOUD = AugmentConfig(
    noise_probability=0,
    background_probability=0,
    stretch_probability=0,
    pitch_probability=0,
    room_probability=0,
    band_probability=0,
    overdrive_probability=0,
    gain_db=(20.0, 20.0),
    shift_s=(0.0, 0.0),
)


def quick(default: Settings, *, epochs: int) -> Settings:
    """The default in fewer epochs, without teachers and waveform copies.

    These two take most of the time, and are ablations of their own.
    """
    settings = trials.without_teachers(default)
    recipe = settings.recipe
    distillation = 0.0 if recipe.training.outside else recipe.training.distillation
    return replace(
        settings,
        rows=replace(settings.rows, augmented_rows=0, loud=0.0),
        recipe=replace(
            recipe,
            training=_quick(recipe.training, epochs=epochs, distillation=distillation),
            teacher_training=_quick(
                recipe.teacher_training, epochs=epochs, distillation=TEACHER.distillation
            ),
        ),
    )


def _quick(training: TrainingConfig, **changes: Any) -> TrainingConfig:
    return replace(training, loud=0.0, outside=0.0, nonspeech=0.0, **changes)


def table(base: Settings) -> list[Ablation]:
    """Every ablation, the default first.

    Parameters
    ----------
    base
        From `quick`.
    """
    if base.recipe.frame_augmentation is None:
        raise DataError("ablations: expected a default with frame augmentation, found none")
    groups = (
        _of_features,
        _of_alignment,
        _of_augmentation,
        _of_training,
        _of_data,
        _of_teachers,
        _of_limits,
    )
    return [Ablation(BASE, BASE, {}), *(one for group in groups for one in group(base))]


def _of_features(base: Settings) -> list[Ablation]:
    """What the net sees of a frame, and for how long it looks."""
    features, plain = base.rows.features, {"features.delta_frames": 0}
    stack = features.stack
    seconds = features.sample_rate / features.hop_length

    def context(length_s: float) -> int:
        return round(length_s * seconds / stack) * stack

    return [
        Ablation("features", "13 MFCC", {"features.n_mfcc": 13, **plain}),
        Ablation("features", "13 MFCC and changes", {"features.n_mfcc": 13}),
        Ablation("features", f"{features.n_mfcc} MFCC", plain),
        Ablation("features", "40 MFCC", {"features.n_mfcc": 40, **plain}),
        Ablation("features", "40 log mel bands", {"features.n_mfcc": 0, **plain}),
        Ablation("features", PITCH[features.pitch], {"features.pitch": not features.pitch}),
        Ablation("features", "PCEN, then MFCC and changes", {"features.level": "pcen"}),
        _window(features),
        Ablation(
            "features",
            "hop 16 ms, 4 frames a step",
            {
                "features.hop_length": 256,
                "features.n_frames": 2 * features.n_frames,
                "features.delta_frames": 2 * features.delta_frames,
                "features.n_mfcc": 13,
                "features.stack": 2 * stack,
            },
        ),
        Ablation("context", "2 s", {"features.n_frames": context(2)}),
        Ablation("context", "4 s", {"features.n_frames": context(4)}),
    ]


def _window(features: FeatureConfig) -> Ablation:
    """A shorter window; with pitch not so short that no two periods of a low voice are in it."""
    samples, n_fft = (768, 1024) if features.pitch else (512, 512)
    name = f"window {1000 * samples // features.sample_rate} ms"
    changes = {"features.window_length": samples, "features.n_fft": n_fft}
    return Ablation("features", name, changes)


def _of_alignment(base: Settings) -> list[Ablation]:
    """Where the features begin, and what their level is measured against."""
    features = base.rows.features
    return [
        Ablation("alignment", "from the first sample", {"features.onset_db": None}),
        Ablation(
            "alignment",
            "random window",
            {"frame_augmentation.shift_frames": margin(features)},
        ),
        Ablation("level", "absolute dB", {"features.level": "absolute"}),
        Ablation("level", "below the clip's maximum", {"features.level": "clip_max"}),
    ]


def _of_augmentation(base: Settings) -> list[Ablation]:
    """How training clips are changed."""
    frames = base.recipe.frame_augmentation
    copies = {"augmented_rows": Settings().rows.augmented_rows}
    return [
        Ablation("augmentation", "no augmentation", {"frame_augmentation": None}),
        Ablation("augmentation", "only pace", _alone(stretch=frames.stretch)),
        Ablation("augmentation", "only shift", _alone(shift_frames=frames.shift_frames)),
        Ablation(
            "augmentation",
            "only pitch and formants",
            _alone(warp_octaves=frames.warp_octaves),
        ),
        Ablation("augmentation", "only microphone", _alone(equaliser_db=frames.equaliser_db)),
        Ablation(
            "augmentation",
            "only noise",
            _alone(noise_probability=frames.noise_probability, noise_snr_db=frames.noise_snr_db),
        ),
        Ablation("augmentation", "only waveforms", {"frame_augmentation": None, **copies}),
        Ablation("augmentation", "waveforms too", copies),
        Ablation(
            "augmentation",
            "every second clip 20 dB too loud",
            {"augmented_rows": 1, "waveform_augmentation": TOO_LOUD},
        ),
    ]


def _of_training(base: Settings) -> list[Ablation]:
    """How the net is fitted."""
    return [
        Ablation("training", "classes not weighted", {"training.class_weights": "none"}),
        Ablation("training", "classes weighted half-way", {"training.class_weights": "sqrt"}),
        Ablation("training", "no label smoothing", {"training.label_smoothing": 0.0}),
        Ablation("training", "no input noise", {"training.input_noise": 0.0}),
        Ablation("training", "only the last answer", {"training.steps": "last"}),
        Ablation("training", "no auxiliary emotions", {"training.auxiliary": 0.0}),
        Ablation("training", "no average of weights", {"training.averaging": 0.0}),
        Ablation("training", "no dropout between layers", {"training.between_dropout": 0.0}),
        Ablation("training", "all TESS clips", {"training.speaker_clips": 0}),
        Ablation("training", "clips mixed", MIXED),
        Ablation("training", "sounds without speech too", {"training.nonspeech": 0.15}),
        Ablation("int8", "trained for int8", {"training.int8_weights": True}),
    ]


def _of_data(base: Settings) -> list[Ablation]:
    """Who trains."""
    training = base.recipe.training

    def fewer_speakers(share: float) -> dict[str, Any]:
        # as many steps for fewer speakers
        return {"speaker_share": share, "training.epochs": round(training.epochs / share)}

    return [
        Ablation("corpora", "without CREMA-D", {"corpora": ("RAVDESS", "TESS", "SAVEE")}),
        Ablation("corpora", "without TESS", {"corpora": ("RAVDESS", "SAVEE", "CREMA-D")}),
        Ablation("speakers", "a quarter of the speakers", fewer_speakers(1 / 4)),
        Ablation("speakers", "half of the speakers", fewer_speakers(1 / 2)),
        Ablation("speakers", "three quarters of the speakers", fewer_speakers(3 / 4)),
    ]


def _of_teachers(base: Settings) -> list[Ablation]:
    """Who teaches."""
    training = base.recipe.training
    taught = {"training.distillation": Settings().recipe.training.distillation}
    outside = {"augmented_rows": 4, **taught, "training.outside": OUTSIDE}
    return [
        Ablation("distillation", FROM_OUTSIDE, outside),
        Ablation(
            "distillation",
            f"{FROM_OUTSIDE}, and by two nets of its size",
            {"teachers": 2, "generations": 1, **outside, "teacher_training.outside": OUTSIDE},
        ),
        Ablation(
            "distillation",
            TWO_TEACHERS,
            {"teachers": 2, "generations": 1, **taught},
        ),
        Ablation(
            "distillation",
            "taught by two generations of two",
            {"teachers": 2, "generations": 2, **taught},
        ),
        Ablation(
            "distillation",
            "two generations of two, rows not weighted",
            {"teachers": 2, "generations": 2, **taught, "training.taught_weights": "none"},
        ),
        Ablation(
            "distillation",
            "two generations of two, clips mixed",
            {"teachers": 2, "generations": 2, **taught, **MIXED},
        ),
        Ablation(
            "distillation",
            "taught by one net twice as wide",
            {
                "teachers": 1,
                "generations": 1,
                **taught,
                "teacher_training.units": tuple(2 * width for width in training.units),
            },
        ),
    ]


def _of_limits(base: Settings) -> list[Ablation]:
    """What may limit a net that is taught: how much it is taught, and its width.

    In as many epochs as a release has, for a short training cannot tell.
    """
    full = Settings().recipe.training
    taught = {
        "training.epochs": full.epochs,
        "training.distillation": full.distillation,
        "training.outside": OUTSIDE,
    }
    wide = tuple(2 * width for width in base.recipe.training.units)
    copies = [
        Ablation("copies", f"{TAUGHT}{count}", {**taught, "augmented_rows": count})
        for count in COPIES
    ]
    name = f"{MOST_TAUGHT}, LSTM {'/'.join(map(str, wide))}"
    changes = {**taught, "augmented_rows": COPIES[-1], "training.units": wide}
    return [*copies, Ablation("width", name, changes)]


def names() -> list[str]:
    """What can be asked for by name."""
    plain = Settings()
    features = replace(plain.rows.features, pitch=not plain.rows.features.pitch)
    with_pitch = replace(plain, rows=replace(plain.rows, features=features))
    found = [ablation.name for base in (plain, with_pitch) for ablation in table(base)]
    return list(dict.fromkeys(found))


def run(
    material: Material,
    base: Settings,
    *,
    names: Sequence[str] | None = None,
    seeds: Sequence[int] = (0,),
    jobs: int | None = None,
) -> pd.DataFrame:
    """Run ablations, and score them on the development speakers.

    Parameters
    ----------
    names
        Which; None: all, those with a teacher from outside only where the material has one.

    Returns
    -------
    results
        A line an ablation, the mean over seeds: group, name, speaker_share (of those who may
        train), copies (changed ones of a clip), uar (pooled, int8), uar_low and uar_high (the
        worst and the best seed), float_uar, SCORES and recall_<class> (as uar), uar_<corpus>, the
        columns of DEGRADED (NaN where the features are not for a board), bytes (of the int8 file),
        macs_per_s, parameters.

    Raises
    ------
    DataError
        If a name is unknown.
    """
    chosen = _chosen(base, names)
    if names is None and material.teacher is None:
        chosen = _without_outside(chosen, base)
    settings, folders = trials_of(
        material, base, [one.name for one in chosen], seeds=seeds, jobs=jobs
    )
    board = [
        folder for folder, one in zip(folders, settings, strict=True) if one.rows.features.causal
    ]
    conditions = {name: degrade.CONDITIONS[name] for name in DEGRADED.values()}
    listening.robustness(material, board, conditions=conditions, jobs=jobs)
    lines = []
    for number, ablation in enumerate(chosen):
        own = folders[number * len(seeds) : (number + 1) * len(seeds)]
        rows = ablation.apply(base).rows
        line = {"speaker_share": rows.speaker_share, "copies": rows.augmented_rows}
        line |= _scores(own)
        if own[0] in board:
            found = listening.robustness(material, own, conditions=conditions, progress=False)
            degraded = found[found["part"] == POOL].groupby("condition")["uar"].mean()
            line |= {column: degraded[name] for column, name in DEGRADED.items()}
        size = files.read_json(own[0] / "trial.json")["size"]
        lines.append({"group": ablation.group, "name": ablation.name, **line, **size})
    return pd.DataFrame(lines)


def trials_of(
    material: Material,
    base: Settings,
    names: Sequence[str],
    *,
    seeds: Sequence[int] = (0,),
    jobs: int | None = None,
) -> tuple[list[Settings], list[Path]]:
    """Run the trials of some ablations, where they are not on disk.

    Returns
    -------
    settings, folders
        Of each ablation and seed, the seeds of an ablation side by side.

    Raises
    ------
    DataError
        If a name is unknown.
    """
    settings = [
        trials.seeded(replace(one, rows=replace(one.rows, protocol="development")), seed)
        for one in (ablation.apply(base) for ablation in _chosen(base, names))
        for seed in seeds
    ]
    return settings, trials.run(material, settings, jobs=jobs)


def _chosen(base: Settings, names: Sequence[str] | None) -> list[Ablation]:
    """The ablations of some names; all, if none is given."""
    known = {ablation.name: ablation for ablation in table(base)}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise DataError(f"ablation: expected one of {list(known)}, found {unknown[0]!r}")
    return [known[name] for name in names] if names else list(known.values())


def _without_outside(chosen: Sequence[Ablation], base: Settings) -> list[Ablation]:
    """Leave out what needs a teacher from outside, and say so."""
    print(f"left out, for there is no teacher_dir: what is {FROM_OUTSIDE}")
    return [one for one in chosen if not one.apply(base).recipe.training.outside]


def _scores(folders: Sequence[Path]) -> dict[str, float]:
    """The scores of an ablation's trials, one a seed."""
    scores = cross_validation.scores(folders)
    summary = cross_validation.summary(scores)
    pool = summary.loc[POOL]
    of_seed = scores.query("kind == 'int8' and part == @POOL")["uar"]
    return {
        **{"uar": pool["uar"], "uar_low": of_seed.min(), "uar_high": of_seed.max()},
        **pool[["float_uar", *SCORES, *pool.filter(regex="^recall_").index]],
        **{f"uar_{part}": uar for part, uar in summary["uar"].items() if part != POOL},
    }
