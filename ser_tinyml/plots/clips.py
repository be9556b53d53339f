"""Pictures of stage 01: how many clips, how long, how loud, and what they look like."""

from __future__ import annotations

from collections.abc import Mapping

import librosa
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from ser_tinyml.data import corpora
from ser_tinyml.plots.style import colours_of

# Of the spectrograms: fine enough for the harmonics of a low voice, 80 Hz apart.
_MELS, _N_FFT, _WINDOW, _HOP = 160, 2048, 1024, 80
_QUIET_DB = 35.0  # below the loudest moment: silence, before and after the speech
_MARGIN_S = 0.05  # of it that is shown
UNITS = {  # of the numbers of `systems.parts.light_features` that have one
    **dict.fromkeys(("intensity", "intensity deviation", "intensity peak"), "dB"),
    **dict.fromkeys(("HNR", "HNR deviation", "flatness"), "dB"),
    **dict.fromkeys(("F0", "F0 deviation", "F0 lowest", "F0 highest"), "octaves"),
    "F0 change": "octaves a frame",
    **dict.fromkeys(("centroid", "centroid deviation", "spread"), "Hz"),
    **dict.fromkeys(("roll-off", "roll-off deviation"), "Hz"),
    **dict.fromkeys(("voiced share", "jitter", "shimmer"), "share"),
    **dict.fromkeys(("zero crossings", "zero crossings deviation"), "crossings a sample"),
    "speech s": "s",
}


def counts(clips: pd.DataFrame) -> Figure:
    """Clips a corpus and emotion, as a table in colours."""
    table = pd.crosstab(clips["corpus"], clips["emotion"])
    names = corpora.order(clips["corpus"])
    table = table.reindex(index=names, columns=_emotions(clips), fill_value=0)
    figure, axes = plt.subplots(figsize=(9, 0.8 + 0.55 * len(table)))
    sns.heatmap(table, annot=True, fmt="d", cmap="Blues", mask=table == 0, cbar=False, ax=axes)
    axes.set(title="Clips by corpus and emotion", xlabel="", ylabel="")
    axes.tick_params(axis="y", rotation=0)
    axes.grid(visible=False)
    return figure


def counts_by_speaker(clips: pd.DataFrame) -> Figure:
    """Clips a speaker, stacked by emotion, a row of bars a corpus."""
    names = corpora.order(clips["corpus"])
    colours = colours_of(_emotions(clips))
    most = clips.groupby("corpus")["speaker"].nunique().max()
    figure, rows = plt.subplots(len(names), 1, figsize=(9, 1.7 * len(names)), squeeze=False)
    for axes, corpus in zip(rows[:, 0], names, strict=True):
        chosen = clips[clips["corpus"] == corpus]
        table = pd.crosstab(chosen["speaker"].str.removeprefix(f"{corpus}-"), chosen["emotion"])
        bottom = np.zeros(len(table))
        for emotion in _emotions(chosen):
            height = table[emotion].to_numpy()
            axes.bar(table.index, height, 0.85, bottom=bottom, color=colours[emotion], linewidth=0)
            bottom += height
        speakers = f"{len(table)} speaker{'s' if len(table) > 1 else ''}"
        axes.set_title(f"{corpus}: {len(chosen):,} clips, {speakers}", fontsize=10, loc="left")
        axes.set_ylabel("clips")
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.grid(visible=False, axis="x")
        places = max(len(table), min(16, most))  # two speakers get bars, not slabs
        axes.set_xlim(-0.6, places - 0.4)
        sns.despine(ax=axes, left=True)
        if len(table) > 30:
            axes.set_xticks(axes.get_xticks()[:: -(-len(table) // 15)])
    rows[-1, 0].set_xlabel("speaker")
    patches = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in colours.values()]
    figure.legend(patches, colours, loc="outside upper center", ncols=8, frameon=False)
    return figure


def durations(clips: pd.DataFrame) -> Figure:
    """How long the clips are, in seconds."""
    return _by_corpus(
        clips,
        clips["duration_s"],
        title="Length of the clips",
        label="duration (s)",
        step=0.1,
    )


def levels(clips: pd.DataFrame) -> Figure:
    """How loud the clips are: RMS in dB below full scale."""
    return _by_corpus(
        clips,
        20 * np.log10(clips["rms"]),
        title="Level of the clips",
        label="RMS level (dB relative to full scale)",
        step=1.0,
    )


def waveforms_and_spectrograms(
    sounds: Mapping[str, np.ndarray], *, sample_rate: int, speaker: str
) -> Figure:
    """The waveform and the mel spectrogram of one clip an emotion.

    The waveforms share one scale, so the eye can compare levels; each spectrogram has its own, so
    it can compare shapes. The silence before and after the speech is left out.

    Parameters
    ----------
    sounds
        emotion -> samples [shape=(n,)].
    sample_rate
        In Hz.
    speaker
        For the title.
    """
    sounds = {emotion: _speech(one, sample_rate) for emotion, one in sounds.items()}
    pairs = -(-len(sounds) // 4)
    figure, grid = plt.subplots(
        2 * pairs,
        4,
        figsize=(10, 3.8 * pairs),
        squeeze=False,
        sharex=True,
        height_ratios=[1, 2.8] * pairs,
    )
    longest = max(len(samples) for samples in sounds.values()) / sample_rate
    highest = max(np.abs(samples).max() for samples in sounds.values())
    colours = colours_of(list(sounds))
    for place, (emotion, samples) in enumerate(sounds.items()):
        row, column = 2 * (place // 4), place % 4
        wave, spectrum = grid[row, column], grid[row + 1, column]
        time = np.arange(len(samples)) / sample_rate
        wave.plot(time, samples, color=colours[emotion], linewidth=0.5)
        wave.set(title=emotion, ylim=(-highest, highest), xlim=(0, longest), yticks=[])
        image = _spectrogram(spectrum, samples, sample_rate, names=column == 0)
        if column == 0:
            wave.set_ylabel("amplitude")
        spectrum.tick_params(labelbottom=True)
        if place >= len(sounds) - 4:
            spectrum.set_xlabel("time (s)")
    for place in range(len(sounds), 4 * pairs):
        for axes in grid[2 * (place // 4) : 2 * (place // 4) + 2, place % 4]:
            axes.set_axis_off()
    label = "power (dB, the clip's loudest is 0)"
    figure.colorbar(image, ax=grid, label=label, shrink=0.6, aspect=40)
    figure.suptitle(f"One voice, {len(sounds)} emotions ({speaker})", fontweight="bold")
    return figure


def _speech(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """From the first loud moment to the last, and a little around it."""
    _, (first, last) = librosa.effects.trim(
        samples, top_db=_QUIET_DB, ref=np.max, frame_length=512, hop_length=160
    )
    margin = round(_MARGIN_S * sample_rate)
    return samples[max(first - margin, 0) : last + margin]


def _spectrogram(axes: Axes, samples: np.ndarray, sample_rate: int, *, names: bool) -> AxesImage:
    """Mel bands over time, and what the bands are in kHz."""
    decibel = _mel_db(samples, sample_rate)
    image = axes.imshow(
        decibel - decibel.max(),
        origin="lower",
        aspect="auto",
        extent=(0, len(samples) / sample_rate, 0, _MELS),
        cmap="magma",
        vmin=-60,
        vmax=0,
    )
    axes.grid(visible=False)
    mels = librosa.mel_frequencies(_MELS, fmin=0, fmax=sample_rate / 2)
    ticks = np.interp([250, 1000, 3000], mels, range(_MELS))
    axes.set_yticks(ticks, ["0.25", "1", "3"] if names else [])
    if names:
        axes.set_ylabel("frequency (kHz, mel)")
    return image


def _mel_db(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=sample_rate,
        n_fft=_N_FFT,
        win_length=_WINDOW,
        window="hann",
        hop_length=_HOP,
        n_mels=_MELS,
        fmin=0.0,
        fmax=sample_rate / 2,
        center=True,
        pad_mode="constant",
        power=2.0,
    )
    return 10 * np.log10(np.maximum(power, 1e-12))


def _by_corpus(
    clips: pd.DataFrame, values: pd.Series, *, title: str, label: str, step: float
) -> Figure:
    """Outlined histograms, one above the other, each in shares of its corpus."""
    names = corpora.order(clips["corpus"])
    edges = np.arange(np.floor(values.min() / step), np.ceil(values.max() / step) + 2) * step
    figure, rows = plt.subplots(
        len(names), 1, figsize=(9, 1.0 + 0.9 * len(names)), sharex=True, squeeze=False
    )
    for axes, corpus in zip(rows[:, 0], names, strict=True):
        chosen = values[clips["corpus"] == corpus]
        colour = corpora.colour(corpus)
        share = np.full(len(chosen), 100 / len(chosen))
        axes.hist(chosen, edges, weights=share, color=colour, alpha=0.75, linewidth=0)
        axes.set_ylim(top=1.35 * axes.get_ylim()[1])  # room for the text
        axes.axvline(chosen.median(), color="black", linewidth=1)
        axes.text(
            chosen.median(),
            0.96,
            f" median {chosen.median():.1f}",
            transform=axes.get_xaxis_transform(),
            va="top",
            fontsize=9,
        )
        axes.set_ylabel(corpus, rotation=0, ha="right", va="center", color=colour, weight="bold")
        axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        axes.grid(visible=False, axis="y")
    rows[0, 0].set_title(f"{title} (% of each corpus)")
    rows[-1, 0].set_xlabel(label)
    return figure


def _emotions(clips: pd.DataFrame) -> list[str]:
    return corpora.order_emotions(clips["emotion"])


def moved(values: pd.DataFrame, clips: pd.DataFrame, *, columns: int = 4) -> Figure:
    """What each number of a clip does with the emotion: a panel a number, a box an emotion.

    Parameters
    ----------
    values
        A column a number, a line a clip, with the units of `UNITS`; what a speaker's numbers are in
        the mean is taken off before, so that boxes show the emotion and not the voice.
    clips
        Columns speaker and emotion, in the same order.
    columns
        Panels in a row.
    """
    speakers = clips["speaker"].to_numpy()
    relative = values.reset_index(drop=True)
    relative = relative - relative.groupby(speakers).transform("mean")
    emotions = _emotions(clips)
    colours = colours_of(emotions)
    rows = -(-values.shape[1] // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(10, 2.2 * rows), squeeze=False)
    for axes, name in zip(grid.flat, relative, strict=False):
        boxes = [relative.loc[clips["emotion"].to_numpy() == one, name] for one in emotions]
        drawn = axes.boxplot(boxes, showfliers=False, patch_artist=True, widths=0.7)
        for box, emotion in zip(drawn["boxes"], emotions, strict=True):
            box.set_facecolor(colours[emotion])
        axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.set_title(name)
        axes.set_ylabel(UNITS.get(name, ""), fontsize=9)
        axes.set_xticks(range(1, len(emotions) + 1), emotions, rotation=60, ha="right", fontsize=7)
    for axes in list(grid.flat)[values.shape[1] :]:
        axes.set_visible(False)
    figure.suptitle("Against the speaker's own mean", x=0.01, ha="left")
    return figure
