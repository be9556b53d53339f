"""Index and features of recordings in one go, as notebooks 01 and 02 make them, on Spark."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser_tinyml import files
from ser_tinyml.apps.spark import index, rows
from ser_tinyml.apps.spark.session import LOG, session
from ser_tinyml.data import report
from ser_tinyml.data.dataset import Scan
from ser_tinyml.features.rows import RowPlan, plan_rows
from ser_tinyml.sound.augment import AugmentConfig

# What a job may be told, beside where: the parameters of notebook 02.
PARAMETERS = {
    field.name: field.default for field in fields(RowPlan) if field.default is not MISSING
} | {"corpora": "", "feature_preset": "default", "features": {}, "background_dir": ""}


def run(
    recordings: str,
    output: str | Path,
    *,
    parquet: str = "",
    parameters: Mapping[str, Any],
    master: str = "",
    workers: str | Path | None = None,
    progress: bool = True,
) -> None:
    """Make all that a training reads; what is there already is not computed again.

    Parameters
    ----------
    recordings
        Folder or URL that all workers see.
    output
        Folder on this computer. It gets clips.csv, left_out.csv, rows.csv, report.csv (recordings
        that were heard, but could not be used then), features.npy and its like.
    parquet
        Folder or URL for the rows as the workers write them; all workers see it. Empty: a folder in
        `output`.
    parameters
        Some of PARAMETERS.
    master, workers
        As for `session.session`.

    Raises
    ------
    DataError
        If no recording can be used, a parameter is wrong, or Spark cannot do it.
    """
    output, plan = Path(output), RowPlan.of(parameters)
    versions = rows.Versions.of(
        plan.features,
        AugmentConfig(),
        seed=plan.seed,
        background_folder=_folder(parameters, "background_dir"),
        windows=plan.features.causal,
    )
    output.mkdir(parents=True, exist_ok=True)
    with session(master, log=output / LOG, workers=workers) as spark:
        with tempfile.TemporaryDirectory() as names:
            scan = index.scan(spark, recordings, folder=Path(names), progress=progress)
        _write_index(scan, output)
        plan = plan.settled(scan.clips)
        table = plan_rows(scan.clips, plan)
        parts = rows.parts(table, scan.clips, versions)
        where = {"parquet": parquet or output / rows.PARQUET}
        failed = rows.compute(
            spark, parts, versions, recordings=recordings, progress=progress, **where
        )
        files.write_table(output / rows.REPORT, failed)
        table = table[~table["key"].isin(failed["key"])].reset_index(drop=True)
        table["row"] = np.arange(len(table))
        rows.join(spark, parts, table, versions, folder=output, **where)
    _write_rows(table, plan, output)
    if len(failed):
        print(f"{output / rows.REPORT}: {len(failed)} recordings that could not be used")


def _folder(parameters: Mapping[str, Any], name: str) -> Path | None:
    return Path(parameters[name]) if parameters.get(name) else None


def _write_index(scan: Scan, output: Path) -> None:
    files.write_table(output / "clips.csv", scan.clips)
    files.write_table(output / "left_out.csv", scan.left_out)
    print(report.report(scan))


def _write_rows(table: pd.DataFrame, plan: RowPlan, output: Path) -> None:
    files.write_table(output / "rows.csv", table)
    files.write_json(output / "labels.json", plan.classes)
    plan.features.save(output / "features.json")
    print(f"{output}: {len(table)} rows of {table['key'].nunique()} clips")
