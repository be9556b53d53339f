"""One of the field's systems answers what somebody uploads, with a model that a run trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_folds
import small_systems as small

from ser_tinyml.apps import field, page, upload
from ser_tinyml.files import DataError
from ser_tinyml.systems import registry, trials


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A run in which the small system is trained, where the page looks for such."""
    material = small.material(tmp_path / "recordings")
    material = replace(material, folder=tmp_path / "run" / "systems")
    small_folds.deal(monkeypatch, material.clips)
    monkeypatch.setattr(field, "RUN", tmp_path / "run")
    with small.registered() as system:
        trials.run(system, material, test_folds=[0], jobs=1, progress=False)
        yield tmp_path


def test_systems_that_a_run_trained_are_found(run_dir, tmp_path) -> None:
    assert [system.name for system in field.trained(field.RUN)] == ["small"]
    assert field.trained(tmp_path / "recordings") == []


def test_a_recording_is_answered_as_by_the_model_and_what_is_none_is_refused(run_dir) -> None:
    clip = small.clips().iloc[0]
    path = run_dir / "recordings" / clip["path"]
    found = upload._of_system(path, "mine.wav", Path("none.png"), "small")
    features = field.features_of(small.SYSTEM, path)
    runner = field.runner_of(small.SYSTEM, None, shape=features.shape)
    expected = runner.predict(features[np.newaxis])[0]
    assert found["file"] == "mine.wav" and found["system"] == "small"
    np.testing.assert_allclose([*found["probabilities"].values()], expected)
    assert found["label"] == "low" and clip["emotion"] in small.CLASSES["low"]
    with pytest.raises(DataError, match="more than 0 s of sound"):
        field.features_of(small.SYSTEM, path, longest_s=0.1)
    bad = run_dir / "bad.wav"
    bad.write_bytes(b"no sound")
    said = upload._of_system(bad, "bad.wav", Path("none.png"), "small")
    assert said["error"].startswith("bad.wav: expected a recording")
    assert page.table_of_system([found, said]) == [
        {"file": "mine.wav", "answer": "low", **found["probabilities"]}
    ]


def test_tabs_have_short_names_that_differ() -> None:
    systems = [registry.find(name) for name in ("light_svm", "light_published_svm", "mixtures")]
    assert page._tabs(systems) == [systems[0].title, systems[1].title, "Gaussian mixtures"]
