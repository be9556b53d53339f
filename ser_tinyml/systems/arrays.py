"""Features of every clip and its changed copies, computed once for all trainings of a system.

Chunks of clips are written as they are done, each named after what it was made from: a repeated
call computes only what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ser_tinyml import files
from ser_tinyml.features.extract import row_rng
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT, module_hashes
from ser_tinyml.sound import reading
from ser_tinyml.systems import face, registry
from ser_tinyml.systems.face import CLEAN, System

CHUNK_CLIPS = 32
BUILDS = "ser_tinyml.device.emulation.toolchain"  # from C++ of ours, of which some is in CPP
CPP = (
    *(f"firmware/{folder}/*.*" for folder in ("systems", "emulate")),
    *(f"firmware/arduino_nano33/src/{folder}/*.*" for folder in ("ser", "lstm")),
    "ser_tinyml/device/export/templates/*",
    "ser_tinyml/systems/exports/templates/*",
)


def recipe_of(system: System) -> list[Any]:
    """All that decides a system's features but the clips: another one makes other features."""
    functions = [system.prepare, system.features, *system.versions.values()]
    names = [f"{function.__module__}.{function.__qualname__}" for function in functions]
    code = hash_of(sorted({function.__module__ for function in functions}))
    return [names, system.variants, system.sample_rate, system.least_s, code]


def hash_of(modules: Sequence[str]) -> str:
    """Of modules and of those that they import; plugins count where one of them is none of ours."""
    sources = [f"import {name}" for name in modules]
    if not all(name.startswith("ser_tinyml.") for name in modules):
        sources.append(f"import {registry.__name__}")
    found = module_hashes(sources)
    if BUILDS in found:
        paths = [path for pattern in CPP for path in sorted(ROOT.glob(pattern))]
        found |= {str(p.relative_to(ROOT)): files.sha256_bytes(files.read_bytes(p)) for p in paths}
    return files.sha256_json(found)


def table_of(system: System, clips: pd.DataFrame) -> pd.DataFrame:
    """What each row of a system's features is: columns key and variant."""
    count, variants = len(clips), system.variants
    keys = clips["key"].repeat(len(variants)).to_numpy()
    return pd.DataFrame({"key": keys, "variant": variants * count})


def compute(
    system: System,
    clips: pd.DataFrame,
    *,
    recordings: Path,
    folder: Path,
    jobs: int | None = None,
    progress: bool = True,
) -> Path:
    """Compute features of all versions of all clips, in the order of `table_of`.

    Systems with the same features share them.

    Parameters
    ----------
    clips
        Columns key, path and sha256.
    recordings
        Folder that the paths are relative to.
    folder
        Where they are kept.
    jobs
        Processes; None: one a core.

    Returns
    -------
    path
        Of an array [shape=(clips * versions, …)].

    Raises
    ------
    DataError
        If a recording cannot be used, or features are not as `System` says; it is named.
    """
    parts = [clips.iloc[at : at + CHUNK_CLIPS] for at in range(0, len(clips), CHUNK_CLIPS)]
    chunks = [folder / "chunks" / name for name in _names(system, parts)]
    whole = folder / f"{files.sha256_json([chunk.name for chunk in chunks])[:32]}.npy"
    if not whole.is_file():
        missing = [pair for pair in zip(chunks, parts, strict=True) if not pair[0].is_file()]
        tasks = Parallel(n_jobs=jobs or os.cpu_count(), return_as="generator_unordered")(
            delayed(_compute_chunk)(system.name, part[["key", "path"]], recordings, chunk)
            for chunk, part in missing
        )
        bar = tqdm(
            total=len(clips), unit="clip", desc=system.name, mininterval=1, disable=not progress
        )
        bar.update(len(clips) - sum(len(part) for _, part in missing))
        for done in tasks:
            bar.update(done)
        bar.close()
        _join(chunks, whole)
    return whole


def _names(system: System, parts: Sequence[pd.DataFrame]) -> list[str]:
    """Names of chunks, from all that decides what is in them."""
    recipe = recipe_of(system)
    identities = [[list(part["key"]), list(part["sha256"]), recipe] for part in parts]
    return [f"{files.sha256_json(identity)[:32]}.npy" for identity in identities]


def _compute_chunk(name: str, clips: pd.DataFrame, recordings: Path, chunk: Path) -> int:
    """Features of neighbouring clips, in a process that knows systems by their names."""
    system = registry.find(name)
    rows = []
    with threadpool_limits(1):  # the processes share the cores already
        for key, path in zip(clips["key"], clips["path"], strict=True):
            rows += _versions(system, recordings / path, key=key)
    _check_shapes(rows, name=f"{name}, {clips['path'].iloc[0]}")
    files.write_array(chunk, np.stack(rows))
    return len(clips)


def _check_shapes(arrays: Sequence[np.ndarray], *, name: str, skip: int = 0) -> None:
    """Make sure that all arrays are of one shape, from some dimension on."""
    shapes = sorted({array.shape[skip:] for array in arrays})
    if len(shapes) > 1:
        raise DataError(f"{name}: expected features of one shape, found {shapes}")


def _versions(system: System, path: Path, *, key: str) -> list[np.ndarray]:
    samples, _ = reading.read_audio(path, sample_rate=system.sample_rate)
    samples = face.prepared(system, samples, name=str(path))
    found = []
    for variant in system.variants:
        changed = samples
        if variant != CLEAN:
            changed = system.versions[variant](samples, row_rng(0, key, variant))
        row = system.features(changed)
        if row.dtype != np.float32 or not np.isfinite(row).all():
            raise DataError(
                f"{path}, {variant}: expected finite float32 features from {system.name}, found "
                f"{row.dtype}, {np.count_nonzero(~np.isfinite(row))} not finite"
            )
        found.append(row)
    return found


def _join(chunks: Sequence[Path], path: Path) -> None:
    """Put chunks together on disk, one in memory at a time."""
    opened = [files.open_array(chunk) for chunk in chunks]
    _check_shapes(opened, name=str(chunks[0].parent), skip=1)
    partial = path.with_name(f".{path.name}.partial")
    shape = (sum(len(chunk) for chunk in opened), *opened[0].shape[1:])
    array = np.lib.format.open_memmap(partial, mode="w+", dtype=opened[0].dtype, shape=shape)
    start = 0
    for chunk in opened:
        array[start : start + len(chunk)] = chunk
        start += len(chunk)
    array.flush()
    del array
    os.replace(partial, path)
