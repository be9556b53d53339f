from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

import nbformat
import pytest
import toy_notebooks
from PIL import Image

from ser_tinyml import files
from ser_tinyml.files import DataError, plain_numbers
from ser_tinyml.workflow import notebooks, pipeline, publish
from ser_tinyml.workflow.stages import RESEARCH, STAGES

SHOW = """\
from IPython.display import Audio, HTML, display

display(Audio([0.0, 0.5] * 4000, rate=8000))
display(HTML('<audio src="data:audio/wav;base64,UklGRg=="></audio>'))
display({"audio/wav": "UklGRg=="}, raw=True)
display({"application/vnd.jupyter.widget-view+json": {}, "text/plain": "bar"}, raw=True)
print("one", flush=True)
print("noise", file=sys.stderr, flush=True)
time.sleep(0.3)
print("two", object())"""

PICTURE = """\
import matplotlib.pyplot as plt

figure, axes = plt.subplots()
figure.savefig(out / "figure.png")
figure.savefig(out / "only_in_the_notebook.png")"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A repository with a run `real`, and the same on synthetic speech as `demo`."""
    root = tmp_path_factory.mktemp("house") / "a house"
    toy_notebooks.write_all(root / "notebooks")
    toy_notebooks.write(root / "notebooks", "02_features", SHOW, PICTURE)
    files.write_text(root / "recordings of mine" / "one.wav", "one")
    files.write_text(root / "README.md", "![What it is](images/figure.png) ![](images/shown.png)")
    folders = {"notebooks_dir": root / "notebooks", "progress": False}
    recordings = root / "recordings of mine"
    pipeline.run(root / "runs/real", recordings=recordings, parameters={"mb": 2}, **folders)
    pipeline.run(root / "runs/demo", parameters={"recordings_dir": root / "demo"}, **folders)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def put(root: Path, run: str = "real", **options) -> list[str]:
    paths = publish.publish(root / "runs" / run, root=root, **options)
    return [path.relative_to(root).as_posix() for path in paths]


def outputs(root: Path, stage: str) -> list:
    book = notebooks.read_notebook(root / "notebooks" / f"{stage}.ipynb")
    return [output for cell in notebooks.code_cells(book) for output in cell.outputs]


def test_everything_goes_to_its_place(root):
    changed = put(root)
    assert [name for name in changed if not name.startswith("notebooks/")] == [
        "firmware/arduino_nano33/golden/golden.json",
        "firmware/arduino_nano33/src/model/model.cpp",
        "images/figure.png",
        "models/MODEL_CARD.md",
        "models/decision.json",
        "models/features.json",
        "models/float32.tflite",
        "models/hidden.npz",
        "models/int8.tflite",
        "models/labels.json",
        "models/metrics.json",
        "models/normalisation.json",
    ]
    assert (root / "models/int8.tflite").read_text() == "int8"
    metrics = files.read_json(root / "models/metrics.json")
    assert metrics["01_index"]["synthetic"] is False
    assert metrics["run"]["name"] == "real"
    assert metrics["run"]["parameters"]["04_convert"] == {"mb": 2}
    assert metrics["run"]["images"] == ["figure.png"]
    assert set(metrics["run"]["seconds"]) == set(metrics["run"]["peak_rss_mb"]) == set(STAGES)


def test_research_that_the_run_has_goes_into_the_card_and_beside_the_notebooks(root):
    plain = put(root)
    assert "Speakers never heard" not in (root / "models/MODEL_CARD.md").read_text()
    folder = toy_notebooks.write_all(root / "notebooks", RESEARCH)
    options = {"notebooks_dir": folder, "progress": False, "recordings": None}
    pipeline.run(root / "runs/real", stages=RESEARCH, **options)
    changed = put(root)
    assert set(changed) - set(plain) == {f"notebooks/{stage}.ipynb" for stage in RESEARCH}
    card = (root / "models/MODEL_CARD.md").read_text()
    assert card.startswith("card\n\n## Speakers never heard") and "| TESS | 1 | 0.600" in card
    metrics = files.read_json(root / "models/metrics.json")
    assert metrics["07_evaluate"] == plain_numbers(toy_notebooks.EVALUATION)
    assert metrics["08_ablations"] == {"seeds": "0"}
    assert put(root) == []


def test_research_alone_leaves_the_model_of_another_run(root):
    put(root)
    files.write_text(root / "models/int8.tflite", "of another run")
    folder = toy_notebooks.write_all(root / "notebooks", RESEARCH)
    options = {"notebooks_dir": folder, "progress": False}
    recordings = root / "recordings of mine"
    stages = ["01_index", *RESEARCH]
    pipeline.run(root / "runs/folds", stages=stages, recordings=recordings, **options)
    with pytest.raises(DataError, match="folds.*02_features"):
        put(root, "folds")
    changed = put(root, "folds", research=True)
    assert changed == [
        "models/MODEL_CARD.md",
        "models/metrics.json",
        *(f"notebooks/{stage}.ipynb" for stage in RESEARCH),
    ]
    assert (root / "models/int8.tflite").read_text() == "of another run"
    metrics = files.read_json(root / "models/metrics.json")
    assert metrics["run"]["name"] == "real" and metrics["08_ablations"] == {"seeds": "0"}
    assert set(metrics["run"]["seconds"]) == {*STAGES, *RESEARCH}
    card = (root / "models/MODEL_CARD.md").read_text()
    assert card.count("## Speakers never heard") == 1
    assert put(root, "folds", research=True) == []


def test_a_model_beside_the_released_one(root):
    put(root)
    shutil.copytree(root / "runs/real", root / "runs/large")
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    files.write_text(root / "models/large/model/old.cpp", "old")
    files.write_text(root / "models/large/README.md", "by hand")
    changed = put(root, "large", beside=True)
    assert changed == [
        "models/large/model/old.cpp",
        "models/large/MODEL_CARD.md",
        *(f"models/large/{name}" for name in ("decision.json", "features.json")),
        *(f"models/large/{name}" for name in ("float32.tflite", "golden/golden.json")),
        *(f"models/large/{name}" for name in ("hidden.npz", "int8.tflite", "labels.json")),
        *(f"models/large/{name}" for name in ("metrics.json", "model/model.cpp")),
        "models/large/normalisation.json",
    ]
    assert {p: p.read_bytes() for p in before} == before
    assert files.read_json(root / "models/large/metrics.json")["run"]["name"] == "large"
    assert not (root / "models/large/model/old.cpp").exists()
    assert (root / "models/large/README.md").read_text() == "by hand"
    assert put(root, "large", beside=True) == [] and put(root) == []


def test_research_on_other_recordings_or_none_is_refused(root):
    put(root)
    with pytest.raises(DataError, match="real: expected one of 07_evaluate"):
        put(root, research=True)
    metrics = files.read_json(root / "models/metrics.json")
    files.write_json(root / "models/metrics.json", {**metrics, "01_index": {"synthetic": False}})
    folder = toy_notebooks.write_all(root / "notebooks", RESEARCH)
    options = {"notebooks_dir": folder, "progress": False, "recordings": None}
    pipeline.run(root / "runs/real", stages=RESEARCH, **options)
    with pytest.raises(DataError, match="real: expected the recordings that the released model"):
        put(root, research=True)


def test_publishing_twice_changes_nothing(root):
    put(root)
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    assert put(root) == []
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_published_notebooks_can_be_run_and_are_up_to_date(root):
    put(root)
    ran = pipeline.run(
        root / "runs/real",
        recordings=root / "recordings of mine",
        parameters={"mb": 2},
        notebooks_dir=root / "notebooks",
        progress=False,
    )
    assert ran == []


def test_outputs_are_those_of_the_run_and_code_stays_as_it_was(root):
    path = root / "notebooks" / "04_convert.ipynb"
    path.write_text(path.read_text().replace("mb = 1", "mb = 1  # of memory"))
    before = notebooks.read_notebook(path)
    put(root)
    after = notebooks.read_notebook(path)
    note = after.cells.pop(3)
    assert note.cell_type == "markdown" and note.metadata.tags == ["published-run"]
    assert note.source == (
        "The outputs that are published here are from the run `real`, made with: `mb = 2`, "
        '`run_dir = "../runs/real"`. Your own replace them when you run this notebook.'
    )
    assert [c.source for c in after.cells] == [c.source for c in before.cells]
    assert [c.id for c in after.cells] == [c.id for c in before.cells]
    counts = [cell.execution_count for cell in notebooks.code_cells(after)]
    assert counts == list(range(1, len(counts) + 1))
    nbformat.validate(after)


def test_no_sound_no_progress_bar_no_address_no_widget(root):
    put(root)
    kinds = [(o.output_type, o.get("text") or dict(o.data)) for o in outputs(root, "02_features")]
    assert kinds[:4] == [
        *[("display_data", {"text/plain": notebooks.NO_PLAYER})] * 3,
        ("stream", "one\ntwo <object object>\n"),
    ]
    assert list(kinds[4][1]) == ["image/png", "text/plain"]
    for stage in STAGES:
        book = notebooks.read_notebook(root / "notebooks" / f"{stage}.ipynb")
        for cell in book.cells:
            cell.source = ""
        text = nbformat.writes(book)
        for word in ("audio/", "<audio", "papermill", " 0x", "widget", "stderr", str(root.parent)):
            assert word not in text


def test_where_recordings_lie_is_not_published(root):
    put(root)
    assert outputs(root, "01_index")[-1].text == "recordings\n"
    note = notebooks.read_notebook(root / "notebooks" / "01_index.ipynb").cells[3].source
    assert '`recordings_dir = "…"`' in note
    assert "of mine" not in (root / "notebooks" / "01_index.ipynb").read_text()


def test_a_synthetic_run_is_published_only_if_asked_for_and_keeps_its_players(root):
    with pytest.raises(DataError, match="expected a run on real recordings, found one on synth"):
        put(root, "demo")
    put(root, "demo", synthetic=True)
    assert sum(notebooks.has_player(output) for output in outputs(root, "02_features")) == 3


def test_what_an_earlier_run_put_there_goes_and_what_people_put_there_stays(root):
    files.write_text(root / "firmware/arduino_nano33/src/model/old.cpp", "old")
    files.write_text(root / "images" / "old.png", "old")
    files.write_text(root / "images" / "shown.png", "not made by this run")
    files.write_text(root / "images" / "board.png", "a photograph")
    files.write_text(root / "models" / "README.md", "text")
    files.write_text(root / "images" / "in_a_notebook.png", "shown by a notebook alone")
    files.write_text(root / "notebooks" / "99_more.ipynb", "![](../images/in_a_notebook.png)")
    listed = ["old.png", "shown.png", "in_a_notebook.png"]
    files.write_json(root / "models" / "metrics.json", {"run": {"images": listed}})
    changed = put(root)
    assert {"images/old.png", "firmware/arduino_nano33/src/model/old.cpp"} <= set(changed)
    assert [path.name for path in root.rglob("old.*")] == []
    assert (root / "images" / "shown.png").is_file()
    assert (root / "images" / "in_a_notebook.png").is_file()
    assert (root / "images" / "board.png").is_file() and (root / "models/README.md").is_file()


def test_two_pictures_of_one_name_are_refused(root):
    picture = root / "runs/real/02_features/figure.png"
    shutil.copy(picture, root / "runs/real/03_train/figure.png")
    with pytest.raises(DataError, match="03_train.figure.png: expected a picture with a name of"):
        put(root)
    assert nothing_written(root)


def nothing_written(root: Path) -> bool:
    return not any((root / name).exists() for name in ("models", "images", "firmware"))


def test_other_code_is_refused(root):
    path = root / "notebooks" / "05_export.ipynb"
    path.write_text(path.read_text().replace('\\"card\\"', '\\"another\\"'))
    with pytest.raises(DataError, match="05_export: .* found another code cell 4 .work.: run it"):
        put(root)
    toy_notebooks.write(root / "notebooks", "05_export", "1 + 1")
    with pytest.raises(DataError, match="05_export: expected the 4 code cells .* found 5"):
        put(root)
    assert nothing_written(root)


def test_a_stage_that_is_not_done_is_refused(root):
    (root / "runs/real/03_train/done.json").unlink()
    with pytest.raises(DataError, match="03_train.done.json: expected 03_train to be done"):
        put(root)
    assert nothing_written(root)


def test_stages_that_do_not_belong_together_are_refused(root):
    for stage in STAGES[3:]:
        shutil.rmtree(root / "runs/real" / stage)
        shutil.copytree(root / "runs/demo" / stage, root / "runs/real" / stage)
    with pytest.raises(DataError, match="04_convert: expected what was made from the stage before"):
        put(root)
    assert nothing_written(root)


@pytest.mark.parametrize("change", ["gone", "other"])
def test_a_result_that_is_not_the_runs_is_refused(root, change):
    path = root / "runs/real/04_convert/int8.tflite"
    path.unlink() if change == "gone" else path.write_text("another model")
    with pytest.raises(DataError, match="int8.tflite: expected it as the run made it, found it"):
        put(root)
    assert nothing_written(root)


def first_steps(root: Path, *sources: str) -> Path:
    """Write the notebook of no run, with these code cells."""
    cells = [nbformat.v4.new_markdown_cell("text", id="head")]
    cells += [nbformat.v4.new_code_cell(text, id=f"c{i}") for i, text in enumerate(sources)]
    path = root / "notebooks" / f"{publish.FIRST_STEPS}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_the_notebook_of_no_run_is_executed_and_keeps_its_players(tmp_path):
    many_colours = "import matplotlib.pyplot as plt, numpy as np\n"
    many_colours += "plt.imshow(np.arange(900).reshape(30, 30))"
    path = first_steps(tmp_path, f"import sys, time\n{SHOW}", many_colours)
    assert publish.publish_first_steps(root=tmp_path, progress=False) == [path]
    book = notebooks.read_notebook(path)
    assert [cell.source for cell in book.cells][0] == "text" and len(book.cells) == 3
    assert book.metadata == notebooks.KERNEL
    shown = [output for cell in notebooks.code_cells(book) for output in cell.outputs]
    assert sum(map(notebooks.has_player, shown)) == 3
    picture = Image.open(io.BytesIO(base64.b64decode(shown[-1].data["image/png"])))
    assert picture.mode == "P" and 30 < len(picture.getcolors()) <= publish.COLOURS
    before = path.read_bytes()
    assert publish.publish_first_steps(root=tmp_path, progress=False) == []
    assert path.read_bytes() == before


def test_the_notebook_of_no_run_stays_as_it_was_where_it_fails(tmp_path):
    path = first_steps(tmp_path, "print(1)", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(DataError, match="00_first_steps stopped in its cell .2."):
        publish.publish_first_steps(root=tmp_path, progress=False)
    assert path.read_bytes() == before


def executed(*outputs: dict) -> tuple[nbformat.NotebookNode, nbformat.NotebookNode]:
    tags = {"tags": ["parameters"]}
    source = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("a = 1", metadata=tags)])
    made = nbformat.reads(nbformat.writes(source), as_version=4)
    made.cells[0].outputs = [nbformat.from_dict(output) for output in outputs]
    return source, made


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "stream", "name": "stdout", "text": "see /opt/thing/file.py"},
        {"output_type": "display_data", "data": {"text/html": "<p>/opt/thing"}, "metadata": {}},
        {"output_type": "display_data", "data": {"text/plain": "'C:\\Users'"}, "metadata": {}},
    ],
)
def test_a_path_of_this_machine_is_refused(output):
    with pytest.raises(DataError, match="stage, cell .*: expected outputs without a path of this"):
        notebooks.published(
            *executed(output), stage="stage", run_name="real", given={}, players=False
        )


def test_what_only_looks_like_a_path_is_not_one():
    data = {
        "text/plain": "km/h, and/or/not, ../data/demo, 01_index/clips.csv, a / b / c, 1/2/3",
        "text/html": '<b>x</b><br/><a href="https://example.org/a/b">y</a><td>kB/s</td>'
        '<audio src="data:audio/wav;base64,AA/bb/cc/dd=="></audio>',
        "image/png": "iVBOR/aaaa/bbbb",
    }
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    assert notebooks.absolute_paths(output) == []


def test_an_error_output_is_refused():
    output = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
    with pytest.raises(DataError, match="expected a cell without an error, found ValueError: no"):
        notebooks.published(
            *executed(output), stage="stage", run_name="real", given={}, players=False
        )


def test_what_a_run_was_given_can_be_copied_into_the_cell_of_parameters() -> None:
    given = {"features": {"pitch": True, "n_mfcc": 13}, "quick": False, "names": ["ä", None]}
    text = notebooks._note("real", given).source
    for line in (
        'features = {"pitch": True, "n_mfcc": 13}',
        "quick = False",
        'names = ["ä", None]',
    ):
        assert f"`{line}`" in text
