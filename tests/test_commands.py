"""The command line: its help, what it hands over, and what becomes of errors."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

import ser_tinyml
from ser_tinyml import __main__ as command_line
from ser_tinyml import provenance
from ser_tinyml.apps import predict
from ser_tinyml.commands import command
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import pipeline, publish

COMMANDS = [entry for group in command_line.GROUPS.values() for entry in group]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    try:
        status = command_line.main(arguments)
    except SystemExit as stop:
        status = stop.code
    return status, *capsys.readouterr()


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_explains_itself_with_examples_that_are_right(entry, capsys):
    status, text, _ = run(capsys, entry.name, "--help")
    assert status == 0
    assert text.startswith(f"usage: ser-tinyml {entry.name} ")
    assert entry.description.split(". ")[0].split()[0] in text and "examples:" in text
    parser = command.parser(command_line.GROUPS)
    for example in entry.examples:
        assert f"  ser-tinyml {example}\n" in text
        assert parser.parse_args(shlex.split(example)).command is entry


def test_the_list_of_commands_and_the_version(capsys):
    status, text, _ = run(capsys, "--help")
    assert status == 0
    for heading, entries in command_line.GROUPS.items():
        assert f"\n{heading}:\n" in text
        assert all(f"\n  {entry.name} " in text and entry.summary in text for entry in entries)
    assert run(capsys, "--version")[:2] == (0, f"ser-tinyml {ser_tinyml.__version__}\n")


def test_help_is_there_at_once():
    """Seconds of the processor: others may be at work on this machine."""
    code = (
        "import sys; from ser_tinyml.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "import time; print(time.process_time(), {'numpy', 'pandas', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    seconds, loaded = done.stdout.splitlines()[-1].split(maxsplit=1)
    assert float(seconds) < 0.3 and loaded == "set()"


def test_wrong_usage(capsys):
    for arguments in ([], ["nonsense"], ["predict"], ["run", "--speed", "3"]):
        status, out, err = run(capsys, *arguments)
        assert (status, out) == (2, "") and "usage: ser-tinyml" in err
    status, out, err = run(capsys, "board", "report", "--seconds", "3")
    assert (status, out) == (2, "") and "--seconds is not for board report" in err
    for more, said in [
        (["seed=1"], "parameters, --parquet and --master are not for --check"),
        (["--master", "yarn"], "parameters, --parquet and --master are not for --check"),
        (["--many", "0"], "--many: expected 1 or more, found 0"),
    ]:
        status, out, err = run(capsys, "spark", "--data", "x", "--check", *more)
        assert (status, out) == (2, "") and err.startswith(f"error: {said}\n")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (DataError("x: expected y, found z"), 1, "error: x: expected y, found z"),
        (
            PermissionError(13, "Permission denied", "/x/y"),
            1,
            "error: /x/y: expected to read or write it, found: Permission denied",
        ),
        (
            OSError(28, "No space left on device"),
            1,
            "error: publish: expected to read or write it, found: No space left on device",
        ),
        (
            ModuleNotFoundError("No module named 'librosa'", name="librosa"),
            1,
            "error: publish: expected librosa to be installed, found it is not: "
            'pip install "ser-tinyml[pipeline]"',
        ),
        (KeyboardInterrupt("stopped in 03_train"), 130, "\nstopped in 03_train"),
        (KeyboardInterrupt(), 130, "\nstopped"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(error, status, line, capsys, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(publish, "publish", fail)
    assert run(capsys, "publish", "release") == (status, "", f"{line}\n")


def test_what_is_broken_in_the_package_itself_is_not_hidden(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'ser_tinyml.x'", name="ser_tinyml.x")

    monkeypatch.setattr(publish, "publish", fail)
    with pytest.raises(ModuleNotFoundError):
        command_line.main(["publish", "release"])


def test_without_the_repository_it_is_asked_for(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    for entry in COMMANDS:
        if entry.in_checkout:
            status, out, err = run(capsys, *shlex.split(entry.examples[0]))
            assert (status, out) == (1, "")
            assert err.startswith(f"error: {entry.name}: expected the repository")
            assert len(err.splitlines()) == 1
    free = {entry.name for entry in COMMANDS if not entry.in_checkout}
    assert free == {"predict", "page", "pitch", "board", "adapt", "download", "tables", "spark"}


def test_predict_hands_its_options_over(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        predict, "predict", lambda files, **options: seen.update(files=files, **options) or 1
    )
    line = "predict a.wav b --model runs/demo --steps --json --picture p.png"
    assert command_line.main(line.split()) == 1
    assert seen == {
        "files": ["a.wav", "b"],
        "model": "runs/demo",
        "steps": True,
        "in_json": True,
        "picture": "p.png",
    }


@pytest.mark.parametrize(
    ("line", "folder", "stages"),
    [
        ("run epochs=3", "demo", None),
        ("run --data '' --experiment '' --run '' epochs=3", "demo", None),
        ("run --data x epochs=3", "real", None),
        ("run --data x --run mine --stage 03_train epochs=3", "mine", ["03_train"]),
        (
            *("evaluate --data x epochs=3", "release"),
            ["01_index", "07_evaluate", "09_your_voice"],
        ),
        ("ablations --data x epochs=3", "release", ["01_index", "08_ablations", "15_teachers"]),
        ("tables --data x epochs=3", "tables", ["01_index", "10_corpora"]),
    ],
)
def test_run_chooses_folder_and_stages(line, folder, stages, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        pipeline, "run", lambda run_dir, **options: seen.update(run_dir=run_dir, **options)
    )
    assert command_line.main(shlex.split(line)) == 0
    assert seen["run_dir"] == ROOT / "runs" / folder
    assert seen["recordings"] == ("x" if "--data x" in line else None)
    assert seen["parameters"]["epochs"] == "3" and seen["force"] is False
    if stages is not None:
        assert list(seen["stages"]) == stages


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run --run ../evil", "run '../evil': expected a name"),
        ("publish ../../evil", "run '../../evil': expected a name"),
        ("publish", "publish: expected the name of a run or --first-steps, found neither"),
        ("publish release --first-steps", "publish: expected the name of a run or --first-steps"),
        ("run epochs", "epochs: expected NAME=VALUE, for example epochs=3"),
        ("run --experiment nonsense", "experiment 'nonsense': expected one of "),
    ],
)
def test_what_run_refuses_before_it_starts(line, said, capsys):
    status, out, err = run(capsys, *line.split())
    assert (status, out) == (1, "") and err.startswith(f"error: {said}")
    assert not (ROOT.parent / "evil").exists()
