"""`make docs`: the site of the docs, made from texts, notebooks and docstrings, and shown."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from sphinx.cmd import build as sphinx

from docs import hosted, pages, reference
from ser_tinyml.apps import site
from ser_tinyml.files import DataError

BUILD = pages.ROOT / "build" / "docs"
OUTPUT = BUILD / "html"


def build(output: Path = OUTPUT, *, work: Path = BUILD) -> Path:
    """Make the site; what has not changed since the last time is not made again.

    In a workflow of GitHub, the pages of notebooks have links that open them in Binder and Colab.

    Parameters
    ----------
    output
        Folder of the site.
    work
        Folder of what Sphinx reads, and of what it remembers.

    Raises
    ------
    DataError
        As `pages.lay_out`, `render` and `hosted.of_workflow`.
    """
    made = {**reference.pages(), "commands.md": reference.commands()}
    where = hosted.of_workflow(os.environ)
    pages.lay_out(work / "pages", made, reference.places(), where=where)
    return render(work / "pages", output, memory=work / "doctrees")


def render(folder: Path, output: Path, *, memory: Path) -> Path:
    """Let Sphinx make a site of a folder of pages.

    Parameters
    ----------
    folder
        With ``index.md``.
    output
        Folder of the site.
    memory
        Folder of what Sphinx remembers, so that only what has changed is made again.

    Raises
    ------
    DataError
        If a link or an anchor leads to nothing, a page is reached from nowhere, or a docstring or a
        formula cannot be read; Sphinx has said which.
    """
    arguments = [*"-b html -q -W --keep-going -j 2 -c".split(), str(pages.ROOT / "docs")]
    if sphinx.build_main([*arguments, "-d", str(memory), str(folder), str(output)]):
        shutil.rmtree(memory, ignore_errors=True)  # what was warned of once is not said again
        raise DataError("docs: expected no warning from Sphinx, found those above")
    return output


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="docs/build.py", description=__doc__)
    parser.add_argument(
        "--output",
        type=Path,
        default=OUTPUT,
        metavar="FOLDER",
        help="for the site (default: build/docs/html)",
    )
    parser.add_argument("--serve", action="store_true", help="then show it, until ^C")
    parser.add_argument("--port", type=int, default=8001, help="(default: 8001; 0: a free one)")
    options = parser.parse_args(arguments)
    try:
        folder = build(options.output)
        print(folder / "index.html", flush=True)
        if options.serve:
            with site.server(folder, host="127.0.0.1", port=options.port) as server:
                print(f"http://127.0.0.1:{server.server_port}/", flush=True)
                server.serve_forever()
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
