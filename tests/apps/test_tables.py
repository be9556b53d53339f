"""The tables for analysts: a row a clip, bad files named, nothing measured twice, all explained."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from small_tables import SAID, speak

from ser_tinyml import __main__ as program
from ser_tinyml import files, provenance
from ser_tinyml.apps import predict
from ser_tinyml.apps.answering import Predictor
from ser_tinyml.apps.tables import columns, make, rows, voice
from ser_tinyml.data import dataset
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite.release import Release
from ser_tinyml.workflow import pipeline


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = speak(tmp_path_factory.mktemp("spoken"))
    (folder / "sad" / "anna" / "bad.wav").write_bytes(b"RIFF, and no sound")
    return folder


@pytest.fixture(scope="module")
def clips(recordings) -> pd.DataFrame:
    return dataset.scan(recordings, progress=False).clips


@pytest.fixture(scope="module")
def model() -> Release:
    return Release.load()


@pytest.fixture(scope="module")
def found(recordings, clips, model, tmp_path_factory) -> rows.Rows:
    folder = tmp_path_factory.mktemp("rows")
    how = {"recordings": recordings, "folder": folder, "model": model}
    return rows.build(clips, **how, jobs=2, progress=False)


def test_a_row_is_what_was_recorded_measured_and_answered(found, clips, recordings, model) -> None:
    assert len(found.clips) == len(SAID) == len(clips) and found.left_out.empty
    predictor = Predictor(model)
    for row, clip in zip(found.clips.itertuples(), clips.itertuples(), strict=True):
        assert row.clip == clip.key and row.emotion == clip.emotion and row.peak == clip.peak
        sound = predictor.read(recordings / clip.path)
        answer = predictor.answer(sound.samples)
        assert row.guess == answer.guess and row.answer == (answer.label or columns.UNSURE)
        shown = [getattr(row, columns.probability(name)) for name in model.labels]
        np.testing.assert_allclose(shown, [*answer.probabilities.values()], rtol=1e-5)
        expected = voice.measure(sound.samples, rate=16_000)
        assert {n: getattr(row, n) for n in expected} == pytest.approx(expected, rel=1e-5)
        assert row.minimum == pytest.approx(sound.samples.min(), abs=0.1)
    women = found.clips["speaker"].str.endswith("anna")
    f0 = found.clips.groupby(women)["f0_median_hz"].median()
    assert f0[True] > f0[False] > voice.LOWEST_HZ


def test_what_is_measured_is_not_measured_again(
    clips, recordings, model, found, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK_CLIPS", 4)
    how = {"recordings": recordings, "folder": tmp_path, "model": model}
    first = rows.build(clips[:4], **how, jobs=1, progress=False)
    asked = []
    row = rows.clip_row
    monkeypatch.setattr(rows, "clip_row", lambda path, **kw: asked.append(path) or row(path, **kw))
    again = rows.build(clips, **how, jobs=1, progress=False)
    assert asked == [recordings / path for path in clips["path"][4:]]
    pd.testing.assert_frame_equal(again.clips, found.clips)
    pd.testing.assert_frame_equal(again.clips[:4], first.clips)
    files.write_text(tmp_path / "chunks" / "of_others.json", "[]")
    rows.build(clips, **how, jobs=1, progress=False)
    assert len(asked) == 4 and len([*(tmp_path / "chunks").iterdir()]) == 2


def test_a_file_that_is_gone_is_named_and_tried_again(clips, model, tmp_path) -> None:
    folder = speak(tmp_path / "spoken")
    gone = folder / clips["path"].iloc[2]
    kept = gone.read_bytes()
    gone.unlink()
    how = {"recordings": folder, "folder": tmp_path / "out", "model": model}
    found = rows.build(clips, **how, jobs=1, progress=False)
    assert len(found.clips) == len(clips) - 1
    (line,) = found.left_out.to_dict("records")
    assert (line["path"], line["reason"]) == (clips["path"].iloc[2], rows.NOT_MEASURED)
    assert str(folder) not in line["detail"] and line["detail"].startswith(line["path"])
    gone.write_bytes(kept)
    assert rows.build(clips, **how, jobs=1, progress=False).left_out.empty
    nothing = clips.assign(path="nowhere.wav")[:1]
    with pytest.raises(DataError, match="expected clips that can be measured, found none: nowhere"):
        rows.build(nothing, **how, jobs=1, progress=False)


def test_silence_is_no_speech(model, tmp_path) -> None:
    from make_audio import record

    hiss = np.random.default_rng(0).normal(0, 0.01, 32_000).astype(np.float32)
    row = rows.clip_row(record(tmp_path / "hiss.wav", hiss), model=model.folder)
    assert (row["answer"], row["guess"]) == (columns.NO_SPEECH, "")
    assert row["probability_happy"] == 0.25 and row["minimum"] == pytest.approx(
        hiss.min(), abs=1e-4
    )


@pytest.fixture(scope="module")
def written(recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(make, "parquet", lambda: False)
    paths = make.make(recordings, folder, jobs=1, progress=False)
    monkeypatch.undo()
    return folder, paths


def test_every_table_has_just_what_the_dictionary_says(written, model) -> None:
    folder, paths = written
    described = pd.read_csv(folder / "dictionary.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(described, columns.dictionary(model.labels))
    for name, part in described.groupby("table", sort=False):
        table = pd.read_csv(folder / f"{name}.csv")
        assert [*table.columns] == [*part["column"]], name
        assert part["meaning"].ne("").all() and part["column"].is_unique
        numbers = part.loc[part["type"] != columns.TEXT, "column"]
        assert table[numbers].dtypes.map(pd.api.types.is_numeric_dtype).all()
    assert {p.relative_to(folder).as_posix() for p in paths} == {
        "dictionary.csv",
        "datapackage.json",
        *(f"{name}.csv" for name in described["table"].unique()),
    }


def test_a_bad_file_is_listed_and_in_no_other_table(written) -> None:
    folder, _ = written
    left_out = pd.read_csv(folder / "left_out.csv")
    assert left_out["path"].tolist() == ["sad/anna/bad.wav"]
    assert "bad" not in (folder / "clips.csv").read_text()


def test_the_star_joins_to_the_tidy_table_again(written) -> None:
    folder, _ = written
    package = json.loads((folder / "datapackage.json").read_text())
    tables = {one["name"]: pd.read_csv(folder / one["path"]) for one in package["resources"]}
    schemas = {one["name"]: one["schema"] for one in package["resources"]}
    joined = tables["fact_clips"]
    for link in schemas["fact_clips"]["foreignKeys"]:
        (key,), other = link["fields"], link["reference"]["resource"]
        assert schemas[other]["primaryKey"] == [key] and tables[other][key].is_unique
        joined = joined.merge(tables[other], on=key, validate="many_to_one")
        assert len(joined) == len(SAID)
    joined = joined.assign(sentence=joined["words"]).sort_values("clip", ignore_index=True)
    tidy = tables["clips"]
    pd.testing.assert_frame_equal(joined[tidy.columns], tidy)
    emotions = tables["dim_emotion"].set_index("emotion")
    assert emotions["class"].to_dict() == {"sad": "unpleasant", "angry": "unpleasant"}
    assert emotions["colour"].str.fullmatch("#[0-9a-f]{6}").all()


def test_without_pyarrow_the_run_says_what_is_missing(found, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(make, "parquet", lambda: False)
    nothing = pd.DataFrame(columns=["path", "corpus", "reason", "detail"])
    make.write(tmp_path, found, left_out=nothing)
    assert capsys.readouterr().out == f"{make.NO_PARQUET}\n"
    assert not [*tmp_path.rglob("*.parquet")]


def test_the_page_has_the_dictionary(model) -> None:
    page = (ROOT / "docs" / "tables.md").read_text("utf-8")
    shown = re.search(r"<!-- dictionary -->\n(.*)\n<!-- /dictionary -->", page, re.S)[1]
    assert shown == columns.as_markdown(model.labels), (
        "put what columns.as_markdown(Release.load().labels) gives between the marks"
    )
    query = (ROOT / "analysis" / "star.pq").read_text("utf-8")
    names = [t.name for t in columns.tables(model.labels) if t.path.startswith("star/")]
    listed = re.search(r"Names = \{(.*?)\}", query)[1]
    assert re.findall(r'"(\w+)"', listed) == names
    assert all(f"Star[{name}]" in page for name in names)


def test_the_command_writes_tables_or_runs_notebooks(monkeypatch, capsys, tmp_path) -> None:
    asked = []

    def made(data, output, *, model):
        asked.append((data, output, model))
        return [tmp_path / "clips.csv"]

    monkeypatch.setattr(make, "make", made)
    assert program.main(["tables", "--data", "x", "--output", "y"]) == 0
    assert asked == [("x", "y", predict.model_folder(None))]
    assert capsys.readouterr().out == f"{tmp_path / 'clips.csv'}\n"
    assert program.main(["tables", "--data", "x", "--output", "y", "jobs=1"]) == 2
    ran = {}
    monkeypatch.setattr(pipeline, "run", lambda folder, **how: ran.update(folder=folder, **how))
    assert program.main(["tables", "--data", "x", "--model", "m", "jobs=1"]) == 0
    assert ran["folder"] == ROOT / "runs" / "tables" and ran["recordings"] == "x"
    assert ran["stages"] == ["01_index", "10_corpora"]
    assert ran["parameters"] == {"jobs": "1", "model_dir": "m"}
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert program.main(["tables", "--data", "x"]) == 1
    assert "expected the repository" in capsys.readouterr().err
