"""Numbers in the texts of README and docs are those of the metrics files."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from ser_tinyml import files
from ser_tinyml.data import folds
from ser_tinyml.device import SKETCH
from ser_tinyml.provenance import ROOT
from ser_tinyml.tflite.release import Release

SCORES, FRONT = "docs/scores.md", "README.md"


def text(place: str) -> str:
    """Without the blocks that commands write, which have tests of their own."""
    whole = (ROOT / place).read_text("utf-8")
    return re.sub(r"<!-- (\w+) -->.*?<!-- /\1 -->", "", whole, flags=re.S)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def right_elsewhere(unsure: dict[str, dict[str, float]]) -> float:
    """Share of right answers among those given on folds that no setting was chosen on."""
    shares = [
        one["answered_accuracy"]
        for name, one in unsure.items()
        if (fold := re.match(r"fold (\d)", name)) and int(fold[1]) not in folds.DEVELOPMENT
    ]
    assert len(shares) == 6
    return float(np.mean(shares))


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    """What is measured, as the texts say it."""
    metrics = files.read_json(ROOT / "models" / "metrics.json")
    found, voice = metrics["07_evaluate"], metrics["09_your_voice"]["summary"]
    choices, people = found["choices"]["pooled"], found["people"]
    lines = {one["name"]: one["uar"] for one in metrics["08_ablations"]["ablations"]}
    lost = {name: f"{100 * (lines['default'] - uar):.1f}" for name, uar in lines.items()}
    heard, shown = metrics["14_compare"]["diarisation"][:2]
    larger, smaller = (metrics["14_compare"]["sizes"][f"LSTM {n}"] for n in ("256/128", "64/32"))
    of_size = {one["system"]: one for one in metrics["14_compare"]["systems"]}
    flash = {name: of_size[name]["flash_bytes"] / 1000 for name in ("lstm_256_128", "lstm_64_32")}
    apart = found["several_nets"]["the net"]["pooled"]["between_seeds"]
    long = "long, taught, copies: 4"
    wider = 100 * (lines[f"{long}, LSTM 256/128"] - lines[long])
    unsure, sounds = found["unsure"]["all"], found["nobody_speaks"].values()
    elsewhere = right_elsewhere(found["unsure"])
    answered, of_all = (int(sum(one[name] for one in sounds)) for name in ("sum", "size"))
    return {
        "development": f"score {percent(choices['development folds'])}",
        "others": percent(choices["other folds"]),
        "listener": f"UAR {percent(people['one listener']['uar'])}",
        "listeners": f"has {percent(people['all listeners, by majority']['uar'])}",
        "net": f"this net {percent(people['the net']['uar'])}",
        "agreed": f"is right in {percent(people['the net']['uar_agreed_80'])}",
        "answered": f"{unsure['coverage']:.0%} of the clips".replace("%", " %"),
        "right": f"{unsure['answered_accuracy']:.0%} of these answers".replace("%", " %"),
        "right elsewhere": f"({100 * elsewhere:.0f} %, the mean of the six nets",
        "savee": f"only {100 * found['unsure_by_corpus']['SAVEE']['answered_accuracy']:.0f} %",
        "streamed": f"{100 * found['streaming']['answered']:.0f} % and "
        f"{100 * found['streaming']['answered_accuracy']:.0f} %",
        "sounds": f"{percent(answered / of_all)} get an emotion",
        "of sounds": f"({answered} of {of_all})",
        "speakers": f"loses {lost['a quarter of the speakers']} points of UAR, with half of them "
        f"{lost['half of the speakers']}.",
        "pitch": f"The pitch is worth {lost['no pitch']} points",
        "wider": f"scores {wider:.1f} points more than the same at 128/64 with four copies, and "
        f"{100 * (lines[f'{long}, LSTM 256/128'] - lines['long, taught, copies: 2']):.1f} more",
        "diarised": f"the error is {percent(heard['error'])} of the speech: "
        f"{percent(heard['missed'])} is missed, {percent(heard['false_alarm'])} has a label",
        "shown": f"{percent(shown['missed'])} of the speech has no label, and the error is "
        f"{percent(shown['error'])}",
        "confused": f"{percent(heard['confused'])} has another label",
        "one label": f"would be wrong in {percent(heard['same_label'])}",
        "on RAVDESS": f"it scores {percent(of_size['spectrogram']['RAVDESS'])}, the LSTM "
        f"{percent(of_size['lstm_128_64']['RAVDESS'])}, with standard deviations over folds of "
        f"{100 * of_size['spectrogram']['RAVDESS_sd']:.1f} and "
        f"{100 * of_size['lstm_128_64']['RAVDESS_sd']:.1f} points",
        "larger": f"256/128 scores {larger['mean']:.1f} points more than 128/64, with a standard "
        f"deviation of {larger['std']:.1f} over ten pairs of trainings (so the mean "
        "of the ten has a standard error of at least "
        f"{larger['std'] / larger['count'] ** 0.5:.1f}, and can be chance), and takes "
        f"{flash['lstm_256_128']:.0f} kB",
        "from seed to seed": f"moves by {100 * apart:.1f} points from seed to seed",
        "trained again": f"have {percent(found['summary']['pooled']['uar'])} (the table of the "
        f"folds), and the ten here {percent(of_size['lstm_128_64']['pooled'])}",
        "smaller": f"64/32 scores {abs(smaller['mean']):.1f} points less than 128/64, with "
        f"{flash['lstm_64_32']:.0f} kB",
        "adapted": "gains {:.0f} points of UAR with one clip a label, {:.0f} with five and "
        "{:.0f} with ten".format(*(voice["mean of speakers"][k] for k in ("1", "5", "10"))),
    }


FRONT_SAYS = ("development", "others", "listener", "listeners", "net", "right", "sounds")
SCORES_SAY = (
    *FRONT_SAYS,
    "agreed",
    "answered",
    "right elsewhere",
    "savee",
    "streamed",
    "of sounds",
)
LATER = (
    "speakers",
    "pitch",
    "wider",
    "diarised",
    "shown",
    "confused",
    "one label",
    "on RAVDESS",
    "larger",
    "from seed to seed",
    "trained again",
    "smaller",
)


@pytest.mark.parametrize(
    ("place", "what"),
    [
        *((FRONT, what) for what in FRONT_SAYS),
        *((SCORES, what) for what in (*SCORES_SAY, *LATER)),
        ("docs/own_voice.md", "adapted"),
    ],
)
def test_a_number_is_the_measured_one(known, place, what) -> None:
    assert known[what] in text(place)


def test_the_front_page_can_be_read_in_five_minutes() -> None:
    prose = re.sub(r"```.*?```", " ", (ROOT / FRONT).read_text("utf-8"), flags=re.S)
    words = re.sub(r"^\|.*\|$|\]\([^)]*\)", " ", prose, flags=re.M).split()
    assert 500 < len(words) < 5 * 200


def test_the_shown_decisions_are_those_of_the_released_model() -> None:
    release = Release.load()
    lines = (SKETCH / "README.md").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines if line.startswith('{"event"')]
    decisions = [line for line in told if line["event"] == "decision"]
    assert len(decisions) == 2
    for line in decisions:
        assert len(line["probabilities"]) == len(release.labels)
        best = int(np.argmax(line["probabilities"]))
        sure = line["probabilities"][best] >= release.threshold
        assert line["label"] == (release.labels[best] if sure else "unsure")
        assert (line["colour"] == "off") == (not sure)
