"""What the tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import small_training

from ser_tinyml.nets.keras import tf
from ser_tinyml.training.batches import Frames


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, pd.DataFrame]:
    return small_training.make_data()


@pytest.fixture(scope="module")
def frames(data) -> Frames:
    return small_training.make_frames(data)


@pytest.fixture
def eager() -> Iterator[None]:
    """For single steps and a few short epochs, which building a graph takes longer than."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
