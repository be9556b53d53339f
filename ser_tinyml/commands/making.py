"""Commands for who makes a model: from recordings to a run, and how good it is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ser_tinyml.commands.command import Command, UsageError, check_checkout, model_option

PARAMETERS = (
    "of the parameters cells and of what they configure, as epochs=3 or training.batch_size=32"
)


def _download_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS", help="names, such as RAVDESS; or Whisper, or ESC-10"
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
    summary="fetch corpora of emotional speech, a teacher, or sounds without speech",
    description="Downloads corpora, checks what came and unpacks it. Each has a licence of its "
    "own, which is printed. Two are no corpora: Whisper is a speech model, which can teach the "
    "net (teacher_dir); ESC-10 is sounds in which nobody speaks (nonspeech_dir).",
    examples=(
        "download RAVDESS",
        "download Whisper ESC-10",
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
    "15_teachers",
    name="ablations",
    summary="what each choice is worth",
    description="Trains the released recipe with one choice changed at a time, and shows what "
    "that costs; and what two teachers say. Runs notebooks 08 and 15 into runs/release.",
    examples=("ablations --data corpora",),
)


def _spark_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", metavar="PLACE", help="recordings: a folder or a URL")
    what.add_argument(
        "--pack", metavar="FILE", help="only make the archive that the workers of a cluster need"
    )
    parser.add_argument(
        "--output",
        default="runs/spark",
        metavar="FOLDER",
        help="on this computer, for tables and arrays (default: runs/spark)",
    )
    parser.add_argument(
        "--parquet",
        default="",
        metavar="PLACE",
        help="a folder or a URL for the rows as the workers write them (default: in the output)",
    )
    parser.add_argument(
        "--master",
        default="",
        help="of Spark (default: what spark-submit was given, or the cores of this computer)",
    )
    parser.add_argument("--workers", metavar="FILE", help="the archive that --pack made")
    parser.add_argument(
        "--check",
        action="store_true",
        help="instead hold Spark against this computer alone: bits, time, memory, killed workers",
    )
    parser.add_argument(
        "--many",
        type=int,
        default=60_000,
        metavar="CLIPS",
        help="with --check, through which the memory is watched (default: 60000)",
    )
    parser.add_argument(
        "parameters", nargs="*", metavar="NAME=VALUE", help="parameters of notebook 02, as seed=1"
    )


def _spark(options: argparse.Namespace) -> int:
    from pathlib import Path

    from ser_tinyml.apps.spark import job, session
    from ser_tinyml.workflow import parameters
    from ser_tinyml.workflow.paths import Paths

    if options.pack:
        print(session.pack(options.pack))
        return 0
    if options.check:
        return _check_spark(options)
    stage = "02_features"
    given = parameters.given(
        _given(options.parameters), {stage: job.PARAMETERS}, paths=Paths(Path.cwd())
    )
    job.run(
        options.data,
        options.output,
        parquet=options.parquet,
        parameters=given[stage],
        master=options.master,
        workers=options.workers,
    )
    return 0


def _check_spark(options: argparse.Namespace) -> int:
    if options.parameters or options.parquet or options.master:
        raise UsageError("parameters, --parquet and --master are not for --check")
    if options.many < 1:
        raise UsageError(f"--many: expected 1 or more, found {options.many}")
    from ser_tinyml.apps.spark import check

    met = check.check(options.data, options.output, workers=options.workers, many=options.many)
    return 0 if met else 1


SPARK = Command(
    name="spark",
    summary="index and features of more recordings than one computer can chew",
    description="Makes what notebooks 01 and 02 make, with the workers of Apache Spark: the table "
    "of clips, and the features of every clip and its changed copies, the same to the bit. What "
    "cannot be used is listed; what is done is not done again. Recordings may lie wherever Spark "
    "reads. Needs the extra [spark] and Java 17.",
    examples=(
        "spark --data corpora",
        "spark --data corpora --output runs/many augmented_rows=3 protocol=release",
        "spark --pack workers.tar.gz",
        "spark --data s3a://recordings --parquet s3a://rows --workers workers.tar.gz",
        "spark --data corpora --check --many 15000",
    ),
    options=_spark_options,
    run=_spark,
    extra="spark",
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


def _tables_options(parser: argparse.ArgumentParser) -> None:
    _research_options(parser)
    parser.add_argument(
        "--output", metavar="FOLDER", help="write the tables there, and run no notebook"
    )
    model_option(parser, "that answers")


def _tables(options: argparse.Namespace) -> None:
    from ser_tinyml.apps import predict

    model = predict.model_folder(options.model)
    if not options.output:
        check_checkout("tables")
        chosen = [f"model_dir={model}"] if options.model else []
        given = {**vars(options), "parameters": [*options.parameters, *chosen]}
        stages = ["01_index", "10_corpora"]
        _run(argparse.Namespace(**given, experiment=None, run="tables", stage=stages))
        return
    if options.parameters or options.force:
        raise UsageError("parameters and --force are for the notebooks, not for --output")
    from ser_tinyml.apps.tables import make

    for path in make.make(options.data, options.output, model=model):
        print(path)


TABLES = Command(
    name="tables",
    summary="a row a clip for analysts: voice, loudness, answer; CSV, Parquet, star schema",
    description="Measures every recording with Praat (F0, HNR, jitter, shimmer, intensity, pace), "
    "lets a model answer it, and writes tables with a data dictionary. Runs notebooks 01 and 10 "
    "into runs/tables, which draw and compare too; with --output it writes the tables alone and "
    "needs no notebook. Needs the extra [analysis].",
    examples=("tables --data corpora", "tables --data corpora --output tables"),
    options=_tables_options,
    run=_tables,
    extra="analysis",
)


def _systems_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="FOLDER", required=True, help="folder of the corpora")
    parser.add_argument(
        "--system",
        metavar="NAME",
        help="one of them alone, or compare: show side by side those that were trained "
        "(default: all, and side by side)",
    )
    parser.add_argument(
        "--ratings", metavar="FOLDER", help="listeners' votes on CREMA-D, to show people beside"
    )
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
        "--net-seeds", default="", metavar="NUMBERS", help="the same, of this project's own net"
    )
    parser.add_argument(
        "--quick", action="store_true", help="train for a moment: shows that all works, no more"
    )
    parser.add_argument(
        "--beside-published",
        action="store_true",
        help="where all stand side by side: take what this run has not trained, and this project's "
        "own net, from the published scores; for the same recordings only",
    )
    parser.add_argument("--publish", action="store_true", help="also into models/ and the docs")


def _check_systems(options: argparse.Namespace, name: str) -> None:
    """Refuse options of which one would say nothing."""
    from ser_tinyml.files import DataError
    from ser_tinyml.workflow import systems

    if options.quick and options.publish:
        raise DataError("systems: expected --publish without --quick, found both")
    if options.beside_published and name not in ("", systems.SIDE_BY_SIDE):
        raise DataError(
            f"--beside-published: expected --system {systems.SIDE_BY_SIDE}, or none, found {name}"
        )
    if options.net_seeds and (options.beside_published or name not in ("", systems.SIDE_BY_SIDE)):
        raise DataError(
            "--net-seeds: expected to train this project's net, found it is not trained"
        )
    if options.beside_published and options.ratings:
        raise DataError(
            "systems: expected --ratings without --beside-published, which has the published score "
            "of people; found both"
        )


def _systems(options: argparse.Namespace) -> None:
    from ser_tinyml.files import DataError
    from ser_tinyml.workflow import runs, systems

    for option, seeds in (("--seeds", options.seeds), ("--net-seeds", options.net_seeds or "0")):
        if not seeds.split() or not all(seed.isdecimal() for seed in seeds.split()):
            raise DataError(
                f"{option}: expected whole numbers with spaces between, found {seeds!r}"
            )
    name = options.system or ""  # make hands over an empty name
    _check_systems(options, name)
    table = systems.run(
        runs.folder_of("systems-quick" if options.quick else "systems"),
        recordings=options.data,
        song=options.song or None,
        name=name,
        seeds=[int(seed) for seed in options.seeds.split()],
        quick=options.quick,
        beside=_beside(options) if name in ("", systems.SIDE_BY_SIDE) else None,
    )
    print(systems.text(table))
    if options.publish:
        systems.publish(table)


def _beside(options: argparse.Namespace) -> dict[str, Any]:
    """How the project's own net is trained that stands beside the systems: as the released one."""
    from ser_tinyml.workflow import parameters, publish

    if options.beside_published:
        found = {"net_sizes": "", "earlier": f"../{publish.METRICS}"}  # of notebooks/
    elif options.quick:
        found = {"epochs": 1, "augmented_rows": 1, "teachers": 0, "generations": 0}
    else:
        found = parameters.experiment("release")
    given = {"ratings_dir": options.ratings, "net_seeds": options.net_seeds}
    return {**found, **{name: value for name, value in given.items() if value}}


SYSTEMS = Command(
    name="systems",
    summary="the field's other systems, on these recordings and folds",
    description="Trains each system of the field as its authors did and tests it as they did, then "
    "on the five folds of speakers that it never heard; exports it to what its authors ran it on, "
    "and measures that. At the end all stand side by side with this project's own net in several "
    "sizes, taught as the released one; that needs ser-tinyml download Whisper ESC-10. "
    "Runs into runs/systems; what is done is not done again. Exports need the extra [systems].",
    examples=(
        "systems --data corpora",
        "systems --data corpora --system conv162 --seeds '0 1'",
        "systems --data corpora --system compare --ratings ratings --net-seeds '0 1'",
        "systems --data corpora --system compare --beside-published",
    ),
    options=_systems_options,
    run=_systems,
    in_checkout=True,
)
