"""Plugins are imported once each, in a known order; a broken one is named with its line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ser_tinyml import plugins
from ser_tinyml.files import DataError


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A process that has loaded nothing yet."""
    monkeypatch.setattr(plugins, "_sources", {})
    monkeypatch.setattr(plugins, "_files", {})
    monkeypatch.setattr(plugins, "_installed_loaded", True)
    monkeypatch.setattr(plugins, "_value_loaded", None)
    monkeypatch.delenv(plugins.VARIABLE, raising=False)


def write(folder: Path, **codes: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, code in codes.items():
        (folder / f"{name}.py").write_text(code)
    return folder


def note(name: str) -> str:
    """Code of a plugin that notes that it was imported."""
    return f"import os\nos.environ['SEEN'] = os.environ.get('SEEN', '') + '{name} '\n"


def test_without_the_variable_there_are_none():
    plugins.load()
    assert plugins.sources() == {}


def test_files_and_folders_in_the_order_named_each_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEN", "")
    many = write(tmp_path / "many", b=note("b"), a=note("a"), _helper=note("helper"))
    one = write(tmp_path, z=note("z")) / "z.py"
    monkeypatch.setenv(plugins.VARIABLE, os.pathsep.join(map(str, (one, many, many / "a.py"))))
    plugins.load()
    plugins.load()
    assert os.environ["SEEN"] == "z a b "
    assert plugins.sources() == {f"{name}.py": note(name) for name in "abz"}


def test_relative_paths_become_absolute_for_other_processes(tmp_path, monkeypatch):
    write(tmp_path / "mine", a="")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "mine")
    plugins.load()
    assert os.environ[plugins.VARIABLE] == str(tmp_path / "mine")
    monkeypatch.chdir("/")
    assert list(plugins.sources()) == ["a.py"]


def test_a_plugin_may_look_something_up_while_it_is_imported(tmp_path, monkeypatch):
    code = "from ser_tinyml import plugins\nplugins.load()\n"
    monkeypatch.setenv(plugins.VARIABLE, str(write(tmp_path, a=code) / "a.py"))
    assert plugins.sources() == {"a.py": code}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("\nx = (1,\n", "broken.py, line 2: .*SyntaxError"),
        ("def f():\n    return 1 / 0\n\nf()\n", "broken.py, line 2: .*ZeroDivisionError: division"),
        ("import json\njson.loads('{')\n", "broken.py, line 2: .*JSONDecodeError"),
        (
            "from ser_tinyml.files import DataError\nraise DataError('name: expected one')\n",
            "broken.py, line 2: expected a plugin that imports, found name: expected one",
        ),
    ],
)
def test_a_broken_plugin_is_named_with_its_line_at_every_look_up(tmp_path, monkeypatch, code, said):
    write(tmp_path / "mine", broken=code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "mine")
    for _ in range(2):
        with pytest.raises(DataError, match=f"^mine/{said}"):
            plugins.load()


def test_what_is_no_plugin_is_named_as_it_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "gone.py")
    with pytest.raises(DataError, match=r"^gone.py \(in SER_PLUGINS\): expected .* found nothing"):
        plugins.load()
    Path("notes.txt").write_text("")
    monkeypatch.setenv(plugins.VARIABLE, "notes.txt")
    with pytest.raises(DataError, match=r"^notes.txt .* found another file"):
        plugins.load()


def test_two_plugins_of_one_file_name_are_refused(tmp_path, monkeypatch):
    paths = [write(tmp_path / folder, same="") / "same.py" for folder in "xy"]
    monkeypatch.setenv(plugins.VARIABLE, os.pathsep.join(map(str, paths)))
    with pytest.raises(DataError, match=r"y/same.py: .* found the same at .*x/same.py"):
        plugins.load()


def test_installed_packages_are_found_by_their_entry_point(tmp_path):
    package = write(tmp_path / "my_corpora", __init__="from my_corpora import inner\n", inner="")
    info = tmp_path / "my_corpora-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-corpora\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ser_tinyml.plugins]\nmine = my_corpora\n")
    code = "from ser_tinyml import plugins; print(list(plugins.sources()))"
    root = str(Path(plugins.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((root, str(tmp_path)))}

    def answer() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )

    assert answer().stdout == "['my_corpora.__init__', 'my_corpora.inner']\n"
    (package / "inner.py").write_text("1 / 0\n")
    assert r"installed plugin mine (my_corpora): expected one that imports" in answer().stderr
