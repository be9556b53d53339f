"""What indexes recordings and computes features: the cores of this computer, or Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import dataset
from ser_tinyml.data.dataset import Scan
from ser_tinyml.features import extract
from ser_tinyml.files import DataError

JOBLIB = "joblib"


def scan(folder: str | Path, *, engine: str, master: str, out: Path, **options: Any) -> Scan:
    """As `dataset.scan`.

    Parameters
    ----------
    engine
        "joblib", this computer's cores without Spark, or "spark".
    master
        Of Spark.
    out
        Folder for Spark's log.
    """
    if engine == JOBLIB:
        return dataset.scan(folder, **options)
    from ser_tinyml.apps.spark import index, session

    with session.session(master, log=out / session.LOG) as spark:
        return dataset.scan(folder, listening=index.Ears(spark), **options)


def compute_features(
    rows: pd.DataFrame, clips: pd.DataFrame, *, engine: str, master: str, **options: Any
) -> Path:
    """As `extract.compute_features`, which also says what the other options are.

    With Spark, Parquet and a report are in the folder too.

    Raises
    ------
    DataError
        If a recording cannot be used. With Spark all others are computed before that is said.
    """
    if engine == JOBLIB:
        return extract.compute_features(rows, clips, **options)
    if options.pop("jobs", None):
        raise DataError("jobs: expected 0 with engine 'spark', whose master says how many")
    return _on_spark(rows, clips, master=master, **options)


def _on_spark(
    rows: pd.DataFrame,
    clips: pd.DataFrame,
    *,
    master: str,
    recordings: Path,
    folder: Path,
    progress: bool = True,
    **versions: Any,
) -> Path:
    from ser_tinyml.apps.spark import rows as on_spark
    from ser_tinyml.apps.spark import session

    wanted = on_spark.Versions.of(**versions)
    parts = on_spark.parts(rows, clips, wanted)
    parquet, report = folder / on_spark.PARQUET, folder / on_spark.REPORT
    with session.session(master, log=folder / session.LOG) as spark:
        failed = on_spark.compute(
            spark, parts, wanted, recordings=recordings, parquet=parquet, progress=progress
        )
        files.write_table(report, failed)
        if len(failed):
            raise DataError(
                f"{report}: expected no recordings in it that cannot be used, found {len(failed)}; "
                f"the first: {failed['error'][0]}"
            )
        return on_spark.join(spark, parts, rows, wanted, parquet=parquet, folder=folder)
