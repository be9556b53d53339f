from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ser_tinyml import models
from ser_tinyml.files import DataError
from ser_tinyml.keras import keras, make_deterministic

SMALL = {"n_frames": 7, "n_inputs": 3, "n_classes": 4, "units": (6, 5), "dense_units": 4}


@pytest.fixture(scope="module")
def small() -> keras.Model:
    return models.build_lstm(**SMALL)


def test_the_published_net_has_126532_parameters() -> None:
    net = models.build_lstm(n_frames=47, n_inputs=13, n_classes=4)
    assert net.count_params() == 126_532
    counts = models.parameters_and_macs(net)
    assert counts["parameters"] == 126_532
    assert counts["macs_per_frame"] == 4 * 128 * (13 + 128) + 4 * 64 * (128 + 64)
    assert counts["macs"] == 47 * counts["macs_per_frame"] + 64 * 64 + 64 * 4


def test_counts_follow_every_number(small: keras.Model) -> None:
    assert models.parameters_and_macs(models.describe(small))["parameters"] == small.count_params()
    one = models.build_lstm(n_frames=2, n_inputs=9, n_classes=7, units=(5,), dense_units=11)
    assert models.parameters_and_macs(one)["parameters"] == one.count_params()


def test_answers_are_probabilities(small: keras.Model) -> None:
    clips = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)
    answers = small.predict(clips, verbose=0)
    assert answers.shape == (5, 4)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    assert not np.allclose(answers[0], answers[1])


def test_describe_builds_the_same_again(small: keras.Model) -> None:
    text = json.dumps(models.describe(small))
    again = models.build_lstm(**json.loads(text))
    assert models.describe(again) == models.describe(small)
    assert [w.shape for w in again.weights] == [w.shape for w in small.weights]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n_frames": 0}, "n_frames"),
        ({"n_classes": 1}, "n_classes"),
        ({"units": ()}, "units"),
        ({"units": (6, 0)}, r"units\[1\]"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_impossible_numbers_are_named(change: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        models.build_lstm(**{**SMALL, **change})


def test_describe_refuses_another_net() -> None:
    net = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    with pytest.raises(ValueError, match="Dense"):
        models.describe(net)


def test_saved_model_answers_the_same(small: keras.Model, tmp_path) -> None:
    models.save_model(tmp_path, small)
    clips = np.random.default_rng(1).normal(size=(1, 7, 3)).astype(np.float32)
    expected = small.predict(clips, verbose=0)
    for batch_size in (None, 1):
        again = models.load_model(tmp_path, batch_size)
        assert again.input_shape == (batch_size, 7, 3)
        np.testing.assert_array_equal(again.predict(clips, verbose=0), expected)


def test_saved_files_are_the_same_bytes(small: keras.Model, tmp_path) -> None:
    first, second = (models.save_model(tmp_path / name, small) for name in "ab")
    third = models.save_model(tmp_path / "c", models.load_model(tmp_path / "a"))
    for paths in zip(first, second, third, strict=True):
        assert len({path.read_bytes() for path in paths}) == 1


def test_load_names_what_is_wrong(small: keras.Model, tmp_path) -> None:
    with pytest.raises(DataError, match=models.ARCHITECTURE):
        models.load_model(tmp_path)
    architecture, weights = models.save_model(tmp_path, small)

    numbers = json.loads(architecture.read_text())
    architecture.write_text(json.dumps({**numbers, "dense_units": 9}))
    with pytest.raises(DataError, match=models.WEIGHTS):
        models.load_model(tmp_path)
    architecture.write_text(json.dumps({**numbers, "colour": "red"}))
    with pytest.raises(DataError, match="colour"):
        models.load_model(tmp_path)

    architecture.write_text(json.dumps(numbers))
    whole = weights.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"not a zip"):
        weights.write_bytes(broken)
        with pytest.raises(DataError, match=models.WEIGHTS):
            models.load_model(tmp_path)


def test_same_seed_same_weights() -> None:
    weights = []
    for seed in (3, 3, 4):
        make_deterministic(seed)
        weights.append(models.build_lstm(**SMALL).get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_tensorflow_must_not_come_first() -> None:
    """An earlier import would have settled on Keras 3; a stand-in spares this test seconds."""
    code = (
        "import sys, types; sys.modules['tensorflow'] = types.ModuleType('tensorflow')\n"
        "import ser_tinyml.keras"
    )
    env = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert "import ser_tinyml.keras first" in done.stderr
