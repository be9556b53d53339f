"""A class set and a feature preset from outside: a few lines of YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import contributing
import nbformat
import pandas as pd
import pytest

from ser_tinyml import features
from ser_tinyml.features.rows import RowPlan
from ser_tinyml.files import DataError
from ser_tinyml.workflow import parameters
from ser_tinyml.workflow.paths import Paths

EXPERIMENT = contributing.example("new_classes", "yaml")
NOTEBOOKS = contributing.ROOT / "notebooks"


def read(folder: Path, text: str, **more: Any) -> RowPlan:
    """The plan of stage 02, from an experiment's file and the notebooks as they are."""
    (folder / "arousal.yaml").write_text(text, encoding="utf-8")
    stages = ("02_features", "03_train", "04_convert")
    defaults = {
        stage: parameters.defaults_of(nbformat.read(NOTEBOOKS / f"{stage}.ipynb", 4), stage)
        for stage in stages
    }
    experiment = {**parameters.experiment("arousal", folder=folder), **more}
    given = parameters.given(experiment, defaults, paths=Paths(NOTEBOOKS))
    return RowPlan.of({**defaults[stages[0]], **given[stages[0]]})


def test_a_class_set_and_a_feature_preset_are_read_from_an_experiment(tmp_path) -> None:
    plan = read(tmp_path, EXPERIMENT)
    assert plan.classes == ["calm", "aroused"]
    assert plan.features == features.preset("default", name="short", n_frames=64, n_mfcc=13)
    assert plan.features.causal
    assert read(tmp_path, EXPERIMENT, **{"features.n_mfcc": "10"}).features.n_mfcc == 10


def test_an_emotion_that_nobody_recorded_is_named_when_the_clips_are_known(tmp_path) -> None:
    plan = read(tmp_path, EXPERIMENT.replace("calm, sad]", "calm, gloomy]"))
    clips = pd.DataFrame({"corpus": "own", "emotion": ["happy", "sad"]})
    with pytest.raises(DataError, match="class_set.calm: expected emotions of .* found 'gloomy'"):
        plan.settled(clips)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("n_mfcc: 13", "n_mfcc: many", "features.n_mfcc: expected a whole number, found 'many'"),
        ("n_mfcc: 13", "n_mfcc: true", "features.n_mfcc: expected a whole number, found True"),
        ("n_mfcc: 13", "n_mfccs: 13", "features.n_mfccs: expected one of name, load_rate"),
        ("n_mfcc: 13", "n_mfcc: 80", "expected 0 <= n_mfcc <= n_mels, found 80 and 40"),
        ("preset: default", "preset: mine", "feature_preset: expected one of .* found 'mine'"),
        ("calm, sad]", "calm, sad, happy]", "class_set.aroused: expected each emotion once"),
        ("calm, sad]", "calm, 7]", "class_set.calm: expected names of emotions, found 7"),
    ],
)
def test_a_mistake_is_named_before_anything_runs(tmp_path, before, after, said) -> None:
    assert before in EXPERIMENT
    with pytest.raises(DataError, match=said):
        read(tmp_path, EXPERIMENT.replace(before, after))
