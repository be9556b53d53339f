from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ser_tinyml.files import DataError
from ser_tinyml.nets import lstm, models
from ser_tinyml.nets.keras import keras, make_deterministic
from ser_tinyml.training import calibration

SMALL = {"n_frames": 7, "n_inputs": 3, "n_classes": 4, "units": (6, 5), "dense_units": 4}


@pytest.fixture(scope="module")
def small() -> keras.Model:
    return models.build("lstm", **SMALL)


def test_the_published_net_has_126532_parameters() -> None:
    net = models.build("lstm", n_frames=47, n_inputs=13, n_classes=4)
    assert net.count_params() == 126_532
    counts = models.parameters_and_macs(net)
    assert counts["parameters"] == 126_532
    assert counts["macs_per_frame"] == 4 * 128 * (13 + 128) + 4 * 64 * (128 + 64)
    assert counts["macs"] == 47 * counts["macs_per_frame"] + 64 * 64 + 64 * 4


def test_counts_follow_every_number(small: keras.Model) -> None:
    assert models.parameters_and_macs(small)["parameters"] == small.count_params()
    one = models.build("lstm", n_frames=2, n_inputs=9, n_classes=7, units=(5,), dense_units=11)
    assert models.parameters_and_macs(one)["parameters"] == one.count_params()


def test_answers_are_probabilities(small: keras.Model) -> None:
    clips = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)
    answers = small.predict(clips, verbose=0)
    assert answers.shape == (5, 4)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    assert not np.allclose(answers[0], answers[1])


def test_describe_builds_the_same_again(small: keras.Model) -> None:
    text = json.dumps(models.describe(small))
    again = models.build(**json.loads(text))
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
        models.build("lstm", **{**SMALL, **change})


def clips_of(small: keras.Model, *, count: int = 5) -> np.ndarray:
    shape = (count, *small.input_shape[1:])
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_answers_at_every_step_are_those_of_the_clip_up_to_there(small: keras.Model) -> None:
    clips = clips_of(small)
    net = models.for_training(small)
    logits = net(clips).numpy()
    assert logits.shape == (5, 7, 4)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    answers = powers / powers.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(answers[:, -1], small(clips).numpy(), atol=1e-6)
    short = models.build("lstm", **{**SMALL, "n_frames": 3})
    short.set_weights(small.get_weights())
    np.testing.assert_allclose(answers[:, 2], short(clips[:, :3]).numpy(), atol=1e-6)


def test_a_second_answer_adds_one_layer_and_leaves_the_first(small: keras.Model) -> None:
    clips = clips_of(small)
    plain = models.for_training(small)
    answer, emotion = (net := models.for_training(small, auxiliary=6))(clips)
    np.testing.assert_allclose(answer, plain(clips), atol=1e-6)
    assert emotion.shape == (5, 7, 6)
    assert net.count_params() == small.count_params() + (SMALL["dense_units"] + 1) * 6


def test_a_net_for_training_has_copies_of_the_weights(small: keras.Model) -> None:
    before = small.get_weights()
    net = models.for_training(small)
    net.set_weights([weight + 1 for weight in net.get_weights()])
    for old, new in zip(before, small.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_between_layers_the_same_units_are_dropped_at_all_steps(small: keras.Model) -> None:
    make_deterministic(0)
    net = models.for_training(small, between_dropout=0.5)
    hidden = keras.Model(net.input, [net.get_layer(f"dropout_{n}").output for n in (1, 2)])
    clips = clips_of(small, count=40)
    for width, found in zip(SMALL["units"], hidden(clips, training=True), strict=True):
        dropped = found.numpy() == 0
        assert dropped.shape == (40, 7, width)
        assert (dropped == dropped[:, :1]).all()
        assert dropped.mean() == pytest.approx(0.5, abs=0.15)
        assert len(np.unique(dropped[:, 0], axis=0)) > 10  # not the same for all clips
    np.testing.assert_allclose(net(clips), models.for_training(small)(clips), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.7])
def test_sharpening_is_a_temperature(temperature: float) -> None:
    net = models.build("lstm", **SMALL)
    net.set_weights([3 * weight + 0.1 for weight in net.get_weights()])
    clips = clips_of(net)
    before = net(clips).numpy()
    models.sharpen(net, temperature)
    expected = calibration.apply_temperature(before, temperature)
    np.testing.assert_allclose(net(clips).numpy(), expected, atol=1e-6)
    assert abs(expected - before).max() > 0.01


def test_describe_refuses_another_net() -> None:
    net = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    with pytest.raises(ValueError, match="nets.models.build, found"):
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
        weights.append(models.build("lstm", **SMALL).get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_tensorflow_must_not_come_first() -> None:
    """An earlier import would have settled on Keras 3; a stand-in spares this test seconds."""
    code = (
        "import sys, types; sys.modules['tensorflow'] = types.ModuleType('tensorflow')\n"
        "import ser_tinyml.nets.keras"
    )
    env = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert "import ser_tinyml.nets.keras first" in done.stderr


def test_the_registry_draws_no_other_weights_than_the_function_itself() -> None:
    """Only from the same first weights is a model trained again to the same bytes."""
    weights = []
    for make in (lambda: models.build("lstm", **SMALL), lambda: lstm.build_lstm(**SMALL)):
        make_deterministic(3)
        weights.append(make().get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
