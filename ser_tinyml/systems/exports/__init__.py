"""What trained systems become: ONNX, C programs, int8 files, code on the emulated board."""
