"""Spectrograms as the pictures that people look at, and such pictures as numbers again.

A colour of a known colour map stands for one level. A picture whose colours lie on none of them
is no spectrogram. Grey ones are refused too: nothing tells them from any photograph.
"""

from __future__ import annotations

import io
import warnings
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.systems.parts.spectrogram_features import (
    BANDS,
    FRAMES,
    HOP,
    RANGE_DB,
    RATE,
)

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")  # no other decoder meets a stranger's file
COLOUR_MAPS = ("magma", "viridis", "inferno", "plasma")  # the first is what is drawn with
NOTE = "spectrogram"  # the entry of a PNG that says what it shows
SHOWS = f"{BANDS} mel bands to {RATE // 2} Hz, {FRAMES} frames of {1000 * HOP / RATE:g} ms, " + (
    f"{RANGE_DB:g} dB"
)
PIXELS = 4  # a side of each value
TOLERANCE = 24.0  # of 255, from a colour to the nearest of the map: JPEG blurs them
FITS = 0.9  # share of the pixels of a spectrogram that have such a colour
SMALLEST = 32  # pixels on a side
LARGEST = 20_000_000  # pixels
GAP = 3  # pixels either way: where loud meets quiet, drawing mixes colours that are on no map
LEAST_RANGE = 0.3  # of levels, and
LEAST_CHANGE = 0.01  # their mean deviation along either side: below, it is a ramp or a bar


def write(features: np.ndarray, path: Path) -> Path:
    """Draw a spectrogram as PNG: time from left to right, low bands at the bottom, no margins."""
    levels = np.rint(features[::-1] * 255).astype(np.intp)
    pixels = _colours(COLOUR_MAPS[0])[levels].astype(np.uint8)
    pixels = pixels.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)
    note, data = PngImagePlugin.PngInfo(), io.BytesIO()
    note.add_text(NOTE, SHOWS)
    Image.fromarray(pixels).save(data, "PNG", pnginfo=note)
    return files.write_bytes(path, data.getvalue())


def is_picture(path: Path) -> bool:
    """Whether a file begins as pictures do."""
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def read(path: Path) -> np.ndarray:
    """Read a picture of a spectrogram; margins, axes and a bar of colours beside it are left out.

    What is in the picture is taken for all of a spectrogram of `SHOWS`: its pixels do not say how
    long it lasts.

    Returns
    -------
    features [shape=(64, 192)]
        float32 from 0 to 1; the lowest band first.

    Raises
    ------
    DataError
        If it is no picture, or none of a spectrogram.
    """
    pixels = _pixels(path)
    levels, fits = _levels(pixels, path)
    rows, columns = _area(fits)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if min(height, width) < SMALLEST:
        raise DataError(
            f"{path}: expected a spectrogram of {SMALLEST} x {SMALLEST} pixels or more, "
            f"found {width} x {height}"
        )
    share = fits[rows, columns].mean()
    if share < FITS:
        raise _other_colours(path, share)
    values = _resized(levels[rows, columns])[::-1]
    change = min(values.std(axis=0).mean(), values.std(axis=1).mean())
    if np.ptp(values) < LEAST_RANGE or change < LEAST_CHANGE:
        raise DataError(
            f"{path}: expected a spectrogram, whose levels change with time and with the band, "
            "found a picture of one colour or a ramp"
        )
    return np.ascontiguousarray(values)


def _pixels(path: Path) -> np.ndarray:
    """RGB [shape=(height, width, 3)] of a file."""
    data = io.BytesIO(files.read_bytes(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # is refused below
            with Image.open(data, formats=FORMATS) as image:
                shows = image.info.get(NOTE, SHOWS)
                if shows != SHOWS:
                    raise DataError(f"{path}: expected a spectrogram of {SHOWS}, found {shows}")
                if image.width * image.height > LARGEST:
                    raise DataError(
                        f"{path}: expected {LARGEST:,} pixels at most, "
                        f"found {image.width} x {image.height}"
                    )
                return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: expected a picture, found another kind of file") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: expected a whole picture, found: {error}") from error


@cache
def _colours(name: str) -> np.ndarray:
    """RGB of the 256 levels of a colour map, 0 to 255."""
    import matplotlib

    return np.rint(matplotlib.colormaps[name](np.arange(256))[:, :3] * 255)


def _levels(pixels: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Level of every pixel by the map that fits best, and where it fits [shape=(height, width)]."""
    from scipy.spatial import KDTree

    packed = pixels.astype(np.uint32) @ np.array([65_536, 256, 1], np.uint32)
    colours, place, count = np.unique(packed, return_inverse=True, return_counts=True)
    each = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(float)
    found = []
    for name in COLOUR_MAPS:
        distance, level = KDTree(_colours(name)).query(each)
        far = float((np.minimum(distance, TOLERANCE) * count).sum())
        found.append((far, level, distance <= TOLERANCE))
    _, level, fits = min(found, key=lambda one: one[0])
    share = float(count[fits].sum() / count.sum())
    if share == 0:
        raise _other_colours(path, share)
    place = place.reshape(pixels.shape[:2])
    return level[place].astype(np.float32) / 255, fits[place]


def _other_colours(path: Path, share: float) -> DataError:
    return DataError(
        f"{path}: expected a spectrogram in the colours of {', '.join(COLOUR_MAPS)}, "
        f"found other colours in {1 - share:.0%} of the pixels"
    )


def _area(fits: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the largest block of pixels that fit: axes and margins do not."""
    columns = _longest(fits.mean(axis=0))
    return _longest(fits[:, columns].mean(axis=1)), columns


def _longest(share: np.ndarray) -> slice:
    """The longest stretch in which more than two thirds fit of the most that do anywhere."""
    from scipy.ndimage import binary_closing

    good = np.pad(share > share.max() * 2 / 3, GAP + 1)
    good = binary_closing(good, iterations=GAP)[GAP:-GAP]
    begin, end = np.flatnonzero(np.diff(good.astype(int))).reshape(-1, 2).T
    longest = int((end - begin).argmax()) if len(begin) else -1
    return slice(int(begin[longest]), int(end[longest])) if longest >= 0 else slice(0, 0)


def _resized(levels: np.ndarray) -> np.ndarray:
    """Means over the pixels of each value."""
    image = Image.fromarray(levels)
    return np.asarray(image.resize((FRAMES, BANDS), Image.Resampling.BOX), np.float32)
