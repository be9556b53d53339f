"""`make bench`: the feature extraction against the straightforward loop, side by side."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
from tqdm import tqdm

from ser_tinyml import files
from ser_tinyml.data import dataset
from ser_tinyml.features import extract, preset
from ser_tinyml.files import plain_numbers
from ser_tinyml.provenance import ROOT
from ser_tinyml.sound.augment import AugmentConfig
from ser_tinyml.workflow.readme import into_readme

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


def bench_features(recordings: Path, *, corpus: str, progress: bool = True) -> dict[str, object]:
    """Time both ways over every clip of a corpus, and compare their features.

    Returns
    -------
    result
        Seconds of each, their ratio, the largest absolute difference, and what it ran on.
    """
    found = dataset.scan(recordings, progress=progress).clips
    clips = found[found["corpus"] == corpus].reset_index(drop=True)
    if clips.empty:
        raise files.DataError(
            f"{recordings}: expected clips of {corpus}, found {sorted(set(found['corpus']))}"
        )
    table = pd.DataFrame(
        {
            "key": clips["key"].repeat(2),
            "variant": np.tile(extract.ORIGINAL_VARIANTS, len(clips)),
        }
    ).reset_index(drop=True)
    librosa.effects.pitch_shift(np.zeros(24_000), sr=CONFIG.sample_rate, n_steps=0.7)  # compiles

    start = time.perf_counter()
    expected = np.concatenate(
        [
            straightforward(recordings / path, key=key)
            for path, key in tqdm(
                zip(clips["path"], clips["key"], strict=True),
                total=len(clips),
                desc="loop",
                unit="clip",
                mininterval=1,
                disable=not progress,
            )
        ]
    )
    loop_s = time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path = extract.compute_features(
            table,
            clips,
            recordings=recordings,
            folder=Path(folder),
            config=CONFIG,
            augmentation=AugmentConfig(),
            seed=SEED,
            progress=progress,
        )
        ours_s = time.perf_counter() - start
        difference = float(np.abs(np.load(path) - expected).max())
    return {
        "corpus": corpus,
        "clips": len(clips),
        "rows": len(table),
        "loop_s": loop_s,
        "ours_s": ours_s,
        "speedup": loop_s / ours_s,
        "largest_difference": difference,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def publish(result: dict[str, object], *, root: Path = ROOT) -> None:
    """Put the numbers into models/ and the README."""
    files.write_json(root / "models" / "bench.json", result)
    readme = files.read_bytes(root / "README.md").decode()
    sentence = (
        f"`make bench`, on {result['cores']} cores: the published recipe's two rows for each of "
        f"{result['clips']:,} {result['corpus']} clips are made {result['speedup']:.1f} times as "
        f"fast as by the straightforward librosa loop beside it, equal to "
        f"{result['largest_difference']:.0e}."
    )
    files.write_text(root / "README.md", into_readme(readme, sentence, name="bench"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench, write its result and say whether the bars are met."""
    parser = argparse.ArgumentParser(prog="python -m ser_tinyml bench", description=__doc__)
    parser.add_argument("--recordings", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--corpus", default="TESS", help="corpus to time (default: TESS)")
    parser.add_argument("--publish", action="store_true", help="also into models/ and the README")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/features.json"))
    options = parser.parse_args(arguments)
    result = plain_numbers(bench_features(options.recordings, corpus=options.corpus))
    files.write_json(options.out, result)
    print(
        f"{result['clips']} clips of {result['corpus']}, {result['rows']} rows, "
        f"{result['cores']} cores\n"
        f"loop  {result['loop_s']:.1f} s\n"
        f"ours  {result['ours_s']:.1f} s, {result['speedup']:.1f} times faster "
        f"(must be {MUST_SPEEDUP:g})\n"
        f"largest difference {result['largest_difference']:.2g} (must be {MUST_DIFFERENCE:g})\n"
        f"written to {options.out}"
    )
    if options.publish:
        publish(result)
    good = result["speedup"] >= MUST_SPEEDUP and result["largest_difference"] <= MUST_DIFFERENCE
    return 0 if good else 1
