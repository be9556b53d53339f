"""A released model as C++ for the board, golden clips to test it with, and its card."""

from ser_tinyml.device.export.model import Export

__all__ = ["Export"]
