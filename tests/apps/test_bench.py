"""The bench times both ways over the clips of one corpus, and says whether they agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from make_audio import record

from ser_tinyml import files
from ser_tinyml.apps import bench
from ser_tinyml.files import DataError


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Two clips of TESS and one of SAVEE: tones that swell and fade."""
    folder = tmp_path_factory.mktemp("recordings")
    rate = 24_414
    time = np.arange(2 * rate) / rate
    for number, name in enumerate(("OAF_back_angry", "OAF_bar_happy", "DC_a01")):
        tone = np.sin(2 * np.pi * (200 + 90 * number) * time) * np.sin(np.pi * time / 2) ** 2
        record(folder / f"{name}.wav", (0.3 * tone).astype(np.float32), sample_rate=rate)
    return folder


def test_both_ways_are_timed_and_agree(recordings, tmp_path, capsys) -> None:
    out = tmp_path / "deep" / "bench.json"
    result = bench.run_bench(recordings, "TESS", out, progress=False)
    assert (result["corpus"], result["clips"], result["rows"]) == ("TESS", 2, 4)
    assert result["speedup"] == pytest.approx(result["loop_s"] / result["ours_s"], rel=1e-4)
    assert result["largest_difference"] < bench.MUST_DIFFERENCE
    assert files.read_json(out) == result
    said = capsys.readouterr().out
    assert said.startswith("2 clips of TESS, 4 rows") and said.endswith(f"written to {out}\n")


def test_a_corpus_without_clips_is_named(recordings, tmp_path) -> None:
    with pytest.raises(DataError, match=r"expected clips of RAVDESS, found \['SAVEE', 'TESS'\]"):
        bench.run_bench(recordings, "RAVDESS", tmp_path / "bench.json", progress=False)
    assert not (tmp_path / "bench.json").exists()


@pytest.mark.parametrize(
    ("speedup", "difference", "good"), [(4.0, 1e-4, True), (3.9, 1e-4, False), (5.0, 2e-4, False)]
)
def test_fast_and_equal_is_good(speedup, difference, good) -> None:
    assert bench.met({"speedup": speedup, "largest_difference": difference}) is good
