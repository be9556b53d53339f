"""Spectrograms as arrays and as pictures, how they are changed, the net, and its exports."""

from __future__ import annotations

import json
import time
from pathlib import Path

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from make_audio import record
from PIL import Image, PngImagePlugin

from ser_tinyml import __main__ as command
from ser_tinyml import files
from ser_tinyml.apps import field
from ser_tinyml.data import demo, folds
from ser_tinyml.files import DataError
from ser_tinyml.systems import face, registry, spectrogram
from ser_tinyml.systems.exports import openvino_ir, stopwatch
from ser_tinyml.systems.exports import spectrogram as exports
from ser_tinyml.systems.face import Side
from ser_tinyml.systems.parts import spectrogram_changes as changes
from ser_tinyml.systems.parts import spectrogram_features as recipe
from ser_tinyml.systems.parts import spectrogram_net, spectrogram_picture
from ser_tinyml.systems.parts.spectrogram_changes import Changes, Changing
from ser_tinyml.systems.parts.spectrogram_net import SpectrogramNet

CLASSES = list(spectrogram.EIGHT)
SMALL = (4, 8)


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    (samples,) = demo.speak(
        ["The kids are talking by the door"], emotion=["happy"], sample_rate=recipe.RATE
    )
    return samples / np.float32(32768)


@pytest.fixture(scope="module")
def features(voice) -> np.ndarray:
    return recipe.features(recipe.prepare(voice))


def small_net() -> SpectrogramNet:
    net = spectrogram_net.build(SMALL, len(CLASSES))
    return SpectrogramNet(net, classes=CLASSES, filters=SMALL)


def side(count: int = 40) -> Side:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "key": [f"own/{n}" for n in range(count)],
            "corpus": "own",
            "label_id": np.arange(count) % len(CLASSES),
            "variant": "clean",
            "split": "train",
        }
    )
    return Side(rows, rng.random((count, *recipe.SHAPE)).astype(np.float32))


# --- features ---


def test_the_loudest_is_one_and_gain_and_silence_around_change_nothing(voice, features) -> None:
    assert features.max() == 1 and features.min() == 0
    quiet = np.zeros(recipe.RATE // 2, np.float32)
    around = np.concatenate([quiet, voice, quiet]) / 10
    found = recipe.features(recipe.prepare(around))
    spoken = features > 0.5
    assert spoken.mean() > 0.05
    shifts = [np.abs(np.roll(found, n, axis=1) - features)[spoken].mean() for n in range(-3, 4)]
    assert min(shifts) < 0.05


def test_what_is_short_ends_in_silence_and_what_is_long_is_cut(voice, features) -> None:
    half = recipe.features(voice[: recipe.LENGTH // 2])
    assert not half[:, recipe.FRAMES // 2 + 1 :].any() and half[:, 10].any()
    long = np.tile(voice, 3)[: 2 * recipe.LENGTH]
    np.testing.assert_array_equal(recipe.features(long), recipe.features(long[: recipe.LENGTH]))
    assert recipe.features(long)[:, -1].any()


# --- pictures ---


def test_a_picture_that_was_drawn_here_is_read_as_it_was(features, tmp_path) -> None:
    path = spectrogram_picture.write(features, tmp_path / "a.png")
    assert spectrogram_picture.is_picture(path)
    found = spectrogram_picture.read(path)
    assert found.dtype == np.float32 and found.shape == recipe.SHAPE
    np.testing.assert_allclose(found, features, atol=1 / 500)
    with Image.open(path) as image:
        assert image.size == (768, 256)


@pytest.mark.parametrize("colours", spectrogram_picture.COLOUR_MAPS)
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_figure_with_axes_and_a_bar_is_read(features, colours, ending, tmp_path) -> None:
    with matplotlib.rc_context(matplotlib.rcParamsDefault):
        figure = matplotlib.figure.Figure()
        axis = figure.subplots()
        shown = axis.imshow(features, origin="lower", aspect="auto", cmap=colours)
        figure.colorbar(shown)
        axis.set(title="A clip", xlabel="time")
        figure.savefig(tmp_path / f"figure.{ending}", dpi=100)
    found = spectrogram_picture.read(tmp_path / f"figure.{ending}")
    assert np.corrcoef(found.ravel(), features.ravel())[0, 1] > 0.95
    assert np.abs(found - features).mean() < 0.05


def photograph() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (200, 300, 3))


def bar() -> np.ndarray:
    """A colour map from left to right."""
    levels = np.linspace(0, 255, 300).astype(int)
    return np.broadcast_to(spectrogram_picture._colours("magma")[levels], (200, 300, 3))


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (photograph(), "expected a spectrogram"),
        (np.full((200, 300, 3), 255), "found other colours in 100% of the pixels"),
        (np.full((200, 300, 3), (0, 0, 4)), "found a picture of one colour or a ramp"),
        (bar(), "found a picture of one colour or a ramp"),
        (bar()[:20], "expected a spectrogram of 32 x 32 pixels or more, found 300 x 20"),
        (np.mgrid[:200, :300][0][..., np.newaxis] * [1, 1, 1], "expected a spectrogram"),
    ],
)
def test_a_picture_that_is_no_spectrogram_is_refused(pixels, said, tmp_path) -> None:
    path = tmp_path / "other.png"
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    with pytest.raises(DataError, match="^" + str(path) + ": expected") as error:
        spectrogram_picture.read(path)
    assert said in str(error.value)


def test_files_that_are_no_whole_pictures_are_refused(features, tmp_path) -> None:
    path = spectrogram_picture.write(features, tmp_path / "a.png")
    half = files.write_bytes(tmp_path / "half.png", path.read_bytes()[:900])
    with pytest.raises(DataError, match=r"half\.png: expected a whole picture, found: "):
        spectrogram_picture.read(half)
    text = files.write_text(tmp_path / "text.png", "no picture")
    assert not spectrogram_picture.is_picture(text)
    with pytest.raises(DataError, match="expected a picture, found another kind of file"):
        spectrogram_picture.read(text)
    script = files.write_text(
        tmp_path / "script.png", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    )
    assert not spectrogram_picture.is_picture(script)  # or Ghostscript would run it
    large = tmp_path / "large.png"
    Image.new("L", (5_000, 5_000)).save(large)
    with pytest.raises(DataError, match="expected 20,000,000 pixels at most, found 5000 x 5000"):
        spectrogram_picture.read(large)


def test_a_picture_of_another_kind_of_spectrogram_is_refused(tmp_path) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text(spectrogram_picture.NOTE, "40 mel bands")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=note)
    with pytest.raises(DataError, match="expected a spectrogram of 64 mel .* found 40 mel bands"):
        spectrogram_picture.read(tmp_path / "a.png")


# --- training ---


def test_without_changes_a_spectrogram_stays_as_it_is(features) -> None:
    found = changes.change(features, changes.NONE, np.random.default_rng(0))
    np.testing.assert_array_equal(found, features)


def test_what_is_drawn_comes_from_the_rows_and_the_seed(features) -> None:
    other = features[:, ::-1]
    some = Changing(np.stack([features, other]), Changes(), seed=1)
    rows = np.array([1, 0])
    assert len(some) == 2 and some[rows].shape == (2, *recipe.SHAPE, 1)
    np.testing.assert_array_equal(some[rows], some[rows])
    assert not np.array_equal(some[rows], some[rows[::-1]][::-1])
    again = Changing(some.spectrograms, Changes(), seed=2)
    assert not np.array_equal(again[rows], some[rows])


@pytest.mark.parametrize(
    ("name", "value"), [("speed", 0.2), ("shift_frames", 9), ("shift_bands", 3), ("masks", 2)]
)
def test_each_change_changes_something_and_stays_in_range(features, name, value) -> None:
    some = Changes(**{**vars(changes.NONE), name: value})
    found = changes.change(features, some, np.random.default_rng(0))
    assert found.dtype == np.float32 and found.shape == features.shape
    assert 0.02 < np.abs(found - features).max() <= 1
    assert 0 <= found.min() and found.max() <= 1


def test_faster_and_later_speech_ends_in_silence() -> None:
    steady = np.ones((4, 20), np.float32)
    fast = changes._read_at(steady.T, 1.25 * np.arange(20)).T
    np.testing.assert_array_equal((fast > 0)[0], np.arange(20) * 1.25 <= 19)
    late = changes._read_at(steady.T, np.arange(20) - 5.0).T
    assert not late[:, :5].any() and late[:, 5:].all()


def test_the_net_is_as_large_as_it_says() -> None:
    filters = spectrogram_net.Settings().filters
    model = SpectrogramNet(spectrogram_net.build(filters, 8), classes=CLASSES, filters=filters)
    assert model.size() == {"parameters": 249_180, "macs": 50_776_064}


# --- clips ---


def test_the_pretraining_has_no_speaker_of_a_test_and_of_nobody_too_much() -> None:
    counts = {("RAVDESS", "RAVDESS-01"): 3, ("TESS", "TESS-OAF"): 205, ("SAVEE", "SAVEE-DC"): 2}
    table = pd.DataFrame(
        [(corpus, speaker) for (corpus, speaker), n in counts.items() for _ in range(n)],
        columns=["corpus", "speaker"],
    )
    found = spectrogram.other_corpora(table)
    assert found["speaker"].value_counts().to_dict() == {"TESS-OAF": 200, "SAVEE-DC": 2}
    (tested,) = spectrogram.speech_and_song(table, None)["speaker"].unique()
    assert tested not in set(found["speaker"])


def clips(count: int = 2) -> pd.DataFrame:
    keys = [f"RAVDESS/03-01-05-01-01-01-{n:02d}" for n in range(1, count + 1)]
    speakers = [f"RAVDESS-{n:02d}" for n in range(1, count + 1)]
    return pd.DataFrame(
        {"key": [*keys, "SAVEE/DC_a01"], "corpus": ["RAVDESS"] * count + ["SAVEE"],
         "speaker": [*speakers, "SAVEE-DC"], "session": "", "given_split": ""}
    )  # fmt: skip


def sing(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        files.write_bytes(folder / f"Actor_{name[-2:]}" / f"{name}.wav", bytes([number]))
    return folder


def test_an_actors_song_is_in_the_fold_of_the_actors_speech(tmp_path) -> None:
    song = sing(tmp_path, "03-02-03-01-02-01-02", "03-02-04-02-01-01-01", "03-01-04-02-01-01-01")
    found = spectrogram.speech_and_song(clips(), song)
    assert list(found["corpus"]) == ["RAVDESS", "RAVDESS", "RAVDESS-song", "RAVDESS-song"]
    sung = found.iloc[2:]
    assert list(sung["key"]) == [
        "RAVDESS-song/03-02-03-01-02-01-02", "RAVDESS-song/03-02-04-02-01-01-01"]  # fmt: skip
    assert list(sung["emotion"]) == ["happy", "sad"] and list(sung["sex"]) == ["female", "male"]
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in sung["path"])
    assert found["key"].is_unique and (found["session"] == "").all()
    of_speaker = folds.assign(found).groupby(found["speaker"]).nunique()
    assert (of_speaker == 1).all() and (folds.assign(found) >= 0).all()


def test_without_song_there_is_speech_and_other_recordings_are_refused(tmp_path) -> None:
    assert list(spectrogram.speech_and_song(clips(), None)["corpus"]) == ["RAVDESS"] * 2
    with pytest.raises(DataError, match="expected recordings of RAVDESS, found none"):
        spectrogram.speech_and_song(clips().iloc[-1:], None)
    with pytest.raises(DataError, match=f"^{tmp_path}: expected sung recordings of RAVDESS"):
        spectrogram.speech_and_song(clips(), tmp_path)
    with pytest.raises(DataError, match=r"03-02-09-01-01-01-01\.wav: expected a name as RAVDESS"):
        spectrogram.speech_and_song(clips(), sing(tmp_path, "03-02-09-01-01-01-01"))


def test_scales_are_set_by_listed_clips_that_are_in_training() -> None:
    listed = files.read_table(exports.CALIBRATION)["key"]
    assert listed.is_unique and len(listed) > 200
    rows = pd.DataFrame({"key": listed, "variant": "clean", "split": "train"})
    rows.loc[rows["key"].str.endswith("-03"), "split"] = "test"
    places, from_list = exports.calibration_of(rows)
    assert from_list and len(places) == (rows["split"] == "train").sum()
    assert not rows.loc[places, "key"].str.endswith("-03").any()
    places, from_list = exports.calibration_of(side().rows)
    assert not from_list and len(places) == 40


# --- prediction ---


@pytest.fixture(scope="module")
def trial(tmp_path_factory) -> Path:
    """A run with one trial, whose net knows nothing."""
    run = tmp_path_factory.mktemp("run")
    folder = run / "systems" / "trials" / "spectrogram-0123"
    face.save(small_net(), folder / "model")
    about = {"system": "spectrogram", "test": "speakers", "fold": 0, "seed": 0}
    files.write_json(folder / "trial.json", about)
    return run


def predicted(capsys, *given: str) -> tuple[int, list[dict], str]:
    status = command.main(["predict", "--system", "spectrogram", "--json", *given])
    said = capsys.readouterr()
    return status, [json.loads(line) for line in said.out.splitlines()], said.err


def test_a_recording_and_its_picture_get_the_same_answer(trial, voice, tmp_path, capsys) -> None:
    sound = record(tmp_path / "voice.wav", voice, sample_rate=recipe.RATE)
    picture = tmp_path / "seen.png"
    model = ["--model", str(trial)]
    status, (heard,), _ = predicted(capsys, str(sound), *model, "--picture", str(picture))
    assert status == 0 and list(heard["probabilities"]) == CLASSES
    assert sum(heard["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    status, (seen,), _ = predicted(capsys, str(picture), *model)
    assert status == 0 and seen["label"] == heard["label"]
    assert seen["probabilities"] == pytest.approx(heard["probabilities"], abs=0.01)


def test_what_cannot_be_read_is_named_and_the_others_are_answered(
    trial, voice, tmp_path, capsys
) -> None:
    sound = record(tmp_path / "voice.wav", voice, sample_rate=recipe.RATE)
    short = record(tmp_path / "short.wav", voice[:4000], sample_rate=recipe.RATE)
    photo = tmp_path / "photo.png"
    Image.fromarray(photograph().astype(np.uint8)).save(photo)
    given = [str(short), str(photo), str(tmp_path / "none.wav"), str(sound)]
    status, lines, said = predicted(capsys, *given, "--model", str(trial))
    assert status == 1 and [("error" in line) for line in lines] == [True, True, True, False]
    assert "expected 0.5 s or more for spectrogram, found 0.25 s" in said
    assert "expected a spectrogram" in said and "found no such file" in said


def test_without_a_model_it_says_how_to_get_one(voice, tmp_path, capsys) -> None:
    sound = str(record(tmp_path / "voice.wav", voice, sample_rate=recipe.RATE))
    status = command.main(["predict", sound, "--system", "spectrogram", "--model", str(tmp_path)])
    assert status and "make systems DATA=/path/to/corpora SYSTEM=spectrogram" in (
        capsys.readouterr().err
    )
    assert command.main(["predict", sound, "--system", "spectrogram", "--steps"])
    assert "--steps is not for --system" in capsys.readouterr().err


def test_a_system_that_hears_takes_no_picture(features, tmp_path) -> None:
    picture = spectrogram_picture.write(features, tmp_path / "a.png")
    with pytest.raises(DataError, match="expected a recording for conv162, found a picture"):
        field.features_of(registry.find("conv162"), picture)
    with pytest.raises(DataError, match="expected a system that looks at pictures"):
        field.predict(["a.wav"], system="conv162", picture="b.png")


# --- exports ---


def test_a_race_says_how_many_times_as_fast_the_others_are() -> None:
    runners = {"slow": lambda clip: time.sleep(0.01), "fast": lambda clip: time.sleep(0.002)}
    table = stopwatch.race(runners, np.zeros((2, 3)), rounds=5).set_index("name")
    assert table.loc["slow", "times"] == 1 and 2 < table.loc["fast", "times"] < 6
    assert (table["fastest"] <= table["milliseconds"]).all()


def foreign(path: Path, *, shape: tuple = ("batch", 1, 64, 192), answers: int = 8) -> Path:
    """A net as PyTorch exports it: a channel first, logits as its answer."""
    from onnx import TensorProto, checker, helper, numpy_helper, save_model

    rng = np.random.default_rng(1)
    weights = {"kernel": (3, 1, 5, 5), "weight": (answers, 3), "bias": (answers,)}
    constants = [
        numpy_helper.from_array(rng.normal(size=size).astype(np.float32), name)
        for name, size in weights.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["a"], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "weight", "bias"], ["y"], transB=1),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", answers))
    graph = helper.make_graph(nodes, "torch", [given], [gives], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save_model(model, path)
    return path


@pytest.mark.systems
def test_a_net_from_elsewhere_comes_in_through_the_same_door(voice, tmp_path, capsys) -> None:
    import onnxruntime

    path = foreign(tmp_path / "net.onnx")
    features = side(70).features
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    logits = session.run(None, {"x": features[:, np.newaxis]})[0]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    net = openvino_ir.from_onnx(path, shape=recipe.SHAPE, classes=8)
    found = openvino_ir.predictor(openvino_ir.compiled(net))(features)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    int8 = openvino_ir.to_int8(net, features[:16])
    assert openvino_ir.operators(int8)["FakeQuantize"] >= 1  # one for each convolution
    sound = record(tmp_path / "voice.wav", voice, sample_rate=recipe.RATE)
    status, (answer,), _ = predicted(capsys, str(sound), "--model", str(path))
    assert status == 0 and list(answer["probabilities"]) == CLASSES


@pytest.mark.systems
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"shape": ("batch", 1, 40, 192)}, "expected an input of 64 x 192 .* any x 1 x 40 x 192"),
        ({"answers": 5}, "expected 8 answers a clip, found any x 5"),
    ],
)
def test_a_net_of_another_shape_is_refused(how, said, tmp_path) -> None:
    path = foreign(tmp_path / "net.onnx", **how)
    with pytest.raises(DataError, match=f"^{path}: {said}"):
        openvino_ir.from_onnx(path, shape=recipe.SHAPE, classes=8)


@pytest.mark.systems
def test_what_is_no_onnx_file_is_refused(tmp_path) -> None:
    path = files.write_text(tmp_path / "net.onnx", "text")
    with pytest.raises(DataError, match=f"^{path}: expected an ONNX file, found: "):
        openvino_ir.from_onnx(path, shape=recipe.SHAPE, classes=8)
    with pytest.raises(DataError, match="expected to read or write it, found: No such file"):
        openvino_ir.from_onnx(tmp_path / "none.onnx", shape=recipe.SHAPE, classes=8)


@pytest.mark.systems
@pytest.mark.timeout(600)
def test_all_forms_run_beside_each_other_and_layers_are_folded(tmp_path) -> None:
    model, training = small_net(), side()
    makes = {"onnx": exports.as_onnx, "openvino_fp32": exports.as_fp32,
             "openvino_fp16": exports.as_fp16, "openvino_int8": exports.as_int8}  # fmt: skip
    for name, make in makes.items():
        make(model, tmp_path / name, training)
    table = exports.benchmark(model, tmp_path, training.features[:8], rounds=3).set_index("name")
    assert {"Keras", "ONNX Runtime", *(f"OpenVINO {p}" for p in ("fp32", "fp16", "int8"))} <= {
        *table.index
    }
    assert table.loc["OpenVINO fp32", "difference"] < 1e-5
    assert table.loc["OpenVINO fp32", "arithmetic"] == "f32"
    weights = [(tmp_path / f"openvino_{p}" / "model.bin").stat().st_size for p in ("fp16", "fp32")]
    assert weights[0] < 0.6 * weights[1]
    found = exports.optimised(model, tmp_path)
    counts = found["operators"]
    assert counts.loc["BatchNormalization", "Keras layers"] == 4
    assert counts.loc["FakeQuantize", "IR fp32"] == 0 < counts.loc["FakeQuantize", "IR int8"]
    runs = found["fp32"]
    together = runs.loc[runs["step"] == "Convolution", "of"]
    assert len(together) == 2 and together.str.contains("activation").all()  # ReLU is inside
    assert set(runs["precision"]) <= {"f32", "i32", "i64", ""}
