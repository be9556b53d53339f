"""The committed folds, and who is dealt to them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from ser_tinyml.data import corpora, folds, splits
from ser_tinyml.data.corpus import REGISTERED
from ser_tinyml.files import DataError


def table(*speakers: tuple[str, str, str]) -> pd.DataFrame:
    """Two clips of each (corpus, speaker, sex)."""
    return pd.DataFrame(
        {
            "key": f"{corpus}/{speaker}-{clip}",
            "corpus": corpus,
            "speaker": f"{corpus}-{speaker}",
            "sex": sex,
        }
        for corpus, speaker, sex in speakers
        for clip in (1, 2)
    )


RAVDESS = [("RAVDESS", f"{n:02d}", "male" if n % 2 else "female") for n in range(1, 25)]
SAVEE = [("SAVEE", name, "male") for name in ("DC", "JE", "JK", "KL")]
NOTHING = pd.Series(dtype=int)


def of_speaker(clips: pd.DataFrame, manifest: pd.Series = NOTHING) -> pd.Series:
    found = folds.assign(clips, manifest)
    assert (found.groupby(clips["speaker"]).nunique() == 1).all()
    return found.groupby(clips["speaker"]).first()


def test_speakers_are_dealt_evenly_by_corpus_and_sex() -> None:
    clips = table(*RAVDESS, *SAVEE, ("TESS", "OAF", "female"), ("TESS", "YAF", "female"))
    fold = of_speaker(clips, folds.deal(clips))
    sex = clips.drop_duplicates("speaker").set_index("speaker")["sex"]
    ravdess = fold[fold.index.str.startswith("RAVDESS")]
    assert pd.crosstab(ravdess, sex[ravdess.index]).isin([2, 3]).all(axis=None)
    assert fold["TESS-OAF"] != fold["TESS-YAF"]
    assert fold[fold.index.str.startswith("SAVEE")].nunique() == 4


def test_who_is_in_no_fold_leaves_the_others_where_they_are() -> None:
    some = table(*RAVDESS[:20], *SAVEE[:3])
    everyone = table(*RAVDESS, *SAVEE, ("TESS", "OAF", "female"))
    manifest = folds.deal(some)
    before, after = of_speaker(some, manifest), of_speaker(everyone, manifest)
    assert (after[before.index] == before).all()
    assert set(after.drop(before.index)) == {folds.NO_FOLD}
    assert folds.without(some, manifest) == {}
    found = folds.without(everyone, manifest)
    assert found == {
        "RAVDESS": [f"RAVDESS-{n}" for n in (21, 22, 23, 24)],
        "SAVEE": ["SAVEE-KL"],
        "TESS": ["TESS-OAF"],
    }
    assert folds.about_those_without(found) == (
        "In no fold, so trained on and never scored: "
        "4 speakers of RAVDESS, 1 speaker of SAVEE, 1 speaker of TESS."
    )
    assert folds.about_those_without({}) == ""


def test_a_corpus_may_say_in_which_folds_its_speakers_are(monkeypatch) -> None:
    corpus = replace(corpora.by_name("SAVEE"), folds={"KL": 3, "DC": 4})
    monkeypatch.setitem(REGISTERED, "SAVEE", corpus)
    fold = of_speaker(table(*SAVEE), folds.deal(table(*SAVEE[:1])))
    assert fold.to_dict() == {
        "SAVEE-DC": 0,  # the manifest goes before
        "SAVEE-JE": folds.NO_FOLD,
        "SAVEE-JK": folds.NO_FOLD,
        "SAVEE-KL": 3,
    }


@pytest.mark.parametrize("test_fold", range(folds.N_FOLDS))
@pytest.mark.parametrize("protocol", splits.BY_SPEAKER)
def test_speakers_in_no_fold_are_trained_on_and_change_nothing_else(
    protocol, test_fold, monkeypatch
) -> None:
    known = table(*RAVDESS[:20], *SAVEE[:3])
    manifest = folds.deal(known)
    monkeypatch.setattr(folds, "read", lambda: manifest)
    newcomers = table(*RAVDESS[20:], *SAVEE[3:], ("CREMA-D", "1001", "male"))
    options = {"protocol": protocol, "test_fold": test_fold}
    before = splits.split_speakers(known, **options)
    after = splits.split_speakers(pd.concat([known, newcomers], ignore_index=True), **options)
    assert list(after[: len(known)]) == list(before)
    assert set(after[len(known) :]) == {splits.TRAIN}


def test_where_a_side_stays_empty_the_split_says_why(monkeypatch) -> None:
    some = table(*SAVEE[:2])
    monkeypatch.setattr(folds, "read", lambda: folds.deal(some))
    with pytest.raises(DataError, match="found none .* trained on and never scored: 2 speakers of"):
        splits.split_speakers(table(*SAVEE), protocol="speaker", test_fold=4)


def test_one_known_clip_settles_its_speaker() -> None:
    clips = table(("RAVDESS", "01", "male"))
    assert set(folds.assign(clips, pd.Series({"RAVDESS/01-2": 3}))) == {3}
    torn = pd.Series({"RAVDESS/01-1": 3, "RAVDESS/01-2": 4})
    with pytest.raises(DataError, match="RAVDESS-01 in 3 and 4"):
        folds.assign(clips, torn)


def test_the_committed_manifest_is_whole() -> None:
    manifest = folds.read()
    assert set(manifest) == set(range(folds.N_FOLDS))
    corpus = manifest.index.str.split("/").str[0]
    assert set(corpus) == {"RAVDESS", "TESS", "SAVEE", "CREMA-D"}
    counts = pd.crosstab(corpus, manifest)
    for name in ("RAVDESS", "CREMA-D"):
        assert counts.loc[name].max() < 1.25 * counts.loc[name].min()


@pytest.mark.parametrize(
    ("text", "found"),
    [("key,fold\na,0\na,1\n", "a twice"), ("key,fold\na,7\n", "fold 7"), ("a,b\n1,2\n", "columns")],
)
def test_a_broken_manifest_is_refused(tmp_path, text, found) -> None:
    path = tmp_path / "folds.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=found):
        folds.read(path)
