"""Runs held against each other: what differs, and what may be chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import small_runs
import small_trials
from scipy import stats

from ser_tinyml import files, metrics
from ser_tinyml.evaluation import compare
from ser_tinyml.evaluation.compare import Contender
from ser_tinyml.evaluation.trials import POOL
from ser_tinyml.files import DataError


def contender(name: str, table: pd.DataFrame, **settings: object) -> Contender:
    return Contender(name=name, protocol="speaker", predictions=table, settings=settings)


def seeds(right: float, *numbers: int) -> pd.DataFrame:
    """Predictions of one net a seed."""
    tables = [small_runs.predictions(right, seed=n).assign(fold=0, seed=n) for n in numbers]
    return pd.concat(tables, ignore_index=True)


def difference(*contenders: Contender) -> pd.Series:
    (line,) = compare.differences(contenders).to_dict("records")
    return pd.Series(line)


def test_scores_are_those_of_the_answers_pooled_and_by_corpus() -> None:
    table = small_runs.predictions(0.7)
    found = compare.scores([contender("a", table)]).set_index("part")
    assert list(found.index) == [POOL, "RAVDESS", "SAVEE"]
    number = {name: i for i, name in enumerate(small_runs.CLASSES)}
    for part, chosen in ((POOL, table), ("SAVEE", table[table["corpus"] == "SAVEE"])):
        expected = metrics.score(
            chosen["truth"].map(number), chosen["answer"].map(number), classes=small_runs.CLASSES
        )
        for name in ("n", "uar", "accuracy", "macro_f1"):
            assert found.loc[part, name] == pytest.approx(expected[name])
        for label, recall in expected["recall"].items():
            assert found.loc[part, f"recall_{label}"] == pytest.approx(recall)
    assert 0 < found.loc[POOL, "uar_error"] < found.loc["SAVEE", "uar_error"]
    assert np.isnan(found.loc[POOL, "uar_std"])  # one seed
    assert found.loc[POOL, "answered"] == 1  # 0.8 sure, the threshold is 0.5


def test_scores_of_several_seeds_are_their_mean_and_deviation() -> None:
    table = seeds(0.7, 1, 2, 3)
    found = compare.scores([contender("a", table)]).set_index("part").loc[POOL]
    single = [
        compare.scores([contender("a", part)]).set_index("part").loc[POOL, "uar"]
        for _, part in table.groupby("seed")
    ]
    assert (found["n"], found["seeds"]) == (len(table) / 3, 3)
    assert found["uar"] == pytest.approx(np.mean(single))
    assert found["uar_std"] == pytest.approx(np.std(single, ddof=1))


def test_a_class_that_no_clip_has_is_no_recall() -> None:
    some = small_runs.rows()
    table = small_runs.predictions(0.7, of=some[some["label_id"] < 2].reset_index(drop=True))
    assert np.isnan(compare.scores([contender("a", table)])["recall_glad"]).all()


def test_settings_that_differ_are_named() -> None:
    table = small_runs.predictions(0.7)
    found = compare.settings_that_differ(
        [
            contender("a", table, **{"03_train.epochs": 5, "03_train.seed": 0, "x": 1}),
            contender("b", table, **{"03_train.epochs": 9, "03_train.seed": 0}),
        ]
    )
    assert found.to_dict("index") == {
        "03_train.epochs": {"a": 5, "b": 9},
        "x": {"a": 1, "b": "–"},
    }
    assert compare.settings_that_differ([contender("a", table), contender("b", table)]).empty


def test_the_better_of_two_nets_is_more_than_chance() -> None:
    first, second = (
        contender("a", small_runs.predictions(0.5)),
        contender("b", small_runs.predictions(0.9)),
    )
    line = difference(first, second)
    scores = compare.scores([first, second]).set_index(["run", "part"])["uar"]
    assert line["points"] == pytest.approx(100 * (scores["b", POOL] - scores["a", POOL]))
    assert 0 < line["low"] < line["points"] < line["high"]
    assert line["speakers"] == 12
    assert line["mcnemar_p"] < 0.001 and line["only_second_right"] > line["only_first_right"]
    assert line["conclusion"].startswith("more than chance over speakers; what another seed")
    assert difference(second, first)["points"] == -line["points"]


def test_equally_good_nets_may_be_chance() -> None:
    line = difference(
        contender("a", small_runs.predictions(0.7, seed=3)),
        contender("b", small_runs.predictions(0.7, seed=4)),
    )
    assert line["low"] < 0 < line["high"]
    assert line["conclusion"] == "may be chance"
    same = small_runs.predictions(0.7)
    line = difference(contender("a", same), contender("b", same))
    assert (line["points"], line["mcnemar_p"]) == (0, 1) and line["conclusion"] == "may be chance"


def test_seeds_of_one_setting_say_how_much_is_noise() -> None:
    """Runs that differ by their seed alone, and a run of several seeds, show the same."""
    tables = [small_runs.predictions(0.7, seed=n) for n in (1, 2)]
    alone = [
        contender(f"{n}", table, **{"03_train.seed": n, "03_train.epochs": 5})
        for n, table in enumerate(tables)
    ]
    uars = compare.scores(alone).set_index(["run", "part"])["uar"].unstack()[POOL]
    noise = difference(*alone)["seed_noise"]
    assert noise == pytest.approx(100 * np.sqrt(2) * uars.std())
    other = contender("other", small_runs.predictions(0.95), **{"03_train.epochs": 9})
    lines = compare.differences([*alone, other]).set_index(["first", "second"])
    assert np.isnan(lines.loc[("0", "other"), "seed_noise"])  # that setting has one seed

    both = contender("both", seeds(0.7, 1, 2))
    better = contender("better", seeds(0.95, 3, 4))
    line = difference(both, better)
    own = [np.std(one.uars(), ddof=1) / np.sqrt(2) for one in (both, better)]
    assert line["seed_noise"] == pytest.approx(100 * np.hypot(*own))
    assert line["conclusion"] == "more than chance"


def test_a_difference_that_seeds_alone_give_may_be_chance() -> None:
    """The second is better on average, but its seeds are far apart."""
    far = pd.concat(
        [
            small_runs.predictions(0.55, seed=1).assign(seed=1),
            small_runs.predictions(1.0, seed=2).assign(seed=2),
        ]
    )
    line = difference(contender("a", seeds(0.5, 3, 4)), contender("b", far))
    assert line["low"] > 0
    assert line["conclusion"].startswith("may be chance")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.iloc[3:], "tests of 108 and 105 clips, 105 of them in both"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "clips occur more than once in the test"),
        (lambda t: t.rename(columns={"p_glad": "p_happy"}), "answers are calm, cross, glad and"),
        (lambda t: t.assign(truth="calm"), "tests of 108 and 108 clips, 108 of them in both"),
    ],
)
def test_other_test_clips_are_not_paired(change, reason) -> None:
    table = small_runs.predictions(0.7)
    changed = change(table)
    if "p_happy" in changed:
        changed = changed.replace({"truth": {"glad": "happy"}, "answer": {"glad": "happy"}})
    line = difference(contender("a", table), contender("b", changed))
    assert line["conclusion"].startswith(f"not paired: {reason}")
    assert line[["points", "low", "mcnemar_p"]].isna().all()


def test_corpora_outside_the_pool_need_not_be_the_same() -> None:
    table = small_runs.predictions(0.7)
    more = table.assign(corpus="TESS", clip=table["clip"] + "t")
    line = difference(contender("a", table), contender("b", pd.concat([table, more])))
    assert line["conclusion"] == "may be chance"


def test_mcnemar_is_the_exact_binomial_test() -> None:
    first = np.repeat([True, True, False, False], [5, 12, 3, 7])
    second = np.repeat([True, False, True, False], [5, 12, 3, 7])
    only_first, only_second, p = compare.mcnemar(first, second)
    assert (only_first, only_second) == (12, 3)
    assert p == pytest.approx(2 * stats.binom.cdf(3, 15, 0.5))
    assert compare.mcnemar(first, first) == (0, 0, 1.0)


def test_predictions_are_read_as_they_were_written(tmp_path) -> None:
    table = small_runs.predictions(0.7)
    files.write_table(tmp_path / "p.csv", table)
    pd.testing.assert_frame_equal(
        compare.read_predictions(tmp_path / "p.csv"), table, check_dtype=False
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="speaker"), "expected columns clip, corpus, speaker"),
        (lambda t: t.iloc[:0], "found 0 lines of clip"),
        (lambda t: t.filter(regex="^[^p]"), "and p_<label>"),
        (lambda t: t.replace({"truth": {"calm": "dull"}}), r"of \['calm', .*found \['dull'\]"),
    ],
)
def test_a_table_that_holds_no_predictions_is_named(tmp_path, change, message) -> None:
    path = tmp_path / "p.csv"
    files.write_table(path, change(small_runs.predictions(0.7)))
    with pytest.raises(DataError, match=message) as caught:
        compare.read_predictions(path)
    assert str(path) in str(caught.value)


def test_sure_answers_of_small_trials_are_what_they_say() -> None:
    """The support's tables rest on it: the class with 0.8 is the answer."""
    assert small_trials.sure([2, 0]).argmax(axis=1).tolist() == [2, 0]
