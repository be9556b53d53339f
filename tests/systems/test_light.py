"""Acoustic features and light models: what they measure, what they weigh, and their C."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.files import DataError
from ser_tinyml.sound import reading
from ser_tinyml.systems import registry
from ser_tinyml.systems.exports import light as exports
from ser_tinyml.systems.face import Lesson, Side
from ser_tinyml.systems.parts import light_features, light_models, light_praat, light_published
from ser_tinyml.systems.parts.light_features import NAMES, RATE
from ser_tinyml.systems.parts.light_models import Settings

CLASSES = ["low", "middle", "high"]


def pulses(*, jitter: float = 0.0, shimmer: float = 0.0, hertz: float = 150.0) -> np.ndarray:
    """A voice whose periods and levels change at random, by these shares from one to the next."""
    rng = np.random.default_rng(0)
    samples, time = np.zeros(2 * RATE), 0.1
    at = np.arange(len(samples)) / RATE
    while time < 1.9:
        after = at - time
        ring = np.exp(-300 * np.maximum(after, 0)) * np.sin(2 * np.pi * 500 * after) * (after >= 0)
        drawn = 1.5 * rng.uniform(-1, 1, 2)  # two such differ by 1 in the mean
        samples += 0.3 * (1 + shimmer * drawn[0]) * ring
        time += (1 + jitter * drawn[1]) / hertz
    return light_features.prepare(samples.astype(np.float32))


def numbers(samples: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, map(float, light_features.features(samples)), strict=True))


@pytest.fixture(scope="module")
def lesson(tmp_path_factory) -> Lesson:
    """Three classes that two features tell apart, not quite."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    features = rng.normal(0, 1, (240, len(NAMES)))
    features[:, :2] += labels[:, None]
    side = Side(pd.DataFrame({"label_id": labels}), features.astype(np.float32))
    return Lesson(
        train=side,
        validation=side,
        classes=CLASSES,
        seed=0,
        folder=tmp_path_factory.mktemp("state"),
        say=lambda line: None,
    )


def settings(kind: str, **more: int) -> Settings:
    return Settings(**{"kind": kind, "trees": 10, "hidden": 16, "epochs": 200, **more})


def test_a_steady_voice_has_its_pitch_and_hardly_a_jitter() -> None:
    found = numbers(pulses(hertz=150))
    assert 200 * 2 ** found["F0"] == pytest.approx(150, rel=0.01)
    assert found["voiced share"] > 0.8 and found["HNR"] > 10
    assert found["jitter"] < 0.005 and found["shimmer"] < 0.01


def test_jitter_and_shimmer_are_what_was_put_in() -> None:
    assert numbers(pulses(jitter=0.02))["jitter"] == pytest.approx(0.02, rel=0.3)
    assert numbers(pulses(shimmer=0.2))["shimmer"] == pytest.approx(0.2, rel=0.35)


def test_level_moves_intensity_alone() -> None:
    loud, soft = pulses(), light_features.prepare(pulses() / 4)
    loud, soft = numbers(loud), numbers(soft)
    assert loud["intensity"] - soft["intensity"] == pytest.approx(20 * np.log10(4), abs=0.1)
    for name in ("F0", "jitter", "shimmer", "centroid", "roll-off", "MFCC 1"):
        assert soft[name] == pytest.approx(loud[name], rel=0.02, abs=0.02), name


def test_published_jitter_and_shimmer_move_with_the_level_or_not_at_all() -> None:
    names = light_published.NAMES
    assert len(names) == len(set(names)) == 45

    def of(samples: np.ndarray) -> dict[str, float]:
        return dict(zip(names, light_published.features(samples), strict=True))

    steady, shaken, soft = of(pulses()), of(pulses(jitter=0.03)), of(pulses() / 4)
    assert steady["shimmer"] == pytest.approx(4 * soft["shimmer"], rel=1e-3)
    assert shaken["jitter"] < 2 * steady["jitter"]
    assert steady["band energy ratio"] == steady["bandwidth"]


def test_silence_has_numbers_too() -> None:
    found = numbers(np.zeros(RATE, np.float32))
    assert np.isfinite(list(found.values())).all()
    assert found["voiced share"] == found["jitter"] == found["shimmer"] == 0


def test_praat_measures_the_same_voices(spoken) -> None:
    clips = [
        light_features.prepare(reading.read_audio(spoken.recordings / path, sample_rate=RATE)[0])
        for path in spoken.clips["path"].iloc[::10]
    ]
    ours = np.stack([light_features.features(clip) for clip in clips])
    table = light_praat.compared(ours, np.stack([light_praat.measured(clip) for clip in clips]))
    assert list(table.index) == list(light_praat.NAMES)
    assert table.loc["F0", "correlation"] > 0.95
    assert table.loc["intensity", "correlation"] > 0.9


@pytest.mark.parametrize("kind", light_models.KINDS)
def test_every_kind_learns(kind, lesson) -> None:
    model = light_models.train(lesson, settings(kind))
    answers = model.predict(lesson.train.features)
    assert (answers.argmax(axis=1) == lesson.train.labels).mean() > 0.6
    assert model.size()["parameters"] > 10


def test_a_budget_is_kept_and_used(lesson) -> None:
    for kind, trees in (("forest", 10), ("extra", 10), ("tree", 1)):
        model = light_models.train(lesson, settings(kind, most_bytes=120 * trees))
        leaves = [tree.n_leaves for tree in model.trees()]
        nodes = [tree.node_count - tree.n_leaves for tree in model.trees()]
        spent = 8 * sum(nodes) + len(CLASSES) * sum(leaves) + 4 * trees
        assert 60 * trees < spent <= 120 * trees
    assert light_models.leaves_within(0, trees=10, n_classes=7) is None
    with pytest.raises(DataError, match="most_bytes: expected room for two leaves in each of 100"):
        light_models.leaves_within(1_000, trees=100, n_classes=7)


def test_a_leaf_in_bytes_keeps_its_answer() -> None:
    shares = np.array([[0.3331, 0.3334, 0.3335], [0.5, 0.5, 0], [1, 0, 0], [0.2, 0.7, 0.1]])
    found = light_models.in_bytes(shares)
    np.testing.assert_allclose(255 * found, np.rint(255 * found), atol=1e-9)
    assert np.abs(found - shares).max() < 2 / 255
    order = np.sort(found, axis=1)
    assert (order[:, -1] > order[:, -2]).all()
    assert found.argmax(axis=1).tolist() == shares.argmax(axis=1).tolist()


def test_what_is_refused(lesson, tmp_path) -> None:
    with pytest.raises(DataError, match="kind: expected one of logistic, bayes, .*found 'oracle'"):
        light_models.train(lesson, settings("oracle"))
    model = SimpleNamespace(low=np.zeros(45))
    with pytest.raises(DataError, match=r"expected a model of 64 features, found 45"):
        exports.compiled(model, tmp_path)


def test_every_kind_is_there_over_both_sets() -> None:
    names = {system.name for system in registry.chosen("light")}
    for kind in light_models.KINDS:
        assert {f"light_{kind}", f"light_published_{kind}"} <= names
    assert registry.find("light_small").settings.most_bytes <= 64 * 1024


@pytest.mark.systems
@pytest.mark.parametrize("kind", ["logistic", "tree", "forest", "extra", "mlp"])
def test_c_answers_as_scikit_learn_and_keeps_within_the_board(
    kind, lesson, tmp_path, monkeypatch
) -> None:
    costs = functools.partial(exports.costs, seconds=0.4)  # a second of a clip takes half a minute
    monkeypatch.setattr(exports, "costs", costs)
    model = light_models.train(lesson, settings(kind, most_bytes=20_000))
    made = exports.as_c(model, tmp_path, lesson.train)
    expected = model.predict(lesson.train.features).argmax(axis=1)
    same = (made.predict(lesson.train.features).argmax(axis=1) == expected).mean()
    assert same == 1
    np.testing.assert_allclose(made.predict(lesson.train.features),
                               model.predict(lesson.train.features), atol=1e-4)  # fmt: skip
    assert made.facts["within"] and made.facts["milliseconds"] <= 50
    assert made.facts["share"] < 0.5 and made.facts["clip_s"] == 0.4


@pytest.mark.systems
def test_after_a_longer_clip_an_answer_takes_longer(lesson, tmp_path) -> None:
    model = light_models.train(lesson, settings("tree"))
    program = exports.compiled(model, tmp_path).board
    short, longer = (
        exports.costs(program, model.steps(lesson.train.features[:1]), seconds=seconds)
        for seconds in (0.2, 0.4)
    )
    # what comes after the clip goes through all its frames
    assert longer["finish_ms"] > 1.5 * short["finish_ms"]
    assert longer["frame_ms"] == pytest.approx(short["frame_ms"], rel=0.05)
    assert longer["model_ms"] == short["model_ms"]


@pytest.mark.systems
def test_the_board_hears_what_python_hears(lesson, spoken, tmp_path) -> None:
    model = light_models.train(lesson, settings("tree"))
    clips = [
        light_features.prepare(reading.read_audio(spoken.recordings / path, sample_rate=RATE)[0])
        for path in spoken.clips["path"].iloc[::20]
    ]
    clips += [pulses(jitter=0.02), clips[0][:500], np.zeros(RATE, np.float32)]
    programs = exports.compiled(model, tmp_path)
    found, answers = exports.clip_answers(programs.host, clips, n_classes=3)
    expected = np.stack([light_features.features(clip) for clip in clips])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-3)
    again = model.predict(expected)
    assert (answers.argmax(axis=1) == again.argmax(axis=1)).mean() >= 0.8
    short = clips[-2:]  # few frames: the emulated processor is slow
    emulated, _ = exports.clip_answers(programs.board, short, n_classes=3)
    np.testing.assert_allclose(emulated, found[-2:], rtol=1e-5, atol=1e-6)


@pytest.mark.systems
def test_a_kind_that_emlearn_does_not_know_is_refused(lesson) -> None:
    model = light_models.train(lesson, settings("svm"))
    with pytest.raises(DataError, match="emlearn: expected trees, an MLP or a logistic regression"):
        exports.code_of(model)
