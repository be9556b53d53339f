"""From waveforms to the frames that a net sees: configuration, frames, extraction, rows."""

from ser_tinyml.features.beginning import Beginning, Levels, level_db, onset
from ser_tinyml.features.config import LEVELS, PRESETS, FeatureConfig, preset
from ser_tinyml.features.frames import (
    POWER_FLOOR,
    FeatureTables,
    cepstra,
    from_bands,
    log_mel,
    mel_filterbank,
    pcen,
    prepare,
    tables,
    waveform_features,
)

__all__ = [
    "LEVELS",
    "POWER_FLOOR",
    "PRESETS",
    "Beginning",
    "FeatureConfig",
    "FeatureTables",
    "Levels",
    "cepstra",
    "from_bands",
    "level_db",
    "log_mel",
    "mel_filterbank",
    "onset",
    "pcen",
    "prepare",
    "preset",
    "tables",
    "waveform_features",
]
