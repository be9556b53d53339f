from __future__ import annotations

from pathlib import Path

from ser_tinyml.workflow.paths import Paths


def test_a_notebook_sees_paths_from_its_own_folder_and_messages_name_them_as_typed(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    paths = Paths("notebooks")
    assert paths.seen("my data") == "../my data"
    assert paths.seen("runs/a") == "../runs/a"
    assert paths.seen(tmp_path.parent / "far") == "../../far"
    paths.defaults(["../data/demo", "/elsewhere"])
    assert paths.as_typed("in ../my data/b.wav, '../runs/a/01' and ../data/demo.") == (
        "in my data/b.wav, 'runs/a/01' and data/demo."
    )
    assert paths.as_typed("../../far/x") == f"{tmp_path.parent}/far/x"
    for text in ("../runs/ab", "../runs/a.wav", "../../runs/a", "x../runs/a"):
        assert paths.as_typed(text) == text


def test_short_paths_begin_where_the_user_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Paths.short(tmp_path / "a" / "b") == Paths.short(Path("a/b")) == "a/b"
    assert Paths.short(tmp_path.parent / "c") == str(tmp_path.parent / "c")
