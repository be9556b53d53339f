"""From rows to features: every version of every clip, on all cores, resumable.

Rows are computed in chunks; a chunk that is on disk already is not computed again.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ser_tinyml import features, files
from ser_tinyml.features import FeatureConfig, frame_augment, whisper
from ser_tinyml.files import DataError
from ser_tinyml.provenance import module_hashes
from ser_tinyml.sound import augment, reading
from ser_tinyml.sound.augment import AugmentConfig

if TYPE_CHECKING:  # every worker imports this module, and none has a table
    import pandas as pd

CLEAN = "clean"
LOUD = "loud"
ORIGINAL_VARIANTS = ("noise", "noise_stretch_pitch")
CHUNK_CLIPS = 32
OPTIONAL = ("windows", "tracks", "embeddings")  # arrays beside the features


def row_rng(seed: int, key: str, variant: str) -> np.random.Generator:
    """The generator of one row: the same whatever else is computed, and in which order."""
    name = "original" if variant in ORIGINAL_VARIANTS else variant  # its two rows share one noise
    return np.random.default_rng([seed, int(files.sha256_bytes(f"{key} {name}".encode())[:16], 16)])


def clip_features(
    path: Path,
    *,
    key: str,
    variants: list[str],
    config: FeatureConfig,
    augmentation: AugmentConfig,
    backgrounds: list[np.ndarray],
    seed: int,
    windows: bool = False,
    teacher: Path | None = None,
) -> dict[str, np.ndarray]:
    """Features of every version of one clip; the recording is read once.

    Returns
    -------
    arrays
        "features", float32 [shape=(len(variants), n_frames, n_inputs)]; if `windows`, also
        "windows", float16 [shape=(len(variants), n_frames + 2 margin, n_mels)], and if the features
        have a pitch, "tracks", float16 [shape=(len(variants), n_frames + 2 margin, 2)]; with a
        teacher, "embeddings", float16 [shape=(len(variants), width)], see `whisper.Encoder.embed`.

    Raises
    ------
    DataError
        If the recording cannot be used; the message names it.
    """
    samples, rate = reading.read_audio(path)
    samples = features.prepare(samples, rate=rate, config=config)
    if not len(samples):
        raise DataError(
            f"{path}: expected sound after {config.crop_start_s} s, found {rate} Hz, nothing left"
        )
    rows: dict[str, list[np.ndarray]] = defaultdict(list)
    noisy = None  # the same for both rows of the original recipe
    for variant in variants:
        rng = row_rng(seed, key, variant)
        if variant in ORIGINAL_VARIANTS:
            noisy = augment.original_noise(samples, rng) if noisy is None else noisy
            version = _original(noisy, variant, config)
        else:
            version = _version(samples, variant, rng, config, augmentation, backgrounds)
        bands = features.log_mel(version, config)
        track = features.pitch_track(version, config) if config.pitch else None
        start = features.onset(bands, config)
        rows["features"].append(features.from_bands(bands, start, config, track))
        if windows:
            around = frame_augment.window(bands, start, config)
            rows["windows"].append(around.astype(np.float16))
            if track is not None:
                around = frame_augment.track_window(track, start, config)
                rows["tracks"].append(around.astype(np.float16))
        if teacher:
            rows["embeddings"].append(whisper.load(teacher).embed(version).astype(np.float16))
    return {name: np.stack(arrays) for name, arrays in rows.items()}


def _original(noisy: np.ndarray, variant: str, config: FeatureConfig) -> np.ndarray:
    """A row of the original recipe, of the clip with its noise."""
    if variant == "noise":
        return noisy
    return augment.original_stretch_pitch(noisy, sample_rate=config.sample_rate)


def _version(
    samples: np.ndarray,
    variant: str,
    rng: np.random.Generator,
    config: FeatureConfig,
    augmentation: AugmentConfig,
    backgrounds: list[np.ndarray],
) -> np.ndarray:
    """The clip as it is, or changed."""
    rate = config.sample_rate
    if variant == CLEAN:
        return samples
    if variant == LOUD:
        return augment.overdrive(samples, decibel=rng.uniform(*augment.LOUD_DB))
    return augment.augment(
        samples, rng, config=augmentation, sample_rate=rate, backgrounds=backgrounds
    )


def compute_features(
    rows: pd.DataFrame,
    clips: pd.DataFrame,
    *,
    recordings: Path,
    folder: Path,
    config: FeatureConfig,
    augmentation: AugmentConfig,
    background_folder: Path | None = None,
    seed: int,
    windows: bool = False,
    teacher: Path | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> Path:
    """Compute the features of all rows into folder/features.npy.

    Chunks are written to folder/chunks as they are done, each named after what it was made from,
    so that a repeated call computes only what is missing; in the end all others are removed.

    Parameters
    ----------
    rows
        From `rows.plan_rows`.
    clips
        The table of stage 01, for path and sha256.
    recordings
        Folder that the paths are relative to.
    background_folder
        Background recordings for augmentation; None: mains hum instead.
    windows
        Also write folder/windows.npy, the bands around the features, for `frame_augment`: float16
        (a sixteenth of a dB) [shape=(rows, n_frames + 2 margin, n_mels)]; and if there is a pitch,
        tracks.npy, that of these frames: float16 (a cent) [shape=(rows, n_frames + 2 margin, 2)].
    teacher
        Folder of a Whisper model: also write folder/embeddings.npy, what it hears in each row,
        float16 [shape=(rows, width)].
    jobs
        Processes; None: one a core.

    Returns
    -------
    path
        features.npy, float32 [shape=(rows, n_frames, n_inputs)].
    """
    chunks = folder / "chunks"
    chunks.mkdir(parents=True, exist_ok=True)
    options = {
        "config": config,
        "augmentation": augmentation,
        "backgrounds": _backgrounds(background_folder, config),
        "seed": seed,
        "windows": windows,
        "teacher": teacher,
    }
    tasks = _tasks(rows, clips, _settings(options), recordings=recordings)
    _compute(tasks, chunks, options, jobs=jobs, progress=progress)
    _join_all(tasks, chunks, folder, count=len(rows))
    return folder / "features.npy"


def _backgrounds(folder: Path | None, config: FeatureConfig) -> list[np.ndarray]:
    if folder is None:
        return []
    return [*augment.read_backgrounds(folder, sample_rate=config.sample_rate).values()]


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides the features of a clip but its samples, as JSON can hold it."""
    return {
        "features": options["config"].hash,
        "augmentation": asdict(options["augmentation"]),
        "seed": options["seed"],
        "windows": options["windows"],
        "teacher": whisper.fingerprint(teacher) if (teacher := options["teacher"]) else "",
        "backgrounds": [files.sha256_bytes(noise.tobytes()) for noise in options["backgrounds"]],
        "code": code_hash(),
    }


def _compute(
    tasks: Sequence[Mapping[str, Any]],
    chunks: Path,
    options: dict[str, Any],
    *,
    jobs: int | None,
    progress: bool,
) -> None:
    """Compute the chunks that are not there, on all cores."""
    missing = [task for task in tasks if not (chunks / task["file"]).is_file()]
    results = Parallel(n_jobs=jobs or os.cpu_count(), return_as="generator_unordered")(
        delayed(_compute_chunk)(task["clips"], chunks / task["file"], options) for task in missing
    )
    rows = sum(task["rows"] for task in tasks)
    bar = tqdm(total=rows, unit="row", desc="features", mininterval=1, disable=not progress)
    bar.update(rows - sum(task["rows"] for task in missing))
    for done in results:
        bar.update(done)
    bar.close()


def _tasks(
    rows: pd.DataFrame, clips: pd.DataFrame, settings: dict[str, Any], *, recordings: Path
) -> list[dict[str, Any]]:
    """Neighbouring clips, CHUNK_CLIPS at a time, and the file their rows go to."""
    known = clips.set_index("key")[["path", "sha256"]]
    variants = rows.groupby("key", sort=False)["variant"].agg(list)
    tasks = []
    for start in range(0, len(variants), CHUNK_CLIPS):
        part = variants.iloc[start : start + CHUNK_CLIPS]
        found = known.loc[part.index]
        identity = [list(part.index), list(part), list(found["sha256"]), settings]
        tasks.append(
            {
                "file": f"{files.sha256_json(identity)[:32]}.npz",
                "clips": [
                    (recordings / path, key, names)
                    for path, key, names in zip(found["path"], part.index, part, strict=True)
                ],
                "rows": int(part.map(len).sum()),
            }
        )
    return tasks


def _compute_chunk(
    clips: list[tuple[Path, str, list[str]]], path: Path, options: dict[str, Any]
) -> int:
    _keep_memory()
    with threadpool_limits(1):  # the processes share the cores already
        arrays = [
            clip_features(clip, key=key, variants=variants, **options)
            for clip, key, variants in clips
        ]
    joined = {name: np.concatenate([a[name] for a in arrays]) for name in arrays[0]}
    files.write_arrays(path, joined)
    return sum(len(a["features"]) for a in arrays)


def _keep_memory() -> None:
    """Let glibc keep freed memory: giving a spectrum's back each time costs a quarter of the time.

    Where there is another C library, nothing happens.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
            library.mallopt(option, 1 << 28)


def _join_all(tasks: list[dict[str, Any]], chunks: Path, folder: Path, *, count: int) -> None:
    """Put the chunks of every array together, and remove chunks of other rows."""
    with np.load(chunks / tasks[0]["file"]) as first:
        kinds = {name: (array.dtype, array.shape[1:]) for name, array in first.items()}
    for name in OPTIONAL:
        if name not in kinds:  # what earlier settings left would be taken for these rows'
            (folder / f"{name}.npy").unlink(missing_ok=True)
    for name, (dtype, shape) in kinds.items():
        _join(tasks, chunks, folder / f"{name}.npy", dtype, (count, *shape))
    wanted = {task["file"] for task in tasks}
    for stale in chunks.iterdir():
        if stale.name not in wanted:
            stale.unlink()


def _join(
    tasks: list[dict[str, Any]],
    chunks: Path,
    path: Path,
    dtype: np.dtype,
    shape: tuple[int, ...],
) -> None:
    """Put the chunks together on disk, one in memory at a time."""
    partial = path.with_name(f".{path.name}.partial")
    array = np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=shape)
    start = 0
    for task in tasks:
        with np.load(chunks / task["file"]) as stored:
            chunk = stored[path.stem]
        array[start : start + len(chunk)] = chunk
        start += len(chunk)
    if start != shape[0]:
        raise DataError(f"{chunks}: expected {shape[0]} rows, found {start}; remove the folder")
    array.flush()
    del array
    shutil.move(partial, path)


def code_hash() -> str:
    """Of all that computes features: made by other code, they are other features."""
    return files.sha256_json(module_hashes([f"import {__name__}"]))
