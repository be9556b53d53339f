"""What the board draws on a battery, by state: a model, until somebody has measured a board.

The figures are typical ones that are given for these parts. Nobody has held them against the tables
of the data sheets yet, so take them for what they are when you plan a battery. What the processor
adds counts for the share of time in which it is awake; the rest of the time it sleeps (WFE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A current, and of what it is."""

    amperes: float
    source: str


SUPPLY_VOLTS = 3.3  # of the board's regulator, whose own loss is not counted
PROCESSOR = Figure(
    3.3e-3,
    "nRF52840: CPU running from flash at 64 MHz, HFXO, DC/DC",
)
PROCESSOR_LINEAR = Figure(6.3e-3, "the same with the linear regulator, which the core leaves on")
SOUND = Figure(
    1.67e-3,
    "nRF52840, PDM: receiving at 16 kHz, 1.28 MHz, mono, clock HFXO; with the sleeping processor",
)
MICROPHONE = Figure(0.65e-3, "MP34DT05-A: supply current in normal mode")
PEER_MW = 27.5  # embedded-audio-emotion, an nRF52840 in its paper


@dataclass(frozen=True)
class State:
    """What the sketch does.

    Attributes
    ----------
    share
        Of the time, in which the processor is awake.
    milliwatts
        Of processor, microphone and their clock, with the converter; with the linear regulator.
    """

    name: str
    share: float
    milliwatts: float
    milliwatts_linear: float


def states(*, asleep: float, features: float, engine: float) -> list[State]:
    """Power by state of a build that saves power.

    Parameters
    ----------
    asleep, features, engine
        Share of the processor that the energy gate takes, the features of every frame, and the
        network.
    """
    shares: Mapping[str, float] = {
        "listening": asleep,  # nobody speaks: no frame is transformed
        "speech": asleep + features,  # frames, but no window is open
        "deciding": asleep + features + engine,
    }
    return [
        State(name, share, _milliwatts(share, PROCESSOR), _milliwatts(share, PROCESSOR_LINEAR))
        for name, share in shares.items()
    ]


def _milliwatts(share: float, processor: Figure) -> float:
    amperes = SOUND.amperes + MICROPHONE.amperes + share * processor.amperes
    return 1e3 * SUPPLY_VOLTS * amperes


def milliamperes(share: float) -> float:
    """What an ammeter in the battery's wire should show, by the model, for a share awake."""
    return _milliwatts(share, PROCESSOR) / SUPPLY_VOLTS


def lines(found: list[State]) -> list[str]:
    """The model, to be read."""
    named = ", ".join(f"{s.name} {s.milliwatts:.1f} mW" for s in found)
    linear = ", ".join(f"{s.milliwatts_linear:.1f}" for s in found)
    return [
        f"power, a MODEL           {named}",
        f"                         ({linear} mW with the linear regulator): SER_LOW_POWER,",
        f"                         engine 1; a published peer {PEER_MW} mW. Not measured.",
    ]
