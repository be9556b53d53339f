"""Stage 05: generated C++ is compiled, run and held against Python; golden clips; the card."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import small_model

from ser_tinyml import features, files
from ser_tinyml.device import firmware
from ser_tinyml.device.firmware import Export
from ser_tinyml.features import FeatureConfig
from ser_tinyml.files import DataError
from ser_tinyml.plots import export as plots
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime
from ser_tinyml.workflow.runs import Run

CONFIG = FeatureConfig(name="small", n_frames=12, n_mfcc=5, n_mels=10, onset_db=9.0)
LABELS = ("calm", "cross", "glad")
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


def make(**changes: Any) -> Export:
    values: dict[str, Any] = {
        "tflite": small_model.tflite("int8"),
        "config": CONFIG,
        "labels": LABELS,
        "mean": np.linspace(-150, 3, 5).astype(np.float32),
        "std": np.linspace(90, 7, 5).astype(np.float32),
    }
    return Export(**{**values, **changes})


@pytest.fixture(scope="module")
def export() -> Export:
    return make()


@pytest.fixture(scope="module")
def golden(export: Export) -> list[firmware.GoldenClip]:
    return firmware.golden_clips(export)


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
    firmware.write_sources(folder, export)
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
    assert compiled["mean"] == bits(export.mean)
    assert compiled["std"] == bits(export.std)
    assert compiled["inverse"] == bits(1 / export.std)
    words = np.array([int(word, 16) for word in compiled["weights"]], np.uint32)
    weights, dense, start = words.view(np.float32), np.zeros((10, 513), np.float32), 0
    for band, (first, count) in enumerate(zip(compiled["first"], compiled["count"], strict=True)):
        stop = start + int(count)
        dense[band, int(first) : int(first) + int(count)] = weights[start:stop]
        start = stop
    np.testing.assert_array_equal(dense, constant.mel.toarray())


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


def test_compiled_quantisation_gives_the_golden_inputs(
    export: Export, golden: list[firmware.GoldenClip], tmp_path: Path
) -> None:
    firmware.write_sources(tmp_path, export)
    program = build(tmp_path, QUANTISE)
    values = np.stack([clip.features for clip in golden])
    done = subprocess.run([program], input=values.tobytes(), capture_output=True, check=True)
    inputs = np.stack([clip.inputs for clip in golden])
    np.testing.assert_array_equal(np.array(done.stdout.split(), int), inputs.ravel())
    assert inputs.min() == -128, "expected some value to be clipped"


def test_files_of_two_exports_are_noticed(export: Export, tmp_path: Path) -> None:
    firmware.write_sources(tmp_path, export)
    other = make(config=replace(CONFIG, fmin=80.0))
    for name in ("feature_tables.cpp", "feature_tables.h"):
        files.write_text(tmp_path / name, firmware.source_files(other)[name])
    assert report(build(tmp_path, PRINT_ALL))["together"] == ["0"]


def test_same_export_gives_the_same_files(
    export: Export, golden: list[firmware.GoldenClip], tmp_path: Path
) -> None:
    def tree(folder: Path) -> dict[str, bytes]:
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}

    firmware.write_sources(tmp_path / "a" / "model", export)
    firmware.write_golden(tmp_path / "a" / "golden", export, golden)
    again = make()
    firmware.write_sources(tmp_path / "b" / "model", again)
    firmware.write_golden(tmp_path / "b" / "golden", again, firmware.golden_clips(again))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert len(tree(tmp_path / "a")) == 11 + 4 * len(golden) + 1


def test_files_are_marked_and_carry_neither_date_nor_path(export: Export) -> None:
    for name, text in firmware.source_files(export).items():
        assert text.startswith("// Generated by ser_tinyml/firmware.py"), name
        assert "do not edit" in text.splitlines()[0]
        assert not re.search(r"20\d\d-\d\d|\d\d:\d\d", text), name
        assert not any(str(p) in text for p in (Path.cwd(), Path.home(), tempfile.gettempdir()))
        assert max(map(len, text.splitlines())) <= 100, name


@pytest.mark.parametrize(
    "changes",
    [
        {"config": replace(CONFIG, range_db=50.0)},
        {"labels": ("cross", "calm", "glad")},
        {"mean": np.zeros(5, np.float32)},
        {"std": np.ones(5, np.float32)},
    ],
    ids=lambda changes: next(iter(changes)),
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
    ("changes", "message"),
    [
        ({"config": replace(CONFIG, center=True, onset_db=None)}, "looks ahead"),
        ({"config": replace(CONFIG, level="clip_max")}, "whole clip"),
        ({"config": replace(CONFIG, n_frames=24)}, r"expected \(12, 5\).*found \(24, 5\)"),
        ({"labels": LABELS[:2]}, "number of labels: expected 3 .* found 2"),
        ({"labels": ("calm", 'cr"oss', "glad")}, "plain names"),
        ({"labels": ("calm", "f\u00e2ch\u00e9", "glad")}, "plain names"),
        ({"mean": np.zeros(4, np.float32)}, "mean"),
        ({"std": np.zeros(5, np.float32)}, "over 0"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**changes)


def test_float_model_is_refused() -> None:
    with pytest.raises(ValueError, match="input: expected INT8, found FLOAT32"):
        make(tflite=small_model.tflite("float32"))


@pytest.mark.parametrize(
    "value", [0.0, 1.0, -1.0, 1e10, 0.1, -3.4028235e38, 1.1754944e-38, 1e-44, 16777216.0, 123456.0]
)
def test_floats_are_read_back_exactly(value: float) -> None:
    text = firmware.c_float(value)
    assert text.endswith("f")
    assert re.search(r"[.e]", text), "C++ takes 1f for a mistake"
    assert np.float32(text[:-1]) == np.float32(value)


def test_random_floats_are_read_back_exactly() -> None:
    words = np.random.default_rng(0).integers(0, 2**32, 5000, dtype=np.uint32).view(np.float32)
    finite = words[np.isfinite(words)]
    back = np.array([firmware.c_float(value)[:-1] for value in finite]).astype(np.float32)
    np.testing.assert_array_equal(back, finite)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_no_float_without_end(value: float) -> None:
    with pytest.raises(DataError, match="finite"), np.errstate(over="ignore"):
        firmware.c_float(value)


def test_arena_has_its_margin_and_fits(export: Export) -> None:
    assert export.arena_size % 1024 == 0
    assert 0 <= export.arena_size - export.arena_measured - 8192 < 1024


def test_sizes_are_those_of_the_arrays(export: Export, compiled: dict[str, list[str]]) -> None:
    table = firmware.sizes(export).set_index("part")
    assert table.loc["model", "bytes"] == len(export.tflite)
    assert table.loc["window", "bytes"] == 4 * len(compiled["window"])
    assert table.loc["mel filterbank", "bytes"] == 4 * len(compiled["weights"]) + 2 * 2 * 10
    assert table.loc["arena", "share"] == export.arena_size / 262_144


def test_golden_clips_cover_what_goes_wrong(golden: list[firmware.GoldenClip]) -> None:
    clips = {clip.name: clip for clip in golden}
    assert len(clips) == len(golden) >= 8
    assert set(firmware.demo.STYLES) < set(clips)
    assert not clips["silence"].waveform.any()
    loud = clips["full_scale"].waveform
    assert (loud.min(), loud.max()) == (-32768, 32767)
    assert len(clips["short"].waveform) < CONFIG.window_length
    assert np.abs(clips["quiet"].waveform).max() < 1000
    onsets = {
        name: features.onset(features.log_mel(clip.waveform / np.float32(32768), CONFIG), CONFIG)
        for name, clip in clips.items()
    }
    assert onsets["noise"] == 0 < onsets["angry"]
    assert len({clip.outputs.tobytes() for clip in golden}) > 4, "expected answers that differ"


def test_golden_outputs_are_of_a_fresh_state(
    export: Export, golden: list[firmware.GoldenClip]
) -> None:
    for clip in golden[::-1]:
        runtime = TfliteMicroRuntime(export.tflite)
        outputs = runtime.predict_int8(clip.inputs[np.newaxis])[0]
        np.testing.assert_array_equal(outputs, clip.outputs, err_msg=clip.name)


def test_golden_features_are_those_of_stage_02(
    export: Export, golden: list[firmware.GoldenClip]
) -> None:
    for clip in golden:
        assert clip.waveform.dtype == np.int16
        expected = features.waveform_features(clip.waveform.astype(np.float32) / 32768, CONFIG)
        np.testing.assert_array_equal(clip.features, expected)
        normal = (clip.features - export.mean) / export.std
        np.testing.assert_array_equal(
            clip.inputs, convert.quantise(normal, *convert.io_quantisation(export.tflite)[:2])
        )


def test_golden_files_say_what_they_are(
    export: Export, golden: list[firmware.GoldenClip], tmp_path: Path
) -> None:
    paths = firmware.write_golden(tmp_path, export, golden)
    listed = files.read_json(tmp_path / "golden.json")
    assert listed["model_id"] == export.model_id
    for clip, entry in zip(golden, listed["clips"], strict=True):
        np.testing.assert_array_equal(np.load(tmp_path / entry["files"]["waveform"]), clip.waveform)
        outputs = np.load(tmp_path / entry["files"]["outputs"])
        assert entry["label"] == LABELS[outputs.argmax()]
    found = firmware.manifest(tmp_path, paths)
    assert sorted(found) == list(found) == sorted(path.name for path in tmp_path.iterdir())
    assert found["golden.json"]["sha256"] == files.sha256_bytes(
        (tmp_path / "golden.json").read_bytes()
    )


def write_run(folder: Path, export: Export) -> Run:
    run = Run(folder)
    files.write_bytes(run.output("04_convert") / "int8.tflite", export.tflite)
    export.config.save(run.output("02_features") / "features.json")
    files.write_json(folder / "02_features" / "labels.json", list(export.labels))
    files.write_json(
        run.output("03_train") / "normalisation.json",
        {"mean": export.mean.astype(float).tolist(), "std": export.std.astype(float).tolist()},
    )
    return run


def test_a_run_is_loaded_whole(export: Export, tmp_path: Path) -> None:
    run = write_run(tmp_path, export)
    assert Export.load(run).model_id == export.model_id
    files.write_json(tmp_path / "03_train" / "normalisation.json", {"mean": [0.0]})
    with pytest.raises(DataError, match="normalisation.json: expected lists mean and std"):
        Export.load(run)
    files.write_json(tmp_path / "02_features" / "labels.json", {"calm": 0})
    (tmp_path / "04_convert" / "int8.tflite").unlink()
    with pytest.raises(DataError):
        Export.load(run)


def score(uar: float, labels: tuple[str, ...] = LABELS) -> dict[str, Any]:
    return {
        "n": 1234,
        "uar": uar,
        "accuracy": 0.625,
        "macro_f1": 0.61,
        "majority_uar": 1 / 3,
        "majority_accuracy": 0.4,
        "recall": {**dict.fromkeys(labels, 0.5), labels[-1]: None},
    }


def stage_metrics(**changes: Any) -> dict[str, dict[str, Any]]:
    protocol = changes.get("protocol", "speaker")
    parts = {"train": 3000, "validation": 500, "test": 500}
    if protocol == "release":
        del parts["test"]
    return {
        "01_index": {
            "synthetic": changes.get("synthetic", False),
            "clips_by_corpus": {"RAVDESS": 1200, "TESS": 2800},
        },
        "02_features": {
            "corpora": ["RAVDESS", "TESS"],
            "augmentation": "random",
            "protocol": protocol,
            "rows_by_split": parts,
            "speakers_by_split": dict.fromkeys(parts, 4),
        },
        "03_train": {
            "parameters": 133_444,
            "epochs": 60,
            "teachers": changes.get("teachers", 4),
            "scores": {"TESS": score(0.7), "all": score(0.512)},
            "scored": [*parts][-1],
        },
        "04_convert": {
            "int8_tflm": score(0.509),
            "int8_uar_loss_points": 0.3,
            "decision": {"threshold": 0.634, "temperature": 1.306},
        },
    }


def test_card_says_numbers_limits_and_licences(export: Export) -> None:
    card = firmware.model_card(export, stage_metrics(), name="real")
    assert "| int8 on TFLite Micro, all | 1,234 | 0.509 | 0.625 | 0.610 | 0.333 | 0.400 |" in card
    assert "| float32 in Keras, TESS | 1,234 | 0.700 |" in card
    assert "| 0.500 | 0.500 | – |" in card, "a class without a clip has no recall"
    for expected in (export.model_id, "hiring", "medicine", "CC BY-NC-SA 4.0", "CC BY-NC-ND 4.0"):
        assert expected in card
    assert card.index("float32 in Keras, all") < card.index("float32 in Keras, TESS")
    assert "SAVEE" not in card
    assert "Synthetic" not in card
    assert "No speaker of the test was heard in training" in card
    assert "Measured on the test rows." in card and "| test | 500 | 4 |" in card
    assert "Temperature 1.31 (folded into the weights)" in card
    assert '0.63 are "unsure"' in card


def test_card_of_a_release_says_that_there_is_no_test(export: Export) -> None:
    card = firmware.model_card(export, stage_metrics(protocol="release"), name="release")
    assert "There is no test" in card and "Measured on the validation rows." in card
    assert "| validation | 500 | 4 |" in card and "| test |" not in card
    assert "flatter" not in card


def test_card_says_who_taught(export: Export) -> None:
    card = firmware.model_card(export, stage_metrics(), name="real")
    assert "Trained for 60 epochs, taught by 4 nets trained before on the same clips." in card
    card = firmware.model_card(export, stage_metrics(teachers=0), name="real")
    assert "Trained for 60 epochs." in card


def test_card_of_synthetic_data_says_so_first(export: Export) -> None:
    card = firmware.model_card(export, stage_metrics(synthetic=True), name="demo")
    assert card.index("**Synthetic data.**") < card.index("model id")
    assert "CC BY" not in card


def test_card_warns_of_a_split_that_flatters(export: Export) -> None:
    card = firmware.model_card(export, stage_metrics(protocol="leaky_random"), name="leaky")
    assert "scores flatter" in card
    assert "No speaker of the test" not in card


def test_card_without_a_number_is_refused(export: Export) -> None:
    metrics = stage_metrics()
    del metrics["04_convert"]["int8_tflm"]
    with pytest.raises(DataError, match="int8_tflm"):
        firmware.model_card(export, metrics, name="real")


def test_figures_name_what_they_show(export: Export, golden: list[firmware.GoldenClip]) -> None:
    memory = plots.memory_map(firmware.sizes(export))
    assert [axis.get_title().split(":")[0] for axis in memory.axes] == ["flash", "RAM"]
    clip = plots.golden_clip(golden[4], CONFIG)
    assert all(axis.get_xlabel() for axis in clip.axes[:3])
    plt.close("all")
