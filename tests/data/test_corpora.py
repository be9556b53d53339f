"""The names of the four corpora, and what their copies do to them."""

from __future__ import annotations

from collections import Counter

import pytest

from ser_tinyml.data import corpora
from ser_tinyml.data.corpora import ClipName, Refusal, crema_d, identify


def clip(path: str) -> ClipName:
    found = identify(path)
    assert found is not None
    assert isinstance(found[1], ClipName), found[1]
    return found[1]


def refusal(path: str) -> str:
    found = identify(path)
    assert found is not None
    assert isinstance(found[1], Refusal), found[1]
    return found[1].reason


@pytest.mark.parametrize(
    ("path", "speaker", "sex", "emotion", "intensity", "sentence", "repetition"),
    [
        (
            "RAVDESS/Actor_12/03-01-06-02-01-02-12.wav",
            *("12", "female", "fear", "strong", "Kids are talking by the door", 2),
        ),
        (
            "03-01-01-01-02-01-07.flac",
            *("07", "male", "neutral", "normal", "Dogs are sitting by the door", 1),
        ),
        ("TESS/OAF_Fear/OAF_back_fear.wav", "OAF", "female", "fear", "", "back", 1),
        (
            "TESS/YAF_pleasant_surprised/YAF_back_ps.wav",
            *("YAF", "female", "surprise", "", "back", 1),
        ),
        ("OAF_Pleasant_surprise/OAF_pad_ps.wav", "OAF", "female", "surprise", "", "pad", 1),
        ("SAVEE/DC_sa01.wav", "DC", "male", "sad", "", "sa01", 1),
        ("AudioData/KL/n30.wav", "KL", "male", "neutral", "", "n30", 1),
        (
            "AudioWAV/1006_IEO_ANG_HI.wav",
            *("1006", "female", "angry", "high", "It's eleven o'clock", 1),
        ),
        (
            "1091_TSI_DIS_XX.ogg",
            *("1091", "female", "disgust", "unspecified", "The surface is slick", 1),
        ),
    ],
)
def test_names_are_read(path, speaker, sex, emotion, intensity, sentence, repetition):
    name = clip(path)
    assert (name.speaker, name.sex, name.emotion) == (speaker, sex, emotion)
    assert (name.intensity, name.sentence, name.repetition) == (intensity, sentence, repetition)
    assert name.note == ""


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("SAVEE/je/SU03.WAV", "JE_su03"),
        ("tess/oaf_back_angry.wav", "OAF_back_angry"),
        ("1001_dfa_ang_xx.wav", "1001_DFA_ANG_XX"),
    ],
)
def test_one_clip_has_one_stem_in_every_layout_and_case(path, stem):
    assert clip(path).stem == stem


def test_slips_of_the_publishers_are_corrected_and_noted():
    bite = clip("TESS/OAF_neutral/OA_bite_neutral.wav")
    assert (bite.stem, bite.speaker) == ("OAF_bite_neutral", "OAF")
    assert bite.note == "speaker OA read as OAF"
    level = clip("AudioWAV/1040_ITH_SAD_X.wav")
    assert (level.stem, level.intensity) == ("1040_ITH_SAD_XX", "unspecified")
    assert level.note == "level X read as XX"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("Actor_03/03-02-05-01-01-01-03.wav", "song"),
        ("Actor_03/01-01-05-01-01-01-03.wav", "sound of a video"),
        ("Actor_03/02-01-05-01-01-01-03.wav", "sound of a video"),
        ("03-01-01-02-01-01-03.wav", "name not understood"),  # neutral is never strong
        ("03-01-09-01-01-01-03.wav", "name not understood"),
        ("03-01-05-01-01-01-25.wav", "name not understood"),
        ("SAVEE/a01.wav", "name not understood"),  # whose?
        ("DC_a16.wav", "name not understood"),
        ("DC_n31.wav", "name not understood"),
        ("1092_TSI_DIS_XX.wav", "name not understood"),
        ("1001_TSI_SUR_XX.wav", "name not understood"),
        ("Actor_03/03-01-05-01-01-01-07.wav", "mislabelled"),
        ("TESS/OAF_angry/OAF_back_sad.wav", "mislabelled"),
        ("TESS/YAF_sad/OAF_back_sad.wav", "mislabelled"),
        ("SAVEE/JK/DC_a01.wav", "mislabelled"),
        ("CREMA-D/1002/1001_TSI_DIS_XX.wav", "mislabelled"),
    ],
)
def test_what_is_refused(path, reason):
    assert refusal(path) == reason


@pytest.mark.parametrize(
    "path", ["noise/running_tap.wav", "._03-01-05-01-01-01-07.wav", "OAF_back_calm.wav", "a.wav"]
)
def test_what_is_no_corpus_name(path):
    assert identify(path) is None


def test_published_counts_add_up():
    for corpus in corpora.all()[:4]:
        assert sum(corpus.published_emotions.values()) == corpus.published_clips
        assert set(corpus.published_emotions) <= set(corpora.emotions())


def test_every_published_ravdess_name_is_read():
    names = [
        f"Actor_{actor:02d}/03-01-{emotion:02d}-{level:02d}-{words:02d}-{turn:02d}-{actor:02d}.wav"
        for actor in range(1, 25)
        for emotion in range(1, 9)
        for level in ((1,) if emotion == 1 else (1, 2))
        for words in (1, 2)
        for turn in (1, 2)
    ]
    counts = Counter(clip(name).emotion for name in names)
    ravdess = corpora.by_name("RAVDESS")
    assert len(names) == ravdess.published_clips
    assert counts == ravdess.published_emotions
    assert {clip(name).speaker for name in names} == set(ravdess.speakers)


def test_crema_d_has_43_women_and_48_men():
    assert len(crema_d.WOMEN) == 43
    assert len(crema_d.SPEAKERS) - len(crema_d.WOMEN & set(crema_d.SPEAKERS)) == 48
