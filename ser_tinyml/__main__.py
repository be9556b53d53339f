"""The commands: ``python -m ser_tinyml predict | run | publish | results | download | bench``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

RESULTS = ["published", "clip_random", "seven_random", "release"]
INTERRUPTED = 130  # what shells say of a command that Ctrl-C ended


# These read their own options.
OWN_OPTIONS = {
    "bench": "evaluation.bench",
    "board-report": "device.board",
    "emulate": "device.emulate",
    "predict": "apps.predict",
}
# What --publish does with their results, in workflow.readme.
PUBLISHERS = {"emulate": "publish_emulated"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what goes wrong with files is said in a line, not in a traceback."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] and arguments[0] in OWN_OPTIONS:
        name, *rest = arguments
        more = {"publish": _publisher(PUBLISHERS[name])} if name in PUBLISHERS else {}
        return _guarded(lambda: _module(OWN_OPTIONS[name]).main(rest, **more))
    options = _parser().parse_args(arguments)
    return _guarded(lambda: options.command(options))


def _module(name: str):
    return importlib.import_module(f"ser_tinyml.{name}")


def _publisher(name: str):
    return lambda result: getattr(_module("workflow.readme"), name)(result)


def _guarded(command) -> int:
    from ser_tinyml.files import DataError

    try:
        return command() or 0
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"\n{interrupt or 'stopped'}", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ser_tinyml",
        description="Teach a microcontroller to hear emotion: recordings in, an int8 model out.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    run = commands.add_parser("run", help="run the notebooks, top to bottom")
    run.add_argument("--data", metavar="FOLDER", help="recordings; without: synthetic speech")
    run.add_argument("--experiment", metavar="NAME", help="parameters in notebooks/experiments")
    run.add_argument(
        "--run", metavar="NAME", help="into runs/NAME (default: the experiment's, demo or real)"
    )
    run.add_argument(
        "--stage", action="append", metavar="STAGE", help="only this one, e.g. 03_train; repeatable"
    )
    run.add_argument("--force", action="store_true", help="also run what is up to date")
    run.add_argument(
        "parameters", nargs="*", metavar="name=value", help="of the parameters cells, e.g. epochs=3"
    )
    run.set_defaults(command=_run)

    publish = commands.add_parser("publish", help="put a run's model, pictures and notebooks here")
    publish.add_argument("run", help="name of the run, e.g. real")
    publish.add_argument(
        "--synthetic", action="store_true", help="also if it was trained on synthetic speech"
    )
    publish.set_defaults(command=_publish)

    results = commands.add_parser("results", help="the README's table and picture, from runs")
    results.add_argument("runs", nargs="*", default=RESULTS, help=f"default: {' '.join(RESULTS)}")
    results.set_defaults(command=_results)

    download = commands.add_parser("download", help="fetch the published corpora")
    download.add_argument("corpora", nargs="+", help="of RAVDESS, TESS, SAVEE, CREMA-D")
    download.add_argument("--folder", default="data", help="where to (default: data)")
    download.add_argument("--source", help="zenodo or kaggle (default: Zenodo if it has it)")
    download.set_defaults(command=_download)

    commands.add_parser("bench", help="time the features against the straightforward loop")
    commands.add_parser("board-report", help="measure a board and make the text to send")
    commands.add_parser("emulate", help="the firmware on an emulated Cortex-M4F")
    commands.add_parser("predict", help="what the released model hears in recordings")
    return parser


def _run(options: argparse.Namespace) -> None:
    from ser_tinyml.files import DataError
    from ser_tinyml.workflow import parameters as of_parameters
    from ser_tinyml.workflow import pipeline, runs
    from ser_tinyml.workflow.stages import STAGES

    name = options.run
    if name is None:
        name = options.experiment or ("real" if options.data else "demo")
    folder = runs.folder_of(name)
    parameters = of_parameters.experiment(options.experiment) if options.experiment else {}
    stages = options.stage or str(parameters.pop("stages", "")).split() or STAGES
    for text in options.parameters:
        name, separator, value = text.partition("=")
        if not separator:
            raise DataError(f"{text}: expected name=value, for example epochs=3")
        parameters[name.strip()] = value.strip()
    if not options.data:
        print("No recordings given: this run speaks its own. Synthetic speech proves the")
        print("machinery, never accuracy. For real recordings: make run DATA=/path/to/corpora\n")
    pipeline.run(
        folder,
        recordings=options.data or None,
        parameters=parameters,
        stages=stages,
        force=options.force,
    )


def _publish(options: argparse.Namespace) -> None:
    from ser_tinyml.provenance import ROOT
    from ser_tinyml.workflow import publish, runs

    for path in publish.publish(runs.folder_of(options.run), synthetic=options.synthetic):
        print(path.relative_to(ROOT).as_posix())


def _results(options: argparse.Namespace) -> None:
    from ser_tinyml.workflow import results, runs

    print(results.publish([runs.folder_of(name) for name in options.runs]).to_string(index=False))


def _download(options: argparse.Namespace) -> None:
    from ser_tinyml.data.corpora import download

    download.download(options.corpora, options.folder, source=options.source)


if __name__ == "__main__":
    sys.exit(main())
