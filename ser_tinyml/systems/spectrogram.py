"""A net that looks at the spectrogram of a clip, eight classes, in OpenVINO (Speech-VINO).

It learns from speech and song of RAVDESS, and before that from the other corpora: a few dozen
sentences of 20 actors are few for a net that begins from nothing. In a second form all that is
unpleasant is one class.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePath

import pandas as pd

from ser_tinyml import files
from ser_tinyml.data.corpora import ravdess
from ser_tinyml.files import DataError
from ser_tinyml.sound.folder import walk
from ser_tinyml.systems.exports import openvino_ir
from ser_tinyml.systems.exports import spectrogram as exports
from ser_tinyml.systems.face import PUBLISHED, SPEAKERS, Export, Pretraining, System, Test
from ser_tinyml.systems.parts import spectrogram_features as recipe
from ser_tinyml.systems.parts import spectrogram_net as net
from ser_tinyml.systems.parts import spectrogram_picture as picture
from ser_tinyml.systems.parts.keras_fit import FitSettings
from ser_tinyml.systems.parts.spectrogram_changes import STRONG, WEAK
from ser_tinyml.systems.parts.spectrogram_net import Learning, Settings

SPEECH, SONG = "RAVDESS", "RAVDESS-song"
SUNG = "02"  # the vocal channel, the second code of a name
EIGHT = {emotion: (emotion,) for emotion in ravdess.EMOTIONS.values()}
MOST_OF_A_SPEAKER = 200
UNPLEASANT = ("sad", "angry", "fear", "disgust")
NEGATIVE = {
    **{name: (name,) for name in EIGHT if name not in UNPLEASANT},
    "negative": UNPLEASANT,
}


def speech_and_song(clips: pd.DataFrame, song: Path | None) -> pd.DataFrame:
    """The clips of RAVDESS, and below them those that the same actors sing.

    An actor's song has the speaker of the actor's speech, so that both fall into one fold.

    Raises
    ------
    DataError
        If there is no clip of RAVDESS, or a folder of song that has none.
    """
    speech = clips[clips["corpus"] == SPEECH]
    if speech.empty:
        raise DataError(f"spectrogram: expected recordings of {SPEECH}, found none")
    if song is None:
        return speech.reset_index(drop=True)
    lines = [
        _sung(here / name)
        for here, _, names in walk(song)
        for name in names
        if PurePath(name).stem.split("-")[:2] == ["03", SUNG]
    ]
    if not lines:
        raise DataError(
            f"{song}: expected sung recordings of {SPEECH}, such as "
            "Actor_01/03-02-01-01-01-01-01.wav, found none"
        )
    sung = pd.DataFrame(lines).drop_duplicates("sha256").drop_duplicates("key").sort_values("key")
    together = pd.concat([speech, sung], ignore_index=True)
    return together.fillna({"session": "", "given_split": ""})


def other_corpora(clips: pd.DataFrame) -> pd.DataFrame:
    """Clips of all corpora but RAVDESS, at most `MOST_OF_A_SPEAKER` of each speaker.

    TESS has 1,400 of each of two women, who would decide what the net hears.
    """
    others = clips[clips["corpus"] != SPEECH]
    mixed = others.sample(frac=1, random_state=0).groupby("speaker").head(MOST_OF_A_SPEAKER)
    return mixed.sort_index().reset_index(drop=True)


def _sung(path: Path) -> dict[str, str]:
    """What the table of clips has of a sung recording: its name differs by one code."""
    codes = path.stem.split("-")
    name = ravdess.parse(PurePath("-".join([codes[0], "01", *codes[2:]]) + path.suffix))
    if not hasattr(name, "emotion"):
        raise DataError(f"{path}: expected a name as RAVDESS gives them, found other codes")
    return {
        "key": f"{SONG}/{path.stem}",
        "corpus": SONG,
        "speaker": f"{SPEECH}-{name.speaker}",
        "sex": name.sex,
        "emotion": name.emotion,
        "path": str(path.resolve()),
        "session": "",
        "given_split": "",
        "sha256": files.sha256_bytes(files.read_bytes(path)),
    }


# Heard voices are learned by heart: a wider net, longer, and nothing of other people before.
WIDE = Settings(
    filters=(32, 64, 128, 256, 256),
    own=Learning(
        changes=WEAK,
        fit=FitSettings(epochs=60, patience=60, batch_size=16, learning_rate=1.5e-3, smoothing=0.1),
    ),
)
TESTS = {
    PUBLISHED: Test(
        rows={
            "protocol": "clip_random",
            "class_set": EIGHT,
            "test_fraction": 0.2,
            "validation_fraction": 0.15,
        },
        quoted={"accuracy": 0.984},
        source="Speech-VINO, 24 actors",
        settings=WIDE,
        pretrained=False,
    ),
    SPEAKERS: Test(
        rows={"protocol": "speaker", "class_set": EIGHT},
        counted=(SPEECH,),
        quoted={"uar": 0.623},
        source="ResLSTM-SA, other folds",
    ),
}
QUICK = Learning(changes=STRONG, fit=FitSettings(epochs=1, batch_size=16))
SAME = {"difference": 1e-4, "same": 0.999}

SPECTROGRAM = System(
    name="spectrogram",
    title="CNN over spectrograms (Speech-VINO)",
    extra="spectrogram",
    sample_rate=recipe.RATE,
    least_s=0.5,
    clips=speech_and_song,
    prepare=recipe.prepare,
    features=recipe.features,
    read_picture=picture.read,
    write_picture=picture.write,
    pretraining=Pretraining(
        clips=other_corpora,
        class_set={name: own for name, own in EIGHT.items() if name != "calm"},
        train=net.pretrain,
    ),
    train=net.train,
    load=net.load,
    settings=Settings(),
    quick=Settings(filters=(4, 8), before=QUICK, own=QUICK),
    tests=TESTS,
    exports={
        "onnx": Export(
            about="ONNX Runtime", make=exports.as_onnx, modules=exports.ONNX_MODULES, **SAME
        ),
        "openvino_fp32": Export(
            about="OpenVINO, fp32",
            make=exports.as_fp32,
            modules=(*exports.ONNX_MODULES, *openvino_ir.MODULES),
            **SAME,
        ),
        "openvino_fp16": Export(
            about="OpenVINO, weights in fp16",
            make=exports.as_fp16,
            modules=(*exports.ONNX_MODULES, *openvino_ir.MODULES),
            difference=5e-3,
            same=0.99,
        ),
        "openvino_int8": Export(
            about="OpenVINO, int8 by NNCF",
            make=exports.as_int8,
            modules=(*exports.ONNX_MODULES, *openvino_ir.INT8_MODULES),
            difference=0.1,
            same=0.97,
        ),
    },
)

SPECTROGRAM_NEGATIVE = replace(
    SPECTROGRAM,
    name="spectrogram_negative",
    title="CNN over spectrograms (one unpleasant class)",
    tests={
        name: replace(test, rows={**test.rows, "class_set": NEGATIVE}, quoted={}, source="")
        for name, test in TESTS.items()
    },
)

SYSTEMS = (SPECTROGRAM, SPECTROGRAM_NEGATIVE)
