"""Links that open a notebook on a computer of somebody else, where GitHub has the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from ser_tinyml.files import DataError

GUIDE = "docs/cloud.md"  # what works there, and what does not
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
# As `git check-ref-format` has it, near enough; what is odd in an address is escaped.
_REF = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|@\{))[^\s\x00-\x1f\x7f~^:?*\[\\]+(?<![/.])")


@dataclass(frozen=True)
class Hosted:
    """Where GitHub has the notebooks.

    Attributes
    ----------
    repository
        Its owner and its name, with a slash between.
    ref
        A branch or a tag.

    Raises
    ------
    DataError
        If one of them cannot be what it is called.
    """

    repository: str
    ref: str

    def __post_init__(self) -> None:
        if not _REPOSITORY.fullmatch(self.repository):
            raise DataError(f"GITHUB_REPOSITORY: expected owner/name, found {self.repository!r}")
        if not _REF.fullmatch(self.ref):
            raise DataError(f"GITHUB_REF_NAME: expected a branch or a tag, found {self.ref!r}")

    def links(self, notebook: str) -> str:
        """Markdown that opens a notebook in Binder or in Colab.

        Parameters
        ----------
        notebook
            Path in the repository.
        """
        ref, path = quote(self.ref), quote(notebook)
        binder = f"https://mybinder.org/v2/gh/{self.repository}/{ref}?labpath={path}"
        colab = f"https://colab.research.google.com/github/{self.repository}/blob/{ref}/{path}"
        return f"[Open in Binder]({binder}) · [Open in Colab]({colab})"


def of_workflow(environment: Mapping[str, str]) -> Hosted | None:
    """Where a workflow of GitHub runs; None if the environment is not that of one.

    Raises
    ------
    DataError
        As `Hosted`.
    """
    repository = environment.get("GITHUB_REPOSITORY", "")
    ref = environment.get("GITHUB_REF_NAME", "")
    return Hosted(repository, ref) if repository and ref else None
