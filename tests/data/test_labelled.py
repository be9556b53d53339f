"""Recordings of one's own: folders of labels, and labels.csv as people write it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from make_audio import record

from ser_tinyml import files
from ser_tinyml.data import corpora, dataset, demo, labelled, report
from ser_tinyml.files import DataError

CORPUS = "RAVDESS/Actor_01/03-01-05-01-01-01-01.wav"


def speak(folder: Path, *paths: str) -> None:
    for seed, path in enumerate(paths):
        record(folder / path, seed=seed)


def scan(folder: Path) -> dataset.Scan:
    return dataset.scan(folder, progress=False)


def named(found: dataset.Scan) -> dict[str, tuple[str, str]]:
    """Path -> label and speaker."""
    clips = found.clips
    pairs = zip(clips["emotion"], clips["speaker"], strict=True)
    return dict(zip(clips["path"], pairs, strict=True))


def left_out(found: dataset.Scan) -> dict[str, tuple[str, str]]:
    """Path -> reason and detail."""
    table = found.left_out
    return dict(zip(table["path"], zip(table["reason"], table["detail"], strict=True), strict=True))


def table(folder: Path, text: str | bytes, name: str = "labels.csv") -> None:
    files.write_bytes(folder / name, text if isinstance(text, bytes) else text.encode())


class TestFolders:
    def test_a_folder_is_a_label_and_a_folder_in_it_a_speaker(self, tmp_path):
        speak(tmp_path, "bored/anna/1.wav", "bored/bob/monday/1.wav", "keen/anna/1.wav")
        found = scan(tmp_path)
        assert named(found) == {
            "bored/anna/1.wav": ("bored", "own-anna"),
            "bored/bob/monday/1.wav": ("bored", "own-bob"),
            "keen/anna/1.wav": ("keen", "own-anna"),
        }
        assert found.clips.set_index("path")["session"]["bored/bob/monday/1.wav"] == "monday"
        assert set(found.clips["corpus"]) == {"own"}
        assert found.taken == [
            "the folders in ./ are taken for labels: 3 clips of 2 labels (bored, keen) by "
            "2 speakers; each says who speaks"
        ]
        assert found.taken[0] in report.report(found)

    @pytest.mark.parametrize(
        ("names", "speakers"),
        [
            (("anna_1", "anna_2", "bob_1", "bob_2"), {"own-anna", "own-bob"}),
            (("Anna 1", "anna-2", "anna.3", "anna4"), {"own-anna"}),
            (("01_a", "02_a", "03_a", "04_a"), {"own-unknown"}),
            (("20240501_1", "20240501_2", "20240502_1", "20240502_2"), {"own-unknown"}),
            (("a", "b", "c", "d"), {"own-unknown"}),
        ],
    )
    def test_who_speaks_is_the_first_part_of_the_name_where_it_can_be(
        self, tmp_path, names, speakers
    ):
        speak(tmp_path, *[f"{label}/{name}.wav" for label in ("bored", "keen") for name in names])
        assert set(scan(tmp_path).clips["speaker"]) == speakers

    def test_the_label_itself_is_nobody(self, tmp_path):
        speak(tmp_path, *[f"{label}/{label}_{n}.wav" for label in ("bored", "keen") for n in "123"])
        assert set(scan(tmp_path).clips["speaker"]) == {"own-unknown"}

    def test_speakers_may_be_above_the_labels(self, tmp_path):
        speak(tmp_path, "anna/happy/1.wav", "anna/sad/1.wav", "bob/happy/1.wav", "bob/Sad/1.wav")
        assert set(named(scan(tmp_path)).values()) == {
            (label, speaker) for label in ("happy", "sad") for speaker in ("own-anna", "own-bob")
        }

    def test_labels_may_look_like_anything(self, tmp_path):
        speak(tmp_path, "1/a.wav", "true/b.wav", "sehr müde/c.wav", "nan/d.wav", 'say "no"/e.wav')
        clips = scan(tmp_path).clips
        read = files.read_table(files.write_table(tmp_path / "clips.csv", clips))
        assert set(read["emotion"]) == {"1", "true", "sehr müde", "nan", 'say "no"'}

    def test_labels_that_differ_in_case_are_one(self, tmp_path):
        speak(tmp_path, "Wut/1.wav", "Wut/2.wav", "wut/3.wav", "HAPPY/4.wav")
        found = scan(tmp_path)
        assert found.clips["emotion"].value_counts().to_dict() == {"Wut": 3, "happy": 1}
        assert set(found.clips["note"]) == {
            "", "label wut read as Wut", "label HAPPY read as happy"
        }  # fmt: skip

    def test_a_label_that_no_board_can_tell_is_left_out_with_its_reason(self, tmp_path):
        speak(
            tmp_path, "bored/1.wav", "keen/1.wav", "unsure/1.wav", "as long as a sentence is/1.wav"
        )
        found = left_out(scan(tmp_path))
        assert "has a meaning of its own" in found["unsure/1.wav"][1]
        assert "expected at most 20 bytes" in found["as long as a sentence is/1.wav"][1]
        assert {reason for reason, _ in found.values()} == {labelled.NOT_USABLE}

    def test_one_folder_or_none_is_no_folder_of_labels(self, tmp_path):
        speak(tmp_path, "bored/1.wav", "2.wav")
        with pytest.raises(DataError, match="two folders or more that are named after labels"):
            scan(tmp_path)

    def test_a_stray_folder_in_a_download_is_no_label(self, tmp_path):
        strays = ["noise/rain.wav", "noise/wind.wav", "dog/1.wav", "RAVDESS/happy/x.wav"]
        speak(tmp_path, CORPUS, *strays)
        found = scan(tmp_path)
        assert set(found.clips["corpus"]) == {"RAVDESS"}
        assert found.taken == []
        assert {path: reason for path, (reason, _) in left_out(found).items()} == dict.fromkeys(
            strays, "name not understood"
        )

    def test_beside_a_corpus_two_emotions_make_a_folder_of_labels(self, tmp_path):
        speak(tmp_path, CORPUS, "mine/happy/1.wav", "mine/sad/1.wav", "mine/bored/1.wav", "x/1.wav")
        found = scan(tmp_path)
        assert sorted(found.clips["emotion"]) == ["angry", "bored", "happy", "sad"]
        assert [*left_out(found)] == ["x/1.wav"]
        assert corpora.order(found.clips["corpus"]) == ["RAVDESS", "own"]
        assert found.completeness.set_index("corpus").loc["own", "state"] == "3 clips"

    def test_a_name_of_a_corpus_stays_the_corpus(self, tmp_path):
        speak(tmp_path, "happy/DC_a01.wav", "happy/1.wav", "sad/1.wav")
        assert named(scan(tmp_path))["happy/DC_a01.wav"] == ("angry", "SAVEE-DC")


class TestTables:
    def test_a_row_names_a_file_beside_or_below_the_table(self, tmp_path):
        speak(tmp_path, "a.wav", "sub/b.wav", "c.wav")
        table(
            tmp_path,
            "file,label,speaker,session,split,corpus\n"
            "a.wav,keen,anna,monday,train,\nsub/b.wav,bored,bob,,test,street\nc.wav,keen,bob,,,\n",
        )
        found = scan(tmp_path)
        clips = found.clips.set_index("path")
        assert clips["speaker"].to_dict() == {
            "a.wav": "own-anna", "sub/b.wav": "street-bob", "c.wav": "own-bob"
        }  # fmt: skip
        assert clips["given_split"].to_dict() == {
            "a.wav": "train",
            "sub/b.wav": "test",
            "c.wav": "",
        }
        assert clips.loc["a.wav", "session"] == "monday"
        assert found.taken[0].startswith("labels.csv names 3 clips of 2 labels (bored, keen)")

    @pytest.mark.parametrize(
        "text",
        [
            "file,label\na.wav,keen\nsub/b.wav,bored\n",
            "\ufefffile,label\r\na.wav,keen\r\nsub/b.wav,bored\r\n",
            "FILE; Label\n a.wav ;keen\n'';\nsub\\b.wav; bored ;\n".replace("'';\n", ";\n"),
            'label\tfile\nkeen\t"a.wav"\nbored\t./sub/b.wav\n\n',
            ' "Label" , "File" , remark\n"keen", "a.wav", "x, y"\nbored,sub/b.wav\n',
            "file,label\nA.WAV,keen\nSub/b.wav,bored\n",
        ],
        ids=["plain", "mark", "semicolons", "tabs", "quotes", "case"],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
    def test_as_people_and_spreadsheets_write_it(self, tmp_path, text, encoding):
        speak(tmp_path, "a.wav", "sub/b.wav")
        table(tmp_path, text.removeprefix("\ufeff" * (encoding != "utf-8")).encode(encoding))
        found = scan(tmp_path)
        assert {path: label for path, (label, _) in named(found).items()} == {
            "a.wav": "keen", "sub/b.wav": "bored"
        }  # fmt: skip
        assert left_out(found) == {}

    def test_every_row_that_cannot_be_used_is_named_with_its_reason(self, tmp_path):
        speak(tmp_path / "in", "a.wav", "b.wav", "c.wav", "d.wav", "e.wav", "f.wav", "g.wav")
        speak(tmp_path, "out.wav")
        (tmp_path / "in/text.txt").write_text("no sound")
        table(
            tmp_path / "in",
            "file,label,split,corpus\na.wav,keen,,\nb.wav,,,\nc.wav,bored,later,\n"
            "gone.wav,bored,,\n../out.wav,bored,,\n,bored,,\nd.wav,keen,,\nd.wav,bored,,\n"
            "e.wav,keen,,\ne.wav,keen,,\nf.wav,keen,,TESS\ntext.txt,keen,,\n.,keen,,\n"
            "g.wav,keen,,own,too,many\n",
        )
        found = scan(tmp_path / "in")
        assert [*named(found)] == ["a.wav", "e.wav"]
        assert found.clips.set_index("path").loc["e.wav", "note"] == "listed 2 times"
        said = left_out(found)
        for path, detail in {
            "b.wav": "labels.csv, line 3: no label",
            "c.wav": "line 4: split: expected train, validation, test, found later",
            "gone.wav": "line 5: there is no file gone.wav",
            "../out.wav": "line 6: ../out.wav is outside the folder of recordings",
            "labels.csv": "line 7: no file is named",
            "d.wav": "'keen' (labels.csv) and 'bored' (labels.csv)",
            "f.wav": "corpus: expected a name of one's own, found 'TESS'",
            "text.txt": "text.txt is no recording that is read here",
            ".": ". is a folder",
            "g.wav": "more fields than the header has: too,many",
        }.items():
            assert detail in said[path][1], path
        assert {*said} == {
            *("b.wav", "c.wav", "gone.wav", "../out.wav", "labels.csv", "d.wav", "f.wav"),
            *("text.txt", ".", "g.wav"),
        }

    def test_what_it_does_not_name_is_left_out_with_a_line(self, tmp_path):
        speak(tmp_path, "a.wav", "b.wav", "sub/happy/c.wav", "sub/sad/d.wav", CORPUS)
        table(tmp_path, "file,label\na.wav,keen\n")
        found = scan(tmp_path)
        assert sorted(named(found)) == [CORPUS, "a.wav"]
        assert {reason for reason, _ in left_out(found).values()} == {labelled.NOT_LISTED}
        assert len(left_out(found)) == 3

    def test_it_goes_before_the_name_of_a_corpus(self, tmp_path):
        speak(tmp_path, CORPUS, "a.wav")
        table(tmp_path, f"file,label\n{CORPUS},keen\na.wav,bored\n")
        assert set(scan(tmp_path).clips["corpus"]) == {"own"}

    def test_two_tables_that_contradict_each_other(self, tmp_path):
        speak(tmp_path, "sub/a.wav", "sub/b.wav", "sub/c.wav")
        table(tmp_path, "file,label\nsub/a.wav,keen\nsub/b.wav,keen\n")
        table(tmp_path / "sub", "file,label\na.wav,bored\nb.wav,keen\nc.wav,bored\n")
        found = scan(tmp_path)
        assert sorted(named(found)) == ["sub/b.wav", "sub/c.wav"]
        assert left_out(found)["sub/a.wav"] == (
            labelled.CONTRADICTION, "'keen' (labels.csv) and 'bored' (sub/labels.csv)"
        )  # fmt: skip

    @pytest.mark.parametrize("text", ["", "name,emotion\na.wav,keen\n", "file,label,file\n"])
    def test_a_table_of_something_else_is_named_and_passed_over(self, tmp_path, text):
        speak(tmp_path, CORPUS)
        table(tmp_path, text)
        found = scan(tmp_path)
        assert len(found.clips) == 1
        reason, detail = left_out(found)["labels.csv"]
        assert reason == labelled.NO_TABLE
        assert "expected a header with file and label" in detail

    def test_absolute_paths_will_do_if_they_lead_inside(self, tmp_path):
        speak(tmp_path, "in/a.wav", "b.wav")
        table(tmp_path / "in", f"file,label\n{tmp_path}/in/a.wav,keen\n{tmp_path}/b.wav,keen\n")
        found = scan(tmp_path / "in")
        assert [*named(found)] == ["a.wav"]
        assert "outside" in left_out(found)[f"{tmp_path}/b.wav"][1]

    def test_rows_are_added_and_what_was_there_stays(self, tmp_path):
        speak(tmp_path, "a.wav", "b.wav")
        labelled.append(tmp_path, [{"file": "a.wav", "label": "1"}])
        table(tmp_path, "file;label;remark\na.wav;1;loud\n")
        found = labelled.append(tmp_path, [{"file": "b.wav", "label": "2", "speaker": "me"}])
        assert found.to_dict("list") == {
            "file": ["a.wav", "b.wav"],
            "label": ["1", "2"],
            "remark": ["loud", ""],
            "speaker": ["", "me"],
            "session": ["", ""],
        }
        pd.testing.assert_frame_equal(
            labelled.read(tmp_path / "labels.csv").drop(columns="beyond").reset_index(drop=True),
            found,
            check_dtype=False,
        )


def test_names_need_no_sound(tmp_path):
    (tmp_path / "keen").mkdir()
    (tmp_path / "bored").mkdir()
    (tmp_path / "keen/1.wav").touch()
    (tmp_path / "bored/1.wav").touch()
    assert sorted(dataset.names(tmp_path)["emotion"]) == ["bored", "keen"]


def test_corpora_that_nobody_registered_are_ones_own():
    names = ["own", "TESS", "street"]
    assert corpora.order(names) == ["TESS", "own", "street"]
    assert corpora.pooled(names) == ["own", "street"]
    assert corpora.colour("street").startswith("#")
    assert corpora.named("own").folds == {}
    with pytest.raises(DataError, match="corpus: expected one of RAVDESS"):
        corpora.by_name("own")
    assert corpora.is_free("own") and not corpora.is_free("tess") and not corpora.is_free("all")
    assert corpora.order_emotions(["zest", "sad", "bored", "calm"]) == [
        *("calm", "sad", "bored", "zest")
    ]


def test_the_synthetic_corpus_is_no_folder_of_labels(tmp_path):
    for seed, clip in enumerate(demo.clips(scale=0.01)):
        record(tmp_path / clip.path, seed=seed)
    found = scan(tmp_path)
    assert found.taken == [] and "own" not in set(found.clips["corpus"])
