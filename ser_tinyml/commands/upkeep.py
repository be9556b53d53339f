"""Commands for who keeps this repository: what its texts say is measured and put in place."""

from __future__ import annotations

import argparse

from ser_tinyml.commands.command import Command, model_option


def _bench_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="FOLDER", required=True, help="folder of the corpora")
    parser.add_argument("--corpus", default="TESS", help="corpus to time (default: TESS)")
    parser.add_argument(
        "--output",
        default="runs/bench/features.json",
        metavar="FILE",
        help="of the numbers (default: runs/bench/features.json)",
    )
    parser.add_argument("--publish", action="store_true", help="also into models/ and the docs")


def _bench(options: argparse.Namespace) -> int:
    from ser_tinyml.apps import bench
    from ser_tinyml.workflow import readme

    result = bench.run_bench(options.data, options.corpus, options.output)
    if options.publish:
        readme.publish_bench(result)
    return 0 if bench.met(result) else 1


BENCH = Command(
    name="bench",
    summary="time the features against the straightforward loop",
    description="Extracts the features of a corpus twice, as the pipeline does and as anybody "
    "would write it with librosa, and compares time and values. The status is 1 if the pipeline "
    "is not fast enough or its values differ.",
    examples=("bench --data corpora",),
    options=_bench_options,
    run=_bench,
    in_checkout=True,
)


def _emulate_options(parser: argparse.ArgumentParser) -> None:
    model_option(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="of the numbers (default: runs/emulate/metrics.json)"
    )
    parser.add_argument("--publish", action="store_true", help="also into models/ and READMEs")


def _emulate(options: argparse.Namespace) -> int:
    from ser_tinyml import files
    from ser_tinyml.apps import predict
    from ser_tinyml.device import sources_of
    from ser_tinyml.device.emulation import report
    from ser_tinyml.workflow import readme

    metrics = report.emulate(*sources_of(predict.model_folder(options.model)))
    files.write_json(options.output or report.REPORT, metrics)
    print(report.table(metrics))
    if options.publish:
        readme.publish_emulated(metrics)
    return 0 if all(metrics["kept"].values()) else 1


EMULATE = Command(
    name="emulate",
    summary="the firmware on an emulated Cortex-M4F, counted and compared",
    description="Builds the firmware's portable part for the board's processor, runs it in QEMU "
    "on the golden clips, compares every answer bit for bit and counts instructions, memory and "
    "time. The status is 1 if a bar is missed. Needs qemu-system-arm and arm-none-eabi-g++.",
    examples=("emulate", "emulate --model runs/demo"),
    options=_emulate_options,
    run=_emulate,
    in_checkout=True,
)


def _pitch_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="FOLDER", required=True, help="folder of the corpora")
    parser.add_argument(
        "--noise", metavar="FOLDER", required=True, help="background recordings to add"
    )
    parser.add_argument("--clips", type=int, default=200, help="over all corpora (default: 200)")
    parser.add_argument(
        "--output",
        default="runs/pitch/metrics.json",
        metavar="FILE",
        help="of the numbers (default: runs/pitch/metrics.json)",
    )


def _pitch(options: argparse.Namespace) -> None:
    from ser_tinyml import files
    from ser_tinyml.apps import pitch

    table = pitch.compare(options.data, options.noise, clips=options.clips)
    files.write_json(options.output, table.to_dict("records"))
    print(pitch.text(table))


PITCH = Command(
    name="pitch",
    summary="the pitch tracker against Praat, alone and in noise",
    description="Draws clips of all corpora and compares F0 and voicing of their frames with "
    "Praat's, as they are and with recorded noise at 20, 10 and 5 dB; and what training draws for "
    "noise with what noise does.",
    examples=("pitch --data corpora --noise noise",),
    options=_pitch_options,
    run=_pitch,
)


def _site_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", metavar="FOLDER", help="for the page, made anew (default: site/dist)"
    )
    parser.add_argument(
        "--docs", metavar="FOLDER", help="of the docs, from make docs, to lie beside the page"
    )
    parser.add_argument("--serve", action="store_true", help="then show it, until ^C")
    parser.add_argument(
        "--host", default="127.0.0.1", help="to show it at (default: this computer alone)"
    )
    parser.add_argument("--port", type=int, default=8000, help="(default: 8000; 0: a free one)")


def _site(options: argparse.Namespace) -> None:
    from ser_tinyml.apps import site

    folder = site.build(options.output or site.OUTPUT, docs=options.docs)
    print(
        f"{folder / 'index.html'}: {site.compressed_kb(folder):.0f} kB compressed, of which the "
        f"core {site.compressed_kb(folder, 'ser.wasm'):.0f}",
        flush=True,
    )
    if options.serve:
        with site.server(folder, host=options.host, port=options.port) as server:
            print(f"http://{options.host}:{server.server_port}/", flush=True)
            server.serve_forever()


SITE = Command(
    name="site",
    summary="the firmware as a web page",
    description="Compiles the firmware to WebAssembly and makes a page around it, which runs it in "
    "the browser and can lie on any web server. Needs the compiler of the extra [site].",
    examples=("site", "site --serve --port 8080", "site --docs build/docs/html"),
    options=_site_options,
    run=_site,
    in_checkout=True,
)


def _publish_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", nargs="?", help="name of the run, as release")
    parser.add_argument(
        "--synthetic", action="store_true", help="also if it was trained on synthetic speech"
    )
    parser.add_argument(
        "--beside",
        action="store_true",
        help="into models/RUN: its model, C++ and golden clips, beside the released model",
    )
    parser.add_argument(
        "--research",
        action="store_true",
        help="only notebooks 07 and later: the released model stays",
    )
    parser.add_argument(
        "--first-steps",
        action="store_true",
        help="execute notebook 00, which belongs to no run, and put its outputs in",
    )


def _publish(options: argparse.Namespace) -> None:
    from ser_tinyml.files import DataError
    from ser_tinyml.provenance import ROOT
    from ser_tinyml.workflow import publish, runs

    if bool(options.run) == options.first_steps:
        found = "both" if options.run else "neither"
        raise DataError(f"publish: expected the name of a run or --first-steps, found {found}")
    if options.first_steps:
        changed = publish.publish_first_steps()
    else:
        how = {name: vars(options)[name] for name in ("synthetic", "research", "beside")}
        changed = publish.publish(runs.folder_of(options.run), **how)
    for path in changed:
        print(path.relative_to(ROOT).as_posix())


PUBLISH = Command(
    name="publish",
    summary="put a run's model, pictures, C++ and notebooks in place",
    description="Copies what a finished run made to where the repository keeps it: the released "
    "model, its C++ and golden clips, the pictures and the executed notebooks. Prints what "
    "changed; writes nothing unless it can write all.",
    examples=(
        "publish release",
        "publish release --research",
        "publish large --beside",
        "publish --first-steps",
    ),
    options=_publish_options,
    run=_publish,
    in_checkout=True,
)


def _results_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="names of runs; the lines of others stay (default: those of the docs)",
    )


def _results(options: argparse.Namespace) -> None:
    from ser_tinyml.workflow import results, runs

    names = options.runs or results.RUNS
    print(results.publish([runs.folder_of(name) for name in names]).to_string(index=False))


RESULTS = Command(
    name="results",
    summary="the tables and picture of README and docs, from runs",
    description="Collects the scores of finished runs and writes the table and the picture of "
    "the README.",
    examples=("results", "results release mine"),
    options=_results_options,
    run=_results,
    in_checkout=True,
)


def _pictures(options: argparse.Namespace) -> None:
    from ser_tinyml.provenance import ROOT
    from ser_tinyml.workflow import results

    for path in results.draw():
        print(path.relative_to(ROOT).as_posix())


PICTURES = Command(
    name="pictures",
    summary="draw the pictures that need no run, from what is published",
    description="Draws into images/ what the notebooks explain: a step of the LSTM, the int8 "
    "arithmetic, the exported files and the stream on the board, with the numbers of the released "
    "model; two ways to split clips; and effect sizes. And the pictures of published tables: tests "
    "at random, ablations, and all systems side by side.",
    examples=("pictures",),
    options=lambda parser: None,
    run=_pictures,
    in_checkout=True,
)
