"""Conversion to TFLite, its runtimes, and the released model."""
