"""The committed folds, and who is dealt to them."""

from __future__ import annotations

import pandas as pd
import pytest

from ser_tinyml.data import folds
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
    fold = of_speaker(clips)
    sex = clips.drop_duplicates("speaker").set_index("speaker")["sex"]
    ravdess = fold[fold.index.str.startswith("RAVDESS")]
    assert pd.crosstab(ravdess, sex[ravdess.index]).isin([2, 3]).all(axis=None)
    assert fold["TESS-OAF"] != fold["TESS-YAF"]
    assert fold[fold.index.str.startswith("SAVEE")].nunique() == 4


def test_what_the_manifest_says_goes_and_newcomers_fill_the_gaps(tmp_path) -> None:
    some = table(*RAVDESS[:20], *SAVEE[:3])
    manifest = folds.read(folds.write(some, tmp_path / "folds.csv"))
    before, after = of_speaker(some, manifest), of_speaker(table(*RAVDESS, *SAVEE), manifest)
    assert (after[before.index] == before).all()
    assert after["SAVEE-KL"] not in set(before[before.index.str.startswith("SAVEE")])
    assert set(after[[f"RAVDESS-{n}" for n in (21, 22, 23, 24)]]) == {0, 1}


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
