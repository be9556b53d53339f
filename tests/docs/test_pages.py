"""Which file is which page, where links go, and that guides say what the code says."""

from __future__ import annotations

import json
import re

import pytest

from docs import pages, reference
from docs.hosted import GUIDE, Hosted
from ser_tinyml import files
from ser_tinyml.device import protocol
from ser_tinyml.files import DataError

MODULES = {"ser_tinyml.files": "api/ground.md#files", "ser_tinyml.apps": "api/apps.md#apps"}


@pytest.fixture
def root(tmp_path):
    """A small repository."""
    texts = {
        "docs/index.md": "# Start\n\n[own](own_voice.md)\n",
        "docs/own_voice.md": "# Own: a voice\n\n[up](../README.md)\n",
        "docs/more.md": "# More\n",
        "README.md": "# Read\n<!-- table -->\n[guide](docs/own_voice.md)\n<!-- /table -->\n",
        "notebooks/01_index.ipynb": json.dumps(
            {
                "cells": [
                    {"cell_type": "markdown", "source": ["# 01 Index: all\n", "[r](../README.md)"]}
                ]
            }
        ),
        "ser_tinyml/files.py": "",
        "ser_tinyml/apps/__init__.py": "",
        "analysis/corpora.R": "plot",
        "firmware/arduino_nano33/README.md": "# The sketch\n\n## Flash it\n",
    }
    for name, text in texts.items():
        files.write_text(tmp_path / name, text)
    return tmp_path


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("own_voice.md", "own_voice.md"),
        ("own_voice.md#a-part", "own_voice.md#a-part"),
        ("../firmware/arduino_nano33/README.md#flash-it", "board.md#flash-it"),
        ("../firmware/arduino_nano33", "board.md"),
        ("../README.md", "index.md"),
        ("../notebooks/01_index.ipynb", "notebooks/01_index.ipynb"),
        ("../notebooks", "notebooks/00_first_steps.ipynb"),
        ("../ser_tinyml/files.py", "api/ground.md#files"),
        ("../ser_tinyml/apps", "api/apps.md#apps"),
        ("../analysis/corpora.R", "files/analysis/corpora.R"),
        ("#here", "#here"),
        ("https://example.org/a.md", "https://example.org/a.md"),
        ("mailto:a@example.org", "mailto:a@example.org"),
    ],
)
def test_a_link_of_the_repository_becomes_one_of_the_site(root, link, found):
    links = pages.Links(MODULES, root)
    text = links.rewritten(f"a [b]({link}) c", source="docs/index.md", page="index")
    assert text == f"a [b]({found}) c"
    assert links.taken == ({found.removeprefix("files/")} if found.startswith("files/") else set())


def test_links_are_told_from_the_page_that_they_stand_on(root):
    links = pages.Links(MODULES, root)
    text = links.rewritten(
        "[a](01_index.ipynb) [`b`](../docs/more.md)",
        source="notebooks/02.ipynb",
        page="notebooks/02",
    )
    assert text == "[a](01_index.ipynb) [`b`](../more.md)"


@pytest.mark.parametrize(
    "code", ["`[a](b.md)`", "```\n[a](b.md)\n```", "````md\n```\n[a](b)\n````"]
)
def test_code_is_no_link(root, code):
    assert pages.Links(MODULES, root).rewritten(code, source="README.md", page="index") == code


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[![Open](https://a.org/b.svg)](https://a.org)", "[Open](https://a.org)"),
        (
            '<a href="https://a.org"><img src="https://a.org/b.svg" alt="Open"/></a>',
            '<a href="https://a.org">Open</a>',
        ),
        ('<img src="https://a.org/b.svg">', ""),
        ("`![a](https://a.org/b.svg)`", "`![a](https://a.org/b.svg)`"),
    ],
)
def test_a_picture_from_elsewhere_becomes_its_text(root, text, found):
    assert pages.Links(MODULES, root).rewritten(text, source="README.md", page="index") == found


def test_a_link_to_nothing_is_refused_by_name(root):
    with pytest.raises(DataError, match=r"^README.md: expected a file .*, found docs/gone.md$"):
        pages.Links(MODULES, root).rewritten("[a](docs/gone.md)", source="README.md", page="index")


def test_pages_are_laid_out_and_old_ones_go(root, tmp_path):
    files.write_text(root / "docs/own_voice.md", "# V\n\n<!-- shown here: table of README.md -->\n")
    folder = tmp_path / "out"
    files.write_text(folder / "old.md", "# Old\n")
    made = {"commands.md": "# Commands\n", "api/index.md": "# API\n"}
    pages.lay_out(folder, made, MODULES, root=root)
    assert (folder / "own_voice.md").read_text() == "# V\n\n[guide](own_voice.md)\n"
    assert not (folder / "old.md").exists()
    cell = json.loads((folder / "notebooks/01_index.ipynb").read_text())["cells"][0]
    assert cell["source"] == "# 01 Index: all\n[r](../index.md)"
    start = (folder / "index.md").read_text()
    for entry in (
        "V <own_voice>",
        "More <more>",
        "01 Index <notebooks/01_index>",
        "The sketch <board>",
    ):
        assert entry in start


def test_a_notebook_that_github_has_can_be_opened_below_its_heading(root):
    notebook = "notebooks/01_index.ipynb"
    before = (root / notebook).read_bytes()
    files.write_text(root / GUIDE, "# Cloud\n")
    found = {}
    for where in (None, Hosted("anna/ser-tinyml", "main")):
        made = {"commands.md": "# Commands\n", "api/index.md": "# API\n"}
        pages.lay_out(root / "out", made, MODULES, root=root, where=where)
        cells = json.loads((root / "out" / notebook).read_text("utf-8"))["cells"]
        found[where is not None] = "".join(cells[0]["source"])
        start = (root / "out/index.md").read_text("utf-8")
        assert "01 Index <notebooks/01_index>" in start and "Cloud <cloud>" in start
    opened = Hosted("anna/ser-tinyml", "main").links(notebook)
    line = f"\n{opened} · [what works there](../cloud.md)\n\n"
    assert line in found[True]
    assert found[True].replace(line, "") == found[False] == "# 01 Index: all\n[r](../index.md)"
    assert (root / notebook).read_bytes() == before


def test_a_glossary_is_taken_when_it_is_there(root):
    assert "glossary" not in pages.sources(root).values()
    files.write_text(root / "docs/glossary.md", "# Glossary\n")
    assert pages.sources(root)["docs/glossary.md"] == "glossary"


def test_a_block_that_is_not_there_is_refused(root):
    files.write_text(root / "docs/more.md", "<!-- shown here: gone of README.md -->\n")
    with pytest.raises(DataError, match="README.md: expected <!-- gone -->"):
        pages.lay_out(root / "out", {"commands.md": "", "api/index.md": ""}, MODULES, root=root)


def test_every_link_of_the_real_texts_leads_somewhere():
    links = pages.Links(reference.places())
    for source, page in pages.sources().items():
        if source.endswith(".md"):
            links.rewritten((pages.ROOT / source).read_text("utf-8"), source=source, page=page)
    assert len(pages.sources()) > 30


def test_the_reference_has_every_room_and_every_module():
    made = reference.pages()
    assert {f"api/{room}.md" for room in reference.ROOMS} <= made.keys()
    text = "".join(made.values())
    for name in reference.modules():
        if name != "ser_tinyml":
            assert f".. automodule:: {name}\n" in text, name


def test_every_command_is_told_with_its_help():
    text = reference.commands()
    assert "### predict\n" in text and "### site\n" in text
    assert "usage: ser-tinyml predict" in text


def test_the_fields_of_predict_are_those_of_its_schema():
    text = (pages.ROOT / "docs/predict.md").read_text("utf-8")
    assert pages.block(text, "fields", source="docs/predict.md") == reference.fields()


def test_numbers_are_where_the_guide_says():
    text = (pages.ROOT / "docs/numbers.md").read_text("utf-8")
    said = re.findall(r"\| `(models/\w+\.json)`(?:, `(\w+)`)? \|$", text, re.M)
    assert len(said) >= 10
    for path, key in said:
        found = files.read_json(pages.ROOT / path)
        assert found and (not key or key in found), (path, key)


def test_the_frame_of_the_guide_is_what_the_protocol_sends():
    text = (pages.ROOT / "docs/protocol.md").read_text("utf-8")
    told = [
        int(byte, 16)
        for row in re.findall(r"^\| `([0-9a-f ]+)` \|", text, re.M)
        for byte in row.split()
    ]
    assert bytes(told) == protocol.encode(protocol.FrameType.TEST_BEGIN, 0, bytes([0]))
    for number in (protocol.CHUNK, f"{protocol.MOST_PAYLOAD:,}"):
        assert f" {number} " in text
