"""A Gaussian mixture a class over the MFCC of single frames: the field's classic.

Each mixture learns how likely a frame is in its emotion; a clip's answer is what the mean of its
frames' logarithms says. The order of the frames does not count.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np

from ser_tinyml import files
from ser_tinyml.systems.face import LABELS, Lesson
from ser_tinyml.systems.parts import light_features as recipe

NUMBERS = 2 * recipe.COEFFICIENTS  # of a frame: MFCC, and their change
MODEL = "mixtures.joblib"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training is made of.

    Attributes
    ----------
    components
        Of each mixture.
    rounds
        Of expectation and maximisation, at most.
    most_frames
        Of a class that its mixture learns from, drawn at random.
    """

    components: int = 32
    rounds: int = 100
    most_frames: int = 40_000


def features(samples: np.ndarray) -> np.ndarray:
    """MFCC of a clip's loud frames, the clip's mean taken off, and their changes.

    Parameters
    ----------
    samples [shape=(n,)]
        Of `light_features.prepare`.

    Returns
    -------
    frames [shape=(light_features.MOST_FRAMES, 1 + NUMBERS)]
        float32; the first column is 1 where there is a frame. All others are 0 where there is none.
    """
    found = recipe.frames_of(samples)
    loud = found.level >= found.level.max() - recipe.QUIET_DB
    changes = np.gradient(found.mfcc, axis=0) if len(found.mfcc) > 1 else 0 * found.mfcc
    own = found.mfcc[loud]
    numbers = np.concatenate([own - own.mean(axis=0), changes[loud]], axis=1)
    frames = np.zeros((recipe.MOST_FRAMES, 1 + NUMBERS), np.float32)
    frames[: len(numbers), 0] = 1
    frames[: len(numbers), 1:] = numbers
    return frames


class Mixtures:
    """A mixture of scikit-learn a class."""

    def __init__(self, mixtures: Sequence[object], *, classes: Sequence[str]) -> None:
        self.mixtures, self.classes = list(mixtures), list(classes)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Probabilities [shape=(n, n_classes)] of the features of clips [shape=(n, …)]."""
        counts = (features[..., 0] > 0).sum(axis=1)
        frames = features[features[..., 0] > 0][:, 1:]
        likely = np.stack([one.score_samples(frames) for one in self.mixtures], axis=1)
        means = np.add.reduceat(likely, np.cumsum(counts) - counts) / counts[:, None]
        powers = np.exp(means - means.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def size(self) -> dict[str, float]:
        """Numbers that it consists of."""
        parts = [(one.weights_, one.means_, one.covariances_) for one in self.mixtures]
        return {"parameters": float(sum(np.size(part) for three in parts for part in three))}

    def save(self, folder: Path) -> None:
        """Write all mixtures."""
        joblib.dump(self.mixtures, folder / MODEL, compress=3)


def load(folder: Path) -> Mixtures:
    """Read what `Mixtures.save` wrote."""
    return Mixtures(joblib.load(folder / MODEL), classes=files.read_json(folder / LABELS))


def train(lesson: Lesson, settings: Settings) -> Mixtures:
    """Fit a mixture to the frames of each class."""
    from sklearn.mixture import GaussianMixture

    rng, mixtures = np.random.default_rng(lesson.seed), []
    for label, name in enumerate(lesson.classes):
        clips = lesson.train.features[lesson.train.labels == label]
        frames = clips[clips[..., 0] > 0][:, 1:]
        chosen = rng.permutation(len(frames))[: settings.most_frames]
        mixture = GaussianMixture(
            settings.components,
            covariance_type="diag",
            max_iter=settings.rounds,
            reg_covar=1e-3,
            random_state=lesson.seed,
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Best performing initialization did not converge")
            mixtures.append(mixture.fit(frames[chosen]))
        lesson.say(f"{name}: {len(chosen):,} frames, {mixture.n_iter_} rounds")
    return Mixtures(mixtures, classes=lesson.classes)
