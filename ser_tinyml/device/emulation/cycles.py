"""What instructions take on a Cortex-M4, counted one by one as QEMU runs them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml.device.emulation import trace
from ser_tinyml.device.emulation.toolchain import PREFIX, QEMU, run
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
    with contextlib.closing(trace.instructions(program)) as ran:
        for addresses in ran:
            for _ in meter.take(addresses):
                if all(meter.calls.values()) and until(meter.calls):
                    return meter.calls
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
        self._entries = entries
        self._known = np.array(sorted(code), np.int64)
        lines = [code[address] for address in self._known]
        self._next = np.array([line.next for line in lines], np.int64)
        self._cycles = np.array([line.cycles for line in lines], np.int64)
        self._results = np.array([_bits(line.result) for line in lines], np.uint64)
        self._operands = np.array([_bits(line.operands) for line in lines], np.uint64)
        self._last = np.zeros(0, np.int64)  # the instruction before those that come next
        self._open: _Call | None = None

    def take(self, addresses: np.ndarray) -> Iterator[str]:
        """The instructions that run next: after each call that ends, the name of its function.

        Parameters
        ----------
        addresses [shape=(n,)]
        """
        here = np.concatenate([self._last, addresses])
        self._last = here[-1:]
        place, cycles, branch = self._costs(here)
        starts = np.flatnonzero(np.isin(here, list(self._entries)))
        at = 1
        while at < len(here):
            if self._open is None:
                coming = np.searchsorted(starts, at)
                if coming == len(starts):
                    return
                first = starts[coming]
                self._open = _Call(
                    self._entries[int(here[first])],
                    int(self._next[place[first - 1]]),
                    1,
                    int(self._cycles[place[first]]),
                )
                at = int(first) + 1
            call, back = self._open, _first(here, self._open.back, begin=at)
            call.instructions += back - at
            call.cycles += int(cycles[at:back].sum())
            at = back
            if back < len(here):
                call.cycles += int(branch[back])
                self.calls[call.name].append((call.instructions, call.cycles))
                self._open = None
                yield call.name

    def _costs(self, here: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each instruction its place in the program, its cycles, and those of a branch to it."""
        place = np.minimum(np.searchsorted(self._known, here), len(self._known) - 1)
        if not np.array_equal(self._known[place], here):
            raise DataError(f"{QEMU}: expected instructions of the program, found others")
        branch, waits = np.zeros((2, len(here)), np.int64)
        branch[1:] = PIPELINE * (self._next[place[:-1]] != here[1:])
        # a result that the next instruction needs: it waits for the floating-point unit
        waits[1:] = (self._results[place[:-1]] & self._operands[place[1:]]) != 0
        return place, self._cycles[place] + branch + waits, branch


@dataclass
class _Call:
    """A call that has not ended yet, and where it goes back to."""

    name: str
    back: int
    instructions: int
    cycles: int


def _bits(registers: frozenset[str]) -> int:
    """A bit a floating-point register."""
    return sum(1 << int(name[1:]) for name in registers)


def _first(values: np.ndarray, value: int, *, begin: int) -> int:
    """Where a value comes first from a place on, near it most often; the length if nowhere."""
    width = 4096
    while begin < len(values):
        found = np.flatnonzero(values[begin : begin + width] == value)
        if len(found):
            return int(begin + found[0])
        begin, width = begin + width, 2 * width
    return len(values)


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
