"""Waveforms: read, augmented, degraded."""
