"""``ser-tinyml``, or ``python -m ser_tinyml``: every command, and what becomes of its errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ser_tinyml.commands import command, making, upkeep, using
from ser_tinyml.commands.command import UsageError

GROUPS = {
    "use a model": (using.PREDICT, using.PAGE, using.BOARD, using.ADAPT),
    "make a model": (
        making.DOWNLOAD,
        making.RUN,
        making.EVALUATE,
        making.ABLATIONS,
        making.SYSTEMS,
        making.COMPARE,
        making.TABLES,
        making.SPARK,
    ),
    "keep this project": (
        upkeep.EMULATE,
        upkeep.SITE,
        upkeep.BENCH,
        upkeep.PITCH,
        upkeep.PUBLISH,
        upkeep.RESULTS,
        upkeep.PICTURES,
    ),
}
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130  # 130 is what shells say of what Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what goes wrong is said in a line, not in a traceback.

    Parameters
    ----------
    arguments
        Without the program's name; None: those it was called with.

    Returns
    -------
    status
        0: good; 1: something is not as expected, or a bar is missed; 2: wrong usage;
        130: interrupted.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a letter shows its number
        if getattr(stream, "errors", None) in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")
    parser = command.parser(GROUPS)
    options = parser.parse_args(arguments)
    try:
        return _run(options) or 0
    except UsageError as error:
        print(f"error: {error}\n{command.PROGRAM} {options.command.name} --help", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt as interrupt:
        print(f"\n{str(interrupt) or 'stopped'}", file=sys.stderr)
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int | None:
    from ser_tinyml.files import DataError

    try:
        if options.command.in_checkout:
            command.check_checkout(options.command.name)
        return options.command.run(options)
    except BrokenPipeError:  # whoever read our output has had enough: … | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        place = error.filename or options.command.name
        said = error.strerror or error
        print(f"error: {place}: expected to read or write it, found: {said}", file=sys.stderr)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("ser_tinyml"):
            raise
        print(
            f"error: {options.command.name}: expected {error.name} to be installed, found it is "
            f'not: pip install "ser-tinyml[{options.command.extra}]"',
            file=sys.stderr,
        )
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
