"""The pictures of runs side by side show what is in the tables."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from ser_tinyml.plots import results as plots
from ser_tinyml.plots import style


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def line(name: str, protocol: str, uar: float, **more: object) -> dict[str, object]:
    scores = {"uar": uar, "accuracy": uar - 0.02, "majority_accuracy": 0.4}
    return {"name": name, "protocol": protocol, "corpora": ["RAVDESS", "SAVEE"], **scores, **more}


def test_each_kind_of_test_has_a_panel_of_its_own() -> None:
    figure = plots.by_test(
        [
            line("folds", "speaker", 0.7),
            line("rows", "leaky_random", 0.9, feature_shape=[47, 13]),
            line("savee", "speaker", 0.6, corpora=["SAVEE"]),
        ]
    )
    rows, speakers = figure.axes
    assert rows.get_title(loc="left") == plots.TESTS["leaky_random"]
    assert speakers.get_title(loc="left") == plots.TESTS["speaker"]
    assert [bar.get_width() for bar in rows.patches] == pytest.approx([0.9, 0.88])
    assert [bar.get_width() for bar in speakers.patches] == pytest.approx([0.7, 0.68, 0.6, 0.58])
    (name,) = rows.get_yticklabels()
    assert name.get_text() == "rows, 47 x 13 inputs\nRAVDESS, SAVEE"
    assert [text.get_text() for text in speakers.get_yticklabels()] == [
        *("folds\nRAVDESS, SAVEE", "savee\nSAVEE")
    ]
    assert "UAR 0.700" in [text.get_text() for text in speakers.texts]
    figure.canvas.draw()


def test_the_accuracy_of_one_answer_crosses_bars_of_accuracy_alone() -> None:
    (axis,) = plots.by_test([line("rows", "leaky_random", 0.9)]).axes
    uar, accuracy = axis.patches
    (dotted,) = axis.collections
    (segment,) = dotted.get_segments()
    assert segment[:, 0].tolist() == [0.4, 0.4]
    low, high = sorted(segment[:, 1])
    assert low >= uar.get_y() + uar.get_height()
    assert accuracy.get_y() <= low < high <= accuracy.get_y() + accuracy.get_height()


def test_nets_of_folds_are_not_called_by_the_name_of_the_released_one() -> None:
    assert plots.label(line("release", "speaker", 0.7, folds=3)).startswith("five folds\n")


def compared() -> tuple[pd.DataFrame, pd.DataFrame]:
    scores = pd.DataFrame(
        [("a", "pooled", 0.7, 0.02), ("a", "TESS", 0.5, np.nan), ("b", "pooled", 0.6, 0.03)],
        columns=["run", "part", "uar", "uar_error"],
    )
    differences = pd.DataFrame(
        [("a", "b", -10.0, -14.0, -7.0), ("a", "c", np.nan, np.nan, np.nan)],
        columns=["first", "second", "points", "low", "high"],
    )
    return scores, differences


def test_runs_are_bars_and_their_differences_intervals() -> None:
    figure = plots.compared(*compared())
    left, right = figure.axes
    assert [bar.get_height() for bar in left.patches] == [0.7, 0.5, 0.6]
    assert [text.get_text() for text in left.get_xticklabels()] == ["pooled", "TESS"]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["a", "b"]
    assert [text.get_text() for text in right.get_yticklabels()] == ["b\nabove a"]
    (interval,) = right.collections
    assert interval.get_segments()[0][:, 0].tolist() == [-14, -7]
    assert right.lines[0].get_xdata() == [-10]
    figure.canvas.draw()


def test_runs_on_other_clips_have_no_interval() -> None:
    scores, differences = compared()
    figure = plots.compared(scores, differences.iloc[1:])
    assert figure.axes[1].get_title() == "Not the same clips"
    figure.canvas.draw()


def test_systems_are_bars_beside_what_is_quoted_of_them() -> None:
    scores = {"uar": 0.5, "accuracy": 0.6, "uar_sd": 0.1, "accuracy_sd": 0.05}
    baseline = {"majority_uar": 0.2, "majority_accuracy": 0.3}
    quoted = {"quoted_uar": np.nan, "quoted_accuracy": 0.61}
    once = {**scores, "uar_sd": np.nan, "accuracy_sd": np.nan, **baseline, **quoted}
    table = pd.DataFrame(
        [
            {"title": "one", "protocol": "clip_random", **once},
            {"title": "one", "protocol": "speaker", **once, **scores, "quoted_accuracy": np.nan},
        ]
    )
    figure = plots.systems(table)
    random, speakers = figure.axes
    assert random.get_title(loc="left") == plots.TESTS["clip_random"]
    assert [bar.get_width() for bar in random.patches] == [0.5, 0.6]
    assert [line.get_xdata().tolist() for line in random.lines] == [[0.61]]  # the diamond alone
    assert [len(axis.containers) for axis in (random, speakers)] == [2, 4]  # bars, and spreads


def priced(people: float | None = None, **given: int) -> Figure:
    table = pd.DataFrame(
        {
            "title": ["LSTM 128/64", "MLP over 64 features", "SVM over 64 features"],
            "pooled": [0.74, 0.6, 0.62],
            "pooled_sd": [0.03, 0.02, np.nan],
            "flash_bytes": [220e3, 52e3, np.nan],
            "milliseconds": [6.6, 9.1, np.nan],
            "millijoules": [3.1, 5.0, np.nan],
            "emulated": [True, True, False],
        },
        index=["lstm_128_64", "light_mlp", "light_svm"],
    )
    return plots.costs(
        table, part="pooled", named=["lstm_128_64", "light_svm"], people=people, **given
    )


def test_what_runs_on_the_board_stands_at_its_cost_and_what_does_not_stands_apart() -> None:
    figure = priced(people=0.58)
    flash, time, energy, others = figure.axes
    places = [line.lines[0].get_xdata()[0] for line in flash.containers]
    assert places == pytest.approx([220, 52])
    assert [line.lines[0].get_xdata()[0] for line in time.containers] == pytest.approx([6.6, 9.1])
    assert [line.lines[0].get_ydata()[0] for line in others.containers] == [0.62]
    filled = [
        line.lines[0].get_markerfacecolor() for line in (*flash.containers, *others.containers)
    ]
    assert filled[0] == plots.FAMILIES["lstm"] and filled[2] == "white"
    said = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert said.count("LSTM 128/64") == 3 and "SVM, 64 features" in said
    assert not any("MLP" in text for text in said)
    assert "a single listener" in said
    figure.canvas.draw()  # ticks are numbers: mathematics in texts is off
    labels = [text.get_text() for axis in figure.axes for text in axis.get_xticklabels()]
    assert any(labels) and not any("$" in label for label in labels)


def test_guessing_is_as_good_as_there_are_few_classes() -> None:
    for given, level in ({}, 1 / 4), ({"n_classes": 3}, 1 / 3):
        figure = priced(**given)
        flash = figure.axes[0]
        (dotted,) = (line for line in flash.lines if line.get_linestyle() == ":")
        assert dotted.get_ydata()[0] == pytest.approx(level)
        assert f"{round(1 / level)} classes" in figure.get_supylabel()


def of_notebook_14() -> pd.DataFrame:
    """The systems of the published run: two pairs of points are nearly above each other."""
    return pd.DataFrame(
        {
            "title": [
                "LSTM 128/64",
                *(f"{name} over 64 features" for name in ("MLP", "extra trees of 60 kB")),
                *("logistic regression over 64 features", "Gaussian mixtures over MFCC"),
            ],
            "pooled": [0.743, 0.636, 0.525, 0.612, 0.452],
            "pooled_sd": [0.024, 0.055, 0.065, 0.045, 0.071],
            "flash_bytes": [220_158, 51_804, 85_554, 35_388, np.nan],
            "milliseconds": [6.593, 9.112, 8.391, 8.259, np.nan],
            "millijoules": [3.073, 5.142, 5.134, 5.133, np.nan],
            "emulated": [True, True, True, True, False],
        },
        index=["lstm_128_64", "light_mlp", "light_small", "light_logistic", "mixtures"],
    )


def test_names_of_systems_lie_on_no_bar_and_no_other_name() -> None:
    style.use()
    table = of_notebook_14()
    figure = plots.costs(table, part="pooled", named=list(table.index), people=0.579)
    figure.canvas.draw()
    assert sum(len(axis.texts) for axis in figure.axes) == 3 * 4 + 1 + 2
    for axis in figure.axes:
        names = [Text.get_window_extent(text) for text in axis.texts]
        ends = [
            axis.transData.transform(segment)
            for container in axis.containers
            for bar in container.lines[2]
            for segment in bar.get_segments()
        ]
        bars = [Bbox([one.min(axis=0), one.max(axis=0)]).padded(0.5) for one in ends]
        for level in (line.get_ydata()[0] for line in axis.lines if len(line.get_ydata()) == 2):
            y = axis.transData.transform((0, level))[1]
            bars.append(Bbox.from_extents(axis.bbox.x0, y - 0.5, axis.bbox.x1, y + 0.5))
        for place, name in enumerate(names):
            others = [*bars, *names[:place]]
            assert not any(Bbox.intersection(name, other) for other in others)
            assert axis.bbox.x0 <= name.x0 and name.x1 <= axis.bbox.x1


def test_guessing_is_drawn_in_every_panel_and_named_once_and_the_axis_is_in_percent() -> None:
    figure = priced()
    figure.canvas.draw()
    for axis in figure.axes:
        dotted = [line for line in axis.lines if line.get_linestyle() == ":"]
        assert [line.get_ydata()[0] for line in dotted] == [0.25]
    said = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert said.count("guessing") == 1
    assert "70" in [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert figure.axes[0].get_xlabel() == "flash, kB"


def test_nobody_is_shown_where_people_are_not_known() -> None:
    assert "a single listener" not in [t.get_text() for a in priced().axes for t in a.texts]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Conv1D over 162 features (twin for the board)", "Conv1D (twin for the board)"),
        ("SVM over 45 features as published", "SVM"),
        ("LSTM 128/64", "LSTM 128/64"),
    ],
)
def test_a_name_in_a_picture_leaves_out_what_a_system_looks_at(title, name) -> None:
    assert plots.OVER.sub("", title) == name
