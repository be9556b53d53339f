"""Spark without Spark: what is refused before it starts, and what needs no cluster."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import pytest
from make_audio import record

from ser_tinyml.apps.spark import engines, job, rows, session
from ser_tinyml.apps.spark.places import Scratch
from ser_tinyml.features import frame_augment, preset
from ser_tinyml.files import DataError
from ser_tinyml.sound.augment import AugmentConfig
from ser_tinyml.workflow import stages


def versions(**changes) -> rows.Versions:
    given = {"config": preset("default", pitch=True), "augmentation": AugmentConfig(), "seed": 0}
    return rows.Versions.of(**given | changes)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"engine": "dask"}, "engine: expected joblib or spark, found 'dask'"),
        ({"master": "somewhere"}, r"master: expected a Spark master such as local\[2\]"),
        ({"master": "local[]"}, "master: expected"),
    ],
)
def test_an_engine_or_master_that_there_is_not_is_refused_before_anything_runs(parameters, said):
    with pytest.raises(DataError, match=said):
        stages.check("01_index", parameters)


@pytest.mark.parametrize("master", ["local", "local[*]", "spark://host:7077", "yarn"])
def test_masters(master):
    stages.check("01_index", {"engine": "spark", "master": master})


def test_the_number_of_processes_is_the_masters():
    with pytest.raises(DataError, match="jobs: expected 0 with engine 'spark'"):
        engines.compute_features(
            pd.DataFrame(), pd.DataFrame(), engine="spark", master="local[2]", jobs=3
        )


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r'pip install "ser-tinyml\[spark\]"'):
        with session.session(log=tmp_path / "log"):
            pass
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(DataError, match=f"expected Java 17 or later in {tmp_path}, found none"):
        with session.session(log=tmp_path / "log"):
            pass


def test_workers_are_packed_from_the_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "in_checkout", lambda: False)
    with pytest.raises(DataError, match="expected the repository to make it from"):
        session.pack(tmp_path / "workers.tar.gz")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("first\n  second\nCaused by: a\n\tat x\nCaused by: b\n\tat y", "Caused by: b"),
        ("\nonly this\nand more", "only this"),
        ("", "ValueError"),
    ],
)
def test_an_error_comes_down_to_a_line(text, line):
    assert session.said(ValueError(text)) == line


def test_a_recording_is_a_file_of_its_own_name_for_a_while(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path}/one,{tmp_path}/other")
    with Scratch() as scratch:
        with scratch.file("s3a://bucket/a/b c.wav", memoryview(b"abc")) as path:
            assert (path.name, path.read_bytes()) == ("b c.wav", b"abc")
            assert path.is_relative_to(tmp_path / "one")
        assert not path.exists()
    assert not any((tmp_path / "one").iterdir())


def test_arrays_of_a_row_and_their_shapes():
    config = preset("default")
    plain, all_of_them = versions(config=config), versions(windows=True)
    assert plain.arrays == ["features"]
    assert all_of_them.arrays == ["features", "windows", "tracks"]
    steps = config.n_frames + 2 * frame_augment.margin(config)
    assert plain.shape("features", np.prod(config.feature_shape)) == config.feature_shape
    assert all_of_them.shape("windows", steps * config.n_mels) == (steps, config.n_mels)
    assert all_of_them.shape("tracks", steps * 2) == (steps, 2)
    assert all_of_them.shape("embeddings", 384) == (384,)


def test_parts_are_named_after_all_that_they_are_made_from(tmp_path):
    clips = pd.DataFrame({"key": list("abcde"), "path": list("abcde"), "sha256": list("12345")})
    table = pd.DataFrame({"key": list("aabbccddee"), "variant": ["clean", "random_1"] * 5})
    plain = [part.name for part in rows.parts(table, clips, versions(), size=2)]
    assert len(plain) == len({*plain}) == 3
    moved = clips.assign(path=[f"elsewhere/{path}" for path in clips["path"]])
    assert [part.name for part in rows.parts(table, moved, versions(), size=2)] == plain
    record(tmp_path / "noise.wav", seed=1, sample_rate=16_000)
    changes = [{"seed": 1}, {"windows": True}, {"background_folder": tmp_path}]
    changes += [{"config": preset("default")}]
    changes += [{"augmentation": AugmentConfig(noise_probability=0.5)}]
    for change in changes:
        other = rows.parts(table, clips, versions(**change), size=2)
        assert not {part.name for part in other} & {*plain}, change
    other = clips.assign(sha256=list("12045"))
    changed = [part.name for part in rows.parts(table, other, versions(), size=2)]
    assert [one == two for one, two in zip(plain, changed, strict=True)] == [True, False, True]


def test_a_job_knows_the_parameters_of_the_notebook():
    from ser_tinyml.provenance import ROOT
    from ser_tinyml.workflow import notebooks, parameters

    book = notebooks.read_notebook(ROOT / "notebooks" / "02_features.ipynb")
    known = parameters.defaults_of(book, "02_features")
    mine = {name: value for name, value in job.PARAMETERS.items() if name in known}
    assert mine == {name: known[name] for name in mine}
    others = {"run_dir", "recordings_dir", "jobs", "engine", "master"}
    assert set(known) - set(mine) == others | {"teacher_dir", "nonspeech_dir"}
