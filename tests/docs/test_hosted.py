"""Links that open a notebook in Binder and in Colab, and what Binder installs."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.specifiers import SpecifierSet

from docs import hosted
from docs.hosted import Hosted
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT

NOTEBOOK = "notebooks/01_index.ipynb"
BINDER = "https://mybinder.org/v2/gh"
COLAB = "https://colab.research.google.com/github"


@pytest.mark.parametrize(
    ("repository", "ref", "escaped"),
    [
        ("anna/ser-tinyml", "main", "main"),
        ("a-b_c/.x", "v1.0", "v1.0"),
        ("anna/ser-tinyml", "feature/pitch", "feature/pitch"),
        ("anna/ser-tinyml", "12/merge", "12/merge"),
        ("anna/ser-tinyml", "fix#7(a)", "fix%237%28a%29"),
        ("anna/ser-tinyml", "grün", "gr%C3%BCn"),
    ],
)
def test_a_notebook_is_opened_where_the_workflow_ran(repository, ref, escaped):
    where = hosted.of_workflow({"GITHUB_REPOSITORY": repository, "GITHUB_REF_NAME": ref})
    assert where.links(NOTEBOOK) == (
        f"[Open in Binder]({BINDER}/{repository}/{escaped}?labpath={NOTEBOOK}) · "
        f"[Open in Colab]({COLAB}/{repository}/blob/{escaped}/{NOTEBOOK})"
    )


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"GITHUB_REPOSITORY": "", "GITHUB_REF_NAME": ""},
        {"GITHUB_REPOSITORY": "anna/ser-tinyml"},  # as in a codespace
        {"GITHUB_REF_NAME": "main"},
    ],
)
def test_elsewhere_there_are_no_links(environment):
    assert hosted.of_workflow(environment) is None


@pytest.mark.parametrize(
    "repository",
    [
        "anna",
        "anna/",
        "/x",
        "a/b/c",
        "-a/b",
        "a/..",
        "a/b c",
        "a/b)",
        "a/b\n",
        "ä/b",
        "a" * 40 + "/b",
    ],
)
def test_what_is_no_repository_is_refused(repository):
    with pytest.raises(DataError, match="^GITHUB_REPOSITORY: expected owner/name, found "):
        Hosted(repository, "main")


@pytest.mark.parametrize(
    "ref", ["a b", "a\n", "../a", "a..b", "/a", "a/", "a//b", "-a", "a@{1}", "a?b"]
)
def test_what_is_no_branch_is_refused(ref):
    with pytest.raises(DataError, match="^GITHUB_REF_NAME: expected a branch or a tag, found "):
        Hosted("anna/ser-tinyml", ref)


def test_binder_installs_what_is_pinned_on_a_python_that_it_is_pinned_for():
    lines = (ROOT / ".binder/requirements.txt").read_text("utf-8").splitlines()
    named = [line.split() for line in lines if not line.startswith("#")]
    assert named == [["-r", "../requirements.txt"], ["-c", "../requirements.lock"]]
    assert all((ROOT / ".binder" / path).is_file() for _, path in named)
    python = re.fullmatch(r"python-(3\.\d+)\n", (ROOT / ".binder/runtime.txt").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert python[1] in SpecifierSet(project["requires-python"])
