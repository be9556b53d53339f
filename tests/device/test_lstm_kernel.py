"""Our LSTM kernel for TFLite Micro against its reference kernel, bit for bit."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from random_lstm import Layer, Ran, lstm_model, ours, random_layer, random_stack, reference
from tflite_micro import runtime

from ser_tinyml.device import SKETCH
from ser_tinyml.tflite import fixed_point

STACKS = 200
RUNS = 3


def inputs_of(layer: Layer, *, seed: int, runs: int = RUNS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    inputs = rng.integers(-128, 128, (runs, layer.batches, layer.steps, layer.inputs))
    inputs[-1] = rng.choice([-128, 127], inputs.shape[1:])
    return inputs.astype(np.int8)


def through(stacks: list[list[Layer]], inputs: list[np.ndarray]) -> list[list[Ran]]:
    """Each stack through our kernel, layer by layer: the outputs of one are inputs of the next."""
    ran: list[list[Ran]] = [[] for _ in stacks]
    flowing = dict(enumerate(inputs))
    for depth in range(max(map(len, stacks))):
        here = [i for i, stack in enumerate(stacks) if depth < len(stack) and i in flowing]
        for i, one in zip(here, ours([(stacks[i][depth], flowing[i]) for i in here]), strict=True):
            ran[i].append(one)
            flowing[i] = one.outputs
            if one.refusal:
                del flowing[i]
    return ran


def test_random_lstms_give_the_bits_of_the_reference_kernel() -> None:
    """Shapes, numbers of layers, batches, steps, cell clips and scales of all kinds."""
    stacks = [random_stack(seed) for seed in range(STACKS)]
    inputs = [inputs_of(stack[0], seed=seed) for seed, stack in enumerate(stacks)]
    ran = through(stacks, inputs)
    assert {one.refusal for layers in ran for one in layers} == {""}
    different, alike = [], 0
    for seed, (stack, x, layers) in enumerate(zip(stacks, inputs, ran, strict=True)):
        expected = reference(stack, x)
        if not np.array_equal(layers[-1].outputs, expected):
            different.append(seed)
        alike += len(np.unique(expected)) < 4
    assert different == []
    assert alike < STACKS / 2, "expected outputs that could show a difference"
    widths = {layer.inputs % 4 for stack in stacks for layer in stack}
    clips = {float(layer.scales[3]) for stack in stacks for layer in stack}
    assert widths == {0, 1, 2, 3} and len(clips) == 5


def test_the_state_goes_on_from_run_to_run() -> None:
    """Many short runs are one long run."""
    layer = random_layer(np.random.default_rng(3), batches=1, steps=12, inputs=7, units=9)
    inputs = inputs_of(layer, seed=0, runs=1)
    steps = np.moveaxis(inputs[0], 1, 0)[:, :, np.newaxis]  # (12, 1, 1, 7)
    (whole,), (parts,) = ours([(layer, inputs)]), ours([(replace(layer, steps=1), steps)])
    np.testing.assert_array_equal(whole.outputs[0, 0], parts.outputs[:, 0, 0])
    np.testing.assert_array_equal(whole.cell, parts.cell)
    assert len(np.unique(whole.outputs)) > 10


def broken(**changes: object) -> Ran:
    layer = random_layer(np.random.default_rng(1), batches=1, steps=1, inputs=4, units=4)
    scales = layer.scales.copy()
    scales[3] = 0
    for place, value in changes.pop("scales", {}).items():
        scales[place] = value
    layer = replace(layer, scales=scales, **changes)
    return ours([(layer, inputs_of(layer, seed=0, runs=1))])[0]


def test_what_cannot_be_computed_exactly_is_refused_in_words() -> None:
    assert broken().refusal == ""
    assert "no power of two" in broken(scales={2: 0.0007}).refusal
    assert "not positive" in broken(scales={2: 0.0}).refusal
    assert "out of reach" in broken(scales={2: 2.0**3}).refusal
    assert "out of reach" in broken(scales={0: 0.0}).refusal
    assert "out of reach" in broken(scales={1: 1e-30}).refusal
    assert "32 bits" in broken(bias=np.full((4, 4), 2**30, np.int32)).refusal
    assert "32 bits" in broken(scales={0: 2.0**9, 4: 2.0**3}).refusal
    assert "at least one" in broken(batches=0).refusal


def test_table_of_the_sigmoid_is_that_of_the_kernels() -> None:
    text = (SKETCH / "src" / "lstm" / "activations.cpp").read_text()
    block = re.search(r"kEntries = \{\{(.*?)\}\}", text, re.S)[1]
    assert [int(x) for x in re.findall(r"\d+", block)] == fixed_point.sigmoid_table().tolist()


def test_the_reference_takes_the_models_that_we_compare_with() -> None:
    """A model without its cell's quantisation or with a broken matrix would prove nothing."""
    stack = random_stack(0)
    interpreter = runtime.Interpreter.from_bytes(lstm_model(stack), arena_size=1 << 20)
    assert interpreter.get_input_details(0)["shape"].tolist() == [
        stack[0].batches,
        stack[0].steps,
        stack[0].inputs,
    ]
    with pytest.raises(RuntimeError):
        wrong = replace(stack[0], weights=(stack[0].weights[0][:, :, :-1], stack[0].weights[1]))
        model = lstm_model([replace(wrong, bias=stack[0].bias[:, :-1])])
        runtime.Interpreter.from_bytes(model, arena_size=1 << 20)
