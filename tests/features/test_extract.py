"""Extraction: every row the same whatever the order, resumable, and fast without other numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile

from ser_tinyml import features
from ser_tinyml.apps import bench
from ser_tinyml.features import extract, frame_augment, preset
from ser_tinyml.files import DataError
from ser_tinyml.sound import augment, reading
from ser_tinyml.sound.augment import AugmentConfig


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Seventy short recordings: three chunks."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for number in range(70):
        time = np.arange(30_000) / 22_050
        tone = np.sin(2 * np.pi * (120 + 5 * number) * time) * np.sin(4 * time)
        samples = 0.2 * tone + 0.001 * rng.normal(size=30_000)
        soundfile.write(folder / f"{number}.wav", samples, 22_050)
    return folder


@pytest.fixture(scope="module")
def clips() -> pd.DataFrame:
    numbers = [str(number) for number in range(70)]
    paths = [f"{number}.wav" for number in numbers]
    return pd.DataFrame(
        {"key": [f"TESS/{number}" for number in numbers], "path": paths, "sha256": numbers}
    )


def table(clips, variants) -> pd.DataFrame:
    return pd.DataFrame(
        {"key": clips["key"].repeat(len(variants)), "variant": list(variants) * len(clips)}
    ).reset_index(drop=True)


def compute(rows, clips, recordings, folder, **changes) -> np.ndarray:
    options = {"config": preset("default"), "augmentation": AugmentConfig(), "seed": 0, "jobs": 2}
    path = extract.compute_features(
        rows, clips, recordings=recordings, folder=folder, progress=False, **{**options, **changes}
    )
    return np.load(path)


def test_rows_do_not_depend_on_their_neighbours_or_jobs(recordings, clips, tmp_path) -> None:
    rows = table(clips, ["clean", "random_1"])
    whole = compute(rows, clips, recordings, tmp_path / "whole")
    assert whole.shape == (140, *preset("default").feature_shape)
    some = rows[rows["key"].isin(clips["key"][50:55])].reset_index(drop=True)
    part = compute(some, clips, recordings, tmp_path / "part", jobs=1)
    np.testing.assert_array_equal(part, whole[100:110])
    assert not np.array_equal(whole[0], whole[1])


def test_a_loud_row_is_the_clip_over_full_scale(recordings, clips, tmp_path) -> None:
    rows = table(clips[:40], ["clean", "loud"])
    found = compute(rows, clips, recordings, tmp_path)
    config, louder = preset("default"), []
    for number in range(40):
        sound, rate = reading.read_audio(recordings / f"{number}.wav")
        sound = features.prepare(sound, rate=rate, config=config)
        rng = extract.row_rng(0, f"TESS/{number}", "loud")
        louder.append(rng.uniform(*augment.LOUD_DB))
        clipped = np.clip(sound / np.abs(sound).max() * 10 ** (louder[-1] / 20), -1, 1)
        bands = features.log_mel(clipped, config)
        expected = features.from_bands(bands, features.onset(bands, config), config)
        np.testing.assert_allclose(found[2 * number + 1], expected, atol=1e-3)
    assert min(louder) < 13 and max(louder) > 21


def test_takes_up_where_it_stopped(recordings, clips, tmp_path, monkeypatch) -> None:
    rows = table(clips, ["clean"])
    first = compute(rows, clips, recordings, tmp_path)
    chunks = sorted((tmp_path / "chunks").iterdir())
    assert len(chunks) == 3
    chunks[0].unlink()
    before = chunks[1].stat().st_mtime_ns
    np.testing.assert_array_equal(compute(rows, clips, recordings, tmp_path), first)
    assert chunks[1].stat().st_mtime_ns == before


def test_other_settings_make_other_chunks(recordings, clips, tmp_path) -> None:
    rows = table(clips, ["clean", "random_1"])
    first = compute(rows, clips, recordings, tmp_path)
    other = compute(rows, clips, recordings, tmp_path, seed=1)
    np.testing.assert_array_equal(first[::2], other[::2])
    assert not np.array_equal(first[1::2], other[1::2])
    assert len(list((tmp_path / "chunks").iterdir())) == 3  # the stale ones are gone


def test_windows_are_the_bands_around_the_features(recordings, clips, tmp_path) -> None:
    config = preset("default")
    some = clips[:40]
    rows = table(some, ["clean", "random_1"])
    without = compute(rows, some, recordings, tmp_path / "without")
    assert not (tmp_path / "without" / "windows.npy").exists()
    with_windows = compute(rows, some, recordings, tmp_path / "with", windows=True)
    np.testing.assert_array_equal(with_windows, without)
    windows = np.load(tmp_path / "with" / "windows.npy")
    margin = frame_augment.margin(config)
    assert windows.shape == (80, config.n_frames + 2 * margin, config.n_mels)
    assert windows.dtype == np.float16
    for row, number in ((0, 0), (64, 32)):  # the first of either chunk
        samples, rate = reading.read_audio(recordings / clips["path"][number])
        samples = features.prepare(samples, rate=rate, config=config)
        bands = features.log_mel(samples, config)
        expected = frame_augment.window(bands, features.onset(bands, config), config)
        np.testing.assert_array_equal(windows[row], expected.astype(np.float16))
    own = windows[:, margin : margin + config.n_frames].astype(np.float64)
    again = features.cepstra(own, config).reshape(without.shape)
    assert abs(again - without).max() < 2  # what half a sixteenth of a dB a band can come to


def test_tracks_are_the_pitch_of_the_windows_frames(recordings, clips, tmp_path) -> None:
    config = preset("default", pitch=True)
    some = clips[:3]
    rows = table(some, ["clean", "random_1"])
    found = compute(rows, some, recordings, tmp_path, config=config, windows=True, jobs=1)
    tracks, windows = (np.load(tmp_path / name) for name in ("tracks.npy", "windows.npy"))
    assert tracks.dtype == np.float16 and tracks.shape == (*windows.shape[:2], 2)
    samples, rate = reading.read_audio(recordings / clips["path"][1])
    samples = features.prepare(samples, rate=rate, config=config)
    start = features.onset(features.log_mel(samples, config), config)
    track = features.pitch_track(samples, config)
    expected = frame_augment.track_window(track, start, config)
    np.testing.assert_array_equal(tracks[2], expected.astype(np.float16))
    margin = frame_augment.margin(config)
    own = tracks[:, margin : margin + config.n_frames]
    again = features.pitch_inputs(own)
    whole = found.reshape(len(rows), config.n_frames, -1)[:, :, -3:]
    assert (abs(again - whole) < 0.01).mean() > 0.97  # a voicing on the edge may fall
    plain = compute(rows, some, recordings, tmp_path / "plain", windows=True, jobs=1)
    assert plain.shape[2] == 80 and not (tmp_path / "plain" / "tracks.npy").exists()


def test_windows_are_kept_in_chunks_of_their_own(recordings, clips, tmp_path) -> None:
    rows = table(clips, ["clean"])
    compute(rows, clips, recordings, tmp_path)
    compute(rows, clips, recordings, tmp_path, windows=True)
    first = np.load(tmp_path / "windows.npy")
    chunks = sorted((tmp_path / "chunks").iterdir())
    assert len(chunks) == 3
    chunks[0].unlink()
    (tmp_path / "windows.npy").unlink()
    compute(rows, clips, recordings, tmp_path, windows=True)
    np.testing.assert_array_equal(np.load(tmp_path / "windows.npy"), first)


def test_a_missing_recording_is_named(recordings, clips, tmp_path) -> None:
    bad = clips.assign(path=clips["path"].where(clips["key"] != "TESS/3", "gone.wav"))
    with pytest.raises(DataError, match=r"gone\.wav"):
        compute(table(bad, ["clean"]), bad, recordings, tmp_path)


def test_equal_to_the_straightforward_loop(recordings, clips, tmp_path) -> None:
    some = clips[:6]
    found = compute(
        table(some, extract.ORIGINAL_VARIANTS), some, recordings, tmp_path, config=bench.CONFIG
    )
    for number, (key, path) in enumerate(zip(some["key"], some["path"], strict=True)):
        expected = bench.straightforward(recordings / path, key=key)
        np.testing.assert_allclose(found[2 * number : 2 * number + 2], expected, atol=1e-4)
