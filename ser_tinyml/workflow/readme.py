"""Numbers and tables in the README, between marks."""

from __future__ import annotations

from ser_tinyml.files import DataError


def into_readme(readme: str, table: str, *, name: str = "results") -> str:
    """Put a table between its two marks, <!-- name --> and <!-- /name -->.

    Raises
    ------
    DataError
        If the marks are not there once each, in order.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if [readme.count(begin), readme.count(end)] != [1, 1] or (
        readme.index(begin) > readme.index(end)
    ):
        raise DataError(f"README.md: expected {begin} and after it {end}, once each")
    head, rest = readme.split(begin)
    return f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}"
