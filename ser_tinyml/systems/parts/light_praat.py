"""What Praat measures of a clip, as the reference for what the board computes itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ser_tinyml.features import pitch
from ser_tinyml.systems.parts.light_features import NAMES as OURS
from ser_tinyml.systems.parts.light_features import RATE

NAMES = ("intensity", "F0", "voiced share", "HNR", "jitter", "shimmer")
STEP_S = 0.01
_PERIODS = (0.0, 0.0, 1e-4, 0.02, 1.3)  # whole clip; shortest, longest, ratio: Praat's own


def measured(samples: np.ndarray) -> np.ndarray:
    """Numbers in the order of `NAMES`; not a number where Praat has none.

    Parameters
    ----------
    samples [shape=(n,)]
        At the rate of `light_features`.
    """
    import parselmouth
    from parselmouth.praat import call

    sound = parselmouth.Sound(samples.astype(np.float64), RATE)
    lowest, highest = pitch.LOWEST_HZ, pitch.HIGHEST_HZ
    track = sound.to_pitch_ac(time_step=STEP_S, pitch_floor=lowest, pitch_ceiling=highest)
    hertz = track.selected_array["frequency"]
    voiced = hertz[hertz > 0]
    periods = call([sound, track], "To PointProcess (cc)")
    purity = sound.to_harmonicity_cc(STEP_S, lowest).values
    purity = purity[purity > -199]  # Praat's "no voice" is -200
    return np.array(
        [
            sound.get_intensity() if samples.any() else np.nan,
            np.log2(voiced / pitch.REFERENCE_HZ).mean() if len(voiced) else np.nan,
            len(voiced) / max(len(hertz), 1),
            purity.mean() if len(purity) else np.nan,
            call(periods, "Get jitter (local)", *_PERIODS),
            call([sound, periods], "Get shimmer (local)", *_PERIODS, 1.6),
        ]
    )


def compared(ours: np.ndarray, praat: np.ndarray) -> pd.DataFrame:
    """How like what the board computes is to what Praat does, over clips.

    Parameters
    ----------
    ours [shape=(clips, features)]
        Of `light_features`.
    praat [shape=(clips, 6)]
        Of `measured`.

    Returns
    -------
    table
        A line each of `NAMES`: correlation, the two means, and the clips of which both have it.
    """
    lines = {}
    for place, name in enumerate(NAMES):
        one, other = ours[:, OURS.index(name)].astype(np.float64), praat[:, place]
        there = np.isfinite(one) & np.isfinite(other)
        one, other = one[there], other[there]
        known = len(one) > 1 and one.std() > 0 and other.std() > 0
        lines[name] = {
            "correlation": np.corrcoef(one, other)[0, 1] if known else np.nan,
            "here": one.mean() if len(one) else np.nan,
            "praat": other.mean() if len(other) else np.nan,
            "clips": len(one),
        }
    return pd.DataFrame.from_dict(lines, orient="index")
