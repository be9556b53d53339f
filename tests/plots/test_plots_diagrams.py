"""The diagrams show the numbers of the model that they are drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import small_firmware
import small_model
from matplotlib.figure import Figure

from ser_tinyml import files
from ser_tinyml.plots import diagrams
from ser_tinyml.plots.diagrams import board_stream, effect, network
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.fixed_point import GATE_SCALE
from ser_tinyml.tflite.release import Release


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def small() -> Release:
    return small_firmware.export()


def texts(figure: Figure) -> str:
    found = [text.get_text() for axis in figure.axes for text in axis.texts]
    found += [axis.get_title(loc="left") for axis in figure.axes]
    return "\n".join(found)


def test_the_layers_have_the_parameters_of_the_net(small):
    (lstm, hidden, answer) = network.layers(small.tflite)
    assert (lstm.name, lstm.inputs, lstm.units) == ("LSTM 1", small_model.N_INPUTS, 40)
    assert (hidden.name, answer.name, answer.units) == ("Dense 1", "Dense 2", small_model.N_CLASSES)
    total = sum(layer.parameters for layer in (lstm, hidden, answer))
    assert total == small_model.model().count_params()
    shown = texts(diagrams.lstm_step(small))
    assert f"{total:,} parameters" in shown and f"x: {small_model.N_INPUTS} values" in shown


def test_the_released_net_is_not_the_small_one(small):
    ours, theirs = Release.load(), texts(diagrams.lstm_step(small))
    shown = texts(diagrams.lstm_step(ours))
    inputs = ours.config.feature_shape[1]
    assert f"x: {inputs} values" in shown and f"x: {inputs} values" not in theirs
    assert "LSTM 2" in shown and "LSTM 2" not in theirs


def test_a_product_in_whole_numbers_is_that_of_the_real_numbers(small):
    one = network.product(small.tflite, real=0.7)
    scale, zero, *_ = convert.io_quantisation(small.tflite)
    assert (one.whole - zero) * scale == pytest.approx(0.7, abs=scale / 2)
    exact = (one.whole - zero) * scale * one.weight
    assert one.product * one.product_scale == pytest.approx(exact, rel=1e-6)
    assert one.gate * GATE_SCALE == pytest.approx(exact, abs=GATE_SCALE)
    largest = small_model.model().get_layer("lstm_1").get_weights()[0][:, :40].max()
    assert one.weight == pytest.approx(largest, abs=one.weight_scale)


def test_tensors_reach_as_far_as_their_scales(small):
    found = {tensor.name: tensor for tensor in network.tensors(small.tflite)}
    scale, zero, *_ = convert.io_quantisation(small.tflite)
    first, cell = found["input of the net"], found["LSTM 1: cell state c"]
    assert (first.lowest, first.highest) == ((-128 - zero) * scale, (127 - zero) * scale)
    assert (cell.bits, cell.zero_point) == (16, 0) and cell.lowest == -32768 * cell.scale
    assert (found["probabilities"].lowest, found["probabilities"].highest) == (0, 255 / 256)
    shown = texts(diagrams.int8_arithmetic(small))
    assert f"s = {scale:.7g}, z = {zero}" in shown
    assert f"s = {scale:.7g}" not in texts(diagrams.int8_arithmetic(Release.load()))


def test_the_result_stands_beside_what_it_would_be_exactly() -> None:
    release = Release.load()
    one = network.product(release.tflite, real=1.0)
    exact, found = one.real * one.weight, one.gate * GATE_SCALE
    shown = texts(diagrams.int8_arithmetic(release))
    assert "input 1.0\n" in shown and f"one unit = {one.product_scale:.7f}" in shown
    assert f"exactly: 1.0 × {one.weight:.3f} = {exact:.3f}" in shown
    assert f"the rest, {found - exact:+.3f}, is rounding" in shown and f"{found:.3f}" in shown


def test_windows_on_the_time_axis_are_those_of_the_gate():
    release = Release.load()
    config, (steps, inputs) = release.config, release.config.feature_shape
    _, found = board_stream.heard(config)
    short, full, rest = found
    assert full.last - full.first + 1 == steps * config.stack
    assert short.last - short.first < full.last - full.first and short.closed and rest.closed
    shown = texts(diagrams.stream(release))
    assert f"{inputs} numbers" in shown and f"A window holds {steps} steps" in shown
    assert f"after {steps} steps" in shown
    assert "a step of the net: one every 64 ms" in shown


def test_another_hop_is_another_time_axis():
    release = Release.load()
    config = replace(release.config, hop_length=256)
    other = replace(release, config=config)
    assert "one every 32 ms" in texts(diagrams.stream(other))
    assert board_stream.end_s(1, config) == pytest.approx((256 + 1024) / 16_000)


def test_a_split_by_chance_has_speakers_on_both_sides_and_one_by_speaker_none():
    keys = [f"CREMA-D/10{speaker:02d}_{clip:02d}" for speaker in range(12) for clip in range(30)]
    manifest = pd.Series(np.repeat(np.arange(12) % 5, 30), index=keys, name="fold")
    figure = diagrams.splits(manifest)
    by_chance, by_speaker = (axis.get_title(loc="left") for axis in figure.axes)
    assert by_chance == "Random clips: 12 of 12 speakers on both sides"
    assert by_speaker == "Whole speakers: 0 of 12 speakers on both sides"


def test_every_file_of_the_export_is_of_this_model(small):
    shown = texts(diagrams.export(small))
    assert small.model_id in shown and f"{len(small.tflite):,} bytes" in shown
    assert "calm, cross, glad" in shown and "threshold 0.450" in shown
    assert small.model_id not in texts(diagrams.export(Release.load()))


def test_curves_share_what_two_samples_share():
    assert effect.overlap(0) == 1
    rng = np.random.default_rng(0)
    low, high = rng.normal(0, 1, 200_000), rng.normal(1.5, 1, 200_000)
    mistaken = ((low > 0.75).mean() + (high < 0.75).mean()) / 2  # by the best single limit
    assert effect.overlap(1.5) == pytest.approx(2 * mistaken, abs=0.01)
    titles = [axis.get_title() for axis in diagrams.effect_sizes([0.0, 1.5]).axes]
    assert titles[0] == "d = 0: the curves share 100 %" and titles[1].endswith("45 %")


def test_all_diagrams_are_written_with_the_model_that_they_show(small, tmp_path):
    paths = diagrams.write(tmp_path, small)
    names = [*diagrams.OF_MODELS, *diagrams.OTHERS]
    assert [path.name for path in paths] == [*(f"{n}.png" for n in names), diagrams.MADE_FROM]
    assert all(path.stat().st_size > 0 for path in paths)
    assert files.read_json(tmp_path / diagrams.MADE_FROM) == {"model_id": small.model_id}


def test_the_committed_diagrams_are_those_of_the_released_model():
    """Where this fails there is a new model, and `ser-tinyml diagrams` draws it."""
    folder = ROOT / "images"
    assert files.read_json(folder / diagrams.MADE_FROM)["model_id"] == Release.load().model_id
    for name in (*diagrams.OF_MODELS, *diagrams.OTHERS):
        assert (folder / f"{name}.png").is_file()
