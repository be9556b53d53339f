"""A house with toy notebooks, for the tests of what runs them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import toy_notebooks

from ser_tinyml import files
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import pipeline
from ser_tinyml.workflow.stages import STAGES

PROGRAM = """\
import functools, resource, signal, sys
from pathlib import Path

from ser_tinyml import __main__ as commands
from ser_tinyml.workflow import pipeline, runs

# a shell ignores SIGINT for what runs in its background, tests and their children too
signal.signal(signal.SIGINT, signal.default_int_handler)
run_dir, recordings, notebooks_dir, largest, *stages = sys.argv[1:]
if int(largest):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), resource.RLIM_INFINITY))
runs.folder_of = lambda name: Path(run_dir)
pipeline.run = functools.partial(pipeline.run, notebooks_dir=notebooks_dir)
stages = [word for stage in stages for word in ("--stage", stage)]
sys.exit(commands.main(["run", "--data", recordings, *stages]))
"""


PATIENCE_S = 200  # for a process that starts on a machine with much else to do


class House:
    """A folder with toy notebooks, recordings and a run; its path is a nasty one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notebooks = root / "notebooks"
        self.recordings = root / "my recordings"
        self.run_dir = root / "runs" / "a run"

    def run(self, **options) -> list[str]:
        options = {"recordings": self.recordings, "progress": False, **options}
        return pipeline.run(self.run_dir, notebooks_dir=self.notebooks, **options)

    def result(self, stage: str, name: str):
        return files.read_json(self.run_dir / stage / name)

    @contextlib.contextmanager
    def process(
        self, *, stages: Sequence[str] = (), largest: int = 0
    ) -> Iterator[subprocess.Popen[str]]:
        """The same in a process of its own, which writes no file over `largest` bytes, if any."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM]
            + [self.run_dir, self.recordings, self.notebooks, str(largest), *stages],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def wait_in(self, stage: str) -> Path:
        """Let a stage wait, after it wrote the id of its process into the file that is returned."""
        started = self.root / "started"
        source = f"Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
        toy_notebooks.write(self.notebooks, stage, source)
        return started


def wait_for(path: Path, process: subprocess.Popen[str]) -> str:
    """What is in a file that a process writes, as soon as there is something."""
    until = time.monotonic() + PATIENCE_S
    while not path.exists() or not path.read_text():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    return path.read_text()


@pytest.fixture
def waiting():
    return wait_for


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> House:
    house = House(tmp_path_factory.mktemp("finished") / "a hoüse & 'more'")
    toy_notebooks.write_all(house.notebooks)
    files.write_text(house.recordings / "sub" / "one.wav", "one")
    assert house.run(parameters={"mb": 300}) == list(STAGES)
    return house


@pytest.fixture
def house(finished: House, tmp_path: Path) -> House:
    copy = House(tmp_path / "it's a copy")
    shutil.copytree(finished.root, copy.root)
    return copy
