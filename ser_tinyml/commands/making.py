"""Commands for who makes a model: from recordings to a run, and how good it is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ser_tinyml.commands.command import Command

PARAMETERS = (
    "of the parameters cells and of what they configure, as epochs=3 or training.batch_size=32"
)


def _download_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS", help="names, such as RAVDESS; or Whisper"
    )
    parser.add_argument(
        "--folder", default="data", help="where to; each gets a folder of its own (default: data)"
    )
    parser.add_argument(
        "--source",
        metavar="PLACE",
        help="archive or kaggle (default: the archive, where there is one)",
    )


def _download(options: argparse.Namespace) -> None:
    from ser_tinyml.data import download

    download.download(options.corpora, options.folder, source=options.source)


DOWNLOAD = Command(
    name="download",
    summary="fetch corpora of emotional speech, or a teacher",
    description="Downloads corpora, checks what came and unpacks it. Each has a licence of its "
    "own, which is printed. Whisper is no corpus but a speech model, which can teach the net "
    "(teacher_dir).",
    examples=(
        "download RAVDESS",
        "download Whisper",
        "download TESS SAVEE --folder corpora --source kaggle",
    ),
    options=_download_options,
    run=_download,
)


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="FOLDER", help="recordings; without: synthetic speech")
    parser.add_argument(
        "--experiment", metavar="NAME", help="parameters in notebooks/experiments/NAME.yaml"
    )
    parser.add_argument(
        "--run", metavar="NAME", help="into runs/NAME (default: the experiment's, demo or real)"
    )
    parser.add_argument(
        "--stage", action="append", metavar="STAGE", help="only this one, as 03_train; repeatable"
    )
    _more_options(parser)


def _more_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="also do what is up to date")
    parser.add_argument("parameters", nargs="*", metavar="NAME=VALUE", help=PARAMETERS)


def _run(options: argparse.Namespace) -> None:
    from ser_tinyml.workflow import parameters, pipeline, runs
    from ser_tinyml.workflow.stages import STAGES

    # make hands over empty names of what was not given
    name = options.run or options.experiment or ("real" if options.data else "demo")
    folder = runs.folder_of(name)
    values = parameters.experiment(options.experiment) if options.experiment else {}
    own = str(values.pop("stages", "")).split()
    stages = options.stage or own or STAGES
    given = _given(options.parameters)
    if not options.data:
        print("No recordings given: this run speaks its own. Synthetic speech proves the")
        print("machinery, never accuracy. For real recordings: make run DATA=/path/to/corpora\n")
    pipeline.run(
        folder,
        recordings=options.data or None,
        parameters={**values, **given},
        stages=stages,
        force=options.force,
    )


def _given(parameters: list[str]) -> Mapping[str, Any]:
    """NAME=VALUE as a mapping.

    Raises
    ------
    DataError
        If one has no equals sign.
    """
    from ser_tinyml.files import DataError

    pairs = {}
    for text in parameters:
        name, separator, value = text.partition("=")
        if not separator:
            raise DataError(f"{text}: expected NAME=VALUE, for example epochs=3")
        pairs[name.strip()] = value.strip()
    return pairs


RUN = Command(
    name="run",
    summary="run the notebooks, from recordings to a model and its C++",
    description="Runs the notebooks 01 to 06, each in a process of its own, into a folder of "
    "runs/. Stages that are up to date are passed over; the same command takes up where it was "
    "stopped.",
    examples=(
        "run",
        "run --experiment quick",
        "run --data corpora --run mine epochs=40 training.batch_size=32",
    ),
    options=_run_options,
    run=_run,
    in_checkout=True,
)


def _research_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="FOLDER", required=True, help="recordings")
    _more_options(parser)


def _research(*stages: str, **about: Any) -> Command:
    """A command that runs stages of research into runs/release."""

    def run(options: argparse.Namespace) -> None:
        given = vars(options)
        _run(
            argparse.Namespace(**given, experiment="release", run=None, stage=["01_index", *stages])
        )

    return Command(options=_research_options, run=run, in_checkout=True, **about)


EVALUATE = _research(
    "07_evaluate",
    "09_your_voice",
    name="evaluate",
    summary="five folds of speakers never heard, rooms, microphones, streams; and adapted",
    description="Trains the released recipe on each of five folds of speakers and tests it on the "
    "fifth that it never heard; then in noise and rooms, through other microphones and in long "
    "streams; then adapted to each of these speakers. Runs notebooks 07 and 09 into runs/release.",
    examples=("evaluate --data corpora", "evaluate --data corpora noise_dir=noise"),
)
ABLATIONS = _research(
    "08_ablations",
    name="ablations",
    summary="what each choice is worth",
    description="Trains the released recipe with one choice changed at a time, and shows what "
    "that costs. Runs notebook 08 into runs/release.",
    examples=("ablations --data corpora",),
)


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names of runs; two or more")
    parser.add_argument(
        "--output", metavar="FOLDER", help="for tables and picture (default: runs/compare)"
    )


def _compare(options: argparse.Namespace) -> int:
    from ser_tinyml.provenance import ROOT
    from ser_tinyml.workflow import compare, runs

    folders = [runs.folder_of(name) for name in options.runs]
    return compare.run_compare(folders, options.output or ROOT / "runs" / "compare")


COMPARE = Command(
    name="compare",
    summary="runs side by side, and whether a difference is more than chance",
    description="Shows the scores of finished runs side by side, what differs in their settings, "
    "and whether the difference is more than the choice of test speakers and seeds would make.",
    examples=("compare release mine",),
    options=_compare_options,
    run=_compare,
    in_checkout=True,
)


def _systems_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="FOLDER", required=True, help="folder of the corpora")
    parser.add_argument("--system", metavar="NAME", help="one of them alone (default: all)")
    parser.add_argument(
        "--song", metavar="FOLDER", help="sung recordings, for systems that learned from such"
    )
    parser.add_argument(
        "--seeds",
        default="0",
        metavar="NUMBERS",
        help="of the trainings of every fold, with spaces between (default: 0)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="train for a moment: shows that all works, no more"
    )
    parser.add_argument("--publish", action="store_true", help="also into models/ and the README")


def _systems(options: argparse.Namespace) -> None:
    from ser_tinyml.files import DataError
    from ser_tinyml.workflow import runs, systems

    seeds = options.seeds.split()
    if not seeds or not all(seed.isdecimal() for seed in seeds):
        raise DataError(
            f"--seeds: expected whole numbers with spaces between, found {options.seeds!r}"
        )
    if options.quick and options.publish:
        raise DataError("systems: expected --publish without --quick, found both")
    table = systems.run(
        runs.folder_of("systems-quick" if options.quick else "systems"),
        recordings=options.data,
        song=options.song or None,
        name=options.system or "",  # make hands over an empty name
        seeds=[int(seed) for seed in seeds],
        quick=options.quick,
    )
    print(systems.text(table))
    if options.publish:
        systems.publish(table)


SYSTEMS = Command(
    name="systems",
    summary="the field's other systems, on these recordings and folds",
    description="Trains each system of the field as its authors did and tests it as they did, then "
    "on the five folds of speakers that it never heard; exports it to what its authors ran it on, "
    "and measures that. Runs into runs/systems; what is done is not done again. Exports need the "
    "extra [systems].",
    examples=(
        "systems --data corpora",
        "systems --data corpora --system conv162 --seeds '0 1'",
    ),
    options=_systems_options,
    run=_systems,
    in_checkout=True,
)
