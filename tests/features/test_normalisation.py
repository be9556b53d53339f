"""Mean and deviation of each input, and their file."""

from __future__ import annotations

import numpy as np
import pytest

from ser_tinyml.features.normalisation import Normalisation
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
