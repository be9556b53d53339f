"""The schema of ``.tflite`` files, of whichever package is there: both are made from one source.

tflite-micro is built for Linux on x86-64 alone; elsewhere LiteRT has it.
"""

from __future__ import annotations

try:
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema
except ModuleNotFoundError:
    from ai_edge_litert import schema_py_generated as schema

__all__ = ["schema"]
