"""How long nets take for an answer, side by side in one run, on one core."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

Predict = Callable[[np.ndarray], np.ndarray]


def race(
    runners: Mapping[str, Predict], features: np.ndarray, *, rounds: int = 30, warm_up: int = 3
) -> pd.DataFrame:
    """Let several nets answer the same clips, one clip at a time, in turns.

    In each round every net answers a clip, so that what slows the computer slows all of them.

    Parameters
    ----------
    runners
        Name to what answers; the first is what the others are held against.
    features [shape=(n, …)]
        Of clips.

    Returns
    -------
    table
        name; milliseconds (the median), fastest, slowest; times (as fast as the first).
    """
    clips = [features[n % len(features)][np.newaxis] for n in range(warm_up + rounds)]
    taken: dict[str, list[float]] = {name: [] for name in runners}
    for number, clip in enumerate(clips):
        for name, predict in runners.items():
            start = time.perf_counter()
            predict(clip)
            if number >= warm_up:
                taken[name].append(1e3 * (time.perf_counter() - start))
    table = pd.DataFrame(
        {
            "name": list(taken),
            "milliseconds": [float(np.median(times)) for times in taken.values()],
            "fastest": [min(times) for times in taken.values()],
            "slowest": [max(times) for times in taken.values()],
        }
    )
    return table.assign(times=table["milliseconds"].iloc[0] / table["milliseconds"])
