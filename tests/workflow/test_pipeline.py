from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys

import nbformat
import psutil
import pytest
import toy_notebooks

from ser_tinyml import __main__ as commands
from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import execution, notebooks, parameters, pipeline
from ser_tinyml.workflow.paths import Paths
from ser_tinyml.workflow.stages import STAGES


def test_everything_up_to_date_is_not_done_again(house, capsys):
    before = {p: p.stat().st_mtime_ns for p in house.root.rglob("*") if p.is_file()}
    assert house.run(parameters={"mb": "300"}) == []
    said = capsys.readouterr().out
    assert said.count("is up to date (") == len(STAGES)
    assert {p: p.stat().st_mtime_ns for p in house.root.rglob("*") if p.is_file()} == before


def test_a_parameter_reruns_from_its_stage_on_and_reaches_every_stage_that_knows_it(house):
    options = {"shift": "3", "keep": "last", "clean": "false", "epochs": 1, "mb": 300}
    assert house.run(parameters=options) == list(STAGES[1:])
    assert house.result("02_features", "features.json") == [3.0, ""]
    assert house.result("03_train", "seen.json")[:4] == [1, 3.0, "last", False]


def test_a_stage_sees_relative_paths_and_the_folder_of_the_notebooks(house):
    given = house.result("01_index", "done.json")["given"]
    assert given["run_dir"] == "../runs/a run"
    assert given["recordings_dir"] == "../my recordings"
    assert given["speak_demo"] is False
    assert house.result("05_export", "kernel.json")["here"] == "notebooks"


def test_the_kernel_is_this_interpreter_whatever_the_notebook_asks_for(house):
    kernel = house.result("05_export", "kernel.json")
    assert kernel["python"] == sys.executable
    assert kernel["TF_USE_LEGACY_KERAS"] == "1"
    assert kernel["MPLBACKEND"] == "module://matplotlib_inline.backend_inline"


def test_peak_memory_is_that_of_the_stage(house):
    peaks = {stage: house.result(stage, "done.json")["peak_rss_mb"] for stage in STAGES}
    assert 330 < peaks["04_convert"] < 700
    assert 30 < peaks["03_train"] < peaks["04_convert"] - 200


@pytest.mark.parametrize("change", ["new", "other", "gone"])
def test_other_recordings_rerun_all(house, change):
    one = house.recordings / "sub" / "one.wav"
    if change == "gone":
        one.unlink()
        (house.recordings / "two.wav").touch()
    else:
        files.write_text(one if change == "other" else one.with_name("two.wav"), "two")
    assert house.run(parameters={"mb": 300}, stages=STAGES[:2]) == list(STAGES[:2])


def test_recordings_that_moved_but_did_not_change_rerun_nothing(house):
    moved = house.recordings.rename(house.root / "moved")
    assert house.run(parameters={"mb": 300}, recordings=moved) == []


def test_background_folder_counts_by_its_content(house, monkeypatch):
    files.write_text(house.root / "noise" / "rain.wav", "rain")
    monkeypatch.chdir(house.root)
    options = {"parameters": {"background_dir": "noise"}, "stages": STAGES[:2]}
    assert house.run(**options) == ["02_features"]
    assert house.result("02_features", "features.json")[1] == "../noise"
    assert house.run(**options) == []
    files.write_text(house.root / "noise" / "rain.wav", "other")
    assert house.run(**options) == ["02_features"]


def test_a_result_that_is_gone_is_made_again_but_an_opened_notebook_is_nobodys_business(house):
    files.write_text(house.run_dir / "05_export" / "notebook.ipynb", "opened and saved")
    (house.run_dir / "04_convert" / "int8.tflite").unlink()
    assert house.run(parameters={"mb": 300}) == ["04_convert"]


def test_code_reruns_its_stage_but_a_comment_does_not(house):
    path = toy_notebooks.write(house.notebooks, "04_convert", "# thanks")
    assert house.run(parameters={"mb": 300}, stages=["04_convert"]) == ["04_convert"]
    path.write_text(path.read_text().replace("# thanks", "# many thanks"))
    assert house.run(parameters={"mb": 300}, stages=["04_convert"]) == []
    path.write_text(path.read_text().replace("# many thanks", "1 + 1"))
    assert house.run(parameters={"mb": 300}, stages=["04_convert"]) == ["04_convert"]


def test_force(house):
    assert house.run(stages=["05_export"], force=True) == ["05_export"]


def test_a_stage_before_has_to_be_done(house):
    (house.run_dir / "02_features" / "done.json").unlink()
    with pytest.raises(DataError, match="02_features.done.json: expected 02_features to be done"):
        house.run(stages=["03_train"])


def test_an_unknown_parameter_lists_the_known_ones_by_stage(house):
    with pytest.raises(DataError) as error:
        house.run(parameters={"epoch": 3})
    assert str(error.value).startswith("epoch: expected a parameter of a stage:\n")
    assert "  03_train: training, epochs, shift, keep, clean\n" in str(error.value)
    assert "run_dir" not in str(error.value)


@pytest.mark.parametrize("value", ["many", "1.5", 1.5, True, "[1]", ""])
def test_a_parameter_of_the_wrong_type(house, value):
    with pytest.raises(DataError, match="epochs: expected a whole number, found "):
        house.run(parameters={"epochs": value})


def test_recordings_that_are_not_there(house):
    with pytest.raises(DataError, match="nowhere: expected a folder of recordings"):
        house.run(recordings=house.root / "nowhere")


def test_a_failing_cell_is_named_and_the_run_goes_on_from_there(house, capsys):
    bad = 'def deep():\n    raise ValueError("a.wav: expected 1, found 2")'
    toy_notebooks.write(house.notebooks, "02_features", bad, "deep()")
    with pytest.raises(DataError) as error:
        house.run()
    folder = house.run_dir / "02_features"
    message = str(error.value).splitlines()
    assert message[0].startswith("02_features stopped in its cell [")
    assert message[0].endswith("which begins with: deep()")
    assert message[1] == "  ValueError: a.wav: expected 1, found 2"
    assert message[2].endswith("notebook.failed.ipynb") and len(message) == 3
    assert "deep()" in (folder / "notebook.failed.ipynb").read_text()
    assert not (folder / "done.json").exists()
    toy_notebooks.write(house.notebooks, "02_features")
    assert house.run(stages=STAGES[:2]) == ["02_features"]
    assert not (folder / "notebook.failed.ipynb").exists()
    assert "01_index is up to date" in capsys.readouterr().out


def test_a_kernel_that_dies_is_said_to_be_dead(house):
    toy_notebooks.write(house.notebooks, "01_index", "os._exit(9)")
    with pytest.raises(DataError, match="01_index: expected .* found that its process died"):
        house.run()


def test_interrupt_leaves_no_process_and_the_next_run_takes_up_where_it_stopped(house, waiting):
    started = house.wait_in("02_features")
    with house.process() as process:
        kernel = int(waiting(started, process))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.rstrip().endswith(
        "stopped in 02_features; the same command takes up where it stopped"
    )
    assert "Traceback" not in err + out
    assert not psutil.pid_exists(kernel)
    toy_notebooks.write(house.notebooks, "02_features")
    assert house.run(stages=STAGES[:2]) == ["02_features"]


def test_the_synthetic_corpus_is_spoken_once_and_is_part_of_the_key(house):
    spoken = {"recordings": None, "parameters": {"recordings_dir": house.root / "demo"}}
    spoken["stages"] = STAGES[:2]
    assert house.run(**spoken) == list(STAGES[:2])
    assert house.result("01_index", "clips.json") == ["a.wav"]
    assert house.run(**spoken) == []
    shutil.rmtree(house.root / "demo")
    assert house.run(**spoken) == list(STAGES[:2])


def test_what_cells_print_is_shown_live_and_the_headlines_at_the_end(house, capfd):
    house.run(progress=True, parameters={"epochs": 3}, stages=STAGES[:4])
    said = capfd.readouterr()
    for line in ("epoch 2", f"03_train: notebook 3 of {len(STAGES)}", "  01_index: 1 clips"):
        assert line in said.out.splitlines()
    assert "03_train took" in said.out
    bars = [line for line in said.err.splitlines() if line.startswith("03_train: ")]
    assert "| 0/" in bars[0]
    assert not [line for line in said.err.splitlines() if "\r" in line or "WARNING" in line]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_line_is_shown_while_its_cell_still_runs(house, stream):
    """As the epochs of a training, and on standard error those of the teachers before it."""
    seen = house.root / "seen"
    work = (
        f"print('epoch 1', recordings_dir, flush=True, file=sys.{stream})\n"
        f"while not Path({str(seen)!r}).exists():\n    time.sleep(0.05)"
    )
    toy_notebooks.write(house.notebooks, "02_features", work)
    with house.process(stages=STAGES[:2]) as process:
        for line in getattr(process, stream):
            if line.startswith("epoch 1"):
                # named as it was typed, not as the notebook sees it
                assert line == f"epoch 1 {house.recordings}\n"
                seen.touch()
        assert process.wait(timeout=30) == 0
    assert seen.exists()


def test_an_executed_notebook_does_not_say_whose_outputs_were_published(house):
    path = house.notebooks / "01_index.ipynb"
    book = notebooks.read_notebook(path)
    note = nbformat.v4.new_markdown_cell("From a run of ours.", id=notebooks.PUBLISHED)
    note.metadata["tags"] = [notebooks.PUBLISHED]
    book.cells.insert(3, note)
    nbformat.write(book, path)
    assert house.run(stages=["01_index"]) == []
    assert house.run(stages=["01_index"], force=True) == ["01_index"]
    executed = notebooks.read_notebook(house.run_dir / "01_index" / "notebook.ipynb")
    assert "From a run of ours." not in [cell.source for cell in executed.cells]
    assert "From a run of ours." in path.read_text()


def test_a_progress_bar_ends_as_one_line_in_a_log():
    stream = io.StringIO()
    lines = execution._Lines(stream, paths=Paths("."))
    for text in ("one\ntw", "o\n", "\r 0%", "\r 50%", "\r100%", "\nend"):
        lines.write(text)
    lines.flush_rest()
    assert stream.getvalue() == "one\ntwo\n100%\nend\n"


def test_no_notebook(tmp_path):
    files.write_text(tmp_path / "a.ipynb", "not one")
    with pytest.raises(DataError, match="a.ipynb: expected a notebook, found: "):
        notebooks.read_notebook(tmp_path / "a.ipynb")


def test_help_is_quick_because_it_imports_nothing_heavy():
    call = (
        "import sys; from ser_tinyml.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'papermill', 'tensorflow', 'requests'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in ("run", "publish", "download", "bench"):
        assert name in done.stdout


def test_the_run_command(monkeypatch):
    calls = []
    monkeypatch.setattr(pipeline, "run", lambda *args, **options: calls.append((args, options)))
    assert commands.main(["run"]) == 0
    assert commands.main(["run", "--data", "a b", "epochs=3", "corpora=RAVDESS TESS"]) == 0
    assert commands.main(["run", "--data", "", "--run", "x", "--stage", "03_train"]) == 0
    assert [args[0] for args, _ in calls] == [ROOT / "runs" / n for n in ("demo", "real", "x")]
    assert [options["recordings"] for _, options in calls] == [None, "a b", None]
    assert calls[1][1]["parameters"] == {"epochs": "3", "corpora": "RAVDESS TESS"}
    assert calls[2][1]["stages"] == ["03_train"]


def test_an_experiment_is_a_file_of_parameters_and_gives_the_run_its_name(monkeypatch):
    calls = []
    monkeypatch.setattr(pipeline, "run", lambda *args, **options: calls.append((args, options)))
    experiment = {"epochs": 20, "keep": "last", "stages": "01_index 02_features"}
    monkeypatch.setattr(parameters, "experiment", lambda name: dict(experiment))
    assert commands.main(["run", "--experiment", "leaky", "--data", "x", "epochs=1"]) == 0
    (((folder,), options),) = calls
    assert folder == ROOT / "runs" / "leaky"
    assert options["parameters"] == {"epochs": "1", "keep": "last"}
    assert options["stages"] == ["01_index", "02_features"]
    assert commands.main(["run", "--experiment", "leaky", "--stage", "03_train"]) == 0
    assert calls[1][1]["stages"] == ["03_train"]
    assert calls[1][1]["parameters"] == {"epochs": 20, "keep": "last"}


def test_a_wrong_command_is_one_line_and_exit_status_1(capsys):
    assert commands.main(["run", "--data", "no such folder"]) == 1
    assert capsys.readouterr().err == (
        "error: no such folder: expected a folder of recordings, found none\n"
    )
    assert commands.main(["run", "epochs"]) == 1
    assert "epochs: expected NAME=VALUE" in capsys.readouterr().err
