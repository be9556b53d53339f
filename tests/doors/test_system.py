"""A system from outside: one file, and the package is as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import contributing
import pytest

PLUGIN = contributing.example("new_system", "python")
WALK = """
import json
from pathlib import Path

import small_systems as small

from ser_tinyml.data import folds
from ser_tinyml.systems import registry, scores, trials

material = small.material(Path("recordings"))
dealt = folds.deal(material.clips)
folds.read = lambda: dealt
system = registry.find("means")
rows = {"protocol": "speaker", "class_set": small.CLASSES}
system.tests["speakers"].rows.update(rows)  # the small clips have other emotions
done = trials.run(
    system, material, tests=["speakers"], test_folds=[0, 1], jobs=2, progress=False
)
print(json.dumps({
    "chosen": [one.name for one in registry.chosen("means")],
    "module": registry.module_of("means"),
    "folders": [trial.folder.name for trial in done],
    "features": done[0].features.name,
    "uar": scores.summary(done)["uar"].tolist(),
}))
"""


def walk(folder: Path, plugin: str) -> dict[str, Any]:
    """Train the plugin's system, two trials side by side, in a process that knows it."""
    (folder / "means.py").write_text(plugin)
    paths = [contributing.ROOT, contributing.ROOT / "tests" / "support"]
    done = subprocess.run(
        [sys.executable, "-c", WALK],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "SER_PLUGINS": "means.py",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("system")
    return folder, walk(folder, PLUGIN)


def test_other_processes_find_it_and_it_is_scored(walked) -> None:
    _, found = walked
    assert found["chosen"] == ["means"] and found["module"] == ""
    assert len(set(found["folders"])) == 2 and min(found["uar"]) > 0.7


def test_what_it_made_is_made_again_when_its_file_has_changed(walked) -> None:
    folder, before = walked
    assert walk(folder, PLUGIN + "# a comment changes nothing\n") == before
    changed = walk(folder, PLUGIN.replace("+ 1e-9", "+ 1e-6"))
    assert changed["features"] != before["features"]
    assert not set(changed["folders"]) & set(before["folders"])
