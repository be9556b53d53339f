"""The pictures of stage 01 show what is in the table."""

from __future__ import annotations

from collections.abc import Iterator

import librosa
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from make_audio import noise

from ser_tinyml.plots import clips as plots
from ser_tinyml.systems.parts import light_features


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def clips() -> pd.DataFrame:
    rows = [("TESS", "TESS-OAF", "sad", 2.0, 0.1)] * 3
    rows += [("TESS", "TESS-YAF", "surprise", 2.5, 0.01)] * 2
    rows += [("CREMA-D", f"CREMA-D-{actor}", "angry", 1.0, 0.001) for actor in range(1001, 1092)]
    return pd.DataFrame(rows, columns=["corpus", "speaker", "emotion", "duration_s", "rms"])


def test_counts_are_written_into_the_table(clips):
    (axes,) = plots.counts(clips).axes
    assert [text.get_text() for text in axes.texts] == ["91", "3", "2"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["CREMA-D", "TESS"]


def test_bars_add_up_to_the_clips(clips):
    figure = plots.counts_by_speaker(clips)
    heights = [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes]
    assert heights == [91, 5]
    assert len(figure.axes[0].get_xticks()) < 20  # 91 names would not be readable


def test_histograms_are_shares_of_each_corpus(clips):
    for figure in (plots.durations(clips), plots.levels(clips)):
        for axes in figure.axes:
            assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(100)


def test_levels_are_in_decibels(clips):
    figure = plots.levels(clips)
    assert [axes.texts[0].get_text() for axes in figure.axes] == [" median -60.0", " median -20.0"]


@pytest.mark.parametrize("count", [1, 4, 7])
def test_waveforms_and_spectrograms(count):
    emotions = ["neutral", "calm", "happy", "sad", "angry", "fear", "disgust"][:count]
    sounds = {emotion: noise(seed=1, n=4000 + 100 * n) for n, emotion in enumerate(emotions)}
    figure = plots.waveforms_and_spectrograms(sounds, sample_rate=16_000, speaker="SAVEE-DC")
    images = [image.get_array() for axes in figure.axes for image in axes.images]
    assert len(images) == count
    for image in images:
        assert image.shape[0] == 160
        assert np.max(image) == 0
    figure.canvas.draw()


def test_spectrograms_show_the_speech_without_the_silence_and_its_harmonics() -> None:
    rate, pitch = 16_000, 110.0
    time = np.arange(rate) / rate
    voice = sum(np.sin(2 * np.pi * pitch * n * time) for n in range(1, 9)) / 8
    silence = np.zeros(rate)
    sounds = {"neutral": np.concatenate([silence, voice, silence]).astype(np.float32)}
    figure = plots.waveforms_and_spectrograms(sounds, sample_rate=rate, speaker="one")
    (image,) = [image for axes in figure.axes for image in axes.images]
    assert image.get_extent()[1] == pytest.approx(1.0, abs=0.2)  # seconds, of three
    level = np.mean(image.get_array(), axis=1)
    mels = librosa.mel_frequencies(len(level) + 2, fmin=0, fmax=rate / 2)[1:-1]
    peaks = [np.interp(pitch * n, mels, level) for n in range(2, 8)]
    valleys = [np.interp(pitch * (n + 0.5), mels, level) for n in range(2, 8)]
    assert min(peaks) > max(valleys) + 10  # dB


def test_panels_have_the_units_of_the_numbers() -> None:
    assert plots.UNITS.keys() <= set(light_features.NAMES)
    clips = pd.DataFrame({"speaker": ["a", "a"], "emotion": ["sad", "angry"]})
    values = pd.DataFrame({"F0": [0.1, 0.2], "roll-off": [1e3, 2e3], "flux": [0.1, 0.2]})
    figure = plots.moved(values, clips, columns=3)
    assert [axes.get_ylabel() for axes in figure.axes] == ["octaves", "Hz", ""]


def test_numbers_move_with_the_emotion_against_the_speaker() -> None:
    clips = pd.DataFrame({"speaker": ["a", "a", "b", "b"], "emotion": ["sad", "angry"] * 2})
    values = pd.DataFrame({"F0": [100.0, 120.0, 200.0, 220.0], "level": [1.0, 1.0, 5.0, 5.0]})
    figure = plots.moved(values, clips, columns=3)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["F0", "level"]
    heights = {line.get_ydata()[0] for line in panels[0].lines if len(set(line.get_ydata())) == 1}
    assert {-10.0, 10.0} <= heights
