"""All that emulation measures, in one table, against the bars that it has to keep."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ser_tinyml import files
from ser_tinyml.device import GOLDEN, MODEL
from ser_tinyml.device.emulation import energy, kernel, other_board, toolchain
from ser_tinyml.device.emulation.answers import answers, compare
from ser_tinyml.device.emulation.cycles import (
    ASLEEP,
    FRAME,
    KERNEL,
    PIPELINE,
    PITCH,
    STAGES,
    STEP,
    Cost,
    measure,
)
from ser_tinyml.device.emulation.toolchain import build, check_tools
from ser_tinyml.device.golden import Golden, GoldenClip
from ser_tinyml.device.virtual import with_pauses
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT

REPORT = ROOT / "runs" / "emulate" / "metrics.json"
ASLEEP_MS = 32.0  # of sound in a call of the energy gate
PITCHED = STAGES[PITCH]
SPOKEN = 3  # golden clips that the other board hears
FLASH_BAR, RAM_BAR = 220 * 1024, 36_000
FRAME_BAR_MS, PITCH_BAR_MS = 1.4, 0.9  # the second in addition, for a model that has a pitch
SHARE_BARS = {"direct": 0.18, "tflm": 0.22}
DIRECT_BAR = 190_000, 80  # instructions a step, with so many inputs
INPUT_BAR = 600  # more for each further one, which goes to all 512 gates of the first layer
KERNEL_BAR_MS = 8.0  # a step of engine 1's kernel


def emulate(model: str | Path = MODEL, golden: str | Path = GOLDEN) -> dict[str, Any]:
    """Build, run, compare and measure.

    Parameters
    ----------
    model
        Folder with the generated sources of a model.
    golden
        Folder with its golden clips.

    Returns
    -------
    metrics
        See `report`.
    """
    settings = read_settings(model)
    read = Golden.read(golden)
    if read.model_id != settings["kFeatureSettingsId"]:
        raise DataError(
            f"{golden}: expected clips of the model {settings['kFeatureSettingsId']} in {model}, "
            f"found those of {read.model_id}"
        )
    check_tools()
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder) / "direct", model)
        compared = compare(read.clips, answers(program, read.clips))
        costs = measure(program)
        memory = toolchain.memory(program)
        made = {kernel.HEADER: kernel.layers_header(kernel.model_bytes(model))}
        program = build(Path(folder) / "tflm", model, engine=toolchain.KERNEL, made=made)
        of_kernel = compare(read.clips, answers(program, read.clips))
        step = measure(program, stages=KERNEL)[STEP]
        spoken = with_pauses(
            [clip.waveform for clip in read.clips[:SPOKEN]], sample_rate=settings["kSampleRate"]
        )
        other = other_board.compare(Path(folder) / "other", model, spoken)
    metrics = report(compared, costs, memory, settings, kernel=(of_kernel, step))
    metrics["kept"]["another board"] = other["same"] and other["decisions"] > 0
    return {"model_id": read.model_id, "other_board": other, **metrics}


def report(
    compared: dict[str, Any],
    costs: dict[str, Cost],
    memory: dict[str, int],
    settings: dict[str, Any],
    *,
    kernel: tuple[dict[str, Any], Cost],
) -> dict[str, Any]:
    """All numbers, and whether they keep the bars.

    Parameters
    ----------
    compared, costs
        Of the device with the direct engine.
    memory
        That of its program, from `toolchain.memory`.
    kernel
        What engine 1's kernel made of the golden clips, and what a step of it took.
    """
    step, frame_ms = costs[STEP], _frame_ms(costs)
    stack, step_s = settings["kStack"], _step_s(settings)
    engines = {
        "direct": _engine(step, compared, frames_ms=stack * frame_ms, step_s=step_s),
        "tflm": _engine(kernel[1], kernel[0], frames_ms=stack * frame_ms, step_s=step_s),
    }
    share = engines["direct"]["share"]
    power = energy.states(
        asleep=costs[ASLEEP].milliseconds / ASLEEP_MS,
        features=stack * frame_ms / (1e3 * step_s),
        engine=kernel[1].milliseconds / (1e3 * step_s),
    )
    numbers = {
        **compared,
        "stages": {
            name: {
                "instructions": cost.instructions,
                "most_instructions": cost.most_instructions,
                "cycles": cost.cycles,
                "milliseconds": cost.milliseconds,
                "calls": cost.calls,
            }
            for name, cost in costs.items()
        },
        "engines": engines,
        "frame_ms": frame_ms,
        "step_ms": step.milliseconds,
        "step_every_ms": 1e3 * step_s,
        # after a step's last sample: one frame's features, then the network
        "answer_ms": frame_ms + step.milliseconds,
        "share": share,
        **memory,
        "power_model": [asdict(state) for state in power],
    }
    return {**numbers, "kept": _kept(numbers, inputs=settings["kInputCount"])}


def costs_of(folder: Path, model: str | Path, clips: Sequence[GoldenClip]) -> dict[str, Any]:
    """What a model costs on the emulated board with the direct engine.

    Parameters
    ----------
    folder
        To build in; is made, and must not be there.
    model
        Folder with its generated sources.
    clips
        Some of its golden clips.

    Returns
    -------
    costs
        identical (clips that are answered as by TFLite Micro, bit for bit), flash_bytes, ram_bytes,
        code_bytes, table_bytes, frame_ms, step_ms, milliseconds (from a step's last sample to the
        answer), share (of the processor while a window is open).
    """
    settings = read_settings(model)
    program = build(folder, model)
    compared = compare(clips, answers(program, clips))
    costs = measure(program)
    step, frame_ms = costs[STEP], _frame_ms(costs)
    engine = _engine(
        step, compared, frames_ms=settings["kStack"] * frame_ms, step_s=_step_s(settings)
    )
    return {
        "identical": engine["identical"],
        "frame_ms": frame_ms,
        "step_ms": step.milliseconds,
        "milliseconds": frame_ms + step.milliseconds,
        "share": engine["share"],
        **toolchain.memory(program),
    }


def _frame_ms(costs: Mapping[str, Cost]) -> float:
    """What the features of a frame take."""
    return sum(costs[name].milliseconds for name in FRAME if name in costs)


def _step_s(settings: Mapping[str, Any]) -> float:
    """Seconds from a step of the network to the next."""
    return settings["kStack"] * settings["kHopLength"] / settings["kSampleRate"]


def _kept(numbers: Mapping[str, Any], *, inputs: int) -> dict[str, bool]:
    """Each bar, and whether it is kept."""
    engines, stages = numbers["engines"], numbers["stages"]
    pitch_ms = stages[PITCHED]["milliseconds"] if PITCHED in stages else 0.0
    most, with_inputs = DIRECT_BAR
    most += INPUT_BAR * max(0, inputs - with_inputs)
    return {
        "engine": all(e["identical"] == numbers["clips"] for e in engines.values()),
        "features": numbers["onsets_equal"] == numbers["clips"]
        and numbers["feature_difference_std"] <= 1e-3
        and numbers["input_units"] <= 1
        and numbers["inputs_equal"] >= 0.999,
        "instructions a step": stages[STEP]["most_instructions"] <= most,
        "kernel of engine 1": engines["tflm"]["step_ms"] <= KERNEL_BAR_MS,
        "features a frame": numbers["frame_ms"] - pitch_ms <= FRAME_BAR_MS,
        "pitch a frame": pitch_ms <= PITCH_BAR_MS,
        "share": all(engines[name]["share"] <= bar for name, bar in SHARE_BARS.items()),
        "flash": numbers["flash_bytes"] <= FLASH_BAR,
        "static memory": numbers["ram_bytes"] <= RAM_BAR,
    }


def _engine(
    step: Cost, compared: dict[str, Any], *, frames_ms: float, step_s: float
) -> dict[str, Any]:
    """What an engine takes, and whether its answers are those of TFLite Micro.

    `share` is of the processor, with the features of a step's frames.
    """
    return {
        "step_instructions": step.instructions,
        "step_ms": step.milliseconds,
        "share": (frames_ms + step.milliseconds) / (1e3 * step_s),
        "identical": compared["engine_identical"],
    }


def table(metrics: dict[str, Any]) -> str:
    """The numbers, to be read."""
    direct, tflm = metrics["engines"]["direct"], metrics["engines"]["tflm"]
    lines = [f"{'stage':<21}{'instructions':>14}{'cycles':>12}{'ms at 64 MHz':>14}"]
    lines += [
        f"{name:<21}{s['instructions']:>14,.0f}{s['cycles']:>12,.0f}{s['milliseconds']:>14.2f}"
        for name, s in metrics["stages"].items()
    ]
    broken = [name for name, kept in metrics["kept"].items() if not kept]
    lines += [
        "",
        f"engine 1, its kernel     {tflm['step_instructions']:,.0f} instructions a step, "
        f"{tflm['step_ms']:.2f} ms",
        "                         (LSTM and Dense layers; without the interpreter)",
        f"share of a 64 MHz core   engine 1 {tflm['share']:.1%}, engine 2 {direct['share']:.1%} "
        f"(a step each {metrics['step_every_ms']:.0f} ms)",
        f"last sample to answer    {metrics['answer_ms']:.1f} ms",
        f"flash                    {metrics['flash_bytes']:,} bytes: code "
        f"{metrics['code_bytes']:,}, model and tables {metrics['table_bytes']:,}",
        f"static memory            {metrics['ram_bytes']:,} bytes",
        *energy.lines([energy.State(**state) for state in metrics["power_model"]]),
        "",
        f"network                  {tflm['identical']} and {metrics['engine_identical']} of "
        f"{metrics['clips']} golden clips bit-identical to TFLite Micro",
        f"features                 at most {metrics['feature_difference_std']:.1e} of their "
        f"deviation off; int8 inputs {metrics['inputs_equal']:.3%} equal,",
        f"                         at most {metrics['input_units']} unit off; "
        f"{metrics['onsets_equal']} of {metrics['clips']} begin at the same frame",
        f"sound to answer          {metrics['outputs_identical']} of {metrics['clips']} "
        "bit-identical",
        f"another board            {metrics['other_board']['processor']} without FPU and DSP: "
        f"{metrics['other_board']['decisions']} decisions, "
        f"{'the same lines' if metrics['other_board']['same'] else 'OTHER LINES'}",
        "",
        "Emulated: instructions are counted; cycles are those of ARM's manual for a Cortex-M4,",
        f"taken branches 1 + {PIPELINE}, no flash wait states. A board takes rather more.",
        f"bars: {'all kept' if not broken else 'BROKEN: ' + ', '.join(broken)}",
    ]
    return "\n".join(lines)


def read_settings(model: str | Path) -> dict[str, Any]:
    """The constants of a model's feature_settings.h: whole numbers and text, by name."""
    path = Path(model) / "feature_settings.h"
    text = files.read_bytes(path).decode()
    found: dict[str, Any] = dict(re.findall(r'constexpr char (k\w+)\[\] =\s+"(\w+)";', text))
    found |= {
        name: int(value) for name, value in re.findall(r"constexpr int (k\w+) = (\d+);", text)
    }
    wanted = {"kFeatureSettingsId", "kStack", "kHopLength", "kSampleRate", "kInputCount"}
    missing = wanted - set(found)
    if missing:
        raise DataError(f"{path}: expected generated settings, found no {sorted(missing)}")
    return found
