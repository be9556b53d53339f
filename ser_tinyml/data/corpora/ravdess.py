"""RAVDESS: 24 North American actors, two sentences, eight emotions, speech and song."""

from __future__ import annotations

import re
from pathlib import PurePath

from ser_tinyml.data.corpus import (
    MISLABELLED,
    NOT_UNDERSTOOD,
    SONG,
    VIDEO,
    Archive,
    ClipName,
    Corpus,
    Refusal,
    register,
)

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
INTENSITIES = {"01": "normal", "02": "strong"}
SPOKEN = {  # neutral was never spoken strongly
    (emotion, intensity)
    for emotion in EMOTIONS
    for intensity in INTENSITIES
    if (emotion, intensity) != ("01", "02")
}
SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
REPETITIONS = ("01", "02")
SPEAKERS = tuple(f"{actor:02d}" for actor in range(1, 25))

# modality-channel-emotion-intensity-statement-repetition-actor
NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
FOLDER = re.compile(r"actor[ _-]?(\d{1,2})", re.IGNORECASE)


def parse(path: PurePath) -> ClipName | Refusal | None:
    """Read a path such as ``Actor_12/03-01-05-01-01-01-12.wav``."""
    match = NAME.fullmatch(path.stem)
    if not match:
        return None
    modality, channel, emotion, intensity, sentence, repetition, actor = match.groups()
    if channel == "02":
        return Refusal(reason=SONG, detail="vocal channel 02 is song")
    if modality in ("01", "02"):
        return Refusal(reason=VIDEO, detail=f"modality {modality}; 03 is audio alone")
    spoken = (modality, channel) == ("03", "01") and (emotion, intensity) in SPOKEN
    if not (spoken and sentence in SENTENCES and repetition in REPETITIONS and actor in SPEAKERS):
        return Refusal(reason=NOT_UNDERSTOOD, detail="a code that RAVDESS does not have")
    if folder := _of_another(path, int(actor)):
        return Refusal(reason=MISLABELLED, detail=f"actor {actor} in folder {folder}")
    return ClipName(
        stem=path.stem,
        speaker=actor,
        sex="male" if int(actor) % 2 else "female",
        emotion=EMOTIONS[emotion],
        intensity=INTENSITIES[intensity],
        sentence=SENTENCES[sentence],
        repetition=int(repetition),
    )


def _of_another(path: PurePath, actor: int) -> str:
    """The folder above a file that names another actor; empty if none does."""
    for folder in path.parts[:-1]:
        said = FOLDER.fullmatch(folder)
        if said and int(said[1]) != actor:
            return folder
    return ""


register(
    Corpus(
        name="RAVDESS",
        title="Ryerson Audio-Visual Database of Emotional Speech and Song",
        licence="CC BY-NC-SA 4.0",
        citation=(
            "Livingstone S. R., Russo F. A. (2018). The Ryerson Audio-Visual Database of Emotional "
            "Speech and Song (RAVDESS). PLoS ONE 13(5): e0196391. doi:10.1371/journal.pone.0196391"
        ),
        homepage="https://zenodo.org/records/1188976",
        published_emotions={
            emotion: 96 if emotion == "neutral" else 192 for emotion in EMOTIONS.values()
        },
        speakers=SPEAKERS,
        parse=parse,
        colour="#3b6fa0",
        rank=1,
        archive=Archive(
            url="https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip?download=1",
            checksum="md5:bc696df654c87fed845eb13823edef8a",
        ),
        kaggle="uwrfkaggler/ravdess-emotional-speech-audio",
        quirks=(
            "Five clips are stereo with identical channels: kept, noted.",
            "Two clips of actor 07 (03-01-03-01-02-01 and -02) are one recording: "
            "the first is kept.",
            "The Kaggle archive holds everything twice: second copies are left out.",
            "Song and the sound of the videos have the same names but for a code: left out.",
            "Recorded very quietly: RMS around 0.01 of full scale.",
        ),
    )
)
