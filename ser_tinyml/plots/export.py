"""Figures of stage 05: what the model takes of the board, and one golden clip on its way."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ser_tinyml.device.export.tables import FLASH_BYTES, RAM_BYTES
from ser_tinyml.device.golden import GoldenClip
from ser_tinyml.features import FeatureConfig

_COLOURS = {
    "model": "#3b6fa0",
    "window": "#e0a030",
    "mel filterbank": "#4d9a6a",
    "DCT": "#a15b9e",
    "Fourier transform": "#2e9c9c",
    "pitch": "#c8703c",
    "normalisation": "#8c8c8c",
    "arena": "#b8323c",
}
_FREE = "#ececec"


def memory_map(sizes: pd.DataFrame) -> Figure:
    """The board's flash and RAM as two bars, with what the model takes and what it leaves.

    Parameters
    ----------
    sizes
        From `ser_tinyml.device.export.tables.sizes`.
    """
    figure, axes = plt.subplots(2, 1, figsize=(10, 3.8))
    for axis, (memory, total) in zip(
        axes, (("flash", FLASH_BYTES), ("RAM", RAM_BYTES)), strict=True
    ):
        parts = sizes[sizes["memory"] == memory]
        left = 0.0
        for part in parts.itertuples():
            width = part.bytes / 1000
            label = f"{part.part}: {part.bytes:,} bytes"
            axis.barh(0, width, left=left, color=_COLOURS[part.part], linewidth=0, label=label)
            left += width
        axis.barh(0, total / 1000 - left, left=left, color=_FREE, linewidth=0)
        axis.text(
            (left + total / 1000) / 2,
            0,
            f"{total / 1000 - left:,.0f} kB left for everything else",
            ha="center",
            va="center",
        )
        share = parts["bytes"].sum() / total
        axis.set(
            title=f"{memory}: {share:.1%} of {total:,} bytes",
            xlim=(0, total / 1000),
            yticks=[],
            xlabel="kB",
        )
        axis.grid(visible=False)
        axis.legend(loc="upper left", bbox_to_anchor=(1, 1.15), frameon=False)
    return figure


def golden_clip(clip: GoldenClip, config: FeatureConfig) -> Figure:
    """One golden clip: its waveform, the features that come of it, and their int8 values.

    Steps after the clip's end are filled up with silence. They are told apart, and do not count
    among the int8 values: they are all alike.
    """
    figure, (top, middle, bottom) = plt.subplots(
        1, 3, figsize=(13, 3.6), width_ratios=(1.2, 1.2, 1)
    )
    samples = clip.waveform / np.float32(32768)
    start = clip.onset * config.hop_length
    first, last = (x / config.sample_rate for x in (start, start + _covered(config)))
    seconds = np.arange(len(samples)) / config.sample_rate
    top.plot(seconds, samples, color="#34495e", linewidth=0.6)
    top.axvspan(first, min(last, seconds[-1]), color="#e0a030", alpha=0.25, label="the features")
    top.set(title=f"{clip.about}: waveform", xlabel="time (s)", ylabel="amplitude")
    top.set_xlim(0, seconds[-1])
    top.legend(loc="upper right", frameon=False)

    heard = _steps_heard(clip, config)
    spread = clip.features[:heard].std(axis=0)
    mean = clip.features[:heard].mean(axis=0)
    shown = (clip.features - mean) / np.where(spread > 0, spread, 1)
    image = middle.imshow(
        shown.T, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-3, vmax=3, interpolation="none"
    )
    middle.set(title="features, float32", xlabel="step", ylabel="input")
    middle.grid(visible=False)
    if heard < len(clip.features):
        middle.axvspan(heard - 0.5, len(clip.features) - 0.5, color="white", alpha=0.75)
        centre = (heard + len(clip.features) - 1) / 2
        about = {"ha": "center", "va": "center", "rotation": 90, "fontsize": 10}
        middle.text(centre, shown.shape[1] / 2, "after the clip's end: silence", **about)
    figure.colorbar(image, ax=middle, label="deviations from its own mean")

    values = clip.inputs[:heard].ravel()
    bottom.hist(values, bins=np.arange(-128, 129, 8), color="#3b6fa0")
    clipped = np.isin(values, (-128, 127)).mean()
    bottom.set(title=f"int8 input, {clipped:.1%} at its ends", xlabel="value", ylabel="count (log)")
    bottom.set(xlim=(-132, 132), yscale="log")
    bottom.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return figure


def _steps_heard(clip: GoldenClip, config: FeatureConfig) -> int:
    """Steps that begin before the clip's end, at least one."""
    frames = len(clip.waveform) / config.hop_length - clip.onset
    return int(np.clip(np.ceil(frames / config.stack), 1, len(clip.features)))


def _covered(config: FeatureConfig) -> int:
    """Samples that the frames of a clip span."""
    return (config.n_frames - 1) * config.hop_length + config.window_length
