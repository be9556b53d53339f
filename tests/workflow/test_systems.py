"""`make systems`: from recordings to the table of all systems, and its place in the docs."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import small_folds
import small_systems as small

from ser_tinyml import __main__ as command_line
from ser_tinyml import files
from ser_tinyml.files import DataError, plain_numbers
from ser_tinyml.provenance import ROOT
from ser_tinyml.systems import light, registry, trials
from ser_tinyml.workflow import pipeline, systems
from ser_tinyml.workflow.runs import Run


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A run whose stage 01 is done, on recordings of the small system."""
    material = small.material(tmp_path / "recordings")
    small_folds.deal(monkeypatch, material.clips)
    files.write_table(tmp_path / "run" / "01_index" / "clips.csv", material.clips)
    monkeypatch.setattr(pipeline, "run", lambda *given, **named: [])
    run = trials.run
    monkeypatch.setattr(
        trials, "run", lambda *given, **named: run(*given, **named, jobs=1, progress=False)
    )
    with small.registered():
        yield tmp_path / "run"


def test_a_table_of_systems_grows_and_keeps_the_lines_of_others(run_dir, capsys) -> None:
    given = {"recordings": run_dir.parent / "recordings", "name": "small"}
    table = systems.run(run_dir, **given)
    assert set(table["test"]) == {"published", "speakers"} and set(table["kind"]) == {
        *("float", "text")
    }
    said = capsys.readouterr().out
    assert "small: else is left out: expected no_such_module to be installed" in said
    assert 'pip install "ser-tinyml[small]"' in said
    other = replace(small.SYSTEM, name="other", title="Another", exports={})
    with small.registered(other):
        both = systems.run(run_dir, recordings=given["recordings"], name="other", seeds=[0, 1])
        assert list(both["system"].unique()) == ["other", "small"]
        assert files.read_table(run_dir / "systems.csv").shape == both.shape
        kept = both[both["system"] == "small"].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, table, check_dtype=False)
        lines = systems.markdown(both).splitlines()
    assert len(lines) == 2 + 4
    assert lines[2].startswith("| Another | random clips, speakers heard, ")
    assert "| accuracy 90.0 % (somebody) | – |" in lines[2] and " ± " in lines[2]
    assert lines[3].startswith("| Another | speakers never heard, 120 | ")


def test_the_table_goes_into_the_docs(run_dir, tmp_path) -> None:
    table = systems.run(run_dir, recordings=run_dir.parent / "recordings", name="small")
    place = tmp_path / "docs" / "scores.md"
    files.write_text(place, "a\n<!-- systems -->\n<!-- /systems -->\nb\n")
    systems.publish(table, root=tmp_path)
    text = place.read_text()
    assert systems.markdown(table) in text and text.startswith("a\n") and text.endswith("b\n")
    known = files.read_json(tmp_path / "models" / "systems.json")
    assert [line["system"] for line in known] == ["small"] * len(table)
    with small.registered(replace(small.SYSTEM, name="other", title="Another")):
        systems.publish(table.assign(system="other", title="Another"), root=tmp_path)
        both = files.read_json(tmp_path / "models" / "systems.json")
    assert [line for line in both if line["system"] == "small"] == known
    assert [line["title"] for line in both if line["system"] == "other"] == ["Another"] * len(table)
    assert "| Another |" in (text := place.read_text()) and f"| {table['title'][0]} |" in text


def test_what_is_published_keeps_the_bars_of_the_systems() -> None:
    table = pd.DataFrame(files.read_json(ROOT / "models" / "systems.json"))
    lines = table.set_index(["system", "test", "part", "kind"])
    looks = lines.loc[("spectrogram", "published", "all", "float")]
    assert looks["accuracy"] >= 0.85
    assert lines.loc[("spectrogram", "speakers", "pooled", "float"), "uar"] >= 0.58
    assert lines.loc[("conv162", "published", "all", "float"), "accuracy"] >= 0.61
    assert lines.loc[("light_mlp", "published", "all", "c"), "weighted_f1"] >= 0.58
    on_board = table[table["system"].str.startswith("light_") & (table["kind"] == "c")]
    assert len(on_board) > 30 and (on_board["same"] >= 0.995).all()
    assert (on_board["milliseconds"] <= 50).all()
    assert (on_board["flash_bytes"] <= 256 * 1024).all()
    assert (on_board["ram_bytes"] <= 64 * 1024).all()
    assert table["recordings"].nunique() == 1


def test_lines_of_other_recordings_stand_in_no_table(run_dir, tmp_path, capsys) -> None:
    given = {"recordings": run_dir.parent / "recordings"}
    table = systems.run(run_dir, name="small", **given)
    clips = files.read_table(run_dir / "01_index" / "clips.csv")
    assert set(table["recordings"]) == {systems.recordings_of(clips)}
    assert systems.recordings_of(clips[::-1]) == systems.recordings_of(clips)
    files.write_table(run_dir / "01_index" / "clips.csv", clips.iloc[1:])
    with small.registered(replace(small.SYSTEM, name="other", title="Another", exports={})):
        capsys.readouterr()
        other = systems.run(run_dir, name="other", **given)
        assert "of other recordings, and left out: small" in capsys.readouterr().out
        assert set(other["system"]) == {"other"}
        assert not set(other["recordings"]) & set(table["recordings"])
        files.write_text(tmp_path / "docs" / "scores.md", "<!-- systems -->\n<!-- /systems -->\n")
        systems.publish(table, root=tmp_path)
        with pytest.raises(DataError, match=r"systems.json: expected lines of the recordings "):
            systems.publish(other, root=tmp_path)
        old = table.drop(columns="recordings")  # as tables were before they said so
        files.write_json(
            tmp_path / "models" / "systems.json", plain_numbers(old.to_dict("records"))
        )
        with pytest.raises(DataError, match="found those of unknown"):
            systems.publish(table, root=tmp_path)


def test_what_is_refused(run_dir, tmp_path, capsys) -> None:
    with pytest.raises(DataError, match="system: expected one of "):
        systems.run(run_dir, recordings=tmp_path, name="none")
    with pytest.raises(DataError, match="nowhere: expected a folder of sung recordings"):
        systems.run(run_dir, recordings=tmp_path, song=tmp_path / "nowhere", name="small")
    for line, said in {
        "systems --data x --seeds one": "--seeds: expected whole numbers",
        "systems --data x --net-seeds one": "--net-seeds: expected whole numbers",
        "systems --data x --net-seeds 1 --system mixtures": "expected to train this project's net",
        "systems --data x --net-seeds 1 --beside-published": "expected to train this project's net",
        "systems --data x --quick --publish": "expected --publish without --quick",
        "systems --data x --system small --beside-published": "expected --system compare",
        "systems --data x --beside-published --ratings y": "expected --ratings without",
    }.items():
        assert command_line.main(line.split()) == 1
        assert said in capsys.readouterr().err


def test_a_notebook_shows_the_systems_of_its_module_and_waits_for_all_of_them(monkeypatch) -> None:
    assert systems.notebooks_of([small.SYSTEM]) == []
    monkeypatch.setattr(systems, "FIELD", ("97_else", "98_conv162"))
    both = registry.chosen("conv162")
    assert systems.notebooks_of([small.SYSTEM, *both]) == ["98_conv162"]
    assert systems.notebooks_of(both[1:]) == []


def test_side_by_side_trains_no_system_and_shows_those_that_were(run_dir, monkeypatch) -> None:
    given = {"recordings": run_dir.parent / "recordings", "beside": {"epochs": 1}}
    with pytest.raises(DataError, match="expected systems that were trained, found none"):
        systems.run(run_dir, name=systems.SIDE_BY_SIDE, **given)
    systems.run(run_dir, name="small", recordings=given["recordings"])
    asked = []
    monkeypatch.setattr(pipeline, "run", lambda folder, **named: asked.append(named))
    monkeypatch.setattr(trials, "run", lambda *given, **named: pytest.fail("trained"))
    table = systems.run(run_dir, name=systems.SIDE_BY_SIDE, **given)
    assert set(table["system"]) == {"small"}
    shown = asked[-1]
    assert shown["stages"] == ["14_compare"]
    assert shown["parameters"]["systems_shown"] == "small" and shown["parameters"]["epochs"] == 1


def test_published_scores_stand_beside_on_the_same_recordings_only(
    run_dir, tmp_path, monkeypatch
) -> None:
    run, path = Run(run_dir), tmp_path / "metrics.json"
    files.write_json(run_dir / "01_index" / "metrics.json", {"clips": 3})
    shown = {"systems": [{"system": "lstm"}], "sizes": {}, "diarisation": [{"error": 0.5}]}
    heard = {"people": {"one listener": {"uar": 0.58}}}
    known = {"01_index": {"clips": 3}, "07_evaluate": heard, "14_compare": shown}
    files.write_json(path, known)
    assert systems.earlier(path, run) == {**shown, "listener": 0.58}
    files.write_json(path, {name: known[name] for name in ("01_index", "14_compare")})
    assert systems.earlier(path, run)["listener"] is None
    for other, said in (
        ({**known, "01_index": {"clips": 4}}, "found other recordings"),
        ({"01_index": {"clips": 3}}, "expected scores of 14_compare, found those of 01_index"),
    ):
        files.write_json(path, other)
        with pytest.raises(DataError, match=said):
            systems.earlier(path, run)
    with pytest.raises(DataError, match="earlier: expected metrics.json of an earlier run"):
        systems.earlier("", run)
    monkeypatch.setattr(trials, "run", lambda *given, **named: pytest.fail("trained"))
    given = {"recordings": tmp_path, "name": "small", "beside": {"earlier": str(path)}}
    with pytest.raises(DataError, match="expected scores of 14_compare"):
        systems.run(run_dir, **given)


def test_beside_what_is_published_no_net_is_trained(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(systems, "run", lambda *given, **named: asked.append(named["beside"]))
    monkeypatch.setattr(systems, "text", lambda table: "")
    line = "systems --data x --system compare"
    assert command_line.main([*line.split(), "--beside-published"]) == 0
    assert asked == [{"net_sizes": "", "earlier": "../models/metrics.json"}]


def test_the_table_shows_some_of_a_module_with_many_and_all_others() -> None:
    shown = registry.in_tables()
    assert set(light.IN_TABLES) < {system.name for system in light.SYSTEMS}
    assert [name for name in shown if name.startswith("light")] == list(light.IN_TABLES)
    assert {"conv162", "conv162_board", "mixtures", "spectrogram"} <= set(shown)
    with small.registered():
        assert registry.in_tables() == [*shown, "small"]


def test_a_list_of_systems_names_each_once() -> None:
    every = registry.names()
    assert [one.name for one in registry.listed("all")] == every
    found = [one.name for one in registry.listed("mixtures conv162 conv162_board")]
    assert found == ["mixtures", "conv162", "conv162_board"]
    assert [one.name for one in registry.listed("conv162")] == ["conv162"]  # not its whole module
    with pytest.raises(DataError, match="system: expected one of "):
        registry.listed("mixtures none")
