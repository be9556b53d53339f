"""The pitch tracker against Praat, on recordings alone and in noise (`ser-tinyml pitch`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import parselmouth
from tqdm import tqdm

from ser_tinyml import features
from ser_tinyml.apps.tables.voice import HIGHEST_HZ, LOWEST_HZ
from ser_tinyml.data import dataset
from ser_tinyml.features import FeatureConfig, frame_augment, pitch, preset, track_augment
from ser_tinyml.sound import augment, degrade, reading

SNR_DB = (20.0, 10.0, 5.0)
GROSS = 0.2  # an F0 that is further from the true one is a gross error
AGREED = 0.1  # Praat's two methods say the same, or a frame is not looked at
SYSTEMS = ("tracker", "Praat", "drawn")


def compare(
    recordings: str | Path,
    noise_folder: str | Path,
    *,
    clips: int = 200,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Errors in F0 and voicing, alone and with recorded noise, pooled over clips of all corpora.

    What is true are the frames of the clip alone in which Praat's autocorrelation and its
    cross-correlation agree that there is no voice, or on F0 to a tenth. Both see the whole clip.

    Parameters
    ----------
    recordings
        Folder of corpora; as many clips of each are drawn.
    noise_folder
        Background recordings, taken in turn.

    Returns
    -------
    table
        A line each of `SYSTEMS` and condition ("alone", or the signal-to-noise ratio). "drawn":
        what training makes of the track alone (`track_augment.in_noise`). ``gross``, of frames
        with a voice where one is found, those whose F0 is wrong by a fifth or more; ``missed``,
        of frames with a voice, and ``false``, of those without; ``voicing``, of all frames, those
        with either; all from 0 to 1. ``frames``, with a known truth.
    """
    config = preset("default", pitch=True)
    known = dataset.scan(recordings, progress=progress).clips
    share = min(-(-clips // known["corpus"].nunique()), known["corpus"].value_counts().min())
    chosen = known.groupby("corpus").sample(share, random_state=seed, replace=False)
    noises = list(augment.read_backgrounds(noise_folder, sample_rate=config.sample_rate).values())
    rng = np.random.default_rng(seed)
    heard: list[pd.DataFrame] = []
    for number, path in enumerate(tqdm(chosen["path"], disable=not progress)):
        samples, _ = reading.read_audio(Path(recordings) / path, sample_rate=config.sample_rate)
        noise = noises[number % len(noises)]
        begin = rng.integers(0, max(len(noise) - len(samples), 1))
        noise = np.resize(noise[begin:], len(samples))
        heard += [
            frames.assign(system=system, condition=condition)
            for condition, sounds in clip_frames(samples, noise, config, rng).items()
            for system, frames in sounds.items()
        ]
    return scores(pd.concat(heard, ignore_index=True))


def clip_frames(
    samples: np.ndarray, noise: np.ndarray, config: FeatureConfig, rng: np.random.Generator
) -> Mapping[str, Mapping[str, pd.DataFrame]]:
    """What is true and what is found in the frames of one clip.

    Parameters
    ----------
    samples, noise [shape=(n,)]

    Returns
    -------
    frames
        Condition -> system -> a line a frame with a known truth, F0 in Hz, 0 without a voice:
        columns true and found.
    """
    track, bands = features.pitch_track(samples, config), features.log_mel(samples, config)
    one, other = (praat(samples, config, len(track), method=m) for m in ("ac", "cc"))
    agreed = np.where(one > 0, abs(other / np.maximum(one, 1) - 1) < AGREED, other == 0)
    sounds = {"alone": samples}
    sounds |= {f"{snr:g} dB": degrade.add_noise(samples, noise, snr_db=snr) for snr in SNR_DB}
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for condition, sound in sounds.items():
        loudness = frame_augment.loudness(features.log_mel(sound, config), config)
        share = np.minimum(frame_augment.loudness(bands, config) / loudness, 1)
        drawn = track_augment.in_noise(track[None], share[None], rng)[0]
        courses = {
            "tracker": _hertz(features.pitch_track(sound, config)),
            "Praat": praat(sound, config, len(track), method="ac"),
            "drawn": _hertz(track if condition == "alone" else drawn),
        }
        found[condition] = {
            system: pd.DataFrame({"true": one[agreed], "found": course[agreed]})
            for system, course in courses.items()
        }
    return found


def praat(samples: np.ndarray, config: FeatureConfig, frames: int, *, method: str) -> np.ndarray:
    """F0 by Praat in the middle of frames, in Hz; 0 without a voice [shape=(frames,)].

    Parameters
    ----------
    method
        "ac", by autocorrelation, or "cc", by cross-correlation.
    """
    step = config.hop_length / config.sample_rate / 8
    if len(samples) < 4 * config.sample_rate / LOWEST_HZ:  # Praat refuses what is so short
        return np.zeros(frames)
    sound = parselmouth.Sound(samples.astype(np.float64), config.sample_rate)
    analyse = {"ac": sound.to_pitch_ac, "cc": sound.to_pitch_cc}[method]
    course = analyse(time_step=step, pitch_floor=LOWEST_HZ, pitch_ceiling=HIGHEST_HZ)
    middle = np.arange(frames) * config.hop_length + config.window_length / 2
    nearest = np.rint((middle / config.sample_rate - course.xs()[0]) / step).astype(int)
    inside = (nearest >= 0) & (nearest < course.n_frames)
    hertz = course.selected_array["frequency"]
    return np.where(inside, hertz[np.clip(nearest, 0, course.n_frames - 1)], 0)


def scores(heard: pd.DataFrame) -> pd.DataFrame:
    """The errors of `compare`, from lines with system, condition, true and found."""
    lines = []
    for (system, condition), part in heard.groupby(["system", "condition"], sort=False):
        voice, found = part["true"] > 0, part["found"] > 0
        both = part[voice & found]
        lines.append(
            {
                "system": system,
                "condition": condition,
                "gross": (abs(both["found"] / both["true"] - 1) > GROSS).mean(),
                "missed": (~found[voice]).mean(),
                "false": found[~voice].mean(),
                "voicing": (voice != found).mean(),
                "frames": len(part),
            }
        )
    order = {system: number for number, system in enumerate(SYSTEMS)}
    return pd.DataFrame(lines).sort_values("system", key=lambda s: s.map(order), kind="stable")


def text(table: pd.DataFrame) -> str:
    """The table, to be read."""
    shown = table.copy()
    for name in ("gross", "missed", "false", "voicing"):
        shown[name] = (100 * shown[name]).map("{:.1f} %".format)
    return shown.to_string(index=False)


def _hertz(track: np.ndarray) -> np.ndarray:
    hertz = pitch.REFERENCE_HZ * 2.0 ** track[:, 0].astype(float)
    return np.where(track[:, 1] >= pitch.VOICED, hertz, 0)
