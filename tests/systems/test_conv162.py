"""The 162 features, the net over them, and what it becomes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import small_model

from ser_tinyml.data import demo
from ser_tinyml.files import DataError
from ser_tinyml.systems import conv162
from ser_tinyml.systems.exports import c_program, conv_board, micro
from ser_tinyml.systems.exports import conv162 as exports
from ser_tinyml.systems.exports.conv_tables import ConvNetwork, conv_network
from ser_tinyml.systems.face import Side
from ser_tinyml.systems.parts import conv162_features as recipe
from ser_tinyml.systems.parts import conv162_net, keras_fit
from ser_tinyml.systems.parts.conv162_net import ConvNet, Deviations, Places
from ser_tinyml.systems.parts.keras_fit import FitSettings, Rows
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.convert import ConversionError
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

CLASSES = ["neutral", "happy", "surprise", "sad", "angry", "fear", "disgust"]


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    (samples,) = demo.speak(
        ["The kids are talking by the door"], emotion=["happy"], sample_rate=recipe.RATE
    )
    return samples / np.float32(32768)


def separately(samples: np.ndarray) -> np.ndarray:
    """The recipe as the notebooks have it: each function by itself."""
    sr = recipe.RATE
    magnitude = np.abs(librosa.stft(samples))
    parts = [
        librosa.feature.zero_crossing_rate(y=samples),
        librosa.feature.chroma_stft(S=magnitude, sr=sr),
        librosa.feature.mfcc(y=samples, sr=sr),
        librosa.feature.rms(y=samples),
        librosa.feature.melspectrogram(y=samples, sr=sr),
    ]
    return np.hstack([np.mean(part.T, axis=0) for part in parts])


def test_features_are_those_of_librosa_one_by_one(voice) -> None:
    found = recipe.features(voice)
    assert found.shape == (recipe.COUNT,)
    np.testing.assert_allclose(found, separately(voice), rtol=1e-4, atol=1e-6)


def test_groups_are_all_features_in_their_order() -> None:
    places = [place for group in recipe.GROUPS.values() for place in range(recipe.COUNT)[group]]
    assert places == list(range(recipe.COUNT))
    sizes = {name: len(range(recipe.COUNT)[group]) for name, group in recipe.GROUPS.items()}
    assert sizes == {"zero crossings": 1, "chroma": 12, "MFCC": 20, "RMS": 1, "mel bands": 128}


def test_the_part_that_is_looked_at_begins_late() -> None:
    samples = np.arange(4 * recipe.RATE, dtype=np.float32)
    part = recipe.prepare(samples)
    assert part[0] == 0.6 * recipe.RATE and len(part) == 2.5 * recipe.RATE


def test_copies_are_noisy_and_slow_and_high(voice) -> None:
    noisy = recipe.noise(voice, np.random.default_rng(0)) - voice
    assert 0 < noisy.std() <= 0.035 * voice.max() and noisy.dtype == np.float32
    tone = np.sin(2 * np.pi * 440 * np.arange(recipe.RATE) / recipe.RATE).astype(np.float32)
    changed = recipe.stretch_shift_pitch(tone, np.random.default_rng(0))
    assert len(changed) == round(recipe.RATE / 0.8)
    peak = np.abs(np.fft.rfft(changed)).argmax() * recipe.RATE / len(changed)
    assert peak == pytest.approx(440 * 2 ** (0.7 / 12), rel=0.005)


def test_every_group_has_its_reason_not_to_be_on_the_board() -> None:
    reasons = recipe.on_board()
    assert list(reasons) == list(recipe.GROUPS) and all(reasons.values())
    edges = librosa.mel_frequencies(n_mels=130, fmin=0, fmax=recipe.RATE / 2)
    assert f"{(edges[1:-1] > 8_000).sum()} of 128 lie above 8,000 Hz" in reasons["mel bands"]


def test_the_net_has_the_published_number_of_parameters() -> None:
    net = conv162_net.build(conv162.CONV162.settings.filters, len(CLASSES))
    size = keras_fit.size(net)
    assert size["parameters"] == 1_283_591 == conv162_net.PUBLISHED_PARAMETERS
    assert size["macs"] == pytest.approx(98.6e6, rel=1e-3)


def random_net(filters: tuple[int, int, int], *, places: bool = False) -> ConvNet:
    """Weights that let values neither vanish nor grow."""
    keras_fit.begin(0)
    rng = np.random.default_rng(0)
    net = conv162_net.build(filters, len(CLASSES))
    weights = []
    for variable, value in zip(net.weights, net.get_weights(), strict=True):
        if "variance" in variable.name:
            weights.append(rng.uniform(0.5, 2, value.shape))
        else:
            inside = np.prod(value.shape[:-1]) if value.ndim > 1 else 25
            weights.append(rng.normal(0, (2 / inside) ** 0.5, value.shape))
    net.set_weights(weights)
    scale = Places.of(side().features) if places else Deviations.of(side().features)
    return ConvNet(net, scale, classes=CLASSES, filters=filters)


def side(count: int = 40) -> Side:
    """Training rows whose features are drawn."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        {
            "key": [f"clip {n}" for n in range(count)],
            "corpus": "RAVDESS",
            "label_id": np.arange(count) % len(CLASSES),
            "variant": np.where(np.arange(count) % 2, "noise", "clean"),
            "split": "train",
        }
    )
    return Side(rows, rng.normal(0, 2, (count, recipe.COUNT)).astype(np.float32))


@pytest.mark.parametrize("places", [False, True])
def test_a_kept_net_is_the_same_net(tmp_path, places) -> None:
    model, features = random_net((8, 8, 4), places=places), side().features
    model.save(tmp_path)
    (tmp_path / "labels.json").write_text(str(CLASSES).replace("'", '"'))
    again = conv162_net.load(tmp_path)
    np.testing.assert_array_equal(again.predict(features), model.predict(features))


def test_each_place_has_as_many_rows_however_far_apart_they_are() -> None:
    rng = np.random.default_rng(0)
    features = np.exp(rng.normal(0, 3, (256 * 20, 3))).astype(np.float32)
    places = Places.of(features)
    found = places(features)
    assert set(np.unique(128 * found)) == set(range(-128, 128))
    counts = [np.unique(column, return_counts=True)[1] for column in found.T]
    assert set(np.unique(counts)) == {20}
    order = np.argsort(features[:, 0])
    assert (np.diff(found[order, 0]) >= 0).all()
    beyond = places(np.array([[0, 0, 0], [1e9, 1e9, 1e9]], np.float32))
    assert beyond.tolist() == [[-1] * 3, [127 / 128] * 3]


def test_the_c_program_takes_no_places(tmp_path) -> None:
    with pytest.raises(DataError, match="expected features in standard deviations, found places"):
        exports.as_c(random_net((8, 8, 4), places=True), tmp_path, side())


@pytest.fixture(scope="module")
def int8(tmp_path_factory) -> tuple[ConvNet, Path]:
    """A small net, and the folder of its exports, with int8/int8.tflite."""
    model = random_net((12, 8, 6), places=True)
    folder = tmp_path_factory.mktemp("exports")
    made = exports.as_int8(model, folder / "int8", side())
    assert np.abs(made.predict(side().features) - model.predict(side().features)).max() < 0.05
    assert made.facts["bytes"] > 0 and made.facts["arena_bytes"] > 0
    io = convert.io_quantisation((folder / "int8" / "int8.tflite").read_bytes())
    assert (io.input_scale, io.input_zero_point) == (1 / 128, 0)  # a place is not rounded
    return model, folder


def inputs_of(model: ConvNet, tflite: bytes) -> np.ndarray:
    io = convert.io_quantisation(tflite)
    normalised = model.normalised(side().features)
    return convert.quantise(normalised, io.input_scale, io.input_zero_point)


def test_scales_are_set_by_clips_as_they_are() -> None:
    rows = side().rows
    assert set(rows["variant"].iloc[micro.calibration_of(rows)]) == {"clean"}


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_board_s_code_has_the_bits_of_tflite_micro(int8, tmp_path) -> None:
    model, folder = int8
    tflite = (folder / "int8" / "int8.tflite").read_bytes()
    network = conv_network(tflite)
    assert [conv.pool for conv in network.convs] == [1, 8, 1, 1, 1, 8, 1, 1]
    inputs = inputs_of(model, tflite)
    conv_board.write(tmp_path, network, name="small")
    program = conv_board.host_program(tmp_path)
    found = conv_board.host_answers(program, inputs, n_classes=len(CLASSES))
    np.testing.assert_array_equal(found, TfliteMicroRuntime(tflite).predict_int8(inputs))
    with pytest.raises(DataError, match="expected 1 answers, found 0 numbers"):
        conv_board.host_answers(program, inputs[0, :1], n_classes=len(CLASSES))


@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in conv_board.TOOLS), reason="needs the emulator"
)
def test_the_emulated_processor_answers_the_same_and_is_counted(int8) -> None:
    model, folder = int8
    made = exports.as_board(model, folder / "board", side())
    reference = exports.as_int8(model, folder / "int8", side())
    features = side().features
    np.testing.assert_array_equal(made.predict(features), reference.predict(features))
    assert made.facts["on"] == "emulated Cortex-M4F"
    assert 1 < made.facts["cycles_a_mac"] < 10
    assert made.facts["milliseconds"] == pytest.approx(
        made.facts["cycles_a_mac"] * macs(conv_network(
            (folder / "int8" / "int8.tflite").read_bytes())) / 64e3
    )  # fmt: skip
    assert made.facts["millijoules"] == pytest.approx(made.facts["milliseconds"] * 10.89e-3)
    assert 0 < made.facts["ram_bytes"] < 10_000 < made.facts["flash_bytes"] < 60_000


@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in conv_board.TOOLS), reason="needs the emulator"
)
def test_a_count_that_was_killed_does_not_stop_the_next(int8, tmp_path) -> None:
    network = conv_network((int8[1] / "int8" / "int8.tflite").read_bytes())
    conv_board.write(tmp_path, network, name="small")
    program = conv_board.emulated_program(tmp_path)
    code = (
        "import os, pathlib, sys\n"
        "from ser_tinyml.device.emulation import trace\n"
        "next(trace.instructions(pathlib.Path(sys.argv[1])))\n"
        "os._exit(9)"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code, program], check=False)
        assert done.returncode == 9


def macs(network: ConvNetwork) -> int:
    return sum(
        conv.positions // conv.pool * conv.pool * conv.weights.size for conv in network.convs
    )


def test_other_bits_on_the_board_are_refused(int8, tmp_path, monkeypatch) -> None:
    model, folder = int8
    shutil.copytree(folder / "int8", tmp_path / "int8")
    for name in ("write", "host_program", "emulated_program"):
        monkeypatch.setattr(conv_board, name, lambda *given, **named: tmp_path)
    for name in ("host_answers", "emulated_answers"):
        monkeypatch.setattr(conv_board, name, lambda program, inputs, n_classes: inputs[:, :7])
    with pytest.raises(DataError, match="expected the bits of TFLite Micro, found others on this"):
        exports.as_board(model, tmp_path / "board", side())


def test_other_networks_are_refused() -> None:
    with pytest.raises(ConversionError, match="expected convolutions, a Dense layer and softmax"):
        conv_network(small_model.tflite("int8"))


def test_the_twin_is_as_wide_as_the_bytes_allow() -> None:
    def bytes_of(filters: tuple[int, int, int]) -> int:
        net = conv162_net.build(filters, len(CLASSES), batch_size=1)
        return len(micro.to_int8(net, side(2).features[..., np.newaxis]))

    wide, middle, narrow = conv162.BOARD_FILTERS
    assert bytes_of(conv162.BOARD_FILTERS) <= conv162.BOARD_BYTES
    assert bytes_of((wide + 4, middle + 2, narrow + 1)) > conv162.BOARD_BYTES


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """The command-line program around a model that is written by hand: sums of two and three."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    source = tmp_path_factory.mktemp("c") / "sums.c"
    source.write_text(
        "void sums(const float in[restrict 1][3], float out[restrict 1][2]) {\n"
        "  out[0][0] = in[0][0] + in[0][1];\n  out[0][1] = out[0][0] + in[0][2];\n}\n"
    )
    return c_program.build(source, inputs=3, outputs=2)


def test_the_program_prints_a_line_for_each_so_many_numbers(program) -> None:
    rows = np.array([[1, 2, 3], [0.1, 1e-6, -4]], np.float32)
    expected = np.stack([rows[:, 0] + rows[:, 1], rows.sum(axis=1)], axis=1)
    np.testing.assert_allclose(c_program.answers(program, rows), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2", "expected 3 numbers, found 2\n"),
        ("1 2 3 4 x", "expected 3 numbers, found 1 and something else\n"),
    ],
)
def test_the_program_says_what_is_wrong_with_its_input(program, text, said) -> None:
    done = subprocess.run([program], input=text, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == said


def test_a_source_that_does_not_compile_is_said_to_be_one(tmp_path) -> None:
    (tmp_path / "broken.c").write_text("void broken(")
    with pytest.raises(DataError, match="cc: expected it to compile, found: "):
        c_program.build(tmp_path / "broken.c", inputs=1, outputs=1)


@pytest.mark.systems
@pytest.mark.timeout(900)
def test_the_published_net_as_a_c_program_is_equal_to_keras(tmp_path) -> None:
    model, features = random_net(conv162_net.PUBLISHED_FILTERS), side(6).features
    made = exports.as_c(model, tmp_path, side(6))
    found = made.predict(features)
    np.testing.assert_allclose(found, model.predict(features), atol=1e-4)
    assert made.facts["code_bytes"] > 4 * conv162_net.PUBLISHED_PARAMETERS
    text = " ".join(map(str, features[0]))
    done = subprocess.run([tmp_path / "conv162"], input=text, capture_output=True, text=True)
    assert done.returncode == 0 and len(done.stdout.split()) == 7
    assert "malloc" not in (tmp_path / "conv162.c").read_text()


class Stop(Exception):
    pass


def test_a_training_that_was_stopped_ends_at_the_same_weights(tmp_path) -> None:
    data = side(60)
    rows = Rows(data.features[..., np.newaxis], data.labels)
    settings = FitSettings(epochs=3, batch_size=16, patience=3)

    def fitted(folder: Path, *, stop_after: int = 9) -> list[np.ndarray]:
        def say(line: str) -> None:
            if line.startswith(f"epoch {stop_after}"):
                raise Stop

        keras_fit.begin(3)
        net = conv162_net.build((4, 4, 4), len(CLASSES))
        history = keras_fit.fit(net, rows, rows, settings=settings, seed=3, folder=folder, say=say)
        assert [line["epoch"] for line in history] == [1, 2, 3]
        return net.get_weights()

    whole = fitted(tmp_path / "whole")
    with pytest.raises(Stop):
        fitted(tmp_path / "stopped", stop_after=2)
    for one, other in zip(whole, fitted(tmp_path / "stopped"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_ends_where_the_validation_gets_no_better(tmp_path) -> None:
    data = side(40)
    rows = Rows(data.features[..., np.newaxis], data.labels)
    wrong = replace(rows, labels=(data.labels + 1) % len(CLASSES))
    keras_fit.begin(0)
    net = conv162_net.build((4, 4, 4), len(CLASSES))
    settings = FitSettings(epochs=60, batch_size=8, patience=2, learning_rate=0.01)
    history = keras_fit.fit(
        net, rows, wrong, settings=settings, seed=0, folder=tmp_path, say=lambda line: None
    )
    losses = [line["validation_loss"] for line in history]
    assert len(history) < 60 and int(np.argmin(losses)) == len(losses) - 3
    answers = keras_fit.predict(net, wrong.inputs)
    right = answers[np.arange(40), wrong.labels]
    assert -np.log(right).mean() == pytest.approx(min(losses), rel=1e-5)
