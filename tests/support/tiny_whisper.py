"""A Whisper model of random weights, in the format of CTranslate2: machinery, no ears."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

WIDTH, HEADS, LAYERS = 16, 2, 3
_TOKENS = [f"t{number}" for number in range(50)] + [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nocaptions|>",
    "<|notimestamps|>",
    "<|0.00|>",
]


def write(folder: Path) -> Path:
    """Write the model into a folder, and return it."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {
        "encoder/conv1/weight": rng.normal(0, 0.1, (WIDTH, 80, 3)),
        "encoder/conv1/bias": np.zeros(WIDTH),
        "encoder/conv2/weight": rng.normal(0, 0.1, (WIDTH, WIDTH, 3)),
        "encoder/conv2/bias": np.zeros(WIDTH),
        "encoder/position_encodings/encodings": rng.normal(0, 0.1, (1500, WIDTH)),
        "decoder/embeddings/weight": rng.normal(0, 0.1, (len(_TOKENS), WIDTH)),
        "decoder/position_encodings/encodings": rng.normal(0, 0.1, (448, WIDTH)),
    }
    for side in ("encoder", "decoder"):
        arrays |= _norm(f"{side}/layer_norm")
        for layer in range(LAYERS):
            arrays |= _layer(f"{side}/layer_{layer}", rng, attends=side == "decoder")
    scalars = {
        **{f"{side}/num_heads": np.int16(HEADS) for side in ("encoder", "decoder")},
        "decoder/activation": np.int8(3),
        "decoder/alibi": np.int8(0),
        "decoder/alignment_heads": np.int16(1),
        "decoder/alignment_layer": np.int16(-1),
        "decoder/pre_norm": np.int8(1),
        "decoder/scale_embeddings": np.int8(0),
        "decoder/start_from_zero_embedding": np.int8(0),
    }
    data = struct.pack("<I", 6) + _text("WhisperSpec") + struct.pack("<I", 3)
    data += struct.pack("<I", len(arrays) + len(scalars))
    types = {np.dtype(np.int8): 1, np.dtype(np.int16): 2, np.dtype(np.float32): 0}
    float32 = {name: array.astype(np.float32) for name, array in arrays.items()}
    for name, value in sorted({**float32, **scalars}.items()):
        data += _text(name) + struct.pack("<B", value.ndim)
        data += struct.pack(f"<{value.ndim}I", *value.shape)
        data += struct.pack("<BI", types[value.dtype], value.nbytes) + value.tobytes()
    data += struct.pack("<I", 1) + _text("decoder/projection/weight")
    data += _text("decoder/embeddings/weight")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(data)
    config = {"alignment_heads": [[0, 0]], "lang_ids": [52], "suppress_ids": []}
    (folder / "config.json").write_text(json.dumps({**config, "suppress_ids_begin": []}))
    (folder / "vocabulary.txt").write_text("\n".join(_TOKENS) + "\n")
    return folder


def _layer(prefix: str, rng: np.random.Generator, *, attends: bool) -> dict[str, np.ndarray]:
    found = _norm(f"{prefix}/ffn/layer_norm") | _norm(f"{prefix}/self_attention/layer_norm")
    shapes = {
        "ffn/linear_0": (4 * WIDTH, WIDTH),
        "ffn/linear_1": (WIDTH, 4 * WIDTH),
        "self_attention/linear_0": (3 * WIDTH, WIDTH),
        "self_attention/linear_1": (WIDTH, WIDTH),
    }
    if attends:
        found |= _norm(f"{prefix}/attention/layer_norm")
        shapes |= {
            "attention/linear_0": (WIDTH, WIDTH),
            "attention/linear_1": (2 * WIDTH, WIDTH),
            "attention/linear_2": (WIDTH, WIDTH),
        }
    for name, shape in shapes.items():
        found[f"{prefix}/{name}/weight"] = rng.normal(0, 0.2, shape)
        found[f"{prefix}/{name}/bias"] = np.zeros(shape[0])
    return found


def _norm(name: str) -> dict[str, np.ndarray]:
    return {f"{name}/gamma": np.ones(WIDTH), f"{name}/beta": np.zeros(WIDTH)}


def _text(text: str) -> bytes:
    data = text.encode() + b"\0"
    return struct.pack("<H", len(data)) + data
