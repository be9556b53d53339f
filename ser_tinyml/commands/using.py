"""Commands for who has a model: `predict` and `board`."""

from __future__ import annotations

import argparse

from ser_tinyml.commands.command import Command, UsageError, model_option


def _predict_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="recordings (.wav, .flac, .mp3, .m4a, .webm and most others) of any rate and length, "
        "or folders of them; with --system spectrogram also pictures of spectrograms",
    )
    model_option(parser)
    parser.add_argument(
        "--system",
        metavar="NAME",
        help="one of the field's other systems, which `systems` trained; --model is then a run of "
        "it (default: runs/systems), one of its trials, or an ONNX file",
    )
    parser.add_argument("--steps", action="store_true", help="also what is thought on the way")
    parser.add_argument(
        "--json",
        action="store_true",
        help="a JSON object a line, nothing else; docs/predict.schema.json describes it",
    )
    parser.add_argument(
        "--picture",
        metavar="PATH",
        help="draw the recording: a .png; for several a folder, which gets one of each",
    )


def _predict(options: argparse.Namespace) -> int:
    if options.system:
        return _predict_by_system(options)
    from ser_tinyml.apps import predict

    return predict.predict(
        options.files,
        model=options.model,
        steps=options.steps,
        in_json=options.json,
        picture=options.picture,
    )


def _predict_by_system(options: argparse.Namespace) -> int:
    if options.steps:
        raise UsageError("--steps is not for --system: it answers a recording as a whole")
    from ser_tinyml.apps import field

    return field.predict(
        options.files,
        system=options.system,
        model=options.model,
        in_json=options.json,
        picture=options.picture,
    )


PREDICT = Command(
    name="predict",
    summary="what a model hears in recordings",
    description="Answers recordings: a label, the probability of each, and what a board would "
    "have said when. An answer less probable than the model's threshold is called unsure. The "
    "status is 1 if a recording could not be read; the others are answered.",
    examples=(
        "predict clip.wav --picture clip.png",
        "predict recordings/ --json",
        "predict clip.wav --model runs/demo",
        "predict clip.wav picture.png --system spectrogram",
    ),
    options=_predict_options,
    run=_predict,
)


def _board_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=("listen", "report"),
        default="listen",
        help="listen: say what it hears (default); report: test it and write what to send",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--port", help="of the board, as /dev/ttyACM0 (default: the first found)")
    which.add_argument(
        "--virtual",
        nargs="?",
        const="",
        metavar="RECORDING",
        help="the same firmware on this computer; it hears the recording, or else a few "
        "sentences that come with the model",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="X",
        help="of a virtual board (default: 1, real time; 0: as fast as can be)",
    )
    model_option(parser, "of the virtual board, or whose golden clips test a board")
    listen = parser.add_argument_group("only for listen")
    listen.add_argument("--seconds", type=float, metavar="S", help="how long (default: until ^C)")
    listen.add_argument("--picture", metavar="FILE", help="draw what was heard, as .png")
    report = parser.add_argument_group("only for report")
    report.add_argument("--output", metavar="FILE", help="write the report there as well")


def _board(options: argparse.Namespace) -> int:
    others = {"listen": ("output",), "report": ("seconds", "picture")}[options.what]
    for name in others:
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} is not for board {options.what}")
    from ser_tinyml.apps import board, predict
    from ser_tinyml.device import sources_of

    model, golden = sources_of(predict.model_folder(options.model))
    which = {"virtual": options.virtual, "speed": options.speed, "model": model, "golden": golden}
    with board.opened(options.port, **which) as (device, end):
        if options.what == "report":
            return 0 if board.report(device, golden=golden, output=options.output) else 1
        seconds = end if options.seconds is None else options.seconds
        board.listen(device, seconds=seconds, picture=options.picture)
    return 0


BOARD = Command(
    name="board",
    summary="listen to a board on the serial port or to a virtual one, or test it",
    description="Finds the board on its serial port. Listening prints every decision as it is "
    "made. The report sends the golden clips through the board in place of the microphone, "
    "compares every answer with the one that is expected and measures the time; paste it into an "
    "issue. A virtual board is the same C++, compiled for this computer: it needs a C++ compiler.",
    examples=(
        "board",
        "board --virtual clip.wav",
        "board listen --seconds 60 --picture heard.png",
        "board report --output report.md",
        "board report --virtual",
        "board report --virtual --model runs/demo",
    ),
    options=_board_options,
    run=_board,
)


def _page_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="to show it at (default: this computer alone)"
    )
    parser.add_argument("--port", type=int, default=8501, help="(default: 8501)")


def _page(options: argparse.Namespace) -> int:
    import importlib.util

    from ser_tinyml.apps import page
    from ser_tinyml.files import DataError

    if importlib.util.find_spec("streamlit") is None:
        raise DataError(
            "page: expected streamlit to be installed, found it is not: "
            'pip install "ser-tinyml[page]"'
        )
    return page.serve(host=options.host, port=options.port)


PAGE = Command(
    name="page",
    summary="a web page for recordings, served by this computer",
    description="Shows a page on which recordings are uploaded or spoken, and answered as predict "
    "answers them: picture, probabilities, table, CSV and JSON. Nothing is kept. Needs the extra "
    "[page].",
    examples=("page", "page --port 8080"),
    options=_page_options,
    run=_page,
)


def _adapt_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        help="labelled clips of one person: folders named after labels, or a labels.csv",
    )
    parser.add_argument(
        "--output", metavar="FOLDER", required=True, help="for the model, its sketch and its card"
    )
    model_option(parser)


def _adapt(options: argparse.Namespace) -> None:
    from ser_tinyml.apps import adapt

    adapt.adapt(options.folder, output=options.output, model=options.model)


ADAPT = Command(
    name="adapt",
    summary="a model for your own voice, from a few labelled clips",
    description="Makes the last layer of a model anew from a few clips of one person; five a label "
    "are a good beginning. Says what is gained on clips left out, and writes a model for "
    "predict --model, a sketch to flash, and a card. Takes seconds, and no corpus.",
    examples=(
        "adapt data/own --output my_voice",
        "adapt data/own --output my_voice --model runs/release",
    ),
    options=_adapt_options,
    run=_adapt,
)
