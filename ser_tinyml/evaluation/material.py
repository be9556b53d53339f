"""What trials are made of: settings, recordings, and what is computed from these once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import folds
from ser_tinyml.features import extract, nonspeech, whisper
from ser_tinyml.features.rows import RowPlan
from ser_tinyml.files import DataError, plain_numbers
from ser_tinyml.provenance import Stamp
from ser_tinyml.sound.augment import AugmentConfig
from ser_tinyml.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides a trial but the recordings.

    Attributes
    ----------
    rows
        What is trained on and scored, and what the net sees of it. Its augmented copies are
        "random" ones.
    recipe
        How the net is made of them.
    waveform_augmentation
        How the changed copies of training clips are made.
    """

    rows: RowPlan = RowPlan()
    recipe: Recipe = Recipe()
    waveform_augmentation: AugmentConfig = AugmentConfig()

    def __post_init__(self) -> None:
        if self.rows.augmentation != "random":
            raise DataError(
                f"settings: expected augmentation 'random', found {self.rows.augmentation!r}"
            )
        if self.rows.loud != self.recipe.training.loud:
            raise DataError(
                "settings: expected loud copies where training takes them, found "
                f"loud {self.rows.loud} of rows and {self.recipe.training.loud} of training"
            )
        if self.rows.loud and not self.rows.augmented_rows:
            raise DataError("settings: expected augmented_rows where loud is over 0, found none")

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Settings:
        """Read the parameters of a notebook of research; those of other things are passed over.

        Raises
        ------
        DataError
            If a value is wrong; the message begins with the parameter's name.
        """
        names = ("features", "augmented_rows", "loud")
        rows = {name: parameters[name] for name in names if name in parameters}
        return cls(rows=RowPlan.of(rows), recipe=Recipe.of(parameters))

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON can hold it."""
        return plain_numbers(asdict(self))


@dataclass(frozen=True)
class Material:
    """Recordings that trials are made of, and where what is computed from them is kept.

    Attributes
    ----------
    clips
        The table of stage 01.
    recordings
        Folder that its paths are relative to.
    folder
        For features and trials.
    teacher
        Folder of a Whisper model, for settings with a teacher from outside.
    nonspeech
        Folder of recordings in which nobody speaks, for settings that train on such. A kind of
        sound is a folder in it; each fold leaves some kinds out, see `sounds`.
    """

    clips: pd.DataFrame
    recordings: Path
    folder: Path
    teacher: Path | None = None
    nonspeech: Path | None = None

    def sounds(self, settings: Settings) -> pd.DataFrame | None:
        """Recordings in which nobody speaks, and whether settings train on each.

        Kinds are dealt to the folds of speakers in turn, and those of the fold that is tested are
        left out: what a net makes of them speaks of sounds it never met.

        Returns
        -------
        sounds
            Columns path, kind, trained, sha256 (of the file); None: the settings ask for none, or
            there is no folder.
        """
        if not settings.recipe.training.nonspeech or self.nonspeech is None:
            return None
        table = nonspeech.sounds(self.nonspeech)
        fold = pd.factorize(table["kind"], sort=True)[0] % folds.N_FOLDS
        left_out = (fold == settings.rows.test_fold) & (settings.rows.protocol == "speaker")
        content = [files.sha256_bytes(files.read_bytes(path)) for path in table["path"]]
        return table.assign(trained=~left_out, sha256=content)

    @classmethod
    def of(cls, parameters: Mapping[str, Any], *, clips: pd.DataFrame, folder: Path) -> Material:
        """Read the folders among the parameters of a notebook of research."""
        teacher, sounds = parameters.get("teacher_dir"), parameters.get("nonspeech_dir")
        return cls(
            clips=clips,
            recordings=Path(parameters["recordings_dir"]),
            folder=folder,
            teacher=Path(teacher) if teacher else None,
            nonspeech=Path(sounds) if sounds else None,
        )

    def listener(self, settings: Settings) -> Path | None:
        """The Whisper model that settings ask for; None: they ask for none.

        Raises
        ------
        DataError
            If there is none.
        """
        if not settings.recipe.training.outside:
            return None
        if self.teacher is None:
            raise DataError("teacher: expected the folder of a Whisper model, found none")
        return self.teacher

    def arrays(self, settings: Settings) -> tuple[pd.DataFrame, Path]:
        """Features and bands of every clip and its copies, computed once.

        Returns
        -------
        table
            Columns key, variant: what each row of the arrays is.
        folder
            With features.npy, windows.npy and, where there are such, tracks.npy, embeddings.npy.
        """
        number = settings.rows.augmented_rows
        variants = [extract.CLEAN, *(f"random_{n + 1}" for n in range(number))]
        variants += [extract.LOUD] * (number > 0)
        table = pd.DataFrame(
            {
                "key": self.clips["key"].repeat(len(variants)),
                "variant": variants * len(self.clips),
            }
        ).reset_index(drop=True)
        copies = asdict(settings.waveform_augmentation) if number else None
        teacher = self.listener(settings)
        name = files.sha256_json(
            [settings.rows.features.hash, number, copies, teacher and whisper.fingerprint(teacher)]
        )[:16]
        folder = self.folder / "features" / name
        made_from = [extract.code_hash(), list(self.clips["sha256"])]
        stamp = Stamp(folder / "done.json")
        if not stamp.matches(made_from):
            extract.compute_features(
                table,
                self.clips,
                recordings=self.recordings,
                folder=folder,
                config=settings.rows.features,
                augmentation=settings.waveform_augmentation,
                windows=True,
                teacher=teacher,
                seed=0,
            )
            stamp.write(made_from)
        return table, folder

    def sounds_to_train(self, settings: Settings) -> nonspeech.Sounds | None:
        """The sounds without speech that settings train on; None: none."""
        table = self.sounds(settings)
        if table is None:
            return None
        config = settings.rows.features
        sounds = table[["path", "sha256"]].astype(str).to_numpy().tolist()
        name = files.sha256_json([config.hash, sounds, extract.code_hash()])[:16]
        folder = self.folder / "nonspeech" / name
        if not (folder / "rows.csv").is_file():
            rows, cut = nonspeech.cut(table, config)
            cut.save(folder / nonspeech.NONSPEECH)
            files.write_table(folder / "rows.csv", rows[["path"]])
        trained = table.set_index(table["path"].astype(str))["trained"]
        rows = files.read_table(folder / "rows.csv")
        cut = nonspeech.Sounds.load(folder / nonspeech.NONSPEECH)
        return cut.chosen(trained[rows["path"]].to_numpy())
