"""One step of an LSTM: four gates, the cell state, and the net around it."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_tinyml.plots.diagrams import network
from ser_tinyml.plots.diagrams.shapes import GATE, RESULT, STATE, VALUE, arrow, box, canvas
from ser_tinyml.tflite.release import Release

_GATES = (  # name, formula, height
    ("forget gate", "f = σ(W x + U h + b)", 4.75),
    ("input gate", "i = σ(W x + U h + b)", 3.85),
    ("candidate", "g = tanh(W x + U h + b)", 2.95),
    ("output gate", "o = σ(W x + U h + b)", 2.05),
)


def lstm_step(release: Release) -> Figure:
    """One step of the first LSTM layer, and below it the layers of the whole net.

    Parameters
    ----------
    release
        A model with an LSTM first.
    """
    figure, axis = canvas(width=11, height=6.6)
    found = network.layers(release.tflite)
    _step(axis, found[0])
    _net(axis, found, release)
    return figure


def _step(axis: Axes, first: network.Layer) -> None:
    axis.text(0.1, 6.35, f"One step of {first.name}", weight="bold", size=12, va="center")
    box(axis, (1.2, 5.65), "c before\nthe memory", size=(1.9, 0.6), colour=STATE)
    box(axis, (1.2, 3.85), f"x: {first.inputs} values\nof this step", size=(1.9, 0.7))
    box(axis, (1.2, 2.75), f"h before: {first.units} values\nof the step before", size=(1.9, 0.7))
    for name, formula, y in _GATES:
        box(axis, (4.3, y), f"{name}\n{formula}", size=(2.4, 0.7), colour=GATE)
        arrow(axis, (2.15, 3.85), (2.6, 3.85), (2.6, y), (3.1, y))
    axis.plot([2.15, 2.6], [2.75, 2.75], color="#34495e", linewidth=1.2)
    box(axis, (6.5, 4.75), "f × c before\nwhat is kept", size=(1.5, 0.7))
    box(axis, (6.5, 3.4), "i × g\nwhat is new", size=(1.5, 0.7))
    box(axis, (8.3, 4.1), "c = kept + new", size=(1.4, 0.6), colour=STATE, bold=True)
    box(axis, (8.3, 2.6), "h = o × tanh(c)", size=(1.4, 0.6), colour=RESULT, bold=True)
    arrow(axis, (2.15, 5.65), (6.5, 5.65), (6.5, 5.1))
    arrow(axis, (5.5, 4.75), (5.75, 4.75))
    arrow(axis, (5.5, 3.85), (5.62, 3.85), (5.62, 3.5), (5.75, 3.5))
    arrow(axis, (5.5, 2.95), (5.62, 2.95), (5.62, 3.3), (5.75, 3.3))
    arrow(axis, (7.25, 4.75), (7.42, 4.75), (7.42, 4.2), (7.6, 4.2))
    arrow(axis, (7.25, 3.4), (7.42, 3.4), (7.42, 4.0), (7.6, 4.0))
    arrow(axis, (8.3, 3.8), (8.3, 2.9))
    arrow(axis, (5.5, 2.05), (7.2, 2.05), (7.2, 2.6), (7.6, 2.6))
    arrow(axis, (9.0, 4.1), (9.5, 4.1))
    arrow(axis, (9.0, 2.6), (9.5, 2.6))
    axis.text(9.6, 4.1, "c, to the next step", va="center", size=10)
    axis.text(9.6, 2.6, "h, to the next step\nand the next layer", va="center", size=10)


def _net(axis: Axes, found: list[network.Layer], release: Release) -> None:
    steps, inputs = release.config.feature_shape
    total = sum(layer.parameters for layer in found)
    title = f"The whole net: {steps} steps a window, {total:,} parameters"
    axis.text(0.1, 1.35, title, weight="bold", size=12, va="center")
    texts = [f"{inputs} inputs\na step"]
    texts += [f"{one.name}: {one.units} units\n{one.parameters:,}\nparameters" for one in found]
    texts.append(f"softmax:\n{len(release.labels)} probabilities")
    width = 10.8 / len(texts)
    for place, text in enumerate(texts):
        x = 0.1 + (place + 0.5) * width
        colour = RESULT if place == len(texts) - 1 else GATE if place else VALUE
        box(axis, (x, 0.65), text, size=(width - 0.3, 0.85), colour=colour)
        if place:
            arrow(axis, (x - width / 2 - 0.15, 0.65), (x - width / 2 + 0.15, 0.65))
