"""A Spark session that is quiet and, unless a cluster is named, stays on this computer."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT, in_checkout

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HERE = "local[*]"  # all cores of this computer
LOG = "spark.log"
_TRIES = 4  # of a task: a worker may die
_WORKERS = "workers"  # what the archive is called where it is unpacked
_SETTINGS = {
    "spark.app.name": "ser-tinyml",
    "spark.ui.showConsoleProgress": "false",
    # 30 recordings of a few seconds are a task, few of them a batch: memory stays small.
    "spark.sql.files.maxPartitionBytes": "128m",
    "spark.sql.files.openCostInBytes": "4m",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "16",
    "spark.sql.execution.arrow.maxBytesPerBatch": "64m",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "32",  # not a task a file
    "spark.sql.parquet.compression.codec": "zstd",
    # glibc keeps freed memory: giving a spectrum's back each time costs a quarter of the time
    "spark.executorEnv.MALLOC_TRIM_THRESHOLD_": str(1 << 28),
    "spark.executorEnv.MALLOC_MMAP_THRESHOLD_": str(1 << 28),
}
_ON_THIS_COMPUTER = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
}
_AT_HOME = {"SPARK_LOCAL_IP": "127.0.0.1"}  # for what a local cluster starts


@contextlib.contextmanager
def session(
    master: str = "",
    *,
    log: str | Path,
    workers: str | Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[SparkSession]:
    """A session; it ends with the ``with``.

    Parameters
    ----------
    master
        As Spark names it: "local[2]", "spark://host:7077", "yarn". Empty: what spark-submit was
        given, or else all cores of this computer.
    log
        File for what Spark has to say; the one of a process's first session has all of it. What
        spark-submit starts writes where that was told to.
    workers
        Archive from `pack`, which the workers run; None: they have this very environment.
    settings
        Of Spark, beside those of this module.

    Raises
    ------
    DataError
        If there is no pyspark or no Java, or no session can be had.
    """
    _check_installed()
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    master = _with_tries(master or HERE * (not submitted))
    builder = SparkSession.builder
    for name, value in {**_settings(master, workers), **(settings or {})}.items():
        builder = builder.config(name, value)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    environment = {"PYSPARK_PYTHON": python if workers else sys.executable}
    environment |= _AT_HOME if master.startswith("local") else {}
    with _environment(environment), warnings.catch_warnings():
        # of pandas nothing is used with Spark
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        try:
            with _errors_into(log) if not submitted else contextlib.nullcontext():
                spark = builder.getOrCreate()
        except (PySparkException, Py4JError) as error:
            raise DataError(
                f"spark: expected a session on {master or 'the cluster'}, found: {said(error)}; "
                f"{log} has more"
            ) from error
        try:
            yield spark
        finally:
            _stop(spark)


def _stop(spark: SparkSession) -> None:
    """End a session; a local cluster leaves a folder behind where Spark is installed."""
    import pyspark

    context = spark.sparkContext
    left = f"work/{context.applicationId}" if context.master.startswith("local-cluster") else ""
    spark.stop()
    if left:
        home = os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent
        shutil.rmtree(Path(home, left), ignore_errors=True)


def said(error: Exception) -> str:
    """What an error of Spark comes down to, in a line: of its causes the first line of the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by: ")]
    return (causes or lines or [type(error).__name__])[-1 if causes else 0]


def pack(archive: str | Path) -> Path:
    """What the workers of a cluster run: this package and what computes features, in an archive.

    The workers have Python of the same version, and nothing else.

    Raises
    ------
    DataError
        If pip cannot install it, or the package does not lie in its repository.
    """
    archive = Path(archive)
    if not in_checkout():
        raise DataError(
            f"{archive}: expected the repository to make it from, found the installed package alone"
        )
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        command += ["--target", folder, "-c", str(ROOT / "requirements.lock")]
        done = subprocess.run([*command, f"{ROOT}[features]"], capture_output=True, text=True)
        if done.returncode:
            raise DataError(f"{archive}: expected pip to install it, found: {done.stderr.strip()}")
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
            packed.add(folder, ".")
    return archive


def _settings(master: str, workers: str | Path | None) -> dict[str, str]:
    found = dict(_SETTINGS)
    if master:
        found["spark.master"] = master
    if master.startswith("local"):
        found |= _ON_THIS_COMPUTER
    if workers:
        if not Path(workers).is_file():
            raise DataError(
                f"{workers}: expected the archive that ser-tinyml spark --pack makes, found none"
            )
        found["spark.archives"] = f"{Path(workers).resolve()}#{_WORKERS}"
        found["spark.executorEnv.PYTHONPATH"] = _WORKERS
    return found


def _with_tries(master: str) -> str:
    """A local master gives a task up at its first failure, unless it is told how often to try."""
    master = "local[1]" if master == "local" else master
    return re.sub(r"^local\[(\*|\d+)\]$", rf"local[\1,{_TRIES}]", master)


def _check_installed() -> None:
    if importlib.util.find_spec("pyspark") is None:
        raise DataError(
            "spark: expected pyspark to be installed, found it is not: "
            'pip install "ser-tinyml[spark]"'
        )
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java", path=home and f"{home}/bin"):
        raise DataError(
            f"spark: expected Java 17 or later{f' in {home}' if home else ''}, found none; on "
            "Debian and Ubuntu: sudo apt install openjdk-17-jre-headless"
        )


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set what is not set already, for a while."""
    new = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]


@contextlib.contextmanager
def _errors_into(path: str | Path) -> Iterator[None]:
    """What the process and those that it starts meanwhile write to standard error, into a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = os.dup(2)
    try:
        with open(path, "ab") as log:
            os.dup2(log.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
