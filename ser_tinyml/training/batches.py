"""What a training reads: rows, their answers and weights, and the batches of every epoch."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import splits
from ser_tinyml.features import FeatureConfig, frame_augment, frame_values, track_augment
from ser_tinyml.features.extract import CLEAN, LOUD
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.features.nonspeech import Sounds
from ser_tinyml.features.normalisation import Normalisation, Selected, blocks
from ser_tinyml.files import DataError
from ser_tinyml.training.config import TrainingConfig


@dataclass(frozen=True)
class Frames:
    """Mel bands of the training rows, to be changed anew in every epoch.

    Attributes
    ----------
    windows [shape=(rows, n_frames + 2 margin, n_mels)]
        From `frame_augment.window`, a row of bands for each row of features; may be memory-mapped.
    config
        The configuration of the features.
    augmentation
        How they are changed.
    tracks [shape=(rows, n_frames + 2 margin, 2)]
        From `frame_augment.track_window`, the pitch of these frames, if the features have it.
    nonspeech
        Recordings in which nobody speaks, to be changed alike; None: there are none.
    """

    windows: np.ndarray
    config: FeatureConfig
    augmentation: FrameAugmentConfig
    tracks: np.ndarray | None = None
    nonspeech: Sounds | None = None

    def drawn(
        self, chosen: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Bands and pitch of some training rows, changed anew; see `augment_frames`."""
        return self._changed(self.windows, self.tracks, chosen, rng)

    def drawn_nonspeech(
        self, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The same of sounds in which nobody speaks: half of them recorded, if there are any."""
        sounds = self.nonspeech
        recorded = count // 2 if sounds is not None else 0
        bands = frame_augment.nonspeech(count - recorded, rng, self.config)
        tracks = None
        if self.config.pitch:
            tracks = track_augment.of_noise(count - recorded, self.config.n_frames, rng)
        if sounds is None or not recorded:
            return bands, tracks
        chosen = rng.integers(len(sounds.windows), size=recorded)
        more, more_tracks = self._changed(sounds.windows, sounds.tracks, chosen, rng)
        bands = np.concatenate([bands, more])
        return bands, None if tracks is None else np.concatenate([tracks, more_tracks])

    def _changed(
        self,
        windows: np.ndarray,
        tracks: np.ndarray | None,
        chosen: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        return frame_augment.augment_frames(
            np.asarray(windows[chosen], np.float32),
            rng,
            augmentation=self.augmentation,
            config=self.config,
            tracks=None if tracks is None else np.asarray(tracks[chosen], np.float32),
        )


def class_weights(
    label_ids: np.ndarray, *, n_classes: int, kind: str, share: np.ndarray | None = None
) -> np.ndarray:
    """Weight of each class in the loss; the average over the rows is 1.

    Parameters
    ----------
    label_ids [shape=(rows,)]
    kind
        One of `CLASS_WEIGHTS`.
    share [shape=(rows,)]
        How often a row is seen in an epoch; default: once.

    Returns
    -------
    weights [shape=(n_classes,)]
    """
    count = np.bincount(label_ids, weights=share, minlength=n_classes).astype(np.float64)
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[kind]
    weights = np.where(count > 0, np.maximum(count, 1e-9) ** -power, 0)
    return weights * count.sum() / (weights * count).sum()


@dataclass(frozen=True)
class Batches:
    """What training reads: the training rows, by their number among themselves, and validation.

    Attributes
    ----------
    train [shape=(n,)]
        Rows of the features.
    heard [shape=(n,)], loud [shape=(n,)]
        The row that teachers hear in place of each, which for a loud copy is the clip itself; and
        the loud copy of each row's clip. Without such copies, each row itself.
    target [shape=(n, n_classes)], weight [shape=(n,)]
        One-hot class and its weight; both zero where a row belongs to no class.
    outside [shape=(n, n_classes)], outside_share [shape=(n,)]
        What a teacher from outside answers, and how much that counts in what is taught.
    taught
        Whether there are teachers that have to hear what the net hears.
    emotion [shape=(n, emotions)], emotion_weight [shape=(n,)]
        Of the auxiliary answer.
    clip, speaker [shape=(n,)]
        Numbers of each row's clip and speaker.
    """

    train: np.ndarray
    heard: np.ndarray
    loud: np.ndarray
    features: Selected
    frames: Frames | None
    normalisation: Normalisation
    target: np.ndarray
    weight: np.ndarray
    outside: np.ndarray
    outside_share: np.ndarray
    taught: bool
    emotion: np.ndarray
    emotion_weight: np.ndarray
    clip: np.ndarray
    speaker: np.ndarray
    validation_x: Selected
    validation_y: np.ndarray
    config: TrainingConfig

    @classmethod
    def gather(
        cls,
        features: np.ndarray,
        rows: pd.DataFrame,
        *,
        n_classes: int,
        config: TrainingConfig,
        frames: Frames | None,
        outside: np.ndarray | None = None,
        taught: bool = False,
    ) -> Batches:
        """The rows of both sides.

        Parameters
        ----------
        outside [shape=(rows, n_classes)]
            From `outside.answers`.
        taught
            Whether there are teachers beside that one.
        """
        _check_lengths(features, frames, rows)
        train, validation = _sides(rows, config)
        table = rows.iloc[train]
        heard = loud = np.arange(len(table))
        if config.loud:
            loud = _version(table, LOUD)
            heard = np.where(table["variant"] == LOUD, _version(table, CLEAN), heard)
        normalisation = (
            Normalisation.fit(Selected(features, np.unique(train[heard])))
            if config.normalise
            else Normalisation.identity(features.shape[2])
        )
        return cls(
            train=train,
            heard=heard,
            loud=loud,
            features=Selected(features, train, normalisation),
            frames=frames,
            normalisation=normalisation,
            **(answers := _answers(table, n_classes=n_classes, config=config)),
            **_outside(
                outside,
                train[heard],
                answers["weight"],
                n_classes=n_classes,
                config=config,
                taught=taught,
            ),
            taught=taught,
            validation_x=Selected(features, validation, normalisation),
            validation_y=rows["label_id"].to_numpy()[validation],
            config=config,
        )

    def identity(self, config: TrainingConfig, teachers: Sequence[Any] = ()) -> str:
        """Fingerprint of all that a training depends on."""
        arrays = [self.train, self.heard, self.target, self.emotion, self.clip, self.speaker]
        arrays += [self.outside, self.outside_share]
        arrays += [self.validation_x, self.validation_y, self.normalisation.mean]
        arrays += [self.frames.windows if self.frames else self.features]
        if self.frames is not None:
            sounds = self.frames.nonspeech
            more = [self.frames.tracks, sounds and sounds.windows, sounds and sounds.tracks]
            arrays += [array for array in more if array is not None]
        arrays += [np.atleast_1d(w) for teacher in teachers for w in teacher.get_weights()]
        augmentation = self.frames and [self.frames.config.hash, self.frames.augmentation.to_dict()]
        return files.sha256_json([asdict(config), augmentation, [*map(_digest, arrays)]])

    def epoch(self, rng: np.random.Generator) -> np.ndarray:
        """Training rows of an epoch, in the order they are seen."""
        order = rng.permutation(np.flatnonzero(self.heard == np.arange(len(self.train))))
        if self.config.versions == "one":
            _, first = np.unique(self.clip[order], return_index=True)
            order = order[np.sort(first)]
        if self.config.speaker_clips:
            number = pd.Series(self.speaker[order]).groupby(self.speaker[order]).cumcount()
            order = order[(number < self.config.speaker_clips).to_numpy()]
        if self.config.loud:
            chosen = rng.random(len(order)) < self.config.loud
            order[chosen] = self.loud[order[chosen]]
        return order

    def batch(self, batch: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """What a step takes: normalised inputs, changed as training wants them, and answers.

        Returns
        -------
        arrays
            Inputs, what teachers hear of them, target, weight, emotion and its weight, the answer
            from outside and its share; a row each.
        """
        heard = self.heard[batch]
        if not self.taught or np.array_equal(heard, batch):
            inputs = taught = self._inputs(batch, rng)
        else:  # changed alike
            inputs, taught = self._inputs(batch, copy.deepcopy(rng)), self._inputs(heard, rng)
        more = len(inputs) - len(batch)  # sounds without speech
        any_class = np.full((more, self.target.shape[1]), 1 / self.target.shape[1])
        arrays = [
            inputs,
            taught,
            np.concatenate([self.target[batch], any_class]),
            np.concatenate([self.weight[batch], np.ones(more)]),
            np.concatenate([self.emotion[batch], np.zeros((more, self.emotion.shape[1]))]),
            np.concatenate([self.emotion_weight[batch], np.zeros(more)]),
            np.concatenate([self.outside[batch], any_class]),
            np.concatenate([self.outside_share[batch], np.ones(more)]),
        ]
        return _mixed(arrays, rng, share=self.config.mixing) if self.config.mixing else arrays

    def _inputs(self, batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Normalised inputs of some training rows, and after them sounds without speech."""
        if self.frames is None:
            inputs = self.features[batch]
        else:
            values = self._changed(self.frames, self.train[batch], rng)
            inputs = self.normalisation.apply(values)
        if self.config.input_noise:
            noise = rng.standard_normal(inputs.shape, dtype=np.float32)
            inputs = inputs + self.config.input_noise * noise
        return inputs

    def _changed(self, frames: Frames, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Features of some rows, changed anew, and after them those of sounds without speech."""
        bands, tracks = frames.drawn(rows, rng)
        more, more_tracks = frames.drawn_nonspeech(round(self.config.nonspeech * len(rows)), rng)
        bands = np.concatenate([bands, more])
        if tracks is not None:
            tracks = np.concatenate([tracks, more_tracks])
        config = frames.config
        return frame_values(bands, tracks, config).reshape(len(bands), *config.feature_shape)


def _digest(array: np.ndarray | Selected) -> str:
    """SHA-256 of the bytes of an array."""
    found = hashlib.sha256()
    for block in blocks(array):
        found.update(np.ascontiguousarray(block).data)
    return found.hexdigest()


def _check_lengths(features: np.ndarray, frames: Frames | None, rows: pd.DataFrame) -> None:
    """Refuse arrays that are not of these rows."""
    for name, array in (
        ("features", features),
        ("frames", frames and frames.windows),
        ("tracks", frames and frames.tracks),
    ):
        if array is not None and len(array) != len(rows):
            raise DataError(f"training: expected {len(rows)} rows of {name}, found {len(array)}")


def _sides(rows: pd.DataFrame, config: TrainingConfig) -> list[np.ndarray]:
    """Places of the rows that are used, in training and in validation."""
    used = rows["split"]
    if not config.loud and "variant" in rows:
        used = used.mask(rows["variant"] == LOUD)
    parts = []
    for name in (splits.TRAIN, splits.VALIDATION):
        parts.append(np.flatnonzero(used == name))
        if not len(parts[-1]):
            raise DataError(f"training: expected rows in {name}, found none")
    return parts


def _answers(
    table: pd.DataFrame, *, n_classes: int, config: TrainingConfig
) -> dict[str, np.ndarray]:
    """What the training rows are to answer, with which weight, and whose they are."""

    def numbers(column: str, needed: bool) -> np.ndarray:
        if column in table or needed:
            return pd.factorize(_column(table, column))[0]
        return np.arange(len(table))

    clip = numbers("key", config.versions == "one" or config.speaker_clips > 0)
    speaker = numbers("speaker", config.speaker_clips > 0)
    share = _share(clip, speaker, config)
    label = table["label_id"].to_numpy()
    of_class = label >= 0
    weight = class_weights(
        label[of_class], n_classes=n_classes, kind=config.class_weights, share=share[of_class]
    )
    emotion = numbers("emotion", config.auxiliary > 0) if config.auxiliary else label * 0
    emotion_weight = class_weights(emotion, n_classes=emotion.max() + 1, kind="sqrt", share=share)
    return {
        "target": np.where(of_class[:, None], np.eye(n_classes)[label], 0).astype(np.float32),
        "weight": np.where(of_class, weight[label], 0).astype(np.float32),
        "emotion": np.eye(emotion.max() + 1, dtype=np.float32)[emotion],
        "emotion_weight": emotion_weight[emotion].astype(np.float32),
        "clip": clip,
        "speaker": speaker,
    }


def _outside(
    answers: np.ndarray | None,
    heard: np.ndarray,
    weight: np.ndarray,
    *,
    n_classes: int,
    config: TrainingConfig,
    taught: bool,
) -> dict[str, np.ndarray]:
    """Answers of a teacher from outside, and their share in what each training row is taught.

    Who has no label and no other teacher learns from it alone.
    """
    if answers is None:
        none = np.zeros((len(heard), n_classes), np.float32)
        return {"outside": none, "outside_share": weight * 0}
    answer = answers[heard]
    known = ~np.isnan(answer[:, 0])
    share = np.where((weight > 0) | taught, config.outside, 1.0)
    return {
        "outside": np.where(known[:, None], answer, 0).astype(np.float32),
        "outside_share": np.where(known, share, 0).astype(np.float32),
    }


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        raise DataError(f"training: expected a column {name!r}, found {[*table.columns]}")
    return table[name]


def _version(table: pd.DataFrame, variant: str) -> np.ndarray:
    """The place in the table of one version of each row's clip.

    Raises
    ------
    DataError
        If a clip has none, or the column key or variant is missing.
    """
    clip, mine = _column(table, "key"), (_column(table, "variant") == variant).to_numpy()
    places = pd.Series(np.flatnonzero(mine), clip[mine]).reindex(clip)
    if places.isna().any():
        lacking = places.index[places.isna()][0]
        raise DataError(f"training: expected the version {variant!r} of {lacking} too, found none")
    return places.to_numpy(np.intp)


def _mixed(
    arrays: Sequence[np.ndarray], rng: np.random.Generator, *, share: float
) -> list[np.ndarray]:
    """A share of the rows as a weighted mean of themselves, at least half, and another row."""
    rows = len(arrays[0])
    other = rng.permutation(rows)
    own = np.where(rng.random(rows) < share, rng.uniform(0.5, 1, rows), 1).astype(np.float32)
    found = []
    for array in arrays:
        factor = own.reshape(-1, *[1] * (array.ndim - 1))
        found.append(factor * array + (1 - factor) * array[other])
    return found


def _share(clip: np.ndarray, speaker: np.ndarray, config: TrainingConfig) -> np.ndarray:
    """How often each training row is seen in an epoch, on average."""
    share = np.ones(len(clip))
    if config.versions == "one":
        share /= np.bincount(clip)[clip]
    if config.speaker_clips:
        of_speaker = np.bincount(speaker, weights=share)[speaker]
        share *= np.minimum(1, config.speaker_clips / of_speaker)
    return share
