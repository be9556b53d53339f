"""`make docs`: the site of the docs, made from texts, notebooks and docstrings, and shown."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sphinx.cmd import build as sphinx

from docs import pages, reference
from ser_tinyml.apps import site
from ser_tinyml.files import DataError

BUILD = pages.ROOT / "build" / "docs"
OUTPUT = BUILD / "html"


def build(output: Path = OUTPUT, *, work: Path = BUILD) -> Path:
    """Make the site; what has not changed since the last time is not made again.

    Parameters
    ----------
    output
        Folder of the site.
    work
        Folder of what Sphinx reads, and of what it remembers.

    Raises
    ------
    DataError
        If a link or an anchor leads to nothing, or a docstring cannot be read; Sphinx has said
        which.
    """
    made = {**reference.pages(), "commands.md": reference.commands()}
    pages.lay_out(work / "pages", made, reference.places())
    arguments = [*"-b html -q -W --keep-going -j 2 -c".split(), str(pages.ROOT / "docs")]
    arguments += ["-d", str(work / "doctrees"), str(work / "pages"), str(output)]
    if sphinx.build_main(arguments):
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
