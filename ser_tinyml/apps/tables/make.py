"""Write the tables: CSV and Parquet, the data dictionary, and a star schema."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ser_tinyml import files
from ser_tinyml.apps.tables import columns, rows
from ser_tinyml.apps.tables.columns import Table
from ser_tinyml.apps.tables.rows import Rows
from ser_tinyml.data import corpora, dataset, labels, report
from ser_tinyml.data.corpus import OTHER
from ser_tinyml.plots.style import colours_of
from ser_tinyml.tflite import release
from ser_tinyml.tflite.release import Release

NO_PARQUET = 'no Parquet: pip install "ser-tinyml[analysis]" brings what writes it'


def make(
    recordings: str | Path,
    folder: str | Path,
    *,
    model: str | Path | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> list[Path]:
    """Index a folder of recordings, measure every clip, and write all tables.

    Parameters
    ----------
    recordings
        As `dataset.scan` takes them.
    folder
        For the tables. A call that was stopped is taken up where it was.
    model
        Folder of the model that answers; None: the released one.
    jobs
        Processes; None: one a core.

    Returns
    -------
    paths
        Of what was written.

    Raises
    ------
    DataError
        If no clip can be measured, or the model cannot be read.

    Examples
    --------
    >>> make("corpora", "tables")  # doctest: +SKIP
    """
    known = Release.load(model or release.FOLDER)
    scan = dataset.scan(recordings, progress=progress, jobs=jobs)
    options = {"jobs": jobs, "progress": progress}
    found = rows.build(scan.clips, recordings=recordings, folder=folder, model=known, **options)
    print(report.report(scan))
    return write(folder, found, left_out=scan.left_out)


def write(folder: str | Path, found: Rows, *, left_out: pd.DataFrame) -> list[Path]:
    """Write all tables, and say what was left out beside those of the index.

    Parameters
    ----------
    found
        From `rows.build`.
    left_out
        What the index left out: path, corpus, reason and detail.

    Returns
    -------
    paths
        Of what was written: a CSV and, where pyarrow is installed, a Parquet file of each table,
        dictionary.csv and datapackage.json.
    """
    folder = Path(folder)
    for line in found.left_out.itertuples():
        print(f"left out: {line.detail}")
    contents = {
        "clips": found.clips,
        "left_out": pd.concat([left_out, found.left_out], ignore_index=True).sort_values("path"),
        **star(found.clips, found.labels),
    }
    paths = []
    for table in columns.tables(found.labels):
        paths += _write_table(folder, table, contents[table.name])
    if not parquet():
        print(NO_PARQUET)
    paths.append(
        files.write_table(folder / "dictionary.csv", columns.dictionary(found.labels)),
    )
    paths.append(files.write_json(folder / "datapackage.json", columns.package(found.labels)))
    return paths


def star(clips: pd.DataFrame, model_labels: Sequence[str]) -> Mapping[str, pd.DataFrame]:
    """The fact table of clips, and the four dimensions around it, by name.

    Parameters
    ----------
    clips
        The tidy table, see `columns.tables`.
    """
    sentence = clips["corpus"] + ": " + clips["sentence"]
    emotions = corpora.order_emotions(clips["emotion"])
    classes = labels.classes_of(model_labels)
    emotion = pd.DataFrame({"emotion": emotions})
    emotion["class"] = [classes.get(name, OTHER) for name in emotions]
    emotion["place"] = range(1, len(emotions) + 1)
    emotion["colour"] = [*colours_of(emotions).values()]
    known = [corpora.named(name) for name in corpora.order(clips["corpus"])]
    fields = ("title", "licence", "homepage", "published_clips")
    return {
        columns.FACT: clips.assign(sentence=sentence),
        "dim_corpus": pd.DataFrame(
            {"corpus": one.name, **{name: getattr(one, name) for name in fields}} for one in known
        ),
        "dim_speaker": clips[["speaker", "sex"]].drop_duplicates("speaker").sort_values("speaker"),
        "dim_emotion": emotion,
        "dim_sentence": pd.DataFrame({"sentence": sentence, "words": clips["sentence"]})
        .drop_duplicates("sentence")
        .sort_values("sentence"),
    }


def parquet() -> bool:
    """Whether Parquet can be written: the extra `analysis` brings what does it."""
    return importlib.util.find_spec("pyarrow") is not None


def _write_table(folder: Path, table: Table, content: pd.DataFrame) -> list[Path]:
    """One table, with the columns that the dictionary has of it and no other."""
    content = content[[column.name for column in table.columns]]
    paths = [files.write_table(folder / f"{table.path}.csv", content)]
    if parquet():
        data = _as_parquet(table, content)
        paths.append(files.write_bytes(folder / f"{table.path}.parquet", data))
    return paths


def _as_parquet(table: Table, content: pd.DataFrame) -> bytes:
    """A table as Parquet; every column carries its unit and meaning."""
    import pyarrow
    from pyarrow import parquet as arrow

    kinds = {
        columns.TEXT: pyarrow.string(),
        columns.WHOLE: pyarrow.int64(),
        columns.NUMBER: pyarrow.float64(),
    }
    fields = [
        pyarrow.field(
            column.name,
            kinds[column.type],
            metadata={"unit": column.unit, "description": column.meaning},
        )
        for column in table.columns
    ]
    stream = io.BytesIO()
    made = pyarrow.Table.from_pandas(content, pyarrow.schema(fields), preserve_index=False)
    arrow.write_table(made.replace_schema_metadata(), stream)
    return stream.getvalue()
