"""TESS: two women of Toronto, 200 words, seven emotions."""

from __future__ import annotations

import re
from pathlib import PurePath

from ser_tinyml.data.corpus import (
    MISLABELLED,
    ClipName,
    Corpus,
    Refusal,
    register,
)

EMOTIONS = {
    "neutral": "neutral",
    "happy": "happy",
    "sad": "sad",
    "angry": "angry",
    "fear": "fear",
    "disgust": "disgust",
    "ps": "surprise",
}
# the folders' own words for the seven
FOLDER_WORDS = {code: code for code in EMOTIONS}
FOLDER_WORDS |= {"pleasant_surprise": "ps", "pleasant_surprised": "ps"}

NAME = re.compile(r"(OAF|YAF|OA)_([a-z]+)_(neutral|happy|sad|angry|fear|disgust|ps)", re.IGNORECASE)
FOLDER = re.compile(r"(OAF|YAF|OA)_(\w+)", re.IGNORECASE)


def parse(path: PurePath) -> ClipName | Refusal | None:
    """Read a path such as ``OAF_angry/OAF_back_angry.wav``."""
    match = NAME.fullmatch(path.stem)
    if not match:
        return None
    written, word, code = match[1].upper(), match[2].lower(), match[3].lower()
    speaker = _speaker(written)
    for folder in path.parts[:-1]:
        said = FOLDER.fullmatch(folder)
        if not said:
            continue
        other = FOLDER_WORDS.get(said[2].lower(), code)
        if _speaker(said[1].upper()) != speaker or other != code:
            return Refusal(reason=MISLABELLED, detail=f"{speaker} {code} in folder {folder}")
    return ClipName(
        stem=f"{speaker}_{word}_{code}",
        speaker=speaker,
        sex="female",
        emotion=EMOTIONS[code],
        sentence=word,
        note="" if written == speaker else f"speaker {written} read as {speaker}",
    )


def _speaker(written: str) -> str:
    return "OAF" if written == "OA" else written


register(
    Corpus(
        name="TESS",
        title="Toronto Emotional Speech Set",
        licence="CC BY-NC-ND 4.0",
        citation=(
            "Pichora-Fuller M. K., Dupuis K. (2020). Toronto emotional speech set (TESS). "
            "Borealis. doi:10.5683/SP2/E8H2MF"
        ),
        homepage="https://doi.org/10.5683/SP2/E8H2MF",
        published_emotions=dict.fromkeys(EMOTIONS.values(), 400),
        speakers=("OAF", "YAF"),
        parse=parse,
        pooled=False,  # two speakers, one sentence: it says little of other voices
        colour="#c9713d",
        rank=4,
        kaggle="ejlok1/toronto-emotional-speech-set-tess",
        quirks=(
            "Folders differ in case and wording (OAF_Fear, YAF_pleasant_surprised): any will do.",
            "One file is named OA_bite_neutral: read as OAF, noted.",
            "OAF_food_fear is at 96 kHz, the others at 24.414 kHz: kept, noted.",
            "The Kaggle archive holds everything twice: second copies are left out.",
            "Every clip is one carrier sentence, 'Say the word …': "
            "a net learns the two voices fast.",
        ),
    )
)
