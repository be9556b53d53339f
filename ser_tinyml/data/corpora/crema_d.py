"""CREMA-D: 91 actors of many origins, twelve sentences, six emotions, some at three levels."""

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
    "NEU": "neutral",
    "HAP": "happy",
    "SAD": "sad",
    "ANG": "angry",
    "FEA": "fear",
    "DIS": "disgust",
}
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
SPEAKERS = tuple(str(actor) for actor in range(1001, 1092))
# from the corpus' own VideoDemographics.csv: 43 women, the other 48 are men
_WOMEN = (
    "1002 1003 1004 1006 1007 1008 1009 1010 1012 1013 1018 1020 1021 1024 1025 1028 1029 1030 "
    "1037 1043 1046 1047 1049 1052 1053 1054 1055 1056 1058 1060 1061 1063 1072 1073 1074 1075 "
    "1076 1078 1079 1082 1084 1089 1091"
)
WOMEN = frozenset(_WOMEN.split())

# actor_sentence_emotion_level; one published file ends in a single X
NAME = re.compile(r"(1\d{3})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX|X)", re.IGNORECASE)


def parse(path: PurePath) -> ClipName | Refusal | None:
    """Read a path such as ``AudioWAV/1001_DFA_ANG_XX.wav``."""
    match = NAME.fullmatch(path.stem)
    if not match:
        return None
    actor, sentence, emotion, written = (part.upper() for part in match.groups())
    if actor not in SPEAKERS or sentence not in SENTENCES or emotion not in EMOTIONS:
        return Refusal(reason=NOT_UNDERSTOOD, detail="a code that CREMA-D does not have")
    for folder in path.parts[:-1]:
        if folder in SPEAKERS and folder != actor:
            return Refusal(reason=MISLABELLED, detail=f"actor {actor} in folder {folder}")
    level = "XX" if written == "X" else written
    return ClipName(
        stem=f"{actor}_{sentence}_{emotion}_{level}",
        speaker=actor,
        sex="female" if actor in WOMEN else "male",
        emotion=EMOTIONS[emotion],
        intensity=INTENSITIES[level],
        sentence=SENTENCES[sentence],
        note="" if level == written else f"level {written} read as {level}",
    )


register(
    Corpus(
        name="CREMA-D",
        title="Crowd-sourced Emotional Multimodal Actors Dataset",
        licence="ODbL 1.0 (database), DbCL 1.0 (contents)",
        citation=(
            "Cao H., Cooper D. G., Keutmann M. K., Gur R. C., Nenkova A., Verma R. (2014). "
            "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Transactions on "
            "Affective Computing 5(4), 377-390. doi:10.1109/TAFFC.2014.2336244"
        ),
        homepage="https://github.com/CheyneyComputerScience/CREMA-D",
        published_emotions={
            emotion: 1087 if emotion == "neutral" else 1271 for emotion in EMOTIONS.values()
        },
        speakers=SPEAKERS,
        parse=parse,
        colour="#a15b9e",
        rank=3,
        kaggle="ejlok1/cremad",
        quirks=(
            "1006_TIE, 1013_WSI and 1017_IWW are one recording under two emotions: both left out.",
            "1076_MTI_SAD_XX is silent: left out.",
            "1040_ITH_SAD_X lacks an X in its name: read as XX, noted.",
            "Copies taken without Git LFS hold pointers of 130 bytes instead of sound: left out.",
            "No surprise and no calm.",
        ),
    )
)
