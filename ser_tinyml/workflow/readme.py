"""Numbers and tables in the README and the docs, between marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT

PLACES = {  # mark: the file that has it
    "evaluation": "README.md",
    "emulated": "README.md",
    "emulate": "firmware/arduino_nano33/README.md",
    "results": "docs/scores.md",
    "systems": "docs/scores.md",
    "bench": "docs/numbers.md",
}


def put(text: str, *, name: str, root: Path) -> None:
    """Put a text between the marks of a name, in the file that has them."""
    path = root / PLACES[name]
    before = files.read_bytes(path).decode()
    files.write_text(path, into_readme(before, text, name=name))


def into_readme(readme: str, table: str, *, name: str = "results") -> str:
    """Put a table between its two marks, <!-- name --> and <!-- /name -->.

    Raises
    ------
    DataError
        If the marks are not there once each, in order.

    Examples
    --------
    >>> into_readme("a\\n<!-- results -->\\nold\\n<!-- /results -->\\n", "new")
    'a\\n<!-- results -->\\nnew\\n<!-- /results -->\\n'
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if [readme.count(begin), readme.count(end)] != [1, 1] or (
        readme.index(begin) > readme.index(end)
    ):
        place = PLACES.get(name, "README.md")
        raise DataError(f"{place}: expected {begin} and after it {end}, once each")
    head, rest = readme.split(begin)
    return f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}"


def publish_emulated(metrics: dict[str, Any], *, root: Path = ROOT) -> None:
    """Put what `emulate` measured into models/emulated.json and both READMEs."""
    from ser_tinyml.device.emulation.report import table

    files.write_json(root / "models" / "emulated.json", metrics)
    tflm = metrics["engines"]["tflm"]
    every_ms = metrics["step_every_ms"]
    sentence = (
        "The net has two engines, with the same answers to the bit: engine 1 (`tflm`), the "
        "default, is TFLite Micro with code of ours for the LSTM, engine 2 (`direct`) is plain "
        f"C++. A step of the net with the features of its two frames is due every {every_ms:.0f} "
        f"ms. It takes {every_ms * tflm['share']:.1f} ms with engine 1 (the library around the "
        f"layers not counted) and {every_ms * metrics['share']:.1f} ms with engine 2, of which "
        f"{metrics['answer_ms']:.1f} come after the last sample. That is "
        f"{100 * tflm['share']:.0f} % and {100 * metrics['share']:.0f} % of an emulated "
        "Cortex-M4F at 64 MHz (`make emulate`). A real board waits for its memory, and is slower."
    )
    put(f"```text\n{table(metrics)}\n```", name="emulate", root=root)
    put(sentence, name="emulated", root=root)


def publish_bench(result: dict[str, Any], *, root: Path = ROOT) -> None:
    """Put what `bench` measured into models/bench.json and the docs."""
    files.write_json(root / "models" / "bench.json", result)
    sentence = (
        f"Features of {result['clips']:,} {result['corpus']} clips, by the published recipe, on "
        f"{result['cores']} cores: {result['speedup']:.1f} times as fast as a plain loop with "
        f"librosa. The largest difference between the two is {result['largest_difference']:.5f}."
    )
    put(sentence, name="bench", root=root)
