"""Golden clips are made: sounds of our own, taken through Python all the way to the answer."""

from __future__ import annotations

import numpy as np

from ser_tinyml import features
from ser_tinyml.data import demo
from ser_tinyml.device.export.model import Export
from ser_tinyml.device.golden import Golden, GoldenClip
from ser_tinyml.sound import audio

SENTENCES = (
    "The kettle is on the stove",
    "There is a boat on the lake",
    "He put the keys in the drawer",
    "We saw them at the station",
)
FULL_SCALE = np.float32(32768)
CLEAR = 1e-4  # of the step from one int8 value to the next: more than two spectra differ by
MOST_MOVED = 100  # samples


def golden_clips(export: Export, *, seed: int = 0) -> Golden:
    """Take sounds through features, quantisation and TFLite Micro.

    A synthesizer speaks in every style that the demo corpus has; silence, full scale, a very
    quiet voice, steady noise, a clip that begins in mid-word and one shorter than a window are
    added. Each begins a few samples later where some input would lie between two int8 values: the
    board's spectrum, which is rounded otherwise, could fall on the other side.

    Parameters
    ----------
    seed
        Of the voices and of the noise.
    """
    config = export.config
    clips = []
    for name, about, waveform in _sounds(config.sample_rate, config.duration_s, seed=seed):
        waveform, values = _clear(waveform, export)
        sound = waveform / FULL_SCALE
        inputs = export.inputs(values)
        outputs = export.runtime.predict_int8(inputs[np.newaxis])[0]
        clips.append(
            GoldenClip(
                name=name,
                about=about,
                label=export.labels[int(outputs.argmax())],
                onset=features.onset(features.log_mel(sound, config), config),
                waveform=waveform,
                features=values,
                inputs=inputs,
                outputs=outputs,
            )
        )
    return Golden(
        model_id=export.model_id,
        model_sha256=export.model_sha256,
        feature_hash=config.hash,
        sample_rate=config.sample_rate,
        labels=export.labels,
        clips=clips,
    )


def _clear(waveform: np.ndarray, export: Export) -> tuple[np.ndarray, np.ndarray]:
    """The sound from the first sample on with which no input is a close call, and its features.

    Where there is none, as with silence, it is the sound as it was.
    """
    scale, zero_point = export.quantisation[:2]
    for moved in range(MOST_MOVED):
        values = features.waveform_features(waveform[moved:] / FULL_SCALE, export.config)
        units = export.normalisation.apply(values) / np.float32(scale) + zero_point
        units = units[(units > -129) & (units < 128)]  # beyond, all are clipped alike
        if not len(units) or np.abs(units - np.floor(units) - 0.5).min() > CLEAR:
            return waveform[moved:], values
    return waveform, features.waveform_features(waveform / FULL_SCALE, export.config)


def _sounds(rate: int, duration_s: float, *, seed: int) -> list[tuple[str, str, np.ndarray]]:
    """Name, a few words and int16 samples of every sound."""
    styles = list(demo.STYLES)
    length = round((duration_s + 0.3) * rate)
    spoken = demo.speak(
        [SENTENCES[i % len(SENTENCES)] for i in range(len(styles))],
        emotion=styles,
        sex=["female" if i % 2 else "male" for i in range(len(styles))],
        sample_rate=rate,
        quiet=0.2,
        seed=seed,
    )
    speech = {style: y[:length] for style, y in zip(styles, spoken, strict=True)}
    loudest = np.abs(speech["angry"].astype(np.int32)).max()
    loud = speech["angry"].astype(np.float64) * (8 * 32768 / loudest)
    hiss = np.random.default_rng(seed).normal(0, 1000, length)
    sounds = [(style, f"synthetic speech, {style}", y) for style, y in speech.items()]
    return [
        *sounds,
        ("silence", "digital silence", np.zeros(length, np.int16)),
        ("full_scale", "speech, 18 dB over full scale", audio.to_int16(loud / FULL_SCALE)),
        ("quiet", "speech, 1/32 of its level", audio.to_int16(speech["happy"] / 32 / FULL_SCALE)),
        ("mid_word", "no quiet before the speech", speech["neutral"][round(0.45 * rate) :]),
        ("noise", "steady noise: no beginning of speech", audio.to_int16(hiss / FULL_SCALE)),
        ("short", "shorter than a window", speech["sad"][round(0.5 * rate) :][:500]),
    ]
