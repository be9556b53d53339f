"""A system on the project's splits: done once, taken up, exported, scored; and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import small_folds
import small_systems as small
from make_audio import record

from ser_tinyml import files
from ser_tinyml.data import folds
from ser_tinyml.evaluation import trials as evaluated
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.systems import arrays, common, face, registry, scores, trials
from ser_tinyml.systems.face import CLEAN, MODEL, PUBLISHED, SPEAKERS, System
from ser_tinyml.systems.trials import SystemMaterial, Trial


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> SystemMaterial:
    return small.material(tmp_path_factory.mktemp("small"))


@pytest.fixture(autouse=True)
def dealt(material, monkeypatch) -> None:
    small_folds.deal(monkeypatch, material.clips)


@pytest.fixture(autouse=True)
def system() -> Iterator[System]:
    with small.registered() as made:
        yield made


@pytest.fixture
def done(system, material) -> list[Trial]:
    return trials.run(system, material, test_folds=[0, 1], jobs=1, progress=False)


def test_every_test_fold_and_seed_is_a_folder_that_evaluation_reads(done, material) -> None:
    which = [(trial.test, trial.fold, trial.seed) for trial in done]
    assert which == [(PUBLISHED, 0, 0), (SPEAKERS, 0, 0), (SPEAKERS, 1, 0)]
    assert len({trial.folder for trial in done}) == 3
    for trial in done:
        answers = evaluated.answers(trial.folder, kind=MODEL)
        assert evaluated.score(answers, trial.classes)["uar"] > 0.9
        assert set(files.read_json(trial.folder / "trial.json")["settings"]) == {"sharpness"}


def test_what_a_model_learns_before_is_learned_once_and_from_others(
    system, material, monkeypatch, capsys
) -> None:
    began = []

    def train(lesson, settings):
        began.append(lesson.before)
        return small.train(lesson, settings)

    def others(clips):
        return clips[clips["corpus"] == "SAVEE"].reset_index(drop=True)

    given = {"clips": others, "class_set": small.CLASSES, "train": train}
    pretraining = face.Pretraining(**given)
    ours = replace(
        system, name="before", train=train, pretraining=pretraining,
        clips=lambda clips, song: clips[clips["corpus"] == "RAVDESS"].reset_index(drop=True),
    )  # fmt: skip
    with small.registered(ours):
        done = trials.run(ours, material, test_folds=[0, 1], jobs=1)
        assert began[0] is None and len(began) == 4 and len({*began[1:]}) == 1
        assert "before, pretraining with 40 clips" in capsys.readouterr().out
        (folder,) = {trial.before for trial in done}
        known = files.read_json(folder.parent / "trial.json")
        assert known["uar"] > 0.9 and set(face.load(ours, folder).classes) == set(small.CLASSES)
        rows = trials._rows_before(ours, others(material.clips), [*small.CLASSES])
        counts = rows.groupby(["split", "variant"]).size().to_dict()
        assert counts == {("train", CLEAN): 36, ("train", "noisy"): 36, ("validation", CLEAN): 4}
        assert trials.run(ours, material, test_folds=[0, 1], jobs=1) and len(began) == 4
        monkeypatch.setattr(trials, "LEAST_BEFORE", 41)
        alone = trials.run(ours, material, test_folds=[0], jobs=1)
        assert began[4:] == [None, None] and not {t.folder for t in alone} & {
            t.folder for t in done
        }
        assert "before begins from nothing: 40 clips of other corpora" in capsys.readouterr().out
    monkeypatch.setattr(trials, "LEAST_BEFORE", 20)
    heard = replace(pretraining, clips=lambda clips: clips)
    with small.registered(mixed := replace(ours, pretraining=heard)):
        count = len(began)
        with pytest.raises(DataError, match="no speaker of the test in the pretraining, found RAV"):
            trials.run(mixed, material, test_folds=[0], jobs=1, progress=False)
        assert len(began) == count


def test_a_test_may_leave_the_pretraining_out(system, material) -> None:
    began = []

    def train(lesson, settings):
        began.append(lesson.before)
        return small.train(lesson, settings)

    pretraining = face.Pretraining(
        clips=lambda clips: clips[clips["corpus"] == "SAVEE"].reset_index(drop=True),
        class_set=small.CLASSES,
        train=train,
    )
    ours = replace(
        system, name="without", train=train, pretraining=pretraining,
        clips=lambda clips, song: clips[clips["corpus"] == "RAVDESS"].reset_index(drop=True),
        tests={**system.tests, PUBLISHED: replace(system.tests[PUBLISHED], pretrained=False)},
    )  # fmt: skip
    with small.registered(ours):
        alone = trials.run(ours, material, tests=[PUBLISHED], jobs=1, progress=False)
        assert began == [None] and alone[0].before is None  # and nothing was trained before it
        both = trials.run(ours, material, test_folds=[0], jobs=1, progress=False)
    assert [trial.before is None for trial in both] == [True, False]
    assert began[1:] == [None, both[1].before] and both[0].folder == alone[0].folder


def test_a_test_may_have_settings_of_its_own(system, material) -> None:
    own = replace(system.settings, sharpness=system.settings.sharpness + 1)
    tests = {**system.tests, PUBLISHED: replace(system.tests[PUBLISHED], settings=own)}
    with small.registered(other := replace(system, name="other", tests=tests)):
        both = trials.run(other, material, test_folds=[0], jobs=1, progress=False)
        known = [files.read_json(t.folder / "trial.json")["settings"]["sharpness"] for t in both]
    assert known == [own.sharpness, system.settings.sharpness]


def test_who_counts_corpora_of_its_own_has_no_score_over_all(system, done, monkeypatch) -> None:
    monkeypatch.setattr(common, "asked", lambda answers, classes: answers)
    assert evaluated.POOL in set(common.of_trials(done)["part"])
    speakers = replace(system.tests[SPEAKERS], counted=("RAVDESS",))
    own = replace(system, tests={**system.tests, SPEAKERS: speakers})
    monkeypatch.setitem(registry._ADDED, system.name, own)
    parts = set(common.of_trials(done)["part"])
    assert "RAVDESS" in parts and evaluated.POOL not in parts


def test_folds_are_those_of_everybody_and_test_speakers_are_in_no_lesson(done, material) -> None:
    of_key = material.clips.set_index("key")["speaker"]
    fold = folds.assign(material.clips).set_axis(material.clips["key"])
    for trial in done[1:]:
        sides = {side: of_key[rows["key"]] for side, rows in trial.rows.groupby("split")}
        assert set(fold[trial.side("test").rows["key"]]) == {trial.fold}
        assert not set(sides["test"]) & (set(sides["train"]) | set(sides["validation"]))


def test_training_clips_alone_have_changed_copies_each_with_its_own_features(done, system) -> None:
    for trial in done:
        assert set(trial.side("test").rows["variant"]) == {CLEAN}
        train = trial.side("train")
        assert list(train.rows["variant"].unique()) == [CLEAN, "noisy"]
        clean, noisy = (train.features[train.rows["variant"] == v] for v in (CLEAN, "noisy"))
        assert len(clean) == len(noisy) and (clean != noisy).any(axis=1).all()


def test_what_is_done_is_not_done_again(done, system, material, monkeypatch) -> None:
    monkeypatch.setattr(trials, "run_trial", lambda trial: 1 / 0)
    monkeypatch.setattr(arrays, "_compute_chunk", lambda *given: 1 / 0)
    again = trials.run(system, material, test_folds=[0, 1], jobs=1, progress=False)
    assert [trial.folder for trial in again] == [trial.folder for trial in done]
    with pytest.raises(ZeroDivisionError):
        trials.run(system, material, seeds=[1], tests=[PUBLISHED], jobs=1, progress=False)


def test_a_stopped_run_goes_on_with_the_trial_and_the_chunk_that_are_missing(
    system, material, tmp_path, monkeypatch
) -> None:
    here = replace(material, folder=tmp_path)
    whole = trials.run(system, here, tests=[SPEAKERS], jobs=1, progress=False)
    shutil.rmtree(whole[2].folder)
    features = whole[0].features
    features.unlink()
    chunks = sorted((features.parent / "chunks").iterdir())
    chunks[0].unlink()
    computed, trained = [], []
    compute, train = arrays._compute_chunk, trials.run_trial
    monkeypatch.setattr(
        arrays, "_compute_chunk", lambda *given: (computed.append(given[-1]), compute(*given))[1]
    )
    monkeypatch.setattr(
        trials, "run_trial", lambda trial: (trained.append(trial.fold), train(trial))[1]
    )
    again = trials.run(system, here, tests=[SPEAKERS], jobs=1, progress=False)
    assert (computed, trained) == ([chunks[0]], [2])
    assert [trial.folder for trial in again] == [trial.folder for trial in whole]


def test_an_export_answers_as_a_kind_of_its_own_and_what_lacks_its_module_waits(done) -> None:
    for trial in done:
        assert scores.kinds(trial) == [MODEL, "text"]
        known = trials.facts(trial)
        assert list(known) == ["text"] and known["text"]["kept"] is True
        assert 0 < known["text"]["difference"] < 0.05
        assert (trial.folder / "exports" / "text" / "means.json").is_file()
        assert trials.missing_exports(trial) == []
    table = scores.of_exports(done)
    assert list(table["export"]) == ["text"] * 3 and list(table["fold"]) == [0, 0, 1]
    assert scores.of_exports([]).empty


@pytest.mark.parametrize("module", ["light", "conv162"])
def test_other_cpp_makes_exports_of_it_stale_and_no_others(module, tmp_path, monkeypatch) -> None:
    ours, onnx = (f"ser_tinyml.systems.exports.{name}" for name in (module, "spectrogram"))
    for pattern in arrays.CPP:
        assert list(ROOT.glob(pattern)), f"{pattern}: expected files, found none"
    place = tmp_path / "firmware" / "arduino_nano33" / "src" / "ser" / "fft.cpp"
    monkeypatch.setattr(arrays, "ROOT", tmp_path)
    found = []
    for text in ("int a;", "int b;"):
        files.write_text(place, text)
        found.append((arrays.hash_of([ours]), arrays.hash_of([onnx])))
    place.rename(place.with_name("other.cpp"))  # the same C++ in another place
    found.append((arrays.hash_of([ours]), arrays.hash_of([onnx])))
    assert len({of_ours for of_ours, _ in found}) == 3
    assert len({of_onnx for _, of_onnx in found}) == 1


def test_the_table_has_both_tests_beside_what_is_quoted(done) -> None:
    table = scores.summary(done)
    first = table[(table["test"] == PUBLISHED) & (table["kind"] == MODEL)].iloc[0]
    assert (first["part"], first["quoted_accuracy"], first["source"]) == ("all", 0.9, "somebody")
    folds_of = table[(table["test"] == SPEAKERS) & (table["kind"] == MODEL)].set_index("part")
    assert list(folds_of.index) == [evaluated.POOL, "RAVDESS", "SAVEE"]
    alone = [
        evaluated.score(evaluated.answers(trial.folder, kind=MODEL), trial.classes)["uar"]
        for trial in done[1:]
    ]
    assert folds_of.loc[evaluated.POOL, "uar"] == pytest.approx(np.mean(alone))
    assert folds_of.loc[evaluated.POOL, "trials"] == 2
    assert np.isnan(folds_of["quoted_accuracy"]).all()
    exported = table[table["kind"] == "text"]
    assert (exported["bytes"] > 0).all() and not exported["shipped"].any()
    assert table["parameters"].eq(12).all()


def test_models_are_kept_with_their_classes(done, system) -> None:
    trial = done[0]
    kept = trial.model().predict(trial.side("test").features)
    answers = evaluated.answers(trial.folder, kind=MODEL)
    np.testing.assert_array_equal(kept, evaluated.probabilities(answers))
    with pytest.raises(DataError, match="expected a model of low, high, else, found one of low"):
        face.load(system, trial.folder / "model", classes=["low", "high", "else"])


def test_what_is_refused(system, material, tmp_path) -> None:
    with pytest.raises(DataError, match="small: expected tests of published, speakers, found 'x'"):
        trials.run(system, material, tests=["x"], jobs=1, progress=False)
    record(tmp_path / "short.wav", sample_rate=small.RATE)
    clip = material.clips[:1].assign(path="short.wav", sha256="short")
    short = SystemMaterial(clip, tmp_path, tmp_path / "made")
    with pytest.raises(DataError, match=r"short\.wav: expected 0\.2 s or more for small, found"):
        trials.run(system, short, jobs=1, progress=False)
    few = replace(material, clips=material.clips[material.clips["emotion"] != "happy"][:24])
    with pytest.raises(DataError, match="split by speaker: expected clips in"):
        trials.run(system, few, tests=[SPEAKERS], test_folds=[4], jobs=1, progress=False)


def test_systems_are_found_by_name(system) -> None:
    assert registry.find("small") is system and "small" in registry.names()
    assert registry.chosen("small") == [system] and system in registry.chosen()
    with pytest.raises(DataError, match="system: expected one of .*small, found 'none'"):
        registry.find("none")
    with pytest.raises(DataError, match="system 'small': expected a new name"):
        registry.register(replace(system))
