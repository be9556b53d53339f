"""The page on which a browser runs the firmware: made from ``site/``, and shown on localhost."""

from __future__ import annotations

import functools
import gzip
import http.server
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import soundfile

from ser_tinyml import files
from ser_tinyml.apps import answering
from ser_tinyml.data.corpus import LONGEST_LABEL, OTHER, UNSURE
from ser_tinyml.device import GOLDEN, MODEL, board, wasm
from ser_tinyml.device.export import colours
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.listening import LISTENING
from ser_tinyml.files import DataError
from ser_tinyml.plots import style
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite import release
from ser_tinyml.tflite.release import Release

SOURCE = ROOT / "site"
OUTPUT = SOURCE / "dist"
LONGEST_S = 600  # of a recording: a page holds all of it in memory
BESIDE = "docs"  # folder of the docs below the page
_PARTS = ("*.html", "*.css", "*.js", "*.svg", "*.webmanifest", "js/*.js")


def build(
    output: str | Path = OUTPUT, *, source: str | Path = SOURCE, docs: str | Path | None = None
) -> Path:
    """Make the page: its files, the firmware as WebAssembly, settings, and voices.

    Parameters
    ----------
    output
        Folder, made anew.
    source
        Folder of the page's own files.
    docs
        Folder of the docs, from ``make docs``: they come to lie in ``docs/`` below the page, and
        each links to the other. None: the page stands alone, and links to no docs.

    Returns
    -------
    output
        With ``index.html``. It can lie anywhere on a web server; nothing in it names a host.

    Raises
    ------
    DataError
        If the compiler is missing, the model and its golden clips do not fit each other, or there
        are no docs.
    """
    output, source = Path(output), Path(source)
    if docs is not None and not (Path(docs) / "index.html").is_file():
        raise DataError(f"{docs}: expected the docs, found no index.html: make docs")
    if output.exists() and not (output / "index.html").is_file() and any(output.iterdir()):
        raise DataError(f"{output}: expected a page or an empty folder, found other files")
    module = wasm.build()
    shutil.rmtree(output, ignore_errors=True)
    for pattern in _PARTS:
        for path in sorted(source.glob(pattern)):
            files.write_bytes(output / path.relative_to(source), path.read_bytes())
    files.write_bytes(output / "ser.wasm", module.read_bytes())
    golden = Golden.read(GOLDEN)
    for clip in golden.clips:
        sound = io.BytesIO()
        soundfile.write(sound, clip.waveform, golden.sample_rate, format="FLAC", subtype="PCM_16")
        files.write_bytes(output / "voices" / f"{clip.name}.flac", sound.getvalue())
    files.write_json(output / "settings.json", settings(golden))
    if docs is not None:
        _unveil(output / "index.html")
    _list(output)
    if docs is not None:  # after the list: the page keeps its own files for use offline, not these
        shutil.copytree(docs, output / BESIDE)
        for path in sorted((output / BESIDE).rglob("*.html")):
            _unveil(path)
    return output


def _unveil(path: Path) -> None:
    """Show what a page hides while nothing stands beside it: its link there."""
    text = path.read_text("utf-8")
    files.write_text(path, text.replace('class="beside" hidden', 'class="beside"'))


def settings(golden: Golden) -> dict[str, Any]:
    """What the page is told, so that nothing of it is typed twice: colours, numbers, clips."""
    model = Release.load()
    listening = {**vars(LISTENING.gate(model.config)), **vars(LISTENING.decider(model.config))}
    taken = ("hangover_frames", "min_steps", "min_voice_frames")
    return {
        "model": {"id": _model_id(), "labels": model.labels},
        "rules": {
            **{name: listening[name] for name in taken},
            "n_frames": model.config.n_frames,
            "extra_s": answering.EXTRA_S,
            "range_db": model.config.onset_range_db,
            "steady_db": answering.STEADY_DB,
            "silent_peak": answering.SILENT_PEAK,
            "threshold": model.threshold,
            "longest_s": LONGEST_S,
        },
        "colours": style.colours_of(list({*model.labels, *style.EMOTION_COLOURS})),
        "led": {name: style.LED_COLOURS[name] for name in colours.BITS},
        "led_bits": colours.BITS,
        "label": {"most_bytes": LONGEST_LABEL, "taken": [OTHER, UNSURE]},
        "board": {"usbVendorId": board.NANO_33_BLE[0], "usbProductId": board.NANO_33_BLE[1]},
        "measured": measured(),
        "voices": [
            {"name": clip.name, "about": clip.about, "file": f"voices/{clip.name}.flac"}
            for clip in golden.clips
        ],
    }


def measured() -> dict[str, float] | None:
    """Scores on speakers never heard, of the released recipe; None: it was not evaluated."""
    path = release.FOLDER / "metrics.json"
    evaluated = files.read_json(path).get("07_evaluate") if path.is_file() else None
    if evaluated is None:
        return None
    unsure = evaluated["unsure"]["all"]
    return {
        "uar": answering.measured_uar(evaluated),
        "answered": unsure["coverage"],
        "right": unsure["answered_accuracy"],
    }


def _model_id() -> str:
    """The id of the model whose C++ is compiled into the module."""
    found = re.search(r'kLabelsId\[\] = "(\w+)"', (MODEL / "labels.h").read_text("utf-8"))
    if found is None:
        raise DataError(f"{MODEL / 'labels.h'}: expected a model's id, found none")
    return found[1]


def _list(output: Path) -> None:
    """The list of all files that the service worker keeps; another version has another name."""
    names = [name for name, _, _ in files.listing(output) if name not in ("sw.js", "files.js")]
    hashes = {name: files.sha256_bytes((output / name).read_bytes()) for name in sorted(names)}
    listed = {"version": files.sha256_json(hashes)[:16], "files": ["./", *hashes]}
    files.write_text(output / "files.js", f"self.SHELL = {json.dumps(listed)};\n")


def compressed_kb(folder: str | Path, only: str | None = None) -> float:
    """Kilobytes of a page as a web server sends it, compressed; or of one file.

    Voices come later, and docs that lie beside the page are no part of it.

    Parameters
    ----------
    only
        Name of a file.
    """
    names = [only] if only else [name for name, _, _ in files.listing(folder)]
    sizes = [
        len(gzip.compress((Path(folder) / name).read_bytes(), mtime=0))
        for name in names
        if not name.startswith(("voices/", f"{BESIDE}/"))
    ]
    return sum(sizes) / 1000


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files with the types that browsers insist on, and without a line for each."""

    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".wasm": "application/wasm",
        ".js": "text/javascript",
        ".webmanifest": "application/manifest+json",
        ".flac": "audio/flac",
    }

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def server(folder: str | Path = OUTPUT, *, host: str, port: int) -> http.server.HTTPServer:
    """A web server for a page that `build` made; `serve_forever` runs it.

    Parameters
    ----------
    host
        Address to listen at: microphones work on localhost or by https alone.
    port
        0: any that is free.

    Raises
    ------
    DataError
        If there is no page, or the port is taken.
    """
    if not (Path(folder) / "index.html").is_file():
        raise DataError(f"{folder}: expected a page, found none: make site")
    handler = functools.partial(_Handler, directory=str(folder))
    try:
        return http.server.ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise DataError(
            f"port {port}: expected it to be free, found: {error.strerror}; another one: "
            f"--port {port + 1}"
        ) from error
