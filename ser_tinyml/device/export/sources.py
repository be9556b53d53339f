"""The C++ of a model, from the templates beside this module.

The same model gives the same files, byte for byte: nothing here writes a date, a path or a host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from ser_tinyml import features, files
from ser_tinyml.device.export import colours, model
from ser_tinyml.device.export.model import Export
from ser_tinyml.device.export.tables import fft_twiddles
from ser_tinyml.device.listening import LISTENING
from ser_tinyml.features import FeatureConfig, pitch
from ser_tinyml.files import DataError
from ser_tinyml.tflite import direct

PARTS = {  # that a model is made of, and the constant that tells of each whose it is
    "model_data": "kModelDataId",
    "feature_settings": "kFeatureSettingsId",
    "feature_tables": "kFeatureTablesId",
    "labels": "kLabelsId",
    "listening": "kListeningId",
    "quantization": "kQuantizationId",
    "arena": "kArenaId",
    "direct_tables": "kDirectTablesId",
}
SOURCES = ("model_data", "feature_tables", "direct_tables")  # those that have a .cpp too
WIDTH = 96  # characters in a line of numbers


def source_files(export: Export, *, led_colours: Mapping[str, str] | None = None) -> dict[str, str]:
    """The C++ of a model: file name to text, for the firmware's ``src/model/``.

    Parameters
    ----------
    led_colours
        Label to colour, of those that are not to have the usual ones; see `colours.of`.

    Returns
    -------
    texts
        All is in the namespace ``ser::model``. Every file carries the model id, and
        ``FilesBelongTogether()`` in ``model.h`` says whether they are of one export.
    """
    names = ["model.h", *(f"{part}.h" for part in PARTS), *(f"{part}.cpp" for part in SOURCES)]
    values = _values(export, colours.of(export.labels, led_colours))
    texts = {}
    for name in names:
        stem = Path(name).stem
        template = environment().get_template(f"{name}.j2")
        texts[name] = template.render(values, name=stem, guard=stem.upper())
    return texts


def write_sources(
    folder: str | Path, export: Export, *, led_colours: Mapping[str, str] | None = None
) -> list[Path]:
    """Write `source_files` into a folder."""
    texts = source_files(export, led_colours=led_colours)
    return [files.write_text(Path(folder) / name, text) for name, text in texts.items()]


@cache
def environment() -> jinja2.Environment:
    """Where the templates are, with the filters that they use."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # C++ and Markdown, not HTML
    )
    made.filters |= {
        "c": c_float,
        "c_string": c_string,
        "lines": lines,
        "floats": lambda v: lines(map(c_float, v)),
    }
    return made


def c_float(value: float) -> str:
    """A float32 as C++ reads it back exactly: nine digits, a point or exponent, and an f.

    Raises
    ------
    DataError
        If it is not finite.

    Examples
    --------
    >>> c_float(0.1)
    '0.100000001f'
    """
    single = np.float32(value)
    if not np.isfinite(single):
        raise DataError(f"C++ constant: expected a finite number, found {value}")
    text = f"{single:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def c_string(text: str) -> str:
    """A text as a C++ string of UTF-8, whatever is in it.

    Examples
    --------
    >>> print(c_string('say "no" müde'))
    "say \\"no\\" m\\303\\274de"
    """
    written = []
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\?':  # two question marks can begin a trigraph
            written.append(f"\\{char}")
        else:
            written.append(char if 32 <= byte < 127 else f"\\{byte:03o}")
    return f'"{"".join(written)}"'


def lines(items: Iterable[Any]) -> str:
    """Items, each followed by a comma, filled into indented lines."""
    filled, line = [], ""
    for item in map(str, items):
        if len(line) + len(item) + 2 > WIDTH:
            filled.append(line)
            line = ""
        line += f" {item}," if line else f"    {item},"
    return "\n".join([*filled, line])


def fnv1a(data: bytes) -> int:
    """The 32-bit FNV-1a checksum: short to compute on the board."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def _values(export: Export, led: Mapping[str, str]) -> dict[str, Any]:
    """All that the templates name."""
    config, network = export.config, export.network
    constant = features.tables(config)
    passes, split = fft_twiddles(config.n_fft)
    return {
        "export": export,
        "config": config,
        "parts": sorted(PARTS),
        "ids": [constant for part, constant in PARTS.items() if part != "feature_settings"],
        "power_floor": features.POWER_FLOOR,
        "arena_margin": model.ARENA_MARGIN,
        "arena_step": model.ARENA_STEP,
        "bytes": [f"0x{byte:02x}" for byte in export.board_tflite],
        "checksum": fnv1a(export.board_tflite),
        "window": constant.window,
        "dct": constant.dct,
        "mel_first": [first for first, _ in constant.bands],
        "mel_count": [len(weights) for _, weights in constant.bands],
        "mel_weights": np.concatenate([weights for _, weights in constant.bands]),
        "twiddles": passes.ravel(),
        "split": split.ravel(),
        **pitch_values(config),
        "mean": export.normalisation.mean,
        "std": export.normalisation.std,
        "inverse_std": np.float32(1) / export.normalisation.std,
        "network": network,
        "colours": list(led.values()),
        "colour_bits": colours.BITS,
        "gate": LISTENING.gate(config),
        "decider": LISTENING.decider(config),
        "voice_db": LISTENING.voice_db,
        "min_voicing": LISTENING.min_voicing,
        "rows_at_once": direct.ROWS,
        "widest": _widest(network),
    }


def pitch_values(config: FeatureConfig) -> dict[str, Any]:
    """The tables of the pitch; where there is none, the smallest that compile."""
    if not config.pitch:
        nothing = np.zeros(8, np.float32)
        return {
            "pitch": pitch,
            "pitch_taper": nothing,
            "pitch_cosine": np.zeros(16, np.float32),
            "pitch_first_lag": 1,
            "pitch_correction": nothing,
            "pitch_bonus": nothing,
            "pitch_rate_octaves": 0.0,
        }
    constant = pitch.pitch_tables(config)
    return {
        "pitch": pitch,
        "pitch_taper": constant.taper,
        "pitch_cosine": constant.cosine,
        "pitch_first_lag": constant.lags[0],
        "pitch_correction": constant.correction,
        "pitch_bonus": constant.bonus,
        "pitch_rate_octaves": constant.rate_octaves,
    }


def _widest(network: direct.NetworkTables) -> int:
    """Values of the widest layer, the input among them, filled up."""
    filled = -(-network.n_inputs // direct.ROWS) * direct.ROWS
    widths: Sequence[int] = [layer.width for layer in network.lstms]
    return max(filled, *widths, *(layer.outputs for layer in network.denses))
