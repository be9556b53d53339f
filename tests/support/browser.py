"""A browser, node and the built page, for the tests of what runs in them."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_tinyml.apps import site

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    *("--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    "--autoplay-policy=no-user-gesture-required",
)


def node() -> str:
    """Path of node: the system's, or the one that drives the browser."""
    if found := shutil.which("node"):
        return found
    driver = pytest.importorskip("playwright._impl._driver")
    return str(driver.compute_driver_executable()[0])


def run_node(script: Path, *arguments: str | Path, sounds: Sequence[tuple[str, np.ndarray]]) -> Any:
    """What a script prints, as JSON; it reads names and int16 samples."""
    given = [{"name": name, "samples": samples.tolist()} for name, samples in sounds]
    done = subprocess.run(
        [node(), script, *arguments], input=json.dumps(given), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def built() -> Path:
    """The page, made once."""
    pytest.importorskip("ziglang")
    return site.build()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the page."""
    with site.server(folder, host="127.0.0.1", port=0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def chromium(playwright: Any, *flags: str, without_microphone: bool = False) -> Iterator[Any]:
    """A browser with a fake microphone that is allowed, or with none that is."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("needs Chromium: apt install chromium")
    given = [flag for flag in FLAGS if not (without_microphone and "fake-ui" in flag)]
    browser = playwright.chromium.launch(executable_path=found, args=[*given, *flags])
    try:
        yield browser
    finally:
        browser.close()


def children(pid: int) -> list[Any]:
    """Processes that a process of ours started."""
    import psutil

    return psutil.Process(pid).children(recursive=True)
