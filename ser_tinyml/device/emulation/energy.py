"""What the board draws on a battery, by state: a model, until somebody has measured a board.

What the processor adds counts for the share of time in which it is awake; the rest of the time it
sleeps (WFE). Each `Figure` names the table that it should stand in, and says whether anybody has
read it there: the others are typical figures, given for these parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A current.

    Attributes
    ----------
    amperes
        Typical, as data sheets say: not guaranteed.
    source
        Document, section, and the condition that it is given for.
    read
        Whether the figure was read there, for this very part.
    """

    amperes: float
    source: str
    read: bool


SUPPLY_VOLTS = 3.3  # of the board's regulator, whose own loss is not counted
# Two figures that were read give the same 3.3 mA: 8.1 mA with the radio sending at 0 dBm
# (5.2.1.12 Compounded, DC/DC) less 4.8 mA for the radio (the product's summary).
PROCESSOR = Figure(
    3.3e-3,
    "nRF52840 Product Specification, 5.2.1.3 CPU running: from flash at 64 MHz, HFXO, DC/DC",
    read=False,
)
PROCESSOR_LINEAR = Figure(
    6.3e-3,
    "the same with the linear regulator, which the core leaves on",
    read=False,
)
# The nRF52840's own section 5.2.1 has no PDM among its entries. On an nRF52832, with the microphone
# below, 2.5 mA were measured (devzone.nordicsemi.com, question 105386): 0.2 mA more than here.
SOUND = Figure(
    1.67e-3,
    "I_PDM in the specification of a later Nordic part with the same interface: 16 kHz, 1.28 MHz, "
    "mono, HFXO, processor asleep",
    read=False,
)
MICROPHONE = Figure(
    0.65e-3,
    "MP34DT05-A (board revision 1), DS12239 Rev 5, table 2: Idd in normal mode, 1.8 V, 2.4 MHz. "
    "That of the MP34DT06J (revision 2) was not read",
    read=True,
)

# embedded-audio-emotion (doi:10.1109/PerComWorkshops65533.2025.00161): a whole nRF52840 board at
# its USB plug. The mean of the first 50,000 readings of its log (logs/power_profiles in
# github.com/prasenjit52282/embedded-audio-emotion) is 27.5 mW at 5.1 V.
PEER_MW = 27.5


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
        f"                         engine 1. Not measured. A published peer, its whole board: "
        f"{PEER_MW} mW.",
    ]
