"""Changes of mel bands while a net is trained: another voice, pace, microphone and room each time.

A waveform that is changed before training is changed once; here every clip is new in every epoch,
for the price of some interpolation. All functions take and return bands in dB
[shape=(rows, frames, n_mels)] and draw only from the generator they are given. The pitch of the
frames, if there is one, is changed with them (`track_augment`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ser_tinyml.features import POWER_FLOOR, FeatureConfig, mel_filterbank, track_augment
from ser_tinyml.features.pitch import COMPRESSION, band_taper
from ser_tinyml.files import DataError

EMPTY_DB = 10 * np.log10(POWER_FLOOR)
_EQUALISER_POINTS = 5


@dataclass(frozen=True, kw_only=True)
class FrameAugmentConfig:
    """How strongly frames are changed. Zero leaves that part out.

    Attributes
    ----------
    shift_frames
        The features begin up to so many frames before or after the onset, as noise may move it.
    stretch
        Pace: between 1 - stretch and 1 + stretch times as fast.
    warp_octaves
        Pitch and formants move by up to so much, as they do from throat to throat.
    equaliser_db
        Deviation of a smooth random response of the microphone, in dB.
    noise_probability, noise_snr_db
        Steady coloured noise under the speech, at a signal-to-noise ratio drawn uniformly.
    """

    shift_frames: int = 4
    stretch: float = 0.2
    warp_octaves: float = 0.2
    equaliser_db: float = 6.0
    noise_probability: float = 0.6
    noise_snr_db: tuple[float, float] = (5.0, 40.0)

    def __post_init__(self) -> None:
        low, high = self.noise_snr_db
        if (
            min(self.shift_frames, self.warp_octaves, self.equaliser_db) < 0
            or not 0 <= self.stretch < 1
            or not 0 <= self.noise_probability <= 1
            or low > high
        ):
            raise DataError(
                "frame_augmentation: expected shift_frames, warp_octaves, equaliser_db >= 0, "
                "0 <= stretch < 1, 0 <= noise_probability <= 1 and noise_snr_db from low to high, "
                f"found {asdict(self)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Every field."""
        return asdict(self)


NONE = FrameAugmentConfig(
    shift_frames=0, stretch=0.0, warp_octaves=0.0, equaliser_db=0.0, noise_probability=0.0
)


def margin(config: FeatureConfig) -> int:
    """Frames that are kept on either side of a clip's features, to shift and stretch into."""
    return max(8, config.n_frames // 4)


def window(bands: np.ndarray, start: int, config: FeatureConfig) -> np.ndarray:
    """A clip's frames from `margin` before its features begin to `margin` after they end.

    Before the recording its first frame is repeated, after it there is silence.

    Parameters
    ----------
    bands [shape=(frames, n_mels)]
        Of the whole recording.
    start
        Frame at which the features begin.

    Returns
    -------
    window [shape=(n_frames + 2 margin, n_mels)]
        float32.
    """
    more = margin(config)
    wanted = np.arange(start - more, start + config.n_frames + more)
    found = bands[np.clip(wanted, 0, len(bands) - 1)]
    return np.where((wanted < len(bands))[:, None], found, EMPTY_DB).astype(np.float32)


def track_window(track: np.ndarray, start: int, config: FeatureConfig) -> np.ndarray:
    """The pitch of the frames of `window`: before the recording and after it there is no voice.

    Parameters
    ----------
    track [shape=(frames, 2)]
        From `pitch.pitch_track`, of the whole recording.

    Returns
    -------
    window [shape=(n_frames + 2 margin, 2)]
        float32.
    """
    more = margin(config)
    wanted = np.arange(start - more, start + config.n_frames + more)
    found = track[np.clip(wanted, 0, len(track) - 1)]
    inside = (wanted >= 0) & (wanted < len(track))
    return np.where(inside[:, None], found, 0).astype(np.float32)


def augment_frames(
    windows: np.ndarray,
    rng: np.random.Generator,
    *,
    augmentation: FrameAugmentConfig,
    config: FeatureConfig,
    tracks: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """One random version of every clip: voice first, then the microphone, then the room.

    Parameters
    ----------
    windows [shape=(rows, n_frames + 2 margin, n_mels)]
        From `window`.
    tracks [shape=(rows, n_frames + 2 margin, 2)]
        From `track_window`, if the features have a pitch.

    Returns
    -------
    bands [shape=(rows, n_frames, n_mels)]
        float32, for `features.frame_values`.
    tracks [shape=(rows, n_frames, 2)]
        float32, for the same; None if there were none.
    """
    rows = len(windows)
    more = margin(config)
    if augmentation.shift_frames > more:
        raise DataError(
            f"frame_augmentation: expected shift_frames of at most {more}, "
            f"found {augmentation.shift_frames}"
        )
    shift = rng.integers(-augmentation.shift_frames, augmentation.shift_frames + 1, rows)
    rate = rng.uniform(1 - augmentation.stretch, 1 + augmentation.stretch, rows)
    place = {"start": more + shift, "rate": rate, "frames": config.n_frames}
    bands = _moved_in_time(windows, **place)
    if tracks is not None:
        tracks = track_augment.moved_in_time(tracks, **place)
    if augmentation.warp_octaves:
        octaves = rng.uniform(-augmentation.warp_octaves, augmentation.warp_octaves, rows)
        bands = _warped(bands, octaves, config)
        if tracks is not None:  # what was at f * 2 ** octaves is now at f
            tracks[..., 0] -= octaves[:, None]
    if augmentation.equaliser_db:
        points = rng.normal(0, augmentation.equaliser_db, (rows, _EQUALISER_POINTS))
        bands = bands + _smooth(points, bands.shape[2])[:, None, :]
    if augmentation.noise_probability:
        noisy = np.flatnonzero(rng.random(rows) < augmentation.noise_probability)
        snr = rng.uniform(*augmentation.noise_snr_db, len(noisy))
        clean, bands[noisy] = bands[noisy], _with_noise(bands[noisy], snr, rng, config)
        if tracks is not None:
            share = np.minimum(loudness(clean, config) / loudness(bands[noisy], config), 1)
            tracks[noisy] = track_augment.in_noise(tracks[noisy], share, rng)
    return bands, tracks


def loudness(bands: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """What `pitch.autocorrelation` gives at lag 0, from bands and but for a factor."""
    centre, bins = _band_facts(config)
    return 10 ** (bands * COMPRESSION / 10) @ (bins * band_taper(centre))


def nonspeech(rows: int, rng: np.random.Generator, config: FeatureConfig) -> np.ndarray:
    """Sounds that nobody makes with the voice: a hiss or hum that sets in, and clatter over it.

    All of it is drawn, nothing is recorded, so that recordings of noise stay unheard for a test.

    Returns
    -------
    bands [shape=(rows, n_frames, n_mels)]
        float32.
    """
    centre, bins = _band_facts(config)
    frames, bands = config.n_frames, len(centre)
    seconds = np.arange(frames) * config.hop_length / config.sample_rate
    power = np.empty((rows, frames, bands))
    for row in range(rows):
        floor = _spectrum(rng, centre) * 10 ** (rng.uniform(-6, 0))
        # The floor sways; clatter comes on top, in two of three.
        sway = rng.normal(0, rng.uniform(0, 3), 2 + frames // 8)
        steady = np.interp(np.arange(frames), np.linspace(0, frames, len(sway)), sway)
        total = floor * 10 ** (steady[:, None] / 10)
        events = rng.poisson(rng.choice([0.0, 2.0, 8.0]) * seconds[-1])
        begins = rng.uniform(0, seconds[-1], events)
        begins[:1] = seconds[config.preroll_frames]  # features begin with something loud
        for begin in begins:
            after = seconds - begin
            decay = rng.uniform(0.01, 0.25)  # s
            course = np.where(after >= 0, np.exp(-np.maximum(after, 0) / decay), 0)
            total = total + course[:, None] * _spectrum(rng, centre) * 10 ** rng.uniform(-1, 2)
        freedom = np.maximum(bins / 2, 1)
        power[row] = total * rng.standard_gamma(np.broadcast_to(freedom, total.shape)) / freedom
    return (10 * np.log10(np.maximum(power, POWER_FLOOR))).astype(np.float32)


def _spectrum(rng: np.random.Generator, centre: np.ndarray) -> np.ndarray:
    """A random spectrum: a tilt, a smooth shape, and now and then some resonances or a hum."""
    decibel = -10 * rng.uniform(-0.5, 2) * np.log10(centre / 1000)
    decibel += _smooth(rng.normal(0, 6, (1, _EQUALISER_POINTS)), len(centre))[0]
    for _ in range(rng.integers(0, 4)):
        peak, width = rng.uniform(np.log2(centre[0]), np.log2(centre[-1])), rng.uniform(0.05, 0.4)
        decibel += rng.uniform(5, 25) * np.exp(-(((np.log2(centre) - peak) / width) ** 2))
    return 10 ** (decibel / 10)


def _moved_in_time(
    windows: np.ndarray, *, start: np.ndarray, rate: np.ndarray, frames: int
) -> np.ndarray:
    last = windows.shape[1] - 1
    position = start[:, None] + np.arange(frames) * rate[:, None]
    before = np.clip(np.floor(position).astype(np.intp), 0, last - 1)
    share = np.clip(position - before, 0, 1).astype(np.float32)[:, :, None]
    row = np.arange(len(windows))[:, None]
    left = windows[row, before]
    return left + (windows[row, before + 1] - left) * share


def _warped(bands: np.ndarray, octaves: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Read every band where its frequency times 2 ** octaves is."""
    centre, _ = _band_facts(config)
    wanted = np.clip(centre * 2 ** octaves[:, None], centre[0], centre[-1])
    position = np.interp(wanted.ravel(), centre, np.arange(len(centre))).reshape(wanted.shape)
    below = np.minimum(np.floor(position).astype(np.intp), len(centre) - 2)
    share = (position - below).astype(np.float32)[:, None, :]
    low = np.take_along_axis(bands, below[:, None, :], axis=2)
    high = np.take_along_axis(bands, below[:, None, :] + 1, axis=2)
    return low + (high - low) * share


def _smooth(points: np.ndarray, bands: int) -> np.ndarray:
    """Points a row, evenly over the bands, joined by lines [shape=(rows, bands)]."""
    position = np.linspace(0, points.shape[1] - 1, bands)
    below = np.minimum(position.astype(np.intp), points.shape[1] - 2)
    share = position - below
    return (points[:, below] * (1 - share) + points[:, below + 1] * share).astype(np.float32)


def _with_noise(
    bands: np.ndarray, snr_db: np.ndarray, rng: np.random.Generator, config: FeatureConfig
) -> np.ndarray:
    """Add noise between white and brown; its power in a band scatters as that of noise does."""
    centre, bins = _band_facts(config)
    power = 10 ** (bands / 10)
    tilt = rng.uniform(0, 2, len(bands))[:, None]
    shape = (centre / 1000) ** -tilt * 10 ** (rng.normal(0, 3, (len(bands), len(centre))) / 10)
    # A band's area is normalised, so its power counts as often as it has bins.
    ratio = (power * bins).sum(axis=2).mean(axis=1) / (shape * bins).sum(axis=1)
    shape = shape * (ratio * 10 ** (-snr_db / 10))[:, None]
    freedom = np.broadcast_to(np.maximum(bins / 2, 1), power.shape).astype(np.float32)
    scatter = rng.standard_gamma(freedom, dtype=np.float32) / freedom
    return 10 * np.log10(power + shape[:, None, :].astype(np.float32) * scatter)


@lru_cache(maxsize=8)
def _band_facts(config: FeatureConfig) -> tuple[np.ndarray, np.ndarray]:
    """Centre in Hz and number of bins of each band."""
    mel = mel_filterbank(config)
    hertz = np.fft.rfftfreq(config.n_fft, 1 / config.sample_rate)
    return (mel @ hertz) / mel.sum(axis=1), (mel > 0).sum(axis=1).astype(np.float64)
