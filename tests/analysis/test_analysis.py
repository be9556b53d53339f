"""What needs more than make test installs: Parquet, and R where it is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from small_tables import speak

from ser_tinyml.apps.tables import columns, make
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite.release import Release

pytestmark = pytest.mark.analysis
R = shutil.which("Rscript")


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    recordings, folder = (tmp_path_factory.mktemp(name) for name in ("spoken", "tables"))
    make.make(speak(recordings), folder, jobs=1, progress=False)
    return folder


def test_parquet_is_the_same_table_with_units(tables) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    kinds = {columns.TEXT: "string", columns.WHOLE: "int64", columns.NUMBER: "double"}
    for table in columns.tables(Release.load().labels):
        path = tables / f"{table.path}.parquet"
        schema = parquet.read_schema(path)
        assert [(f.name, str(f.type)) for f in schema] == [
            (column.name, kinds[column.type]) for column in table.columns
        ]
        for field, column in zip(schema, table.columns, strict=True):
            assert field.metadata[b"unit"].decode() == column.unit
        of_type = {c.name: c.type for c in table.columns}
        how = {
            "dtype": {name: str for name, kind in of_type.items() if kind == columns.TEXT},
            "na_values": {name: [""] for name, kind in of_type.items() if kind != columns.TEXT},
        }
        csv = pd.read_csv(path.with_suffix(".csv"), keep_default_na=False, **how)
        read = pd.read_parquet(path)
        pd.testing.assert_frame_equal(read, csv[read.columns], check_dtype=False)


@pytest.mark.skipif(R is None, reason="needs Rscript")
class TestR:
    """The script draws what is in the tables."""

    def run(self, *given: str | Path) -> subprocess.CompletedProcess:
        has = subprocess.run([R, "-e", "library(ggplot2)"], capture_output=True)
        if has.returncode:
            pytest.skip("needs ggplot2")
        script = ROOT / "analysis" / "corpora.R"
        return subprocess.run([R, script, *given], capture_output=True, text=True)

    def test_it_draws_and_counts_as_python_does(self, tables, tmp_path) -> None:
        done = self.run(tables, tmp_path)
        assert done.returncode == 0, done.stderr
        names = ["distribution.png", "effects.csv", "effects.png", "intensity.png", "voice.png"]
        assert sorted(path.name for path in tmp_path.iterdir()) == names
        assert all(path.stat().st_size > 1000 for path in tmp_path.glob("*.png"))
        clips = pd.read_csv(tables / "clips.csv")
        means = clips.groupby(["speaker", "emotion"])["hnr_db"].mean().unstack()
        effects = pd.read_csv(tmp_path / "effects.csv").set_index("measure")
        line = effects.loc["HNR (dB)"]
        assert (line["emotion"], line["against"], line["speakers"]) == ("angry", "sad", 2)
        assert line["mean"] == pytest.approx((means["angry"] - means["sad"]).mean())

    def test_it_says_what_it_lacks(self, tmp_path) -> None:
        done = self.run(tmp_path / "nowhere")
        assert done.returncode == 1 and "clips.csv: expected what ser-tinyml tables" in done.stderr
        assert self.run().returncode == 1
