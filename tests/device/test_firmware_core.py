"""The firmware's portable core, compiled for this computer under sanitizers, against Python."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_firmware as small
import small_model
from odd_nets import ODD, odd_tflite, random_inputs, stream

from ser_tinyml import features, files
from ser_tinyml.data import dataset, splits
from ser_tinyml.device import MODEL, sources_of
from ser_tinyml.device.emulation import toolchain
from ser_tinyml.device.emulation.cycles import instruction_cycles
from ser_tinyml.device.emulation.report import costs_of, emulate, table
from ser_tinyml.device.export import Export
from ser_tinyml.device.export.sources import source_files, write_sources
from ser_tinyml.device.export.tables import FLASH_BYTES
from ser_tinyml.device.golden import Golden
from ser_tinyml.features import FeatureConfig, extract, rows
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.sound import audio, reading
from ser_tinyml.sound.augment import AugmentConfig
from ser_tinyml.systems.sizes import SHARE_LEFT
from ser_tinyml.tflite import convert, release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime
from ser_tinyml.training import fitting

WINDOWS = {  # other lengths of the transform: the first pass joins 4 or 8
    "1024": {},
    "512": {"n_fft": 512, "window_length": 400, "hop_length": 160},
    "64": {"n_fft": 64, "window_length": 64, "hop_length": 32, "n_mels": 5},
}


def core(what: str, values: np.ndarray, dtype: Any, *, model: Path | None = None) -> np.ndarray:
    data = np.ascontiguousarray(values).tobytes()
    return np.frombuffer(small.run("core_host", what, stdin=data, model=model), dtype)


def model_folder(folder: Path, **changes: Any) -> Path:
    """Sources of the small model with other features."""
    export = replace(small.export(), **changes)
    write_sources(folder, export)
    return folder


def windows(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    padded = audio.fix_length(samples, max(len(samples), config.window_length))
    return audio.frames(
        padded, frame_length=config.window_length, hop_length=config.hop_length
    ).astype("<i2")


def quantised(bands: np.ndarray, config: FeatureConfig, *, model: Path | None = None) -> Any:
    """Features and inputs of one clip that the core makes of bands."""
    n_inputs = config.feature_shape[1]
    step = np.dtype([("features", "<f4", n_inputs), ("inputs", "i1", n_inputs)])
    return core("cepstra", bands.astype("<f4"), step, model=model)


@pytest.mark.parametrize("name", WINDOWS)
def test_power_spectrum_is_numpys(name: str, tmp_path: Path) -> None:
    config = replace(small.CONFIG, **WINDOWS[name])
    folder = model_folder(tmp_path, config=config)
    signals = np.random.default_rng(0).normal(size=(9, config.n_fft)).astype("<f4")
    signals[0] = 0
    signals[1] = np.arange(config.n_fft) == 3
    signals[2] = np.cos(2 * np.pi * 5 * np.arange(config.n_fft) / config.n_fft)
    found = core("power", signals, "<f4", model=folder).reshape(9, -1) / 4
    expected = np.abs(np.fft.rfft(signals.astype(float))) ** 2
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * expected.max())


def test_decibels_are_exact_to_single_precision() -> None:
    rng = np.random.default_rng(0)
    values = (10.0 ** rng.uniform(-10, 10, 20_000)).astype("<f4")
    values = np.append(values, np.float32([1e-10, 0.5, 0.70710677, 0.7071068, 1.0, 2.0]))
    found = core("decibels", values.astype("<f4"), "<f4")
    np.testing.assert_allclose(found, 10 * np.log10(values.astype(float)), atol=7e-6, rtol=0)


@pytest.mark.parametrize("name", WINDOWS)
def test_bands_are_those_of_python(name: str, tmp_path: Path) -> None:
    config = replace(small.CONFIG, **WINDOWS[name])
    folder = model_folder(tmp_path, config=config)
    for clip in small.golden():
        if clip.name not in ("angry", "silence", "full_scale", "quiet", "short"):
            continue
        found = core("bands", windows(clip.waveform, config), "<f4", model=folder)
        expected = features.log_mel(clip.waveform / np.float32(32768), config)
        np.testing.assert_allclose(
            found.reshape(expected.shape), expected, atol=2e-3, err_msg=clip.name
        )


def test_features_and_inputs_are_those_of_the_golden_clips() -> None:
    """From samples to int8, over all golden clips, with the bars that the board has to keep."""
    config = small.CONFIG
    std = np.stack([clip.features for clip in small.golden()]).std(axis=(0, 1))
    units, equal = 0, []
    for clip in small.golden():
        bands = core("bands", windows(clip.waveform, config), "<f4").reshape(-1, config.n_mels)
        begin = features.onset(bands.astype(float), config)
        expected = features.log_mel(clip.waveform / np.float32(32768), config)
        assert begin == features.onset(expected, config), clip.name
        bands = bands[begin:][: config.n_frames]
        missing = config.n_frames - len(bands)
        found = quantised(np.pad(bands, ((0, missing), (0, 0)), constant_values=-100), config)
        assert (np.abs(found["features"] - clip.features) <= 1e-3 * std).all(), clip.name
        difference = np.abs(found["inputs"].astype(int) - clip.inputs)
        units = max(units, difference.max())
        equal.append(difference == 0)
    assert units <= 1
    assert np.mean(equal) >= 0.999


def test_cepstra_of_many_clips_begin_anew() -> None:
    """Loud clips before quiet ones: a reference that was kept would show."""
    config = small.CONFIG
    rng = np.random.default_rng(0)
    bands = np.stack(
        [rng.normal(level, 20, (config.n_frames, config.n_mels)) for level in (10, -40, -90, 0)]
    ).clip(-100)
    found = quantised(bands, config)["features"].reshape(4, -1, config.n_mfcc)
    expected = np.stack([features.cepstra(clip, config) for clip in bands])
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_quantising_rounds_halves_away_and_clips(tmp_path: Path) -> None:
    """Bands that make the features run over all of int8 and beyond, against stage 05."""
    export = replace(
        small.export(),
        normalisation=Normalisation(np.zeros(5, np.float32), np.full(5, 0.37, np.float32)),
    )
    write_sources(tmp_path, export)
    rng = np.random.default_rng(0)
    bands = rng.uniform(-60, 0, (200, export.config.n_frames, export.config.n_mels))
    found = quantised(bands, export.config, model=tmp_path)
    np.testing.assert_array_equal(found["inputs"], export.inputs(found["features"]))
    assert {-128, 127} < set(found["inputs"].ravel().tolist())


def test_engine_gives_the_bits_of_tflite_micro_at_every_step() -> None:
    tflite = small_model.tflite("int8")
    inputs = np.concatenate(
        [random_inputs(tflite, 256), [clip.inputs for clip in small.golden()]]
    ).astype(np.int8)
    found = core("engine", inputs, np.int8).reshape(*inputs.shape[:2], -1)
    np.testing.assert_array_equal(found, stream(tflite, inputs))
    np.testing.assert_array_equal(found[:, -1], TfliteMicroRuntime(tflite).predict_int8(inputs))


def test_engine_of_widths_that_are_no_multiples_of_four(tmp_path: Path) -> None:
    config = FeatureConfig(name="odd", n_frames=ODD["n_frames"], n_mfcc=3, n_mels=8)
    export = Export(
        folder=tmp_path,
        tflite=odd_tflite(),
        config=config,
        labels=list("abcde"),
        normalisation=Normalisation.identity(3),
    )
    write_sources(tmp_path, export)
    inputs = random_inputs(export.tflite, 512)
    found = core("engine", inputs, np.int8, model=tmp_path).reshape(*inputs.shape[:2], -1)
    np.testing.assert_array_equal(found, stream(export.tflite, inputs))


def test_engine_of_two_exports_does_not_start(tmp_path: Path) -> None:
    model_folder(tmp_path)
    other = replace(small.export(), labels=["calm", "cross", "sad"])
    for name in ("direct_tables.h", "direct_tables.cpp"):
        files.write_text(tmp_path / name, source_files(other)[name])
    with pytest.raises(AssertionError, match="model_mismatch"):
        core("engine", np.zeros(60, np.int8), np.int8, model=tmp_path)


@pytest.mark.real
def test_released_model_gives_the_bits_of_tflite_micro_on_every_test_clip(tmp_path: Path) -> None:
    """The test speakers' clips, from recording to answer, as notebooks 02 to 04 have them."""
    models, root = ROOT / "models", Path(os.environ["SER_RECORDINGS"])
    clips = dataset.scan(root, progress=False).clips
    plan = rows.plan_rows(clips, rows.RowPlan(augmentation="none", loud=0.0, other_emotions=False))
    plan = plan[plan["split"] == splits.TEST]
    path = extract.compute_features(
        plan,
        clips,
        recordings=root,
        folder=tmp_path,
        config=FeatureConfig.load(models / "features.json"),
        augmentation=AugmentConfig(),
        seed=0,
        progress=False,
    )
    tflite = (models / "int8.tflite").read_bytes()
    scale, zero_point = convert.io_quantisation(tflite)[:2]
    normalise = fitting.Normalisation.load(models / "normalisation.json").apply
    inputs = convert.quantise(normalise(np.load(path)), scale, zero_point)
    assert len(inputs) > 1000
    expected = TfliteMicroRuntime(tflite, jobs=-1).predict_int8(inputs)
    for start in range(0, len(inputs), 256):
        part = inputs[start : start + 256]
        found = core("engine", part, np.int8, model=MODEL)
        found = found.reshape(*part.shape[:2], -1)[:, -1]
        np.testing.assert_array_equal(found, expected[start : start + 256])


@pytest.mark.real
def test_features_of_real_recordings() -> None:
    """The released model's features of 150 recordings, whatever corpora there are."""
    released, model = release.Release.load(), MODEL
    config = released.config
    root = Path(os.environ["SER_RECORDINGS"])
    clips = dataset.scan(root, progress=False).clips
    samples = [
        audio.to_int16(reading.read_audio(root / path, sample_rate=16_000)[0])
        for path in clips.sample(150, random_state=0)["path"]
    ]
    expected = np.stack(
        [features.waveform_features(sound / np.float32(32768), config) for sound in samples]
    )
    std = expected.std(axis=(0, 1))
    found = []
    for sound in samples:
        whole = windows(sound, config)
        bands = core("bands", whole, "<f4", model=model).reshape(len(whole), -1)
        begin = features.onset(bands.astype(float), config)
        missing = ((0, max(0, config.n_frames - len(bands) + begin)), (0, 0))
        bands = np.pad(bands[begin:][: config.n_frames], missing, constant_values=-100)
        if config.pitch:
            track = core("track", whole, "<f4", model=model).reshape(len(whole), -1)[:, -2:]
            track = np.pad(track[begin:][: config.n_frames], missing)
            bands = np.concatenate([bands, track], axis=1)
        found.append(bands)
    made = quantised(np.stack(found), config, model=model)
    assert (np.abs(made["features"].reshape(expected.shape) - expected) <= 1e-3 * std).all()
    units = np.abs(made["inputs"].reshape(expected.shape).astype(int) - released.inputs(expected))
    assert units.max() <= 1
    assert (units == 0).mean() >= 0.999


def test_emulation_says_which_packages_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="gcc-arm-none-eabi.*libnewlib.*qemu-system-arm"):
        toolchain.check_tools()


@pytest.mark.parametrize(
    ("text", "cycles"),
    [
        ("add.w r0, r1, r2", 1),
        ("smlad r0, r1, r2, r0", 1),
        ("ldr r0, [r1, #4]", 2),
        ("ldrsh.w r0, [r1, #2]", 2),
        ("str r0, [r1, #4]", 1),
        ("str.w r0, [r1, r2, lsl #2]", 2),
        ("ldrd lr, r7, [r0], #8", 3),
        ("ldmia.w r2!, {r8, r9, sl, fp}", 5),
        ("push {r4, r5, r6, lr}", 5),
        ("vldmia r3!, {s14-s15}", 3),
        ("vldr s0, [r1, #4]", 2),
        ("vmul.f32 s0, s1, s2", 1),
        ("vfma.f32 s0, s1, s2", 3),
        ("vdiv.f32 s0, s1, s2", 14),
        ("udiv r0, r1, r2", 12),
    ],
)
def test_cycles_are_those_of_the_manual(text: str, cycles: int) -> None:
    assert instruction_cycles(*text.split(" ", 1)) == cycles


def need_emulator() -> None:
    """CI always has it; on another computer the tests that need it may be left out."""
    if not os.environ.get("CI"):
        try:
            toolchain.check_tools()
        except DataError as error:
            pytest.skip(str(error))


@pytest.mark.slow
def test_released_model_keeps_every_bar() -> None:
    need_emulator()
    metrics = emulate()
    assert [name for name, kept in metrics["kept"].items() if not kept] == []
    published = files.read_json(ROOT / "models" / "emulated.json")
    assert published["model_id"] == metrics["model_id"]
    assert published["flash_bytes"] == pytest.approx(metrics["flash_bytes"], rel=0.02)


@pytest.mark.slow
def test_the_larger_model_gives_its_answers_and_fits_the_board(tmp_path: Path) -> None:
    need_emulator()
    sources, golden = sources_of(release.FOLDER / "large")
    clips = Golden.read(golden).clips
    costs = costs_of(tmp_path / "built", sources, clips)
    assert costs["identical"] == len(clips)
    assert costs["flash_bytes"] < FLASH_BYTES
    assert costs["share"] < SHARE_LEFT


@pytest.mark.slow
def test_emulated_processor_gives_the_same_bits() -> None:
    """Dual multiplies and the board's floating-point unit."""
    need_emulator()
    metrics = emulate(small.model_folder(), small.golden_folder())
    assert metrics["engine_identical"] == metrics["outputs_identical"] == len(small.golden())
    assert metrics["feature_difference_std"] < 1e-4
    assert all(metrics["kept"].values())
    assert "bars: all kept" in table(metrics)
    stages = metrics["stages"]
    assert 20_000 < stages["bands, a frame"]["instructions"] < 100_000
    assert 5_000 < stages["network, a step"]["instructions"] < 40_000


def test_golden_of_another_model_is_refused(tmp_path: Path) -> None:
    model_folder(tmp_path, labels=["calm", "cross", "sad"])
    with pytest.raises(DataError, match="expected clips of the model"):
        emulate(tmp_path, small.golden_folder())
