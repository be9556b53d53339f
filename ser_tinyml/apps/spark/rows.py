"""Features on Spark: recordings in, rows out, in parts that are written whole or not at all.

Every row is what `extract.clip_features` makes of its recording, and drawn by its key and version.
So it does not matter which worker makes it, beside which others, or how often.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ser_tinyml import files
from ser_tinyml.apps.spark.places import Place, Scratch
from ser_tinyml.apps.spark.session import said
from ser_tinyml.features import FeatureConfig, extract, whisper
from ser_tinyml.files import DataError
from ser_tinyml.provenance import module_hashes
from ser_tinyml.sound import augment
from ser_tinyml.sound.augment import AugmentConfig

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

PARQUET = "parquet"  # folder of the parts
REPORT = "report.csv"  # recordings that could not be used
PART_CLIPS = 1024
_TASK_CLIPS = 32  # or so
_FEATURES = "features"
_FLOAT16 = ("windows", "tracks", "embeddings")  # as bytes, for Spark has no such numbers


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What is computed of every recording.

    Attributes
    ----------
    options
        For `extract.clip_features`.
    """

    options: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        config: FeatureConfig,
        augmentation: AugmentConfig,
        *,
        seed: int,
        background_folder: Path | None = None,
        windows: bool = False,
        teacher: Path | None = None,
    ) -> Versions:
        """As `extract.compute_features` takes it."""
        noises: list[np.ndarray] = []
        if background_folder is not None:
            found = augment.read_backgrounds(background_folder, sample_rate=config.sample_rate)
            noises = [*found.values()]
        return cls(
            options={
                "config": config,
                "augmentation": augmentation,
                "backgrounds": noises,
                "seed": seed,
                "windows": windows,
                "teacher": teacher,
            }
        )

    @property
    def arrays(self) -> list[str]:
        """Names of the arrays."""
        config, windows = self.options["config"], self.options["windows"]
        chosen = {"windows": windows, "tracks": windows and config.pitch}
        chosen["embeddings"] = self.options["teacher"] is not None
        return [_FEATURES, *(name for name in _FLOAT16 if chosen[name])]

    @property
    def schema(self) -> str:
        """The columns of a part, as Spark wants to know them."""
        kinds = {name: "binary" if name in _FLOAT16 else "array<float>" for name in self.arrays}
        arrays = [f"{name} {kind}" for name, kind in kinds.items()]
        return ", ".join(["key string", "variant string", "error string", *arrays])

    def shape(self, name: str, length: int) -> tuple[int, ...]:
        """Of a row of an array with so many values."""
        config = self.options["config"]
        if name == _FEATURES:
            return config.feature_shape
        last = {"windows": config.n_mels, "tracks": 2}.get(name)
        return (length // last, last) if last else (length,)

    def identity(self) -> dict[str, Any]:
        """All that decides the rows of a recording but its samples, as JSON can hold it."""
        options, noises = self.options, self.options["backgrounds"]
        return {
            "features": options["config"].hash,
            "augmentation": asdict(options["augmentation"]),
            "seed": options["seed"],
            "arrays": self.arrays,
            "teacher": whisper.fingerprint(teacher) if (teacher := options["teacher"]) else "",
            "backgrounds": [files.sha256_bytes(noise.tobytes()) for noise in noises],
            "code": code(),
        }


@dataclass(frozen=True)
class Part:
    """Neighbouring clips that are computed and written together.

    Attributes
    ----------
    name
        Of the folder that they go to; it comes from all that they are made from.
    clips
        Key to path and versions.
    """

    name: str
    clips: Mapping[str, tuple[str, list[str]]]


def parts(
    rows: pd.DataFrame, clips: pd.DataFrame, versions: Versions, *, size: int = PART_CLIPS
) -> list[Part]:
    """Deal the clips of some rows to parts, so many to each.

    Parameters
    ----------
    rows
        From `rows.plan_rows`.
    clips
        The table of stage 01, for path and sha256.
    """
    known = clips.set_index("key")[["path", "sha256"]]
    wanted = rows.groupby("key", sort=False)["variant"].agg(list)
    identity, found = versions.identity(), []
    for start in range(0, len(wanted), size):
        some = wanted.iloc[start : start + size]
        of_clips = known.loc[some.index]
        made_from = [list(some.index), list(some), list(of_clips["sha256"]), identity]
        paths = zip(of_clips["path"], some, strict=True)
        found.append(
            Part(files.sha256_json(made_from)[:32], dict(zip(some.index, paths, strict=True)))
        )
    return found


def compute(
    spark: SparkSession,
    parts: Sequence[Part],
    versions: Versions,
    *,
    recordings: str | Path,
    parquet: str | Path,
    progress: bool = True,
) -> pd.DataFrame:
    """Compute the parts that are not there.

    A recording that cannot be used stops nothing. Its part is not kept for whole: another call
    computes that again.

    Parameters
    ----------
    recordings
        Folder or URL that the paths are relative to; all workers see it.
    parquet
        Folder or URL of the parts; all workers see it. What is no part of these is removed.

    Returns
    -------
    failed
        Columns key, path, error: a line a recording that could not be used.
    """
    source, target = Place(spark, recordings), Place(spark, parquet)
    missing = [part for part in parts if not target.is_whole(part.name)]
    bar = tqdm(total=_rows(parts), unit="row", desc=_FEATURES, disable=not progress, mininterval=1)
    bar.update(_rows(parts) - _rows(missing))
    # One part more than keeps all cores busy, so that none waits for the last task of another.
    at_once = 1 - (-spark.sparkContext.defaultParallelism * _TASK_CLIPS // PART_CLIPS)
    stamp, where = code(), {"source": source, "target": target}  # Python parses in one thread only
    with ThreadPoolExecutor(at_once) as pool, bar:
        waiting = {
            pool.submit(_compute_part, part, versions, stamp, **where): part for part in missing
        }
        try:
            for done in as_completed(waiting):
                done.result()
                bar.update(_rows([waiting[done]]))
        except BaseException:
            for one in waiting:
                one.cancel()
            spark.sparkContext.cancelAllJobs()
            raise
    for stale in set(target.parts()) - {part.name for part in parts}:
        target.remove(stale)
    return _failed(parts, **where)


def join(
    spark: SparkSession,
    parts: Sequence[Part],
    rows: pd.DataFrame,
    versions: Versions,
    *,
    parquet: str | Path,
    folder: Path,
) -> Path:
    """Put the rows of all parts together into folder/features.npy, as `extract` writes it.

    One Parquet file is in memory at a time.

    Parameters
    ----------
    rows
        In the order of the arrays; recordings that could not be used are not among them.

    Returns
    -------
    path
        features.npy, float32 [shape=(rows, n_frames, n_inputs)]; the others lie beside it.
    """
    target, names = Place(spark, parquet), versions.arrays
    index = pd.MultiIndex.from_frame(rows[["key", "variant"]])
    arrays: dict[str, np.ndarray] = {}
    written = np.zeros(len(rows), bool)
    for part in parts:
        for table in target.read(part.name, ["key", "variant", *names], versions.schema):
            mine = [table[column].to_pylist() for column in index.names]
            at = index.get_indexer(pd.MultiIndex.from_arrays(mine))
            wanted = table.filter(at >= 0)
            for name in names if len(wanted) else ():
                values = _values(wanted[name], name, versions)
                if name not in arrays:
                    arrays[name] = _partial(folder, name, values, len(rows))
                arrays[name][at[at >= 0]] = values
            written[at[at >= 0]] = True
    if not written.all():
        raise DataError(
            f"{target.name}: expected {len(rows)} rows, found {written.sum()}; remove the folder"
        )
    for name in _FLOAT16:  # what earlier settings left would be taken for these rows'
        (folder / f"{name}.npy").unlink(missing_ok=True)
    for name in names:
        arrays.pop(name).flush()
        shutil.move(folder / f".{name}.npy.partial", folder / f"{name}.npy")
    return folder / f"{_FEATURES}.npy"


def _values(column: pa.ChunkedArray, name: str, versions: Versions) -> np.ndarray:
    """The rows of an array, as they were before they went to Parquet."""
    if name in _FLOAT16:
        flat = np.frombuffer(b"".join(column.to_pylist()), "<f2")
    else:
        flat = column.combine_chunks().flatten().to_numpy()
    return flat.reshape(len(column), *versions.shape(name, len(flat) // len(column)))


def _partial(folder: Path, name: str, values: np.ndarray, count: int) -> np.ndarray:
    """An array on disk for so many rows like these."""
    path, shape = folder / f".{name}.npy.partial", (count, *values.shape[1:])
    return np.lib.format.open_memmap(path, mode="w+", dtype=values.dtype, shape=shape)


def _rows(parts: Iterable[Part]) -> int:
    return sum(len(variants) for part in parts for _, variants in part.clips.values())


def _compute_part(
    part: Part, versions: Versions, stamp: str, *, source: Place, target: Place
) -> None:
    wanted = {source.within(path): (key, variants) for key, (path, variants) in part.clips.items()}
    task = Task(wanted, versions, stamp)
    paths = [path for path, _ in part.clips.values()]
    made = source.recordings(paths).mapInArrow(task, versions.schema)
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        target.write(part.name, made)
    except (PySparkException, Py4JError) as error:
        raise DataError(
            f"{target.within(part.name)}: expected Spark to compute it, found: {said(error)}"
        ) from error


@cache
def code() -> str:
    """Of all that computes features. Plugins have no part in it, and workers may lack them."""
    hashes = module_hashes([f"import {extract.__name__}"])
    return files.sha256_json({n: h for n, h in hashes.items() if not n.startswith("plugin ")})


@dataclass(frozen=True)
class Task:
    """What a worker does: recordings in, rows out. A recording it cannot use is a row too.

    Attributes
    ----------
    wanted
        Full name of a recording to the key and the versions of the clip.
    code
        What `code` has to be here.
    """

    wanted: Mapping[str, tuple[str, list[str]]]
    versions: Versions
    code: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Batches of path and content, to batches of the columns."""
        if code() != self.code:
            raise DataError(
                "spark: expected the workers to have the package that the job was started with, "
                "found another: make their archive anew"
            )
        with ExitStack() as stack:
            stack.enter_context(threadpool_limits(1))  # the workers share the cores already
            scratch = stack.enter_context(Scratch())
            for batch in batches:
                yield self._rows(batch, scratch)

    def _rows(self, batch: pa.RecordBatch, scratch: Scratch) -> pa.RecordBatch:
        import pyarrow as pa

        names = self.versions.arrays
        columns: dict[str, list[Any]] = {n: [] for n in ("key", "variant", "error", *names)}
        for name, content in zip(batch["path"].to_pylist(), batch["content"], strict=True):
            key, variants = self.wanted[name]
            try:
                with scratch.file(name, content.as_buffer()) as path:
                    arrays = self._arrays(path, name, key, variants)
            except DataError as error:
                arrays = {n: [None] for n in names} | {"variant": [None], "error": [str(error)]}
            count = len(arrays["variant"])
            for column, values in ({"key": [key] * count} | arrays).items():
                columns[column] += values
        arrays = [pa.binary() if n in _FLOAT16 else pa.list_(pa.float32()) for n in names]
        types = [*[pa.string()] * 3, *arrays]
        made = [pa.array(c, t) for c, t in zip(columns.values(), types, strict=True)]
        return pa.RecordBatch.from_arrays(made, [*columns])

    def _arrays(self, path: Path, name: str, key: str, variants: list[str]) -> dict[str, list[Any]]:
        try:
            found = extract.clip_features(path, key=key, variants=variants, **self.versions.options)
        except DataError as error:
            raise DataError(str(error).replace(str(path), name)) from error
        flat = {_FEATURES: [*found.pop(_FEATURES).reshape(len(variants), -1)]}
        flat |= {n: [row.astype("<f2").tobytes() for row in rows] for n, rows in found.items()}
        return flat | {"variant": variants, "error": [None] * len(variants)}


def _failed(parts: Sequence[Part], *, source: Place, target: Place) -> pd.DataFrame:
    """The recordings that could not be used; their parts are to be computed again."""
    lines = []
    for part in parts:
        errors: dict[str, str | None] = {}
        for table in target.read(part.name, ["key", "error"], "key string, error string"):
            errors |= zip(table["key"].to_pylist(), table["error"].to_pylist(), strict=True)
        before = len(lines)
        for key, (path, _) in part.clips.items():
            if key not in errors:
                found = source.why_missing(path)
                errors[key] = f"{source.within(path)}: expected a recording, found {found}"
            if errors[key]:
                lines.append((key, path, errors[key]))
        if len(lines) > before:
            target.reopen(part.name)
    return pd.DataFrame(lines, columns=["key", "path", "error"])
