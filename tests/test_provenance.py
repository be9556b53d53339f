from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import Stamp, module_hashes


@pytest.fixture
def stamp(tmp_path: Path) -> Stamp:
    files.write_text(tmp_path / "result" / "deep" / "a.txt", "one")
    files.write_text(tmp_path / "result" / "log.txt", "one")
    return Stamp(tmp_path / "result" / "done.json", leave_out=("log.txt",))


def test_a_stamp_matches_what_it_was_made_from_and_nothing_else(stamp):
    assert stamp.matches({"a": 1, "b": [2]}) is None
    key = stamp.write({"a": 1, "b": [2]}, seconds=3)
    assert stamp.matches({"b": [2], "a": 1}) == stamp.read()
    assert stamp.read() == {"key": key, "seconds": 3, "files": {"deep/a.txt": 3}}
    assert stamp.matches({"a": 1, "b": [3]}) is None


@pytest.mark.parametrize("change", ["gone", "other size"])
def test_a_result_that_lost_a_file_is_not_whole(stamp, change):
    stamp.write("x")
    path = stamp.path.parent / "deep" / "a.txt"
    path.unlink() if change == "gone" else path.write_text("longer")
    assert stamp.matches("x") is None
    assert stamp.missing() == ["deep/a.txt"]


def test_what_is_no_part_of_a_result_may_change(stamp):
    stamp.write("x")
    files.write_text(stamp.path.parent / "log.txt", "longer")
    files.write_text(stamp.path.parent / "new.txt", "new")
    files.write_text(stamp.path.parent / ".hidden", "new")
    assert stamp.matches("x")


@pytest.mark.parametrize("text", ['"an older form"', "[]", "{}"])
def test_another_files_json_is_no_stamp(stamp, text):
    files.write_text(stamp.path, text)
    assert stamp.matches("x") is None


def test_no_stamp(stamp):
    with pytest.raises(DataError, match="done.json: expected a finished result, found none"):
        stamp.read()


def test_modules_count_with_all_that_they_import(tmp_path):
    package = tmp_path / "ser_tinyml"
    for name, source in {
        "__init__": "",
        "used": "from ser_tinyml.deep import names",
        "deep/__init__": "",
        "deep/names": "import numpy\ndef f():\n    import ser_tinyml.late",
        "late": "a = 1",
        "unused": "",
    }.items():
        files.write_text(package / f"{name}.py", source)
    cell = nbformat.v4.new_code_cell("from ser_tinyml import used as u")
    book = nbformat.v4.new_notebook(cells=[cell])
    before = module_hashes([cell.source for cell in book.cells], root=tmp_path)
    assert list(before) == [
        "ser_tinyml",
        "ser_tinyml.deep",
        "ser_tinyml.deep.names",
        "ser_tinyml.late",
        "ser_tinyml.used",
    ]
    files.write_text(package / "late.py", '"""What it is."""\n\na = 1  # of them\n')
    assert module_hashes([cell.source for cell in book.cells], root=tmp_path) == before
    files.write_text(package / "late.py", "a = 2")
    after = module_hashes([cell.source for cell in book.cells], root=tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"ser_tinyml.late"}


def test_what_a_package_finds_in_its_folder_counts_too(tmp_path):
    package = tmp_path / "ser_tinyml"
    for name, source in {
        "__init__": "",
        "z": "z = 1",
        "kinds/__init__": "for module in pkgutil.iter_modules(__path__):\n    load(module)\n",
        "kinds/one": "x = 1",
        "kinds/two": "from ser_tinyml import z",
    }.items():
        files.write_text(package / f"{name}.py", source)
    before = module_hashes(["import ser_tinyml.kinds"], root=tmp_path)
    inner = ("kinds", "kinds.one", "kinds.two", "z")
    assert list(before) == ["ser_tinyml", *(f"ser_tinyml.{name}" for name in inner)]
    files.write_text(package / "kinds" / "one.py", "x = 2")
    after = module_hashes(["import ser_tinyml.kinds"], root=tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"ser_tinyml.kinds.one"}
