"""Teach a microcontroller to hear emotion: recordings in, an int8 model for TFLite Micro out."""

__version__ = "0.2.0"
