"""Mean and deviation of each input, and their file."""

from __future__ import annotations

import numpy as np
import pytest

from ser_tinyml.features.normalisation import BLOCK, Normalisation, Selected, blocks
from ser_tinyml.files import DataError


def test_normalisation_survives_its_file(tmp_path) -> None:
    rng = np.random.default_rng(0)
    before = Normalisation.fit(rng.normal(5, 3, size=(20, 4, 2)).astype(np.float32))
    after = Normalisation.load(before.save(tmp_path / "normalisation.json"))
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.std, after.std)
    (tmp_path / "bad.json").write_text('{"mean": [1, 2], "std": [1]}')
    with pytest.raises(DataError, match="bad.json"):
        Normalisation.load(tmp_path / "bad.json")


def test_rows_taken_some_at_a_time_give_the_bits_of_all_at_once() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(-40, 25, size=(2 * BLOCK + 77, 3, 5)).astype(np.float32)
    found = Normalisation.fit(features)
    mean, std = (f(axis=(0, 1), dtype=np.float64) for f in (features.mean, features.std))
    np.testing.assert_array_equal(found.mean, mean.astype(np.float32))
    np.testing.assert_array_equal(found.std, std.astype(np.float32))
    some = rng.permutation(len(features))[: BLOCK + 5]
    same = Normalisation.fit(Selected(features, some))
    np.testing.assert_array_equal(same.mean, Normalisation.fit(features[some]).mean)


def test_selected_rows_are_read_when_they_are_asked_for(tmp_path) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.arange(60, dtype=np.float32).reshape(10, 3, 2))
    features = np.load(path, mmap_mode="r")
    rows = np.array([7, 2, 5])
    chosen = Selected(features, rows, Normalisation.fit(features))
    expected = Normalisation.fit(features).apply(features[rows])
    assert (len(chosen), chosen.shape) == (3, expected.shape)
    np.testing.assert_array_equal(chosen[:], expected)
    np.testing.assert_array_equal(chosen[np.array([2, 0])], expected[[2, 0]])
    np.testing.assert_array_equal(np.concatenate([*blocks(chosen, 2)]), expected)
    assert [len(some) for some in blocks(chosen, 2)] == [2, 1]
