"""The firmware as a WebAssembly module: the same for every computer and every browser."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ser_tinyml import files
from ser_tinyml.device import MODEL
from ser_tinyml.device.protocol import BoardError
from ser_tinyml.device.virtual import generated, texts
from ser_tinyml.provenance import CACHE, in_checkout, shipped

PROGRAM = shipped("firmware/browser") / "browser.cpp"
BUILT = (PROGRAM.parent if in_checkout() else CACHE) / "build"
COMPILER = "ziglang"  # clang and a C++ library for WebAssembly in one package, for every computer
FLAGS = (
    *("-target", "wasm32-wasi", "-mexec-model=reactor", "-std=c++14", "-O3", "-flto", "-s"),
    *("-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra"),
    *("-ffp-contract=off", "-DSER_ENGINE=SER_ENGINE_DIRECT"),
)


def build(model: str | Path = MODEL) -> Path:
    """Compile the module for a model.

    The first time the compiler makes its C++ library, which takes minutes; the same sources are
    compiled once. The module does not depend on the computer: its bytes are the same everywhere.

    Parameters
    ----------
    model
        Folder with the generated C++ sources.

    Returns
    -------
    module
        Path of the ``.wasm``.

    Raises
    ------
    BoardError
        If there is no compiler or no model, or they do not fit.
    """
    model = generated(model)
    try:
        compiler = version(COMPILER)
    except PackageNotFoundError as error:
        raise BoardError(
            f"{COMPILER}: expected it to be installed, which compiles for browsers, found it is "
            'not: in the repository pip install -e ".[site,adapt]"'
        ) from error
    sources = texts(PROGRAM, model)
    key = files.sha256_json([sources, list(FLAGS), compiler])[:16]
    module = BUILT / key / "ser.wasm"
    if not module.is_file():
        files.write_bytes(module, _compiled(sources))
    if model == MODEL:  # where `tflite.portable` and a wheel look for it
        files.write_bytes(BUILT / module.name, module.read_bytes())
    return module


def _compiled(sources: dict[str, str]) -> bytes:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, text in sources.items():
            files.write_text(folder / name, text)
        # Relative names in a fixed order: nothing of this computer gets into the module.
        units = sorted(name for name in sources if name.endswith(".cpp"))
        command = [sys.executable, "-m", COMPILER, "c++", *FLAGS, "-I.", *units, "-o", "ser.wasm"]
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
        )
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if "error" in line]
            raise BoardError(
                f"{PROGRAM}: expected {COMPILER} to compile it, found:\n"
                + "\n".join(errors[:10] or [result.stderr])
            )
        return (folder / "ser.wasm").read_bytes()
