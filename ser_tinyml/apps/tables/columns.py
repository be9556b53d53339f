"""The data dictionary: what is in each table, in which unit, and how the tables hang together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

TEXT, WHOLE, NUMBER = "string", "integer", "number"  # as the Data Package standard calls them
UNSURE, NO_SPEECH = "unsure", "no speech"  # answers beside the model's labels
FACT = "fact_clips"
HEADER = ("Table", "Column", "Type", "Unit", "What it is")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    type
        `TEXT`, `WHOLE` or `NUMBER`.
    unit
        Empty where there is none.
    """

    name: str
    meaning: str
    type: str = TEXT
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table.

    Attributes
    ----------
    key
        The column that is different in every row.
    links
        Columns that are the key of another table, to its name.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    key: str
    links: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """The path of the table below the folder of tables, without its ending."""
        return self.name if self.name in ("clips", "left_out") else f"star/{self.name}"


def _number(name: str, unit: str, meaning: str) -> Column:
    return Column(name=name, type=NUMBER, unit=unit, meaning=meaning)


CLIP = Column(name="clip", meaning="corpus and published name of the clip, the same in every copy")
CORPUS = Column(name="corpus", meaning="corpus that the clip is from")
SPEAKER = Column(name="speaker", meaning="corpus and name of who speaks")
SEX = Column(name="sex", meaning="female or male, as the corpus says; empty: not known")
EMOTION = Column(name="emotion", meaning="emotion that was acted, or label of one's own")
ACTED = Column(
    name="acted_intensity",
    meaning="how strongly it was acted, in the corpus's own words; empty: the corpus says nothing",
)
SENTENCE = Column(name="sentence", meaning="what is said, or its number; empty: not known")
REPETITION = Column(name="repetition", type=WHOLE, meaning="which time it was recorded, from 1 on")

SOUND = (
    Column(
        name="sample_rate_hz", type=WHOLE, unit="Hz", meaning="samples a second of the recording"
    ),
    _number("duration_s", "s", "length of the recording"),
    _number(
        "peak",
        "of full scale",
        "largest sample, whatever its sign; a lossy file can reach a little over 1",
    ),
    _number(
        "minimum", "of full scale", "lowest sample; of a lossy file it can be a little under -1"
    ),
    _number("rms", "of full scale", "root mean square of the recording, pauses and all"),
    _number("speech_s", "s", "from the first to the last frame within 25 dB of the loudest"),
    _number(
        "intensity_db",
        "dB",
        "mean power of the frames within 25 dB of the loudest; 0 dB is 2e-5 of full scale, not "
        "2e-5 Pa, because no corpus was calibrated: only differences mean something",
    ),
    _number("f0_median_hz", "Hz", "median F0 of the voiced frames; Praat looks from 60 to 700 Hz"),
    _number("f0_low_hz", "Hz", "10th percentile of F0"),
    _number("f0_high_hz", "Hz", "90th percentile of F0"),
    _number("f0_range_st", "semitones", "from the 10th to the 90th percentile of F0"),
    _number("voicing", "share", "of the frames of speech, those with a voice, from 0 to 1"),
    _number("hnr_db", "dB", "harmonics-to-noise ratio, mean over the voiced frames"),
    _number("jitter_percent", "%", "jitter (local): how far neighbouring periods differ"),
    _number(
        "shimmer_percent", "%", "shimmer (local): how far amplitudes of neighbouring periods differ"
    ),
    _number("centroid_hz", "Hz", "spectral centroid of the speech, weighted by power"),
    _number("syllables", "count", "peaks of intensity in voiced frames, with dips of 2 dB between"),
    _number("speech_rate", "syllables/s", "syllables in a second of speech, its pauses included"),
)
ANSWER = (
    Column(
        name="answer",
        meaning="what the model answers: a label of its own, 'unsure' or 'no speech'. The released "
        "model learned from most speakers of the corpora: of them this is no score",
    ),
    Column(name="guess", meaning="what it leans to, sure or not; empty where it hears no speech"),
)


def probability(label: str) -> str:
    """Name of the column with a label's probability."""
    return f"probability_{label}"


def measured(labels: Sequence[str]) -> tuple[Column, ...]:
    """All that is measured or answered, of a model with these labels."""
    probabilities = [
        _number(probability(label), "probability", f"of {label}, by the model, from 0 to 1")
        for label in labels
    ]
    return (*SOUND, *ANSWER, *probabilities)


def tables(labels: Sequence[str]) -> tuple[Table, ...]:
    """All tables, of a model with these labels."""
    about = (CORPUS, SPEAKER, SEX, EMOTION, ACTED, SENTENCE, REPETITION)
    clips = Table(
        name="clips",
        title="A row a clip, everything in one table",
        columns=(CLIP, *about, *measured(labels)),
        key="clip",
    )
    left_out = Table(
        name="left_out",
        title="A row a file that is in no other table",
        columns=(
            Column(name="path", meaning="of the file, from the folder of recordings"),
            Column(name="corpus", meaning="corpus that its name is of; empty: none"),
            Column(name="reason", meaning="why it is left out, in a few words that can be counted"),
            Column(name="detail", meaning="what was found in this file"),
        ),
        key="path",
    )
    return (clips, left_out, *_star(labels))


def _star(labels: Sequence[str]) -> tuple[Table, ...]:
    """The fact table, and the dimensions around it."""
    sentence = replace(SENTENCE, meaning="corpus and sentence, which no other corpus shares")
    dimensions = {
        CORPUS: (
            "A row a corpus",
            Column(name="title", meaning="its full name"),
            Column(name="licence", meaning="what it may be used for"),
            Column(name="homepage", meaning="where it is from"),
            Column(
                name="published_clips",
                type=WHOLE,
                unit="count",
                meaning="clips of the whole corpus; 0: not known",
            ),
        ),
        SPEAKER: ("A row a speaker", SEX),
        EMOTION: (
            "A row an emotion or label",
            Column(name="class", meaning="class of the model that it belongs to, or 'no class'"),
            Column(name="place", type=WHOLE, meaning="in tables and pictures, from 1 on"),
            Column(name="colour", meaning="in pictures, as #rrggbb"),
        ),
        sentence: (
            "A row a sentence",
            Column(name="words", meaning="what is said, or its number; empty: not known"),
        ),
    }
    fact = Table(
        name=FACT,
        title="A row a clip, with keys into the four tables around it",
        columns=(CLIP, *dimensions, ACTED, REPETITION, *measured(labels)),
        key="clip",
        links=tuple((key.name, f"dim_{key.name}") for key in dimensions),
    )
    around = [
        Table(name=f"dim_{key.name}", title=title, columns=(key, *columns), key=key.name)
        for key, (title, *columns) in dimensions.items()
    ]
    return (fact, *around)


def dictionary(labels: Sequence[str]) -> pd.DataFrame:
    """A row a column of every table: table, column, type, unit and meaning."""
    rows = [
        {"table": table.path, "column": column.name, **asdict(column)}
        for table in tables(labels)
        for column in table.columns
    ]
    return pd.DataFrame(rows)[["table", "column", "type", "unit", "meaning"]]


def package(labels: Sequence[str]) -> dict[str, Any]:
    """Describe the tables for programs: a Data Package (https://datapackage.org) with keys."""
    resources = []
    for table in tables(labels):
        fields = [
            {"name": c.name, "type": c.type, "unit": c.unit, "description": c.meaning}
            for c in table.columns
        ]
        links = [
            {"fields": [name], "reference": {"resource": other, "fields": [name]}}
            for name, other in table.links
        ]
        resources.append(
            {
                "name": table.name,
                "title": table.title,
                "path": f"{table.path}.csv",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": {"fields": fields, "primaryKey": [table.key], "foreignKeys": links},
            }
        )
    return {"name": "clips", "resources": resources}


def as_markdown(labels: Sequence[str]) -> str:
    """The dictionary for a page; of the fact table only what it has in place of the tidy one."""
    lines = ["| {} | {} | {} | {} | {} |".format(*HEADER), "|---|---|---|---|---|"]
    said = set()
    for row in dictionary(labels).itertuples(index=False):
        line = f"`{row.column}` | {row.type} | {row.unit} | {row.meaning} |"
        if row.table == f"star/{FACT}" and line in said:
            continue  # as in the tidy table
        said.add(line)
        lines.append(f"| `{row.table}` | {line}")
    return "\n".join(lines)
