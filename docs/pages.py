"""Which file of the repository is which page of the site, and where its links go.

Sphinx reads one folder, but the texts lie where they are used: guides in ``docs/``, the sketch's
README beside the sketch, notebooks in ``notebooks/``. `lay_out` copies them into one folder and
turns every link between files of the repository into one between pages of the site.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from docs import hosted
from docs.hosted import Hosted
from ser_tinyml import files
from ser_tinyml.files import DataError

ROOT = Path(__file__).resolve().parents[1]
FIRMWARE = "firmware/arduino_nano33"
REFERENCE = "api"  # folder of the pages that are made from docstrings


@dataclass(frozen=True)
class Section:
    """A part of the sidebar.

    Attributes
    ----------
    caption
        Above its pages.
    pages
        Page -> file of the repository. What is not there yet is left out.
    """

    caption: str
    pages: Mapping[str, str]


SECTIONS = (
    Section(
        "Use it",
        {
            "install": "docs/install.md",
            "browser": "docs/browser.md",
            "predict": "docs/predict.md",
            "tables": "docs/tables.md",
            "cloud": hosted.GUIDE,
        },
    ),
    Section(
        "The board",
        {
            "board": f"{FIRMWARE}/README.md",
            "protocol": "docs/protocol.md",
            "lstm": f"{FIRMWARE}/src/lstm/README.md",
        },
    ),
    Section(
        "Your own",
        {
            "own_recordings": "docs/own_recordings.md",
            "own_voice": "docs/own_voice.md",
            "experiments": "docs/experiments.md",
            "corpora": "docs/corpora.md",
            "data": "data/README.md",
            "spark": "docs/spark.md",
        },
    ),
    Section(
        "Add to it",
        {
            "new_corpus": "docs/new_corpus.md",
            "new_net": "docs/new_net.md",
            "new_classes": "docs/new_classes.md",
            "new_system": "docs/new_system.md",
            "new_board": "docs/new_board.md",
        },
    ),
    Section("Notebooks", {}),
    Section(
        "How good it is",
        {
            "scores": "docs/scores.md",
            "model_card": "models/MODEL_CARD.md",
            "numbers": "docs/numbers.md",
            "systems": "firmware/systems/README.md",
        },
    ),
    Section(
        "Look up",
        {
            "glossary": "docs/glossary.md",
            "commands": "",
            f"{REFERENCE}/index": "",
            "models": "models/README.md",
            "contributing": "CONTRIBUTING.md",
            "changelog": "CHANGELOG.md",
        },
    ),
)
START = {"index": "docs/index.md"}
# In the sidebar, in place of the first heading, which says too little there.
SHORT = {"data": "The folder data", "models": "The folder models"}
# Links to what is no page, and where a reader finds it told.
INSTEAD = {
    "README.md": "index",
    "ser_tinyml": f"{REFERENCE}/index",
    FIRMWARE: "board",
    "notebooks": "notebooks/00_first_steps",
    "notebooks/experiments": "experiments",
    "site": "browser",
    "models": "models",
    "data": "data",
    "firmware": "board",
    "tests": "contributing",
    "analysis": "tables",
}
_LINK = re.compile(
    r"(?ms)^(?P<fence>`{3,}).*?^(?P=fence)`*$|(?P<code>`+)(?!`).*?(?P=code)(?!`)"
    r"|!\[(?P<told>[^\]]*)\]\(https?:[^)]*\)|(?P<tag><img\s[^>]*\bsrc=[\"']https?:[^>]*>)"
    r"|(?<=\]\()(?P<link>[^)\s]+)(?=[)\s])"
)
_ALTERNATIVE = re.compile(r"\balt=[\"']([^\"']*)")
_SHOWN = re.compile(r"(?m)^<!-- shown here: (?P<name>[\w-]+) of (?P<file>\S+) -->$")


def sections(root: Path = ROOT) -> list[Section]:
    """The sidebar, with the pages whose files are there, notebooks and unlisted guides included."""
    found = []
    listed = {source for section in SECTIONS for source in section.pages.values()}
    guides = sorted(f"docs/{path.name}" for path in (root / "docs").glob("*.md"))
    for section in SECTIONS:
        pages = {n: s for n, s in section.pages.items() if not s or (root / s).is_file()}
        if section.caption == "Notebooks":
            paths = sorted((root / "notebooks").glob("*.ipynb"))
            pages = {f"notebooks/{path.stem}": f"notebooks/{path.name}" for path in paths}
        elif section.caption == "Use it":
            new = [g for g in guides if g not in {*listed, *START.values()}]
            pages |= {Path(guide).stem: guide for guide in new}
        found.append(Section(section.caption, pages))
    return found


def sources(root: Path = ROOT) -> dict[str, str]:
    """File of the repository -> page, for every page that is made from one."""
    pages = START | {n: s for section in sections(root) for n, s in section.pages.items()}
    return {source: page for page, source in pages.items() if source}


def title(text: str) -> str:
    """The first heading of a page, up to its colon: what the sidebar has room for."""
    found = re.search(r"(?m)^# (.+)$", text)
    return found[1].split(": ")[0].replace("`", "") if found else ""


class Links:
    """Links of the repository's texts, as links of the site.

    Parameters
    ----------
    modules
        Name of a module -> its place in the reference.

    Attributes
    ----------
    taken
        Files of the repository that are no pages and that pages show or offer.
    """

    def __init__(self, modules: Mapping[str, str], root: Path = ROOT) -> None:
        self._root = root
        self._modules = modules
        self._pages = sources(root)
        self.taken: set[str] = set()

    def rewritten(self, text: str, *, source: str, page: str) -> str:
        """Markdown with its links changed; code stays as it is.

        A picture of another server, such as a badge, becomes its alternative text: the site loads
        nothing from elsewhere.

        Parameters
        ----------
        source
            File of the repository that the text is from.
        page
            That it becomes.

        Raises
        ------
        DataError
            If a link leads to nothing in the repository.
        """

        def change(found: re.Match[str]) -> str:
            if found["link"] is not None:
                return self._link(found["link"], source=source, page=page)
            if found["tag"] is not None:
                alternative = _ALTERNATIVE.search(found["tag"])
                return alternative[1] if alternative else ""
            return found[0] if found["told"] is None else found["told"]

        return _LINK.sub(change, text)

    def _link(self, link: str, *, source: str, page: str) -> str:
        path, mark, anchor = link.partition("#")
        if not path or re.match(r"[a-z][a-z+.-]*:", link):
            return link
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        place = self._place(target)
        if place is None:
            raise DataError(f"{source}: expected a file or folder of the repository, found {link}")
        return posixpath.relpath(place, posixpath.dirname(page) or ".") + mark + anchor

    def _place(self, target: str) -> str | None:
        """Where the site has a file of the repository."""
        if target in self._pages:
            page = self._pages[target]
            return page + (".ipynb" if target.endswith(".ipynb") else ".md")
        if target in INSTEAD:
            return self._place_of_page(INSTEAD[target])
        path = self._root / target
        python = target.endswith(".py") or (path / "__init__.py").is_file()
        if target.startswith("ser_tinyml/") and python and path.exists():
            name = target.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            return self._modules[name]
        if path.is_file():
            self.taken.add(target)
            return f"files/{target}"
        if path.is_dir() and (path / "README.md").is_file():
            return self._place(f"{target}/README.md")
        return self._place(posixpath.dirname(target)) if path.is_dir() and target else None

    def _place_of_page(self, page: str) -> str:
        return page + (".ipynb" if page.startswith("notebooks/") else ".md")


def block(text: str, name: str, *, source: str) -> str:
    """What a text has between ``<!-- name -->`` and ``<!-- /name -->``.

    Raises
    ------
    DataError
        If the marks are not there once each, in order.
    """
    begin, end = (re.escape(f"<!-- {mark}{name} -->") for mark in ("", "/"))
    found = re.findall(rf"(?s){begin}\n(.*?)\n?{end}", text)
    if len(found) != 1:
        raise DataError(f"{source}: expected <!-- {name} --> and <!-- /{name} --> once each")
    return found[0]


def lay_out(
    folder: Path,
    made: Mapping[str, str],
    modules: Mapping[str, str],
    *,
    root: Path = ROOT,
    where: Hosted | None = None,
) -> None:
    """Write every page into a folder, as Sphinx reads them; what is not a page any more goes.

    Parameters
    ----------
    folder
        For the pages. What has not changed is not written again.
    made
        File of this folder -> text, of the pages that are made and not from a file.
    modules
        Name of a module -> its place in the reference.
    where
        GitHub has the notebooks; their pages have links that open them. None: no such links.

    Raises
    ------
    DataError
        If a link leads to nothing, or a page shows a block of a text that has none of that name.
    """
    links = Links(modules, root)
    written = {**made}
    for source, page in sources(root).items():
        text = (root / source).read_text("utf-8")
        if source.endswith(".ipynb"):
            written[f"{page}.ipynb"] = _notebook(text, links, source=source, page=page, where=where)
            continue
        text = links.rewritten(text, source=source, page=page)
        written[f"{page}.md"] = _with_blocks(text, links, page=page, root=root)
    written["index.md"] += "".join(_toctrees(root, made))
    for name, text in written.items():
        _keep(folder / name, text.encode())
    for name in links.taken:
        _keep(folder / "files" / name, (root / name).read_bytes())
    wanted = {*written, *(f"files/{name}" for name in links.taken)}
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in wanted:
            path.unlink()


def _with_blocks(text: str, links: Links, *, page: str, root: Path) -> str:
    """A page with the blocks of other texts that it shows, whose links are theirs."""

    def shown(found: re.Match[str]) -> str:
        source = found["file"]
        whole = files.read_bytes(root / source).decode()
        return links.rewritten(block(whole, found["name"], source=source), source=source, page=page)

    return _SHOWN.sub(shown, text)


def _notebook(text: str, links: Links, *, source: str, page: str, where: Hosted | None) -> str:
    """A notebook with the links of its Markdown cells changed, and those that open it elsewhere."""
    notebook = json.loads(text)
    if where is not None:
        guide = posixpath.relpath(hosted.GUIDE, posixpath.dirname(source))
        opened = f"{where.links(source)} · [what works there]({guide})"
        head, _, rest = "".join(notebook["cells"][0]["source"]).partition("\n")
        notebook["cells"][0]["source"] = f"{head}\n\n{opened}\n\n{rest}"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = links.rewritten("".join(cell["source"]), source=source, page=page)
    return json.dumps(notebook)


def _toctrees(root: Path, made: Mapping[str, str]) -> Iterator[str]:
    for section in sections(root):
        yield f"\n```{{toctree}}\n:caption: {section.caption}\n:hidden:\n\n"
        for page, source in section.pages.items():
            named = _title(root, source) if source else title(made[page + ".md"])
            yield f"{SHORT.get(page, named)} <{page}>\n"
        yield "```\n"


def _title(root: Path, source: str) -> str:
    text = (root / source).read_text("utf-8")
    if source.endswith(".ipynb"):
        text = "".join(json.loads(text)["cells"][0]["source"])
    return title(text)


def _keep(path: Path, data: bytes) -> None:
    """Write a file unless it is there: Sphinx reads again what is newer."""
    if not path.is_file() or path.read_bytes() != data:
        files.write_bytes(path, data)
