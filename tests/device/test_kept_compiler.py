"""The compiler of the tests compiles again what another text, flag or header would change."""

from __future__ import annotations

import subprocess
from pathlib import Path

import kept_compiler
import pytest


@pytest.fixture
def kept(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(kept_compiler, "KEPT", tmp_path / "kept")
    return tmp_path / "kept"


def answer(folder: Path, *flags: str, number: str = "1", main: str = "") -> str:
    """What a program of two units prints, compiled in a folder of its own."""
    folder.mkdir()
    (folder / "number.h").write_text(f"#define NUMBER {number}\n")
    (folder / "number.cpp").write_text('#include "number.h"\nint Number() { return NUMBER; }\n')
    (folder / "main.cpp").write_text(
        "#include <cstdio>\nint Number();\n"
        f'int main() {{ std::printf("%d", Number()); {main} return 0; }}\n'
    )
    units = [str(folder / name) for name in ("number.cpp", "main.cpp")]
    program = str(folder / "program")
    if kept_compiler.main([*flags, f"-I{folder}", *units, "-o", program]):
        return "refused"
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


def test_what_changed_is_compiled_and_nothing_else(kept, tmp_path) -> None:
    def count() -> int:
        return len([*kept.glob("*.o")])

    assert (answer(tmp_path / "a"), count()) == ("1", 2)
    assert (answer(tmp_path / "again"), count()) == ("1", 2)
    assert (answer(tmp_path / "header", number="2"), count()) == ("2", 3)
    assert (answer(tmp_path / "unit", main='std::puts("!");'), count()) == ("1!\n", 4)
    assert (answer(tmp_path / "flag", "-O1"), count()) == ("1", 6)


def test_what_does_not_compile_is_refused_and_not_kept(kept, tmp_path, capfd) -> None:
    assert answer(tmp_path / "unknown", number="nothing") == "refused"
    assert "nothing" in capfd.readouterr().err
    assert answer(tmp_path / "warned", "-Wall", "-Werror", main="int unused;") == "refused"
    assert "unused" in capfd.readouterr().err
    assert len([*kept.glob("*.o")]) == 1  # the other unit of the second
