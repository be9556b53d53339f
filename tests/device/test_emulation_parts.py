"""What emulation reads and models, without an emulator."""

from __future__ import annotations

import re

import numpy as np
import pytest
import small_firmware as small
import small_model

from ser_tinyml.device import SKETCH
from ser_tinyml.device.emulation import energy, kernel
from ser_tinyml.device.report import _ammeter
from ser_tinyml.files import DataError
from ser_tinyml.tflite import direct
from ser_tinyml.tflite.fixed_point import GATE_SCALE, scaling


def test_the_kernels_description_is_that_of_the_model() -> None:
    tflite = kernel.model_bytes(small.model_folder())
    assert tflite == small.export().board_tflite
    text = kernel.layers_header(tflite)
    layer = small.export().network.lstms[0]
    numbers = re.search(r"\{(\d+),\s+(\d+),\s+(\d+),\s+(\d+),", text).groups()
    assert [int(n) for n in numbers] == [1, 1, small.CONFIG.feature_shape[1], layer.units]
    source, first = (
        float.fromhex(re.findall(r"(0x[\d.a-fp+-]+)f", part)[0])
        for part in (text, text[text.index("     {0x") :])
    )
    assert scaling(source * first / GATE_SCALE) == layer.input_scaling[0]


def test_weights_stand_where_the_description_says() -> None:
    """Gate by gate, as the direct engine's tables have them."""
    tflite = small.export().board_tflite
    text = kernel.layers_header(tflite)
    places = [int(n) for n in re.findall(r"Weights\((\d+)\)", text)]
    units, inputs = small.export().network.lstms[0].units, small.CONFIG.feature_shape[1]
    rows = [np.frombuffer(tflite, np.int8, units * inputs, at) for at in places[:4]]
    by_unit = np.stack([direct._filled(row.reshape(units, inputs)) for row in rows], axis=1)
    packed = direct.interleave(by_unit[3])
    np.testing.assert_array_equal(small.export().network.lstms[0].weights[3][: len(packed)], packed)


def test_a_folder_without_a_model_and_a_model_without_an_lstm_are_refused(tmp_path) -> None:
    (tmp_path / "model_data.cpp").write_text("namespace ser {}")
    with pytest.raises(DataError, match="kModelData"):
        kernel.model_bytes(tmp_path)
    with pytest.raises(DataError, match="UNIDIRECTIONAL_SEQUENCE_LSTM"):
        kernel.layers_header(small_model.function_tflite("matrix_inverse"))


def test_the_readme_says_where_each_current_stands() -> None:
    readme = (SKETCH / "README.md").read_text("utf-8")
    table = readme[readme.index("| where it stands |") :]
    rows = [line.split(" | ") for line in table.splitlines()[2:6]]
    figures = (energy.PROCESSOR, energy.PROCESSOR_LINEAR, energy.SOUND, energy.MICROPHONE)
    assert [float(row[1]) for row in rows] == [pytest.approx(1e3 * f.amperes) for f in figures]
    assert [row[3].startswith("yes") for row in rows] == [f.read for f in figures]


def test_power_is_that_of_its_figures() -> None:
    listening, speech, deciding = energy.states(asleep=0.0, features=0.05, engine=0.1)
    volts = energy.SUPPLY_VOLTS
    assert listening.milliwatts == pytest.approx(volts * (1.67 + 0.65))
    assert speech.milliwatts == pytest.approx(volts * (1.67 + 0.65 + 0.05 * 3.3))
    assert deciding.milliwatts_linear == pytest.approx(volts * (1.67 + 0.65 + 0.15 * 6.3))
    assert energy.milliamperes(1.0) == pytest.approx(1.67 + 0.65 + 3.3)
    assert "MODEL" in "\n".join(energy.lines([listening, speech, deciding]))


def test_a_report_says_what_an_ammeter_should_show() -> None:
    status = {"awake_kcycles": 6_400, "up_ms": 1_000}  # a tenth of 64 MHz
    text = "\n".join(_ammeter(status))
    assert "10.0%" in text and f"{energy.milliamperes(0.1):.1f} mA" in text
    assert _ammeter({"awake_kcycles": 0, "up_ms": 1_000}) == []
