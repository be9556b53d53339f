"""Stage 05: the generated C++ is compiled, run and held against Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_firmware as small

from ser_tinyml import features, files
from ser_tinyml.device import sources_of
from ser_tinyml.device.board import Board
from ser_tinyml.device.export import Export, colours, model, sketch, sources
from ser_tinyml.device.export.tables import sizes
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.virtual import VirtualBoard
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite import convert, release

CONFIG, LABELS = small.CONFIG, small.LABELS
SKETCH = ROOT / "firmware" / "arduino_nano33"
RELEASED = (release.FOLDER, release.FOLDER / "large")
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
FLAGS = ("-std=c++14", "-fno-exceptions", "-fno-rtti", *WARNINGS)

PRINT_ALL = r"""
#include "model.h"

#include <cstdint>
#include <cstdio>
#include <cstring>

using namespace ser::model;

static void Bits(const char* name, const float* values, int count) {
  std::printf("%s", name);
  for (int i = 0; i < count; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, &values[i], sizeof(bits));
    std::printf(" %08x", static_cast<unsigned>(bits));
  }
  std::printf("\n");
}

int main() {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kModelSize; ++i) sum = sum * 31 + kModelData[i];
  std::printf("model %zu %llu\n", kModelSize, static_cast<unsigned long long>(sum));
  const auto address = reinterpret_cast<std::uintptr_t>(kModelData);
  std::printf("misaligned %d\n", static_cast<int>(address % 16));
  std::printf("sha256 %s\nid %s\nhash %s\n", kModelSha256, kModelId, kFeatureHash);
  std::printf("together %d\n", FilesBelongTogether() ? 1 : 0);
  Bits("window", kWindow, kWindowLength);
  Bits("weights", kMelWeights, kMelWeightCount);
  Bits("dct", &kDct[0][0], kMfccCount * kMelCount);
  Bits("mean", kFeatureMean, kInputCount);
  Bits("std", kFeatureStd, kInputCount);
  Bits("inverse", kFeatureInverseStd, kInputCount);
  const float numbers[] = {kInputScale, kOutputScale, kOnsetDb, kRangeDb, kPowerFloor};
  Bits("numbers", numbers, 5);
  std::printf("first");
  for (int m = 0; m < kMelCount; ++m) std::printf(" %d", kMelFirstBin[m]);
  std::printf("\ncount");
  for (int m = 0; m < kMelCount; ++m) std::printf(" %d", kMelBinCount[m]);
  std::printf("\nlabels");
  for (int i = 0; i < kLabelCount; ++i) std::printf(" %s", kLabels[i]);
  std::printf("\nintegers %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d\n", kSampleRate,
              kWindowLength, kHopLength, kFftLength, kBinCount, kMelCount, kMfccCount, kFrameCount,
              kStack, kStepCount, kInputCount, kOnsetFrames, kPrerollFrames, kInputZeroPoint,
              kOutputZeroPoint);
  std::printf("arena %zu %zu\n", kArenaMeasured, kArenaSize);
  std::printf("switches %d %d\n", kHasOnset ? 1 : 0, kWholeNumbers ? 1 : 0);
}
"""

PRINT_LABELS = r"""
#include "model.h"

#include <cstdio>

using namespace ser::model;

int main() {
  for (int i = 0; i < kLabelCount; ++i) {
    std::printf("%d %s | %d\n", i, kLabels[i], kLabelColours[i]);
  }
}
"""

QUANTISE = r"""
#include "model.h"

#include <cmath>
#include <cstdio>

using namespace ser::model;

int main() {
  float value;
  int input = 0;
  while (std::fread(&value, sizeof(value), 1, stdin) == 1) {
    const float normal = (value - kFeatureMean[input]) / kFeatureStd[input];
    float units = std::round(normal / kInputScale) + static_cast<float>(kInputZeroPoint);
    if (units < -128.0f) units = -128.0f;
    if (units > 127.0f) units = 127.0f;
    std::printf("%d\n", static_cast<int>(units));
    input = (input + 1) % kInputCount;
  }
}
"""


@pytest.fixture(scope="module")
def export() -> Export:
    return small.export()


def make(**changes: Any) -> Export:
    return replace(small.export(), **changes)


def build(folder: Path, main: str) -> Path:
    """Compile and link a main with the generated sources."""
    compiler = shutil.which("g++")
    assert compiler, "expected g++: the generated C++ is tested by compiling it"
    (folder / "main.cpp").write_text(main)
    program = folder / "program"
    sources = [str(path) for path in sorted(folder.glob("*.cpp"))]
    done = subprocess.run(
        [compiler, *FLAGS, *sources, "-o", str(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return program


def report(program: Path) -> dict[str, list[str]]:
    text = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return {line.split()[0]: line.split()[1:] for line in text.splitlines()}


@pytest.fixture(scope="module")
def compiled(export: Export, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("model")
    sources.write_sources(folder, export)
    return report(build(folder, PRINT_ALL))


def bits(values: np.ndarray) -> list[str]:
    return [f"{int(word):08x}" for word in np.ravel(values).astype(np.float32).view(np.uint32)]


def test_compiled_model_is_the_file(compiled: dict[str, list[str]], export: Export) -> None:
    board = convert.one_step(export.tflite)
    total = 0
    for byte in board:
        total = (total * 31 + byte) % 2**64
    assert compiled["model"] == [str(len(board)), str(total)]
    assert compiled["misaligned"] == ["0"]
    assert compiled["sha256"] == [files.sha256_bytes(export.tflite)]
    assert compiled["id"] == [export.model_id]
    assert compiled["hash"] == [CONFIG.hash]
    assert compiled["together"] == ["1"]


def test_compiled_tables_are_pythons_to_the_bit(
    compiled: dict[str, list[str]], export: Export
) -> None:
    constant = features.tables(CONFIG)
    assert compiled["window"] == bits(constant.window)
    assert compiled["dct"] == bits(constant.dct)
    assert compiled["mean"] == bits(export.normalisation.mean)
    assert compiled["std"] == bits(export.normalisation.std)
    assert compiled["inverse"] == bits(1 / export.normalisation.std)
    words = np.array([int(word, 16) for word in compiled["weights"]], np.uint32)
    weights, dense, start = words.view(np.float32), np.zeros((10, 513), np.float32), 0
    for band, (first, count) in enumerate(zip(compiled["first"], compiled["count"], strict=True)):
        stop = start + int(count)
        dense[band, int(first) : int(first) + int(count)] = weights[start:stop]
        start = stop
    np.testing.assert_array_equal(dense, constant.mel)


def test_compiled_settings_are_the_configurations(
    compiled: dict[str, list[str]], export: Export
) -> None:
    scale, zero, output_scale, output_zero = convert.io_quantisation(export.tflite)
    found = list(map(int, compiled["integers"]))
    assert found == [16000, 1024, 512, 1024, 513, 10, 5, 12, 1, 12, 5, 2, 2, zero, output_zero]
    assert compiled["numbers"] == bits(np.array([scale, output_scale, 9, 60, 1e-10]))
    assert compiled["labels"] == list(LABELS)
    assert compiled["switches"] == ["1", "0"]
    assert compiled["arena"] == [str(export.arena_measured), str(export.arena_size)]


ODD = ['say "no" \\??/', "müde", "怒り"]


def test_labels_of_ones_own_are_compiled_as_they_are(export: Export, tmp_path: Path) -> None:
    sources.write_sources(tmp_path, make(labels=ODD), led_colours={"müde": "magenta"})
    assert report(build(tmp_path, PRINT_LABELS)) == {
        f"{number}": [*label.split(), "|", bits]
        for number, (label, bits) in enumerate(zip(ODD, "354", strict=True))
    }


def test_the_virtual_board_tells_labels_of_ones_own(tmp_path: Path) -> None:
    sources.write_sources(tmp_path, make(labels=ODD))
    with VirtualBoard(np.zeros(0, np.int16), model=tmp_path) as virtual, Board(virtual.path) as b:
        assert b.status["labels"] == b.labels == ODD


def test_more_labels_than_a_status_holds_are_refused(monkeypatch) -> None:
    room = sum(len(json.dumps(label)) + 1 for label in ODD)
    monkeypatch.setattr(model, "LABELS_ROOM", room)
    assert make(labels=ODD).labels == ODD
    monkeypatch.setattr(model, "LABELS_ROOM", room - 1)
    with pytest.raises(DataError, match=f"labels.json: expected names that take {room - 1} bytes"):
        make(labels=ODD)


@pytest.mark.parametrize(
    ("labels", "chosen", "found"),
    [
        (["neutral", "happy", "surprise", "unpleasant"], {}, "white yellow cyan red"),
        (["a", "b", "c", "d", "e", "f", "g"], {}, "yellow blue green magenta cyan white red"),
        (["angry", "bored", "happy"], {}, "red blue yellow"),
        (["bored", "happy"], {"happy": "blue"}, "yellow blue"),
        ([*"abcdefgh"], {}, "yellow blue green magenta cyan white red yellow"),
    ],
)
def test_every_label_has_a_colour(labels, chosen, found) -> None:
    assert " ".join(colours.of(labels, chosen).values()) == found


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"bored": "pink"}, "led_colours.bored: expected one of red, green, .* found 'pink'"),
        ({"sad": "red"}, "led_colours: expected labels of bored, keen, found 'sad'"),
        ({"bored": 3}, "led_colours.bored: .* found 3"),
    ],
)
def test_a_colour_that_cannot_be_is_named(chosen, said) -> None:
    with pytest.raises(DataError, match=said):
        colours.of(["bored", "keen"], chosen)


def test_the_sketch_is_whole_and_has_the_model(export: Export, tmp_path: Path) -> None:
    sources.write_sources(tmp_path / "model", export)
    written = sketch.write_sketch(tmp_path, tmp_path / "model")
    place = tmp_path / "arduino_nano33"
    assert sorted(written) == sorted(path for path in place.rglob("*") if path.is_file())
    own = {path.relative_to(place).as_posix() for path in written}
    tracked = {path.relative_to(SKETCH).as_posix() for path in SKETCH.rglob("*") if path.is_file()}
    left = {name for name in tracked - own if not name.startswith("golden/")}
    assert own <= tracked and left == {"README.md"}
    labels = place / "src" / "model" / "labels.h"
    assert labels.read_text() == sources.source_files(export)["labels.h"]
    with pytest.raises(DataError, match="expected the parts of a sketch, found none"):
        sketch.write_sketch(tmp_path, tmp_path / "nothing")


@pytest.mark.parametrize("part", sketch.PARTS)
def test_a_sketch_that_lacks_a_part(
    part: str, export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a sketch cannot be flashed: where a part is not installed, none is written."""
    half = tmp_path / "half"
    shutil.copytree(SKETCH, half)
    for path in half.glob(part):
        path.unlink()
    monkeypatch.setattr(sketch, "SKETCH", half)
    sources.write_sources(tmp_path / "model", export)
    with pytest.raises(DataError, match=f"{re.escape(part)}: expected the parts of a sketch"):
        sketch.write_sketch(tmp_path / "out", tmp_path / "model")
    assert not (tmp_path / "out").exists()


def test_compiled_quantisation_gives_the_golden_inputs(export: Export, tmp_path: Path) -> None:
    sources.write_sources(tmp_path, export)
    program = build(tmp_path, QUANTISE)
    values = np.stack([clip.features for clip in small.golden()])
    done = subprocess.run([program], input=values.tobytes(), capture_output=True, check=True)
    inputs = np.stack([clip.inputs for clip in small.golden()])
    np.testing.assert_array_equal(np.array(done.stdout.split(), int), inputs.ravel())
    assert inputs.min() == -128, "expected some value to be clipped"


def test_files_of_two_exports_are_noticed(export: Export, tmp_path: Path) -> None:
    sources.write_sources(tmp_path, export)
    other = make(config=replace(CONFIG, fmin=80.0))
    for name in ("feature_tables.cpp", "feature_tables.h"):
        files.write_text(tmp_path / name, sources.source_files(other)[name])
    assert report(build(tmp_path, PRINT_ALL))["together"] == ["0"]


def test_files_are_marked_and_carry_neither_date_nor_path(export: Export) -> None:
    for name, text in sources.source_files(export).items():
        assert text.startswith("// Generated by ser_tinyml.device.export"), name
        assert "do not edit" in text.splitlines()[0]
        assert not re.search(r"20\d\d-\d\d|\d\d:\d\d", text), name
        assert not any(str(p) in text for p in (Path.cwd(), Path.home(), tempfile.gettempdir()))
        assert max(map(len, text.splitlines())) <= 100, name


@pytest.mark.parametrize(
    "changes",
    [
        {"config": replace(CONFIG, range_db=50.0)},
        {"labels": ["cross", "calm", "glad"]},
        {"normalisation": replace(small.export().normalisation, mean=np.zeros(5, np.float32))},
        {"normalisation": replace(small.export().normalisation, std=np.ones(5, np.float32))},
    ],
    ids=["features", "labels", "mean", "std"],
)
def test_model_id_is_of_all_that_must_agree(export: Export, changes: dict[str, Any]) -> None:
    assert make(**changes).model_id != export.model_id
    assert make().model_id == export.model_id


def test_model_id_is_of_the_model(export: Export) -> None:
    changed = bytearray(export.tflite)
    place = changed.find(b"MLIR Converted.")  # the file's description
    assert place > 0
    changed[place] = ord("m")
    assert make(tflite=bytes(changed)).model_id != export.model_id


@pytest.mark.parametrize(
    "value", [0.0, 1.0, -1.0, 1e10, 0.1, -3.4028235e38, 1.1754944e-38, 1e-44, 16777216.0, 123456.0]
)
def test_floats_are_read_back_exactly(value: float) -> None:
    text = sources.c_float(value)
    assert text.endswith("f")
    assert re.search(r"[.e]", text), "C++ takes 1f for a mistake"
    assert np.float32(text[:-1]) == np.float32(value)


def test_random_floats_are_read_back_exactly() -> None:
    words = np.random.default_rng(0).integers(0, 2**32, 5000, dtype=np.uint32).view(np.float32)
    finite = words[np.isfinite(words)]
    back = np.array([sources.c_float(value)[:-1] for value in finite]).astype(np.float32)
    np.testing.assert_array_equal(back, finite)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_no_float_without_end(value: float) -> None:
    with pytest.raises(DataError, match="finite"), np.errstate(over="ignore"):
        sources.c_float(value)


def test_arena_has_its_margin_and_fits(export: Export) -> None:
    assert export.arena_size % 1024 == 0
    assert 0 <= export.arena_size - export.arena_measured - 8192 < 1024


def test_sizes_are_those_of_the_arrays(export: Export, compiled: dict[str, list[str]]) -> None:
    table = sizes(export).set_index("part")
    assert table.loc["model", "bytes"] == len(export.tflite)
    assert table.loc["window", "bytes"] == 4 * len(compiled["window"])
    assert table.loc["mel filterbank", "bytes"] == 4 * len(compiled["weights"]) + 2 * 2 * 10
    assert table.loc["arena", "share"] == export.arena_size / 262_144
    declared = sources.source_files(export)["feature_tables.h"]
    counts = dict(re.findall(r"constexpr int (k\w+) = (\d+);", declared))
    bins, lags = int(counts["kTablePitchBinCount"]), int(counts["kTablePitchLagCount"])
    turned = int(counts["kFftTwiddleCount"]) + int(counts["kFftSplitCount"])
    assert table.loc["Fourier transform", "bytes"] == 4 * turned
    assert table["bytes"].get("pitch", 0) == (4 * (3 * bins + 2 * lags) if CONFIG.pitch else 0)


@pytest.mark.parametrize("released", RELEASED)
def test_the_committed_sources_are_those_of_the_released_model(released: Path) -> None:
    """Whoever changes a template, a table or the model exports again: notebook 05, make publish."""
    made = sources.source_files(Export.load(released))
    found = {path.name: path.read_text() for path in sources_of(released)[0].iterdir()}
    assert sorted(found) == sorted(made)
    for name, text in made.items():
        assert found[name] == text, name


@pytest.mark.parametrize("released", RELEASED)
def test_the_committed_golden_clips_are_of_the_released_model(released: Path) -> None:
    export, golden = Export.load(released), Golden.read(sources_of(released)[1])
    assert (golden.model_id, golden.model_sha256) == (export.model_id, export.model_sha256)
    inputs = np.stack([clip.inputs for clip in golden.clips])
    outputs = np.stack([clip.outputs for clip in golden.clips])
    np.testing.assert_array_equal(export.runtime.predict_int8(inputs), outputs)
    for clip in golden.clips:
        np.testing.assert_array_equal(export.inputs(clip.features), clip.inputs)
        assert clip.label == export.labels[clip.outputs.argmax()]
