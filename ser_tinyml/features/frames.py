"""From a waveform to the frames that a net sees, as a `FeatureConfig` says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ser_tinyml.features.beginning import onset
from ser_tinyml.features.config import FeatureConfig
from ser_tinyml.features.pitch import pitch_inputs, pitch_track
from ser_tinyml.features.spectrum import power_spectra
from ser_tinyml.files import DataError
from ser_tinyml.sound import audio

POWER_FLOOR = 1e-10  # the power below which a band counts as empty, librosa's amin


@dataclass(frozen=True)
class FeatureTables:
    """The constant arrays behind the features.

    Attributes
    ----------
    window [shape=(window_length,)]
        Periodic Hann.
    mel [shape=(n_mels, 1 + n_fft // 2)]
        Filterbank, float32.
    bands
        Of every band, the first bin that it covers and its part of `mel`, as float64
        [shape=(bins of the band,)]; a band that covers no bin is (0, nothing).
    halves
        The same for every second band and for those between them, see `_Half`.
    dct [shape=(n_mfcc, n_mels)]
        Orthonormal DCT-II, float64.
    """

    window: np.ndarray
    mel: np.ndarray
    bands: list[tuple[int, np.ndarray]]
    halves: tuple[_Half, _Half]
    dct: np.ndarray


@dataclass(frozen=True)
class _Half:
    """Every second band: no two of them overlap, so that one pass over the bins sums them all.

    Attributes
    ----------
    weights [shape=(1 + n_fft // 2,)]
        Of each bin in the band that covers it, 0 between bands.
    numbers, first [shape=(bands,)]
        Bands that cover a bin, and the first that each covers.
    """

    weights: np.ndarray
    numbers: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, bands: list[tuple[int, np.ndarray]], *, parity: int, bins: int) -> _Half:
        numbers = [n for n in range(parity, len(bands), 2) if len(bands[n][1])]
        weights = np.zeros(bins)
        for first, values in (bands[n] for n in numbers):
            weights[first : first + len(values)] = values
        return cls(weights, np.array(numbers, int), np.array([bands[n][0] for n in numbers], int))


@lru_cache(maxsize=16)
def tables(config: FeatureConfig) -> FeatureTables:
    """The window, filterbank and DCT of a configuration."""
    mel = mel_filterbank(config).astype(np.float32)
    ends = [(bins[0], bins[-1] + 1) if len(bins) else (0, 0) for bins in map(np.flatnonzero, mel)]
    bands = [(int(a), row[a:b].astype(np.float64)) for row, (a, b) in zip(mel, ends, strict=True)]
    return FeatureTables(
        window=audio.hann(config.window_length, "<f8"),
        mel=mel,
        bands=bands,
        halves=(
            _Half.of(bands, parity=0, bins=mel.shape[1]),
            _Half.of(bands, parity=1, bins=mel.shape[1]),
        ),
        dct=_dct(config.n_mels)[: config.n_mfcc],
    )


def _dct(size: int) -> np.ndarray:
    """Orthonormal DCT-II, float64 [shape=(size, size)]."""
    quarters = np.arange(size)[:, None] * (2 * np.arange(size) + 1) % (4 * size)
    cosine = np.cos(np.pi * quarters / (2 * size))
    cosine[quarters % (2 * size) == size] = 0  # which the cosine of a rounded pi misses
    return cosine * np.sqrt(np.where(np.arange(size) > 0, 2, 1) / size)[:, None]


def mel_filterbank(config: FeatureConfig) -> np.ndarray:
    """Triangles of equal area, evenly spaced on Slaney's mel scale, as librosa's default.

    (Written out, because librosa takes a second to load in every process.)

    Returns
    -------
    mel [shape=(n_mels, 1 + n_fft // 2)]

    References
    ----------
    M. Slaney, Auditory Toolbox, Technical Report 1998-010, Interval Research Corporation.
    """
    linear_hz, log_hz = 200 / 3, 1000.0  # Hz a mel below 1000 Hz, and logarithmic above it
    knee = log_hz / linear_hz
    ratio = np.log(6.4) / 27  # of neighbouring mels above

    def to_mel(hertz: float) -> float:
        if hertz < log_hz:
            return hertz / linear_hz
        return knee + np.log(hertz / log_hz) / ratio

    mels = np.linspace(to_mel(config.fmin), to_mel(config.fmax), config.n_mels + 2)
    corners = np.where(
        mels < knee,
        mels * linear_hz,
        log_hz * np.exp(ratio * (np.maximum(mels, knee) - knee)),
    )
    bins = np.fft.rfftfreq(config.n_fft, 1 / config.sample_rate)
    width = np.diff(corners)[:, None]
    rising = (bins - corners[:-2, None]) / width[:-1]
    falling = (corners[2:, None] - bins) / width[1:]
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (corners[2:] - corners[:-2]))[:, None]


def prepare(samples: np.ndarray, *, rate: int, config: FeatureConfig) -> np.ndarray:
    """Crop a recording and bring it to the configuration's rate.

    Parameters
    ----------
    samples [shape=(n,)]
        Mono, full scale is 1.
    rate
        In Hz.

    Returns
    -------
    samples [shape=(m,)]
        At config.sample_rate.
    """
    if config.load_rate is not None and rate != config.load_rate:
        samples = audio.resample(samples, orig=rate, target=config.load_rate)
        rate = config.load_rate
    if config.crop_end_s is not None:
        samples = samples[int(config.crop_start_s * rate) : int(config.crop_end_s * rate)]
    if rate != config.sample_rate and len(samples):
        samples = audio.resample(samples, orig=rate, target=config.sample_rate)
    return samples


def log_mel(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Power in mel bands, in dB, of every whole frame.

    Parameters
    ----------
    samples [shape=(n,)]
        At config.sample_rate; a waveform shorter than one window is filled with zeros.

    Returns
    -------
    bands [shape=(frames, n_mels)]
        10 log10 of the power, not below -100 dB, float64.
    """
    constant = tables(config)
    pieces = []
    for power in power_spectra(samples, config):
        bands = np.zeros((len(power), config.n_mels))
        for half in constant.halves:
            if len(half.first):
                weighted = power * half.weights
                bands[:, half.numbers] = np.add.reduceat(weighted, half.first, axis=1)
        pieces.append(10 * np.log10(np.maximum(bands, POWER_FLOOR)))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def frame_values(bands: np.ndarray, track: np.ndarray | None, config: FeatureConfig) -> np.ndarray:
    """All values of frames: `cepstra`, and after them `pitch_inputs` if the model has them.

    Parameters
    ----------
    bands [shape=(…, frames, n_mels)]
        From `log_mel`, from the frame at which the features begin; of one clip or of several.
    track [shape=(…, frames, 2)]
        From `pitch_track`, of the same frames; not looked at where the model has no pitch.

    Returns
    -------
    values [shape=(…, frames, n_values)]
        Of the type of the bands.

    Raises
    ------
    DataError
        If the model has a pitch and there is no track of these frames.
    """
    values = cepstra(bands, config)
    if not config.pitch:
        return values
    if track is None or track.shape != (*bands.shape[:-1], 2):
        raise DataError(
            f"features: expected the pitch of {bands.shape[:-1]} frames, "
            f"found {None if track is None else track.shape}"
        )
    return np.concatenate([values, pitch_inputs(track).astype(values.dtype)], axis=-1)


def cepstra(bands: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Remove the level, limit the range and take the DCT, and its changes if the model has them.

    Parameters
    ----------
    bands [shape=(…, frames, n_mels)]
        From `log_mel`, from the frame at which the features begin; of one clip or of several.

    Returns
    -------
    values [shape=(…, frames, n_values less the pitch)]
        Of the type of the bands.
    """
    if config.level == "running_max":
        bands = bands - np.maximum.accumulate(bands.max(axis=-1), axis=-1)[..., None]
        bands = np.maximum(bands, -config.range_db)
    elif config.level == "clip_max":
        bands = np.maximum(bands, bands.max(axis=(-2, -1), keepdims=True) - config.range_db)
    elif config.level == "pcen":
        bands = pcen(bands, config)
    mfcc = bands @ tables(config).dct.T.astype(bands.dtype) if config.n_mfcc else bands
    if not config.delta_frames:
        return mfcc
    delta = np.zeros_like(mfcc)
    delta[..., config.delta_frames :, :] = (
        mfcc[..., config.delta_frames :, :] - mfcc[..., : -config.delta_frames, :]
    )
    return np.concatenate([mfcc, delta], axis=-1)


def pcen(bands: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Per-channel energy normalisation: each band's power against its own smoothed past.

    Parameters
    ----------
    bands [shape=(…, frames, n_mels)]
        In dB.

    Returns
    -------
    normalised [shape=(…, frames, n_mels)]
        Of the type of the bands.

    References
    ----------
    Y. Wang et al., Trainable frontend for robust and far-field keyword spotting, ICASSP 2017: the
    fixed values of its section 3, and a time constant of 0.4 s.
    """
    gain, bias, exponent, floor, seconds = 0.98, 2.0, 0.5, 1e-6, 0.4
    power = 10 ** (bands.astype(np.float64) / 10)
    forget = 1 - np.exp(-config.hop_length / (config.sample_rate * seconds))
    smooth = power.copy()  # the past before the first frame was like it
    for frame in range(1, power.shape[-2]):
        smooth[..., frame, :] *= forget
        smooth[..., frame, :] += (1 - forget) * smooth[..., frame - 1, :]
    normalised = (power / (floor + smooth) ** gain + bias) ** exponent - bias**exponent
    return normalised.astype(bands.dtype)


def waveform_features(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """The features of one clip: `log_mel`, `pitch_track`, `onset` and `from_bands`.

    Parameters
    ----------
    samples [shape=(n,)]
        At config.sample_rate, cropped already (`prepare`), full scale is 1.

    Returns
    -------
    features [shape=config.feature_shape]

    Raises
    ------
    DataError
        If there are no samples.
    """
    if not len(samples):
        raise DataError("features: expected at least one sample, found none")
    bands = log_mel(samples, config)
    track = pitch_track(samples, config) if config.pitch else None
    return from_bands(bands, onset(bands, config), config, track)


def from_bands(
    bands: np.ndarray, start: int, config: FeatureConfig, track: np.ndarray | None = None
) -> np.ndarray:
    """The features of one clip from its bands, and its pitch if the model has it.

    Parameters
    ----------
    bands [shape=(frames, n_mels)]
        From `log_mel`.
    start
        Frame at which the features begin.
    track [shape=(frames, 2)]
        From `pitch_track`.

    Returns
    -------
    features [shape=config.feature_shape]
        float32. A clip that is too short is filled as config.pad says.
    """
    bands = bands[start:][: config.n_frames]
    missing = config.n_frames - len(bands)
    if track is not None:
        track = track[start:][: config.n_frames]
    if config.pad == "end":
        end = ((0, missing), (0, 0))
        bands = np.pad(bands, end, constant_values=10 * np.log10(POWER_FLOOR))
        values = frame_values(bands, None if track is None else np.pad(track, end), config)
    else:
        values = np.pad(cepstra(bands, config), ((missing, 0), (0, 0)))
    if config.whole_numbers:
        values = np.trunc(values)
    return values.astype(np.float32).reshape(config.feature_shape)
