"""The one definition of the features: `FeatureConfig`, and waveform to frames.

The board computes the same numbers from tables generated out of the same configuration
(`tables`), so nothing in a deployable configuration may look ahead or at the whole clip.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse

from ser_tinyml import audio, files
from ser_tinyml.files import DataError

LEVELS = ("running_max", "clip_max", "absolute", "pcen")
POWER_FLOOR = 1e-10  # the power below which a band counts as empty, librosa's amin
_AT_ONCE = 4096  # frames whose spectra are in memory together


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """What turns a waveform into the frames a model sees.

    Attributes
    ----------
    name
        The preset's name.
    load_rate
        Rate in Hz that a recording is brought to before the crop; None: straight to sample_rate.
    crop_start_s, crop_end_s
        Part of the recording that is used, in seconds; crop_end_s None: no crop.
    sample_rate
        Rate of the waveform the frames are taken from, in Hz.
    onset_db
        Speech begins where a frame is louder than the quietest before it by this many dB, and the
        features begin there; None: at the first sample.
    onset_frames
        So many loud frames in a row make a beginning.
    preroll_frames
        Frames kept from before the beginning.
    n_frames
        Frames a clip gives, before stacking.
    n_fft
        Length of the Fourier transform, in samples.
    window_length
        Length of the Hann window, in samples; the transform is zero-padded beyond it.
    hop_length
        Samples from one frame to the next.
    center
        Whether a frame is centred on its time (looks ahead), as librosa does by default.
    n_mels
        Number of mel bands (Slaney's scale and area normalisation).
    fmin, fmax
        Lower and upper edge of the mel bands, in Hz.
    n_mfcc
        Number of cepstral coefficients (orthonormal DCT-II), the zeroth included; 0: the bands
        themselves, without the DCT.
    delta_frames
        Beside every coefficient, its change over so many frames, zero until there are as many;
        0: none.
    level
        "running_max": bands in dB below the loudest band since the features began, which removes
        the recording's level without looking ahead. "clip_max": absolute dB, limited below the
        clip's own maximum, as librosa does by default (looks at the whole clip). "absolute": dB
        of full scale, so that the recording's level stays in. "pcen": each band against its own
        recent past (per-channel energy normalisation) instead of dB.
    range_db
        Bands are limited to this many dB below the reference that `level` names.
    whole_numbers
        Whether features are cut to whole numbers, as the original recipe's padding did.
    pad
        Where a clip that is too short is filled: "end" with silence, "start" with zero features.
    stack
        Neighbouring frames that form one input of the model.
    """

    name: str
    load_rate: int | None = None
    crop_start_s: float = 0.0
    crop_end_s: float | None = None
    sample_rate: int = 16_000
    onset_db: float | None = None
    onset_frames: int = 2
    preroll_frames: int = 2
    n_frames: int = 47
    n_fft: int = 1024
    window_length: int = 1024
    hop_length: int = 512
    center: bool = False
    n_mels: int = 40
    fmin: float = 60.0
    fmax: float = 7_600.0
    n_mfcc: int = 13
    delta_frames: int = 0
    level: str = "running_max"
    range_db: float = 60.0
    whole_numbers: bool = False
    pad: str = "end"
    stack: int = 1

    def __post_init__(self) -> None:
        def check(good: bool, expected: str) -> None:
            if not good:
                raise DataError(f"feature configuration {self.name!r}: expected {expected}")

        check(self.sample_rate > 0, f"sample_rate > 0, found {self.sample_rate}")
        check(
            0 < self.window_length <= self.n_fft,
            f"0 < window_length <= n_fft, found {self.window_length} and {self.n_fft}",
        )
        check(self.hop_length > 0, f"hop_length > 0, found {self.hop_length}")
        check(
            0 <= self.fmin < self.fmax <= self.sample_rate / 2,
            f"0 <= fmin < fmax <= {self.sample_rate / 2} Hz, found {self.fmin} and {self.fmax}",
        )
        check(
            0 <= self.n_mfcc <= self.n_mels,
            f"0 <= n_mfcc <= n_mels, found {self.n_mfcc} and {self.n_mels}",
        )
        check(
            self.delta_frames == 0 or (0 < self.delta_frames < self.n_frames and self.pad == "end"),
            f"0 <= delta_frames < n_frames, 0 with pad start, found {self.delta_frames}",
        )
        check(self.range_db > 0, f"range_db > 0, found {self.range_db}")
        check(
            self.level in LEVELS,
            f"level one of {LEVELS}, found {self.level!r}",
        )
        check(self.pad in ("end", "start"), f"pad end or start, found {self.pad!r}")
        check(
            self.stack > 0 and self.n_frames > 0 and self.n_frames % self.stack == 0,
            f"n_frames a multiple of stack, found {self.n_frames} and {self.stack}",
        )
        check(
            self.crop_end_s is None or 0 <= self.crop_start_s < self.crop_end_s,
            f"crop_start_s before crop_end_s, found {self.crop_start_s} and {self.crop_end_s}",
        )
        check(
            not (self.center and self.onset_db is not None),
            "no onset with centred frames: they look ahead of it",
        )

    @property
    def feature_shape(self) -> tuple[int, int]:
        """Steps and inputs a step of the model: (n_frames / stack, n_values * stack)."""
        return self.n_frames // self.stack, self.n_values * self.stack

    @property
    def n_values(self) -> int:
        """Values of a frame: the coefficients, and after them their changes."""
        return (self.n_mfcc or self.n_mels) * (2 if self.delta_frames else 1)

    @property
    def causal(self) -> bool:
        """Whether a board can compute it: nothing looks ahead or at the whole clip."""
        return (
            not self.center
            and self.level == "running_max"
            and self.n_mfcc > 0
            and self.crop_end_s is None
            and self.load_rate is None
            and self.pad == "end"
        )

    @property
    def duration_s(self) -> float:
        """Seconds of sound that the frames of one clip cover."""
        return ((self.n_frames - 1) * self.hop_length + self.window_length) / self.sample_rate

    @cached_property
    def hash(self) -> str:
        """SHA-256 over every field but the name: equal hashes, equal features."""
        values = asdict(self)
        del values["name"]
        return files.sha256_json(values)

    def to_dict(self) -> dict[str, Any]:
        """Every field, and the hash."""
        return {**asdict(self), "hash": self.hash}

    def save(self, path: str | Path) -> Path:
        """Write as JSON, the hash with it."""
        return files.write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> FeatureConfig:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If a field is missing or unknown, or the hash is not that of the fields.
        """
        values = files.read_json(path)
        expected = {field.name for field in fields(cls)}
        stated = values.pop("hash", None) if isinstance(values, dict) else None
        found = set(values)
        if found != expected:
            raise DataError(
                f"{path}: expected the fields of FeatureConfig, found "
                f"{sorted(found - expected)} too many and {sorted(expected - found)} missing"
            )
        config = cls(**values)
        if config.hash != stated:
            raise DataError(f"{path}: expected hash {config.hash}, found {stated}")
        return config


PRESETS = {
    "default": FeatureConfig(
        name="default", onset_db=9.0, n_frames=94, n_mfcc=20, delta_frames=2, stack=2
    ),
    # The published recipe, for comparison: whole clip, fixed crop, librosa's defaults.
    "original": FeatureConfig(
        name="original",
        load_rate=22_050,
        crop_start_s=0.4,
        crop_end_s=1.9,
        n_fft=2048,
        window_length=2048,
        center=True,
        n_mels=128,
        fmin=0.0,
        fmax=8_000.0,
        level="clip_max",
        range_db=80.0,
        whole_numbers=True,
        pad="start",
    ),
}


def preset(name: str, **changes: Any) -> FeatureConfig:
    """A preset, with some of its fields changed.

    Raises
    ------
    DataError
        If there is no such preset or field.
    """
    if name not in PRESETS:
        raise DataError(f"feature preset: expected one of {sorted(PRESETS)}, found {name!r}")
    unknown = set(changes) - {field.name for field in fields(FeatureConfig)}
    if unknown:
        raise DataError(f"feature preset {name!r}: found unknown fields {sorted(unknown)}")
    return replace(PRESETS[name], **changes)


@dataclass(frozen=True)
class FeatureTables:
    """The constant arrays behind the features.

    Attributes
    ----------
    window [shape=(window_length,)]
        Periodic Hann.
    mel [shape=(n_mels, 1 + n_fft // 2)]
        Filterbank, float32 values; sparse, since each band covers a few bins only.
    dct [shape=(n_mfcc, n_mels)]
        Orthonormal DCT-II, float64.
    """

    window: np.ndarray
    mel: scipy.sparse.csr_array
    dct: np.ndarray


@lru_cache(maxsize=16)
def tables(config: FeatureConfig) -> FeatureTables:
    """The window, filterbank and DCT of a configuration."""
    mel = mel_filterbank(config).astype(np.float32)
    dct = scipy.fft.dct(np.eye(config.n_mels), type=2, norm="ortho", axis=0)[: config.n_mfcc]
    return FeatureTables(
        window=audio.hann(config.window_length, "<f8"), mel=scipy.sparse.csr_array(mel), dct=dct
    )


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
    if config.center:
        samples = np.pad(samples, config.n_fft // 2)
    samples = audio.fix_length(samples, max(len(samples), config.window_length))
    framed = audio.frames(samples, frame_length=config.window_length, hop_length=config.hop_length)
    pieces = []
    for start in range(0, len(framed), _AT_ONCE):
        windowed = framed[start : start + _AT_ONCE] * constant.window
        spectrum = scipy.fft.rfft(windowed, n=config.n_fft)
        power = spectrum.real**2 + spectrum.imag**2
        pieces.append(10 * np.log10(np.maximum((constant.mel @ power.T).T, POWER_FLOOR)))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def onset(bands: np.ndarray, config: FeatureConfig) -> int:
    """The frame at which the features of a clip begin.

    A frame is loud when its power is above the quietest frame so far by onset_db. The first run
    of onset_frames loud frames is the beginning of speech, and the features begin preroll_frames
    before it. A clip that has no such run, for it begins in mid-speech, is taken from its start.

    Parameters
    ----------
    bands [shape=(frames, n_mels)]
        From `log_mel`.
    """
    if config.onset_db is None:
        return 0
    level = 10 * np.log10(np.sum(10 ** (bands / 10), axis=1))
    loud = level > np.minimum.accumulate(level) + config.onset_db
    run = np.convolve(loud, np.ones(config.onset_frames), mode="valid") == config.onset_frames
    if not run.any():
        return 0
    return max(int(np.argmax(run)) - config.preroll_frames, 0)


def cepstra(bands: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Remove the level, limit the range and take the DCT, and its changes if the model has them.

    Parameters
    ----------
    bands [shape=(…, frames, n_mels)]
        From `log_mel`, from the frame at which the features begin; of one clip or of several.

    Returns
    -------
    values [shape=(…, frames, n_values)]
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
    import scipy.signal  # takes longer to load than all the rest, and only this needs it

    gain, bias, exponent, floor, seconds = 0.98, 2.0, 0.5, 1e-6, 0.4
    power = 10 ** (bands.astype(np.float64) / 10)
    forget = 1 - np.exp(-config.hop_length / (config.sample_rate * seconds))
    start = (1 - forget) * power[..., :1, :]  # the past before the first frame was like it
    smooth, _ = scipy.signal.lfilter([forget], [1, forget - 1], power, axis=-2, zi=start)
    normalised = (power / (floor + smooth) ** gain + bias) ** exponent - bias**exponent
    return normalised.astype(bands.dtype)


def waveform_features(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """The features of one clip: `log_mel`, `onset` and `from_bands`.

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
    return from_bands(bands, onset(bands, config), config)


def from_bands(bands: np.ndarray, start: int, config: FeatureConfig) -> np.ndarray:
    """The features of one clip from its bands.

    Parameters
    ----------
    bands [shape=(frames, n_mels)]
        From `log_mel`.
    start
        Frame at which the features begin.

    Returns
    -------
    features [shape=config.feature_shape]
        float32. A clip that is too short is filled as config.pad says.
    """
    bands = bands[start:][: config.n_frames]
    missing = config.n_frames - len(bands)
    if config.pad == "end":
        bands = np.pad(bands, ((0, missing), (0, 0)), constant_values=10 * np.log10(POWER_FLOOR))
        mfcc = cepstra(bands, config)
    else:
        mfcc = np.pad(cepstra(bands, config), ((missing, 0), (0, 0)))
    if config.whole_numbers:
        mfcc = np.trunc(mfcc)
    return mfcc.astype(np.float32).reshape(config.feature_shape)
