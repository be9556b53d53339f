"""Folders wherever Spark reads and writes: on a disk, in HDFS, in an object store."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

LARGEST = 256 << 20  # bytes of a recording
EMPTY_FILE = "an empty file"
_WHOLE = "_SUCCESS"  # Spark writes it last
_GLOB = re.compile(r"([{}\[\]*?\\])")


class Place:
    """A folder, named by a path on this computer or by a URL.

    Attributes
    ----------
    name
        As Spark writes it: "file:/recordings", "s3a://bucket/recordings".
    """

    def __init__(self, spark: SparkSession, folder: str | Path) -> None:
        self._spark = spark
        self.is_local = "://" not in str(folder)
        self._path = self._hadoop(os.path.abspath(folder) if self.is_local else str(folder))
        self._system = self._path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
        self.name = str(self._system.makeQualified(self._path).toString()).rstrip("/")

    def _hadoop(self, path: str) -> Any:
        return self._spark.sparkContext._jvm.org.apache.hadoop.fs.Path(path)

    def within(self, name: str) -> str:
        """The full name of what lies in it."""
        return f"{self.name}/{name}"

    def relative(self, name: str) -> str:
        """What `within` was given."""
        return name.removeprefix(f"{self.name}/")

    def recordings(self, paths: Sequence[str]) -> DataFrame:
        """Columns path, a full name, and content, of some recordings in it.

        What cannot be opened is missing.
        """
        from pyspark.errors import AnalysisException

        names = [self.within(path) for path in paths]
        try:
            found = self._binary(names)
        except AnalysisException:  # it wants all to be there, and one
            names = [name for name in names if self._system.exists(self._hadoop(name))]
            if not names:
                return self._spark.createDataFrame([], "path string, content binary")
            found = self._binary(names)
        return found.where(f"length <= {LARGEST}").select("path", "content")

    def why_missing(self, path: str) -> str:
        """What there is in place of a recording of which Spark gave no content."""
        name = self._hadoop(self.within(path))
        if not self._system.exists(name):
            return "nothing"
        size = self._system.getFileStatus(name).getLen()
        if size > LARGEST:
            return f"{size} bytes, more than {LARGEST}"
        passed_over = (
            "a name that Spark passes over (_ or . first, or a colon), or no right to read"
        )
        return passed_over if size else EMPTY_FILE

    def names(self) -> Iterator[str]:
        """Paths of all files in it, at any depth; none is opened."""
        found = self._binary([self.name], recursiveFileLookup=True).select("path")
        for row in found.toLocalIterator():
            yield self.relative(row.path)

    def _binary(self, names: list[str], **options: Any) -> DataFrame:
        # What cannot be opened is to be a line of the report, not the end of the job.
        options |= {"ignoreMissingFiles": True, "ignoreCorruptFiles": True}
        patterns = [_GLOB.sub(r"\\\1", name) for name in names]
        return self._spark.read.format("binaryFile").options(**options).load(patterns)

    def is_whole(self, part: str) -> bool:
        """Whether Spark has finished writing a part."""
        return self._system.exists(self._hadoop(f"{self.name}/{part}/{_WHOLE}"))

    def parts(self) -> list[str]:
        """Names of the parts in it, whole or not."""
        if not self._system.exists(self._path):
            return []
        return sorted(entry.getPath().getName() for entry in self._system.listStatus(self._path))

    def reopen(self, part: str) -> None:
        """Let a part count as unfinished; what is in it stays."""
        self._system.delete(self._hadoop(f"{self.name}/{part}/{_WHOLE}"), False)

    def remove(self, part: str) -> None:
        """Remove a part."""
        self._system.delete(self._hadoop(f"{self.name}/{part}"), True)

    def write(self, part: str, table: DataFrame) -> None:
        """Write a part as Parquet."""
        # Measured values hardly repeat, and to look for those that do takes long.
        writer = table.write.mode("overwrite").option("parquet.enable.dictionary", "false")
        writer.parquet(self.within(part))

    def read(self, part: str, columns: Sequence[str], schema: str) -> Iterator[pa.Table]:
        """Columns of a part: from a disk file by file, from elsewhere whole.

        Parameters
        ----------
        schema
            With these columns, as Spark writes it.
        """
        import pyarrow.parquet as pq

        if not self.is_local:
            stored = self._spark.read.schema(schema).parquet(self.within(part))
            yield stored.select(*columns).toArrow()
            return
        for path in sorted(Path(self.name.removeprefix("file:"), part).glob("*.parquet")):
            yield pq.read_table(path, columns=list(columns))


class Scratch:
    """Recordings as files, one at a time: decoders want a path, and name it in what they say.

    Spark empties the folder, whatever becomes of the process.
    """

    def __init__(self) -> None:
        folder = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0] or None
        if folder:
            os.makedirs(folder, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix="ser-tinyml-", dir=folder)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @contextlib.contextmanager
    def file(self, name: str, content: memoryview) -> Iterator[Path]:
        """A file of this content for a while, whose name is the last part of a full one."""
        path = Path(self._folder.name, name.rpartition("/")[2])
        path.write_bytes(content)
        try:
            yield path
        finally:
            path.unlink()
