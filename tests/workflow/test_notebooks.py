"""How notebooks are written, and that they all run, headless, on a small synthetic corpus."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path
from typing import Any

import pytest

from ser_tinyml import files
from ser_tinyml.evaluation import trials
from ser_tinyml.features.rows import RowPlan
from ser_tinyml.provenance import ROOT
from ser_tinyml.training.recipe import Recipe
from ser_tinyml.workflow import notebooks, parameters, pipeline, publish
from ser_tinyml.workflow.execution import EXECUTED
from ser_tinyml.workflow.runs import Run
from ser_tinyml.workflow.stages import ALL, FIELD, RESEARCH, STAGES

PATHS = [ROOT / "notebooks" / f"{stage}.ipynb" for stage in ALL]
ALL_PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))  # with the one that belongs to no run
LONGEST_CELL = 25
LONGEST_PARAMETERS = 30  # a line each, and nothing else
LONGEST_MEDIAN = 6
LARGEST_MODEL = 180_000  # bytes

every_stage = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
every_notebook = pytest.mark.parametrize("path", ALL_PATHS, ids=lambda path: path.stem)


def lines(source: str) -> int:
    return len(source.strip().splitlines())


def test_every_stage_has_its_notebook():
    assert [path.stem for path in ALL_PATHS] == [publish.FIRST_STEPS, *ALL]


def defaults_of(stage: str) -> dict[str, Any]:
    book = notebooks.read_notebook(ROOT / "notebooks" / f"{stage}.ipynb")
    return parameters.defaults_of(book, stage)


def test_the_notebook_trains_as_the_trials_that_score_it_do():
    """Literals cannot be derived; here they are held to what they repeat."""
    settings = trials.seeded(trials.Settings(), 0)
    assert RowPlan.of(defaults_of("02_features")) == settings.rows == RowPlan()
    parameters = defaults_of("03_train") | defaults_of("04_convert")
    assert Recipe.of(parameters) == settings.recipe


def test_all_notebooks_that_know_a_parameter_begin_with_the_same_value():
    known: dict[str, dict[str, Any]] = {}
    for stage in ALL:
        for name, value in defaults_of(stage).items():
            known.setdefault(name, {})[stage] = value
    differ = {
        name: values for name, values in known.items() if len({*map(repr, values.values())}) > 1
    }
    assert set(differ) <= {"epochs"}  # of many ablations each is trained for less


@every_stage
def test_notebook_is_written_as_agreed(path):
    book = notebooks.read_notebook(path)
    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    assert book.metadata == notebooks.KERNEL
    head, imports, literals, config = [
        cell for cell in book.cells if notebooks.PUBLISHED not in cell.metadata.get("tags", [])
    ][:4]
    assert head.cell_type == "markdown"
    for word in ("**In:**", "**Out:**", "**Time:**"):
        assert word in head.source
    assert all(isinstance(s, (ast.Import, ast.ImportFrom)) for s in ast.parse(imports.source).body)
    assert literals.metadata.tags == ["parameters"]
    assert "run_dir" in parameters.defaults_of(book, path.stem)
    assert config.cell_type == "code"
    ids = [cell.id for cell in book.cells]
    assert len(set(ids)) == len(ids)
    assert all(cell.source.strip() for cell in book.cells)


@every_stage
def test_a_parameter_says_what_it_is(path):
    (cell,) = [
        cell
        for cell in notebooks.code_cells(notebooks.read_notebook(path))
        if "parameters" in cell.metadata.get("tags", [])
    ]
    assert lines(cell.source) <= LONGEST_PARAMETERS
    without = [line for line in cell.source.splitlines() if "  # " not in line]
    assert [line for line in without if not line.startswith("seed = ")] == []


@every_notebook
def test_code_cells_are_thin(path):
    cells = notebooks.code_cells(notebooks.read_notebook(path))
    sources = [c.source for c in cells if "parameters" not in c.metadata.get("tags", [])]
    sizes = [lines(source) for source in sources]
    assert max(sizes) <= LONGEST_CELL
    assert statistics.median(sizes) <= LONGEST_MEDIAN
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    assert not [node.name for node in nodes if isinstance(node, ast.ClassDef)]
    assert "chdir" not in "".join(sources)


@every_notebook
def test_outputs_can_be_published(path):
    metrics = ROOT / "models" / "metrics.json"
    synthetic = not metrics.is_file() or files.read_json(metrics)["01_index"]["synthetic"]
    synthetic |= path.stem == publish.FIRST_STEPS
    for cell in notebooks.code_cells(notebooks.read_notebook(path)):
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", cell.id
            assert notebooks.absolute_paths(output) == [], cell.id
            assert synthetic or not notebooks.has_player(output), cell.id


class Headless:
    """One small run of all notebooks, kept for all tests below."""

    def __init__(self, folder: Path) -> None:
        self.run = Run(folder / "runs" / "small")
        self.parameters = {
            "recordings_dir": folder / "demo",
            "demo_scale": 0.01,  # one clip of each emotion by each speaker
            "augmented_rows": 1,
            "epochs": 2,
            "teachers": 1,  # in each of two generations; tests/training has several side by side
            "latency_inferences": 5,
            "port": "virtual",  # whatever is plugged in here
            "seconds": 6.0,
            "speed": 0.0,
            "calibration_clips": 32,
        }

    def do(self, **changed) -> list[str]:
        return pipeline.run(self.run.folder, parameters={**self.parameters, **changed})

    def research(self) -> list[str]:
        """In the kernels' own processes: each other one would start TensorFlow anew.

        Trials side by side are tested in tests/evaluation/test_trials.py, sounds in
        test_listening.py, teachers in tests/training/test_teachers.py.
        """
        parameters = {
            **self.parameters,
            "epochs": 1,
            "seeds": "0",
            "test_folds": "0",
            "conditions": "pink 10 dB",
            "alarm_hours": 0.02,
            "names": "default | 2 s",
            "clips_a_class": "1 3",
            "resamples": 20,
            "jobs": 1,
        }
        return pipeline.run(self.run.folder, parameters=parameters, stages=RESEARCH)

    def field(self) -> list[str]:
        """As `research`; systems side by side are tested in tests/doors/test_system.py."""
        parameters = {
            "recordings_dir": self.parameters["recordings_dir"],
            **{"quick": True, "seeds": "0", "test_folds": "0", "jobs": 1},
            **{"systems_shown": "mixtures light_tree", "net_sizes": "128/64"},
            **{"epochs": 1, "augmented_rows": 1, "teachers": 1},  # 07's trial, which is there
        }
        return pipeline.run(self.run.folder, parameters=parameters, stages=FIELD)


@pytest.fixture(scope="module")
def headless(tmp_path_factory) -> Headless:
    made = Headless(tmp_path_factory.mktemp("headless"))
    assert made.do() == list(STAGES)
    assert made.research() == list(RESEARCH)
    assert made.field() == list(FIELD)
    return made


@pytest.mark.slow
@pytest.mark.timeout(1_500)  # all notebooks, beside other tests on two cores
class TestHeadless:
    def test_all_results_are_there(self, headless):
        run = headless.run
        for stage, name in publish.FILES:
            assert run.input(stage, name).stat().st_size > 0
        for stage, name in publish.FOLDERS:
            assert list((run.folder / stage / name).iterdir())
        for stage in ALL:
            assert run.metrics(stage)
            assert list((run.folder / stage / "figures").glob("*.png"))
        assert run.metrics("01_index")["synthetic"] is True
        assert (headless.run.folder / "04_convert" / "int8.tflite").stat().st_size <= LARGEST_MODEL

    def test_research_has_scored_what_it_was_asked_to(self, headless):
        found = headless.run.metrics("07_evaluate")
        assert list(found["robustness"]) == ["clean", "pink 10 dB"]
        assert found["summary"][trials.POOL]["folds"] == 1
        assert found["false_alarms"]["all"]["hours"] == pytest.approx(0.02, rel=0.01)
        assert found["streaming"]["recordings"] == found["summary"][trials.POOL]["n"]
        lines = headless.run.metrics("08_ablations")["ablations"]
        assert [line["name"] for line in lines] == ["default", "2 s"]
        taught = headless.run.metrics("15_teachers")
        assert set(taught["teachers"]) == {"teacher 1", "teacher 2", "mean"}
        assert [net["learned from"] for net in taught["nets"]] == ["labels", "two teachers"]
        voice = headless.run.metrics("09_your_voice")
        assert voice["clips_a_class"] == [1, 3]
        assert set(voice["summary"]) >= {"mean of speakers", "other speakers"}
        measured = files.read_table(headless.run.input("10_corpora", "tables/clips.csv"))
        assert len(measured) == headless.run.metrics("01_index")["clips"]
        assert headless.research() == []

    @every_stage
    def test_every_picture_shows_and_nothing_warns(self, headless, path):
        book = notebooks.read_notebook(headless.run.input(path.stem, EXECUTED))
        outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
        shown = sum("image/png" in output.get("data", {}) for output in outputs)
        saved = len(list((headless.run.folder / path.stem / "figures").glob("*.png")))
        assert shown >= saved >= 1
        noise = "".join(o.text for o in outputs if o.get("name") == "stderr")
        assert "Warning" not in noise

    def test_it_can_be_published_twice_with_the_same_bytes(self, headless, tmp_path):
        for path in PATHS:
            files.write_bytes(tmp_path / "notebooks" / path.name, path.read_bytes())
        changed = publish.publish(headless.run.folder, root=tmp_path, synthetic=True)
        assert tmp_path / "models" / "int8.tflite" in changed
        assert publish.publish(headless.run.folder, root=tmp_path, synthetic=True) == []

    def test_the_same_seed_gives_the_same_bytes(self, headless, tmp_path):
        """Also where all is done in one process, and not on all cores as the first time."""
        until_export = STAGES[: STAGES.index("05_export") + 1]  # listening makes none of them
        alone = {**headless.parameters, "jobs": 1}
        pipeline.run(tmp_path / "again", parameters=alone, stages=until_export)
        again, run = Run(tmp_path / "again"), headless.run
        assert again.input("02_features", "features.npy").read_bytes() == (
            run.input("02_features", "features.npy").read_bytes()
        )
        for stage, folder in [("04_convert", "."), *publish.FOLDERS]:
            for path in sorted((run.folder / stage / folder).glob("*.*")):
                if path.suffix in (".tflite", ".h", ".cpp", ".npy"):
                    same = again.input(stage, f"{folder}/{path.name}").read_bytes()
                    assert same == path.read_bytes(), path.name

    def test_again_does_nothing_and_a_parameter_reruns_from_its_stage_on(self, headless, capsys):
        assert headless.do() == []
        assert capsys.readouterr().out.count("is up to date") == len(STAGES)
        assert headless.do(shown_clip="sad") == list(STAGES[4:])
