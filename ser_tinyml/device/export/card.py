"""The card of a model: what it is, what it was measured to do, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from ser_tinyml import files
from ser_tinyml.data import corpora
from ser_tinyml.device.export.model import Export
from ser_tinyml.device.export.sources import environment
from ser_tinyml.device.export.tables import sizes
from ser_tinyml.files import DataError
from ser_tinyml.metrics import POOLED
from ser_tinyml.tflite import convert


def model_card(export: Export, metrics: Mapping[str, Mapping[str, Any]], *, name: str) -> str:
    """Fill in ``templates/model_card.md.j2``.

    Parameters
    ----------
    metrics
        Stage ("01_index" to "04_convert") to the metrics.json that it wrote.
    name
        Of the run.

    Returns
    -------
    Markdown. Every number comes from the metrics or the export.

    Raises
    ------
    DataError
        If a stage's metrics lack a number.
    """
    try:
        index, rows, training, conversion = (
            metrics[stage] for stage in ("01_index", "02_features", "03_train", "04_convert")
        )
        known = [] if index["synthetic"] else [corpora.named(name) for name in rows["corpora"]]
        registered = {corpus.name for corpus in corpora.all()}
        return (
            environment()
            .get_template("model_card.md.j2")
            .render(
                name=name,
                export=export,
                index=index,
                rows=rows,
                training=training,
                conversion=conversion,
                operators=list(dict.fromkeys(convert.operators(export.tflite))),
                flash=int(sizes(export).query("memory == 'flash'")["bytes"].sum()),
                scores=_scores(training["scores"], conversion["int8_tflm"]),
                corpora=known,
                published=[one for one in known if one.name in registered],
            )
        )
    except (KeyError, jinja2.UndefinedError) as error:
        raise DataError(f"model card of {name}: expected all metrics, found no {error}") from error


def _scores(floats: Mapping[str, Any], int8: Any) -> list[tuple[str, Any]]:
    """The lines of the tables: what the board will do first, then float, all corpora first."""
    parts = sorted(floats.items(), key=lambda item: (item[0] != POOLED, item[0]))
    return [
        (f"int8 on TFLite Micro, {POOLED}", int8),
        *((f"float32 in Keras, {part}", score) for part, score in parts),
    ]


def manifest(folder: str | Path, paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """SHA-256 and size of files, by their path relative to the folder."""
    listed = {}
    for path in sorted(paths):
        data = files.read_bytes(path)
        name = path.relative_to(folder).as_posix()
        listed[name] = {"bytes": len(data), "sha256": files.sha256_bytes(data)}
    return listed
