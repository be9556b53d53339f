"""What Praat measures in one clip: pitch, voice, loudness, brightness and pace."""

from __future__ import annotations

import numpy as np
import parselmouth
import scipy.signal
from parselmouth.praat import call

LOWEST_HZ, HIGHEST_HZ = 60.0, 700.0  # where Praat looks for F0
STEP_S = 0.01  # from frame to frame
SPEECH_DB = 25.0  # below the loudest frame, a frame is no speech any more: Praat's own default
DIP_DB = 2.0  # that the intensity falls between two syllables
F0_PERCENTILES = (10, 90)  # the ends of the range: a few octave errors are outside
FEWEST_VOICED = 5  # frames, or there is no F0
MOST_HARMONIC = 1 - 1e-6  # 60 dB: nothing is more so, and a sum of sines is no error
SHORTEST_S = 6.4 / LOWEST_HZ  # what Praat's intensity needs
# Praat's own defaults: shortest and longest period in s, and by which factor neighbouring periods
# and their amplitudes may differ.
PERIODS = (1e-4, 0.02, 1.3)
AMPLITUDES = 1.6

MEASURES = (
    *("speech_s", "intensity_db", "f0_median_hz", "f0_low_hz", "f0_high_hz", "f0_range_st"),
    *("voicing", "hnr_db", "jitter_percent", "shimmer_percent", "centroid_hz"),
    *("syllables", "speech_rate"),
)


def measure(samples: np.ndarray, *, rate: int) -> dict[str, float]:
    """Measure one clip.

    Speech begins with the first frame that is at most `SPEECH_DB` below the loudest, and ends with
    the last one; everything is measured in between. Syllables are counted as peaks of intensity in
    voiced frames (after de Jong and Wempe 2009, Behavior Research Methods 41, 385-390). HNR, jitter
    and shimmer are those of Praat's voice report.

    Parameters
    ----------
    samples [shape=(n,)]
        From -1 to 1.
    rate
        In Hz.

    Returns
    -------
    measures
        A number for each of `MEASURES`, see `columns`; NaN where there is none, as the F0 of a
        whisper, or all of a clip that is shorter than `SHORTEST_S`.
    """
    found = dict.fromkeys(MEASURES, np.nan)
    if len(samples) <= SHORTEST_S * rate:
        return found
    centred = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    sound = parselmouth.Sound(centred, rate)
    intensity = sound.to_intensity(minimum_pitch=LOWEST_HZ, time_step=STEP_S)
    level, at = intensity.values[0], intensity.xs()
    loud = level >= level.max() - SPEECH_DB
    first, last = np.flatnonzero(loud)[[0, -1]]
    start, end = at[first] - STEP_S / 2, at[last] + STEP_S / 2
    pitch = sound.to_pitch_ac(time_step=STEP_S, pitch_floor=LOWEST_HZ, pitch_ceiling=HIGHEST_HZ)
    speech = sound.extract_part(from_time=start, to_time=end)
    found["speech_s"] = end - start
    found["intensity_db"] = 10 * np.log10(np.mean(10 ** (level[loud] / 10)))
    found["centroid_hz"] = speech.to_spectrum().get_centre_of_gravity(2.0)
    found |= _syllables(level, at, pitch, seconds=end - start)
    return found | _voice(sound, pitch, start, end)


def _syllables(
    level: np.ndarray, at: np.ndarray, pitch: parselmouth.Pitch, *, seconds: float
) -> dict[str, float]:
    """Peaks of intensity where there is a voice, and how many there are in a second of speech."""
    floor = level.max() - SPEECH_DB
    peaks, _ = scipy.signal.find_peaks(level, height=floor, prominence=DIP_DB)
    frames = np.rint((at[peaks] - pitch.xs()[0]) / STEP_S).astype(int)
    frames = frames[(frames >= 0) & (frames < pitch.n_frames)]
    count = np.count_nonzero(pitch.selected_array["frequency"][frames])
    return {"syllables": float(count), "speech_rate": count / seconds}


def _voice(
    sound: parselmouth.Sound, pitch: parselmouth.Pitch, start: float, end: float
) -> dict[str, float]:
    """What there is where somebody has a voice."""
    at = pitch.xs()
    inside = pitch.selected_array[(at >= start) & (at <= end)]
    voiced = inside[inside["frequency"] > 0]
    share = {"voicing": len(voiced) / len(inside) if len(inside) else 0.0}
    if len(voiced) < FEWEST_VOICED:
        return share
    low, high = np.percentile(voiced["frequency"], F0_PERCENTILES)
    # the share of the power that repeats with the period
    harmonic = np.minimum(voiced["strength"], MOST_HARMONIC)
    periods = call([sound, pitch], "To PointProcess (cc)")
    jitter = call(periods, "Get jitter (local)", start, end, *PERIODS)
    shimmer = call([sound, periods], "Get shimmer (local)", start, end, *PERIODS, AMPLITUDES)
    return {
        **share,
        "f0_median_hz": np.median(voiced["frequency"]),
        "f0_low_hz": low,
        "f0_high_hz": high,
        "f0_range_st": 12 * np.log2(high / low),
        "hnr_db": np.mean(10 * np.log10(harmonic / (1 - harmonic))),
        "jitter_percent": 100 * jitter,
        "shimmer_percent": 100 * shimmer,
    }
