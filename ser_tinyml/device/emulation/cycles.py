"""What instructions take on a Cortex-M4, counted one by one as QEMU runs them."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml.device.emulation.toolchain import PREFIX, QEMU, emulator, run
from ser_tinyml.files import DataError

# Function whose calls are followed: what it is called. None calls another.
STAGES = {
    "ser::EnergyGate::Push": "energy, asleep, 32 ms",
    "ser::FeatureExtractor::LogMel": "bands, a frame",
    "ser::PeakDb": "peak, a loud frame",
    "ser::PitchTracker::Push": "pitch, a frame",
    "ser::Cepstra::Push": "cepstra, a frame",
    "ser::DirectEngine::Step": "network, a step",
}
ASLEEP, *FRAME, STEP = STAGES.values()
KERNEL = {"ser::OtherEngine::Step": STEP}  # of the program with engine 1's kernel
PITCH = "ser::PitchTracker::Push"  # which a model without a pitch has not
CLOCK_HZ = 64e6
TRACED_STEPS = 4
PIPELINE = 2  # cycles that a taken branch takes to fill it; the manual says 1 to 3
SEVERAL = ("vpush", "vpop", "vldm", "vstm", "ldm", "stm", "push", "pop")  # a cycle a register
CYCLES = {  # of what begins like this; the first that fits counts
    **dict.fromkeys(("ldrd", "strd"), 3),
    **dict.fromkeys(("vldr", "vstr", "ldr"), 2),
    **dict.fromkeys(("vdiv", "vsqrt"), 14),
    **dict.fromkeys(("vmla", "vmls", "vfma", "vfms", "vnmla", "vnmls", "vfnma", "vfnms"), 3),
    **dict.fromkeys(("sdiv", "udiv"), 12),
}


@dataclass(frozen=True)
class Cost:
    """What the calls of one function took, on the average."""

    calls: int
    instructions: float
    cycles: float
    most_instructions: int

    @property
    def milliseconds(self) -> float:
        """The time of one call, at the board's clock."""
        return 1e3 * self.cycles / CLOCK_HZ


def measure(
    program: Path, *, stages: Mapping[str, str] = STAGES, steps: int = TRACED_STEPS
) -> dict[str, Cost]:
    """Follow the program instruction by instruction through the first steps of its first clip.

    It goes on until each function was called, for the first frames may be quiet.

    Each instruction takes the cycles of ARM's technical reference manual for the Cortex-M4: see
    `instruction_cycles`.

    Parameters
    ----------
    stages
        Function whose calls are followed: what it is called; `STEP` among them.

    Returns
    -------
    costs
        What `stages` calls a function: what a call took.

    Raises
    ------
    DataError
        If a function was never called.
    """
    followed = follow(program, stages, until=lambda found: len(found[STEP]) >= steps)
    return {
        name: Cost(
            len(calls),
            float(np.mean([n for n, _ in calls])),
            float(np.mean([c for _, c in calls])),
            max(n for n, _ in calls),
        )
        for name, calls in followed.items()
    }


def follow(
    program: Path,
    stages: Mapping[str, str],
    *,
    until: Callable[[Mapping[str, Sequence[Any]]], bool],
) -> dict[str, list[tuple[int, int]]]:
    """Follow a program instruction by instruction, until enough was seen of each function.

    Parameters
    ----------
    stages
        As in `measure`.
    until
        Takes the calls so far, and says whether they are enough. Every function is called at
        least once.

    Returns
    -------
    calls
        What `stages` calls a function, in their order: instructions and cycles of each call.

    Raises
    ------
    DataError
        If a function was never called.
    """
    entries = _entries(program, stages)
    there = set(entries.values())
    names = [name for name in stages.values() if name in there]
    meter = _Meter(disassemble(program), entries, names)
    for address in _trace(program):
        meter.take(address)
        if all(meter.calls.values()) and until(meter.calls):
            break
    if not all(meter.calls.values()):
        raise DataError(f"{QEMU}: expected calls of {sorted(stages)}, found {meter.calls}")
    return meter.calls


class _Meter:
    """Adds up what happens between the call of a function and its return.

    Attributes
    ----------
    calls
        Name of a function: instructions and cycles of each call so far.
    """

    def __init__(
        self,
        code: Mapping[int, Instruction],
        entries: Mapping[int, str],
        names: Sequence[str],
    ) -> None:
        self.calls: dict[str, list[tuple[int, int]]] = {name: [] for name in names}
        self._code, self._entries = code, entries
        self._stage, self._back, self._count, self._cycles = "", 0, 0, 0
        self._previous = Instruction(0, 0, frozenset(), frozenset())

    def take(self, address: int) -> None:
        """The next instruction that runs."""
        instruction, previous = self._code[address], self._previous
        if self._stage and address == self._back:
            cycles = self._cycles + _branch(previous, address)
            self.calls[self._stage].append((self._count, cycles))
            self._stage = ""
        if not self._stage and address in self._entries:
            self._stage, self._back = self._entries[address], previous.next
            self._count = self._cycles = 0
        elif self._stage:
            self._cycles += _branch(previous, address)
            if previous.result & instruction.operands:
                self._cycles += 1  # waits for the floating-point unit
        if self._stage:
            self._count += 1
            self._cycles += instruction.cycles
        self._previous = instruction


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


def instruction_cycles(mnemonic: str, operands: str) -> int:
    """Cycles of a Cortex-M4 (r0p1 technical reference manual), code and data without wait states.

    A single load takes 2 and is never overlapped with another, which the processor often does; a
    division takes its longest time. So the sum is rather too large.

    Examples
    --------
    >>> instruction_cycles("ldr", "r0, [r1]"), instruction_cycles("push", "{r4-r6, lr}")
    (2, 5)
    """
    name = mnemonic.split(".")[0]
    if name.startswith(SEVERAL):
        return 1 + _listed(operands)
    for beginning, cycles in CYCLES.items():
        if name.startswith(beginning):
            return cycles
    if name.startswith("str"):
        return 2 if re.search(r"\[\w+, [a-z]", operands) else 1  # an index in a register: 2
    if name == "vmov":
        return 2 if len(re.findall(r"\br\d+|ip|lr|fp|sl", operands)) == 2 else 1
    return 1


def _listed(operands: str) -> int:
    """Registers in braces, as {r4-r6, lr}."""
    braces = re.search(r"\{(.*?)\}", operands)
    count = 0
    for listed in braces[1].replace(" ", "").split(",") if braces else ():
        first, _, last = listed.partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count


def disassemble(program: Path) -> dict[int, Instruction]:
    """Every instruction of a program, by its address."""
    text = run([f"{PREFIX}objdump", "-d", "--no-show-raw-insn", program])
    raw = run([f"{PREFIX}objdump", "-d", program])
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


def _entries(program: Path, stages: Mapping[str, str]) -> dict[int, str]:
    """Where the functions of `stages` begin, and what they are called."""
    symbols = run([f"{PREFIX}nm", "-C", program])
    found = {
        int(address, 16): stages[name]
        for address, name in re.findall(r"^([0-9a-f]+) T ([\w:]+)\(", symbols, re.M)
        if name in stages
    }
    if not set(stages.values()) - {STAGES[PITCH]} <= set(found.values()):
        raise DataError(f"{program}: expected functions {sorted(stages)}, found {found}")
    return found


def _trace(program: Path) -> Iterator[int]:
    """Addresses of the instructions as QEMU runs them, one at a time."""
    version = re.search(r"version (\d+)\.(\d+)", run([QEMU, "--version"]))
    newer = version is not None and (int(version[1]), int(version[2])) >= (8, 1)
    single = ("-accel", "tcg,one-insn-per-tb=on") if newer else ("-singlestep",)
    with contextlib.ExitStack() as opened:
        # not beside the program: a process that is killed here would leave it in the way
        pipe = Path(opened.enter_context(tempfile.TemporaryDirectory())) / "trace"
        os.mkfifo(pipe)
        command = emulator(program, *single, "-d", "exec,nochain", "-D", str(pipe))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running = opened.enter_context(subprocess.Popen(command, cwd=program.parent, **quiet))
        watch = threading.Timer(600, running.kill)
        watch.start()
        try:
            with pipe.open() as lines:
                for line in lines:
                    if line.startswith("Trace"):
                        yield int(line.split("/", 2)[1], 16)
        finally:
            watch.cancel()
            running.kill()


def _branch(previous: Instruction, address: int) -> int:
    """Cycles for filling the pipeline, if the instruction before was a branch that was taken."""
    return 0 if previous.next == address else PIPELINE
