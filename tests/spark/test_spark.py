"""Spark: the numbers of the local path, whoever computes them and whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from make_audio import record
from make_sound_files import CASES

from ser_tinyml import files
from ser_tinyml.apps.spark import check, engines, index, job, rows, session
from ser_tinyml.data import dataset
from ser_tinyml.features import preset
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.sound.augment import AugmentConfig
from ser_tinyml.training.data import TrainingData
from ser_tinyml.workflow import notebooks, pipeline
from ser_tinyml.workflow.execution import EXECUTED

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]

VARIANTS = ("clean", "random_1", "loud")
LABELS, SPEAKERS, EACH = ("bored", "keen"), ("anna", "bob", "cleo"), 6


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Clips of three speakers under two labels, and what cannot be used."""
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(len(LABELS) * len(SPEAKERS) * EACH):
        label, rest = divmod(number, len(SPEAKERS) * EACH)
        speaker, place = divmod(rest, EACH)
        at = np.arange(12_000) / 16_000
        tone = 0.3 * np.sin(2 * np.pi * (110 + 7 * number) * at) * np.sin(3 * at)
        name = f"{LABELS[label]}/{SPEAKERS[speaker]}/{place}.wav"
        record(folder / name, tone.astype(np.float32))
    shutil.copy(CASES / "voice.m4a", folder / "keen/anna/a b%20#1 [x]{y}.m4a")
    (folder / "keen/anna/broken.wav").write_bytes(b"RIFF\0\0\0\0WAVE no more")
    (folder / "keen/anna/no sound.wav").write_bytes(bytes(range(256)) * 8)
    (folder / "keen/anna/empty.wav").touch()
    return folder


@pytest.fixture(scope="module")
def clips(recordings) -> pd.DataFrame:
    return dataset.scan(recordings, progress=False).clips


@pytest.fixture(scope="module")
def workers(tmp_path_factory) -> Path:
    """The environment of the workers; it lacks whatever else there is here."""
    return session.pack(tmp_path_factory.mktemp("workers") / "workers.tar.gz")


def table(clips: pd.DataFrame, variants=VARIANTS) -> pd.DataFrame:
    keys = clips["key"].repeat(len(variants)).reset_index(drop=True)
    return pd.DataFrame({"key": keys, "variant": list(variants) * len(clips)})


def options(recordings: Path, folder: Path, **changes) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "recordings": recordings,
        "folder": folder,
        "config": preset("default", pitch=True),
        "augmentation": AugmentConfig(),
        "seed": 3,
        "windows": True,
        "progress": False,
        **changes,
    }


def bytes_of(folder: Path) -> dict[str, bytes]:
    names = ("features.npy", "windows.npy", "tracks.npy")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def expected(recordings, clips, tmp_path_factory) -> dict[str, bytes]:
    """What the local path computes."""
    folder = tmp_path_factory.mktemp("joblib")
    given = options(recordings, folder, jobs=1)
    engines.compute_features(table(clips), clips, engine="joblib", master="", **given)
    return bytes_of(folder)


def compute(clips: pd.DataFrame, recordings: Path, folder: Path, **changes) -> None:
    given = options(recordings, folder, **changes)
    engines.compute_features(table(clips), clips, engine="spark", master="local[2]", **given)


def test_the_index_is_that_of_the_local_path(recordings, tmp_path):
    here = dataset.scan(recordings, progress=False)
    there = engines.scan(
        recordings, engine="spark", master="local[2]", out=tmp_path, progress=False
    )
    assert len(here.clips) == 37 and len(here.left_out) == 3
    pd.testing.assert_frame_equal(there.clips, here.clips)
    pd.testing.assert_frame_equal(there.left_out, here.left_out)


def test_rows_are_those_of_the_local_path_and_are_not_computed_again(
    recordings, clips, expected, tmp_path
):
    compute(clips, recordings, tmp_path)
    assert bytes_of(tmp_path) == expected
    written = sorted(tmp_path.glob("parquet/*/*.parquet"))
    before = [path.stat().st_mtime_ns for path in written]
    compute(clips, recordings, tmp_path)
    assert [path.stat().st_mtime_ns for path in written] == before
    compute(clips[:9], recordings, tmp_path)
    assert not any(path.exists() for path in written)


def test_a_recording_that_cannot_be_used_is_a_line_of_the_report(
    recordings, clips, expected, tmp_path
):
    mine = tmp_path / "recordings"
    shutil.copytree(recordings, mine)
    broken, gone, hidden = clips["path"][[3, 8, 12]]
    (mine / broken).write_bytes(b"no sound at all")
    (mine / gone).unlink()
    (mine / hidden).rename(mine / "_hidden.wav")
    changed = clips.assign(path=clips["path"].where(clips["path"] != hidden, "_hidden.wav"))
    with pytest.raises(DataError, match=r"report\.csv: expected no .* found 3; the first: "):
        compute(changed, mine, tmp_path)
    report = files.read_table(tmp_path / rows.REPORT).set_index("path")
    assert sorted(report.index) == sorted([broken, gone, "_hidden.wav"])
    assert f"{broken}: expected a recording, found text" in report.loc[broken, "error"]
    assert report.loc[gone, "error"].endswith(f"{gone}: expected a recording, found nothing")
    assert "a name that Spark passes over" in report.loc["_hidden.wav", "error"]
    shutil.copytree(recordings, mine, dirs_exist_ok=True)
    compute(clips, mine, tmp_path)
    assert bytes_of(tmp_path) == expected and not len(files.read_table(tmp_path / rows.REPORT))


def test_a_job_reads_and_writes_where_a_url_says(recordings, tmp_path):
    parameters = {"augmented_rows": 1, "seed": 5}
    given = {"parameters": parameters, "master": "local[2]", "progress": False}
    job.run(str(recordings), tmp_path / "here", **given)
    url = f"file://{tmp_path}/parquet"
    job.run(f"file://{recordings}", tmp_path / "there", parquet=url, **given)
    for name in ("rows.csv", "clips.csv", "features.npy", "windows.npy"):
        one, other = (tmp_path / where / name for where in ("here", "there"))
        assert one.read_bytes() == other.read_bytes(), name
    left_out = [files.read_table(tmp_path / where / "left_out.csv") for where in ("here", "there")]
    assert list(left_out[0]["reason"]) == ["unreadable", "empty", "unreadable"]
    pd.testing.assert_frame_equal(left_out[0].drop(1).reset_index(drop=True), left_out[1])
    data = TrainingData.load(tmp_path / "there")
    assert len(data.rows) == len(data.features) == len(data.windows) > 37
    assert data.classes == ["bored", "keen"]


def test_tables_of_labels_are_found_at_a_url(recordings, tmp_path):
    shutil.copytree(recordings / "keen", tmp_path / "all/x")
    lines = [f"x/{name}/{n}.wav,{name},{n}" for name in SPEAKERS[:2] for n in range(EACH)]
    files.write_text(tmp_path / "all/labels.csv", "\n".join(["file,label,speaker", *lines]) + "\n")
    (tmp_path / "names").mkdir()
    with session.session("local[2]", log=tmp_path / session.LOG) as spark:
        found = index.scan(
            spark, f"file://{tmp_path}/all", folder=tmp_path / "names", progress=False
        )
    here = dataset.scan(tmp_path / "all", progress=False)
    pd.testing.assert_frame_equal(found.clips, here.clips)
    seen = here.left_out[here.left_out["path"] != "x/anna/empty.wav"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.left_out, seen)
    assert set(found.clips["emotion"]) == {"anna", "bob"}


@pytest.mark.parametrize("master", ["local[2]", check.CLUSTER])
def test_a_worker_that_is_killed_loses_nothing(
    master, recordings, clips, workers, expected, tmp_path
):
    archive = workers if master == check.CLUSTER else None
    given = options(recordings, tmp_path)
    folder, progress = given.pop("folder"), given.pop("progress")
    source = given.pop("recordings")
    versions = rows.Versions.of(**given)
    parts = rows.parts(table(clips), clips, versions, size=8)
    where = {"parquet": folder / rows.PARQUET}
    with session.session(master, log=folder / session.LOG, workers=archive) as spark:
        with check.one_killed(executor=master == check.CLUSTER) as killed:
            failed = rows.compute(
                spark, parts, versions, recordings=source, progress=progress, **where
            )
        rows.join(spark, parts, table(clips), versions, folder=folder, **where)
    assert killed and not len(failed)
    assert bytes_of(folder) == expected


def test_spark_submit_with_a_packed_environment(recordings, workers, tmp_path):
    given = {"parameters": {"augmented_rows": 1}, "master": "local[2]", "progress": False}
    job.run(str(recordings), tmp_path / "here", **given)
    import pyspark

    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [str(submit), "--master", check.CLUSTER, str(ROOT / "ser_tinyml" / "__main__.py")]
    command += ["spark", "--data", str(recordings), "--output", str(tmp_path / "there")]
    command += ["--workers", str(workers), "augmented_rows=1"]
    python = {"PYSPARK_DRIVER_PYTHON": sys.executable}
    home = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(Path(pyspark.__file__).parent)}
    done = subprocess.run(
        command, env=os.environ | python | home, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for name in ("rows.csv", "features.npy", "windows.npy"):
        one, other = (tmp_path / where / name for where in ("here", "there"))
        assert one.read_bytes() == other.read_bytes(), name


def test_notebooks_take_spark_as_their_engine(recordings, tmp_path):
    stages = ["01_index", "02_features"]
    for engine in ("joblib", "spark"):
        given = {"engine": engine, "master": "local[2]", "augmented_rows": 1}
        run = {"recordings": recordings, "parameters": given, "stages": stages, "progress": False}
        assert pipeline.run(tmp_path / engine, **run) == stages
        assert pipeline.run(tmp_path / engine, **run) == []
    for name in ("01_index/clips.csv", "02_features/features.npy", "02_features/windows.npy"):
        one, other = (tmp_path / engine / name for engine in ("joblib", "spark"))
        assert one.read_bytes() == other.read_bytes(), name
    for stage in stages:
        book = notebooks.read_notebook(tmp_path / "spark" / stage / EXECUTED)
        outputs = [output for cell in notebooks.code_cells(book) for output in cell.outputs]
        said = "".join(one.text for one in outputs if one.get("name") == "stderr")
        assert "Spark" not in said and "Warning" not in said


def test_a_cluster_that_is_not_there_is_said_to_be_none(tmp_path):
    with pytest.raises(DataError, match="expected a session on nonsense, found: "):
        with session.session("nonsense", log=tmp_path / session.LOG):
            pass


def test_the_check_says_what_it_finds(recordings, workers, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, "ROUNDS", 1)
    check.check(recordings, tmp_path, workers=workers, many=300)
    found = files.read_json(tmp_path / "metrics.json")
    assert found["equal_local"] and found["equal_cluster"] and found["equal_killed"]
    assert (found["rows"], found["many"], found["killed"]) == (4 * 37, 300, 1)
    said = capsys.readouterr().out
    assert all(bar in said for bar in check.bars(found))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", session.LOG]
