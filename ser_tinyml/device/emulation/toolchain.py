"""Compiler, linker and emulator for a bare Cortex-M4F."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ser_tinyml import files
from ser_tinyml.device import PORTABLE
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT

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


@dataclass(frozen=True)
class Target:
    """A processor, and the machine of QEMU that has it."""

    name: str
    machine: str
    flags: tuple[str, ...]


CORTEX_M4F = Target(
    "Cortex-M4F",
    "mps2-an386",
    ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=softfp", "-mfpu=fpv4-sp-d16"),
)
CORTEX_M3 = Target("Cortex-M3", "mps2-an385", ("-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft"))
FLAGS = (  # of the Arduino core for this board
    "-Os",
    "-std=gnu++14",
    "-fno-rtti",
    "-fno-exceptions",
    "-ffunction-sections",
    "-fdata-sections",
)
OWN_RAM = (".core_data", ".core_bss")
ALL_RAM = (*OWN_RAM, ".data", ".bss")  # with that of the program around it, and of libraries
EMULATE, SCRIPT = ROOT / "firmware" / "emulate", "mps2_an386.ld"
WARNINGS = ("-Wall", "-Wextra", "-Wno-register")


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


DIRECT = ("-DSER_ENGINE=SER_ENGINE_DIRECT",)
KERNEL = (  # engine 1's LSTM without TFLite Micro around it
    "-DSER_ENGINE=SER_ENGINE_OTHER",
    '-DSER_ENGINE_HEADER="../emulate/kernel_engine.h"',
)


def build(
    folder: Path,
    model: str | Path,
    *,
    engine: Sequence[str] = DIRECT,
    made: Mapping[str, str] | None = None,
    main: str = "emulate",
    target: Target = CORTEX_M4F,
) -> Path:
    """Compile and link for the bare processor; the program's path.

    Parameters
    ----------
    folder
        To build in; is made, and must not be there.
    model
        Folder with the generated sources of a model.
    engine
        Flags that choose it: `DIRECT` or `KERNEL`.
    made
        Name and text of sources that are made for this model.
    main
        Folder in ``firmware`` whose program it is; the startup is that of ``emulate``.
    target
        What to compile for.

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
    for name, text in (made or {}).items():
        files.write_text(folder / "emulate" / name, text)
    sources = _copied(folder, model=model, main=main)
    return link(folder, sources, options=(*WARNINGS, *engine), target=target)


def link(
    folder: Path,
    sources: Sequence[Path],
    *,
    options: Sequence[str | Path] = WARNINGS,
    target: Target = CORTEX_M4F,
) -> Path:
    """Compile C++ and link it for the bare processor; the program's path.

    Parameters
    ----------
    folder
        For the program. Its ``emulate`` has the linker script, see `add_startup`.
    sources
        Paths of C++; each object lies beside its source.
    options
        For the compiler.

    Raises
    ------
    DataError
        If sources do not compile.
    """
    compiler, objects = f"{PREFIX}g++", []
    for source in sources:
        objects.append(source.with_suffix(".o"))
        run([compiler, *target.flags, *FLAGS, *options, "-c", source, "-o", objects[-1]])
    program = folder / "program.elf"
    run([compiler, *target.flags, "-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs",
         "-Wl,--gc-sections", "-T", folder / "emulate" / SCRIPT, *objects, "-o",
         program])  # fmt: skip
    return program


def add_startup(folder: Path, *, main: Path) -> None:
    """Put a program's own file, and what starts it on the bare processor, into ``emulate``."""
    for name in ("startup.cpp", "semihosting.h", SCRIPT):
        copy(EMULATE / name, folder / "emulate" / name)
    copy(main, folder / "emulate" / "main.cpp")


def copy(source: Path, target: Path) -> None:
    """Copy a file; the target's folder is made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _copied(folder: Path, *, model: Path, main: str) -> list[Path]:
    """Copy all that a program is made of; what is to be compiled."""
    places = {**PORTABLE, "model": model, "emulate": EMULATE}
    places |= {main: ROOT / "firmware" / main}
    for name, place in places.items():
        shutil.copytree(place, folder / name, dirs_exist_ok=True)
    compiled = [name for name in places if name != "emulate" or main == name]
    sources = compiled_files(folder, parts=compiled)
    startup = folder / "emulate" / "startup.cpp"
    return sources if startup in sources else [*sources, startup]


def compiled_files(folder: Path, *, parts: Sequence[str]) -> list[Path]:
    """All C++ files in some folders of a folder."""
    return [path for part in parts for path in sorted((folder / part).glob("*.cpp"))]


def sections(program: Path) -> list[tuple[str, int, int]]:
    """Name, address and size of a program's sections."""
    text = run([f"{PREFIX}objdump", "-h", program])
    found = re.findall(r"^\s*\d+ (\S+)\s+([0-9a-f]{8})\s+([0-9a-f]{8})", text, re.M)
    return [(name, int(address, 16), int(size, 16)) for name, size, address in found]


def memory(program: Path, *, ram: Sequence[str] = OWN_RAM) -> dict[str, int]:
    """Bytes that a program takes of the board, without its stack.

    Parameters
    ----------
    ram
        Sections that count as RAM.

    Returns
    -------
    bytes
        code_bytes (with what variables begin with), table_bytes, flash_bytes (both), ram_bytes.
    """
    sizes = {name: size for name, _, size in sections(program)}
    code = sum(sizes.get(name, 0) for name in (".core", ".library", ".constructors", ".core_data"))
    return {
        "code_bytes": code,
        "table_bytes": sizes[".tables"],
        "flash_bytes": code + sizes[".tables"],
        "ram_bytes": sum(sizes.get(name, 0) for name in ram),
    }


def run(command: Sequence[str | Path]) -> str:
    """What a command prints.

    Raises
    ------
    DataError
        With what it said of its failure.
    """
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DataError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout


def emulator(program: Path, *options: str, target: Target = CORTEX_M4F) -> list[str]:
    """The command that runs a program, which reads and writes files where it is started."""
    return [QEMU, "-M", target.machine, "-nographic", "-monitor", "none", "-serial", "none",
            "-semihosting-config", "enable=on,target=native", *options,
            "-kernel", str(program.resolve())]  # fmt: skip
