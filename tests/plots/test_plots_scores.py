"""The pictures of folds, ablations and degraded sound show what is in the tables."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from ser_tinyml.evaluation import cross_validation
from ser_tinyml.evaluation.trials import POOL
from ser_tinyml.plots import scores as plots
from ser_tinyml.sound import degrade


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def scores() -> pd.DataFrame:
    """Two folds and two seeds; CREMA-D has no surprise."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            **{"fold": fold, "seed": seed, "kind": kind, "part": part, "n": 40},
            **{name: rng.uniform(0.3, 0.9) for name in ("uar", "accuracy", "macro_f1")},
            **{"majority_accuracy": 0.4, "majority_uar": 1 / 3 if part == "CREMA-D" else 1 / 4},
            "recall_happy": rng.uniform(),
            "recall_surprise": np.nan if part == "CREMA-D" else rng.uniform(),
        }
        for fold in (0, 1)
        for seed in (0, 1)
        for kind in ("float", "int8")
        for part in (POOL, "RAVDESS", "CREMA-D")
    )


def test_folds_show_the_mean_and_a_dot_for_every_trial() -> None:
    table = scores()
    summary = cross_validation.summary(table)
    figure = plots.folds(table, summary)
    left, right = figure.axes
    assert [bar.get_height() for bar in left.patches] == summary["uar"].tolist()
    dots = [list(line.get_ydata()) for line in left.lines]
    int8 = table[table["kind"] == "int8"]
    assert dots == [list(int8.loc[int8["part"] == part, "uar"]) for part in summary.index]
    assert [text.get_text() for text in left.texts] == [f"{uar:.3f}" for uar in summary["uar"]]
    majority = [lines.get_segments()[0][0][1] for lines in left.collections]
    assert majority == pytest.approx([1 / 4, 1 / 4, 1 / 3])
    assert [text.get_text() for text in left.get_xticklabels()] == [*summary.index]
    heights = [bar.get_height() for bar in right.patches]
    expected = summary[["recall_happy", "recall_surprise"]].to_numpy().T.ravel()
    np.testing.assert_array_equal(heights, expected)
    assert [text.get_text() for text in right.get_legend().get_texts()] == [
        *("happy", "surprise", "not in this corpus")
    ]
    crosses = [line.get_xdata().tolist() for line in right.lines]
    assert crosses == [[], [pytest.approx(2.2)]]  # CREMA-D has no surprise
    figure.canvas.draw()


def test_ablations_show_points_from_the_default_by_group_and_what_they_cost() -> None:
    table = pd.DataFrame(
        [
            ("features", "13 MFCC", 0.60, 150_000, 3.0e6),
            ("default", "default", 0.70, 170_000, 3.5e6),
            ("features", "40 MFCC", 0.71, 180_000, 3.5e6),
            ("context", "2 s", 0.65, 170_000, 3.6e6),
        ],
        columns=["group", "name", "uar", "bytes", "macs_per_s"],
    )
    table["uar_low"], table["uar_high"] = table["uar"] - 0.02, table["uar"] + 0.01
    figure = plots.ablations(table, base="default")
    bars, size, work = figure.axes
    (seeds,) = bars.collections
    ends = [segment[:, 0].tolist() for segment in seeds.get_segments()]
    assert ends == [pytest.approx(pair) for pair in ([-7, -4], [-1, 2], [-12, -9])]
    assert [text.get_text() for text in bars.get_yticklabels()] == ["2 s", "40 MFCC", "13 MFCC"]
    *widths, band = bars.patches
    assert [bar.get_width() for bar in widths] == pytest.approx([-5, 1, -10])
    assert (band.get_x(), band.get_width()) == pytest.approx((-2, 3))
    colours = [bar.get_facecolor() for bar in widths]
    assert colours[1] == colours[2] != colours[0]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["features", "context"]
    assert "0.700" in bars.get_xlabel()
    for axis, values in ((size, table["bytes"] / 1e3), (work, table["macs_per_s"] / 1e6)):
        *groups, ring = axis.lines
        assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (values[1], 0.70)
        assert ring.get_markerfacecolor() == "none"
        moved = values != values[1]
        shown = [(line.get_xdata()[0], line.get_ydata()[0]) for line in groups]
        assert shown == [*zip(values[moved], table["uar"][moved], strict=True)]
        assert [text.get_text() for text in axis.texts] == [*table["name"][moved], "default"]
    figure.canvas.draw()


def test_what_changes_cost_is_named_shortly_inside_the_frame_and_off_the_dots() -> None:
    rows = [
        ("features", "no pitch", 0.660, 173_000, 2.45e6),
        ("features", "13 MFCC", 0.669, 148_000, 2.05e6),
        ("default", "default", 0.710, 175_000, 2.5e6),
        *(("level", f"level {n}", 0.7, 175_000, 2.5e6) for n in range(8)),
        ("width", "long, taught, copies: 4, LSTM 256/128", 0.747, 571_000, 8.55e6),
    ]
    table = pd.DataFrame(rows, columns=["group", "name", "uar", "bytes", "macs_per_s"])
    figure = plots.ablations(
        table.assign(uar_low=table["uar"], uar_high=table["uar"]), base="default"
    )
    figure.canvas.draw()
    assert figure.axes[1].get_xlabel() == "int8 file, kB"
    for axis in figure.axes[1:]:
        names = {text.get_text(): Text.get_window_extent(text) for text in axis.texts}
        assert names.keys() == {"no pitch", "13 MFCC", "LSTM 256/128", "default"}
        for name in names.values():
            assert axis.bbox.x0 <= name.x0 and name.x1 <= axis.bbox.x1
            dots = [axis.transData.transform(line.get_xydata()[0]) for line in axis.lines]
            assert not any(name.contains(*dot) for dot in dots)


def test_speakers_show_the_score_against_the_share_that_trained() -> None:
    table = pd.DataFrame(
        [
            ("default", "default", 1.0, 0.70, 0.66, 0.5),
            ("features", "13 MFCC", 1.0, 0.60, 0.50, 0.5),
            ("speakers", "a quarter of the speakers", 0.25, 0.55, 0.45, 0.4),
        ],
        columns=["group", "name", "speaker_share", "uar", "uar_RAVDESS", "uar_TESS"],
    )
    figure = plots.speakers(table, base="default")
    (axis,) = figure.axes
    shown = {line.get_label(): [*map(list, line.get_data())] for line in axis.lines}
    assert shown == {
        "RAVDESS": [[25, 100], [0.45, 0.66]],
        "TESS": [[25, 100], [0.4, 0.5]],
        POOL: [[25, 100], [0.55, 0.70]],
    }
    assert [text.get_text() for text in axis.get_xticklabels()] == ["25", "100"]
    figure.canvas.draw()


def test_copies_show_a_learning_curve_and_the_wider_net_beside_it() -> None:
    table = pd.DataFrame(
        [
            ("default", "default", 0, 0.70, 0.66),
            ("copies", "two", 2, 0.72, 0.67),
            ("copies", "one", 1, 0.71, 0.65),
            ("width", "wide", 2, 0.74, 0.69),
        ],
        columns=["group", "name", "copies", "uar", "uar_RAVDESS"],
    )
    figure = plots.copies(table)
    (axis,) = figure.axes
    shown = {line.get_label(): [*map(list, line.get_data())] for line in axis.lines}
    assert shown == {
        "RAVDESS": [[1, 2], [0.65, 0.67]],
        POOL: [[1, 2], [0.71, 0.72]],
        "twice as wide, pooled": [[2], [0.74]],
    }
    assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "2"]
    figure.canvas.draw()


def conditions() -> pd.DataFrame:
    table = degrade.table(degrade.CONDITIONS)
    return pd.concat(
        table.assign(model=model, uar=clean - 0.01 * np.arange(len(table)))
        for model, clean in (("new", 0.8), ("old", 0.6))
    )


def test_robustness_shows_every_condition_of_every_model() -> None:
    table = conditions()
    figure = plots.robustness(table, chance=0.25)
    level, noise, others = figure.axes
    gains = [line for line in level.lines if len(line.get_xdata()) == len(degrade.GAINS_DB)]
    expected = table[(table["group"] == "gain")].groupby("model", sort=False)["uar"]
    assert [line.get_ydata().tolist() for line in gains] == [list(part) for _, part in expected]
    curves = [line for line in noise.lines if len(line.get_xdata()) == len(degrade.SNRS_DB)]
    assert len(curves) == 2 * 2
    assert all((np.diff(line.get_xdata()) > 0).all() for line in curves)
    bars = {round(bar.get_height(), 3) for bar in others.patches}
    rest = table[table["group"].isin(["band", "room", "microphone"])]
    assert bars == set(rest["uar"].round(3))
    clean = [line for line in others.lines if line.get_ydata()[0] in (0.8, 0.6)]
    assert len(clean) == 2
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        *("new", "old", "new, clean", "old, clean", "always one answer"),
        *("white noise", "pink noise"),
    ]
    figure.canvas.draw()


def test_the_legend_has_the_colour_in_which_clean_speech_is_drawn() -> None:
    table = conditions()
    for models in (["new"], ["new", "old"]):
        figure = plots.robustness(table[table["model"].isin(models)])
        level = figure.axes[0]
        drawn = [line.get_color() for line in level.lines if len(line.get_xdata()) == 2]
        handles = {line.get_label(): line.get_color() for line in figure.legends[0].get_lines()}
        assert [colour for name, colour in handles.items() if name.endswith("clean")] == drawn


def test_models_under_unlike_conditions_share_a_picture() -> None:
    """One that was not tried in rooms has no bar there."""
    table = conditions()
    table = table[~((table["model"] == "old") & (table["group"] == "room"))]
    figure = plots.robustness(table)
    assert len(figure.legends[0].get_texts()) == 6
    labels = [text.get_text() for text in figure.axes[2].texts]
    assert sum(label not in ("", "nan") for label in labels) == 5 + 3
    figure.canvas.draw()


def test_no_dot_of_the_enrolment_lies_outside_or_under_the_column_of_means() -> None:
    lines = [
        {"part": part, "condition": heard, "fold": fold, "seed": 0, "before": 0.6, "after": after}
        for part, heard, gains in (
            ("pooled", "clean", (0.61, 0.63)),
            ("TESS", "clean", (0.62, 0.65)),
            ("pooled", "room", (0.50, 0.72)),  # wider than what the left panel shows
        )
        for fold, after in enumerate(gains)
    ]
    figure = plots.enrolment(pd.DataFrame(lines))
    figure.canvas.draw()
    for axis in figure.axes:
        low, high = axis.get_xlim()
        dots = [x for line in axis.lines if line.get_marker() == "o" for x in line.get_xdata()]
        column = min(text.get_window_extent().x0 for text in axis.texts)
        assert dots and low < min(dots)
        assert axis.transData.transform((max(dots), 0))[0] < column
    assert max(dots) == pytest.approx(12)
