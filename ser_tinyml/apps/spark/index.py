"""The index on Spark: workers listen, and say of every recording what `decoding.listen` says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ser_tinyml import files
from ser_tinyml.apps.spark.places import EMPTY_FILE, Place, Scratch
from ser_tinyml.data import dataset, labelled
from ser_tinyml.data.corpora import Refusal
from ser_tinyml.data.dataset import Scan, Sound
from ser_tinyml.data.decoding import listen
from ser_tinyml.files import DataError
from ser_tinyml.sound import containers
from ser_tinyml.sound.reading import EMPTY, UNREADABLE

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_AT_ONCE = 1024  # recordings to a job
_ENDINGS = (*containers.SUFFIXES, *containers.OTHER_SUFFIXES)
_JOBS = 2  # at a time, so that no core waits for the last task of one


@dataclass(frozen=True)
class Ears:
    """What `dataset.scan` takes to listen with.

    Attributes
    ----------
    recordings
        Folder or URL of the recordings, where that is not the folder that is scanned.
    """

    spark: SparkSession
    recordings: str = ""

    def __call__(self, folder: Path, paths: Sequence[str]) -> Iterator[Sound]:
        """What there is to hear in each recording."""
        place = Place(self.spark, self.recordings or folder)
        jobs = [paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE)]
        with ThreadPoolExecutor(_JOBS) as pool:
            for heard in pool.map(lambda some: _heard(place, some), jobs):
                yield from heard


def scan(spark: SparkSession, recordings: str, *, folder: Path, progress: bool = True) -> Scan:
    """As `dataset.scan`, of a folder or a URL.

    Of what is at a URL, endings say which files are sound, and not also their first bytes. Empty
    files are not seen there.

    Parameters
    ----------
    folder
        An empty one, for the names of what is at a URL and its tables of labels.
    """
    place = Place(spark, recordings)
    ears = Ears(spark, recordings)
    if place.is_local:
        return dataset.scan(recordings, progress=progress, listening=ears)
    tables = []
    for path in place.names():
        is_table = path.rpartition("/")[2] == labelled.TABLE
        tables += [path] * is_table
        if is_table or path.lower().endswith(_ENDINGS):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
    for row in place.recordings(tables).toLocalIterator():
        files.write_bytes(folder / place.relative(row.path), row.content)
    try:
        return dataset.scan(folder, progress=progress, listening=ears)
    except DataError as error:
        raise DataError(str(error).replace(str(folder), recordings)) from error


def _heard(place: Place, paths: Sequence[str]) -> list[Sound]:
    rows = place.recordings(paths).mapInArrow(hear, "path string, heard string").collect()
    found = {place.relative(row.path): _sound(json.loads(row.heard)) for row in rows}
    return [found.get(path) or _missing(place, path) for path in paths]


def _missing(place: Place, path: str) -> Refusal:
    why = place.why_missing(path)
    return Refusal(reason=EMPTY if why == EMPTY_FILE else UNREADABLE, detail=why)


def _sound(heard: Mapping[str, object]) -> Sound:
    return Refusal(**heard) if "reason" in heard else dict(heard)


def hear(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """What a worker does: batches of path and content, to batches of path and what was heard."""
    import pyarrow as pa

    with ExitStack() as stack:
        scratch = stack.enter_context(Scratch())
        for batch in batches:
            heard = []
            for name, content in zip(batch["path"].to_pylist(), batch["content"], strict=True):
                with scratch.file(name, content.as_buffer()) as path:
                    found = listen(path)
                heard.append(json.dumps(asdict(found) if isinstance(found, Refusal) else found))
            yield pa.RecordBatch.from_arrays([batch["path"], pa.array(heard)], ["path", "heard"])
