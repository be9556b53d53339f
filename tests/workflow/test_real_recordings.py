"""The scan on real recordings, where somebody has them.

SER_RECORDINGS names a folder with the corpora, SER_QUIRKS one with the published odd files.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ser_tinyml.data import dataset

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def recordings() -> dataset.Scan:
    return dataset.scan(Path(os.environ["SER_RECORDINGS"]), progress=False)


@pytest.fixture(scope="module")
def quirks() -> dataset.Scan:
    return dataset.scan(Path(os.environ["SER_QUIRKS"]), progress=False)


def reasons(scan: dataset.Scan, corpus: str) -> dict[str, str]:
    rows = scan.left_out[scan.left_out["corpus"] == corpus]
    return {
        Path(path).stem: reason for path, reason in zip(rows["path"], rows["reason"], strict=True)
    }


def test_only_the_known_files_are_left_out(recordings):
    allowed = {
        "1006_TIE_HAP_XX": "same sound, two labels",
        "1006_TIE_NEU_XX": "same sound, two labels",
        "1013_WSI_DIS_XX": "same sound, two labels",
        "1013_WSI_SAD_XX": "same sound, two labels",
        "1017_IWW_ANG_XX": "same sound, two labels",
        "1017_IWW_FEA_XX": "same sound, two labels",
        "1076_MTI_SAD_XX": "silent",
        "03-01-03-01-02-02-07": "same sound",
    }
    counted = recordings.left_out[recordings.left_out["reason"] != "second copy"]
    for row in counted[counted["corpus"] != ""].itertuples():
        assert allowed.get(Path(row.path).stem) == row.reason, row


def test_every_speaker_has_what_was_published(recordings):
    clips = recordings.clips
    whole = {"RAVDESS": 60, "TESS": 1400, "SAVEE": 120}
    for corpus, expected in whole.items():
        counts = clips[clips["corpus"] == corpus].groupby("speaker").size()
        assert ((counts == expected) | (counts.index == "RAVDESS-07")).all()
    crema_d = clips[clips["corpus"] == "CREMA-D"].groupby("speaker").size()
    assert crema_d.between(1, 82).all()


def test_recordings_are_not_synthetic(recordings):
    assert not recordings.synthetic


def test_level_alone_tells_savee_from_ravdess(recordings):
    medians = recordings.clips.groupby("corpus")["rms"].median()
    assert medians["SAVEE"] > 5 * medians["RAVDESS"]


def test_quirks_left_out(quirks):
    assert reasons(quirks, "CREMA-D") == {
        "1006_TIE_HAP_XX": "same sound, two labels",
        "1006_TIE_NEU_XX": "same sound, two labels",
        "1013_WSI_DIS_XX": "same sound, two labels",
        "1013_WSI_SAD_XX": "same sound, two labels",
        "1076_MTI_SAD_XX": "silent",
    }
    assert reasons(quirks, "RAVDESS") == {"03-01-03-01-02-02-07": "same sound"}
    assert not reasons(quirks, "TESS")
    assert not reasons(quirks, "SAVEE")


def test_quirks_kept_with_a_note(quirks):
    clips = quirks.clips.set_index("key")
    assert clips.loc["RAVDESS/03-01-02-01-01-02-01", "note"] == "channels identical"
    assert clips.loc["RAVDESS/03-01-02-01-01-02-01", "channels"] == 2
    assert clips.loc["TESS/OAF_bite_neutral", "note"] == "speaker OA read as OAF"
    assert clips.loc["TESS/OAF_food_fear", "sample_rate"] == 96_000
    assert "96000 Hz" in clips.loc["TESS/OAF_food_fear", "note"]
    assert clips.loc["TESS/YAF_back_ps", "emotion"] == "surprise"
    assert clips.loc["SAVEE/JE_su03", "note"] == "reaches full scale"
    assert clips.loc["SAVEE/DC_sa01", "emotion"] == "sad"
