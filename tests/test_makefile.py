"""make: what it takes, and that a slip is not swallowed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from ser_tinyml.provenance import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def make(*arguments: str) -> subprocess.CompletedProcess:
    """What make would do, whatever make it was that started these tests."""
    outer = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        ["make", "-n", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "EPOCHS=3"], 'not EPOCHS; a parameter is given like this: PARAMS="epochs=3"'),
        (["run", "DATTA=x"], "make run takes DATA EXPERIMENT PARAMS RUN, not DATTA"),
        (["evaluate", "DATA=x", "RUN=y"], "make evaluate takes DATA PARAMS, not RUN"),
        (["test", "PARAMS=x"], "make test takes TESTS, not PARAMS"),
        (["clean", "X=1"], "make clean takes no variables, not X"),
        (["run", "epochs"], "epochs: expected one of help run evaluate"),
        (["rnu"], "rnu: expected one of help run evaluate"),
    ],
)
def test_a_slip_is_refused(arguments, said):
    done = make(*arguments)
    assert done.returncode == 2 and said in done.stderr and not done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "PARAMS=epochs=3 seed=1", "DATA=x", "RUN=y", "EXPERIMENT=z"], " epochs=3 seed=1"),
        (["run", "PYTHON=python3.12", "-j2"], " run --data "),
        (["evaluate", "DATA=x"], " evaluate --data "),
        (["tables", "DATA=x", "PARAMS=jobs=1"], ' tables --data "$DATA" jobs=1'),
        (["compare", "RUNS=a b"], " compare a b"),
        (["publish", "RUN=x", "PARAMS=--synthetic"], " --synthetic"),
        (["publish", "PARAMS=--first-steps"], " --first-steps"),
        (["test", "TESTS=tests/data -k demo"], " --dist loadfile tests/data -k demo"),
        (["long-test", "TESTS=tests/device"], " -m long tests/device"),
    ],
)
def test_what_is_right_is_handed_over(arguments, line):
    done = make(*arguments)
    assert done.returncode == 0 and line in done.stdout


@pytest.mark.parametrize(
    ("marker", "target"),
    [
        *((name, f"{name}-test") for name in ("site", "page", "docs", "spark", "systems", "long")),
        *(("analysis", "tables-test"), ("real", None)),
    ],
)
def test_a_target_names_the_folders_of_all_tests_that_it_is_for(marker, target):
    """To read the others takes longer than many of them."""
    said = make(target).stdout if target else (ROOT / ".ci" / "run").read_text("utf-8")
    named = re.search(rf"-m {marker} ((?:tests/\w+ ?)+)", said)[1].split()
    marked = re.compile(rf"\bmark\.{marker}\b")
    folders = {
        path.relative_to(ROOT).parts[1]
        for path in (ROOT / "tests").rglob("test_*.py")
        if marked.search(path.read_text("utf-8"))
    }
    assert {f"tests/{folder}" for folder in folders} == set(named)
