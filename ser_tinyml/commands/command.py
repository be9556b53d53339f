"""What a command is, and the parser that is made of all of them."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ser_tinyml import __version__

PROGRAM = "ser-tinyml"
_WIDTH = 90


class UsageError(Exception):
    """A command line that is wrong in a way its parser cannot see."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command.

    Attributes
    ----------
    name
        What is typed.
    summary
        A line for the list of all commands.
    description
        What it does, in sentences.
    examples
        Command lines, without the program's name.
    options
        Adds its own options to a parser.
    run
        Does it. The status is what it returns; None is 0.
    in_checkout
        Whether it works on files of the repository that a wheel does not carry.
    extra
        Of the package, that brings what it needs.
    """

    name: str
    summary: str
    description: str
    examples: Sequence[str]
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
    in_checkout: bool = False
    extra: str = "pipeline"


def check_checkout(name: str) -> None:
    """Refuse what needs the repository, where there is none.

    Parameters
    ----------
    name
        Of the command.

    Raises
    ------
    DataError
        If the package alone is installed.
    """
    from ser_tinyml.files import DataError
    from ser_tinyml.provenance import ROOT, in_checkout

    if not in_checkout():
        raise DataError(
            f"{name}: expected the repository, with its notebooks, found the installed package "
            f"alone in {ROOT}: clone the repository and run it there"
        )


def model_option(parser: argparse.ArgumentParser, what: str = "") -> None:
    """The option ``--model``; `what` is done with it, where that is not plain."""
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help=f"{what + ': ' if what else ''}folder of a model or of a run, or the name of one "
        "(default: the released model)",
    )


def parser(groups: Mapping[str, Sequence[Command]]) -> argparse.ArgumentParser:
    """The parser of the command line.

    Parameters
    ----------
    groups
        Heading -> commands.

    Returns
    -------
    parser
        What it reads has the chosen `Command` as its ``command``.
    """
    listed = [
        "\n".join([f"{heading}:", *(f"  {c.name:<10} {c.summary}" for c in commands)])
        for heading, commands in groups.items()
    ]
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [-h] [--version] COMMAND ...",
        description="Teach a microcontroller to hear emotion: recordings in, an int8 model out.",
        epilog="\n\n".join([*listed, f"{PROGRAM} COMMAND --help says more about one of them."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    below = top.add_subparsers(
        prog=PROGRAM, required=True, metavar="COMMAND", help=argparse.SUPPRESS
    )
    for command in (command for commands in groups.values() for command in commands):
        examples = "\n".join(f"  {PROGRAM} {example}" for example in command.examples)
        made = below.add_parser(
            command.name,
            description=textwrap.fill(command.description, _WIDTH),
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(command=command)
        command.options(made)
    return top
