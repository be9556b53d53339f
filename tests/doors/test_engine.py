"""An engine from outside: a header of one's own, and no file of the project is touched.

What a port to another board has to give is held against the sources that the README names.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import small_firmware as small

from ser_tinyml.device import SKETCH, report, virtual
from ser_tinyml.device.board import Board
from ser_tinyml.device.virtual import VirtualBoard

# The direct engine behind a counter: the same bits under another name.
HEADER = """\
#include "ser/direct_engine.h"

namespace ser {

class OtherEngine {
 public:
  Status Begin() { return engine_.Begin(); }
  void Reset() { engine_.Reset(); }
  Status Step(const std::int8_t* input, std::int8_t* output) {
    ++steps_;
    return engine_.Step(input, output);
  }
  static const char* Name() { return "mine"; }
  static int ArenaBytes() { return 123; }

 private:
  DirectEngine engine_;
  int steps_ = 0;
};

}  // namespace ser
"""


def test_an_engine_of_ones_own_answers_in_the_board(tmp_path: Path, monkeypatch) -> None:
    header = tmp_path / "mine.h"
    header.write_text(HEADER)
    choice = ("-USER_ENGINE", "-DSER_ENGINE=SER_ENGINE_OTHER", f'-DSER_ENGINE_HEADER="{header}"')
    program = virtual.build(small.model_folder(), flags=("-O2", *choice))
    monkeypatch.setattr(virtual, "build", lambda model: program)
    nothing = np.zeros(0, np.int16)
    with VirtualBoard(nothing, model=small.model_folder()) as played, Board(played.path) as board:
        assert (board.status["engine"], board.status["arena_bytes"]) == ("mine", 123)
        rows = report.check_golden(board, small.golden_folder())
    assert all(row["same_outputs"] for row in rows)


def test_what_the_readme_says_a_port_has_to_give_is_what_the_sketch_calls() -> None:
    readme = (SKETCH / "README.md").read_text()
    section = readme[readme.index("## Port it to another board") :]
    sketch = (SKETCH / "arduino_nano33.ino").read_text()
    called = set(re.findall(r"board::(\w+)\(", sketch))
    assert set(re.findall(r"`board::(\w+)`", section)) == called
    device = (SKETCH / "src" / "ser" / "device.h").read_text()
    for name in re.findall(r"`Device::(\w+)`", section):
        assert re.search(rf"\b{name}\b", device), name
    engine = (SKETCH / "src" / "ser" / "engine.h").read_text()
    for name in ("Begin", "Reset", "Step", "Name", "ArenaBytes"):
        assert f" {name}(" in engine and f"`{name}`" in section
