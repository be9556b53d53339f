"""A few spoken sentences, labelled by folders, and a made-up table of the shape of the tidy one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from make_audio import record

from ser_tinyml.data import demo

TEXTS = ("We saw them at the station", "The kids are talking now")
SAID = [  # label, who speaks, text
    (label, who, text) for label in ("angry", "sad") for who in ("anna", "bob") for text in (0, 1)
]
MOVED = {"neutral": 0.0, "sad": -1.0, "angry": 2.0}  # in deviations of a clip
NUMBERS = (
    *("intensity_db", "f0_median_hz", "f0_range_st", "voicing", "hnr_db", "jitter_percent"),
    *("shimmer_percent", "centroid_hz", "speech_rate", "duration_s", "peak", "rms"),
)


def speak(folder: Path) -> Path:
    """Eight clips: two labels, two speakers, two sentences, at two rates."""
    voices = demo.speak(
        [TEXTS[text] for _, _, text in SAID],
        emotion=[label for label, _, _ in SAID],
        sex=["female" if who == "anna" else "male" for _, who, _ in SAID],
    )
    for (label, who, text), voice in zip(SAID, voices, strict=True):
        rate = 16_000 if who == "anna" else 32_000
        samples = np.repeat(voice, rate // 16_000) / np.float32(32768)
        record(folder / label / who / f"{text}.wav", samples, sample_rate=rate)
    return folder


def made_up(speakers: dict[str, int], *, clips: int = 12, seed: int = 0) -> pd.DataFrame:
    """Clips of corpora with so many speakers each; an emotion moves every number as `MOVED`."""
    rng = np.random.default_rng(seed)
    rows = []
    for corpus, count in speakers.items():
        for number in range(count):
            own = rng.normal()
            for emotion, moved in MOVED.items():
                for values in own + moved + rng.normal(size=(clips, len(NUMBERS))):
                    rows.append(
                        {
                            **{"corpus": corpus, "speaker": f"{corpus}-{number}"},
                            **{"sex": ("female", "male")[number % 2], "emotion": emotion},
                            **_positive(NUMBERS, values),
                        }
                    )
    return pd.DataFrame(rows)


def _positive(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    """Numbers of which a logarithm can be taken, where one will be."""
    powers = {"peak": 0.01 * 1.1 ** values[-2], "rms": 0.001 * 1.1 ** values[-1]}
    return dict(zip(names, 200 + values, strict=True)) | powers
