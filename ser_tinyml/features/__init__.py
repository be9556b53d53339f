"""From waveforms to the frames that a net sees: configuration, frames, extraction, rows."""

from ser_tinyml.features.beginning import Beginning, Levels, level_db, onset
from ser_tinyml.features.config import LEVELS, PRESETS, FeatureConfig, preset
from ser_tinyml.features.frames import (
    POWER_FLOOR,
    FeatureTables,
    cepstra,
    frame_values,
    from_bands,
    log_mel,
    mel_filterbank,
    pcen,
    prepare,
    tables,
    waveform_features,
)
from ser_tinyml.features.pitch import pitch_inputs, pitch_track

__all__ = [
    "LEVELS",
    "POWER_FLOOR",
    "PRESETS",
    "Beginning",
    "FeatureConfig",
    "FeatureTables",
    "Levels",
    "cepstra",
    "frame_values",
    "from_bands",
    "level_db",
    "log_mel",
    "mel_filterbank",
    "onset",
    "pcen",
    "pitch_inputs",
    "pitch_track",
    "prepare",
    "preset",
    "tables",
    "waveform_features",
]
