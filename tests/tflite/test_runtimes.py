from __future__ import annotations

import numpy as np
import pytest
import small_model

from ser_tinyml.tflite import convert
from ser_tinyml.tflite.runtimes import (
    KerasRuntime,
    LiteRTRuntime,
    RuntimeRefused,
    TfliteMicroRuntime,
    agreement,
)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return KerasRuntime(small_model.model()).predict(small_model.clips())


def test_float_runtimes_equal_keras(truth: np.ndarray) -> None:
    clips, tflite = small_model.clips(), small_model.tflite("float32")
    assert truth.std(axis=0).min() > 0.05, "answers too alike to tell anything"
    for runtime in (
        KerasRuntime(small_model.model(), compiled=True),
        LiteRTRuntime(tflite),
        TfliteMicroRuntime(tflite),
    ):
        answers = runtime.predict(clips)
        assert answers.dtype == np.float32
        np.testing.assert_allclose(answers, truth, atol=2e-5, err_msg=runtime.name)


def test_int8_is_close_to_keras(truth: np.ndarray) -> None:
    for kind in (LiteRTRuntime, TfliteMicroRuntime):
        answers = kind(small_model.tflite("int8")).predict(small_model.clips())
        assert agreement(truth, answers)["same_label"] >= 0.9
        assert np.abs(answers - truth).mean() < 0.03


def test_litert_int8_is_within_three_units_of_tflite_micro() -> None:
    tflite = small_model.tflite("int8")
    clips = convert.quantise(small_model.clips(), *convert.io_quantisation(tflite)[:2])
    lite, micro = (kind(tflite).predict_int8(clips) for kind in (LiteRTRuntime, TfliteMicroRuntime))
    assert lite.dtype == micro.dtype == np.int8
    assert agreement(lite, micro)["max_units"] <= 3


def test_dynamic_range_runs_on_litert_only(truth: np.ndarray) -> None:
    tflite = small_model.tflite("dynamic_range")
    answers = LiteRTRuntime(tflite).predict(small_model.clips())
    assert agreement(truth, answers)["same_label"] >= 0.9
    with pytest.raises(RuntimeRefused, match="at FULLY_CONNECTED: .*FLOAT32.*INT8 not supported"):
        TfliteMicroRuntime(tflite)


@pytest.mark.parametrize("kind", [LiteRTRuntime, TfliteMicroRuntime])
def test_every_clip_starts_from_a_fresh_state(kind: type) -> None:
    clips = small_model.clips()[:20]
    runtime = kind(small_model.tflite("int8"))
    forward = runtime.predict(clips)
    backward = runtime.predict(clips[::-1])[::-1]
    np.testing.assert_array_equal(forward, backward)
    np.testing.assert_array_equal(
        kind(small_model.tflite("int8")).predict(clips[7:8])[0], forward[7]
    )


def test_state_left_alone_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: without the reset the order of the clips matters."""
    runtime = TfliteMicroRuntime(small_model.tflite("int8"))
    monkeypatch.setattr(runtime._interpreter, "reset", lambda: None)
    clips = small_model.clips()[:20]
    assert (runtime.predict(clips) != runtime.predict(clips[::-1])[::-1]).any()


def test_int8_in_and_out_are_the_quantised_face() -> None:
    tflite = small_model.tflite("int8")
    runtime = TfliteMicroRuntime(tflite)
    clips, numbers = small_model.clips()[:10], convert.io_quantisation(tflite)
    raw = runtime.predict_int8(convert.quantise(clips, *numbers[:2]))
    np.testing.assert_array_equal(convert.dequantise(raw, *numbers[2:]), runtime.predict(clips))


def test_processes_share_the_work_and_change_nothing() -> None:
    clips, tflite = small_model.clips(), small_model.tflite("int8")
    alone = TfliteMicroRuntime(tflite).predict(clips)
    shared = TfliteMicroRuntime(tflite, jobs=2).predict(clips, progress=True)
    np.testing.assert_array_equal(alone, shared)


@pytest.mark.parametrize(
    ("function", "operator"),
    [("matrix_inverse", "at CUSTOM:FlexMatrixInverse: "), ("safe_quotient", "at SELECT: ")],
)
def test_refusal_names_the_operator(function: str, operator: str) -> None:
    with pytest.raises(RuntimeRefused, match=operator):
        TfliteMicroRuntime(small_model.function_tflite(function))


def test_arena_is_measured() -> None:
    runtime = TfliteMicroRuntime(small_model.tflite("int8"))
    assert 1_000 < runtime.arena_bytes < 10_000
    before = runtime.arena_bytes
    runtime.predict(small_model.clips()[:2])
    assert runtime.arena_bytes == before


def test_latency_is_the_median_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = TfliteMicroRuntime(small_model.tflite("int8"))
    ticks = iter([0, 9, 10, 11, 20, 22, 30, 33])  # warming up takes 9, then 1, 2 and 3
    monkeypatch.setattr("ser_tinyml.tflite.runtimes.time.perf_counter", lambda: next(ticks))
    assert runtime.latency(small_model.clips(), n=3) == 2


@pytest.mark.parametrize(
    "shape", [(12, 5), (0, 12, 5), (4, 12, 6), (4, 11, 5)], ids=lambda shape: str(shape)
)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    for runtime in (
        KerasRuntime(small_model.model()),
        LiteRTRuntime(small_model.tflite("int8")),
        TfliteMicroRuntime(small_model.tflite("float32")),
    ):
        with pytest.raises(ValueError, match=r"expected features of shape \(n, 12, 5\)"):
            runtime.predict(np.zeros(shape, np.float32))


def test_int8_face_wants_int8() -> None:
    clips = small_model.clips()[:1]
    with pytest.raises(ValueError, match="takes float32"):
        LiteRTRuntime(small_model.tflite("float32")).predict_int8(clips.astype(np.int8))
    with pytest.raises(ValueError, match="found float32"):
        LiteRTRuntime(small_model.tflite("int8")).predict_int8(clips)


def test_agreement_counts() -> None:
    a = np.array([[-128, 127], [10, 20], [5, 4]], np.int8)
    b = np.array([[127, -128], [11, 20], [5, 4]], np.int8)
    assert agreement(a, b) == {
        "n": 3,
        "same_label": pytest.approx(2 / 3),
        "identical": pytest.approx(1 / 3),
        "max_units": 255,
        "mean_units": pytest.approx((255 + 255 + 1) / 6),
    }
    as_probabilities = [(x.astype(np.float32) + 128) / 256 for x in (a, b)]
    assert agreement(*as_probabilities) == agreement(a, b)
    with pytest.raises(ValueError, match="shapes"):
        agreement(a, b[:2])
    with pytest.raises(ValueError, match="two of a kind"):
        agreement(a, b.astype(np.float32))
