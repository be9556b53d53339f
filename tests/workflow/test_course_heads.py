"""What every notebook of the course gives its reader: head, picture, exercises, what is next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import notebooks

COURSE = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
TAUGHT = [path for path in COURSE if path.stem[:2] != "00"]  # that one has tests of its own
KNOWN = "**After this you know**"
PICTURE = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#\s]+)[^)]*\)")
EXERCISE = re.compile(r"^(\d)\. \*\*[^*]+\*\*", re.M)
WORDS_A_LINE = 10  # of prose, for each line of code

every_notebook = pytest.mark.parametrize("path", TAUGHT, ids=lambda path: path.stem)


def prose(path: Path) -> list[str]:
    """The markdown cells, without the one that names the published run."""
    book = notebooks.without_note(notebooks.read_notebook(path))
    return [cell.source for cell in book.cells if cell.cell_type == "markdown"]


def test_all_notebooks_are_taught():
    assert [int(path.stem[:2]) for path in TAUGHT] == list(range(1, len(TAUGHT) + 1))


@every_notebook
def test_the_head_says_what_one_will_know_and_has_the_idea_with_a_picture(path):
    head = prose(path)[0]
    points = head.partition(KNOWN)[2].strip().partition("\n\n")[0].splitlines()
    assert 2 <= len(points) <= 4
    assert all(point.startswith("- ") for point in points)
    idea = head.partition("\n## The idea")[2]
    assert PICTURE.search(idea)


@every_notebook
def test_it_ends_with_three_exercises_and_what_is_next(path):
    last = prose(path)[-1]
    tried, _, next_one = last.partition("\n## Next\n")
    assert tried.startswith("## Try it\n")
    assert EXERCISE.findall(tried) == ["1", "2", "3"]
    assert all("?" in text for text in re.split(EXERCISE, tried)[2::2])  # each asks something
    (linked,) = LINK.findall(next_one)
    following = COURSE[COURSE.index(path) + 1 :]
    assert linked == (following[0].name if following else "../CONTRIBUTING.md")


@every_notebook
def test_pictures_and_files_that_it_links_are_there(path):
    text = "\n".join(prose(path))
    for place in [*PICTURE.findall(text), *LINK.findall(text)]:
        assert place.startswith("https://") or (path.parent / place).exists(), place


@every_notebook
def test_there_is_more_prose_than_code(path):
    cells = notebooks.code_cells(notebooks.read_notebook(path))
    lines = sum(bool(line.strip()) for cell in cells for line in cell.source.splitlines())
    assert len(" ".join(prose(path)).split()) >= WORDS_A_LINE * lines
