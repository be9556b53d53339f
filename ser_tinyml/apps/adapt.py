"""From a few labelled clips of one person to that person's model, its C++ and its card.

Needs neither TensorFlow nor any corpus: the body of the net stays, its last layer is made anew
(`training.adaptation`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ser_tinyml import features, files, metrics
from ser_tinyml.apps.answering import Predictor
from ser_tinyml.apps.predict import model_folder
from ser_tinyml.data import dataset, labels
from ser_tinyml.device.export import sketch, sources
from ser_tinyml.device.export.golden import golden_clips
from ser_tinyml.device.export.model import Export
from ser_tinyml.files import DataError
from ser_tinyml.tflite import answer_layer, release
from ser_tinyml.tflite.release import Release
from ser_tinyml.training import adaptation

CARD = "card.md"
NO_SPEECH, NO_CLASS = "no speech heard", "label of no class"
FEW = 3  # clips of a class; with fewer nothing, or little, is gained


@dataclass(frozen=True)
class Voice:
    """A person's clips.

    Attributes
    ----------
    clips
        Columns path, label, label_id and sentence, a line a clip.
    left_out
        Columns path, reason and detail: what could not be used.
    inputs [shape=(n, n_frames, n_inputs)]
        Normalised features, float32.
    """

    clips: pd.DataFrame
    left_out: pd.DataFrame
    inputs: np.ndarray


@dataclass(frozen=True)
class Adapted:
    """A model adapted to a voice, and what says how good it is.

    Attributes
    ----------
    tflite
        The int8 model.
    decision
        When it answers: decision.json.
    before, left_out [shape=(n, n_classes)]
        Probabilities of each clip: of the old model, and of a layer that was fitted without it.
    """

    tflite: bytes
    decision: dict[str, object]
    before: np.ndarray
    left_out: np.ndarray


def adapt(
    folder: str | Path,
    *,
    output: str | Path,
    model: str | Path | None = None,
    progress: bool = True,
) -> Adapted:
    """Adapt a model to the clips in a folder, print what is gained, and write the new model.

    Parameters
    ----------
    folder
        Of labelled clips, as `make run DATA=…` takes them: folders named after labels, or a
        labels.csv. Labels are those of the model, or emotions that its classes gather.
    output
        Folder for the model, which `predict --model` reads, a sketch to flash, and its card.
    model
        A model's folder, or that of a run or its name; None: the released model.
    progress
        Show a progress bar.

    Raises
    ------
    DataError
        If no clip can be used, all are of one class, or the model cannot be adapted.
    """
    old = Release.load(model_folder(model))
    voice = read_voice(folder, old, progress=progress)
    adapted = fit(old, voice)
    text = card(old, voice, adapted)
    write(output, old, adapted, card=text)
    print(text)
    print(f"Written to {output}: the model, sketch/{sketch.SKETCH.name} to flash, {CARD}")
    return adapted


def read_voice(folder: str | Path, old: Release, *, progress: bool = True) -> Voice:
    """Read a person's labelled clips as a model takes them.

    Raises
    ------
    DataError
        If no clip can be used, or all are of one class.
    """
    scan = dataset.scan(folder, progress=progress)
    of_emotion = labels.classes_of(old.labels)
    hears = Predictor(old)
    kept, inputs, left = [], [], []
    for clip in scan.clips.itertuples():
        label = of_emotion.get(clip.emotion)
        if label is None:
            detail = f"{clip.emotion!r}: the model knows {', '.join(sorted(of_emotion))}"
            left.append((clip.path, NO_CLASS, detail))
            continue
        samples = hears.read(Path(folder) / clip.path).samples
        if reason := hears.answer(samples).reason:
            left.append((clip.path, NO_SPEECH, reason))
            continue
        kept.append((clip.path, label, old.labels.index(label), clip.sentence))
        inputs.append(features.waveform_features(samples, old.config))
    clips = pd.DataFrame(kept, columns=["path", "label", "label_id", "sentence"])
    left_out = pd.DataFrame(left, columns=["path", "reason", "detail"])
    left_out = pd.concat([scan.left_out[left_out.columns], left_out], ignore_index=True)
    if clips["label"].nunique() < 2:
        raise DataError(
            f"{folder}: expected clips of two labels or more, found "
            f"{', '.join(clips['label'].unique()) or 'none'}; left out: "
            + ("; ".join(" ".join(row) for row in left_out.to_numpy()[:3]) or "nothing")
        )
    return Voice(clips, left_out, old.normalisation.apply(np.stack(inputs)))


def fit(old: Release, voice: Voice) -> Adapted:
    """Fit the last layer to a person's clips, and set the threshold on clips left out.

    Raises
    ------
    DataError
        If the model was released without what it takes (hidden.npz).
    """
    layer = answer_layer.read(old.tflite)
    hidden = adaptation.hidden_values(old.tflite, voice.inputs)
    label_ids = voice.clips["label_id"].to_numpy()
    given = {"layer": layer, "statistics": old.hidden}
    sentences = voice.clips["sentence"].astype(str).to_numpy()
    groups = sentences if (sentences != "").all() and len(set(sentences)) > 1 else None
    left_out = adaptation.left_out(hidden, label_ids, groups=groups, **given)
    target = old.decision["target_accuracy"]
    threshold = adaptation.threshold(
        left_out, label_ids, least=old.threshold, target_accuracy=target
    )
    return Adapted(
        tflite=adaptation.apply(old.tflite, adaptation.fit(hidden, label_ids, **given), hidden),
        decision={**old.decision, "threshold": threshold},
        before=adaptation.softmax(layer.logits(hidden)),
        left_out=left_out,
    )


def write(output: str | Path, old: Release, adapted: Adapted, *, card: str) -> None:
    """Write the model, its C++ in a sketch, its golden clips and its card."""
    output = Path(output)
    release.write(
        output,
        tflite=adapted.tflite,
        config=old.config,
        normalisation=old.normalisation,
        labels=old.labels,
        decision=adapted.decision,
        hidden=old.hidden,
    )
    export = Export.load(output)
    with tempfile.TemporaryDirectory() as generated:
        sources.write_sources(generated, export)
        sketch.write_sketch(output / "sketch", generated)
    golden_clips(export).write(output / "golden")
    files.write_text(output / CARD, card)


def card(old: Release, voice: Voice, adapted: Adapted) -> str:
    """What was heard and what is gained, in Markdown."""
    label_ids = voice.clips["label_id"].to_numpy()
    counts = voice.clips["label"].value_counts().reindex(old.labels, fill_value=0)
    lines = [
        f"# A model for one voice, from {len(voice.clips)} clips",
        "",
        "| label | clips |",
        "|---|---|",
        *(f"| {label} | {count} |" for label, count in counts.items()),
        "",
        "| | UAR | answered | of these right |",
        "|---|---|---|---|",
        _line("the old model", adapted.before, label_ids, old.threshold),
        _line(
            "adapted, asked about clips left out",
            adapted.left_out,
            label_ids,
            float(adapted.decision["threshold"]),
        ),
        "",
        "For the second line the clips were dealt to ten parts (or fewer), and each part was asked "
        "of a model that did not hear it. "
        "Both lines are of this person's own clips, so they say nothing of anybody else. Whoever "
        "else speaks to the adapted model is heard a little worse than by the old one.",
    ]
    return "\n".join([*lines, *_warnings(counts, voice.left_out)]) + "\n"


def _line(name: str, probabilities: np.ndarray, label_ids: np.ndarray, threshold: float) -> str:
    right = probabilities.argmax(axis=1) == label_ids
    answered = probabilities.max(axis=1) >= threshold
    share = f"{100 * right[answered].mean():.0f} %" if answered.any() else "–"
    uar = metrics.uar(label_ids, probabilities.argmax(axis=1))
    return f"| {name} | {100 * uar:.0f} % | {100 * answered.mean():.0f} % | {share} |"


def _warnings(counts: pd.Series, left_out: pd.DataFrame) -> Sequence[str]:
    """What is to be known of too few clips, and every clip that was not used."""
    found = []
    if len(few := counts[counts < FEW]):
        found += [
            "",
            f"Fewer than {FEW} clips of {', '.join(few.index)}: little is gained. Five clips a "
            "label are a good beginning, in other words each.",
        ]
    if len(left_out):
        rows = (f"- {row.path}: {row.reason} ({row.detail})" for row in left_out.itertuples())
        found += ["", "Left out:", "", *rows]
    return found
