"""The pictures in images/ that need no run are those that the code draws of what is published."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from ser_tinyml import files
from ser_tinyml.plots import diagrams
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow import results
from ser_tinyml.workflow.publish import IMAGES, METRICS

TABLES = ("results", "ablations", "compare")
VISIBLE = 40  # of 255 steps of a colour; less is what another font renderer may do
FEW = 2e-4  # of the pixels: a word of a label has more


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the published models alone, and the pictures that were drawn there."""
    root = tmp_path_factory.mktemp("published")
    (root / "models").symlink_to(ROOT / "models")
    paths = results.draw(root)
    plt.close("all")
    names = [*diagrams.OF_MODELS, *diagrams.OTHERS, *TABLES]
    assert sorted(path.name for path in paths if path.suffix == ".png") == sorted(
        f"{name}.png" for name in names
    )
    return root


def changed(one: Path, other: Path) -> float:
    """Share of the pixels that look different; 1 if the pictures differ in size."""
    first, second = (np.asarray(Image.open(path).convert("RGB"), int) for path in (one, other))
    if first.shape != second.shape:
        return 1.0
    return float((np.abs(first - second).max(axis=2) > VISIBLE).mean())


@pytest.mark.parametrize("name", [*diagrams.OF_MODELS, *diagrams.OTHERS, *TABLES])
def test_a_committed_picture_is_what_the_code_draws_now(drawn: Path, name: str) -> None:
    """Where this fails, `ser-tinyml pictures` draws it anew."""
    assert changed(drawn / IMAGES / f"{name}.png", ROOT / IMAGES / f"{name}.png") < FEW


def test_another_number_is_seen(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    lines = files.read_json(ROOT / "models" / "results.json")
    lines[-1]["uar"] += 0.1
    files.write_json(tmp_path / "models" / "results.json", lines)
    files.write_json(tmp_path / METRICS, files.read_json(ROOT / METRICS))
    figure = results.pictures(tmp_path)["results"]
    figure.savefig(tmp_path / "results.png")
    plt.close("all")
    assert changed(tmp_path / "results.png", drawn / IMAGES / "results.png") > FEW
