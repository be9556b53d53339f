"""The firmware's network in WebAssembly, where TFLite Micro is not to be had. The same bits."""

from __future__ import annotations

import json
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml.files import DataError, read_bytes
from ser_tinyml.provenance import shipped
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import RuntimeRefused, TfliteRuntime

MODULE = shipped("firmware/browser") / "build" / "ser.wasm"


def needed() -> bool:
    """Whether this computer has no TFLite Micro, which is built for Linux on x86-64 alone."""
    return find_spec("tflite_micro") is None


class PortableRuntime(TfliteRuntime):
    """The network of the released model, as the module of ``firmware/browser`` has it.

    Parameters
    ----------
    release
        The model that the module was made of.
    module
        Path of the ``.wasm``.

    Raises
    ------
    DataError
        If there is no module.
    RuntimeRefused
        If the module is of another model.
    """

    name = "WebAssembly"

    def __init__(self, release: Release, *, module: str | Path = MODULE) -> None:
        super().__init__(release.tflite)
        if not Path(module).is_file():
            raise DataError(
                f"{module}: expected the firmware for this computer, found no such file: install "
                'the wheel of a release, or in the repository pip install -e ".[site,adapt]", then '
                "ser-tinyml site"
            )
        self._core = _Core(Path(module))
        if self._core.model_id != release.model_id:
            raise RuntimeRefused(
                f"this computer has no TFLite Micro, and {module} is of the model "
                f"{self._core.model_id}: expected that one, found {release.model_id}. Other models "
                "are answered on Linux on x86-64"
            )

    def _infer(self, clip: np.ndarray) -> np.ndarray:
        return self.stream(clip[0])[-1]

    def stream(self, inputs: np.ndarray) -> np.ndarray:
        """Answers after each step [shape=(steps, n_classes)] to inputs [shape=(steps, n_inputs)].

        Both int8; the first step finds a fresh state.
        """
        return self._core.steps(inputs)


class _Core:
    """An instance of the module."""

    def __init__(self, path: Path) -> None:
        import wasmtime

        engine, module = _compiled(path)
        self._store = wasmtime.Store(engine)
        clock = wasmtime.Func(
            self._store,
            wasmtime.FuncType([], [wasmtime.ValType.i32()]),
            lambda: (time.monotonic_ns() // 1000 + (1 << 31)) % (1 << 32) - (1 << 31),
        )
        self._exports = wasmtime.Instance(self._store, module, [clock]).exports(self._store)
        self._memory = self._exports["memory"]
        self("_initialize")
        if self("ser_begin") or self("ser_engine_begin"):
            raise RuntimeRefused(f"{path}: the model cannot run: its files are of two exports")
        said = self._read(self("ser_bytes"), self("ser_take"))
        self.model_id = json.loads(said.split(b"\n")[0])["model"]
        self._input, self._output = self("ser_engine_input"), self("ser_engine_output")
        self._classes = self("ser_engine_outputs")

    def __call__(self, name: str, *arguments: int) -> Any:
        return self._exports[name](self._store, *arguments)

    def _read(self, start: int, count: int) -> bytes:
        return bytes(self._memory.read(self._store, start, start + count))

    def steps(self, inputs: np.ndarray) -> np.ndarray:
        step = self._exports["ser_engine_step"]
        outputs = np.empty((len(inputs), self._classes), np.int8)
        self("ser_engine_reset")
        for number, values in enumerate(inputs):
            self._memory.write(self._store, values.tobytes(), self._input)
            if status := step(self._store):
                raise RuntimeRefused(f"step {number}: expected an answer, found status {status}")
            outputs[number] = np.frombuffer(self._read(self._output, self._classes), np.int8)
        return outputs


@cache
def _compiled(path: Path) -> Any:
    """wasmtime's engine and the module, compiled for this computer: a fraction of a second."""
    import wasmtime

    engine = wasmtime.Engine()
    return engine, wasmtime.Module(engine, read_bytes(path))
