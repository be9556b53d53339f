"""The one definition of the features: `FeatureConfig`, saved beside every file made with it.

The board computes the same numbers from tables generated out of the same configuration, so nothing
in a deployable configuration may look ahead or at the whole clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.parameters import typed

# Fields of later versions, and the value with which features are what they were before.
_LATER = {"pitch": False}
LEVELS = ("running_max", "clip_max", "absolute", "pcen")


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
        Features begin where speech begins (`beginning.Beginning`). This many dB over a steady
        noise at the beginning is no noise any more. None: they begin at the first sample.
    onset_frames
        So many frames in a row have to rise over the noise.
    preroll_frames
        Frames kept from before they rise.
    onset_range_db
        What is so far below the loudest frame counts as silence before the speech.
    onset_steady_frames
        A noise at the beginning lasts for so many frames at least.
    onset_history_frames
        The beginning moves on to one of the last frames, of which the board keeps so many.
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
    pitch
        Beside the coefficients, F0 and voicing (`pitch.pitch_inputs`).
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
    onset_range_db: float = 30.0
    onset_steady_frames: int = 8
    onset_history_frames: int = 12
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
    pitch: bool = False

    def __post_init__(self) -> None:
        def check(good: bool, expected: str) -> None:
            if not good:
                raise DataError(f"features: expected {expected}, in {self.name!r}")

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
        check(
            0 <= self.preroll_frames < self.onset_steady_frames
            and 0 < self.onset_frames <= self.onset_history_frames - self.preroll_frames,
            "0 <= preroll_frames < onset_steady_frames and 0 < onset_frames <= "
            f"onset_history_frames - preroll_frames, found {self.preroll_frames}, "
            f"{self.onset_steady_frames}, {self.onset_frames} and {self.onset_history_frames}",
        )
        check(
            self.onset_range_db > (self.onset_db or 0),
            f"onset_range_db > onset_db, found {self.onset_range_db} and {self.onset_db}",
        )
        if self.pitch:
            _check_pitch(self)

    @property
    def feature_shape(self) -> tuple[int, int]:
        """Steps and inputs a step of the model: (n_frames / stack, n_values * stack)."""
        return self.n_frames // self.stack, self.n_values * self.stack

    @property
    def n_values(self) -> int:
        """Values of a frame: the coefficients, their changes, and those of the pitch."""
        return (self.n_mfcc or self.n_mels) * (2 if self.delta_frames else 1) + 3 * self.pitch

    @property
    def shared_frames(self) -> int:
        """Frames before a frame that share samples with it."""
        return (self.window_length - 1) // self.hop_length

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
        values = self._fields()
        del values["name"]
        return files.sha256_json(values)

    def _fields(self) -> dict[str, Any]:
        """Every field; those that came later are left out where they change nothing."""
        same = [name for name, value in _LATER.items() if getattr(self, name) == value]
        return {name: value for name, value in asdict(self).items() if name not in same}

    @classmethod
    def of(cls, name: str, changes: Mapping[str, Any]) -> FeatureConfig:
        """A preset with some fields changed, as parameters give them.

        Raises
        ------
        DataError
            If there is no such preset or field, or a value is of another type or out of range.
        """
        return preset(name, **typed(changes, of=cls, name="features"))

    def to_dict(self) -> dict[str, Any]:
        """Every field, and the hash."""
        return {**self._fields(), "hash": self.hash}

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
        if found | set(_LATER) != expected:
            raise DataError(
                f"{path}: expected the fields of FeatureConfig, found "
                f"{sorted(found - expected)} too many and "
                f"{sorted(expected - found - set(_LATER))} missing"
            )
        config = cls(**values)
        if config.hash != stated:
            raise DataError(f"{path}: expected hash {config.hash}, found {stated}")
        return config


def _check_pitch(config: FeatureConfig) -> None:
    if config.pad != "end" or config.whole_numbers or config.center:
        raise DataError(
            "features: expected no pitch with pad start, whole_numbers or centred frames, "
            f"in {config.name!r}"
        )
    if config.window_length < 0.04 * config.sample_rate or config.sample_rate < 4_000:
        raise DataError(
            "features: expected, with pitch, a window of 40 ms or more of 4000 Hz or more, found "
            f"{config.window_length} samples of {config.sample_rate} Hz, in {config.name!r}"
        )


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


def preset(name: str, /, **changes: Any) -> FeatureConfig:
    """A preset, with some of its fields changed.

    Raises
    ------
    DataError
        If there is no such preset or field.
    """
    if name not in PRESETS:
        raise DataError(f"feature_preset: expected one of {sorted(PRESETS)}, found {name!r}")
    unknown = set(changes) - {field.name for field in fields(FeatureConfig)}
    if unknown:
        raise DataError(f"feature preset {name!r}: found unknown fields {sorted(unknown)}")
    return replace(PRESETS[name], **changes)
