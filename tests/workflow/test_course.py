"""The course: words are explained before they are used, and notebook 00 is one for beginners."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import notebooks, publish
from ser_tinyml.workflow.execution import EXECUTED, execute
from ser_tinyml.workflow.paths import Paths

GLOSSARY = ROOT / "docs" / "glossary.md"
NOTEBOOKS = ROOT / "notebooks"
FIRST = NOTEBOOKS / f"{publish.FIRST_STEPS}.ipynb"
LONGEST_CELL, LONGEST_MEDIAN = 25, 5  # lines
WORDS_A_LINE = 10  # of prose, for each line of code
LARGEST = 400_000  # bytes
SHORTEST = 5  # words in a sentence that explains something
ROW = re.compile(
    r"\| (?P<forms>[^|]+) \| (?P<text>[^|]+) \| \[\d\d\]\(.*/(?P<book>\w+)\.ipynb\) \|"
)
BOLD = re.compile(r"\*\*(.+?)\*\*")
NOT_PROSE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|^#.*?$", re.DOTALL | re.MULTILINE
)


class Term(NamedTuple):
    """A line of the glossary: the forms of a word, what it means, the notebook that explains it."""

    forms: tuple[str, ...]
    text: str
    book: str

    @property
    def pattern(self) -> str:
        """Any of the forms, one or several of it: small letters stand for large ones too."""
        each = (
            re.escape(form) if re.search("[A-Z]", form) else f"(?i:{re.escape(form)})"
            for form in self.forms
        )
        return rf"(?<![\w-])(?:{'|'.join(each)})s?(?![\w-])"


def glossary(text: str) -> list[Term]:
    """The terms of a glossary in Markdown, in its order."""
    found = []
    for row in ROW.finditer(text):
        words = re.split(r" \(|, |\)", row["forms"])
        found.append(Term(tuple(filter(None, words)), row["text"], row["book"]))
    return found


def prose(path: Path) -> str:
    """The text of a notebook, without headings, code, formulas and addresses."""
    cells = notebooks.read_notebook(path).cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return "\n\n".join(NOT_PROSE.sub(" ", text) for text in texts)


def unexplained(terms: Sequence[Term], books: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What is wrong with each term that is not explained in bold where it is first used.

    Parameters
    ----------
    books
        Name and prose of every notebook, in the order in which they are read.
    """
    wrong = {}
    for term in terms:
        uses = ((name, re.search(term.pattern, text), text) for name, text in books)
        name, use, text = next((found for found in uses if found[1]), ("", None, ""))
        if use is None:
            wrong[term.forms[0]] = "no notebook uses it"
        elif name != term.book:
            wrong[term.forms[0]] = f"used in {name} already"
        elif not any(bold.start() <= use.start() < bold.end() for bold in BOLD.finditer(text)):
            wrong[term.forms[0]] = f"used before: …{text[use.start() - 40 : use.end() + 20]}…"
        else:
            end = re.compile(r"[.:;?!](?=\s)|\n\n").search(text, use.end())
            begin = max(text.rfind(mark, 0, use.start()) for mark in (". ", "\n", ": ", "| "))
            sentence = text[begin + 1 : end.start() if end else None]
            if len(sentence.split()) < SHORTEST:
                wrong[term.forms[0]] = f"not explained: {sentence!r}"
    return wrong


def test_every_term_is_explained_before_its_first_use():
    terms = glossary(GLOSSARY.read_text("utf-8"))
    books = [(path.stem, prose(path)) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    assert len(terms) >= 45
    assert unexplained(terms, books) == {}


def test_the_glossary_is_in_order_and_says_each_word_once():
    text = GLOSSARY.read_text("utf-8")
    names = [term.forms[0] for term in glossary(text)]
    assert len(names) == text.count("\n| ") - 1, "a line that is no term"
    plain = [name.lower().replace("-", "") for name in names]
    assert plain == sorted(set(plain))


def test_what_is_bold_in_the_first_notebook_is_in_the_glossary():
    patterns = [term.pattern for term in glossary(GLOSSARY.read_text("utf-8"))]
    words = [word for word in BOLD.findall(prose(FIRST)) if word[-1] not in ":."]
    assert words
    assert [w for w in words if not any(re.search(pattern, w) for pattern in patterns)] == []


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ("A **frame** is a short piece of sound.", "Two frames.", None),
        ("**Frames** are short pieces of sound.", "A Frame.", None),
        ("Many frames. A **frame** is a short piece.", "", "used before"),
        ("# The frame\n\nA **frame** is a short piece.", "", None),
        ("`frame` and $frame$. A **frame** is a short piece.", "", None),
        ("See [this](frame). A **frame** is a short piece.", "", None),
        ("Frameworks and sub-frames. A **frame** is a short piece.", "", None),
        ("A **frame**. It is a short piece of sound.", "", "not explained"),
        ("Nothing.", "A **frame** is a short piece of sound.", "used in b already"),
        ("Nothing.", "Nothing.", "no notebook uses it"),
    ],
)
def test_a_term_that_comes_unexplained_is_found(tmp_path, first, second, wrong):
    terms = glossary("| frame | A piece. | [00](../notebooks/a.ipynb) |\n")
    books = [("a", NOT_PROSE.sub(" ", first)), ("b", NOT_PROSE.sub(" ", second))]
    found = unexplained(terms, books)
    assert (found == {}) if wrong is None else found["frame"].startswith(wrong)


def test_a_form_with_large_letters_is_meant_as_it_is_written():
    (dense,) = glossary("| Dense (Denser) | A layer. | [00](../notebooks/a.ipynb) |\n")
    assert dense.forms == ("Dense", "Denser")
    assert re.search(dense.pattern, "a Dense layer") and not re.search(dense.pattern, "dense fog")


def test_the_first_notebook_is_more_text_than_code():
    book = notebooks.read_notebook(FIRST)
    sizes = [len(cell.source.splitlines()) for cell in notebooks.code_cells(book)]
    assert max(sizes) <= LONGEST_CELL and statistics.median(sizes) <= LONGEST_MEDIAN
    assert len(prose(FIRST).split()) >= WORDS_A_LINE * sum(sizes)


def test_the_first_notebook_says_what_it_is():
    head, *_, last = [c for c in notebooks.read_notebook(FIRST).cells if c.cell_type == "markdown"]
    for word in ("**In:**", "**Out:**", "**Time:**", "synthetic"):
        assert word in head.source
    assert len(re.findall(r"^\d\. ", last.source.partition("## Try it")[2], re.MULTILINE)) == 3
    assert "## What comes next" in last.source


def test_every_step_of_the_first_notebook_shows_a_picture_that_is_published():
    pictures: dict[str, int] = {}
    step = ""
    for cell in notebooks.read_notebook(FIRST).cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^## (\d+\. .*)$", cell.source, re.MULTILINE)
            step = headings[-1] if headings else step
        for output in cell.get("outputs", []):
            pictures[step] = pictures.get(step, 0) + ("image/png" in output.get("data", {}))
    assert len(pictures) >= 12 and min(pictures.values()) >= 1
    assert FIRST.stat().st_size <= LARGEST


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_notebook_runs_and_nothing_warns(tmp_path):
    book = notebooks.read_notebook(FIRST)
    execute(book, FIRST.stem, tmp_path, {}, paths=Paths(NOTEBOOKS), progress=False)
    made = notebooks.read_notebook(tmp_path / EXECUTED)
    fresh = notebooks.with_outputs(book, made, stage=FIRST.stem, players=True)
    outputs = [output for cell in made.cells for output in cell.get("outputs", [])]
    assert [o.text for o in outputs if o.get("name") == "stderr"] == []
    shown = [[o.output_type for o in cell.outputs] for cell in notebooks.code_cells(fresh)]
    assert shown == [[o.output_type for o in c.outputs] for c in notebooks.code_cells(book)]
