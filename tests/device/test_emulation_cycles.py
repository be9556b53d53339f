"""What is counted of the instructions that an emulator runs."""

from __future__ import annotations

import numpy as np
import pytest

from ser_tinyml.device.emulation import cycles
from ser_tinyml.device.emulation.cycles import PIPELINE, Instruction
from ser_tinyml.device.emulation.trace import Pieces
from ser_tinyml.files import DataError

LISTED = b"IN: Reset\n0x00000100:  b508  push {r3, lr}\n0x00000102:  e7fd  b #0x100\n"
RUNS = b"Trace 0: 0x7f10 [00800408/00000100/00000110/ff000200] Reset\n"
STOPPED = b"Stopped execution of TB chain before 0x7f10 [00000100] Reset\n"


def test_a_piece_is_listed_once_and_runs_again_and_again() -> None:
    pieces = Pieces()
    assert pieces.run(LISTED + RUNS).tolist() == []  # it may be taken back
    assert pieces.run(RUNS).tolist() == [0x100, 0x102]
    assert pieces.run(RUNS, last=True).tolist() == 2 * [0x100, 0x102]


def test_a_piece_that_was_not_begun_is_taken_back() -> None:
    pieces = Pieces()
    pieces.run(LISTED + RUNS + RUNS)
    assert pieces.run(STOPPED + RUNS, last=True).tolist() == [0x100, 0x102]
    assert pieces.run(STOPPED, last=True).tolist() == []


def test_wide_addresses_of_other_versions_are_read() -> None:
    wide = RUNS.replace(b"/00000100/", b"/0000000000000100/")
    assert Pieces().run(LISTED + wide, last=True).tolist() == [0x100, 0x102]


@pytest.mark.parametrize("log", [RUNS, LISTED.replace(b"0x00000100", b"0x00000200") + RUNS])
def test_an_emulator_that_lists_nothing_is_refused(log: bytes) -> None:
    with pytest.raises(DataError, match="list the instructions at 0x00000100, found none"):
        Pieces().run(log)


def one_by_one(
    code: dict[int, Instruction], entries: dict[int, str], ran: list[int]
) -> list[tuple[str, int, int]]:
    """Calls, their instructions and cycles, by the rules and nothing else."""
    calls, name, back, count, taken = [], "", 0, 0, 0
    before = Instruction(0, 0, frozenset(), frozenset())
    for address in ran:
        now = code[address]
        branch = 0 if before.next == address else PIPELINE
        if name and address == back:
            calls.append((name, count, taken + branch))
            name = ""
        if not name and address in entries:
            name, back, count, taken = entries[address], before.next, 1, now.cycles
        elif name:
            count += 1
            taken += now.cycles + branch + bool(before.result & now.operands)
        before = now
    return calls


@pytest.mark.parametrize("width", [1, 7, 5_000])
def test_calls_are_counted_as_one_by_one_however_the_instructions_come(width: int) -> None:
    rng = np.random.default_rng(0)
    registers = [frozenset({f"s{n}"} if n < 4 else ()) for n in range(8)]

    def drawn() -> frozenset[str]:
        return registers[rng.integers(8)]

    code = {at: Instruction(at + 2, int(rng.integers(1, 6)), drawn(), drawn()) for at in range(100)}
    entries = {20: "one", 50: "other"}
    ran = [0, 1]
    for _ in range(400):  # a jump, a straight piece, and now and then a call that comes back
        start = int(rng.integers(60, 70))
        ran += range(start, start + int(rng.integers(2, 20)) // 2 * 2, 2)
        entry = int(rng.choice([20, 50]))
        ran += [*range(entry, entry + 12, 2), *rng.integers(60, 99, 5).tolist(), ran[-1] + 2]
    meter = cycles._Meter(code, entries, ["one", "other"])
    found = []
    for begin in range(0, len(ran), width):
        for name in meter.take(np.array(ran[begin : begin + width])):
            found.append((name, *meter.calls[name][-1]))
    assert found == one_by_one(code, entries, ran)
    assert len(found) > 300 and {name for name, *_ in found} == {"one", "other"}


def test_an_instruction_that_is_not_of_the_program_is_refused() -> None:
    code = {4: Instruction(6, 1, frozenset(), frozenset())}
    with pytest.raises(DataError, match="expected instructions of the program"):
        list(cycles._Meter(code, {4: "one"}, ["one"]).take(np.array([4, 8])))
