"""A board under test: golden clips in place of its microphone, and a report to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml.device import GOLDEN
from ser_tinyml.device.board import Board, ClipResult
from ser_tinyml.device.emulation.energy import milliamperes
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.protocol import BoardError, LineError

CYCLES_A_MS = 64_000  # of the processor's clock
TRIES = 3  # of a clip: a line may lose a frame now and then


def check_golden(board: Board, folder: str | Path = GOLDEN) -> list[dict[str, Any]]:
    """Send every golden clip to a board and hold its answers against the vectors.

    Parameters
    ----------
    folder
        With golden.json, of the model that the board holds.

    Returns
    -------
    A row a clip: name, label, asked_again (times that something was lost on the line),
    same_outputs, input_units (largest difference of an int8 input), feature_difference (largest,
    in the feature's own deviations over the clips), features_us and engine_us (lists, microseconds
    of each step).

    Raises
    ------
    DataError
        If they are of another model.
    """
    golden = Golden.read(folder)
    if golden.model_id != board.status["model"]:
        raise BoardError(
            f"{board.path}: expected model {golden.model_id} of {folder}, "
            f"found {board.status['model']}: --model takes the folder or the name of its own"
        )
    spread = np.concatenate([clip.features for clip in golden.clips]).std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    rows = []
    for clip in golden.clips:
        result, lost = _run(board, clip.waveform)
        units = result.inputs.astype(int) - clip.inputs
        difference = abs(result.features - clip.features) / spread
        rows.append(
            {
                "name": clip.name,
                "asked_again": lost,
                "label": board.labels[int(result.outputs[-1].argmax())],
                "same_outputs": bool((result.outputs[-1] == clip.outputs).all()),
                "input_units": int(abs(units).max()),
                "feature_difference": float(difference.max()),
                "features_us": result.features_us.tolist(),
                "engine_us": result.engine_us.tolist(),
            }
        )
    return rows


def _run(board: Board, samples: np.ndarray) -> tuple[ClipResult, int]:
    """A clip's answer, and how often it had to be asked for again.

    Raises
    ------
    BoardError
        What the last try said.
    """
    for lost in range(TRIES - 1):
        try:
            return board.run_clip(samples), lost
        except LineError:
            continue
    return board.run_clip(samples), TRIES - 1


def _ammeter(status: Mapping[str, Any]) -> list[str]:
    """How long the processor was awake by its own cycle counter, and what that should draw."""
    if not status.get("awake_kcycles") or not status["up_ms"]:
        return []
    share = status["awake_kcycles"] / (CYCLES_A_MS / 1000 * status["up_ms"])
    return [
        "",
        f"Awake since the start, by the cycle counter (DWT): {share:.1%}. With SER_LOW_POWER, on a "
        f"battery and without USB, an ammeter in its wire should show about "
        f"{milliamperes(share):.1f} mA (a model: please write what yours shows).",
    ]


def report(board: Board, rows: Sequence[Mapping[str, Any]]) -> str:
    """A board's answers and times as Markdown, to be sent to this project.

    Parameters
    ----------
    rows
        From `check_golden`.
    """
    status = board.command("status")
    step_ms = board.step_ms
    features, engine = (
        np.concatenate([row[name] for row in rows]) / 1000 for name in ("features_us", "engine_us")
    )
    virtual = " (this computer, not a board)" if status["board"] == "virtual board" else ""
    lines = [
        f"### Board report: {status['board']}{virtual}",
        "",
        f"Model `{status['model']}`, engine `{status['engine']}`, arena {status['arena_bytes']:,} "
        f"bytes, reset: {status['reset']}, fault: {status['fault']}.",
        f"Live: {status['heard_ms'] / 1000:.0f} s heard, {status['decisions']} decisions, "
        f"{status['lost_samples']} samples lost, load {status['load']:.1%}.",
        "",
        f"| a step ({step_ms:.0f} ms of sound) | median ms | longest ms |",
        "|---|---|---|",
    ]
    parts = (("features", features), ("engine", engine), ("both", features + engine))
    lines += [f"| {name} | {np.median(ms):.2f} | {ms.max():.2f} |" for name, ms in parts]
    share = np.mean(features + engine) / step_ms
    again = sum(row["asked_again"] for row in rows)
    lines += [
        "",
        f"Share of the processor while somebody speaks: {share:.1%}. "
        f"Clips asked for again, since a frame was lost: {again}.",
        *_ammeter(status),
        "",
        "| golden clip | label | outputs | inputs, units apart | features, deviations apart |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['name']} | {row['label']} | {'same' if row['same_outputs'] else '**differ**'} | "
        f"{row['input_units']} | {row['feature_difference']:.1e} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"
