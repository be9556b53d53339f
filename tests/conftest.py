"""What has to be settled before any test imports TensorFlow or Matplotlib, or compiles C++."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["MPLBACKEND"] = "agg"
# The same compiler, which does not compile the same unit twice. Workers inherit both names.
os.environ.setdefault("SER_REAL_CXX", os.environ.get("CXX", "c++"))
os.environ["CXX"] = str(Path(__file__).parent / "support" / "kept_compiler.py")
