"""Run the firmware's portable core on an emulated Cortex-M4F, compare it and count its time.

``ser-tinyml emulate`` builds features and direct engine for the bare processor with the
Arduino core's flags and runs them in QEMU on the golden clips. No board takes part: instructions
are counted one by one, and milliseconds are those of a processor without flash wait states.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import files
from ser_tinyml.device import board
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT

FIRMWARE = ROOT / "firmware"
SKETCH = FIRMWARE / "arduino_nano33"
REPORT = ROOT / "runs" / "emulate" / "metrics.json"
PREFIX = "arm-none-eabi-"
QEMU = "qemu-system-arm"
PACKAGES = {  # tool: Debian package
    f"{PREFIX}g++": "gcc-arm-none-eabi",
    f"{PREFIX}objdump": "binutils-arm-none-eabi",
    QEMU: "qemu-system-arm",
}
LIBRARIES = {  # header: Debian package
    "string.h": "libnewlib-arm-none-eabi",
    "cstdint": "libstdc++-arm-none-eabi-newlib",
}
PROCESSOR = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=softfp", "-mfpu=fpv4-sp-d16")
FLAGS = (  # of the Arduino core for this board
    *PROCESSOR,
    "-Os",
    "-std=gnu++14",
    "-fno-rtti",
    "-fno-exceptions",
    "-ffunction-sections",
    "-fdata-sections",
)
WARNINGS = ("-Wall", "-Wextra", "-Wno-register")
STAGES = {  # function whose calls are followed: what it is called
    "ser::FeatureExtractor::LogMel": "bands, a frame",
    "ser::Cepstra::Push": "cepstra, a frame",
    "ser::DirectEngine::Step": "network, a step",
}
AT_ONCE = 64  # bytes that the device takes at once
CLOCK_HZ = 64e6
TRACED_STEPS = 4
# Assumed, not measured: what an nRF52840 draws while it computes from flash, fed by its linear
# regulator (its DC/DC converter about halves that), at the board's supply.
ACTIVE_AMPERES, VOLTS = 6.3e-3, 3.3
FLASH_BAR, RAM_BAR = 220 * 1024, 48 * 1024
SHARE_BAR, FRAME_BAR_MS, STEP_BAR = 0.25, 6.0, 360_000


@dataclass(frozen=True)
class Golden:
    """A golden clip, read back."""

    name: str
    onset: int
    waveform: np.ndarray
    features: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray


@dataclass(frozen=True)
class Cost:
    """What the calls of one function took, on the average."""

    calls: int
    instructions: float
    cycles: float
    most_instructions: int

    @property
    def milliseconds(self) -> float:
        """Of one call, at the board's clock."""
        return 1e3 * self.cycles / CLOCK_HZ


def check_tools() -> None:
    """Make sure that compiler, libraries and emulator are there.

    Raises
    ------
    DataError
        Naming the Debian packages that are missing.
    """
    missing = {package for tool, package in PACKAGES.items() if shutil.which(tool) is None}
    if PACKAGES[f"{PREFIX}g++"] in missing:
        missing |= set(LIBRARIES.values())
    else:
        for header, package in LIBRARIES.items():
            language = "c" if header.endswith(".h") else "c++"
            done = subprocess.run(
                [f"{PREFIX}g++", "-x", language, "-fsyntax-only", "-"],
                input=f"#include <{header}>\n",
                text=True,
                capture_output=True,
                check=False,
            )
            if done.returncode:
                missing.add(package)
    if missing:
        raise DataError(
            "the emulation needs more Debian packages: sudo apt-get install "
            + " ".join(sorted(missing))
        )


def read_golden(folder: str | Path) -> tuple[dict[str, Any], list[Golden]]:
    """Read what `ser_tinyml.device.firmware.write_golden` wrote: the list's head and the clips."""
    folder = Path(folder)
    head = files.read_json(folder / "golden.json")
    stages = ("waveform", "features", "inputs", "outputs")
    clips = []
    for clip in head["clips"]:
        try:
            arrays = [np.load(folder / clip["files"][stage]) for stage in stages]
            clips.append(Golden(clip["name"], int(clip["onset"]), *arrays))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{folder}: expected the clip {clip['name']}: {error!r}") from error
    return head, clips


def build(folder: Path, model: str | Path) -> Path:
    """Compile and link for the bare processor; the program's path.

    Parameters
    ----------
    folder
        To build in; exists and is empty.
    model
        Folder with the generated sources of a model.

    Raises
    ------
    DataError
        If sources are missing or do not compile.
    """
    model = Path(model)
    if not (model / "direct_tables.cpp").is_file():
        raise DataError(
            f"{model}: expected a model's generated sources, found no direct_tables.cpp"
        )
    shutil.copytree(model, folder / "model")
    shutil.copytree(SKETCH / "src" / "ser", folder / "ser")
    shutil.copytree(FIRMWARE / "emulate", folder / "emulate")
    sources = [
        *sorted((folder / "ser").glob("*.cpp")),
        *sorted((folder / "model").glob("*.cpp")),
        *sorted((folder / "emulate").glob("*.cpp")),
    ]
    compiler = f"{PREFIX}g++"
    objects = []
    for source in sources:
        objects.append(source.with_suffix(".o"))
        _run([compiler, *FLAGS, *WARNINGS, "-DSER_ENGINE=SER_ENGINE_DIRECT", "-c", source, "-o",
              objects[-1]])  # fmt: skip
    program = folder / "program.elf"
    script = folder / "emulate" / "mps2_an386.ld"
    _run([compiler, *PROCESSOR, "-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs",
          "-Wl,--gc-sections", "-T", script, *objects, "-o", program])  # fmt: skip
    return program


@dataclass(frozen=True)
class Answers:
    """What the emulated device made of a clip.

    Attributes
    ----------
    onset
        The frame at which it let the features begin.
    features, inputs, outputs [shape=(steps, …)]
        Of the test mode, from samples on.
    engine [shape=(classes,)]
        The engine's answer to the golden inputs.
    """

    onset: int
    features: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    engine: np.ndarray


def run(program: Path, clips: Sequence[Golden]) -> list[Answers]:
    """Send clips through the test mode of the emulated device, and golden inputs to its engine.

    Raises
    ------
    DataError
        If the program fails or answers something else.
    """
    folder = program.parent
    # A clip without a beginning of speech is taken from its start, which one knows only afterwards.
    tests = [(clip, whole) for clip in clips for whole in ((0, 1) if clip.onset == 0 else (0,))]
    line = b"".join(_test_frames(clip.waveform, whole) for clip, whole in tests)
    files.write_bytes(folder / "line.in", line)
    inputs = np.stack([clip.inputs for clip in clips]).astype(np.int8)
    files.write_bytes(folder / "engine.in", inputs.tobytes())
    done = subprocess.run(
        _emulator(program), cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise DataError(f"{QEMU}: ended with {done.returncode}: {done.stderr.strip()}")
    engine = np.frombuffer(files.read_bytes(folder / "engine.out"), np.int8).reshape(len(clips), -1)

    found: dict[str, list[tuple[board.TestDone, list[board.Step]]]] = {c.name: [] for c in clips}
    steps: list[board.Step] = []
    names = iter([clip.name for clip, _ in tests])
    for item in board.Decoder().push(files.read_bytes(folder / "line.out")):
        said = board.message(item) if isinstance(item, board.Frame) else item
        if isinstance(said, board.Step):
            steps.append(said)
        elif isinstance(said, board.TestDone):
            found[next(names)].append((said, steps))
            steps = []
        elif isinstance(said, dict) and said.get("event") in ("fault", "error"):
            raise DataError(f"{QEMU}: the device says {said}")
    answers = []
    for clip, outputs in zip(clips, engine, strict=True):
        tested = [(done, steps) for done, steps in found[clip.name] if done.onset >= 0]
        if not tested or len(tested[0][1]) != len(clip.inputs):
            raise DataError(f"{QEMU}: expected {len(clip.inputs)} steps of the clip {clip.name}")
        ended, steps = tested[0]
        arrays = (
            np.array([getattr(s, n) for s in steps]) for n in ("features", "inputs", "outputs")
        )
        answers.append(Answers(ended.onset, *arrays, outputs))
    return answers


def _test_frames(samples: np.ndarray, whole: int) -> bytes:
    """What the host sends of a clip in test mode."""
    data = samples.astype("<i2").tobytes()
    chunks = [data[i : i + 2 * board.CHUNK] for i in range(0, len(data), 2 * board.CHUNK)]
    kinds = board.FrameType
    return b"".join(
        [
            board.encode(kinds.TEST_BEGIN, 0, bytes([whole])),
            *(board.encode(kinds.TEST_AUDIO, 0, chunk) for chunk in chunks),
            board.encode(kinds.TEST_END, 0),
            b"\n" * AT_ONCE,  # the next test begins in a portion of its own, when this one is done
        ]
    )


def measure(program: Path, *, steps: int = TRACED_STEPS) -> dict[str, Cost]:
    """Follow the program instruction by instruction through the first steps of its first clip.

    Each instruction takes the cycles of ARM's technical reference manual for the Cortex-M4: see
    `instruction_cycles`. Returns what `STAGES` calls them, and its cost.
    """
    code = disassemble(program)
    entries = _entries(program)
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in entries.values()}
    stage, back, count, cycles = "", 0, 0, 0
    previous = Instruction(0, 0, frozenset(), frozenset())
    last = list(STAGES.values())[-1]
    for address in _trace(program):
        instruction = code[address]
        if stage and address == back:
            found[stage].append((count, cycles + _branch(previous, address)))
            if stage == last and len(found[last]) == steps:
                break
            stage = ""
        if not stage and address in entries:
            stage, back, count, cycles = entries[address], previous.next, 0, 0
        elif stage:
            cycles += _branch(previous, address)
            if previous.result & instruction.operands:
                cycles += 1  # waits for the floating-point unit
        if stage:
            count += 1
            cycles += instruction.cycles
        previous = instruction
    if not all(found.values()):
        raise DataError(f"{QEMU}: expected calls of {sorted(STAGES)}, found {found}")
    return {
        name: Cost(
            len(calls),
            float(np.mean([n for n, _ in calls])),
            float(np.mean([c for _, c in calls])),
            max(n for n, _ in calls),
        )
        for name, calls in found.items()
    }


@dataclass(frozen=True)
class Instruction:
    """An instruction and its place.

    Attributes
    ----------
    next
        Address of the one that follows if no branch is taken.
    cycles
        Without what a taken branch adds.
    result
        Floating-point registers that arithmetic writes; empty for all other instructions.
    operands
        Floating-point registers that arithmetic or a store reads.
    """

    next: int
    cycles: int
    result: frozenset[str]
    operands: frozenset[str]


PIPELINE = 2  # cycles that a taken branch takes to fill it; the manual says 1 to 3
_SLOW_FLOAT = {"vdiv": 14, "vsqrt": 14, **dict.fromkeys(
    ("vmla", "vmls", "vfma", "vfms", "vnmla", "vnmls", "vfnma", "vfnms"), 3)}  # fmt: skip


def instruction_cycles(mnemonic: str, operands: str) -> int:
    """Cycles of a Cortex-M4 (r0p1 technical reference manual), code and data without wait states.

    A single load takes 2 and is never overlapped with another, which the processor often does; a
    division takes its longest time. So the sum is rather too large.
    """
    name = re.sub(r"\.(w|n|f32|s32|u32|16|32)\b", "", mnemonic)
    name = name.split(".")[0]
    registers = 0
    braces = re.search(r"\{(.*?)\}", operands)
    for listed in braces[1].replace(" ", "").split(",") if braces else ():
        first, _, last = listed.partition("-")
        registers += int(last[1:]) - int(first[1:]) + 1 if last else 1
    if name in ("vpush", "vpop") or name.startswith(("vldm", "vstm", "ldm", "stm", "push", "pop")):
        return 1 + registers
    if name.startswith(("ldrd", "strd")):
        return 3
    if name.startswith(("vldr", "vstr", "ldr")):
        return 2
    if name.startswith("str"):
        return 2 if re.search(r"\[\w+, [a-z]", operands) else 1  # an index in a register: 2
    if name.startswith("v"):
        stem = next((slow for slow in _SLOW_FLOAT if name.startswith(slow)), "")
        two = name == "vmov" and len(re.findall(r"\br\d+|ip|lr|fp|sl", operands)) == 2
        return _SLOW_FLOAT[stem] if stem else 2 if two else 1
    if name.startswith(("sdiv", "udiv")):
        return 12
    return 1


def disassemble(program: Path) -> dict[int, Instruction]:
    """Every instruction of a program, by its address."""
    text = _run([f"{PREFIX}objdump", "-d", "--no-show-raw-insn", program])
    raw = _run([f"{PREFIX}objdump", "-d", program])
    sizes = {
        int(a, 16): len(code.replace(" ", "")) // 2
        for a, code in re.findall(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t", raw, re.M)
    }
    code = {}
    for place, mnemonic, operands in re.findall(
        r"^\s*([0-9a-f]+):\t(\S+)(?:\t([^@;\n]*))?", text, re.M
    ):
        address = int(place, 16)
        is_float = mnemonic.startswith("v") and not mnemonic.startswith(("vpush", "vpop", "vldm"))
        is_load = mnemonic.startswith("vldr")
        registers = re.findall(r"\bs\d+", operands) if is_float else []
        writes = registers[:1] if not mnemonic.startswith(("vstr", "vcmp")) else []
        accumulates = mnemonic[:4] in ("vmla", "vmls", "vfma", "vfms", "vnml", "vfnm")
        code[address] = Instruction(
            address + sizes.get(address, 2),
            instruction_cycles(mnemonic, operands),
            frozenset(() if is_load else writes),
            frozenset(registers if accumulates or not writes else registers[1:]),
        )
    return code


def sections(program: Path) -> list[tuple[str, int, int]]:
    """Name, address and size of a program's sections."""
    text = _run([f"{PREFIX}objdump", "-h", program])
    found = re.findall(r"^\s*\d+ (\S+)\s+([0-9a-f]{8})\s+([0-9a-f]{8})", text, re.M)
    return [(name, int(address, 16), int(size, 16)) for name, size, address in found]


def compare(clips: Sequence[Golden], answers: Sequence[Answers]) -> dict[str, Any]:
    """Hold what the processor made against the golden clips."""
    pairs = list(zip(clips, answers, strict=True))
    std = np.stack([clip.features for clip in clips]).std(axis=(0, 1))
    difference = np.stack([answer.features - clip.features for clip, answer in pairs])
    units = np.stack([np.abs(answer.inputs.astype(int) - clip.inputs) for clip, answer in pairs])
    return {
        "clips": len(clips),
        "onsets_equal": sum(answer.onset == clip.onset for clip, answer in pairs),
        "feature_difference_std": float((np.abs(difference) / std).max()),
        "input_units": int(units.max()),
        "inputs_equal": float((units == 0).mean()),
        "engine_identical": sum(np.array_equal(a.engine, c.outputs) for c, a in pairs),
        "outputs_identical": sum(np.array_equal(a.outputs[-1], c.outputs) for c, a in pairs),
    }


def report(
    compared: dict[str, Any],
    costs: dict[str, Cost],
    sizes: dict[str, int],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """All numbers, and whether they keep the bars."""
    bands, cepstra, step = (costs[name] for name in STAGES.values())
    frame_ms = bands.milliseconds + cepstra.milliseconds
    stack = settings["kStack"]
    step_s = stack * settings["kHopLength"] / settings["kSampleRate"]
    busy_ms = stack * frame_ms + step.milliseconds
    share = busy_ms / (1e3 * step_s)
    code = sum(sizes.get(name, 0) for name in (".core", ".library", ".constructors", ".core_data"))
    flash = code + sizes[".tables"]
    ram = sizes.get(".core_data", 0) + sizes[".core_bss"]
    return {
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
        "frame_ms": frame_ms,
        "step_ms": step.milliseconds,
        "step_every_ms": 1e3 * step_s,
        # after a step's last sample: one frame's features, then the network
        "answer_ms": frame_ms + step.milliseconds,
        "share": share,
        "code_bytes": code,
        "table_bytes": sizes[".tables"],
        "flash_bytes": flash,
        "ram_bytes": ram,
        "energy_mj_a_second": 1e3 * share * ACTIVE_AMPERES * VOLTS,
        "kept": {
            "engine": compared["engine_identical"] == compared["clips"],
            "features": compared["onsets_equal"] == compared["clips"]
            and compared["feature_difference_std"] <= 1e-3
            and compared["input_units"] <= 1
            and compared["inputs_equal"] >= 0.999,
            "instructions a step": step.most_instructions <= STEP_BAR,
            "features a frame": frame_ms <= FRAME_BAR_MS,
            "share": share <= SHARE_BAR,
            "flash": flash <= FLASH_BAR,
            "static memory": ram <= RAM_BAR,
        },
    }


def table(metrics: dict[str, Any]) -> str:
    """The numbers, to be read."""
    lines = [f"{'stage':<18}{'instructions':>14}{'cycles':>12}{'ms at 64 MHz':>14}"]
    lines += [
        f"{name:<18}{s['instructions']:>14,.0f}{s['cycles']:>12,.0f}{s['milliseconds']:>14.2f}"
        for name, s in metrics["stages"].items()
    ]
    broken = [name for name, kept in metrics["kept"].items() if not kept]
    lines += [
        "",
        f"share of a 64 MHz core   {metrics['share']:.1%} (a step each "
        f"{metrics['step_every_ms']:.0f} ms)",
        f"last sample to answer    {metrics['answer_ms']:.1f} ms",
        f"flash                    {metrics['flash_bytes']:,} bytes: code "
        f"{metrics['code_bytes']:,}, model and tables {metrics['table_bytes']:,}",
        f"static memory            {metrics['ram_bytes']:,} bytes",
        f"energy                   {metrics['energy_mj_a_second']:.1f} mJ a second of sound, "
        f"assuming {1e3 * ACTIVE_AMPERES:.1f} mA at {VOLTS} V",
        "                         while it computes; without microphone and idle current",
        "",
        f"network                  {metrics['engine_identical']} of {metrics['clips']} golden "
        "clips bit-identical to TFLite Micro",
        f"features                 at most {metrics['feature_difference_std']:.1e} of their "
        f"deviation off; int8 inputs {metrics['inputs_equal']:.3%} equal,",
        f"                         at most {metrics['input_units']} unit off; "
        f"{metrics['onsets_equal']} of {metrics['clips']} begin at the same frame",
        f"sound to answer          {metrics['outputs_identical']} of {metrics['clips']} "
        "bit-identical",
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
    missing = {"kFeatureSettingsId", "kStack", "kHopLength", "kSampleRate"} - set(found)
    if missing:
        raise DataError(f"{path}: expected generated settings, found no {sorted(missing)}")
    return found


def emulate(model: str | Path, golden: str | Path) -> dict[str, Any]:
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
    head, clips = read_golden(golden)
    if head["model_id"] != settings["kFeatureSettingsId"]:
        raise DataError(
            f"{golden}: expected clips of the model {settings['kFeatureSettingsId']} in {model}, "
            f"found those of {head['model_id']}"
        )
    check_tools()
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder), model)
        compared = compare(clips, run(program, clips))
        costs = measure(program)
        sizes = {name: size for name, _, size in sections(program)}
    return {"model_id": head["model_id"], **report(compared, costs, sizes, settings)}


def main(
    arguments: Sequence[str] | None = None, *, publish: Callable[[dict[str, Any]], None]
) -> int:
    """The command; 0 if every bar is kept.

    Parameters
    ----------
    publish
        What ``--publish`` does with the metrics.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ser_tinyml.device.emulate", description=__doc__
    )
    parser.add_argument("--model", default=SKETCH / "src" / "model", metavar="DIR")
    parser.add_argument("--golden", default=SKETCH / "golden", metavar="DIR")
    parser.add_argument("--metrics", default=REPORT, metavar="FILE")
    parser.add_argument(
        "--publish", action="store_true", help="also into models/ and the firmware's README"
    )
    options = parser.parse_args(arguments)
    try:
        metrics = emulate(options.model, options.golden)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    files.write_json(options.metrics, metrics)
    print(table(metrics))
    if options.publish:
        publish(metrics)
    return 0 if all(metrics["kept"].values()) else 1


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DataError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout


def _emulator(program: Path, *options: str) -> list[str]:
    return [QEMU, "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none",
            "-semihosting-config", "enable=on,target=native", *options,
            "-kernel", str(program)]  # fmt: skip


def _entries(program: Path) -> dict[int, str]:
    """Where the functions of `STAGES` begin, and what they are called."""
    symbols = _run([f"{PREFIX}nm", "-C", program])
    found = {
        int(address, 16): STAGES[name]
        for address, name in re.findall(r"^([0-9a-f]+) T ([\w:]+)\(", symbols, re.M)
        if name in STAGES
    }
    if len(found) != len(STAGES):
        raise DataError(f"{program}: expected functions {sorted(STAGES)}, found {found}")
    return found


def _trace(program: Path) -> Iterator[int]:
    """Addresses of the instructions as QEMU runs them, one at a time."""
    version = re.search(r"version (\d+)\.(\d+)", _run([QEMU, "--version"]))
    newer = version is not None and (int(version[1]), int(version[2])) >= (8, 1)
    single = ("-accel", "tcg,one-insn-per-tb=on") if newer else ("-singlestep",)
    pipe = program.parent / "trace"
    os.mkfifo(pipe)
    command = _emulator(program, *single, "-d", "exec,nochain", "-D", str(pipe))
    with subprocess.Popen(
        command, cwd=program.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as emulator:
        watch = threading.Timer(600, emulator.kill)
        watch.start()
        try:
            with pipe.open() as lines:
                for line in lines:
                    if line.startswith("Trace"):
                        yield int(line.split("/", 2)[1], 16)
        finally:
            watch.cancel()
            emulator.kill()
            pipe.unlink()


def _branch(previous: Instruction, address: int) -> int:
    """Cycles for filling the pipeline, if the instruction before was a branch that was taken."""
    return 0 if previous.next == address else PIPELINE


if __name__ == "__main__":
    sys.exit(main())
