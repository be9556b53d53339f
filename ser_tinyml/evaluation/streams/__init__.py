"""Longer streams of one speaker, in which the emotion changes."""
