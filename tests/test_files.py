from __future__ import annotations

import os
import stat

import numpy as np
import pandas as pd
import pytest

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.workflow import runs
from ser_tinyml.workflow.runs import Run


def test_what_is_written_is_read_back(tmp_path):
    folder = tmp_path / "new" / "folder"
    files.write_json(folder / "a.json", {"b": [1, 2.5, None, "ü"], "a": True})
    assert files.read_json(folder / "a.json") == {"a": True, "b": [1, 2.5, None, "ü"]}
    table = pd.DataFrame({"name": ["a", "", "NA"], "n": [1, 2, 3]})
    files.write_table(folder / "a.csv", table)
    pd.testing.assert_frame_equal(files.read_table(folder / "a.csv"), table, check_dtype=False)
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    files.write_array(folder / "a.npy", array)
    np.testing.assert_array_equal(np.load(folder / "a.npy"), array)


def test_the_same_value_gives_the_same_bytes_whatever_its_order(tmp_path):
    one = files.write_json(tmp_path / "1.json", {"b": 1, "a": 2}).read_bytes()
    two = files.write_json(tmp_path / "2.json", {"a": 2, "b": 1}).read_bytes()
    assert one == two and one.endswith(b"}\n")
    assert files.sha256_json({"b": 1, "a": 2}) == files.sha256_json({"a": 2, "b": 1})
    assert files.sha256_json({"a": 2}) != files.sha256_json({"a": 2.5})


def test_text_keeps_its_line_ends(tmp_path):
    assert files.write_text(tmp_path / "a", "a\nb\r\n").read_bytes() == b"a\nb\r\n"
    table = pd.DataFrame({"a": [1]})
    assert files.write_table(tmp_path / "b", table).read_bytes() == b"a\n1\n"


def test_a_stop_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = files.write_text(tmp_path / "a.txt", "old")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_what_is_written(tmp_path):
    mode = files.write_text(tmp_path / "a", "a").stat().st_mode
    assert stat.S_IMODE(mode) == 0o644


def test_not_a_number_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read", [files.read_bytes, files.read_json, files.read_table])
def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path, read):
    with pytest.raises(DataError, match="none.csv: expected a readable file, found: No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(DataError, match="expected a readable file, found: Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("read", "content", "expected"),
    [
        (files.read_json, b"{", "expected JSON, found: "),
        (files.read_json, b"\xff\xfe", "expected JSON, found: "),
        (files.read_table, b"", "expected a CSV table, found: "),
        (files.read_table, b'a,b\n1,2,3\n"', "expected a CSV table, found: "),
        (files.read_table, b"a\n\xff\n", "expected a CSV table, found: "),
    ],
)
def test_a_damaged_file_is_named(tmp_path, read, content, expected):
    path = files.write_bytes(tmp_path / "bad.file", content)
    with pytest.raises(DataError, match=f"bad.file: {expected}"):
        read(path)


def test_a_run_hands_files_from_stage_to_stage(tmp_path):
    run = Run(tmp_path / "runs" / "demo")
    assert run.name == "demo"
    folder = run.output("01_index")
    files.write_text(folder / "clips.csv", "a\n")
    assert run.input("01_index", "clips.csv") == tmp_path / "runs/demo/01_index/clips.csv"


def test_a_missing_input_says_which_notebook_makes_it(tmp_path):
    run = Run(tmp_path)
    with pytest.raises(DataError, match="01_index.clips.csv: .*: run notebooks/01_index.ipynb"):
        run.input("01_index", "clips.csv")
    with pytest.raises(DataError, match="01_index.metrics.json"):
        run.metrics("01_index")


def test_a_new_attempt_takes_the_mark_of_completion_away(tmp_path):
    files.write_json(tmp_path / "01_index" / runs.DONE, {})
    files.write_text(tmp_path / "01_index" / "clips.csv", "kept, to go on from")
    folder = Run(tmp_path).output("01_index")
    assert [path.name for path in folder.iterdir()] == ["clips.csv"]


def test_metrics_are_plain_numbers(tmp_path):
    run = Run(tmp_path)
    values = {
        "float": np.float32(1) / 3,
        "int": np.int64(7),
        "bool": np.bool_(True),
        "nan": float("nan"),
        "array": np.array([[1.23456789, 2.0]]),
        "tuple": (1, "a"),
        3: None,
    }
    run.write_metrics("03_train", values)
    assert run.metrics("03_train") == {
        "float": 0.333333,
        "int": 7,
        "bool": True,
        "nan": None,
        "array": [[1.23457, 2.0]],
        "tuple": [1, "a"],
        "3": None,
    }


@pytest.mark.parametrize("write", [files.write_text, files.write_json])
def test_what_cannot_be_written_is_named(tmp_path, write):
    files.write_text(tmp_path / "a file", "in a folder's place")
    with pytest.raises(DataError, match="a file/b.txt: expected to write it, found: "):
        write(tmp_path / "a file" / "b.txt", "text")


def test_an_error_of_the_operating_system_is_one_line_that_names_a_path(tmp_path):
    with pytest.raises(DataError, match="^the folder: expected .* found: No space left on device"):
        with files.naming("the folder"):
            with open("/dev/full", "w") as stream:
                stream.write("text")
    with pytest.raises(DataError, match="^.*nothing: expected .* found: No such file or directory"):
        with files.naming("the folder"):
            (tmp_path / "nothing").read_text()
    with pytest.raises(BrokenPipeError):
        with files.naming("the folder"):
            raise BrokenPipeError


def test_a_listing_passes_over_hidden_files_and_links_that_lead_nowhere(tmp_path):
    for name in ("b/c.txt", "a.txt", ".hidden", ".folder/d.txt"):
        files.write_text(tmp_path / name, name)
    (tmp_path / "b" / "again").symlink_to(tmp_path)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    assert [(name, size) for name, size, _ in files.listing(tmp_path)] == [
        ("a.txt", 5),
        ("b/c.txt", 7),
        ("b/again/a.txt", 5),
    ]
