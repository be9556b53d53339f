"""The firmware's portable core on an emulated Cortex-M4F: the same bits, and how long they take."""
