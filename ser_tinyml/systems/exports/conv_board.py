"""A net of convolutions as C++ for the board's processor: on this computer, and emulated.

The arithmetic is that of the project's own engines: `firmware/arduino_nano33/src/lstm` multiplies,
`src/ser/dense.cpp` makes the answer, and `firmware/systems/conv_net.cpp` is what lies between.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import numpy as np

from ser_tinyml import files
from ser_tinyml.device import PORTABLE
from ser_tinyml.device.emulation import cycles, energy, toolchain
from ser_tinyml.device.export import sources
from ser_tinyml.device.export.sources import environment
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.systems.exports.conv_tables import ConvNetwork
from ser_tinyml.tflite import direct

TOOLS = ("g++", f"{toolchain.PREFIX}g++", toolchain.QEMU)
FIRMWARE = ROOT / "firmware" / "systems"
OURS = ("dense.cpp", "dense.h")  # of src/ser
KERNELS = ("products.cpp", "products.h", "scaling.cpp", "scaling.h")  # of src/lstm
POSITION, FINISH = "ser::ConvNet::Position", "ser::ConvNet::Finish"


def write(folder: Path, network: ConvNetwork, *, name: str) -> Path:
    """Write all C++ of a net into folders of one folder.

    Parameters
    ----------
    name
        Of the model.
    """
    templates = environment().overlay(
        loader=jinja2.FileSystemLoader(
            [Path(__file__).parent / "templates", Path(sources.__file__).parent / "templates"]
        )
    )
    head = network.head
    widest = max(-(-head.n_inputs // direct.ROWS) * direct.ROWS, head.denses[0].outputs)
    for stem, tables in (("direct_tables", head), ("conv_tables", network)):
        for suffix in ("h", "cpp"):
            text = templates.get_template(f"{stem}.{suffix}.j2").render(
                name=stem,
                guard=stem.upper(),
                network=tables,
                widest=widest,
                rows_at_once=direct.ROWS,
                export=SimpleNamespace(model_id=name),
            )
            files.write_text(folder / "model" / f"{stem}.{suffix}", text)
    for file in KERNELS:
        toolchain.copy(PORTABLE["lstm"] / file, folder / "lstm" / file)
    for file in (*(PORTABLE["ser"] / one for one in OURS), *FIRMWARE.glob("conv_net.*")):
        toolchain.copy(file, folder / "ser" / file.name)
    return folder


def host_program(folder: Path) -> Path:
    """Compile what `write` wrote for this computer."""
    toolchain.copy(FIRMWARE / "conv_host.cpp", folder / "host" / "conv_host.cpp")
    program = folder / "host" / "answer"
    compiled = toolchain.compiled_files(folder, parts=("lstm", "ser", "model", "host"))
    toolchain.run(["g++", "-O2", "-std=gnu++17", *compiled, "-o", program])
    return program


def host_answers(program: Path, inputs: np.ndarray, *, n_classes: int) -> np.ndarray:
    """What a program of `host_program` makes of inputs of int8 [shape=(n, …)]; int8."""
    done = subprocess.run([str(program)], input=inputs.tobytes(), capture_output=True, check=False)
    found = np.frombuffer(done.stdout, np.int8)
    if done.returncode or found.size != len(inputs) * n_classes:
        raise DataError(f"{program}: expected {len(inputs)} answers, found {found.size} numbers")
    return found.reshape(len(inputs), n_classes)


def emulated_program(folder: Path) -> Path:
    """Compile what `write` wrote for the board's processor."""
    toolchain.add_startup(folder, main=FIRMWARE / "conv_emulate.cpp")
    parts = ("lstm", "ser", "model", "emulate")
    return toolchain.link(folder, toolchain.compiled_files(folder, parts=parts))


def emulated_answers(program: Path, inputs: np.ndarray, *, n_classes: int) -> np.ndarray:
    """What the emulated processor answers to inputs of int8 [shape=(n, …)]; int8."""
    folder = program.parent
    (folder / "measure.in").unlink(missing_ok=True)
    files.write_bytes(folder / "engine.in", inputs.astype(np.int8).tobytes())
    done = subprocess.run(
        toolchain.emulator(program), cwd=folder, capture_output=True, check=False, timeout=900
    )
    if done.returncode:
        raise DataError(f"{toolchain.QEMU}: {program} ended with {done.returncode}")
    found = np.frombuffer(files.read_bytes(folder / "engine.out"), np.int8)
    return found.reshape(len(inputs), n_classes)


def costs(program: Path, network: ConvNetwork) -> dict[str, Any]:
    """What an answer takes on the board's processor: time by a count of instructions, and memory.

    One position of each layer is followed instruction by instruction; all others take as long.

    Returns
    -------
    facts
        milliseconds, millijoules, flash_bytes, ram_bytes, cycles_a_mac, on.
    """
    files.write_bytes(program.parent / "measure.in", b"")
    files.write_bytes(program.parent / "engine.in", b"")
    stages = {POSITION: "position", FINISH: "finish"}
    calls = cycles.follow(program, stages, until=lambda found: bool(found["finish"]))
    positions = [conv.positions // conv.pool * conv.pool for conv in network.convs]
    total = calls["finish"][0][1] + sum(
        number * taken for number, (_, taken) in zip(positions, calls["position"], strict=True)
    )
    macs = sum(n * c.weights.size for n, c in zip(positions, network.convs, strict=True))
    seconds = total / cycles.CLOCK_HZ
    memory = toolchain.memory(program)
    return {
        "milliseconds": 1e3 * seconds,
        "millijoules": 1e3 * energy.SUPPLY_VOLTS * energy.PROCESSOR.amperes * seconds,
        "flash_bytes": memory["flash_bytes"],
        "ram_bytes": memory["ram_bytes"],
        "cycles_a_mac": total / macs,
        "on": f"emulated {toolchain.CORTEX_M4F.name}",
    }
