"""What the spectrogram net becomes: ONNX, OpenVINO in three precisions; and how fast each is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml import files
from ser_tinyml.provenance import ROOT
from ser_tinyml.systems.exports import micro, onnx_file, openvino_ir, stopwatch
from ser_tinyml.systems.face import CLEAN, Exported, Side
from ser_tinyml.systems.parts.spectrogram_features import SHAPE
from ser_tinyml.systems.parts.spectrogram_net import SpectrogramNet

ONNX, IR = "model.onnx", "model.xml"
CALIBRATION = ROOT / "data" / "spectrogram_calibration.csv"
LEAST_CALIBRATION = 64  # clips of the list that are in training; fewer: others are drawn
ONNX_MODULES = (*onnx_file.MODULES, "onnxruntime")


def as_onnx(model: SpectrogramNet, folder: Path, training: Side) -> Exported:
    """ONNX, answered by ONNX Runtime."""
    path = _onnx(model, folder)
    return Exported(onnx_runner(path), {"bytes": path.stat().st_size})


def as_fp32(model: SpectrogramNet, folder: Path, training: Side) -> Exported:
    """OpenVINO, weights and arithmetic in fp32."""
    return _exported(_network(model, folder), folder, half=False)


def as_fp16(model: SpectrogramNet, folder: Path, training: Side) -> Exported:
    """OpenVINO, weights in fp16, arithmetic in fp32."""
    return _exported(_network(model, folder), folder, half=True)


def as_int8(model: SpectrogramNet, folder: Path, training: Side) -> Exported:
    """OpenVINO, convolutions in int8."""
    rows, listed = calibration_of(training.rows)
    network = openvino_ir.to_int8(_network(model, folder), training.features[rows])
    made = _exported(network, folder, half=False)
    return Exported(
        made.predict, {**made.facts, "calibration_clips": len(rows), "calibration_listed": listed}
    )


def calibration_of(rows: pd.DataFrame) -> tuple[np.ndarray, bool]:
    """Places of the clips that set the scales: those of the committed list that are in training.

    The list has speakers of all folds. Whoever is tested is not in training, and drops out.

    Returns
    -------
    places, listed
        And whether they are from the list: of other recordings, such as synthetic ones, too few
        are in it, and others are drawn.
    """
    wanted = set(files.read_table(CALIBRATION)["key"])
    known = (rows["variant"] == CLEAN) & rows["key"].isin(wanted) & (rows["split"] == "train")
    places = np.flatnonzero(known)
    if len(places) >= LEAST_CALIBRATION:
        return places, True
    return micro.calibration_of(rows), False


def onnx_runner(path: Path) -> openvino_ir.Predict:
    """Answers of ONNX Runtime, in fp32 on one core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        files.read_bytes(path), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda features: session.run(None, {name: np.asarray(features, np.float32)})[0]


def keras_runner(model: SpectrogramNet) -> openvino_ir.Predict:
    """Answers of Keras from a compiled graph: the quickest way that Keras itself has."""
    from ser_tinyml.nets.keras import tf

    graph = tf.function(lambda values: model.net(values[..., tf.newaxis], training=False))
    return lambda features: graph(tf.constant(features, tf.float32)).numpy()


def benchmark(
    model: SpectrogramNet, exports: Path, features: np.ndarray, *, rounds: int = 30
) -> pd.DataFrame:
    """Keras, ONNX Runtime and OpenVINO in each precision, beside each other in one run.

    Parameters
    ----------
    exports
        Folder of the exports of the same model.
    features [shape=(n, 64, 192)]
        Of clips to be answered.

    Returns
    -------
    table
        That of `stopwatch.race`, and arithmetic; bytes of the model's file; same and difference,
        the share of Keras's answers and the largest difference of a probability.
    """
    xml = {name: exports / f"openvino_{name}" / IR for name in ("fp32", "fp16", "int8")}
    exact = openvino_ir.EXACT
    runs: list[tuple[str, str, Path | None, Callable[[], openvino_ir.Predict]]] = [
        ("Keras", exact, None, lambda: keras_runner(model)),
        ("ONNX Runtime", exact, exports / "onnx" / ONNX, lambda: onnx_runner(
            exports / "onnx" / ONNX)),
        ("OpenVINO fp32", exact, xml["fp32"], lambda: _runner(xml["fp32"])),
        ("OpenVINO fp16", exact, xml["fp16"], lambda: _runner(xml["fp16"])),
        ("OpenVINO int8", f"int8, {exact}", xml["int8"], lambda: _runner(xml["int8"])),
    ]  # fmt: skip
    if openvino_ir.has_brain():
        brain = openvino_ir.BRAIN
        runs.append(("OpenVINO bf16", brain, xml["fp32"],
                     lambda: _runner(xml["fp32"], precision=brain)))  # fmt: skip
    runners = {name: runner() for name, _, _, runner in runs}
    table = stopwatch.race(runners, features, rounds=rounds)
    answers = {name: predict(features) for name, predict in runners.items()}
    reference = answers["Keras"]
    return table.assign(
        arithmetic=[arithmetic for _, arithmetic, _, _ in runs],
        bytes=[_bytes(path) for _, _, path, _ in runs],
        same=[float((one.argmax(1) == reference.argmax(1)).mean()) for one in answers.values()],
        difference=[float(np.abs(one - reference).max()) for one in answers.values()],
    )


def optimised(model: SpectrogramNet, exports: Path) -> dict[str, pd.DataFrame]:
    """What became of the layers: operators from form to form, and the steps that really run.

    Returns
    -------
    tables
        "operators": how often each is in ONNX, in IR and in int8 IR; "fp32" and "int8": the steps,
        see `openvino_ir.fused`.
    """
    import onnx
    import openvino

    core = openvino.Core()
    graphs = {
        "Keras layers": _counted(type(layer).__name__ for layer in model.net.layers),
        "ONNX": _counted(node.op_type for node in onnx.load(exports / "onnx" / ONNX).graph.node),
    }
    steps = {}
    for name in ("fp32", "int8"):
        path = exports / f"openvino_{name}" / IR
        graphs[f"IR {name}"] = openvino_ir.operators(core.read_model(path))
        steps[name] = openvino_ir.fused(openvino_ir.compiled(path))
        graphs[f"runs {name}"] = _counted(steps[name]["step"])
    return {"operators": pd.DataFrame(graphs).fillna(0).astype(int), **steps}


def _counted(names: Any) -> dict[str, int]:
    return pd.Series(list(names)).value_counts().to_dict()


def _onnx(model: SpectrogramNet, folder: Path) -> Path:
    from ser_tinyml.nets.keras import tf

    return onnx_file.write(
        lambda values: model.net(tf.expand_dims(values, -1), training=False),
        folder / ONNX,
        shape=(None, *SHAPE),
    )


def _network(model: SpectrogramNet, folder: Path) -> Any:
    """Through ONNX, the door that nets from elsewhere take too."""
    return openvino_ir.from_onnx(_onnx(model, folder), shape=SHAPE, classes=len(model.classes))


def _exported(network: Any, folder: Path, *, half: bool) -> Exported:
    path = openvino_ir.save(network, folder / IR, half=half)
    net = openvino_ir.compiled(path)
    facts = {
        "bytes": openvino_ir.size(path),
        "operators": sum(openvino_ir.operators(network).values()),
        "steps": len(openvino_ir.fused(net)),
    }
    return Exported(openvino_ir.predictor(net), facts)


def _runner(path: Path, *, precision: str = openvino_ir.EXACT) -> openvino_ir.Predict:
    return openvino_ir.predictor(openvino_ir.compiled(path, precision=precision))


def _bytes(path: Path | None) -> float:
    if path is None:
        return float("nan")
    return path.stat().st_size if path.suffix == ".onnx" else openvino_ir.size(path)
