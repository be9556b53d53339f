"""What a scan keeps, what it leaves out, and what it says."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from make_audio import noise, record
from make_sound_files import CASES, base, with_length

from ser_tinyml import files
from ser_tinyml.data import dataset, decoding, report

GOOD = "RAVDESS/Actor_01/03-01-05-01-01-01-01.wav"


def scan(folder: Path, **options) -> dataset.Scan:
    return dataset.scan(folder, progress=False, **options)


def reasons(found: dataset.Scan) -> dict[str, str]:
    return dict(zip(found.left_out["path"], found.left_out["reason"], strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record(tmp_path / GOOD, seed=1000)
    return tmp_path


def test_a_clip_is_measured(folder):
    samples = np.array([0.5, -0.25, 0.0, 0.25], np.float32)
    record(folder / "DC_a01.wav", samples, sample_rate=44_100)
    clip = scan(folder).clips.set_index("key").loc["SAVEE/DC_a01"]
    assert (clip.speaker, clip.sex, clip.emotion) == ("SAVEE-DC", "male", "angry")
    assert (clip.sample_rate, clip.channels, clip.peak) == (44_100, 1, 0.5)
    assert clip.duration_s == pytest.approx(4 / 44_100, abs=1e-6)
    assert clip.rms == pytest.approx(np.sqrt(np.mean(samples**2)), rel=1e-5)
    integers = np.array([16384, -8192, 0, 8192], "<i2")
    assert clip.sha256 == files.sha256_bytes(integers.tobytes())


def test_table_survives_being_written(folder):
    clips = scan(folder).clips
    path = files.write_table(folder / "clips.csv", clips)
    pd.testing.assert_frame_equal(files.read_table(path), clips, check_dtype=False)
    assert tuple(clips.columns) == dataset.CLIP_COLUMNS


def test_wav_flac_ogg_in_any_case_and_depth(tmp_path):
    record(tmp_path / "a/b/c/1001_DFA_ANG_XX.WAV", seed=1)
    record(tmp_path / "1001_DFA_SAD_XX.flac", seed=2)
    record(tmp_path / "x/1001_DFA_FEA_XX.ogg", noise(seed=3, n=4000))
    assert len(scan(tmp_path).clips) == 3


def test_the_result_does_not_depend_on_jobs(folder):
    for word in "abcdefgh":
        record(folder / f"OAF_{word}_sad.wav", seed=ord(word))
    (folder / "OAF_z_sad.wav").write_bytes(b"nothing")
    one, four = scan(folder, jobs=1), scan(folder, jobs=4)
    pd.testing.assert_frame_equal(one.clips, four.clips)
    pd.testing.assert_frame_equal(one.left_out, four.left_out)


class TestBrokenFiles:
    def leave_out(self, folder: Path, name: str = "1001_DFA_ANG_XX.wav") -> tuple[str, str]:
        found = scan(folder)
        assert list(found.clips["key"]) == ["RAVDESS/03-01-05-01-01-01-01"]
        row = found.left_out.set_index("path").loc[name]
        assert row.corpus == "CREMA-D"
        return row.reason, row.detail

    def test_zero_bytes(self, folder):
        (folder / "1001_DFA_ANG_XX.wav").touch()
        assert self.leave_out(folder)[0] == "empty"

    def test_header_alone(self, folder):
        record(folder / "1001_DFA_ANG_XX.wav", np.zeros(0, np.float32))
        assert self.leave_out(folder)[0] == "empty"

    def test_git_lfs_pointer(self, folder):
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 82260\n"
        (folder / "1001_DFA_ANG_XX.wav").write_text(pointer)
        reason, detail = self.leave_out(folder)
        assert reason == "Git LFS pointer"
        assert "git lfs pull" in detail

    def test_no_audio(self, folder):
        (folder / "1001_DFA_ANG_XX.wav").write_text("<html>404</html>")
        assert self.leave_out(folder)[0] == "unreadable"

    def test_a_link_to_nowhere(self, folder):
        (folder / "1001_DFA_ANG_XX.wav").symlink_to("gone.wav")
        assert self.leave_out(folder)[0] == "unreadable"

    @pytest.mark.parametrize("left", [0.3, 0.999])
    def test_wav_cut_off(self, folder, left):
        path = record(folder / "1001_DFA_ANG_XX.wav")
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * left)])
        assert len(soundfile.read(path)[0]) < 800  # libsndfile itself does not object
        reason, detail = self.leave_out(folder)
        assert reason == "truncated"
        assert detail.startswith("800 samples promised")

    @pytest.mark.parametrize("left", [0.6, 0.999])
    def test_ogg_cut_off(self, folder, left):
        name = "1001_DFA_ANG_XX.ogg"
        path = record(folder / name, noise(seed=1, n=40_000))
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * left)])
        assert self.leave_out(folder, name)[0] == "truncated"

    @pytest.mark.parametrize("left", [0.3, 0.999])
    def test_flac_cut_off(self, folder, left):
        name = "1001_DFA_ANG_XX.flac"
        path = record(folder / name, noise(seed=1, n=40_000))
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * left)])
        assert self.leave_out(folder, name)[0] in ("truncated", "unreadable")

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_not_finite(self, folder, bad):
        samples = noise(seed=1)
        samples[7] = bad
        record(folder / "1001_DFA_ANG_XX.wav", samples, subtype="FLOAT")
        reason, detail = self.leave_out(folder)
        assert reason == "not finite"
        assert detail.startswith("1 sample")

    @pytest.mark.parametrize("level", [0.0, 0.0009])
    def test_silent(self, folder, level):
        record(folder / "1001_DFA_ANG_XX.wav", np.full(800, level, np.float32))
        assert self.leave_out(folder)[0] == "silent"

    def test_two_silences_are_not_one_sound(self, folder):
        for name in ("1001_DFA_ANG_XX.wav", "1001_DFA_SAD_XX.wav"):
            record(folder / name, np.zeros(800, np.float32))
        assert set(reasons(scan(folder)).values()) == {"silent"}


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFDB, 0x80000000])
def test_wav_of_unknown_length_is_read(folder, length):
    """A program that writes into a pipe leaves the length open."""
    with_length(folder / "1001_DFA_ANG_XX.wav", length)
    record(folder / "1001_DFA_ANG_XX.flac", base())
    clip = scan(folder).clips.set_index("key").loc["CREMA-D/1001_DFA_ANG_XX"]
    assert clip.duration_s == pytest.approx(len(base()) / 16_000)
    assert "second copy" in reasons(scan(folder)).values()  # the same samples


def test_every_kind_that_predict_reads_is_a_clip(folder):
    for place, name in enumerate(("gsm.wav", "g721.wav", "voice.m4a", "MediaRecorder.webm")):
        path = folder / f"DC_a{place + 1:02}{Path(name).suffix}"
        path.write_bytes((CASES / name).read_bytes())
    (folder / "DC_a05.mp3").write_bytes((CASES / "half_cbr_info.mp3").read_bytes())
    found = scan(folder)
    assert set(found.clips["key"]) >= {f"SAVEE/DC_a0{n}" for n in (1, 2, 3, 4)}
    assert reasons(found) == {"DC_a05.mp3": "truncated"}
    assert found.left_out["detail"].tolist() == ["45779 samples promised, 24239 there"]


def test_sound_is_left_out_with_a_line_whatever_its_ending(folder):
    (folder / "a.mid").write_bytes(b"MThd" + bytes(20))
    (folder / "b.dat").write_bytes((CASES / "voice.m4a").read_bytes())
    (folder / "DC_a01.mid").write_bytes(b"MThd" + bytes(20))
    os.mkfifo(folder / "DC_a02.wav")
    for name, data in {"c.txt": b"text", "d.png": b"\x89PNG", "e.csv": b"1,2"}.items():
        (folder / name).write_bytes(data)
    found = scan(folder)
    assert reasons(found) == {
        "DC_a01.mid": "unreadable",
        "DC_a02.wav": "unreadable",
        "a.mid": "name not understood",
        "b.dat": "name not understood",
    }
    details = found.left_out.set_index("path")["detail"]
    assert details["DC_a01.mid"].startswith("MIDI")
    assert details["DC_a02.wav"] == "a pipe, which might never end"


def test_what_lasts_for_ever_is_stopped(folder, monkeypatch):
    monkeypatch.setattr(decoding, "LONGEST", 2.0)
    (folder / "DC_a01.m4a").write_bytes((CASES / "voice.m4a").read_bytes())
    found = scan(folder)
    assert reasons(found) == {"DC_a01.m4a": "unreadable"}
    assert found.left_out["detail"].tolist() == ["more than 2 s of sound"]


@pytest.mark.parametrize("place", [b"caf\xe9.wav", b"caf\xe9/DC_a01.wav"])
def test_a_name_that_is_no_text_is_named(folder, place):
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + place))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((CASES / "base.wav").read_bytes())
    found = scan(folder)
    assert list(reasons(found).values()) == ["name is no text"]
    table = files.read_table(files.write_table(folder / "left_out.csv", found.left_out))
    assert table["path"].tolist() == [place.decode("utf-8", "backslashreplace")]


class TestDoubles:
    def test_nested_second_copy(self, folder):
        """Kaggle's archives hold the whole tree twice."""
        copy = folder / "RAVDESS/audio_speech_actors_01-24/Actor_01" / Path(GOOD).name
        copy.parent.mkdir(parents=True)
        shutil.copy(folder / GOOD, copy)
        found = scan(folder)
        assert list(found.clips["path"]) == [GOOD]
        assert found.left_out["reason"].tolist() == ["second copy"]
        assert found.left_out["detail"].tolist() == [f"of {GOOD}"]

    def test_copy_in_another_format_is_a_copy(self, folder):
        record(folder / "deep/down/03-01-05-01-01-01-01.flac", seed=1000)
        assert list(reasons(scan(folder)).values()) == ["second copy"]

    def test_a_lossy_copy_is_a_copy(self, folder):
        """CREMA-D's repository holds each clip as .wav, .mp3 and .flv."""
        record(folder / "wav/1001_DFA_ANG_XX.wav", base())
        record(folder / "mp3/1001_DFA_ANG_XX.mp3", base())
        record(folder / "ogg/1001_DFA_ANG_XX.ogg", base()[:20_000])  # this one is not
        found = scan(folder)
        assert reasons(found)["mp3/1001_DFA_ANG_XX.mp3"] == "second copy"
        assert reasons(found)["ogg/1001_DFA_ANG_XX.ogg"] == "same name, different sound"
        (folder / "ogg/1001_DFA_ANG_XX.ogg").unlink()
        assert "wav/1001_DFA_ANG_XX.wav" in scan(folder).clips["path"].tolist()

    def test_damaged_copy_does_not_spoil_the_good_one(self, folder):
        (folder / "03-01-05-01-01-01-01.wav").write_bytes(b"")
        found = scan(folder)
        assert list(found.clips["path"]) == [GOOD]
        assert list(reasons(found).values()) == ["empty"]

    def test_same_name_different_sound_keeps_none(self, folder):
        record(folder / "OAF_back_sad.wav", seed=1)
        record(folder / "other/OAF_back_sad.wav", seed=2)
        found = scan(folder)
        assert list(found.clips["path"]) == [GOOD]
        assert set(reasons(found).values()) == {"same name, different sound"}
        assert len(found.left_out) == 2

    def test_one_sound_in_two_takes_keeps_the_first(self, folder):
        """RAVDESS actor 07."""
        record(folder / "03-01-03-01-02-02-07.wav", seed=1)
        record(folder / "03-01-03-01-02-01-07.wav", seed=1)
        found = scan(folder)
        assert reasons(found) == {"03-01-03-01-02-02-07.wav": "same sound"}
        assert "RAVDESS/03-01-03-01-02-01-07" in set(found.clips["key"])

    def test_one_sound_under_two_emotions_keeps_none(self, folder):
        """CREMA-D 1006_TIE."""
        record(folder / "1006_TIE_HAP_XX.wav", seed=1)
        record(folder / "1006_TIE_NEU_XX.wav", seed=1)
        found = scan(folder)
        assert list(found.clips["path"]) == [GOOD]
        assert set(reasons(found).values()) == {"same sound, two labels"}

    def test_one_sound_of_two_speakers_keeps_none(self, folder):
        """It would sit on both sides of a split."""
        record(folder / "1006_TIE_HAP_XX.wav", seed=1)
        record(folder / "1007_TIE_HAP_XX.wav", seed=1)
        assert set(reasons(scan(folder)).values()) == {"same sound, two labels"}


class TestNotes:
    def note(self, folder: Path, key: str) -> str:
        return scan(folder).clips.set_index("key").loc[key, "note"]

    def test_stereo(self, folder):
        left, right = noise(seed=1), noise(seed=2, peak=0.5)
        record(folder / "DC_a01.wav", np.stack([left, left], axis=1))
        record(folder / "DC_a02.wav", np.stack([left, right], axis=1))
        assert self.note(folder, "SAVEE/DC_a01") == "channels identical"
        assert self.note(folder, "SAVEE/DC_a02") == "channel 2 of 2: the clearer one"

    def test_identical_channels_sound_like_one(self, folder):
        record(folder / "DC_a01.wav", np.stack([noise(seed=1)] * 2, axis=1))
        record(folder / "DC_a02.wav", seed=1)
        assert reasons(scan(folder)) == {"DC_a02.wav": "same sound"}

    def test_full_scale(self, folder):
        samples = noise(seed=1)
        samples[3] = 1.0
        record(folder / "DC_a01.wav", samples)
        assert self.note(folder, "SAVEE/DC_a01") == "reaches full scale"

    def test_another_rate(self, folder):
        for seed, word in enumerate(("bar", "base", "food")):
            rate = 96_000 if word == "food" else 24_414
            record(folder / f"OAF_{word}_fear.wav", seed=seed, sample_rate=rate)
        assert self.note(folder, "TESS/OAF_food_fear") == "96000 Hz, the others 24414 Hz"
        assert self.note(folder, "TESS/OAF_bar_fear") == ""

    def test_notes_are_counted(self, folder):
        samples = np.stack([np.ones(800, np.float32)] * 2, axis=1)
        record(folder / "OAF_neutral/OA_bite_neutral.wav", samples)
        table = report.notes(scan(folder))
        assert sorted(table["note"]) == [
            "channels identical",
            "reaches full scale",
            "speaker OA read as OAF",
        ]


class TestFolder:
    def test_missing(self, tmp_path):
        with pytest.raises(files.DataError, match=r"gone: expected a folder .* found nothing"):
            scan(tmp_path / "gone")

    def test_a_file(self, folder):
        with pytest.raises(files.DataError, match="found a file"):
            scan(folder / GOOD)

    def test_empty(self, tmp_path):
        with pytest.raises(files.DataError, match="none at any depth"):
            scan(tmp_path)

    def test_nothing_usable_says_what_is_there(self, tmp_path):
        record(tmp_path / "holiday.wav")
        (tmp_path / "1001_DFA_ANG_XX.wav").touch()
        with pytest.raises(files.DataError, match=r"1 name not understood.*holiday\.wav") as error:
            scan(tmp_path)
        assert "1 empty" in str(error.value)
        assert str(tmp_path) in str(error.value)

    def test_mislabelled_and_strange_names_are_left_out(self, folder):
        record(folder / "Actor_03/03-01-05-01-01-01-07.wav", seed=1)
        record(folder / "noise/running_tap.wav", seed=2)
        assert reasons(scan(folder)) == {
            "Actor_03/03-01-05-01-01-01-07.wav": "mislabelled",
            "noise/running_tap.wav": "name not understood",
        }

    def test_links_are_followed_and_loops_end(self, folder, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("disk")
        record(elsewhere / "OAF_back_sad.wav", seed=1)
        (folder / "TESS").symlink_to(elsewhere)
        (folder / "loop").symlink_to(folder)
        assert set(scan(folder).clips["path"]) == {GOOD, "TESS/OAF_back_sad.wav"}

    def test_downloads_under_way_are_passed_by(self, folder):
        record(folder / ".download/OAF_back_sad.wav", seed=1)
        found = scan(folder)
        assert len(found.clips) == 1
        assert found.left_out.empty

    def test_synthetic_corpus_is_known_by_its_marker(self, folder):
        real = scan(folder)
        files.write_json(folder / "demo.json", {})
        spoken = scan(folder)
        assert (real.synthetic, spoken.synthetic) == (False, True)
        assert "people" in report.origin(real)
        assert "synthetic" in report.origin(spoken)
        assert "never accuracy" not in report.report(real)
        assert "never accuracy" in report.report(spoken)

    def test_synthetic_corpus_does_not_mix_with_recordings(self, folder):
        record(folder / "demo/OAF_back_sad.wav", seed=1)
        files.write_json(folder / "demo/demo.json", {})
        found = scan(folder)
        assert reasons(found) == {"demo": "synthetic"}
        assert not found.synthetic


class TestReport:
    def test_completeness(self, folder):
        for number in range(1, 16):
            record(folder / f"DC_a{number:02d}.wav", seed=number)
        (folder / "DC_d01.wav").touch()
        record(folder / "DC_d02.wav", np.zeros(800, np.float32))
        table = scan(folder).completeness.set_index("corpus")
        savee = table.loc["SAVEE"]
        # a silent clip is there as published, an empty file is not
        assert (savee.published, savee.found, savee.kept, savee.left_out) == (480, 16, 15, 2)
        assert savee.state == "16 of 480 clips; no speaker JE-KL"
        assert table.loc["RAVDESS", "state"] == "1 of 1440 clips; no speaker 02-24"
        assert table.loc["TESS", "state"] == "absent"

    def test_many_missing_speakers_are_counted(self, folder):
        for actor in (1001, 1004, 1010, 1011, 1020, 1091):
            record(folder / f"{actor}_DFA_ANG_XX.wav", seed=actor)
        state = scan(folder).completeness.set_index("corpus").loc["CREMA-D", "state"]
        assert state == "6 of 7442 clips; 85 speakers missing"

    def test_report_and_summary_say_the_same(self, folder):
        (folder / "DC_d01.wav").touch()
        found = scan(folder)
        text, numbers = report.report(found), report.summary(found)
        assert "1 clips" in text
        assert "SAVEE: 1 empty, such as DC_d01.wav" in text
        assert numbers["clips"] == 1
        assert numbers["left_out_by_reason"] == {"empty": 1}
        assert numbers["completeness"]["RAVDESS"]["kept"] == 1

    def test_examples_are_one_an_emotion_of_one_speaker(self, folder):
        for seed, code in enumerate(("n01", "h01", "h02", "sa01")):
            record(folder / f"JE_{code}.wav", seed=seed)
        chosen = report.examples(scan(folder).clips)
        assert chosen["speaker"].unique().tolist() == ["SAVEE-JE"]
        assert chosen["emotion"].tolist() == ["neutral", "happy", "sad"]
        with pytest.raises(files.DataError, match="nobody"):
            report.examples(scan(folder).clips, speaker="nobody")
