"""Figures of stage 02: who is where, what a clip becomes, what augmentation does to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import librosa
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_tinyml import features
from ser_tinyml.data import corpora, splits
from ser_tinyml.data.corpus import OTHER
from ser_tinyml.features import FeatureConfig
from ser_tinyml.plots.style import colours_of

SPLIT_COLOURS = {splits.TRAIN: "#7f8fa6", splits.VALIDATION: "#e0a030", splits.TEST: "#b8323c"}


def split_overview(rows: pd.DataFrame) -> Figure:
    """Clips of every speaker, and below of every class, by the side of the split they are on.

    Parameters
    ----------
    rows
        From `rows.plan_rows`.
    """
    clips = rows.drop_duplicates(["key", "split"])
    names = corpora.order(clips["corpus"])
    counts = clips.groupby(["corpus", "speaker", "split"]).size().unstack(fill_value=0)
    widths = [max(len(counts.loc[corpus]), 6) for corpus in names]
    figure = plt.figure(figsize=(12, 5.4))
    above, below = figure.subfigures(2, 1, height_ratios=(3.2, 2.2))
    axes = above.subplots(1, len(names), width_ratios=widths, squeeze=False)[0]
    for axis, corpus in zip(axes, names, strict=True):
        part = counts.loc[corpus]
        _sides(axis, part)
        speakers = [speaker.removeprefix(f"{corpus}-") for speaker in part.index]
        step = 1 + len(speakers) // 30
        axis.set_xticks(range(0, len(speakers), step), speakers[::step], rotation=90, fontsize=7)
        axis.set_title(corpus)
        axis.set_xlabel("speaker")
    axes[0].set_ylabel("clips")
    of_class = clips.groupby(["label_id", "label", "split"]).size().unstack(fill_value=0)
    of_class = of_class.droplevel("label_id").loc[lambda t: sorted(t.index, key=OTHER.__eq__)]
    axis = below.subplots()
    _sides(axis, of_class)
    axis.set_xticks(range(len(of_class)), of_class.index)
    axis.set(xlabel="class", ylabel="clips")
    sides = {side: colour for side, colour in SPLIT_COLOURS.items() if side in counts}
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in sides.values()]
    above.legend(handles, sides, loc="outside upper center", ncols=len(sides), frameon=False)
    return figure


def _sides(axis: Axes, counts: pd.DataFrame) -> None:
    """A bar a line, stacked by side of the split."""
    bottom = np.zeros(len(counts))
    for split, colour in SPLIT_COLOURS.items():
        if split in counts:
            axis.bar(range(len(counts)), counts[split], bottom=bottom, color=colour, width=0.8)
            bottom += counts[split].to_numpy()
    axis.set_ylim(top=1.08 * bottom.max())
    axis.set_xlim(-0.6, max(len(counts), 6) - 0.4)  # one speaker gets a bar, not a slab
    axis.grid(axis="x", visible=False)


def clip_to_features(
    samples: np.ndarray, config: FeatureConfig, *, title: str, unprepared_s: float
) -> Figure:
    """One clip as waveform, mel bands with the part that is used, and features.

    Parameters
    ----------
    samples [shape=(n,)]
        From `features.prepare`.
    unprepared_s
        Seconds of the recording as it was, for the title.
    """
    bands = features.log_mel(samples, config)
    start = features.onset(bands, config)
    hop_s = config.hop_length / config.sample_rate
    frames = features.waveform_features(samples, config).reshape(config.n_frames, config.n_values)
    begins_s, ends_s = start * hop_s, (start + config.n_frames) * hop_s
    sound_ends_s = len(samples) / config.sample_rate
    figure, axes = plt.subplots(3, 1, figsize=(10, 6.4), sharex=True)
    time = np.arange(len(samples)) / config.sample_rate
    axes[0].plot(time, samples, linewidth=0.5, color="#34495e")
    used = f", of which {sound_ends_s:.2f} s are used" if sound_ends_s < unprepared_s - 0.01 else ""
    axes[0].set(ylabel="amplitude", title=f"{title}: {unprepared_s:.2f} s{used}")
    extent = (0, len(bands) * hop_s, 0, config.n_mels)
    look = {"origin": "lower", "aspect": "auto"}
    dark = {"cmap": "magma", "vmin": bands.max() - config.range_db}
    mesh = axes[1].imshow(bands.T, extent=extent, **dark, **look)
    goes_on = sound_ends_s - ends_s > hop_s  # there is sound that the net does not hear
    for second in (begins_s, ends_s) if goes_on else (begins_s,):
        axes[1].axvline(second, color="white", linestyle="--", linewidth=1.5)
    axes[1].set(ylabel="mel band", facecolor="black")
    heard = "what is between the dashed lines" if goes_on else "from the dashed line on"
    axes[1].set_title(f"log mel bands; the net hears {heard}")
    figure.colorbar(mesh, ax=axes[1], label="dB")
    heard = frames[: max(len(bands) - start, 1)]  # what follows is silence, put there to fill up
    scaled = (frames - heard.mean(axis=0)) / (heard.std(axis=0) + 1e-6)
    extent = (begins_s, ends_s, -0.5, config.n_values - 0.5)
    red_blue = {"cmap": "RdBu_r", "vmin": -3, "vmax": 3}
    mesh = axes[2].imshow(scaled.T, extent=extent, **red_blue, **look)
    axes[2].set(xlabel="time (s)", ylabel="coefficient", xlim=(0, max(ends_s, sound_ends_s)))
    axes[2].set_yticks(range(0, config.n_values, 5))
    size = f"{config.n_frames} frames of {config.n_values} values"
    axes[2].set_title(f"the features: {size}, each row by its own mean and deviation")
    figure.colorbar(mesh, ax=axes[2], label="deviations")
    for axis in axes:
        axis.grid(visible=False)
    return figure


def versions(named: Mapping[str, np.ndarray], *, sample_rate: int) -> Figure:
    """Versions of one clip, each as waveform and spectrogram.

    Parameters
    ----------
    named
        Title -> samples [shape=(n,)].
    """
    figure, axes = plt.subplots(len(named), 2, figsize=(11, 1.5 * len(named)), sharex=True)
    longest = max(map(len, named.values())) / sample_rate
    top = max(np.abs(samples).max() for samples in named.values())
    for (left, right), (title, samples) in zip(axes, named.items(), strict=True):
        time = np.arange(len(samples)) / sample_rate
        left.plot(time, samples, linewidth=0.4, color="#34495e")
        left.set(ylim=(-top, top), xlim=(0, longest))
        left.set_title(title, loc="left", fontsize=10)
        spectrum = librosa.stft(samples.astype(np.float32), n_fft=512, hop_length=128)
        decibel = librosa.amplitude_to_db(np.abs(spectrum), ref=np.max, top_db=70)
        right.imshow(
            decibel,
            origin="lower",
            aspect="auto",
            extent=(0, len(samples) / sample_rate, 0, sample_rate / 2000),
            cmap="magma",
        )
        right.set_ylabel("kHz")
        for axis in (left, right):
            axis.grid(visible=False)
    for axis in axes[-1]:
        axis.set_xlabel("seconds")
    return figure


def spectrograms(named: Mapping[str, np.ndarray], *, seconds: float, columns: int = 3) -> Figure:
    """Spectrograms side by side, as a net sees them.

    Parameters
    ----------
    named
        Title -> levels [shape=(bands, frames)], 0 to 1.
    seconds
        That each lasts.
    """
    rows = -(-len(named) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(11, 2.1 * rows + 0.3), sharex=True, sharey=True, squeeze=False
    )
    for axis, (title, levels) in zip(axes.flat, named.items(), strict=False):
        extent = (0, seconds, 0, len(levels))
        axis.imshow(
            levels, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=0, vmax=1
        )
        axis.set_title(title, loc="left", fontsize=10)
        axis.grid(visible=False)
    for axis in axes.flat[len(named) :]:
        axis.set_visible(False)
    figure.supxlabel("seconds")
    figure.supylabel("mel band")
    return figure


def feature_distributions(
    array: np.ndarray, rows: pd.DataFrame, *, n_values: int, coefficients: Sequence[int]
) -> Figure:
    """How some coefficients are distributed over the clean training rows, by class and corpus.

    Parameters
    ----------
    array [shape=(rows, steps, n_inputs)]
    rows
        In the order of the array.
    n_values
        Of a frame.
    """
    of_class = (rows["split"] == splits.TRAIN) & (rows["label_id"] >= 0)
    part = rows[of_class].groupby("key").head(1).sort_values("label_id", kind="stable")
    order = corpora.order(part["corpus"])
    means = np.asarray(array[part["row"].to_numpy()]).reshape(len(part), -1, n_values).mean(axis=1)
    figure, axes = plt.subplots(1, len(coefficients), figsize=(12, 3.4), squeeze=False)
    for axis, coefficient in zip(axes[0], coefficients, strict=True):
        sns.boxplot(
            x=part["corpus"].to_numpy(),
            order=order,
            y=means[:, coefficient],
            hue=part["label"].to_numpy(),
            palette=colours_of(part["label"].unique()),
            fliersize=0,
            linewidth=0.8,
            ax=axis,
            legend=coefficient == coefficients[-1],
        )
        axis.set(title=f"MFCC {coefficient}", xlabel="", ylabel="")
        axis.tick_params(axis="x", rotation=30)
    axes[0, 0].set_ylabel("mean over the clip")
    sns.move_legend(axes[0, -1], "upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure
