"""Spark held against this computer alone: bits, time, memory, and workers that are killed."""

from __future__ import annotations

import contextlib
import filecmp
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psutil

from ser_tinyml import files
from ser_tinyml.apps.spark import rows, training_memory
from ser_tinyml.apps.spark.session import LOG, pack, session
from ser_tinyml.data import dataset
from ser_tinyml.features import extract, preset
from ser_tinyml.files import DataError
from ser_tinyml.sound.augment import AugmentConfig

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL, CORES = "local[2]", 2
CLUSTER = "local-cluster[2,1,1024]"
VARIANTS = (extract.CLEAN, "random_1", "random_2", extract.LOUD)
CLIPS = 300  # 1,200 rows
ROUNDS = 3
MUST_RATE = 0.6  # of that of joblib
# Java takes its heap little by little, as if memory grew: here it has all of it at once.
# The heap is bounded; what a leak would fill there ends in an error.
WHOLE_HEAP = {"spark.driver.extraJavaOptions": "-Xms1g -XX:+AlwaysPreTouch"}
MOST_GROWTH = 1.1  # of the memory, from the second quarter of the time to the last
MOST_HELD = 0.05  # of a row, by a training that has ten times as many rows and more
NODES, CORES_OF_A_NODE, CLIPS_ON_PAPER = 20, 8, 1_000_000
_EXECUTOR, _PYTHON = "CoarseGrainedExecutorBackend", "pyspark.daemon"
_DECODER = "libsndfile"  # is loaded by a worker that has imported all that computes rows
_AT_WORK_S = 0.1  # of the processor since then, after which a worker is computing


@dataclass(frozen=True)
class Material:
    """What is computed, and from what.

    Attributes
    ----------
    clips
        As stage 01 has them.
    recordings
        Folder of their paths.
    variants
        Of each clip.
    """

    clips: pd.DataFrame
    recordings: Path
    variants: tuple[str, ...] = VARIANTS

    @property
    def rows(self) -> pd.DataFrame:
        """Every version of every clip."""
        keys = self.clips["key"].repeat(len(self.variants)).reset_index(drop=True)
        return pd.DataFrame({"key": keys, "variant": [*self.variants] * len(self.clips)})

    @property
    def options(self) -> dict[str, Any]:
        """What rows depend on beside the clips."""
        config = preset("default")
        return {"config": config, "augmentation": AugmentConfig(), "seed": 0, "windows": True}

    def by_joblib(self, folder: Path) -> float:
        """Compute the rows on this computer alone, and give the seconds."""
        folder.mkdir()
        start = time.perf_counter()
        extract.compute_features(
            self.rows,
            self.clips,
            recordings=self.recordings,
            folder=folder,
            jobs=CORES,
            progress=False,
            **self.options,
        )
        return time.perf_counter() - start

    def by_spark(self, spark: SparkSession, folder: Path, *, progress: bool = False) -> float:
        """Compute the rows on Spark, and give the seconds.

        Raises
        ------
        DataError
            If a recording could not be used.
        """
        folder.mkdir()
        start = time.perf_counter()
        versions = rows.Versions.of(**self.options)
        parts = rows.parts(self.rows, self.clips, versions)
        where = {"parquet": folder / rows.PARQUET}
        failed = rows.compute(
            spark, parts, versions, recordings=self.recordings, progress=progress, **where
        )
        if len(failed):
            raise DataError(f"{self.recordings}: expected to use all, found {failed['error'][0]}")
        rows.join(spark, parts, self.rows, versions, folder=folder, **where)
        return time.perf_counter() - start

    def linked(self, folder: Path, count: int) -> Material:
        """So many clips, clean: links to these under other speakers."""
        copies = -(-count // len(self.clips))
        tables = []
        for copy in range(copies):
            table = self.clips.assign(
                key=[f"{key}-copy{copy}" for key in self.clips["key"]],
                path=[f"{copy}/{path}" for path in self.clips["path"]],
            )
            tables.append(table.head(count - copy * len(self.clips)))
        linked = pd.concat(tables, ignore_index=True)
        for name in linked["path"]:
            link = folder / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((self.recordings / name.partition("/")[2]).resolve())
        return replace(self, clips=linked, recordings=folder, variants=(extract.CLEAN,))


def check(
    recordings: str | Path,
    output: str | Path,
    *,
    workers: str | Path | None = None,
    many: int,
) -> bool:
    """Hold Spark against joblib, say and write what was found, and whether the bars are met.

    Parameters
    ----------
    recordings
        Folder of corpora.
    output
        Folder for metrics.json and Spark's log.
    workers
        Archive from `session.pack`; None: it is made.
    many
        Clips to send through for the memory.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    clips = dataset.scan(recordings).clips
    few = clips.sample(min(CLIPS, len(clips)), random_state=0).sort_index().reset_index(drop=True)
    material, everything = (Material(table, Path(recordings)) for table in (few, clips))
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        folder, log = Path(scratch), output / LOG
        found = {"rows": len(material.rows), "cores": os.cpu_count()}
        found |= rates(material, folder, log)
        if workers is None:
            workers = pack(folder / "workers.tar.gz")
        found |= on_a_cluster(material, folder, log, workers)
        found |= through(everything.linked(folder / "links", many), folder, log)
        found["training"] = training_memory.measure(clips, folder)
    found = files.plain_numbers(found | on_paper(found))
    files.write_json(output / "metrics.json", found)
    kept = bars(found)
    print("\n".join(lines(found)))
    print("\n".join(f"{'kept  ' if kept[bar] else 'MISSED'}  {bar}" for bar in kept))
    return all(kept.values())


def rates(material: Material, folder: Path, log: Path) -> dict[str, Any]:
    """Time joblib and a local Spark in turn, both warm, and compare what they write."""
    seconds: dict[str, list[float]] = {"joblib": [], "spark": []}
    with session(LOCAL, log=log, settings=WHOLE_HEAP) as spark:  # which starts Java for all others
        material.by_joblib(folder / "warm joblib")  # a whole round: Java compiles while it runs
        material.by_spark(spark, folder / "warm spark")
        for number in range(ROUNDS):
            seconds["joblib"].append(material.by_joblib(folder / f"joblib {number}"))
            seconds["spark"].append(material.by_spark(spark, folder / f"spark {number}"))
    count = len(material.rows)
    found = {f"{name}_rows_a_second": count / np.median(s) for name, s in seconds.items()}
    return found | {
        "rate": found["spark_rows_a_second"] / found["joblib_rows_a_second"],
        "equal_local": same(folder / "joblib 0", folder / "spark 0"),
    }


def on_a_cluster(
    material: Material, folder: Path, log: Path, workers: str | Path
) -> dict[str, Any]:
    """Compute on a cluster of two workers, once in peace and once while one is killed.

    `rates` has been here before.
    """
    with session(CLUSTER, log=log, workers=workers) as spark:
        material.by_spark(spark, folder / "cluster")
        with one_killed(executor=True) as killed:
            material.by_spark(spark, folder / "killed")
    return {
        "equal_cluster": same(folder / "joblib 0", folder / "cluster"),
        "killed": len(killed),
        "equal_killed": same(folder / "joblib 0", folder / "killed"),
    }


def through(material: Material, folder: Path, log: Path) -> dict[str, Any]:
    """Send many clips through a local Spark, and watch the memory of all that takes part."""
    with session(LOCAL, log=log) as spark, watched() as memory:
        seconds = material.by_spark(spark, folder / "many", progress=True)
    quarter = max(1, len(memory) // 4)
    before, last = max(memory[quarter : 2 * quarter] or memory), max(memory[-quarter:])
    return {
        "many": len(material.clips),
        "many_seconds": seconds,
        "memory_mb": {"second quarter": before, "last quarter": last, "most": max(memory)},
        "growth": last / before,
    }


def on_paper(found: dict[str, Any]) -> dict[str, Any]:
    """What a cluster would take, from the rate of a core here."""
    cores, count = NODES * CORES_OF_A_NODE, CLIPS_ON_PAPER * len(VARIANTS)
    return {"on_paper_minutes": count / (found["spark_rows_a_second"] / CORES * cores) / 60}


def bars(found: dict[str, Any]) -> dict[str, bool]:
    """Each bar in words, and whether it is met."""
    return {
        f"the bits of joblib on {found['rows']} rows in {LOCAL}": found["equal_local"],
        f"the same in {CLUSTER} with a packed environment": found["equal_cluster"],
        "the same while a worker is killed": found["killed"] == 1 and found["equal_killed"],
        f"{MUST_RATE:g} of joblib's rate or more": found["rate"] >= MUST_RATE,
        f"memory that does not grow over {found['many']} clips": found["growth"] <= MOST_GROWTH,
        "a training that holds none of its rows": held(found["training"]) <= MOST_HELD,
    }


def held(lines: list[dict[str, Any]]) -> float:
    """The share of the rows beyond the fewest that a training holds in memory."""
    first, *_, last = lines
    return (last["most_mb"] - first["most_mb"]) / (last["disk_mb"] - first["disk_mb"])


def lines(found: dict[str, Any]) -> list[str]:
    """What was found, to be read."""
    memory = ", ".join(f"{name} {mb:.0f} MB" for name, mb in found["memory_mb"].items())
    return [
        f"joblib  {found['joblib_rows_a_second']:.0f} rows a second on {CORES} cores",
        f"Spark   {found['spark_rows_a_second']:.0f}, {found['rate']:.2f} of it",
        f"{found['many']} clips in {found['many_seconds']:.0f} s; memory: {memory}",
        *(
            f"a training over {line['rows']} rows, {line['disk_mb']:.0f} MB: "
            f"{line['most_mb']:.0f} MB of memory"
            for line in found["training"]
        ),
        f"on paper, {CLIPS_ON_PAPER:,} clips in {len(VARIANTS)} versions on {NODES} nodes of "
        f"{CORES_OF_A_NODE} such cores: {found['on_paper_minutes']:.0f} minutes",
    ]


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same arrays, byte for byte."""
    names = [path.name for path in one.glob("*.npy")]
    return bool(names) and filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


@contextlib.contextmanager
def one_killed(*, executor: bool) -> Iterator[list[int]]:
    """Meanwhile, kill a process that this one has started and that is computing rows.

    Parameters
    ----------
    executor
        Kill what runs it, with all that it runs.

    Yields
    ------
    killed
        Its number, once it is.
    """
    killed: list[int] = []
    ready: dict[int, float] = {}  # seconds of the processor when a worker was first seen ready

    def look() -> bool:
        for one in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if _PYTHON not in one.cmdline():
                    continue
                used = one.cpu_times().user
                if one.pid not in ready and any(_DECODER in m.path for m in one.memory_maps()):
                    ready[one.pid] = used
                if used - ready.get(one.pid, used) > _AT_WORK_S:
                    above = [p for p in one.parents() if any(_EXECUTOR in a for a in p.cmdline())]
                    victim = above[0] if executor else one
                    victim.send_signal(signal.SIGKILL)
                    killed.append(victim.pid)
                    return True
        return False

    with _meanwhile(look, every_s=0.02):
        yield killed


@contextlib.contextmanager
def watched() -> Iterator[list[float]]:
    """Meanwhile, once a second: MB that this process and its children have for themselves."""
    found: list[float] = []

    def look() -> bool:
        total = 0
        for one in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                memory = one.memory_info()
                total += memory.rss - memory.shared
        found.append(total / 1e6)
        return False

    with _meanwhile(look, every_s=1.0):
        yield found


@contextlib.contextmanager
def _meanwhile(look: Callable[[], bool], *, every_s: float) -> Iterator[None]:
    """Call a function again and again in a thread, until it gives true or the ``with`` ends."""
    over = threading.Event()

    def run() -> None:
        while not look() and not over.wait(every_s):
            pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
