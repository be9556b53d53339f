"""Tables of the features as the board stores them, and what model and tables take of its memory."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ser_tinyml import features
from ser_tinyml.device.export.model import Export
from ser_tinyml.features.pitch import pitch_tables
from ser_tinyml.files import DataError

FLASH_BYTES = 983_040  # Arduino Nano 33 BLE Sense, what its bootloader leaves
RAM_BYTES = 262_144


def fft_twiddles(n_fft: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the board's Fourier transform, in the order in which it uses them.

    It takes n_fft real samples as half as many complex ones. The first pass joins 8 of them (4,
    if half of n_fft is a power of 4), each further pass 4 times as many.

    Returns
    -------
    passes : array of float64 [shape=(n, 3, 2)]
        For every k of every pass but the first: exp(-2 pi i m k / length) of m = 1, 2, 3, real
        and imaginary part.
    split : array of float64 [shape=(n_fft / 4, 2)]
        exp(-2 pi i k / n_fft), which takes the real signal's spectrum from the complex one's.

    Raises
    ------
    DataError
        If n_fft is not a power of 2, at least 32.
    """
    if n_fft < 32 or n_fft & (n_fft - 1):
        raise DataError(f"n_fft: expected a power of 2 from 32 on, found {n_fft}")
    half = n_fft // 2
    joined = 8 if half.bit_length() % 2 == 0 else 4
    angles = []
    while joined < half:
        length = 4 * joined
        angles += [[m * k / length for m in (1, 2, 3)] for k in range(joined)]
        joined = length

    def turn(parts: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(2 * np.pi * parts), -np.sin(2 * np.pi * parts)], axis=-1)

    passes = np.reshape(np.array(angles, np.float64), (-1, 3))
    return turn(passes), turn(np.arange(n_fft // 4) / n_fft)


def sizes(export: Export) -> pd.DataFrame:
    """What the model takes of the board's memory.

    Returns
    -------
    table
        Columns part, memory (flash or RAM), bytes, share (0 to 1, of that memory).
    """
    constant = features.tables(export.config)
    weights = sum(len(band) for _, band in constant.bands)
    turned = fft_twiddles(export.config.n_fft)
    pitches = [pitch_tables(export.config)] if export.config.pitch else []
    table = pd.DataFrame(
        [
            ("model", "flash", len(export.tflite)),
            ("window", "flash", 4 * constant.window.size),
            ("mel filterbank", "flash", 4 * weights + 4 * export.config.n_mels),
            ("DCT", "flash", 4 * constant.dct.size),
            ("Fourier transform", "flash", 4 * sum(turns.size for turns in turned)),
            *[
                (
                    "pitch",
                    "flash",
                    4 * sum(map(len, (of.taper, of.cosine, of.correction, of.bonus))),
                )
                for of in pitches
            ],
            ("normalisation", "flash", 4 * 3 * len(export.normalisation.mean)),
            ("arena", "RAM", export.arena_size),
        ],
        columns=["part", "memory", "bytes"],
    )
    of = table["memory"].map({"flash": FLASH_BYTES, "RAM": RAM_BYTES})
    return table.assign(share=table["bytes"] / of)
