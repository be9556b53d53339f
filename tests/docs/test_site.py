"""The site as it is published, docs beside the page: its links, what it asks for, how it looks."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
import pytest

pytest.importorskip("sphinx")
from docs import build, conf, pages, reference  # noqa: E402
from ser_tinyml.apps import site  # noqa: E402

pytestmark = [pytest.mark.docs, pytest.mark.timeout(900)]
LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src"}
LOOKS = [("light", 1280), ("dark", 1280), ("light", 390)]
LOOKED_AT = ("index", "predict", "board", "api/device", "notebooks/07_evaluate", "numbers")


@dataclass
class Page(HTMLParser):
    """What a page links to, loads, and can be linked to."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    images: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        self.images += tag == "img"
        if tag == "a" and found.get("href") and "hidden" not in found:
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") not in ("index", "search", "next", "prev"):
            self.loads.append(found["href"])
        if tag in LOADED and found.get(LOADED[tag]):
            self.loads.append(found[LOADED[tag]])


@cache
def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text("utf-8"))
    return page


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """All of it, made as the workflow makes it."""
    pytest.importorskip("ziglang")
    return site.build(tmp_path_factory.mktemp("site") / "dist", docs=build.build())


@pytest.fixture(scope="module")
def everything(folder) -> dict[str, Page]:
    """Every page, by its path."""
    paths = sorted(folder.rglob("*.html"))
    return {path.relative_to(folder).as_posix(): read(path) for path in paths}


def wrong(folder: Path, everything: dict[str, Page]) -> Iterator[tuple[str, str]]:
    """Links inside the site that lead to no file, or to no place in it."""
    for name, page in everything.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = posixpath.normpath(
                posixpath.join(posixpath.dirname(name), unquote(parts.path))
            )
            target = name if not parts.path else target
            if (folder / target).is_dir():
                target = posixpath.normpath(f"{target}/index.html")
            anchor = unquote(parts.fragment)
            there = (folder / target).is_file()
            if not there or (
                anchor and target.endswith("html") and anchor not in read(folder / target).ids
            ):
                yield name, link


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (["samples [shape=(n,)]"], ["samples", "    Shape ``(n,)``."]),
        (["y [shape=(ceil(n / 2),)]"], ["y", "    Shape ``(ceil(n / 2),)``."]),
        (["a, b", "    Of both."], ["a", "    Of both.", "b", "    Of both."]),
        (
            ["a, b [shape=(n,), (k,)]", "    x"],
            ["a", "    Shape ``(n,)``.", "    x", "b", "    Shape ``(k,)``.", "    x"],
        ),
        (["Frames [shape=(n,)] of it."], ["Frames of shape ``(n,)`` of it."]),
        (["Parameters", "----------"], ["Parameters", "----------"]),
        (["A line.", "", "    code"], ["A line.", "", "    code"]),
    ],
)
def test_shapes_are_told_in_a_line_of_their_own(told, found):
    conf.shapes(None, "function", "f", None, None, told)
    assert told == found


def test_every_link_and_anchor_leads_somewhere(folder, everything):
    assert len(everything) > 40
    assert [*wrong(folder, everything)] == []


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        "<a href='b.html#here'>1</a><a href='b.html#gone'>2</a><a href='c/'>3</a>"
    )
    (tmp_path / "b.html").write_text("<p id='here'>")
    found = {name: read(tmp_path / name) for name in ("a.html", "b.html")}
    assert [*wrong(tmp_path, found)] == [("a.html", "b.html#gone"), ("a.html", "c/")]


def test_page_and_docs_link_to_each_other(everything):
    assert "docs/" in everything["index.html"].links
    for name, page in everything.items():
        if name.startswith("docs/") and "/_" not in name:
            up = "../" * name.count("/")
            assert up in page.links, name


def test_nothing_is_loaded_from_another_server(folder, everything):
    for name, page in everything.items():
        assert not [link for link in page.loads if urlsplit(link).netloc], name
    for path in sorted(folder.rglob("*.css")):
        text = path.read_text("utf-8")
        assert "url(http" not in text and "url(//" not in text and "@import" not in text, path


def test_the_page_alone_links_to_no_docs_and_weighs_the_same(folder):
    alone = browser.built()
    assert "docs/" not in read(alone / "index.html").links
    assert not (alone / site.BESIDE).exists()
    assert abs(site.compressed_kb(alone) - site.compressed_kb(folder)) < 1
    kept = (folder / "files.js").read_text("utf-8")
    assert f'"{site.BESIDE}/' not in kept and '"index.html"' in kept


def test_notebooks_are_shown_with_their_committed_outputs(everything):
    for path in sorted((pages.ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        shown = [output for cell in cells for output in cell.get("outputs", [])]
        pictures = sum("image/png" in output.get("data", {}) for output in shown)
        found = everything[f"docs/notebooks/{path.stem}.html"].images
        assert found >= pictures, path.name
        assert found or not pictures


def test_the_reference_tells_what_is_public(everything):
    ids = {
        one for name, page in everything.items() if name.startswith("docs/api/") for one in page.ids
    }
    for name in (
        "apps.answering.Predictor.answer",
        "device.protocol.Decoder.push",
        "metrics.uar",
        "features.config.FeatureConfig",
        "training.recipe.train",
    ):
        assert f"ser_tinyml.{name}" in ids, name
    assert {f"module-{name}" for name in reference.modules() if name != "ser_tinyml"} <= ids


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    with pytest.importorskip("playwright.sync_api").sync_playwright() as started:
        with browser.chromium(started) as opened:
            yield opened


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    with browser.served(folder) as url:
        yield url


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_pages_fit_and_ask_nobody_else(chromium, address, scheme, width):
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page, said = context.new_page(), []
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request", lambda r: None if r.url.startswith((address, "data:")) else said.append(r.url)
    )
    for name in LOOKED_AT:
        page.goto(f"{address}docs/{name}.html")
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), name
    context.close()
    assert said == []


def test_the_search_finds_and_page_and_docs_are_a_click_apart(chromium, address):
    page = chromium.new_page()
    page.goto(f"{address}docs/search.html?q=unweighted+recall")
    page.wait_for_selector("#search-results li a")
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    page.click("nav a[href='docs/']")
    page.wait_for_url("**/docs/")
    page.click("p.beside a")
    page.wait_for_selector("body[data-ready]")
    page.close()
