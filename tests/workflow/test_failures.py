"""A full disk, a folder that is none: one line that names the path, and no traceback."""

from __future__ import annotations

import re
import shutil

import pytest
import toy_notebooks

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.workflow.stages import STAGES

FULL = 'with open("/dev/full", "w") as stream:\n    stream.write("text")'


def message(house, **options) -> str:
    with pytest.raises(DataError) as error:
        house.run(**options)
    (line,) = str(error.value).splitlines()
    return line


def test_a_file_in_the_place_of_a_folder(house, monkeypatch):
    monkeypatch.chdir(house.root)
    shutil.rmtree(house.run_dir / "02_features")
    files.write_text(house.run_dir / "02_features", "a file")
    assert message(house) == (
        "runs/a run/02_features: expected to read or write it, found: File exists"
    )
    shutil.rmtree(house.run_dir)
    files.write_text(house.run_dir, "a file")
    assert message(house).startswith("runs/a run: expected to read or write it, found: ")
    shutil.rmtree(house.root / "runs")
    files.write_text(house.root / "runs", "a file")
    assert message(house).startswith("runs/a run: expected to read or write it, found: ")


@pytest.mark.parametrize(
    ("cell", "path", "found"),
    [
        (FULL, "runs/a run/02_features", "No space left on device"),
        ('open(recordings_dir + "/no.wav")', "my recordings/no.wav", "No such file or directory"),
        ('files.write_text(out, "text")', "runs/a run/02_features", "Is a directory"),
        ("files.read_bytes(out)", "runs/a run/02_features", "Is a directory"),
        (
            'raise PermissionError(13, "Permission denied", str(out / "a.npy"))',
            "runs/a run/02_features/a.npy",
            "Permission denied",
        ),
    ],
)
def test_in_a_cell_of_a_stage(house, monkeypatch, cell, path, found):
    monkeypatch.chdir(house.root)
    toy_notebooks.write(house.notebooks, "02_features", cell)
    assert re.fullmatch(
        rf"02_features: {path}: expected .*, found: {found} "
        r"\(cell \[6\] of runs/a run/02_features/notebook.failed.ipynb\)",
        message(house, stages=STAGES[:2], recordings="my recordings"),
    )


@pytest.mark.parametrize(
    ("largest", "size", "said"),
    [
        (500, 0, "01_index/notebook.partial.ipynb: expected to write it, found: "),
        (6_500, 0, "a run.*: expected to read or write it, found: "),
        (300_000, 1_000_000, "01_index/big.bin: expected to write it, found: File too large"),
    ],
    ids=["the notebook", "the notebook with its outputs", "a result"],
)
def test_no_room_for_a_file(house, largest, size, said):
    source = f"print('x' * 20_000)\nfiles.write_bytes(out / 'big.bin', bytes({size}))"
    toy_notebooks.write(house.notebooks, "01_index", source)
    with house.process(largest=largest, stages=STAGES[:1]) as process:
        _, err = process.communicate(timeout=200)
    assert process.returncode == 1
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert re.search(said, line)
    assert not (house.run_dir / "01_index" / "done.json").exists()
