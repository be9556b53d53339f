"""A net from outside: one file, and the package is as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import contributing
import pytest

from ser_tinyml.tflite.convert import SKETCH_OPERATORS

pytestmark = pytest.mark.timeout(900)
PLUGIN = contributing.example("new_net", "python")
ODD = '''
"""Nets that are not as they should be."""

from ser_tinyml.nets import registry


def gated(*, n_frames, n_inputs, n_classes, batch_size=None, name="probabilities"):
    from ser_tinyml.nets.keras import keras

    features = keras.Input((n_frames, n_inputs), batch_size=batch_size)
    hidden = keras.layers.GRU(4)(features)
    answer = keras.layers.Dense(n_classes, activation="softmax", name=name)(hidden)
    return keras.Model(features, answer)


registry.register("gated", gated)
'''
WALK = """
import json
from functools import partial
from pathlib import Path

import numpy as np
import small_rows

from ser_tinyml.files import DataError
from ser_tinyml.nets import models
from ser_tinyml.nets.keras import one_thread
from ser_tinyml.tflite import convert
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime
from ser_tinyml.training import fitting, recipe
from ser_tinyml.training.batches import Batches, Frames
from ser_tinyml.training.net import TrainedNet

one_thread()
data = small_rows.training_data()


def of(net, options=None, **changes):
    training = {"batch_size": 16, "speaker_clips": 0, "learning_rate": 0.01, **changes}
    training |= {"net": net, "net_options": options or {}}
    given = {"epochs": 8, "teachers": 0, "loud": 0, "frame_augmentation": {"shift_frames": 2}}
    return recipe.Recipe.of({**given, "training": training})


def refused(config, say=lambda line: None):
    try:
        recipe.run(data, config, folder=Path("no"), say=say)
    except DataError as error:
        return str(error)


class Interrupt(Exception):
    pass


def interrupt(line):
    if "epoch   2" in line:
        raise Interrupt


def weights(model):
    return [weight.tolist() for weight in model.get_weights()]


conv, said = of("conv", {"filters": 4}), []
trained, runtime = recipe.run(data, conv, folder=Path("one"), say=said.append)
found = Release.load("one")
rows, inputs = data.held_out(found.normalisation)
answers = TfliteMicroRuntime(found.tflite).predict(inputs)
read = recipe.Trained.load("one")

frames = Frames(data.windows, data.config, conv.frame_augmentation)
fit = partial(
    *(fitting.fit, data.features, data.rows),
    **{"classes": data.classes, "frames": frames, "folder": Path("two")},
    config=conv.training.for_few(data.rows.loc[data.rows["split"] == "train", "key"].nunique()),
)
try:
    fit(say=interrupt)
except Interrupt:
    pass
again = fit(say=lambda line: None)
models.sharpen(again.model, trained.temperature)

before = []
gated = refused(of("gated"), say=before.append)

# Of another kind than its teacher, either way.
lstm = models.build("lstm", n_frames=6, n_inputs=12, n_classes=3, units=(4, 3))
taught = {}
for student, teacher in (("conv", lstm), ("lstm", trained.model)):
    config = of(student).training
    batches = Batches.gather(data.features, data.rows, n_classes=3, config=config, frames=None)
    net = TrainedNet(batches, n_classes=3, config=config, teachers=[teacher])
    wanted = net._taught(batches.validation_x[:]).numpy()
    taught[student] = [
        list(wanted.shape),
        float(np.abs(wanted[:, -1] - fitting.predict(teacher, batches.validation_x)).max()),
        float(np.abs(wanted - wanted[:, -1:]).max()),
    ]

print(json.dumps({
    "said": said,
    "same": bool(np.array_equal(answers, runtime.predict(inputs))),
    "apart": float(np.abs(answers - fitting.predict(trained.model, inputs)).max()),
    "right": float((answers.argmax(axis=1) == rows["label_id"]).mean()),
    "operators": convert.operators(found.tflite),
    "size": models.parameters_and_macs(trained.model),
    "architecture": json.loads(Path("one/architecture.json").read_text()),
    "taken up": weights(again.model) == weights(trained.model),
    "read": weights(read.model) == weights(trained.model),
    "bytes": recipe.convert_int8(read, data, conv).tflite == found.tflite,
    "gated": gated,
    "before": before,
    "left": Path("no").exists(),
    "nameless": refused(of("gated", {"name": "x"})),
    "many": refused(of("conv", {"filters": "many"})),
    "taught": taught,
}))
"""


def python(code: str, folder: Path, plugins: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own that knows these plugins."""
    for name, text in plugins.items():
        (folder / name).write_text(text)
    paths = [contributing.ROOT, contributing.ROOT / "tests" / "support"]
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={
            **os.environ,
            "SER_PLUGINS": os.pathsep.join(plugins),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
        },
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> dict[str, Any]:
    """From rows to answers on TFLite Micro, with the net of docs/new_net.md."""
    done = python(WALK, tmp_path_factory.mktemp("net"), {"conv.py": PLUGIN, "odd.py": ODD})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_trained_converted_released_and_answers(walked) -> None:
    assert walked["same"] and walked["apart"] < 0.1 and walked["right"] > 0.5
    assert "CONV_2D" in walked["operators"] and "SOFTMAX" in walked["operators"]
    assert walked["architecture"] == {
        **{"net": "conv", "n_frames": 6, "n_inputs": 12, "n_classes": 3, "filters": 4}
    }


def test_what_it_stores_and_multiplies_is_counted(walked) -> None:
    first, second, last = 3 * 12 * 4, 3 * 4 * 8, 8 * 3
    assert walked["size"]["parameters"] == first + 4 + 4 * 4 + second + 8 + last + 3
    assert walked["size"]["macs"] == 4 * first + 2 * second + last
    assert walked["size"]["macs_per_frame"] == (4 * first + 2 * second) // 6


def test_what_the_sketch_lacks_is_said_before_the_first_epoch(walked) -> None:
    one, two, few, first, *_ = walked["said"]
    assert one.startswith("net 'conv': engine 1 of the sketch has no ") and "CONV_2D" in one
    assert two.startswith("net 'conv': engine 2 of the sketch cannot run it: ")
    assert few == "few clips to train on, 60: steps of 15 rows"
    assert first.startswith("epoch   1/8")
    lacking = one.removesuffix(": add them to it").split(" has no ")[1].split(", ")
    assert set(lacking) == set(walked["operators"]) - set(SKETCH_OPERATORS)


def test_an_interrupted_training_ends_at_the_same_net(walked) -> None:
    """With dropout, batch normalisation and layers that nobody named."""
    assert walked["taken up"]


def test_it_is_read_back_and_converted_to_the_same_bytes(walked) -> None:
    assert walked["read"] and walked["bytes"]


def test_a_net_that_no_micro_runtime_runs_is_refused_before_training(walked) -> None:
    expected = "net 'gated': expected one that TFLite Micro runs, found: "
    assert walked["gated"].startswith(expected)
    assert walked["before"] == [] and not walked["left"]


def test_what_is_wrong_with_a_net_is_one_clear_line(walked) -> None:
    assert walked["nameless"] == (
        "net 'gated': expected a last layer Dense, softmax, named 'probabilities', "
        "found Dense named 'x'"
    )
    assert walked["many"].startswith("net 'conv' with {'filters': 'many'}: ")


def test_it_teaches_and_is_taught_by_a_net_that_answers_at_every_step(walked) -> None:
    """Of a teacher's steps it takes the last; its one answer stands for all steps of a student."""
    (shape, apart, _), (other_shape, other_apart, spread) = (
        walked["taught"][name] for name in ("conv", "lstm")
    )
    assert shape == [30, 1, 3] and other_shape == [30, 6, 3]
    assert apart < 1e-5 and other_apart < 1e-5 and spread < 1e-6


OWN = "from ser_tinyml.nets import registry\n\n\ndef build({arguments}):\n    pass\n\n\n"
SHAPE = "*, n_frames, n_inputs, n_classes, batch_size=None"
LOOK = """
import sys

from ser_tinyml.files import DataError
from ser_tinyml.training.recipe import Recipe

try:
    Recipe.of({"training": TRAINING})
except DataError as error:
    print(error)
assert "tensorflow" not in sys.modules
"""


@pytest.mark.parametrize(
    ("arguments", "name", "training", "said"),
    [
        (SHAPE, "mine", {"net": "mine"}, ""),
        (
            f"{SHAPE}, depth=1",
            "mine",
            {"net": "mine", "net_options": {"width": 3}},
            "training.net_options: expected options of net 'mine', depth, found 'width'",
        ),
        (
            SHAPE,
            "mine",
            {"net": "other"},
            "training.net: expected one of ['lstm', 'mine'], found 'other'",
        ),
        (
            SHAPE,
            "lstm",
            {},
            "mine.py, line 8: expected a plugin that imports, "
            "found net 'lstm': expected a new name, found one of ['lstm']",
        ),
        ("*, n_frames, n_inputs, n_classes", "mine", {}, "found none for batch_size"),
        (
            f"{SHAPE}, depth",
            "mine",
            {},
            "net 'mine': expected a default for each option, found none for 'depth'",
        ),
    ],
)
def test_a_plugin_is_read_without_tensorflow_and_what_is_wrong_said(
    tmp_path, arguments, name, training, said
) -> None:
    plugin = OWN.format(arguments=arguments) + f'registry.register("{name}", build)\n'
    done = python(LOOK.replace("TRAINING", repr(training)), tmp_path, {"mine.py": plugin})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(said) and bool(done.stdout.strip()) == bool(said)
