"""What every system has to do, whatever it is: tried on synthetic speech, trained for a moment."""

from __future__ import annotations

import shutil
from dataclasses import asdict, is_dataclass, replace

import numpy as np
import pytest

from ser_tinyml import files
from ser_tinyml.data import labels
from ser_tinyml.evaluation import trials as evaluated
from ser_tinyml.files import DataError
from ser_tinyml.sound import reading
from ser_tinyml.systems import face, registry, scores, trials
from ser_tinyml.systems.face import MODEL, PUBLISHED, SPEAKERS, System
from ser_tinyml.systems.trials import SystemMaterial, Trial

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", params=registry.names())
def system(request) -> System:
    return registry.find(request.param)


@pytest.fixture(scope="module")
def done(system, spoken) -> dict[str, Trial]:
    """Its two tests, by name."""
    found = trials.run(system, spoken, test_folds=[0], quick=True, jobs=1, progress=False)
    return {trial.test: trial for trial in found}


def waveforms(system: System, material: SystemMaterial, count: int) -> list[np.ndarray]:
    paths = material.clips["path"].iloc[:: len(material.clips) // count][:count]
    return [
        reading.read_audio(material.recordings / path, sample_rate=system.sample_rate)[0]
        for path in paths
    ]


def test_it_says_what_it_is(system) -> None:
    assert system.title and is_dataclass(system.settings)
    assert files.sha256_json(asdict(system.settings))
    assert type(system.quick) is type(system.settings)
    assert {PUBLISHED, SPEAKERS} <= set(system.tests)
    assert system.tests[SPEAKERS].rows["protocol"] == "speaker"
    assert bool(system.tests[PUBLISHED].quoted) == bool(system.tests[PUBLISHED].source)
    assert system.shipped in (MODEL, *system.exports)
    for test in system.tests.values():
        labels.check(test.rows["class_set"])
        assert set(test.quoted) <= set(scores.SCORES)


def test_features_are_finite_of_one_shape_and_the_same_again(system, spoken) -> None:
    found = [
        [face.features_of(system, samples, name="clip") for samples in waveforms(system, spoken, 3)]
        for _ in range(2)
    ]
    for first, again in zip(*found, strict=True):
        assert first.dtype == np.float32 and first.shape == found[0][0].shape
        assert np.isfinite(first).all()
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(*found[0][:2])


def test_changed_copies_are_changed_and_the_same_with_the_same_generator(system, spoken) -> None:
    samples = face.prepared(system, waveforms(system, spoken, 1)[0], name="clip")
    clean = system.features(samples)
    for name, change in system.versions.items():
        copies = [system.features(change(samples, np.random.default_rng(1))) for _ in range(2)]
        np.testing.assert_array_equal(*copies, err_msg=name)
        assert copies[0].shape == clean.shape and not np.array_equal(copies[0], clean), name


def test_a_recording_that_is_too_short_is_refused(system) -> None:
    samples = np.zeros(int(system.least_s * system.sample_rate) - 1, np.float32)
    with pytest.raises(DataError, match=rf"^a\.wav: expected {system.least_s:g} s or more"):
        face.features_of(system, samples, name="a.wav")
    enough = np.random.default_rng(0).normal(0, 0.1, int(system.least_s * system.sample_rate) + 1)
    assert np.isfinite(face.features_of(system, enough.astype(np.float32), name="a.wav")).all()


def test_answers_are_probabilities_of_its_classes(done) -> None:
    for trial in done.values():
        answers = evaluated.probabilities(evaluated.answers(trial.folder, kind=MODEL))
        assert answers.shape == (len(trial.side("test").rows), len(trial.classes))
        assert (answers >= 0).all() and np.isfinite(answers).all()
        np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-4)  # float32


def test_a_kept_model_gives_the_same_answers_and_is_of_its_classes(done, system) -> None:
    for trial in done.values():
        answers = evaluated.probabilities(evaluated.answers(trial.folder, kind=MODEL))
        again = trial.model().predict(trial.side("test").features)
        np.testing.assert_allclose(again, answers, atol=1e-6)
        other = [*trial.classes[1:], trial.classes[0]]
        with pytest.raises(DataError, match=f"expected a model of {other[0]}"):
            face.load(system, trial.folder / "model", classes=other)


def test_the_same_seed_gives_the_same_answers(done, system, spoken, tmp_path) -> None:
    shutil.copytree(spoken.folder / "features", tmp_path / "features")
    (again,) = trials.run(
        system,
        replace(spoken, folder=tmp_path),
        tests=[SPEAKERS],
        test_folds=[0],
        quick=True,
        jobs=1,
        progress=False,
    )
    before = evaluated.answers(done[SPEAKERS].folder, kind=MODEL)
    after = evaluated.answers(again.folder, kind=MODEL)
    np.testing.assert_array_equal(evaluated.probabilities(after), evaluated.probabilities(before))


def test_its_size_is_known_and_it_has_a_line_for_each_test(done, system) -> None:
    table = scores.summary(list(done.values()))
    assert set(table["test"]) == set(system.tests)
    assert (table["parameters"] > 0).all() and (table["n"] > 0).all()
    assert table["uar"].between(0, 1).all()


def check_exports(system: System, trial: Trial, *, all_of_them: bool) -> None:
    """What every export has to do that could be made here."""
    made = {name for name, one in system.exports.items() if not one.missing()}
    assert not all_of_them or made == set(system.exports)
    assert set(trials.facts(trial)) == made
    for name, known in trials.facts(trial).items():
        assert known["kept"], (name, known)
        answers = evaluated.probabilities(evaluated.answers(trial.folder, kind=name))
        np.testing.assert_allclose(answers.sum(axis=1), 1, atol=0.02)


def test_exports_that_need_nothing_more_answer_as_the_model(done, system) -> None:
    for trial in done.values():
        check_exports(system, trial, all_of_them=False)


@pytest.mark.systems
def test_every_export_answers_as_the_model(done, system) -> None:
    for trial in done.values():
        check_exports(system, trial, all_of_them=True)
