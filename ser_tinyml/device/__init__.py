"""The board: what it is given, how it is spoken to, and all that it does once more in Python."""

from ser_tinyml.provenance import shipped

SKETCH = shipped("firmware/arduino_nano33")
PORTABLE = {name: SKETCH / "src" / name for name in ("lstm", "ser")}  # C++ that knows no board
MODEL = SKETCH / "src" / "model"  # the generated sources of the released model
GOLDEN = SKETCH / "golden"
