"""The LSTM layers of a model file as the kernel takes them, where no interpreter reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.tflite import convert

HEADER = "kernel_layers.h"


def model_bytes(model: str | Path) -> bytes:
    """The .tflite file in a model's generated sources.

    Raises
    ------
    DataError
        If there is none.
    """
    path = Path(model) / "model_data.cpp"
    found = re.search(r"kModelData\[[^]]*\]\s*=\s*\{([^}]*)\}", files.read_bytes(path).decode())
    if found is None:
        raise DataError(f"{path}: expected the bytes of kModelData, found none")
    return bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", found[1]))


def layers_header(tflite: bytes) -> str:
    """C++ that describes each LSTM layer, its weights by their places in ``kModelData``.

    Raises
    ------
    DataError
        If the model has none.
    """
    model = schema.Model.GetRootAsModel(tflite, 0)
    graph = model.Subgraphs(0)
    names = convert.operators(tflite)
    lstms = [i for i, name in enumerate(names) if name == convert.FUSED_LSTM]
    if not lstms:
        raise DataError(f"model: expected {convert.FUSED_LSTM}, found {names}")
    written, cells, work = [], 0, 0
    for i in lstms:
        operator = graph.Operators(i)
        tensors = [graph.Tensors(n) if n >= 0 else None for n in operator.InputsAsNumpy()]
        inputs, units = tensors[0].Shape(2), tensors[18].Shape(1)
        cells += units
        work = max(work, -(-inputs // 4) * 4 + -(-units // 4) * 4)
        written.append(_description(model, tensors, _clip(operator)))
    body = ",\n".join(written)
    return (
        '#include "../lstm/layer.h"\n#include "../model/model_data.h"\n\nnamespace emulate {\n\n'
        f"constexpr int kCells = {cells};  // of all layers\n"
        f"constexpr int kWork = {work};\n\n"
        "inline const std::int8_t* Weights(std::size_t at) {\n"
        "  return reinterpret_cast<const std::int8_t*>(ser::model::kModelData + at);\n}\n"
        "inline const std::int32_t* Bias(std::size_t at) {\n"
        "  return reinterpret_cast<const std::int32_t*>(ser::model::kModelData + at);\n}\n\n"
        f"const lstm::Description kLayers[] = {{\n{body}}};\n\n}}  // namespace emulate\n"
    )


def _clip(operator: Any) -> float:
    options = schema.UnidirectionalSequenceLSTMOptions()
    table = operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return float(options.CellClip())


def _description(model: Any, tensors: list[Any], clip: float) -> str:
    source, state, cell = tensors[0], tensors[18], tensors[19]

    def scale(tensor: Any) -> str:
        return f"{float(tensor.Quantization().Scale(0)).hex()}f"

    def places(kind: str, first: int) -> str:
        found = (_place(model, tensors[first + gate]) for gate in range(4))
        return "{" + ", ".join(f"{kind}({place})" for place in found) + "}"

    def scales(first: int) -> str:
        return "{" + ", ".join(scale(tensors[first + gate]) for gate in range(4)) + "}"

    numbers = [source.Shape(0), source.Shape(1), source.Shape(2), state.Shape(1)]
    fields = [
        *map(str, numbers),
        *(scale(source), str(source.Quantization().ZeroPoint(0))),
        *(scale(state), str(state.Quantization().ZeroPoint(0))),
        *(scale(cell), f"{clip.hex()}f"),
        *(scales(1), scales(5), places("Weights", 1), places("Weights", 5), places("Bias", 12)),
    ]
    return "    {" + ",\n     ".join(fields) + "}"


def _place(model: Any, tensor: Any) -> int:
    """Where a constant tensor's data lies in the file."""
    data = model.Buffers(tensor.Buffer()).DataAsNumpy()
    whole = np.frombuffer(model._tab.Bytes, np.uint8)
    return int(data.__array_interface__["data"][0] - whole.__array_interface__["data"][0])
