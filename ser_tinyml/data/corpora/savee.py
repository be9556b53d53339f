"""SAVEE: four men of Surrey, fifteen sentences an emotion, seven emotions."""

from __future__ import annotations

import re
from pathlib import PurePath

from ser_tinyml.data.corpus import (
    MISLABELLED,
    NOT_UNDERSTOOD,
    ClipName,
    Corpus,
    Refusal,
    register,
)

EMOTIONS = {
    "n": "neutral",
    "h": "happy",
    "sa": "sad",
    "a": "angry",
    "f": "fear",
    "d": "disgust",
    "su": "surprise",
}
SPEAKERS = ("DC", "JE", "JK", "KL")

# DC_sa01, or sa01 in the folder DC
NAME = re.compile(r"(?:(DC|JE|JK|KL)_)?(n|h|sa|a|f|d|su)(\d\d)", re.IGNORECASE)


def parse(path: PurePath) -> ClipName | Refusal | None:
    """Read a path such as ``DC_a01.wav`` or ``DC/a01.wav``."""
    match = NAME.fullmatch(path.stem)
    if not match:
        return None
    folders = [part.upper() for part in path.parts[:-1] if part.upper() in SPEAKERS]
    code, number = match[2].lower(), int(match[3])
    if not match[1] and not folders:
        return Refusal(reason=NOT_UNDERSTOOD, detail="in no folder DC, JE, JK or KL: whose is it?")
    speaker = (match[1] or folders[-1]).upper()
    if any(folder != speaker for folder in folders):
        return Refusal(reason=MISLABELLED, detail=f"{speaker} in folder {'/'.join(folders)}")
    if not 1 <= number <= (30 if code == "n" else 15):
        return Refusal(reason=NOT_UNDERSTOOD, detail=f"SAVEE has no {code}{match[3]}")
    return ClipName(
        stem=f"{speaker}_{code}{number:02d}",
        speaker=speaker,
        sex="male",
        emotion=EMOTIONS[code],
        sentence=f"{code}{number:02d}",  # the name does not say which sentence it is
    )


register(
    Corpus(
        name="SAVEE",
        title="Surrey Audio-Visual Expressed Emotion",
        licence="free for research after registration",
        citation=(
            "Haq S., Jackson P. J. B. (2010). Multimodal Emotion Recognition. In Wang W. (ed.), "
            "Machine Audition: Principles, Algorithms and Systems, 398-423. IGI Global"
        ),
        homepage="http://kahlan.eps.surrey.ac.uk/savee/",
        published_emotions={
            emotion: 120 if emotion == "neutral" else 60 for emotion in EMOTIONS.values()
        },
        speakers=SPEAKERS,
        parse=parse,
        colour="#4d9a6a",
        rank=2,
        kaggle="ejlok1/surrey-audiovisual-expressed-emotion-savee",
        quirks=(
            "Some copies keep the speakers in folders (DC/a01.wav): read alike.",
            "176 clips reach full scale: kept, noted.",
            "Recorded loudly: RMS around 0.1, ten times RAVDESS; "
            "level alone tells the corpora apart.",
            "Some sentences were spoken in one emotion only: words can give the emotion away.",
        ),
    )
)
