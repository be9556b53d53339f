"""The feature extraction against the straightforward loop, side by side (`make bench`)."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pandas as pd
from tqdm import tqdm

from ser_tinyml import files
from ser_tinyml.data import dataset
from ser_tinyml.features import extract, preset
from ser_tinyml.files import plain_numbers
from ser_tinyml.sound.augment import AugmentConfig

SEED = 0
MUST_SPEEDUP = 4.0
MUST_DIFFERENCE = 1e-4
# Cutting to whole numbers would hide small differences and magnify others.
CONFIG = preset("original", whole_numbers=False)


def straightforward(path: Path, *, key: str) -> np.ndarray:
    """The published recipe as anybody would write it with librosa: two rows of one clip."""
    rng = extract.row_rng(SEED, key, "noise")
    samples, rate = librosa.load(path, sr=CONFIG.load_rate)
    samples = samples[int(CONFIG.crop_start_s * rate) : int(CONFIG.crop_end_s * rate)]
    samples = librosa.resample(samples, orig_sr=rate, target_sr=CONFIG.sample_rate)
    noisy = samples + 0.5 * rng.uniform() * np.amax(samples) * rng.normal(size=len(samples))
    slow = librosa.effects.time_stretch(noisy, rate=0.8)[:24_000]
    shifted = librosa.effects.pitch_shift(slow, sr=CONFIG.sample_rate, n_steps=0.7)
    features = np.zeros((2, *CONFIG.feature_shape), np.float32)
    for row, version in zip(features, (noisy, shifted), strict=True):
        mfcc = librosa.feature.mfcc(
            y=version,
            sr=CONFIG.sample_rate,
            n_mfcc=CONFIG.n_mfcc,
            n_fft=CONFIG.n_fft,
            hop_length=CONFIG.hop_length,
        ).T
        row[len(row) - len(mfcc) :] = mfcc
    return features


def run_bench(
    recordings: str | Path, corpus: str, out: str | Path, *, progress: bool = True
) -> dict[str, Any]:
    """Time both ways over every clip of a corpus, compare their features, and say and write it.

    Parameters
    ----------
    recordings
        Folder that holds the corpus.
    corpus
        Name of the corpus.
    out
        JSON file for the result.

    Returns
    -------
    result
        As `bench_features`; `met` says whether it is good enough.

    Raises
    ------
    DataError
        If the folder has no clip of the corpus.
    """
    result = plain_numbers(bench_features(Path(recordings), corpus=corpus, progress=progress))
    files.write_json(out, result)
    print(
        f"{result['clips']} clips of {result['corpus']}, {result['rows']} rows, "
        f"{result['cores']} cores\n"
        f"loop  {result['loop_s']:.1f} s\n"
        f"ours  {result['ours_s']:.1f} s, {result['speedup']:.1f} times as fast "
        f"(must be {MUST_SPEEDUP:g})\n"
        f"largest difference {result['largest_difference']:.2g} (must be {MUST_DIFFERENCE:g})\n"
        f"written to {out}"
    )
    return result


def met(result: dict[str, Any]) -> bool:
    """Whether a result reaches the bars: fast enough, and the same features."""
    fast = result["speedup"] >= MUST_SPEEDUP
    return fast and result["largest_difference"] <= MUST_DIFFERENCE


def bench_features(recordings: Path, *, corpus: str, progress: bool = True) -> dict[str, Any]:
    """Time both ways over every clip of a corpus, and compare their features.

    Returns
    -------
    result
        corpus, clips, rows; loop_s and ours_s, seconds of each way, and speedup, their ratio;
        largest_difference of the features; cores, machine and python that it ran on.
    """
    found = dataset.scan(recordings, progress=progress).clips
    clips = found[found["corpus"] == corpus].reset_index(drop=True)
    if clips.empty:
        raise files.DataError(
            f"{recordings}: expected clips of {corpus}, found {sorted(set(found['corpus']))}"
        )
    librosa.effects.pitch_shift(np.zeros(24_000), sr=CONFIG.sample_rate, n_steps=0.7)  # compiles
    start = time.perf_counter()
    expected = _loop(clips, recordings=recordings, progress=progress)
    loop_s = time.perf_counter() - start
    start = time.perf_counter()
    ours = _ours(clips, recordings=recordings, progress=progress)
    ours_s = time.perf_counter() - start
    return {
        "corpus": corpus,
        "clips": len(clips),
        "rows": len(ours),
        "loop_s": loop_s,
        "ours_s": ours_s,
        "speedup": loop_s / ours_s,
        "largest_difference": float(np.abs(ours - expected).max()),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def _loop(clips: pd.DataFrame, *, recordings: Path, progress: bool) -> np.ndarray:
    """Features of all clips, one after the other."""
    shown = tqdm(clips["path"], desc="loop", unit="clip", mininterval=1, disable=not progress)
    return np.concatenate(
        [
            straightforward(recordings / path, key=key)
            for path, key in zip(shown, clips["key"], strict=True)
        ]
    )


def _ours(clips: pd.DataFrame, *, recordings: Path, progress: bool) -> np.ndarray:
    """The same features, computed by the pipeline."""
    variants = np.tile(extract.ORIGINAL_VARIANTS, len(clips))
    rows = pd.DataFrame({"key": clips["key"].repeat(2), "variant": variants})
    with tempfile.TemporaryDirectory() as folder:
        path = extract.compute_features(
            rows.reset_index(drop=True),
            clips,
            recordings=recordings,
            folder=Path(folder),
            config=CONFIG,
            augmentation=AugmentConfig(),
            seed=SEED,
            progress=progress,
        )
        return np.load(path)
