"""One run, one folder: its name, and who may write to it."""

from __future__ import annotations

import re
import time

import psutil
import pytest
import toy_notebooks

from ser_tinyml import __main__ as commands
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import runs
from ser_tinyml.workflow.stages import STAGES

BAD = ["../evil", "/tmp/evil", "", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\n", "é"]


@pytest.mark.parametrize("name", ["demo", "real-2", "a.b_C", "7"])
def test_a_runs_name_is_its_folders(name):
    assert runs.folder_of(name) == ROOT / "runs" / name


@pytest.mark.parametrize("name", BAD)
def test_a_name_cannot_lead_out_of_the_folder_of_runs(name):
    with pytest.raises(DataError, match="expected a name of letters, digits"):
        runs.folder_of(name)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", ".", "a b"])
@pytest.mark.parametrize("command", [["run", "--run"], ["publish"], ["results"], ["compare"]])
def test_every_command_refuses_such_a_name_in_one_line(command, name, capsys):
    assert commands.main([*command, name]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: run {name!r}: expected a name of ")


def test_a_second_run_in_a_folder_is_refused_at_once(house, waiting):
    started = house.wait_in("01_index")
    with house.process() as first:
        waiting(started, first)
        with house.process() as second:
            out, err = second.communicate(timeout=200)
        assert (second.returncode, out) == (1, "")
        assert first.poll() is None  # it was not waited for
        found = re.fullmatch(
            r"error: .*a run: expected a run of its own, found process (\d+) on \S+ at work in it "
            r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n",
            err,
        )
        assert found and int(found[1]) == first.pid


def test_a_run_that_was_killed_does_not_block_and_its_kernel_ends(house, waiting):
    started = house.wait_in("01_index")
    with house.process() as first:
        kernel = int(waiting(started, first))
        first.kill()
        first.wait()
        assert (house.run_dir / runs.HOLDER).is_file()
        toy_notebooks.write(house.notebooks, "01_index")
        assert house.run(stages=STAGES[:1]) == ["01_index"]
    until = time.monotonic() + 60
    while psutil.pid_exists(kernel) and psutil.Process(kernel).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert not (house.run_dir / runs.HOLDER).exists()


def test_who_holds_a_folder_may_not_be_known_yet(tmp_path):
    with runs.held(tmp_path):
        assert runs._holder(tmp_path).startswith("process ")
        (tmp_path / runs.HOLDER).write_text("")
        assert runs._holder(tmp_path) == "another process at work in it"
