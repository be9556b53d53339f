"""How int8 stands for real numbers, and how a kernel multiplies with it."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_tinyml.plots.diagrams import network
from ser_tinyml.plots.diagrams.shapes import GATE, INK, RESULT, STATE, VALUE, arrow, blank, box
from ser_tinyml.tflite.fixed_point import GATE_SCALE, UNIT_SCALE
from ser_tinyml.tflite.release import Release

EXAMPLE = 1.0  # a normalised input: one deviation above its mean
_MARK = "#b8323c"


def int8_arithmetic(release: Release) -> Figure:
    """One input on its way through a multiplication, and the reach of every tensor.

    Parameters
    ----------
    release
        A model with an LSTM first.
    """
    figure = plt.figure(figsize=(11, 8.6))
    rows = figure.add_gridspec(3, 1, height_ratios=(1.5, 3.0, 3.3))
    found = network.tensors(release.tflite)
    example = network.product(release.tflite, real=EXAMPLE)
    _number_line(figure.add_subplot(rows[0]), found[0], example)
    _product(blank(figure.add_subplot(rows[1]), width=11, height=3), found[0], example)
    _reaches(figure.add_subplot(rows[2]), found)
    return figure


def _number_line(axis: Axes, tensor: network.Tensor, example: network.Product) -> None:
    """Some steps of the input's int8 around the example."""
    wholes = np.arange(example.whole - 6, example.whole + 7)
    reals = (wholes - tensor.zero_point) * tensor.scale
    axis.vlines(reals, 0, 0.5, color=INK, linewidth=1.5)
    for whole, real in zip(wholes, reals, strict=True):
        axis.text(real, 0.6, f"{whole}", ha="center", va="bottom", size=10)
    back = (example.whole - tensor.zero_point) * tensor.scale
    axis.plot(example.real, 0.25, "o", color=_MARK, markersize=8)
    axis.plot([back, back], [0, 0.5], color=_MARK, linewidth=4)
    said = f"{example.real:.1f} becomes {example.whole}, which stands for {back:.3f}"
    axis.text(reals[-1] + 0.6 * tensor.scale, 0.25, said, va="center", size=10, color=_MARK)
    axis.set(xlim=(reals[0] - tensor.scale, reals[-1] + 6.8 * tensor.scale), ylim=(0, 1))
    axis.set_xticks(np.round(np.linspace(reals[0], reals[-1], 5), 2))
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.set_xlabel("real number: an input after normalisation")
    title = (
        f"An int8 is a mark on a ruler: scale s = {tensor.scale:.5f}, "
        f"zero point z = {tensor.zero_point}, real = (int8 - z) × s"
    )
    axis.set_title(title, loc="left")


def _product(axis: Axes, tensor: network.Tensor, one: network.Product) -> None:
    title = "One input times one weight, towards the input gate of the first LSTM"
    axis.text(0.1, 2.8, title, weight="bold", size=12, va="center")
    box(axis, (1.3, 2.05), f"input {one.real:.1f}\nint8: {one.whole}", size=(2.0, 0.75))
    weight = f"weight {one.weight:.3f}\nint8: {one.weight_whole}"
    box(axis, (1.3, 0.85), weight, size=(2.0, 0.75))
    times = (
        f"({one.whole} - ({tensor.zero_point})) × {one.weight_whole} = {one.product}\n"
        f"an int32 adds all such products\none unit = {one.product_scale:.7f}"
    )
    box(axis, (4.45, 1.45), times, size=(3.1, 0.95), colour=GATE)
    shift = one.rescaling.left - one.rescaling.right
    factor = one.rescaling.multiplier / 2**31 * 2.0**shift
    parts = [f"a shift by {shift:+d} bits", f"× {one.rescaling.multiplier} / 2^31"]
    first, then = parts if shift > 0 else parts[::-1]  # as the kernel does it: rounding comes last
    rescaled = f"{first}, then\n{then}\ntogether × {factor:.4f}"
    box(axis, (7.7, 1.45), rescaled, size=(2.1, 0.95), colour=STATE)
    gate = f"int16: {one.gate}\nstands for {one.gate * GATE_SCALE:.3f}"
    box(axis, (9.95, 1.45), gate, size=(1.6, 0.95), colour=RESULT)
    arrow(axis, (2.3, 2.05), (2.9, 1.6))
    arrow(axis, (2.3, 0.85), (2.9, 1.3))
    arrow(axis, (6.0, 1.45), (6.65, 1.45))
    arrow(axis, (8.75, 1.45), (9.15, 1.45))
    axis.text(1.3, 0.28, f"weights: s = {one.weight_scale:.6f}, z = 0", ha="center", size=9)
    axis.text(7.7, 2.05, "the shift and the multiplier", ha="center", size=9)
    table = (
        f"one unit = 2^{round(np.log2(GATE_SCALE))}; σ and tanh are tables,\n"
        f"one unit of what they give = 2^{round(np.log2(UNIT_SCALE))}"
    )
    axis.text(9.5, 0.02, table, ha="center", size=9)
    exact, found = one.real * one.weight, one.gate * GATE_SCALE
    rounded = (
        f"exactly: {one.real:.1f} × {one.weight:.3f} = {exact:.3f}\n"
        f"the rest, {found - exact:+.3f}, is rounding"
    )
    axis.text(9.95, 0.5, rounded, ha="center", size=9, color=_MARK)


def _reaches(axis: Axes, found: list[network.Tensor]) -> None:
    """The real numbers that each tensor can hold."""
    for place, one in enumerate(found):
        colour = VALUE if one.bits == 8 else STATE
        width = one.highest - one.lowest
        axis.barh(place, width, left=one.lowest, height=0.6, color=colour, edgecolor=INK)
        text = f"int{one.bits}, s = {one.scale:.7g}, z = {one.zero_point}"
        axis.text(one.highest, place, f"  {one.lowest:.2f} to {one.highest:.2f}: {text}", **_SIDE)
    axis.axvline(0, color=INK, linewidth=1)
    axis.set_yticks(range(len(found)), [one.name for one in found])
    axis.set_ylim(len(found) - 0.5, -0.5)
    lowest, highest = min(one.lowest for one in found), max(one.highest for one in found)
    axis.set_xlim(lowest * 1.05, highest + 0.62 * (highest - lowest))
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("real numbers that the tensor can hold")
    axis.set_title("Every tensor has a ruler of its own", loc="left")


_SIDE = {"va": "center", "size": 9}
