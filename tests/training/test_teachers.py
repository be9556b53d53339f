"""Teachers: who teaches whom, and that it happens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ser_tinyml.nets import models
from ser_tinyml.training import teachers as teaching
from ser_tinyml.training.config import TrainingConfig

CLASSES = ["neutral", "happy", "surprise", "unpleasant"]
SHAPE = (5, 3)  # steps, inputs
CONFIG = TrainingConfig(
    epochs=1,
    batch_size=16,
    units=(8, 6),
    speaker_clips=0,
    versions="all",
    auxiliary=0.0,
    loud=0.0,
    seed=9,
)


def data() -> tuple[np.ndarray, pd.DataFrame]:
    features = np.random.default_rng(0).normal(size=(60, *SHAPE)).astype(np.float32)
    split = np.repeat(["train", "validation"], 30)
    return features, pd.DataFrame({"label_id": np.arange(60) % 4, "split": split})


def train(folder: Path, **changes) -> tuple[list[models.keras.Model], list[str]]:
    features, rows = data()
    lines: list[str] = []
    options = {"teachers": 2, "generations": 2, "jobs": 1, "say": lines.append, **changes}
    nets = teaching.train(
        features, rows, classes=CLASSES, config=CONFIG, folder=folder, frames=None, **options
    )
    return nets, lines


def test_each_generation_learns_from_all_before_it_the_first_from_labels(
    tmp_path, monkeypatch
) -> None:
    calls = []

    def fit(features, rows, classes, config, *, folder, frames, outside, taught_by) -> float:
        by = [path.name for path in taught_by]
        assert outside is None
        calls.append((folder.name, config.seed, config.distillation, by))
        net = models.build("lstm", n_frames=SHAPE[0], n_inputs=SHAPE[1], n_classes=4, units=(8, 6))
        models.save_model(folder, net)
        return 0.5

    monkeypatch.setattr(teaching, "_fit", fit)
    nets, lines = train(tmp_path, generations=3)
    one, two = (["teacher_1", "teacher_2"], [f"teacher_{n}" for n in (1, 2, 3, 4)])
    weight = CONFIG.distillation
    assert calls == [
        ("teacher_1", 100, 0.0, []),
        ("teacher_2", 101, 0.0, []),
        ("teacher_3", 0, weight, one),
        ("teacher_4", 1, weight, one),
        ("teacher_5", 2, weight, two),
        ("teacher_6", 3, weight, two),
    ]
    assert len(nets) == 6 and len(lines) == 9
    assert lines[0] == "teachers, generation 1 of 3: 2 nets" and lines[1].endswith(
        "validation UAR 0.500"
    )


def test_without_generations_there_are_no_teachers(tmp_path) -> None:
    assert train(tmp_path, teachers=0, generations=0) == ([], [])
    assert not [*tmp_path.iterdir()]


def test_teachers_are_trained_side_by_side_and_taken_up_again(tmp_path) -> None:
    nets, lines = train(tmp_path, jobs=2)
    assert len(nets) == 4 and len(lines) == 6
    first = [net.get_weights()[0] for net in nets]
    assert all((a != b).any() for n, a in enumerate(first) for b in first[:n])
    logs = [(tmp_path / f"teacher_{n}" / teaching.LOG).read_text() for n in (1, 2, 3, 4)]
    assert all("epoch   1/1" in log for log in logs)
    again, _ = train(tmp_path, jobs=1)  # whoever goes on with them
    assert all((a == net.get_weights()[0]).all() for a, net in zip(first, again, strict=True))
    assert "taken up after epoch 1" in (tmp_path / "teacher_4" / teaching.LOG).read_text()
