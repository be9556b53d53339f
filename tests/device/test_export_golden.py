"""Golden clips: what they cover, that Python stands behind each number, and their files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import small_firmware as small

from ser_tinyml import features, files
from ser_tinyml.data import demo
from ser_tinyml.device.export import Export
from ser_tinyml.device.export.card import manifest
from ser_tinyml.device.export.golden import golden_clips
from ser_tinyml.device.export.sources import write_sources
from ser_tinyml.device.export.tables import sizes
from ser_tinyml.device.golden import Golden
from ser_tinyml.files import DataError
from ser_tinyml.plots import export as plots
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

CONFIG, LABELS = small.CONFIG, small.LABELS
ARRAYS = ("waveform", "features", "inputs", "outputs")


@pytest.fixture
def export() -> Export:
    return small.export()


def test_same_export_gives_the_same_files(export: Export, tmp_path: Path) -> None:
    def tree(folder: Path) -> dict[str, bytes]:
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}

    write_sources(tmp_path / "a" / "model", export)
    small.golden_set().write(tmp_path / "a" / "golden")
    again = replace(export)
    write_sources(tmp_path / "b" / "model", again)
    golden_clips(again).write(tmp_path / "b" / "golden")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert len(tree(tmp_path / "a")) == 12 + 4 * len(small.golden()) + 1


def test_golden_clips_cover_what_goes_wrong() -> None:
    clips = {clip.name: clip for clip in small.golden()}
    assert len(clips) == len(small.golden()) >= 8
    assert set(demo.STYLES) < set(clips)
    assert not clips["silence"].waveform.any()
    loud = clips["full_scale"].waveform
    assert (loud.min(), loud.max()) == (-32768, 32767)
    assert len(clips["short"].waveform) < CONFIG.window_length
    assert np.abs(clips["quiet"].waveform).max() < 1000
    onsets = {
        name: features.onset(features.log_mel(clip.waveform / np.float32(32768), CONFIG), CONFIG)
        for name, clip in clips.items()
    }
    assert onsets["mid_word"] == 0 < onsets["angry"]
    assert len({clip.outputs.tobytes() for clip in small.golden()}) > 4, (
        "expected answers that differ"
    )


def test_no_input_is_a_close_call_between_two_values(export: Export) -> None:
    scale, zero_point = export.quantisation[:2]
    for clip in small.golden():
        if clip.name == "silence":  # it is the same wherever it begins
            continue
        units = export.normalisation.apply(clip.features) / np.float32(scale) + zero_point
        units = units[(units > -129) & (units < 128)]
        assert (np.abs(units % 1 - 0.5) > 5e-5).all(), clip.name


def test_golden_outputs_are_of_a_fresh_state(export: Export) -> None:
    for clip in small.golden()[::-1]:
        runtime = TfliteMicroRuntime(export.tflite)
        outputs = runtime.predict_int8(clip.inputs[np.newaxis])[0]
        np.testing.assert_array_equal(outputs, clip.outputs, err_msg=clip.name)


def test_golden_features_are_those_of_stage_02(export: Export) -> None:
    for clip in small.golden():
        assert clip.waveform.dtype == np.int16
        expected = features.waveform_features(clip.waveform.astype(np.float32) / 32768, CONFIG)
        np.testing.assert_array_equal(clip.features, expected)
        normal = (clip.features - export.normalisation.mean) / export.normalisation.std
        np.testing.assert_array_equal(
            clip.inputs, convert.quantise(normal, *convert.io_quantisation(export.tflite)[:2])
        )


def test_golden_files_say_what_they_are(export: Export, tmp_path: Path) -> None:
    paths = small.golden_set().write(tmp_path)
    listed = files.read_json(tmp_path / "golden.json")
    assert listed["model_id"] == export.model_id
    for clip, entry in zip(small.golden(), listed["clips"], strict=True):
        np.testing.assert_array_equal(np.load(tmp_path / entry["files"]["waveform"]), clip.waveform)
        outputs = np.load(tmp_path / entry["files"]["outputs"])
        assert entry["label"] == LABELS[outputs.argmax()]
    found = manifest(tmp_path, paths)
    assert sorted(found) == list(found) == sorted(path.name for path in tmp_path.iterdir())
    assert found["golden.json"]["sha256"] == files.sha256_bytes(
        (tmp_path / "golden.json").read_bytes()
    )


def test_golden_files_are_read_back_whole(tmp_path: Path) -> None:
    small.golden_set().write(tmp_path)
    found = Golden.read(tmp_path)
    assert (found.model_id, found.labels) == (small.export().model_id, list(LABELS))
    for clip, other in zip(found.clips, small.golden(), strict=True):
        assert {**vars(clip), **dict.fromkeys(ARRAYS)} == {**vars(other), **dict.fromkeys(ARRAYS)}
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(clip, name), getattr(other, name))


def test_golden_files_that_are_broken_are_named(tmp_path: Path) -> None:
    small.golden_set().write(tmp_path)
    next(tmp_path.glob("*.inputs.npy")).unlink()
    with pytest.raises(DataError, match="golden.json: expected all of .*inputs.npy"):
        Golden.read(tmp_path)
    (tmp_path / "golden.json").write_text(json.dumps({"clips": []}))
    with pytest.raises(DataError, match="golden.json: expected .*model_id"):
        Golden.read(tmp_path)


def test_figures_name_what_they_show(export: Export) -> None:
    memory = plots.memory_map(sizes(export))
    assert [axis.get_title().split(":")[0] for axis in memory.axes] == ["flash", "RAM"]
    clip = plots.golden_clip(small.golden()[4], CONFIG)
    assert all(axis.get_xlabel() for axis in clip.axes[:3])
    clip.canvas.draw()  # ticks are numbers: mathematics in texts is off
    assert not any("$" in tick.get_text() for a in clip.axes for tick in a.get_yticklabels())
    plt.close("all")
