"""Sizes of the project's own net: how they are named, trained and counted."""

from __future__ import annotations

import shutil

import pytest
import small_firmware

from ser_tinyml import files
from ser_tinyml.evaluation.trials import Settings
from ser_tinyml.files import DataError
from ser_tinyml.systems import common, sizes
from ser_tinyml.systems.sizes import Size


def test_sizes_are_read_as_they_are_written() -> None:
    found = sizes.sizes("64/32 128/64/32 40")
    assert [size.units for size in found] == [(64, 32), (128, 64, 32), (40,)]
    assert [size.name for size in found] == ["lstm_64_32", "lstm_128_64_32", "lstm_40"]
    assert found[0].title == "LSTM 64/32"


@pytest.mark.parametrize("text", ["128x64", "128/", "0/64", "-1"])
def test_other_texts_are_refused(text) -> None:
    with pytest.raises(DataError, match="sizes: expected units such as 128/64, found"):
        sizes.sizes(text)


def test_each_size_is_the_same_recipe_in_every_fold_and_the_table_has_both(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(
        sizes.trials, "run", lambda material, every, jobs: asked.extend(every) or [*range(4)]
    )
    chosen = sizes.sizes("8/4 16/8")
    found = sizes.run(None, Settings(), chosen, test_folds=[1, 3], seeds=[0])
    assert found == {Size((8, 4)): [0, 1], Size((16, 8)): [2, 3]}
    assert [one.recipe.training.units for one in asked] == [(8, 4)] * 2 + [(16, 8)] * 2
    assert [one.rows.test_fold for one in asked] == [1, 3, 1, 3]
    assert {one.rows.protocol for one in asked} == {"speaker"}


@pytest.mark.timeout(300)
@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in sizes.TOOLS),
    reason="needs the cross compiler and the emulator",
)
def test_what_a_net_costs_is_counted_once_and_answers_are_compared(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sizes.Export, "load", lambda folder: small_firmware.export())
    found = sizes.counted(tmp_path)
    assert found["fits"] and found["on"] == "emulated Cortex-M4F"
    assert 0 < found["share"] < 0.6 and found["flash_bytes"] < sizes.tables.FLASH_BYTES
    assert set(common.COSTS) <= set(found)
    stored = files.read_json(tmp_path / sizes.COUNTED)
    monkeypatch.setattr(sizes, "counted_of", lambda *given, **named: pytest.fail("again"))
    assert sizes.counted(tmp_path) == found == {k: v for k, v in stored.items() if k != "code"}


def test_without_the_tools_nothing_is_counted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sizes.shutil, "which", lambda tool: None)
    assert sizes.counted(tmp_path) == {}
