"""Synthetic speech for the systems."""

from __future__ import annotations

import pytest

from ser_tinyml.data import dataset, demo
from ser_tinyml.systems.trials import SystemMaterial


@pytest.fixture(scope="session")
def spoken(tmp_path_factory) -> SystemMaterial:
    """A clip of each emotion by each of the RAVDESS speakers, spoken here."""
    folder = tmp_path_factory.mktemp("spoken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "_all_clips", demo._ravdess)  # the other corpora are not needed
        recordings = demo.ensure(folder / "demo", scale=0.01, progress=False)
    clips = dataset.scan(recordings, progress=False).clips
    return SystemMaterial(clips, recordings, folder / "made")
