"""The synthetic corpus: laid out like the four real ones, repeatable, resumable, never mixed."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
import pytest

from ser_tinyml import files
from ser_tinyml.data import demo

SCALE = 0.01  # one clip a speaker and emotion
PATHS = {
    "RAVDESS": r"RAVDESS/Actor_(\d\d)/03-01-0[1-8]-0[12]-0[12]-0[12]-\1\.wav",
    "TESS": r"TESS/(OAF|YAF)_\w+/\1_[a-z]+_(angry|disgust|fear|happy|neutral|ps|sad)\.wav",
    "SAVEE": r"SAVEE/(DC|JE|JK|KL)_(a|d|f|h|n|sa|su)\d\d\.wav",
    "CREMA-D": r"CREMA-D/10\d\d_[A-Z]{3}_(ANG|DIS|FEA|HAP|NEU|SAD)_(XX|LO|MD|HI)\.wav",
}


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): files.sha256_bytes(path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def samples(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768, file.getframerate()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.ensure(tmp_path_factory.mktemp("demo") / "corpora", scale=SCALE, progress=False)


def test_full_plan_has_the_counts_of_the_recipe() -> None:
    plan = demo.clips()
    counts = {name: sum(clip.corpus == name for clip in plan) for name in demo.CORPORA}
    assert counts == {"RAVDESS": 600, "TESS": 168, "SAVEE": 168, "CREMA-D": 300}
    assert len({clip.path for clip in plan}) == len(plan)


def test_every_path_reads_like_its_corpus() -> None:
    for clip in demo.clips():
        assert re.fullmatch(PATHS[clip.corpus], clip.path), clip.path


def test_small_scale_keeps_every_speaker_and_emotion() -> None:
    def cells(scale: float) -> set[tuple[str, str, str]]:
        return {(c.corpus, c.speaker, c.emotion) for c in demo.clips(scale=scale)}

    assert cells(SCALE) == cells(1.0)
    assert len(demo.clips(scale=SCALE)) == len(cells(1.0))


def test_files_are_there_at_native_rates_and_levels(corpus: Path) -> None:
    levels: dict[str, list[float]] = {}
    for clip in demo.clips(scale=SCALE):
        wave_, rate = samples(corpus / clip.path)
        assert rate == demo.CORPORA[clip.corpus].sample_rate
        assert 0.6 < len(wave_) / rate < 8
        assert np.any(wave_[:100] != 0), "a recording's quiet is never digital silence"
        levels.setdefault(clip.corpus, []).append(20 * np.log10(np.sqrt(np.mean(wave_**2))))
    median = {name: np.median(values) for name, values in levels.items()}
    assert median["RAVDESS"] < median["CREMA-D"] < median["TESS"] < median["SAVEE"]
    assert median["SAVEE"] - median["RAVDESS"] > 15


def test_marker_is_honest(corpus: Path) -> None:
    marker = files.read_json(corpus / demo.MARKER)
    assert "never accuracy" in marker["notice"]
    assert marker["clips"]["TESS"] == 14
    assert marker["parselmouth"]


def test_stopped_run_is_resumed_with_the_same_bytes(corpus: Path) -> None:
    want = tree(corpus)
    for path in sorted(corpus.glob("RAVDESS/Actor_03/*"))[1:3]:
        path.unlink()
    demo.ensure(corpus, scale=SCALE, progress=False)
    assert tree(corpus) == want


def test_bytes_depend_on_no_other_speaker_and_not_on_jobs(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = [clip for clip in demo.clips(scale=SCALE) if clip.speaker in ("YAF", "DC", "1003", "07")]
    speakers = sorted({clip.speaker for clip in plan})
    plan.sort(key=lambda clip: speakers.index(clip.speaker))  # stable: other speakers first
    monkeypatch.setattr(demo, "clips", lambda *, scale: plan)
    few = demo.ensure(tmp_path / "few", scale=SCALE, progress=False, jobs=1)
    want = tree(corpus)
    for path, digest in tree(few).items():
        assert path == demo.MARKER or digest == want[path]
    assert len(tree(few)) == len(plan) + 1


def test_nothing_is_spoken_when_all_is_there(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "_speak_in_fresh_process", lambda lines: pytest.fail("spoke"))
    demo.ensure(corpus, scale=SCALE)
    assert "TESS: 0 clips spoken, 14 were there" in capsys.readouterr().out


@pytest.mark.parametrize("settings", [{"seed": 1, "scale": SCALE}, {"scale": 0.5}])
def test_other_settings_do_not_mix(corpus: Path, settings: dict[str, float]) -> None:
    with pytest.raises(files.DataError, match="choose another folder"):
        demo.ensure(corpus, progress=False, **settings)


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("mine")
    with pytest.raises(files.DataError, match="new or empty"):
        demo.ensure(tmp_path, scale=SCALE, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.txt"]


@pytest.mark.parametrize("scale", [0, -1, 1.5, float("nan")])
def test_scale_out_of_range_is_refused(tmp_path: Path, scale: float) -> None:
    with pytest.raises(files.DataError, match="scale"):
        demo.ensure(tmp_path / "new", scale=scale, progress=False)
    assert not (tmp_path / "new").exists()


def test_synthesizer_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "VOICES", {"female": ("no such voice",), "male": ("Male1",)})
    with pytest.raises(files.DataError, match="no such voice"):
        demo.speak("Hello")


def test_speak_repeats_itself_and_hears_the_emotion() -> None:
    sentence = "The train to the coast leaves at nine"
    both = [demo.speak([sentence] * 2, emotion=["angry", "sad"], seed=3) for _ in range(2)]
    for first, second in zip(*both, strict=True):
        assert first.dtype == np.int16
        np.testing.assert_array_equal(first, second)
    angry, sad = (np.sqrt(np.mean(y.astype(float) ** 2)) for y in both[0])
    assert angry > 2 * sad


def test_another_seed_speaks_otherwise() -> None:
    one, two = (demo.speak("Hello there", seed=seed)[0] for seed in (0, 1))
    assert len(one) != len(two) or np.any(one != two)
