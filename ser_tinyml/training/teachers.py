"""Teachers: nets that are trained before the net that counts, several at a time."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from ser_tinyml.training.config import TrainingConfig, teacher_seeds

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras
    from ser_tinyml.training.batches import Frames

LOG = "log.txt"
_POLL_S = 0.5


def train(
    features: np.ndarray,
    rows: pd.DataFrame,
    *,
    classes: Sequence[str],
    config: TrainingConfig,
    teachers: int,
    generations: int,
    folder: Path,
    frames: Frames | None = None,
    outside: np.ndarray | None = None,
    jobs: int | None = None,
    say: Callable[[str], None] = print,
) -> list[keras.Model]:
    """Train the generations of teachers that `config.teacher_seeds` names.

    Each net is trained in a process and a folder of its own, with a line an epoch in its log and on
    standard error; an interrupted one goes on where it stopped.

    Parameters
    ----------
    features, rows, classes, frames, outside
        As for `fitting.fit`.
    config
        Of the teachers. The first generation has no distillation but from outside.
    teachers
        In each generation.
    generations
        0: none.
    folder
        Each teacher gets one in it: teacher_1, teacher_2, and so on.
    jobs
        Processes; None: one a core.
    say
        Gets a line when a generation begins, and one for each of its nets when they are done.

    Returns
    -------
    nets
        In the order of training.
    """
    from ser_tinyml.nets import models

    trained: list[Path] = []
    for generation in range(generations):
        alone = not generation and outside is None
        own = replace(config, distillation=0.0) if alone else config
        seeds = teacher_seeds(generation, teachers=teachers)
        paths = [folder / f"teacher_{len(trained) + n + 1}" for n in range(teachers)]
        say(f"teachers, generation {generation + 1} of {generations}: {teachers} nets")
        options = {"frames": frames, "outside": outside, "taught_by": list(trained)}
        nets = (
            delayed(_fit)(features, rows, classes, replace(own, seed=seed), folder=path, **options)
            for seed, path in zip(seeds, paths, strict=True)
        )
        _train_side_by_side(nets, paths, jobs=jobs, say=say)
        trained += paths
    if trained:
        get_reusable_executor().shutdown()  # each of its processes would keep a gigabyte
    return [models.load_model(path) for path in trained]


@contextlib.contextmanager
def followed(logs: Sequence[Path]) -> Iterator[None]:
    """Show on standard error what is added to log files, each line with its folder's name."""
    places = {path: path.stat().st_size if path.is_file() else 0 for path in logs}
    done = threading.Event()

    def show() -> None:
        for path, place in places.items():
            if not path.is_file():
                continue
            with path.open("rb") as stream:
                stream.seek(place)
                new = stream.read()
            whole = new[: new.rfind(b"\n") + 1]
            places[path] = place + len(whole)
            for line in whole.decode("utf-8").splitlines():
                print(f"{path.parent.name}: {line}", file=sys.stderr, flush=True)

    def watch() -> None:
        while not done.wait(_POLL_S):
            show()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        show()


def _train_side_by_side(
    nets: Iterable[Any], paths: Sequence[Path], *, jobs: int | None, say: Callable[[str], None]
) -> None:
    """Train the nets of a generation, each in a process, and say how each went."""
    count = min(jobs or os.cpu_count() or 1, len(paths))
    tasks = Parallel(n_jobs=count, return_as="generator")(nets)
    with followed([path / LOG for path in paths]):
        for path, uar in zip(paths, tasks, strict=True):
            say(f"{path.name}: validation UAR {uar:.3f}")


def _fit(
    features: np.ndarray,
    rows: pd.DataFrame,
    classes: Sequence[str],
    config: TrainingConfig,
    *,
    folder: Path,
    frames: Frames | None,
    outside: np.ndarray | None,
    taught_by: Sequence[Path],
) -> float:
    """Train one net, leave it in its folder, and return its UAR on validation."""
    from ser_tinyml.nets import models
    from ser_tinyml.nets.keras import one_thread
    from ser_tinyml.training import fitting

    one_thread()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8") as log:
        fitted = fitting.fit(
            features,
            rows,
            classes=classes,
            config=config,
            folder=folder,
            frames=frames,
            outside=outside,
            teachers=[models.load_model(path) for path in taught_by],
            say=lambda line: print(line, file=log, flush=True),
        )
    models.save_model(folder, fitted.model)
    return float(fitted.history["validation_uar"].iloc[-1])
