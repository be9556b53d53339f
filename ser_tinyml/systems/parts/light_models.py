"""Light models from scikit-learn over a clip's numbers, which they get in whole steps.

A microcontroller compares whole numbers, so training does as well: each feature in steps from 0 to
`STEPS`, between what lies at the ends of the training clips.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.systems.face import LABELS, Lesson

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

STEPS = 32_000  # an int16 holds them
ENDS = (0.1, 99.9)  # per cent of the training clips; what lies beyond is at the end
BYTE = 255  # the most that a byte holds
NODE_BYTES = 8  # of a decision in emlearn's trees
MODEL, SCALE = "model.joblib", "scale.npz"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a training is made of.

    Attributes
    ----------
    kind
        One of `KINDS`.
    trees
        Of a forest; rounds of boosting.
    most_bytes
        Of a tree or forest as emlearn writes it; 0: grown to the end.
    least_in_leaf
        Training clips in a leaf of a forest.
    balanced
        Whether rare classes count as much as frequent ones, where the model can do that.
    byte_shares
        Whether the shares of a tree's leaf are whole 255ths, as a byte in C holds them.
    hidden
        Units of the MLP.
    epochs
        Of the MLP, at most.
    """

    kind: str
    trees: int = 100
    most_bytes: int = 0
    least_in_leaf: int = 2
    balanced: bool = True
    byte_shares: bool = True
    hidden: int = 64
    epochs: int = 200


def leaves_within(most_bytes: int, *, trees: int, n_classes: int) -> int | None:
    """Leaves of each tree so that all of them keep within a budget; None: as many as it likes.

    A tree has one decision less than leaves, and a leaf has a byte a class.

    Raises
    ------
    DataError
        If not even two leaves fit.
    """
    if not most_bytes:
        return None
    leaves = (most_bytes // trees - 4) // (NODE_BYTES + n_classes)
    if leaves < 2:
        raise DataError(
            f"most_bytes: expected room for two leaves in each of {trees} trees, found {most_bytes}"
        )
    return leaves


def _logistic(settings: Settings, seed: int, n_classes: int) -> ClassifierMixin:
    from sklearn.linear_model import LogisticRegression

    return _scaled(LogisticRegression(max_iter=1_000, class_weight=_weight(settings)))


def _bayes(settings: Settings, seed: int, n_classes: int) -> ClassifierMixin:
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB()


def _tree(settings: Settings, seed: int, n_classes: int) -> ClassifierMixin:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(
        max_leaf_nodes=leaves_within(settings.most_bytes, trees=1, n_classes=n_classes),
        min_samples_leaf=5,
        class_weight=_weight(settings),
        random_state=seed,
    )


def _forest(settings: Settings, seed: int, n_classes: int) -> ClassifierMixin:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(**_grown(settings, seed, n_classes))


def _extra(settings: Settings, seed: int, n_classes: int) -> ClassifierMixin:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(**_grown(settings, seed, n_classes))


def _boosting(settings: Settings, seed: int, n_classes: int) -> ClassifierMixin:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=settings.trees, class_weight=_weight(settings), random_state=seed
    )


def _mlp(settings: Settings, seed: int, n_classes: int) -> ClassifierMixin:
    from sklearn.neural_network import MLPClassifier

    return _scaled(
        MLPClassifier(
            (settings.hidden,),
            alpha=1.0,
            max_iter=settings.epochs,
            early_stopping=False,
            random_state=seed,
        )
    )


def _svm(settings: Settings, seed: int, n_classes: int) -> ClassifierMixin:
    from sklearn.svm import SVC

    return _scaled(SVC(C=3.0, class_weight=_weight(settings), random_state=seed))


KINDS: dict[str, Callable[[Settings, int, int], Any]] = {
    "logistic": _logistic,
    "bayes": _bayes,
    "tree": _tree,
    "forest": _forest,
    "extra": _extra,
    "boosting": _boosting,
    "mlp": _mlp,
    "svm": _svm,
}


def _weight(settings: Settings) -> str | None:
    return "balanced" if settings.balanced else None


def _scaled(model: ClassifierMixin) -> ClassifierMixin:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def _grown(settings: Settings, seed: int, n_classes: int) -> dict[str, Any]:
    return {
        "n_estimators": settings.trees,
        "max_leaf_nodes": leaves_within(
            settings.most_bytes, trees=settings.trees, n_classes=n_classes
        ),
        "min_samples_leaf": settings.least_in_leaf,
        "class_weight": _weight(settings),
        "random_state": seed,
        "n_jobs": 1,
    }


class LightModel:
    """A model of scikit-learn, with the steps that its features come in.

    Parameters
    ----------
    low, inverse [shape=(n,)]
        float32: of each feature what step 0 is, and the steps of one unit.
    """

    def __init__(
        self, model: Any, low: np.ndarray, inverse: np.ndarray, *, classes: Sequence[str]
    ) -> None:
        self.model, self.low, self.inverse = model, low, inverse
        self.classes = list(classes)

    def steps(self, features: np.ndarray) -> np.ndarray:
        """Features as whole numbers from 0 to `STEPS`; float32, as scikit-learn has them."""
        steps = np.rint((features.astype(np.float32) - self.low) * self.inverse)
        return np.clip(steps, 0, STEPS).astype(np.float32)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Probabilities [shape=(n, n_classes)] of features [shape=(n, n_features)]."""
        steps = self.steps(features)
        if hasattr(self.model, "predict_proba"):
            shares = self.model.predict_proba(steps)
            return shares / shares.sum(axis=1, keepdims=True)  # bytes do not add up to 1
        distances = self.model.decision_function(steps)  # of an SVM: no probabilities, but an order
        if distances.ndim == 1:
            distances = np.stack([-distances, distances], axis=1)
        powers = np.exp(distances - distances.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def trees(self) -> list[Any]:
        """The trees that it is made of; none: it is something else."""
        found = getattr(self.model, "estimators_", [self.model])
        return [one.tree_ for one in found if hasattr(one, "tree_")]

    def size(self) -> dict[str, float]:
        """Numbers that it consists of."""
        return {"parameters": float(_numbers(self.model, self.trees()))}

    def save(self, folder: Path) -> None:
        """Write model and scale."""
        joblib.dump(self.model, folder / MODEL, compress=3)
        files.write_arrays(folder / SCALE, {"low": self.low, "inverse": self.inverse})


def _numbers(model: Any, trees: Sequence[Any]) -> int:
    """A decision is a feature and a threshold; a leaf has a number a class."""
    if trees:
        return sum(2 * (t.node_count - t.n_leaves) + t.n_leaves * t.value.shape[2] for t in trees)
    last = model[-1] if hasattr(model, "steps") else model
    if hasattr(last, "_predictors"):  # boosting: a tree a class and round, a number a leaf
        nodes = [tree.nodes for one in last._predictors for tree in one]
        return sum(2 * len(n) - int(n["is_leaf"].sum()) for n in nodes)
    return sum(np.size(part) for name in _arrays_of(last) for part in getattr(last, name))


def _arrays_of(model: Any) -> tuple[str, ...]:
    """Where a model without trees keeps its numbers."""
    if hasattr(model, "support_vectors_"):
        return ("support_vectors_", "dual_coef_", "intercept_")
    names = ("coefs_", "intercepts_", "coef_", "intercept_", "theta_", "var_", "class_prior_")
    return tuple(name for name in names if hasattr(model, name))


def train(lesson: Lesson, settings: Settings) -> LightModel:
    """Fit a model to a lesson; what it needs no validation clips for, it does not see them for.

    Raises
    ------
    DataError
        If the kind of model is not known.
    """
    if settings.kind not in KINDS:
        raise DataError(f"kind: expected one of {', '.join(KINDS)}, found {settings.kind!r}")
    low, high = np.percentile(lesson.train.features, ENDS, axis=0).astype(np.float32)
    inverse = np.float32(STEPS) / np.maximum(high - low, np.float32(1e-6))
    fitted = KINDS[settings.kind](settings, lesson.seed, len(lesson.classes))
    model = LightModel(fitted, low, inverse.astype(np.float32), classes=lesson.classes)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")  # on purpose
        fitted.fit(model.steps(lesson.train.features), lesson.train.labels)
    for tree in model.trees() if settings.byte_shares else ():
        tree.value[:, 0] = in_bytes(tree.value[:, 0])
    lesson.say(f"{settings.kind}: {model.size()['parameters']:,.0f} numbers")
    return model


def in_bytes(shares: np.ndarray) -> np.ndarray:
    """Shares of leaves as whole 255ths, each leaf with the answer that it had.

    Rounded alone, two nearly equal shares become one, and a leaf's answer another.

    Parameters
    ----------
    shares [shape=(leaves, n_classes)]
        From 0 to 1.
    """
    steps = np.rint(BYTE * shares)
    rows, best = np.arange(len(steps)), shares.argmax(axis=1)
    most = steps[rows, best]
    below = np.minimum(steps, most[:, np.newaxis] - 1)
    below[rows, best] = most
    return below / BYTE


def load(folder: Path) -> LightModel:
    """Read what `LightModel.save` wrote."""
    scale = files.read_arrays(folder / SCALE)
    classes = files.read_json(folder / LABELS)
    return LightModel(joblib.load(folder / MODEL), scale["low"], scale["inverse"], classes=classes)
