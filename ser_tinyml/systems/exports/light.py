"""Light models as C by emlearn, with the clip's numbers in C++: on this computer, and emulated.

emlearn's trees say "less" where scikit-learn says "at most", which is the same for whole numbers
one lower; and they have each leaf's shares in a byte (``leaf_bits=8``), without which the trees
only vote, and one answer in five is another. The shares are whole 255ths before, and are taken as
they are; emlearn's own rounding to 254ths makes some of them equal that were not.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import jinja2
import numpy as np

from ser_tinyml import features, files
from ser_tinyml.device import PORTABLE
from ser_tinyml.device.emulation import cycles, energy, toolchain
from ser_tinyml.device.export import sources
from ser_tinyml.device.export.tables import fft_twiddles
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.systems.face import CLIP_S, Exported, Side
from ser_tinyml.systems.parts import light_features as recipe
from ser_tinyml.systems.parts.light_models import BYTE, STEPS, LightModel

MODULES = ("emlearn",)
TOOLS = ("cc", "g++", f"{toolchain.PREFIX}g++", toolchain.QEMU)
FIRMWARE = ROOT / "firmware" / "systems"
OURS = ("exact.h", "fft.cpp", "fft.h", "pitch.cpp", "pitch.h")  # of src/ser
EMULATED_CLIPS = 8  # whose answers the emulated processor gives too
FRAME, FINISH, ANSWER = "ser::LightVoice::Push", "ser::LightVoice::Finish", "ser::LightAnswer"
FLASH_BAR, RAM_BAR = 256 * 1024, 64 * 1024


@dataclass(frozen=True)
class Programs:
    """What `compiled` made, for this computer and for the board's processor."""

    host: Path
    board: Path


def as_c(model: LightModel, folder: Path, training: Side) -> Exported:
    """C of a model over `light_features`, with those in C++.

    Raises
    ------
    DataError
        If the emulated processor gives other answers than this computer.
    """
    programs = compiled(model, folder / "cpp")
    count = len(model.classes)

    def predict(values: np.ndarray) -> np.ndarray:
        return row_answers(programs.host, model.steps(values), n_classes=count)

    some = training.features[:EMULATED_CLIPS]
    found = row_answers(programs.board, model.steps(some), n_classes=count)
    if not np.allclose(found, predict(some), atol=1e-5):
        raise DataError(f"{folder}: expected this computer's answers, found others when emulated")
    return Exported(predict, costs(programs.board, model.steps(some[:1])))


def compiled(model: LightModel, folder: Path) -> Programs:
    """Write all C and C++ of a model into folders of one folder, and compile it.

    Raises
    ------
    DataError
        If it is over other features than those that the board computes, or does not compile.
    """
    if len(model.low) != len(recipe.NAMES):
        raise DataError(
            f"{folder}: expected a model of {len(recipe.NAMES)} features, found {len(model.low)}"
        )
    write(model, folder)
    of_emlearn = ("-I", folder / "eml")
    sources = toolchain.compiled_files(folder, parts=("ser", "model"))
    started = toolchain.compiled_files(folder, parts=("emulate",))
    board = toolchain.link(folder, [*sources, *started], options=of_emlearn)
    host = folder / "host"
    sources.append(folder / "emulate" / "main.cpp")
    toolchain.run(["g++", "-O2", "-std=gnu++17", *of_emlearn, *sources, "-o", host])
    return Programs(host, board)


def write(model: LightModel, folder: Path) -> Path:
    """Write all C and C++ of a model."""
    emlearn = _emlearn()
    templates = sources.environment().overlay(
        loader=jinja2.FileSystemLoader(
            [Path(__file__).parent / "templates", Path(sources.__file__).parent / "templates"]
        )
    )
    window = features.tables(recipe.CONFIG).window
    values = {
        **_feature_values(),
        "model": model,
        "code": code_of(model),
        "scaler": None if model.trees() else model.model[0],
        "steps": STEPS,
        "recipe": recipe,
        "frames": recipe.MOST_FRAMES,
        "level_scale": recipe.CONFIG.n_fft / 2 * np.square(window).sum(),
    }
    for stem in ("feature_settings", "feature_tables", "light_model"):
        for suffix in ("h",) if stem == "feature_settings" else ("h", "cpp"):
            text = templates.get_template(f"{stem}.{suffix}.j2").render(
                values, name=stem, guard=stem.upper()
            )
            files.write_text(folder / "model" / f"{stem}.{suffix}", text)
    for path in (*(PORTABLE["ser"] / one for one in OURS), *FIRMWARE.glob("light_voice.*")):
        toolchain.copy(path, folder / "ser" / path.name)
    toolchain.add_startup(folder, main=FIRMWARE / "light_main.cpp")
    for path in Path(emlearn.__file__).parent.glob("eml_*.h"):
        toolchain.copy(path, folder / "eml" / path.name)
    return folder


def _feature_values() -> dict[str, Any]:
    """What the templates of the firmware's features name."""
    config = recipe.CONFIG
    constant = features.tables(config)
    passes, split = fft_twiddles(config.n_fft)
    nothing = np.zeros(config.feature_shape[1], np.float32)  # of another model's input
    return {
        "export": SimpleNamespace(model_id="light"),
        "config": config,
        "power_floor": features.POWER_FLOOR,
        "window": constant.window,
        "dct": constant.dct,
        "mel_first": [first for first, _ in constant.bands],
        "mel_count": [len(weights) for _, weights in constant.bands],
        "mel_weights": np.concatenate([weights for _, weights in constant.bands]),
        "twiddles": passes.ravel(),
        "split": split.ravel(),
        **sources.pitch_values(config),
        **dict.fromkeys(("mean", "std", "inverse_std"), nothing),
    }


def code_of(model: LightModel) -> str:
    """What emlearn makes of a model.

    Raises
    ------
    DataError
        If it makes nothing of this kind of model.
    """
    # It leaves what it tries the code with in a folder of where it runs.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return _code_of(model)


def _emlearn() -> ModuleType:
    """The package; to import it would make NumPy raise an error at every underflow from then on."""
    with np.errstate():
        import emlearn
        import emlearn.bayes
    return emlearn


def _code_of(model: LightModel) -> str:
    emlearn = _emlearn()
    from emlearn import net, trees

    if model.trees():
        with mock.patch.multiple(
            trees,
            remove_duplicate_leaves=_without_duplicates,
            quantize_probabilities_into_byte=_as_byte,
        ):
            made = emlearn.convert(model.model, method="loadable", dtype="int16_t", leaf_bits=8)
        return made.save(name="light")
    last = model.model[-1] if hasattr(model.model, "steps") else model.model
    if hasattr(last, "coefs_"):
        return emlearn.convert(last, method="loadable").save(name="light")
    if hasattr(last, "predict_proba") and hasattr(last, "coef_"):  # a layer, and nothing changed
        same = np.eye(len(model.classes))
        weights, biases = [last.coef_.T, same], [last.intercept_, np.zeros(len(same))]
        made = net.Wrapper(["identity", "softmax"], weights, biases, classifier="loadable")
        return made.save(name="light")
    raise DataError(f"emlearn: expected trees, an MLP or a logistic regression, found {last}")


def _as_byte(shares: np.ndarray, bits: int) -> np.ndarray:
    """Whole 255ths, see `light_models.in_bytes`."""
    return np.rint(BYTE * shares).astype(np.uint8)


def _without_duplicates(forest: tuple[list, list, list]) -> tuple[list, list, list]:
    """What emlearn's function of this purpose does, which holds each leaf against each other."""
    nodes, roots, leaves = forest
    place: dict[bytes, int] = {}
    kept = [place.setdefault(bytes(leaf), len(place)) for leaf in leaves]
    for node in nodes:
        node[2:] = [-kept[-child - 1] - 1 if child < 0 else child for child in node[2:]]
    return nodes, roots, [np.frombuffer(leaf, np.uint8) for leaf in place]


def row_answers(program: Path, steps: np.ndarray, *, n_classes: int) -> np.ndarray:
    """What a program answers to steps of features [shape=(n, n_features)]."""
    _run(program, rows=steps.astype("<i2").tobytes())
    found = np.frombuffer(files.read_bytes(program.parent / "steps.out"), "<f4")
    if found.size != len(steps) * n_classes:
        raise DataError(f"{program}: expected {len(steps)} answers, found {found.size} numbers")
    answers = found.reshape(len(steps), n_classes).astype(np.float64)
    return answers / answers.sum(axis=1, keepdims=True)  # leaves are rounded to bytes


def clip_answers(
    program: Path, clips: Sequence[np.ndarray], *, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """What a program makes of waveforms.

    Parameters
    ----------
    clips
        Of `light_features.prepare`.

    Returns
    -------
    features, probabilities [shape=(n, …)]
    """
    _run(program, voice=b"".join(_sent(clip) for clip in clips))
    found = np.frombuffer(files.read_bytes(program.parent / "voice.out"), "<f4")
    width = len(recipe.NAMES) + n_classes
    if found.size != len(clips) * width:
        raise DataError(f"{program}: expected {len(clips)} clips, found {found.size} numbers")
    values, answers = np.split(found.reshape(-1, width), [len(recipe.NAMES)], axis=1)
    return values, answers / answers.sum(axis=1, keepdims=True)


def _sent(samples: np.ndarray) -> bytes:
    steps = np.rint(samples * 32_768).astype("<i2")
    return struct.pack("<i", len(steps)) + steps.tobytes()


def _given(program: Path, *, rows: bytes, voice: bytes) -> None:
    files.write_bytes(program.parent / "steps.in", rows)
    files.write_bytes(program.parent / "voice.in", voice)


def _run(program: Path, *, rows: bytes = b"", voice: bytes = b"") -> None:
    _given(program, rows=rows, voice=voice)
    emulated = program.suffix == ".elf"
    command = toolchain.emulator(program) if emulated else [str(program.resolve())]
    done = subprocess.run(
        command, cwd=program.parent, capture_output=True, check=False, timeout=900
    )
    if done.returncode:
        raise DataError(f"{program}: expected it to end well, found {done.returncode}")


def voice(seconds: float) -> np.ndarray:
    """A voice at 140 Hz: what costs the most for its pitch."""
    time = np.arange(round(seconds * recipe.RATE)) / recipe.RATE
    parts = [np.sin(2 * np.pi * 140 * n * time) / n for n in range(1, 20)]
    return recipe.prepare(0.2 * np.sum(parts, axis=0).astype(np.float32))


_HEARD: dict[str, dict[str, list[int]]] = {}  # what `heard` found, by what it was found of


def heard(program: Path, *, seconds: float) -> dict[str, list[int]]:
    """Cycles that a program takes to hear a clip: of each ``frame``, and of its ``finish``.

    Every model has the same C++ for that. It is followed once, which takes some seconds for each
    second of the clip.
    """
    parts = [
        path for name in ("ser", "model") for path in sorted((program.parent / name).glob("*"))
    ]
    ours = [p for p in parts if p.suffix in (".h", ".cpp") and not p.name.startswith("light_model")]
    hashes = [files.sha256_bytes(files.read_bytes(path)) for path in ours]
    identity = files.sha256_json([seconds, hashes])
    if identity not in _HEARD:
        _given(program, rows=b"", voice=_sent(voice(seconds)))
        stages = {FRAME: "frame", FINISH: "finish"}
        calls = cycles.follow(program, stages, until=lambda found: bool(found["finish"]))
        _HEARD[identity] = {name: [taken for _, taken in found] for name, found in calls.items()}
    return _HEARD[identity]


def costs(program: Path, steps: np.ndarray, *, seconds: float = CLIP_S) -> dict[str, Any]:
    """What an answer takes on the board's processor: time by a count of instructions, and memory.

    Parameters
    ----------
    steps [shape=(1, n_features)]
        That the model answers.
    seconds
        Length of the clip that is heard.

    Returns
    -------
    facts
        milliseconds, millijoules (from a clip's last sample to its answer), frame_ms, share (of
        the processor while the clip is heard), finish_ms, model_ms, clip_s, model_bytes,
        flash_bytes, ram_bytes (without the stack), within (256 KiB of flash and 64 KiB of RAM),
        on.
    """
    hearing = heard(program, seconds=seconds)
    _given(program, rows=steps.astype("<i2").tobytes(), voice=b"")
    model = cycles.follow(program, {ANSWER: "model"}, until=lambda found: True)["model"][0][1]
    frame, finish = float(np.mean(hearing["frame"])), hearing["finish"][0]
    taken_s = (max(hearing["frame"]) + finish + model) / cycles.CLOCK_HZ
    # the window and what emlearn writes to lie outside the sections of the core
    memory = toolchain.memory(program, ram=toolchain.ALL_RAM)
    hop_s = recipe.CONFIG.hop_length / recipe.RATE
    return {
        "milliseconds": 1e3 * taken_s,
        "millijoules": 1e3 * energy.SUPPLY_VOLTS * energy.PROCESSOR.amperes * taken_s,
        "frame_ms": 1e3 * frame / cycles.CLOCK_HZ,
        "share": frame / cycles.CLOCK_HZ / hop_s,
        "finish_ms": 1e3 * finish / cycles.CLOCK_HZ,
        "model_ms": 1e3 * model / cycles.CLOCK_HZ,
        "clip_s": seconds,
        "model_bytes": memory["table_bytes"],
        "flash_bytes": memory["flash_bytes"],
        "ram_bytes": memory["ram_bytes"],
        "within": memory["flash_bytes"] <= FLASH_BAR and memory["ram_bytes"] <= RAM_BAR,
        "on": f"emulated {toolchain.CORTEX_M4F.name}",
    }
