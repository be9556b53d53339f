"""Examples in docstrings, which the reference shows: each is run, and gives what stands there."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROMPT = ">>> "


def modules_with_examples() -> list[str]:
    """Names of the package's modules that show an example."""
    paths = sorted((ROOT / "ser_tinyml").rglob("*.py"))
    found = [path for path in paths if PROMPT in path.read_text("utf-8")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found]
    return [name.removesuffix(".__init__") for name in names]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_give_what_stands_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what an example does not find or write is not the repository's
    module = importlib.import_module(name)
    ran = doctest.testmod(module, extraglobs={name.rpartition(".")[2]: module})
    assert ran.failed == 0


def test_every_room_that_users_call_shows_examples():
    rooms = {name.split(".")[1] for name in modules_with_examples()}
    assert rooms >= {"apps", "data", "device", "evaluation", "files", "metrics", "workflow"}


def test_an_example_that_is_wrong_is_found():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=lambda text: None).failed == 1
