"""One page and one browser for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import browser
import pytest


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    with browser.served(browser.built()) as url:
        yield url


@pytest.fixture(scope="package")
def playwright() -> Iterator:
    """What drives browsers; there can be one of it."""
    with pytest.importorskip("playwright.sync_api").sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def chromium(playwright) -> Iterator:
    with browser.chromium(playwright) as opened:
        yield opened


@pytest.fixture
def page(chromium, address) -> Iterator:
    """A page that is ready, and that says nothing on the console and asks nobody else."""
    context = chromium.new_context(viewport={"width": 1000, "height": 900})
    opened = context.new_page()
    said = opened.said = []
    opened.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: said.append(request.url) if foreign(request.url) else None)

    def foreign(url: str) -> bool:
        return not url.startswith((address, "blob:", "data:"))

    opened.goto(address)
    opened.wait_for_selector("body[data-ready]")
    yield opened
    context.close()
    assert said == []
